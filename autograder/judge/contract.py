"""Say what a test cell may do beyond plain values, as the instructor's solution has shown it.

A handle's answers are the submission's own word, so no submission chooses where a test gets one.
The solution runs first and what it needed is written down, one line for each operation and what
came of it: "Stack() handle", "Stack.size() value", "sort_in_place() changes 0". A submission's test
may do these and nothing else; where the solution gave a plain value, only a plain value is taken.

So a test has one of three levels: *sealed* if it needs plain values alone, *by handle* if it asks
objects, and *unsealed* if neither gives what nbgrader would and it runs in the student's process.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from enum import StrEnum
from typing import Literal, TypeVar

Outcome = Literal["value", "handle"]
T = TypeVar("T")
Cell = TypeVar("Cell")


class Level(StrEnum):
    """How a test cell reaches the student's work."""

    SEALED = "sealed"
    BY_HANDLE = "by handle"
    UNSEALED = "unsealed"


OPEN_WITH_GIVEN = ("?given",)
"""In place of lines: it is being found out what a cell needs that has given objects there."""

ANY_CHANGE = "any() changes"
"""The line of a test that looks at its arguments after the call: what any call makes of them counts
here as well, whatever the solution does."""

_GIVEN = "given objects"


class Contract:
    """What one test cell may do beyond asking for plain values.

    Args:
        lines: what the solution needed; None while that is being found out.
    """

    def __init__(self, lines: Iterable[str] | None = ()) -> None:
        listed = None if lines is None else tuple(lines)
        is_open = listed is None or listed == OPEN_WITH_GIVEN
        self._lines = None if is_open else frozenset(listed or ())
        self.has_handles = self._lines is None or any(map(_reaches_in, self._lines))
        """Whether objects may be handled in this cell at all, or the student's names bound anew."""
        self.has_changes = self._lines is None or any(
            line == ANY_CHANGE or " changes " in line for line in self._lines
        )
        """Whether a call may change its arguments in this cell."""
        self.used: set[str] = set()
        self.has_given = listed == OPEN_WITH_GIVEN or f"{_GIVEN} handle" in (listed or ())
        """Whether objects and classes of read-only cells are those of the student's process."""
        if self.has_given:
            self.note(_GIVEN, "handle")

    def allows(self, what: str, outcome: Outcome | None = None) -> bool:
        """Return whether an operation may be asked for, or may come to this.

        Args:
            what: the operation, such as "Stack.size()".
            outcome: what it comes to; None for either.
        """
        if self._lines is None:
            return True
        if outcome is not None:
            return f"{what} {outcome}" in self._lines
        return f"{what} value" in self._lines or f"{what} handle" in self._lines

    def allows_change(self, what: str, place: int) -> bool:
        """Return whether a call may change the argument at this place."""
        if self._lines is None or ANY_CHANGE in self._lines:
            return True
        return f"{what} changes {place}" in self._lines

    def note(self, what: str, outcome: str) -> None:
        """Write down what came of an operation."""
        self.used.add(f"{what} {outcome}")


def level_of(lines: Iterable[str]) -> Level:
    """Return the level of a cell from what it needed.

    A cell that only binds a name anew for the student's code sends a value and gets none back but
    by calls, so it is sealed.
    """
    handled = any(_reaches_in(line) and not line.endswith(_BINDS) for line in lines)
    return Level.BY_HANDLE if handled else Level.SEALED


_BINDS = " = value"


def _reaches_in(line: str) -> bool:
    return line.endswith((" handle", _BINDS)) or line.startswith("del ")


def claims_in(lines: Iterable[str]) -> list[str]:
    """Return the operations on the student's objects whose answers a cell took their word for."""
    operations = {line.rpartition(" ")[0] for line in lines if line.endswith(" value")}
    return sorted(one for one in operations if "." in one or "(" in one[:-2])


def find_contracts(
    run: Callable[[dict[Cell, tuple[str, ...] | None]], T],
    failing: Callable[[T], set[Cell]],
    needs: Callable[[T, Cell], tuple[str, ...]],
) -> dict[Cell, tuple[str, ...]]:
    """Return what each test cell needs that isn't as it should be by plain values alone.

    Args:
        run: runs the solution, perhaps with more, under these contracts; returns what came of it.
        failing: returns the test cells of a run that aren't as they should be.
        needs: returns what a cell of the solution needed in a run.
    """
    first = failing(run({}))
    if not first:
        return {}
    outcome = run(dict.fromkeys(first))
    second = failing(outcome)
    found = {cell: lines for cell in first if (lines := needs(outcome, cell))}
    if second:
        last = run({**dict.fromkeys(first), **dict.fromkeys(second, OPEN_WITH_GIVEN)})
        for cell in second - failing(last):
            found[cell] = needs(last, cell)
    return found
