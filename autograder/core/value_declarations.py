"""Read which values of an assignment differ from student to student, and draw a student's.

The author writes `own-values.json` beside the source notebook:

    {"values": {
      "calls": {"from": 100000, "to": 400000, "step": 20000, "default": 200000},
      "input_price": {"one-of": [0.25, 0.5, 0.75], "default": 0.5},
      "options": {"order-of": ["A", "B", "C", "D"]}
    }}

A value is drawn with HMAC-SHA256 from the course's secret, the assignment, the value's name and
the student's id: the same whenever it is drawn, whatever else is declared.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from autograder.config import Course
from autograder.core.atomic_io import read_file
from autograder.errors import UserError
from autograder.student_values import DECLARED, VALUES_FILE, default_values

Value = bool | int | float | str | list[str]
"""A value as JSON has it."""

_LONGEST_ORDER = 20
_MOST_STEPS, _LARGEST = 1_000_000, 10**15
_KINDS = ("from", "one-of", "order-of")


@dataclass(frozen=True)
class Range:
    """Numbers at equal distances, both ends included."""

    first: Decimal
    step: Decimal
    count: int
    is_whole: bool

    def value(self, number: int) -> Value:
        """Return the value with a number, from 0 to `count` - 1."""
        found = self.first + number * self.step
        return int(found) if self.is_whole else float(found)


@dataclass(frozen=True)
class OneOf:
    """One of the values in a list."""

    options: tuple[Value, ...]

    @property
    def count(self) -> int:
        """The number of possible values."""
        return len(self.options)

    def value(self, number: int) -> Value:
        """Return the value with a number, from 0 to `count` - 1."""
        return self.options[number]


@dataclass(frozen=True)
class OrderOf:
    """The items of a list in any order."""

    items: tuple[str, ...]

    @property
    def count(self) -> int:
        """The number of possible values."""
        return math.factorial(len(self.items))

    def value(self, number: int) -> Value:
        """Return the order with a number, from 0 to `count` - 1."""
        left, found = list(self.items), []
        while left:
            number, place = divmod(number, len(left))
            found.append(left.pop(place))
        return found


Possible = Range | OneOf | OrderOf
"""What a value may be; it has `count` values and gives the one with a number."""


@dataclass(frozen=True)
class Declaration:
    """One declared value.

    Attributes:
        possible: what it may be.
        default: the value of somebody who has none of their own.
    """

    possible: Possible
    default: Value

    def allows(self, value: object) -> bool:
        """Return whether the value could have been drawn."""
        if isinstance(self.possible, Range):
            kinds = int if self.possible.is_whole else int | float
            if isinstance(value, bool) or not isinstance(value, kinds):
                return False
            if isinstance(value, float) and not math.isfinite(value):
                return False
            steps = (Decimal(str(value)) - self.possible.first) / self.possible.step
            return steps == int(steps) and 0 <= steps < self.possible.count
        if isinstance(self.possible, OneOf):
            return any(value == one and type(value) is type(one) for one in self.possible.options)
        return isinstance(value, list) and sorted(map(str, value)) == sorted(self.possible.items)

    def draw(self, secret: bytes, assignment: str, name: str, student: str) -> Value:
        """Return a student's value.

        Args:
            secret: the course's.
            assignment: the assignment's name.
            name: the value's name.
            student: the id that it is drawn with.
        """
        message = json.dumps([assignment, name, student]).encode()
        digest = hmac.new(secret, message, hashlib.sha256).digest()
        # 256 bits over at most 20! values: no value is likelier by more than 1 in 10^58.
        return self.possible.value(int.from_bytes(digest, "big") % self.possible.count)


def declared_values(course: Course, assignment: str) -> dict[str, Declaration]:
    """Return what an assignment declares, by the values' names; nothing without a declaration.

    Raises:
        UserError: the declaration can't be used; the message names the file and the value.
    """
    path = declaration_file(course, assignment)
    if not path.is_file():
        return {}
    name = path.relative_to(course.root).as_posix()
    try:
        content = json.loads(read_file(path).decode("utf-8"))
    except ValueError:
        raise UserError(f"{name} isn't JSON; correct it.") from None
    if problem := next(problems_in(content), None):
        raise UserError(f"{name}: {problem}.")
    return {key: _declaration(about) for key, about in content[DECLARED].items()}


def declaration_file(course: Course, assignment: str) -> Path:
    """Return where an assignment's declaration stands, if it has one."""
    return course.source(course.source_language) / assignment / VALUES_FILE


def problems_in(content: object) -> Iterator[str]:
    """Yield what is wrong with the content of a declaration, without a period.

    Args:
        content: of the file, as JSON.
    """
    if not isinstance(content, Mapping) or set(content) != {DECLARED}:
        yield f'has to be an object with the one key "{DECLARED}"'
        return
    declared = content[DECLARED]
    if not isinstance(declared, Mapping) or not declared:
        yield f'"{DECLARED}" has to be an object that names at least one value'
        return
    for name, about in declared.items():
        if not name.isidentifier():
            yield f"{name!r} can't name a value; use letters, digits and _"
        elif problem := _problem(about):
            yield f"{name} {problem}"


def _problem(about: object) -> str:
    """Return what is wrong with one value's declaration; empty if nothing is."""
    if not isinstance(about, Mapping):
        return "has to be an object"
    kinds = [kind for kind in _KINDS if kind in about]
    if len(kinds) != 1:
        return f"has to say one of {', '.join(_KINDS)}"
    known = {"from", "to", "step", "default"} if kinds == ["from"] else {kinds[0], "default"}
    if unknown := sorted(set(about) - known):
        return f"has the unknown key {unknown[0]!r}"
    if problem := _PROBLEMS[kinds[0]](about):
        return problem
    declaration = _declaration(about)
    if declaration.possible.count < 2:
        return "has only one possible value"
    if "default" in about and not declaration.allows(about["default"]):
        return f"has the default {about['default']!r}, which isn't one of its values"
    return ""


def _range_problem(about: Mapping[str, Any]) -> str:
    ends = [about.get("from"), about.get("to"), about.get("step", 1)]
    for number in ends:
        if isinstance(number, bool) or not isinstance(number, int | float):
            return "needs numbers for from, to and step"
        if isinstance(number, float) and not math.isfinite(number):
            return "needs finite numbers for from, to and step"
    first, last, step = (Decimal(str(number)) for number in ends)
    if step <= 0 or last < first:
        return "needs a step above 0 and a from that isn't above to"
    if (last - first) / step > _MOST_STEPS or max(abs(first), abs(last)) > _LARGEST:
        return f"has more than {_MOST_STEPS:,} steps or numbers beyond {_LARGEST:,}"
    if (last - first) % step:
        return "needs a whole number of steps between from and to"
    return ""


def _options_problem(about: Mapping[str, Any]) -> str:
    options = about["one-of"]
    if not isinstance(options, list) or not all(
        isinstance(one, str | int) or (isinstance(one, float) and math.isfinite(one))
        for one in options
    ):
        return "needs a list of numbers and texts for one-of"
    if len({json.dumps(one) for one in options}) != len(options):
        return "has the same option twice"
    return ""


def _order_problem(about: Mapping[str, Any]) -> str:
    items = about["order-of"]
    if not isinstance(items, list) or not all(isinstance(one, str) for one in items):
        return "needs a list of texts for order-of"
    if len(set(items)) != len(items):
        return "has the same item twice"
    if len(items) > _LONGEST_ORDER:
        return f"has more than {_LONGEST_ORDER} items to order"
    return ""


_PROBLEMS = {"from": _range_problem, "one-of": _options_problem, "order-of": _order_problem}


def _declaration(about: Mapping[str, Any]) -> Declaration:
    possible: Possible
    if "from" in about:
        ends = [about["from"], about["to"], about.get("step", 1)]
        first, last, step = (Decimal(str(number)) for number in ends)
        whole = all(isinstance(number, int) for number in ends)
        possible = Range(first, step, int((last - first) / step) + 1, whole)
    elif "one-of" in about:
        possible = OneOf(tuple(about["one-of"]))
    else:
        possible = OrderOf(tuple(about["order-of"]))
    return Declaration(possible, default_values({"": about})[""])
