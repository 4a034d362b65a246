"""env/ is no package: `python3 env` puts it on the path, and so do its tests."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "env"))
