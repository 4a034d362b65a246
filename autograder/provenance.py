"""Tell whether a function was written by the student or taken from a library that has it."""

from __future__ import annotations

import dis
import functools
from collections.abc import Iterable, Iterator
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any

from autograder.checks import NotAnswered, Unexpected
from autograder.expectations import is_stub
from autograder.i18n import _

_MOST_OBJECTS = 10_000


def written_here(function: Any, not_from: Iterable[str] = ()) -> None:
    """Assert that a function or class uses nothing of modules that have what was asked for.

    Looks through the code of the function, of the student's own functions and classes that it
    uses, and of those within them: for names that stand for something of these modules, and for
    imports of them. It is a reminder for an honest learner, not a barrier: in an assignment, the
    setting `off-limits` is one.

    Args:
        function: the student's function or class.
        not_from: modules and packages, such as "our_package.moe"; what lies in them counts too.

    Raises:
        NotAnswered: there is no function yet, or it is as it was handed out.
        Unexpected: it uses something of theirs; the message says what.
    """
    modules = tuple(not_from)
    if function is None:
        raise NotAnswered
    if is_stub(function):
        raise NotAnswered(str(function.__name__))
    found = next(_taken(function, modules), None)
    if found is not None:
        name = str(getattr(function, "__name__", None) or _("your answer"))[:60]
        raise Unexpected(
            _("`{name}` uses {found}: write it yourself here.").format(
                name=name, found=f"`{found[:80]}`"
            )
        )


def _taken(function: Any, modules: tuple[str, ...]) -> Iterator[str]:
    """Yield what a function has from the modules, as dotted names."""
    waiting: list[Any] = [function]
    seen: set[int] = set()
    while waiting and len(seen) < _MOST_OBJECTS:
        value = waiting.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        origin = _origin(value)
        if _is_in(origin, modules):
            yield origin
        elif isinstance(value, ModuleType):
            continue
        elif isinstance(value, CodeType):
            yield from (one for one in _imports(value) if _is_in(one, modules))
            waiting += [one for one in value.co_consts if isinstance(one, CodeType)]
        else:
            waiting += _parts(value, _module_of(function))


def _parts(value: Any, home: str) -> list[Any]:
    """Return what a function or class of the student's is made of and refers to."""
    if isinstance(value, functools.partial):
        return [value.func, *value.args, *value.keywords.values()]
    if isinstance(value, staticmethod | classmethod | MethodType):
        return [value.__func__]
    if isinstance(value, property):
        return [one for one in (value.fget, value.fset) if one is not None]
    if isinstance(value, functools.cached_property):
        return [value.func]
    # What a library's function is made of is its own affair.
    if isinstance(value, type):
        own = _module_of(value) == home
        return [*value.__bases__, *vars(value).values()] if own else []
    if isinstance(value, FunctionType) and _module_of(value) == home:
        return list(_referred(value))
    wrapped = getattr(value, "__wrapped__", None) if callable(value) else None
    return [] if wrapped is None else [wrapped]


def _referred(function: FunctionType) -> Iterator[Any]:
    """Yield the code of a function and what its names stand for."""
    code = function.__code__
    yield code
    yield from function.__defaults__ or ()
    yield from (function.__kwdefaults__ or {}).values()
    if (wrapped := getattr(function, "__wrapped__", None)) is not None:
        yield wrapped
    for cell in function.__closure__ or ():
        try:
            yield cell.cell_contents
        except ValueError:  # not bound yet
            continue
    for inner in _codes(code):
        yield from _read_names(inner, function.__globals__)


def _codes(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes(constant)


def _read_names(code: CodeType, names: dict[str, Any]) -> Iterator[Any]:
    """Yield the values of a code's global names, and of `a.b.c` each one along the way."""
    value: Any = None
    for step in dis.get_instructions(code):
        if step.opname in ("LOAD_GLOBAL", "LOAD_NAME"):
            value = names.get(step.argval)
        elif step.opname in ("LOAD_ATTR", "LOAD_METHOD") and isinstance(value, ModuleType):
            value = vars(value).get(step.argval)
        elif step.opname not in ("CACHE", "PRECALL", "PUSH_NULL"):
            value = None
        if value is not None:
            yield value


def _imports(code: CodeType) -> Iterator[str]:
    """Yield the modules that a code imports, with the names that it takes from them."""
    module = ""
    for step in dis.get_instructions(code):
        if step.opname == "IMPORT_NAME":
            module = step.argval
            yield module
        elif step.opname == "IMPORT_FROM":
            yield f"{module}.{step.argval}"


def _module_of(value: Any) -> str:
    return str(getattr(value, "__module__", None) or "")


def _origin(value: Any) -> str:
    """Return the dotted name that something has where it comes from; empty for plain values."""
    if isinstance(value, ModuleType):
        return value.__name__
    if isinstance(value, CodeType) or not callable(value):
        return ""
    name = getattr(value, "__qualname__", None) or type(value).__qualname__
    return f"{_module_of(value) or type(value).__module__}.{name}"


def _is_in(dotted: str, modules: tuple[str, ...]) -> bool:
    return any(dotted == one or dotted.startswith(f"{one}.") for one in modules)
