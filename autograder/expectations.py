"""Call a student's function and compare what it returns; say what came where that isn't it.

    with check("a rare term weighs more"):
        expect(idf, "kettle", TEXTS, returns=1.204, within=1e-3,
               hints=((0.916, "Add 0.5 to the numerator and the denominator."),))

The message shows the call, what it returned and what was expected. A hint is shown only where the
result is the wrong one that it explains.
"""

from __future__ import annotations

import cmath
import dis
import math
from collections.abc import Callable, Iterable, Mapping
from collections.abc import Set as AnySet
from numbers import Complex, Number
from types import CodeType
from typing import Any

from autograder.checks import NotAnswered, Unexpected, reason_of, says_all
from autograder.i18n import _
from autograder.sandbox.plain_values import CannotCross
from autograder.sandbox.wire import crossed
from autograder.value_text import (
    LONGEST,
    at_first_difference,
    call_text,
    has_few_numbers,
    short,
)

Hint = tuple[object, str]
"""A wrong result, or a function that tells whether a result is that mistake; and what to say."""

WITHIN = 1e-6
"""How far apart two numbers may be, absolutely or relatively, where a test doesn't say."""

_ANYTHING: Any = object()


class RemoteFunction:
    """A function of the student's, as a test has it where their work is judged.

    Args:
        name: what the student calls it.
        call: makes the call in the student's process.
    """

    def __init__(self, name: str, call: Callable[..., Any]) -> None:
        self.__name__ = name
        self._call = call

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Return what the call returns, as a plain value."""
        return self._call(self.__name__, *args, **kwargs)


def expect(
    function: Callable[..., Any],
    /,
    *args: Any,
    returns: Any = _ANYTHING,
    within: float | None = None,
    hints: Iterable[Hint] = (),
    **kwargs: Any,
) -> Any:
    """Call a student's function and return its result as grading sees it, after comparing it.

    Lists, tuples, dicts, arrays and tensors are compared value by value; a tuple is as good as a
    list, and an array as good as nested lists.

    Args:
        function: the student's.
        args: what to call it with; it gets lists, dicts and sets of its own, as in grading.
        returns: the result to expect; left out, anything but None will do.
        within: how far two numbers may be apart, absolutely or relatively: 1e-6 where left out,
            and then whole numbers must be equal.
        hints: wrong results, each with the literal text that explains the mistake. In place of
            a result there may be a function that takes one and tells whether it is this mistake.
        kwargs: named arguments of the call.

    Raises:
        NotAnswered: the function is None or an untouched stub, or it returned None where that isn't
            the result to expect.
        Unexpected: it raised an exception, or returned something else; the message says what.
        CannotCross: grading can't see what it returned.
    """
    name = getattr(function, "__name__", None) or "function"
    if function is None or is_stub(function):
        raise NotAnswered(name if function is not None else "")
    call = call_text(name, args, kwargs)
    try:
        result = crossed(function(*map(_own, args), **{key: _own(kwargs[key]) for key in kwargs}))
    except NotImplementedError:
        raise NotAnswered(name) from None
    except (NotAnswered, CannotCross):
        raise
    except Exception as error:
        if type(error).__module__.startswith("autograder."):  # its process has ended, or is late
            raise
        details = {"call": call, "raised": _kind_and_reason(error)}
        if returns is not _ANYTHING:
            details["expected"] = short(returns)
        raise Unexpected(
            _raised(call, error), _fitting(hints, error), says_all=says_all(error), details=details
        ) from None
    if result is None and returns is not None:
        # Where work is judged, a stub can't be told from a forgotten `return`: both are no answer.
        raise NotAnswered(
            name, _("`{call}` returned None: did you forget `return`?").format(call=call)
        )
    if returns is not _ANYTHING:
        difference = first_difference(result, returns, within)
        if difference is not None:
            details = _compared(call, result, returns, difference)
            raise Unexpected(_returned(details), _fitting(hints, result, within), details=details)
    return result


def is_stub(function: object) -> bool:
    """Return whether a function is as it was handed out.

    Its body then returns None and does nothing else (`return None`, `pass`, `...`, a docstring),
    or raises NotImplementedError.
    """
    code = getattr(function, "__code__", None)
    if not isinstance(code, CodeType):
        return False
    # A docstring is a constant, a comment nothing at all: neither is among the instructions.
    steps = [
        (step.opname, step.argval)
        for step in dis.get_instructions(code)
        if step.opname not in _NOTHING_DONE
    ]
    names = [name for name, _value in steps]
    if names == ["RETURN_CONST"] or names == ["LOAD_CONST", "RETURN_VALUE"]:
        return steps[0][1] is None
    raises = ["LOAD_GLOBAL", *(one for one in names[1:-1] if one in _CALLING), "RAISE_VARARGS"]
    return names == raises and steps[0][1] == NotImplementedError.__name__


_NOTHING_DONE = ("RESUME", "NOP", "CACHE", "PRECALL", "PUSH_NULL")
_CALLING = ("LOAD_CONST", "CALL")


def first_difference(
    found: Any, expected: Any, within: float | None = None
) -> tuple[tuple[Any, ...], Any, Any] | None:
    """Return where two plain values first differ; None where they are equal.

    Args:
        found: what came.
        expected: what should have come.
        within: how far two numbers may be apart, as for `expect`.

    Returns:
        The indices and keys that lead there, what lies there, and what should.
    """
    found, expected = _listed(found), _listed(expected)
    if isinstance(expected, list) and isinstance(found, list):
        if len(found) != len(expected):
            return (), found, expected
        return _among(enumerate(expected), found, within)
    if isinstance(expected, Mapping) and isinstance(found, Mapping):
        if found.keys() != expected.keys():
            return (), found, expected
        return _among(expected.items(), found, within)
    if _is_number(found) and _is_number(expected):
        same = _close(found, expected, within)
    else:
        same = _equal(found, expected)
    return None if same else ((), found, expected)


def _among(
    items: Iterable[tuple[Any, Any]], found: Any, within: float | None
) -> tuple[tuple[Any, ...], Any, Any] | None:
    for key, expected in items:
        difference = first_difference(found[key], expected, within)
        if difference is not None:
            path, one, other = difference
            return (key, *path), one, other
    return None


def _listed(value: Any) -> Any:
    """Return an array, tensor or tuple as lists, and a number of numpy's as Python's own."""
    if not isinstance(value, type) and hasattr(value, "tolist") and hasattr(value, "dtype"):
        return value.tolist()
    return list(value) if isinstance(value, list | tuple | range) else value


def _is_number(value: object) -> bool:
    return isinstance(value, Number)


def _close(found: Any, expected: Any, within: float | None) -> bool:
    if found == expected:
        return True
    if within is None:
        if isinstance(found, int) and isinstance(expected, int):
            return False
        within = WITHIN
    try:
        if isinstance(found, Complex) and isinstance(expected, Complex):
            one, other = complex(found), complex(expected)
            if cmath.isnan(one) or cmath.isnan(other):
                return cmath.isnan(one) and cmath.isnan(other)
            return cmath.isclose(one, other, rel_tol=within, abs_tol=within)
        one_float, other_float = float(found), float(expected)  # a Decimal
        return math.isclose(one_float, other_float, rel_tol=within, abs_tol=within)
    except (OverflowError, ValueError):  # a whole number too large for a float
        return False


def _equal(found: Any, expected: Any) -> bool:
    if isinstance(found, AnySet) != isinstance(expected, AnySet):
        return False
    try:
        return bool(found == expected)
    except Exception:  # values that don't compare with others of another kind
        return False


def _own(value: Any) -> Any:
    """Return a list, dict or set, and those in it, as new ones; anything else as it is."""
    if type(value) is list:
        return [_own(one) for one in value]
    if type(value) is dict:
        return {key: _own(one) for key, one in value.items()}
    return set(value) if type(value) is set else value


def _fitting(hints: Iterable[Hint], result: Any, within: float | None = None) -> str:
    """Return the text of the first hint that explains a result; empty if none does."""
    return next((text for wrong, text in hints if _explains(wrong, result, within)), "")


def _explains(wrong: Any, result: Any, within: float | None) -> bool:
    if isinstance(wrong, type) and issubclass(wrong, BaseException):
        return isinstance(result, wrong)
    if isinstance(result, BaseException):
        return False
    if callable(wrong):
        try:
            return bool(wrong(result))
        except Exception:  # it was written for results of another kind
            return False
    return first_difference(result, wrong, within) is None


def _raised(call: str, error: Exception) -> str:
    return _("`{call}` raised {error}.").format(call=call, error=_kind_and_reason(error))


def _kind_and_reason(error: Exception) -> str:
    reason = reason_of(error)[:120]
    kind = type(error).__name__[:40]
    return f"{kind}: {reason.rstrip('.')}" if reason else kind


def _compared(
    call: str, result: Any, returns: Any, difference: tuple[tuple[Any, ...], Any, Any]
) -> dict[str, str]:
    """Return what there is to say of a result that isn't the one to expect, in parts."""
    found, expected = _told_apart(result, returns)
    remark = ""
    path, one, other = difference
    lengths = [len(listed) for listed in map(_listed, (one, other)) if isinstance(listed, list)]
    if path and len(lengths) == 2 and lengths[0] != lengths[1]:
        remark = _("Number of values at {place}: {found}, expected {expected}.").format(
            place=_place(path), found=lengths[0], expected=lengths[1]
        )
    elif path and (len(found) > _AT_A_GLANCE or len(expected) > _AT_A_GLANCE or found == expected):
        inner, outer = _told_apart(one, other, 24)
        remark = _("They first differ at {place}: {found}, expected {expected}.").format(
            place=_place(path), found=inner, expected=outer
        )
    elif isinstance(_listed(result), list) and isinstance(_listed(returns), list) and not path:
        remark = _("Number of values: {found}, expected {expected}.").format(
            found=len(result), expected=len(returns)
        )
    return {"call": call, "returned": found, "expected": expected, "remark": remark}


def _place(path: tuple[Any, ...]) -> str:
    """Return the indices and keys that lead to a difference as they are written, shortened."""
    place = "".join(f"[{short(key, 20)}]" for key in path)
    return place if len(place) <= _LONGEST_PLACE else f"{place[: _LONGEST_PLACE - 1]}…"


def _returned(details: dict[str, str]) -> str:
    text = _("`{call}` returned {found}; expected {expected}.").format(
        call=details["call"], found=details["returned"], expected=details["expected"]
    )
    return f"{text} {details['remark']}" if details["remark"] else text


_AT_A_GLANCE = 32
"""Characters of two values whose difference is seen without being pointed at."""


_LONGEST_PLACE = 40  # characters


_LONGEST_NUMBERS = 120  # characters of a few numbers, which are shown whole


def _told_apart(one: Any, other: Any, limit: int = LONGEST) -> tuple[str, str]:
    """Return descriptions of two values that differ, and not in what was left out of both.

    Numbers get all their digits where that takes them, texts begin shortly before they differ.
    """
    if limit == LONGEST and has_few_numbers(one) and has_few_numbers(other):
        limit = _LONGEST_NUMBERS
    texts = short(one, limit), short(other, limit)
    if texts[0] != texts[1]:
        return texts
    if _is_number(one) and _is_number(other):
        return repr(one)[:limit], repr(other)[:limit]
    if isinstance(one, str) and isinstance(other, str):
        return at_first_difference(one, other, limit)
    if isinstance(one, bytes) and isinstance(other, bytes):
        return at_first_difference(one, other, limit)
    return texts
