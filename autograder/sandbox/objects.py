"""Hold the objects of a student's process that a test has handles of, and operate on them.

A handle is a number. The object stays here; the test's side names it, an operation from the table
below and its arguments, and gets a plain value, an exception or another number. Numbers aren't
used twice. An object is held until the other side says that it has no more use for it.

Imports nothing but the standard library, because it runs in the sandbox.
"""

from __future__ import annotations

import copy
import inspect
import math
import operator
import types
from collections.abc import Callable, Iterable, Mapping
from typing import Any

MAX_BASES = 16
_LONGEST_NAME = 160


def _with(manager: Any) -> Any:
    return type(manager).__enter__(manager)


def _end_with(manager: Any, kind: Any, message: str) -> Any:
    error = None if kind is None else kind(message)
    return bool(type(manager).__exit__(manager, kind, error, None))


def _call(function: Any, /, *args: Any, **kwargs: Any) -> Any:
    return function(*args, **kwargs)


OPERATIONS: Mapping[str, Callable[..., Any]] = {
    **{
        name: getattr(operator, name)
        for name in (
            *("lt", "le", "eq", "ne", "ge", "gt", "contains", "getitem", "setitem", "delitem"),
            *("add", "sub", "mul", "truediv", "floordiv", "mod", "matmul", "lshift", "rshift"),
            *("and_", "or_", "xor", "iadd", "isub", "imul", "itruediv", "ifloordiv", "imod"),
            *("imatmul", "ilshift", "irshift", "iand", "ior", "ixor", "ipow"),
            *("neg", "pos", "invert", "index"),
        )
    },
    **{
        one.__name__: one
        for one in (
            *(abs, bool, bytes, callable, complex, dir, divmod, float, format, getattr, hash, int),
            *(isinstance, issubclass, iter, len, next, pow, repr, reversed, round, setattr, str),
            *(delattr, type, vars, math.trunc, math.floor, math.ceil, copy.copy, copy.deepcopy),
        )
    },
    **{
        name: getattr(inspect, name)
        for name in ("getsource", "signature", "getdoc", "isfunction", "isclass", "isgenerator")
    },
    "call": _call,
    "itself": lambda value: value,
    "enter": _with,
    "exit": _end_with,
}
"""What may be asked of an object, by name."""

SHORT = tuple(sorted(OPERATIONS))
"""Their names; the place of one stands for it in a short frame (`wire`)."""
CODES = {name: place for place, name in enumerate(SHORT)}
"""The place of each."""


class ObjectTable:
    """The objects that the other side has handles of."""

    def __init__(self) -> None:
        self._objects: dict[int, Any] = {}
        self._numbers: dict[int, int] = {}
        self._count = 0

    def number(self, value: Any) -> int:
        """Return the number of an object, the same one as long as it is held."""
        number = self._numbers.get(id(value))
        if number is None:
            self._count += 1
            number = self._numbers[id(value)] = self._count
            self._objects[number] = value
        return number

    def get(self, number: int) -> Any:
        """Return the object of a number.

        Raises:
            KeyError: none is held under it.
        """
        return self._objects[number]

    def release(self, numbers: Iterable[int]) -> None:
        """Hold these no longer."""
        for number in numbers:
            value = self._objects.pop(number, None)
            if self._numbers.get(id(value)) == number:
                del self._numbers[id(value)]


def described(value: Any) -> list[Any]:
    """Return what is told of an object with its number.

    Returns:
        Whether it is a class, whether it can be called, and the qualified names of its own or, for
        a class, of what it is, with the classes that it derives from.
    """
    kind = type(value)
    is_class = issubclass(kind, type)
    order = type.__dict__["__mro__"].__get__(value if is_class else kind)
    names = []
    for one in order:
        module = type.__dict__["__module__"].__get__(one)
        name = f"{module}.{type.__dict__['__qualname__'].__get__(one)}"
        if len(name) <= _LONGEST_NAME and one is not object:
            names.append(name)
    is_function = kind in (types.FunctionType, types.BuiltinFunctionType, types.MethodType)
    return [is_class, is_function or callable(value), names[:MAX_BASES]]
