"""Start the command with what none of its options sets: a shorter cell limit, barriers taken down.

    python tests/attacks/launcher.py SECONDS VERB …

The limit becomes the default of `Course.cell_seconds`, in the command's own process; it travels to
the workers with each job. Barriers (`autograder.sandbox.barriers.DOWN`) are taken down on import, in
every process: workers are started anew and import the module again. For that `patched_imports`
makes a folder with a `sitecustomize`, to be put before everything else on PYTHONPATH.
"""

from __future__ import annotations

import atexit
import functools
import json
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

BARRIERS = "autograder.sandbox.barriers"
"""The module with `DOWN: frozenset[str]`, the names of the barriers that are down."""

_SITECUSTOMIZE = '''
"""Take barriers down as their module is imported."""
import importlib.abc, importlib.machinery, json, sys

MODULE, DOWN = {module!r}, frozenset(json.loads({down!r}))

class _Finder(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name != MODULE:
            return None
        sys.meta_path.remove(self)
        spec = importlib.machinery.PathFinder.find_spec(name, path)
        if spec is None or spec.loader is None:
            return spec
        run = spec.loader.exec_module

        def exec_module(module):
            run(module)
            module.DOWN = DOWN

        spec.loader.exec_module = exec_module
        return spec

sys.meta_path.insert(0, _Finder())
'''


@functools.cache
def _folder(down: tuple[str, ...]) -> Path:
    folder = Path(tempfile.mkdtemp(prefix="barriers-down-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    text = _SITECUSTOMIZE.format(module=BARRIERS, down=json.dumps(down))
    (folder / "sitecustomize.py").write_text(text)
    return folder


def patched_imports(down: Sequence[str]) -> Path:
    """Return a folder that takes these barriers down in every process that has it on PYTHONPATH."""
    return _folder(tuple(sorted(down)))


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
