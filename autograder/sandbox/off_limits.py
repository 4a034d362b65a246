"""Keep modules that have what an assignment asks for from the student's code.

An import of one fails with a sentence that says why, and where the student's process has a file
system of its own, their files are covered, so that nothing there can be read either.

Imports nothing but the standard library, because it runs in the sandbox.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from glob import escape, glob
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType


def N_(message: str) -> str:
    """Mark a text for translation."""
    return message


SENTENCE = N_(
    "{module} has what this assignment asks for, so it can't be imported: write your own."
)
"""What an import raises."""


class OffLimits(ImportError):
    """A module that the student's code may not use in this assignment."""

    def _render_traceback_(self) -> list[str]:
        # IPython shows this in place of a traceback, in which there is nothing to find.
        return [f"ImportError: {self}"]


class _Finder(MetaPathFinder):
    """Refuse modules before any other finder is asked."""

    def __init__(self, modules: Sequence[str]) -> None:
        self.modules = tuple(modules)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return None for a module that may be imported.

        Raises:
            OffLimits: it may not.
        """
        if is_within(fullname, self.modules):
            raise OffLimits(_translated(SENTENCE).format(module=fullname), name=fullname)
        return None


def is_within(name: str, modules: Iterable[str]) -> bool:
    """Return whether a dotted name is one of the modules or lies in one."""
    return any(name == one or name.startswith(f"{one}.") for one in modules)


def forbid(modules: Sequence[str]) -> None:
    """Let every import of these modules, and of what lies in them, fail from now on."""
    for name in [one for one in sys.modules if is_within(one, modules)]:
        above, _dot, last = name.rpartition(".")
        parent = sys.modules.get(above)
        if parent is not None and vars(parent).get(last) is sys.modules[name]:
            delattr(parent, last)
        del sys.modules[name]
    sys.meta_path.insert(0, _Finder(modules))


def files_of(modules: Iterable[str], folders: Iterable[str]) -> Iterator[str]:
    """Yield the files and folders below import folders that these modules are in.

    Args:
        modules: dotted names; parts that aren't identifiers name nothing.
        folders: such as those in `sys.path`.
    """
    for module in modules:
        parts = module.split(".")
        if not all(part.isidentifier() for part in parts):
            continue
        for folder in dict.fromkeys(os.path.realpath(one) for one in folders if one):
            place = os.path.join(folder, *parts)
            if os.path.isdir(place):
                yield place
            # Compiled ones too: Python's own, and those of C.
            above, last = os.path.split(place)
            for pattern in (f"{last}.py", f"{last}.*.so", f"{last}.so", f"{last}.pyc"):
                yield from glob(os.path.join(escape(above), pattern))
            yield from glob(os.path.join(escape(above), "__pycache__", f"{last}.*"))


def _translated(message: str) -> str:
    # The course's texts are there if the notebook's language has been set; if not, it is English.
    i18n = sys.modules.get("autograder.i18n")
    return str(i18n._(message)) if i18n is not None else message
