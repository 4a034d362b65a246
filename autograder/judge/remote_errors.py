"""Raise the student's exceptions on the trusted side, to be caught as they would in a notebook.

A child claims an exception's name, message, bases and arguments (`sandbox.exceptions`). Here it
becomes an exception whose class derives from those bases that this side knows itself: Python's
own, those of a few libraries that are already imported, and those that read-only cells define.
Nothing is imported or looked up by a name that was claimed beyond that, and no code of the
student's arrives.

What is no `Exception` (SystemExit, KeyboardInterrupt, GeneratorExit) becomes a `RemoteError` of
that name: in a notebook it would end the cell, here it must not end the judge.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from autograder.sandbox.exceptions import (
    MAX_ARGUMENTS,
    MAX_BASES,
    MAX_GROUPS,
    MAX_MEMBERS,
    MAX_MESSAGE,
    MAX_NAME,
    one_line,
)
from autograder.sandbox.plain_values import CannotCross

_MAIN = "__main__"
_LIBRARIES = sys.stdlib_module_names | {"numpy", "torch", "scipy", "pandas", "sklearn"}


class RemoteError(Exception):
    """An exception of the student's whose type the trusted side doesn't know."""


_read_only_names: Mapping[str, Any] = {}
_students_own: dict[str, type[Exception]] | None = None
_MOST_OWN = 1_000


def register_exceptions(namespace: Mapping[str, Any]) -> None:
    """Count the exceptions that read-only cells define in `namespace` among the known ones."""
    global _read_only_names
    _read_only_names = namespace


def keep_exceptions(own: dict[str, type[Exception]] | None) -> None:
    """Keep a class here for each exception's class of the student's, by name; None: keep none.

    A test by handle may name them after `except`.
    """
    global _students_own
    _students_own = own


def own_exception(bases: list[str] | tuple[str, ...]) -> type[Exception] | None:
    """Return the class that stands for an exception's class of the student's, made if need be.

    Args:
        bases: qualified names of its classes, its own first.
    """
    own = _students_own
    if own is None or not bases or not bases[0].startswith(f"{_MAIN}."):
        return None
    for place in range(len(bases) - 1, -1, -1):
        name = bases[place].removeprefix(f"{_MAIN}.")
        if not bases[place].startswith(f"{_MAIN}.") or not name.isidentifier():
            continue
        if _known(bases[place]) is None and len(own) < _MOST_OWN:
            above = _bases(Claim(name, "", tuple(bases[place + 1 :])))
            for known in (above, [Exception]):
                try:
                    own[name] = type(name, tuple(known or [Exception]), {"__module__": _MAIN})
                except TypeError:  # no memory layout for these together
                    continue
                break
    return _known(bases[0])


@dataclass(frozen=True)
class Claim:
    """What a child says of an exception, made harmless.

    Attributes:
        name: the class's name.
        message: one line, printable.
        bases: qualified names of its classes, its own first.
        late: whether the child's timer had gone off.
        arguments: plain values; None if there is no telling.
        members: of a group of exceptions.
    """

    name: str = "Exception"
    message: str = ""
    bases: tuple[str, ...] = ()
    late: bool = False
    arguments: tuple[Any, ...] | None = None
    members: tuple[Claim, ...] = ()


def read_claim(claim: Any, depth: int = 0) -> Claim:
    """Return what a reply says of an exception, as far as it has the form.

    Args:
        claim: of any type; `sandbox.exceptions` says what honest ones are.
        depth: in how many groups it lies.
    """
    if type(claim) is not list or len(claim) not in (2, 6):
        return Claim()
    if not all(type(one) is str for one in claim[:2]):
        return Claim()
    name = re.sub(r"\W", "", claim[0])[:MAX_NAME] or "Exception"
    message = one_line(claim[1]).encode("utf-8", "replace").decode("utf-8")
    if len(claim) == 2:
        return Claim(name, message, (f"builtins.{name}",))
    bases, late, arguments, members = claim[2:]
    if type(bases) is not list or not all(type(one) is str for one in bases):
        bases = []
    if type(arguments) is not list or not all(map(_is_plain, arguments)):
        arguments = None
    if type(members) is not list or depth >= MAX_GROUPS:
        members = []
    return Claim(
        name,
        message,
        tuple(bases[:MAX_BASES]),
        late is True,
        None if arguments is None else tuple(arguments[:MAX_ARGUMENTS]),
        tuple(read_claim(one, depth + 1) for one in members[:MAX_MEMBERS]),
    )


def _is_plain(value: object) -> bool:
    kind = type(value)
    if isinstance(value, (str, bytes)) and kind in (str, bytes):
        return len(value) <= MAX_MESSAGE
    return value is None or kind is bool or kind is int or kind is float


def remote_error(claim: Claim) -> Exception:
    """Return the exception to raise on this side for one that the student's code raised.

    It has an attribute `late`: whether the time limit brought it about.
    """
    if claim.name == CannotCross.__name__:
        error: Exception = CannotCross.read(claim.message)
    else:
        error = _group(claim) or _exact(claim) or _like(claim)
    error.late = claim.late  # type: ignore[attr-defined]  # an attribute of ours
    return error


def _known(qualified: str) -> type[Exception] | None:
    """Return the class of that name, if it is an exception that this side has loaded anyway."""
    if qualified.startswith(f"{_MAIN}."):
        name = qualified.removeprefix(f"{_MAIN}.")
        if _students_own is not None and name in _students_own:
            return _students_own[name]
        own: Any = _read_only_names.get(name)
        is_own = isinstance(own, type) and issubclass(own, Exception) and own.__module__ == _MAIN
        return own if is_own else None
    for at in [place for place, one in enumerate(qualified) if one == "."]:
        module, path = qualified[:at], qualified[at + 1 :].split(".")
        if module.split(".")[0] not in _LIBRARIES or module not in sys.modules:
            continue
        # Not getattr: a library may import something when it is asked for a name.
        found: Any = sys.modules[module]
        for part in path:
            found = found.__dict__.get(part) if hasattr(found, "__dict__") else None
        if isinstance(found, type) and issubclass(found, Exception):
            return found
    return None


def _exact(claim: Claim) -> Exception | None:
    """Return an exception of Python's own, made with its arguments, if its message is the same."""
    known = _known(claim.bases[0]) if claim.bases else None
    if known is None or known.__module__ != "builtins":
        return None
    for arguments in (claim.arguments, (claim.message,)):
        try:
            if arguments is not None:
                error = known(*arguments)
                if type(error) is known and one_line(str(error)) == claim.message:
                    return error
        except Exception:  # it takes other arguments than these
            continue
    return None


def _like(claim: Claim) -> Exception:
    """Return an exception of a new class, with the claimed name and those bases that are known."""
    own_exception(claim.bases)
    arguments = claim.arguments or (claim.message,)
    body = {"__str__": lambda self: claim.message}
    error = _made(claim, _bases(claim) or [RemoteError], body, arguments)
    error.args = arguments
    return error


def _group(claim: Claim) -> Exception | None:
    """Return a group with its members, if it is one."""
    if not claim.members or not any(one in _GROUPS for one in claim.bases):
        return None
    message = re.sub(r" \(\d+ sub-exceptions?\)$", "", claim.message)
    members = [remote_error(one) for one in claim.members]
    if claim.bases[0] in _GROUPS:
        return ExceptionGroup(message, members)
    return _made(claim, [ExceptionGroup, *_bases(claim)], {}, (message, members))


_GROUPS = ("builtins.ExceptionGroup", "builtins.BaseExceptionGroup")


def _bases(claim: Claim) -> list[type[Exception]]:
    """Return the known classes to derive from: none that another of them derives from anyway."""
    bases: list[type[Exception]] = []
    for one in map(_known, claim.bases):
        if one is None or one is Exception or issubclass(one, BaseExceptionGroup):
            continue
        if not any(issubclass(other, one) for other in bases):
            bases.append(one)
    return bases


def _made(
    claim: Claim, bases: list[type[Exception]], body: dict[str, Any], arguments: tuple[Any, ...]
) -> Exception:
    """Return an exception of a new class; of fewer bases where Python can't join them."""
    name = claim.name if claim.name.isidentifier() else RemoteError.__name__
    body = {**body, "__init__": lambda self, *_arguments: None, "__module__": "student"}
    for count in range(len(bases), 0, -1):
        try:
            made: type[Exception] = type(name, tuple(bases[:count]), body)
            error: Exception = made.__new__(made, *arguments)
        except Exception:  # no order of these classes, or no memory layout for them
            continue
        return error
    unknown: type[Exception] = type(
        name, (RemoteError,), {**body, "__str__": lambda self: claim.message}
    )
    return unknown(claim.message)
