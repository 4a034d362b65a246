"""Start the command with what none of its options sets: shorter limits, barriers taken down.

    python tests/attacks/launcher.py SECONDS VERB …

The limit becomes the default of `Course.cell_seconds`, in the command's own process; it travels to
the workers with each job. Barriers (`autograder.sandbox.barriers.DOWN`) are taken down on import, in
every process: workers are started anew and import the module again. The limits that hold whatever a
cell's own is are shortened in the same way. For that `patched_imports` makes a folder with a
`sitecustomize`, to be put before everything else on PYTHONPATH.
"""

from __future__ import annotations

import atexit
import functools
import json
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

BARRIERS = "autograder.sandbox.barriers"
"""The module with `DOWN: frozenset[str]`, the names of the barriers that are down."""

LIMITS = "autograder.judge.job"
"""The module with the limits."""

LEAST_RUN, JUDGE = "_LEAST_RUN_SECONDS", "_JUDGE_SECONDS"
"""What all of a student's cells together may take at least, and the judge beyond a cell's limit."""

_SITECUSTOMIZE = '''
"""Change names of modules as they are imported."""
import importlib.abc, importlib.machinery, json, sys

CHANGES = json.loads({changes!r})

class _Finder(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name not in CHANGES:
            return None
        changes = CHANGES.pop(name)
        spec = importlib.machinery.PathFinder.find_spec(name, path)
        if spec is None or spec.loader is None:
            return spec
        run = spec.loader.exec_module

        def exec_module(module):
            run(module)
            for one, value in changes.items():
                if not hasattr(module, one):
                    raise ImportError(f"{{name}} has no {{one}} to be changed.")
                setattr(module, one, frozenset(value) if isinstance(value, list) else value)

        spec.loader.exec_module = exec_module
        return spec

sys.meta_path.insert(0, _Finder())
'''


@functools.cache
def _folder(changes: str) -> Path:
    folder = Path(tempfile.mkdtemp(prefix="changed-imports-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    (folder / "sitecustomize.py").write_text(_SITECUSTOMIZE.format(changes=changes))
    return folder


def patched_imports(down: Sequence[str], limits: Mapping[str, float] | None = None) -> Path:
    """Return a folder that changes every process that has it on PYTHONPATH.

    Args:
        down: the barriers that it takes down.
        limits: seconds, by the name that `LIMITS` gives them.
    """
    changes = {BARRIERS: {"DOWN": sorted(down)}, LIMITS: dict(limits or {})}
    return _folder(json.dumps({module: names for module, names in changes.items() if names}))


def _limit_cells(seconds: int) -> None:
    try:
        from autograder.config import Course
    except ImportError:
        from autograder.config import Course
    usual = Course.__init__

    @functools.wraps(usual)
    def init(self, root, *args, **kwargs):
        if len(args) < 2:
            kwargs.setdefault("cell_seconds", seconds)
        usual(self, root, *args, **kwargs)

    Course.__init__ = init


if __name__ == "__main__":
    own = str(Path(__file__).resolve().parent)
    sys.path[:] = [one for one in sys.path if one != own]  # as with `python -m`
    limit = int(sys.argv.pop(1))
    _limit_cells(limit)
    from autograder.cli import main

    main()
