"""Decide which functions of the test's the student's code may call back.

Code that the student's process calls here runs with arguments that the student chooses. So only
what the course's author has written is called back: functions and classes of the notebook's cells
and of modules beside it, and objects of these classes. What Python or a library has is looked up by
its name on the student's side, where it can do no more than the student's code can. Of objects that
libraries have made, those pass that do nothing but compute or take notes: methods of plain
containers and random generators, a mock that wraps nothing of a library's. Anything else is
refused, even where it would be harmless: a path's `read_text`, say, or a mock that wraps `open`.
"""

from __future__ import annotations

import collections
import functools
import operator
import sys
import types
from pathlib import Path
from typing import Any
from unittest import mock

from autograder.judge.rpc import NotPlain
from autograder.sandbox.plain_values import type_name

MAX_INSIDE = 16
"""How many functions may lie in each other: a partial of a partial, a wrapper of a wrapper."""


class Refused(NotPlain):
    """A function that the student's code may not call; the message is one sentence."""

    def __init__(self, value: Any) -> None:
        super().__init__(
            f"a {type_name(type(value))} of Python's or a library's can't be handed to the "
            "student's code; hand over a function that the notebook defines"
        )


def may_be_called(value: Any, depth: int = 0) -> bool:
    """Return whether the student's code may call this here.

    Args:
        value: can be called, and has no name that both sides know it by (`name_in_library`).
        depth: in how many other functions it lies.
    """
    if depth > MAX_INSIDE:
        return False
    if isinstance(value, mock.NonCallableMock):
        return _is_harmless_mock(value, depth)
    kind = type(value)
    if kind is types.FunctionType:
        return _is_authors(value.__globals__.get("__name__")) or _wraps(value, depth)
    if kind is types.MethodType:
        return _is_harmless_method(value) or may_be_called(value.__func__, depth + 1)
    if kind is types.BuiltinMethodType or kind is types.MethodWrapperType:
        return _is_harmless_method(value)
    if kind is functools.partial:
        return may_be_called(value.func, depth + 1)
    if kind is _CACHED:
        return _wraps(value, depth)
    if isinstance(value, type):
        return _is_authors(value.__module__)
    if _is_library_s(kind, "numpy", "vectorize"):
        return may_be_called(value.pyfunc, depth + 1)
    if any(_is_library_s(kind, *one) for one in _COMPUTING):
        return True
    return _is_authors(kind.__module__)


def parts_there(value: Any) -> tuple[str, list[Any], dict[str, Any]] | None:
    """Return how the student's side makes one of functools' or operator's own; None for others.

    Returns:
        What it is called there, a module, a colon and a name, and the arguments of that.
    """
    kind = type(value)
    if kind is functools.partial:
        return "functools:partial", [value.func, *value.args], dict(value.keywords)
    if kind is operator.itemgetter or kind is operator.attrgetter:
        return f"operator:{kind.__name__}", list(value.__reduce__()[1]), {}
    return None


def name_in_library(value: Any) -> str | None:
    """Return the name under which both sides have a library's function, class or module."""
    if isinstance(value, types.ModuleType):
        name = value.__name__
        return f"{name}:" if _is_installed(name) and sys.modules.get(name) is value else None
    owner = getattr(value, "__self__", value)  # of a function of the one object behind a module
    for module in (_static(value, "__module__"), type(owner).__module__):
        for path in (_static(value, "__qualname__"), _static(value, "__name__")):
            if isinstance(module, str) and isinstance(path, str) and _is_at(value, module, path):
                return f"{module}:{path}"
    return None


def _is_at(value: Any, module: str, path: str) -> bool:
    """Return whether this is what an installed module has under a name."""
    if len(path) > 100 or not _is_installed(module):
        return False
    found: Any = sys.modules[module]
    for part in path.split("."):
        found = getattr(found, part, None)
    return found is value


def _static(value: Any, name: str) -> Any:
    """Return an attribute; None if there is none."""
    try:
        return getattr(value, name)
    except AttributeError:
        return None


_CACHED = type(functools.cache(lambda: None))
_CELLS = ("__main__", "reference")
"""What the modules of the notebook's cells are called: the judge's and the solution's."""


def _is_installed(module: str) -> bool:
    """Return whether a module belongs to Python or an installed package, so that both have it."""
    return (
        module in sys.modules
        and module.split(".")[0] not in ("__main__", "autograder")
        and not _is_authors(module)
    )


def _is_authors(module: Any) -> bool:
    """Return whether a module is the notebook or lies beside it."""
    if not isinstance(module, str):
        return False
    file = getattr(sys.modules.get(module), "__file__", None)
    if file is None or module == "__main__":
        return module in _CELLS
    path = Path(file).resolve()
    return path.is_relative_to(Path.cwd()) and not _INSTALLED & set(path.parts)


_INSTALLED = {"site-packages", "dist-packages"}


def _wraps(value: Any, depth: int) -> bool:
    """Return whether a library's wrapper, `functools.cache`'s say, holds a function of these."""
    inside = getattr(value, "__wrapped__", None)
    return inside is not None and may_be_called(inside, depth + 1)


_HOLDERS: tuple[type, ...] = (
    *(list, dict, set, frozenset, tuple, str, bytes, bytearray, range),
    *(collections.deque, collections.Counter, collections.OrderedDict, collections.defaultdict),
)
_HARMLESS_NAMES = frozenset({"__getitem__", "__contains__", "__len__"})
_GENERATORS = (("random", "Random"), ("numpy.random", "Generator"), ("numpy.random", "RandomState"))


def _is_harmless_method(value: Any) -> bool:
    """Return whether a method can do no more than read or change a plain container."""
    name, owner = value.__name__, type(value.__self__)
    if name == "__next__":
        return True
    if any(owner is one for one in _HOLDERS):
        return name[:2] != "__" or name in _HARMLESS_NAMES
    return name[:2] != "__" and any(_is_library_s(owner, *one) for one in _GENERATORS)


_COMPUTING = (
    ("numpy", "poly1d"),
    ("numpy.polynomial", "Polynomial"),
    ("numpy.polynomial", "Chebyshev"),
    ("numpy.polynomial", "Legendre"),
    ("scipy.interpolate", "CubicSpline"),
    ("scipy.interpolate", "interp1d"),
    ("operator", "methodcaller"),
)
"""Classes of libraries whose objects compute from what they hold."""


def _is_library_s(kind: type, module: str, name: str) -> bool:
    """Return whether this is a library's class itself, and no other that claims its name."""
    return getattr(sys.modules.get(module), name, None) is kind


def _is_harmless_mock(value: Any, depth: int) -> bool:
    """Return whether a mock takes notes, answers what it was told to or calls the author's."""
    inside = vars(value)
    calls = [inside.get(f"_mock_{one}") for one in ("wraps", "side_effect", "delegate")]
    for one in calls:
        if one is None or isinstance(one, BaseException) or not callable(one):
            continue
        if isinstance(one, type) and issubclass(one, BaseException):
            continue
        if not may_be_called(one, depth + 1):
            return False
    return True
