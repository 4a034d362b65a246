"""Check before a benchmark starts that its environments have the packages that it needs.

An environment is a Python: this one, or another one for a single contender. A benchmark that takes
minutes must not fail at the end because the other one lacks a package.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence

_ASK = (
    "import importlib.util, json, sys\n"
    "def there(name):\n"
    "    try:\n"
    "        return importlib.util.find_spec(name) is not None\n"
    "    except ImportError:\n"
    "        return False\n"
    "print(json.dumps([name for name in sys.argv[1:] if not there(name)]))"
)


def missing(python: str, modules: Sequence[str]) -> list[str]:
    """Return those of the modules that this Python can't find.

    Raises:
        SystemExit: there is no such Python, with a sentence.
    """
    try:
        done = subprocess.run(
            [python, "-c", _ASK, *modules], capture_output=True, text=True, check=False
        )
    except OSError as error:
        sys.exit(f"{python} can't be started ({error.strerror}); name an environment's Python.")
    if done.returncode:
        sys.exit(f"{python} does not start: {done.stderr.strip()[-300:]}")
    found: list[str] = json.loads(done.stdout)
    return found


def require(needs: Mapping[str, Sequence[str]]) -> None:
    """Stop with a line for each environment that lacks something.

    Args:
        needs: the modules that each Python has to have, by its path.
    """
    lacking = {python: missing(python, modules) for python, modules in needs.items()}
    said = [
        f"{python} lacks {', '.join(modules)}; install: {python} -m pip install {' '.join(modules)}"
        for python, modules in lacking.items()
        if modules
    ]
    if said:
        sys.exit("Nothing was measured.\n" + "\n".join(said))
