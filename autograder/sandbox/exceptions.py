"""Turn an exception that is to cross into a claim made of plain values.

A claim is a list: the class's name, the message, the names of the classes that it derives from
(its own first), whether the engine's time limit brought it about, its arguments as far as they
are short plain values (None: they aren't), and for a group the claims of its members.

Imports nothing but the standard library, because it runs in the sandbox.
"""

from __future__ import annotations

from typing import Any

MAX_MESSAGE = 300
MAX_NAME = 80
MAX_BASES = 16
MAX_ARGUMENTS = 8
MAX_MEMBERS = 8
MAX_GROUPS = 3
"""How deep groups of exceptions may lie in each other."""

_TYPE_NAME = type.__dict__["__name__"]
_MODULE = type.__dict__["__module__"]
_QUALIFIED_NAME = type.__dict__["__qualname__"]
_ARGUMENTS = BaseException.__dict__["args"]


def claim(error: BaseException, late: bool = False, depth: int = 0) -> list[Any]:
    """Return what is told of an exception, whatever its class does to prevent it.

    Args:
        error: of any class, a student's own too.
        late: whether the engine's own timer has gone off in the code that raised it.
        depth: in how many groups it lies.
    """
    kind = type(error)
    name = "".join(one for one in _TYPE_NAME.__get__(kind) if one.isalnum() or one == "_")
    members = []
    if isinstance(error, BaseExceptionGroup) and depth < MAX_GROUPS:
        inner = BaseExceptionGroup.exceptions.__get__(error)[:MAX_MEMBERS]
        members = [claim(one, False, depth + 1) for one in inner]
    return [name[:MAX_NAME], _message(error), _bases(kind), late, _arguments(error), members]


def one_line(text: str) -> str:
    """Return a message on one line, printable and not too long."""
    cut = text[: 10 * MAX_MESSAGE]
    words = "".join(one if one.isprintable() else " " for one in cut).split()
    return " ".join(words)[:MAX_MESSAGE]


def _message(error: BaseException) -> str:
    try:
        return one_line(str(error))
    except BaseException:  # a student's exception class may fail even at this
        return ""


def _bases(kind: type) -> list[str]:
    """Return the qualified names of the classes in Python's method resolution order."""
    names = []
    for base in type.__dict__["__mro__"].__get__(kind):
        module, name = _MODULE.__get__(base), _QUALIFIED_NAME.__get__(base)
        if base is object or base is BaseException or not isinstance(module, str):
            continue
        if len(module) + len(name) <= 2 * MAX_NAME:
            names.append(f"{module}.{name}")
    # The last ones are Python's own, which decide what `except` catches.
    return names if len(names) <= MAX_BASES else names[: MAX_BASES - 8] + names[-8:]


def _arguments(error: BaseException) -> list[Any] | None:
    """Return the exception's arguments; None if they aren't a few short plain values."""
    try:
        found: tuple[Any, ...] = _ARGUMENTS.__get__(error)
    except BaseException:
        return None
    if len(found) > MAX_ARGUMENTS:
        return None
    return list(found) if all(map(_is_short, found)) else None


def _is_short(value: object) -> bool:
    kind = type(value)
    if isinstance(value, (str, bytes)) and kind in (str, bytes):
        return len(value) <= MAX_MESSAGE
    if isinstance(value, int) and kind is int:
        return value.bit_length() <= 64
    return value is None or kind is bool or kind is float
