"""A module of this package, run in a process of its own: what it takes can then be measured.

Memory that another model took earlier would be counted too, and a process gives everything back
when it ends.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path


def run_module(module: str, *arguments: str, python: str = sys.executable) -> dict:
    """What `python -m module` prints as one line of JSON, its last.

    Args:
        python: the interpreter, where something is installed in another environment.

    Raises:
        RuntimeError: with the last line that the process wrote, if it fails.
    """
    # The child finds this package where this process found it, installed or not.
    paths = [str(Path(__file__).resolve().parents[2]), os.environ.get("PYTHONPATH", "")]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths))}
    done = subprocess.run(
        [python, "-m", module, *arguments],
        capture_output=True,
        text=True,
        encoding="utf-8",
        env=environment,
        check=False,
    )
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1:] or [f"exit code {done.returncode}"]
        raise RuntimeError(last[0])
    return json.loads(done.stdout.strip().splitlines()[-1])
