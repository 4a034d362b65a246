"""Describe a value, or a call with its arguments, in one short line for a learner.

A description has a bounded length whatever the value is, and making it never fails: it is part of
what a check says about a student's result.
"""

from __future__ import annotations

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
_SMALL_ARRAY = 8  # numbers in an array that is shown with its values


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
    for limit in (LONGEST, _LONGEST_ITEM, 12):
        words = [short(one, limit) for one in positional]
        words += [f"{key}={short(one, limit)}" for key, one in named.items()]
        text = f"{name}({', '.join(words)})"
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


def _described(value: Any, limit: int, depth: int) -> str:
    kind = type(value)
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
    if hasattr(kind, "shape") and hasattr(kind, "tolist"):
        return _array(value, limit, depth)
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


def _array(value: Any, limit: int, depth: int) -> str:
    """Return a small array's values, or a larger one's shape."""
    shape = tuple(int(size) for size in value.shape)
    count = 1
    for size in shape:
        count *= size
    if 0 < count <= _SMALL_ARRAY:
        text = _described(value.tolist(), 10_000, depth)
        if len(text) <= limit:
            return text
    name = {"ndarray": "array", "Tensor": "tensor"}.get(type(value).__name__)
    return _("{kind} of shape {shape}").format(kind=name or _of_type(value), shape=shape)


def _of_type(value: object) -> str:
    return f"<{_cut(type(value).__name__, _LONGEST_NAME)}>"


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"
