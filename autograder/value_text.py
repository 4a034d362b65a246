"""Describe a value, or a call with its arguments, in one short line for a learner.

A description has a bounded length whatever the value is, and making it never fails: it is part of
what a check says about a student's result.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeVar

from autograder.i18n import _

Text = TypeVar("Text", str, bytes)

LONGEST = 60
"""Characters of one described value."""

LONGEST_CALL = 110
"""Characters of a call with all its arguments, unless its names alone take more."""

_LONGEST_ITEM = 24  # characters of one value among others
_LONGEST_NAME = 40
_DEEPEST = 4
_FEW = 3  # values that are shown whole where they fit
_FEW_NUMBERS = 12  # that are shown whole, in an array or in nested lists


def short(value: object, limit: int = LONGEST) -> str:
    """Return a description of a value, at most `limit` characters long."""
    try:
        text = _described(value, limit, 0)
    except Exception:  # a student's class may fail at whatever it is asked
        text = _of_type(value)
    return _cut(" ".join(text.split()), limit)


def call_text(name: str, args: Iterable[object], kwargs: Mapping[str, object]) -> str:
    """Return a call as it is written, its arguments shortened.

    Args:
        name: of the function.
        args: the positional arguments.
        kwargs: the named ones.
    """
    name, positional, named = _cut(name, _LONGEST_NAME), list(args), dict(kwargs)
    text = ""
    values = [("", one) for one in positional] + [(f"{key}=", one) for key, one in named.items()]
    limits = [LONGEST] * len(values)
    for smaller in (LONGEST, _LONGEST_ITEM, 12):
        words = [short(one, limit) for (_key, one), limit in zip(values, limits, strict=True)]
        # the longest are shortened first, so that the others stay whole as long as they can
        for place in sorted(range(len(words)), key=lambda place: -len(words[place])):
            limits[place] = smaller
            words[place] = short(values[place][1], smaller)
            text = ", ".join(key + word for (key, _one), word in zip(values, words, strict=True))
            if len(name) + len(text) + 2 <= LONGEST_CALL:
                return f"{name}({text})"
        text = f"{name}({text})" if words else f"{name}()"
    if len(text) <= LONGEST_CALL:
        return text
    return _cut(text, LONGEST_CALL - 1) + ")"


def at_first_difference(one: Text, other: Text, limit: int = LONGEST) -> tuple[str, str]:
    """Describe two texts that differ by the part around their first difference.

    Args:
        one: a text.
        other: another one, of the same type.
        limit: characters of each description, at least 20.
    """
    pairs = enumerate(zip(one, other, strict=False))
    at = next((i for i, (a, b) in pairs if a != b), min(len(one), len(other)))
    begin = max(0, at - limit // 3)
    while len(repr(one[begin:at])) > limit // 2:  # an escaped character takes up to ten
        begin += 1
    return _from(one, begin, limit), _from(other, begin, limit)


def _from(text: Text, begin: int, limit: int) -> str:
    """Return a part of a text as Python writes it, with … where the text goes on."""
    for end in range(min(len(text), begin + limit), begin - 1, -1):
        part = repr(text[begin:end])
        opening = part.index(part[-1]) + 1
        before, after = "…" if begin else "", "…" if end < len(text) else ""
        part = f"{part[:opening]}{before}{part[opening:-1]}{after}{part[-1]}"
        if len(part) <= limit:
            return part
    return "…"


def has_few_numbers(value: object) -> bool:
    """Return whether a value is made of at most 12 numbers, in arrays or lists or tuples."""
    try:
        return 0 < _numbers(value) <= _FEW_NUMBERS
    except Exception:  # a student's class may fail at whatever it is asked
        return False


def _numbers(value: Any, depth: int = 0) -> int:
    """Return how many numbers a value is made of; more than a few where it holds others."""
    if isinstance(value, int | float):
        return 1
    if _is_array(value):
        return int(math.prod(value.shape))
    if not isinstance(value, list | tuple) or len(value) > _FEW_NUMBERS or depth >= _DEEPEST:
        return _FEW_NUMBERS + 1
    return sum(_numbers(one, depth + 1) for one in value)


def _is_array(value: Any) -> bool:
    return hasattr(type(value), "shape") and hasattr(type(value), "tolist")


def _in_full(value: Any, longest: int) -> str:
    """Return a few numbers as they stand, in their brackets."""
    if _is_array(value):
        value = value.tolist()
    if isinstance(value, list | tuple):
        inner = ", ".join(_in_full(one, longest) for one in value)
        begin, end = _BRACKETS[list if isinstance(value, list) else tuple]
        return f"{begin}{inner}{',' if begin == '(' and len(value) == 1 else ''}{end}"
    return _described(value, longest, _DEEPEST)


def _described(value: Any, limit: int, depth: int) -> str:
    kind = type(value)
    if isinstance(value, list | tuple) or _is_array(value):
        if has_few_numbers(value) and len(text := _in_full(value, limit)) <= limit:
            return text
        if isinstance(value, tuple):
            value, kind = tuple(value), tuple  # also one whose values have names
    if kind is float:
        return f"{value:.6g}"
    if kind is str:
        # as much of it as can be shown; of a long text its beginning says which one it is
        text = repr(value[: limit + 1])
        return text if len(text) <= limit else f"{text[: limit - 2]}…{text[0]}"
    if kind is int:
        return _whole(value)
    if kind in _BRACKETS:
        return _container(value, limit, depth)
    if _is_array(value):
        return _array(value)
    if isinstance(value, type) or callable(value):
        return str(getattr(value, "__name__", None) or _of_type(value))
    text = repr(value)
    # "<… object at 0x7f…>" tells a learner nothing
    return _of_type(value) if text.startswith("<") else text


def _whole(value: int) -> str:
    if value.bit_length() > 4 * LONGEST:
        return _("a whole number of more than {count} digits").format(count=LONGEST)
    return str(value)


_BRACKETS: dict[type, tuple[str, str]] = {
    list: ("[", "]"),
    tuple: ("(", ")"),
    set: ("{", "}"),
    frozenset: ("{", "}"),
    dict: ("{", "}"),
}


def _container(value: Any, limit: int, depth: int) -> str:
    """Return as many of a container's values as fit, and how many more there are."""
    begin, end = _BRACKETS[type(value)]
    if not value and isinstance(value, set | frozenset):
        return "set()"
    if depth >= _DEEPEST:
        return f"{begin}…{end}"
    if type(value) is tuple and len(value) == 1:
        end = ",)"
    if len(value) <= _FEW:
        # a short tuple in a list is worth more than how many more there are
        whole = f"{begin}{', '.join(_items(value, depth, limit))}{end}"
        if len(whole) <= limit:
            return whole
    shown: list[str] = []
    length = len(begin) + len(end)
    for number, text in enumerate(_items(value, depth)):
        left = len(value) - number - 1
        rest = ", " + _("… {count} more").format(count=left) if left else ""
        grown = length + len(text) + (2 if shown else 0)
        if grown + len(rest) > limit:
            rest = _("… {count} more").format(count=left + 1)
            if not shown and not left:
                rest = _cut(text, limit - length)
            elif not shown:
                rest = _("{count} items").format(count=len(value))
            return f"{begin}{', '.join([*shown, rest])}{end}"
        shown.append(text)
        length = grown
    return f"{begin}{', '.join(shown)}{end}"


def _items(value: Any, depth: int, limit: int = _LONGEST_ITEM) -> Iterator[str]:
    if isinstance(value, dict):
        for key, one in value.items():
            yield f"{_inner(key, depth, limit)}: {_inner(one, depth, limit)}"
    else:
        for one in value:
            yield _inner(one, depth, limit)


def _inner(value: object, depth: int, limit: int) -> str:
    return _cut(_described(value, limit, depth + 1), limit)


def _array(value: Any) -> str:
    """Return an array's shape."""
    shape = tuple(int(size) for size in value.shape)
    name = {"ndarray": "array", "Tensor": "tensor"}.get(type(value).__name__)
    return _("{kind} of shape {shape}").format(kind=name or _of_type(value), shape=shape)


def _of_type(value: object) -> str:
    return f"<{_cut(type(value).__name__, _LONGEST_NAME)}>"


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"
