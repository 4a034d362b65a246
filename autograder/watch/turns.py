"""Give each student one turn at a time, however often one of them hands in."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Generic, TypeVar

_T = TypeVar("_T")


class Turns(Generic[_T]):
    """Queue at most one thing a student; who waits longest since their last turn is next.

    A newer thing of a student takes the place of the one that waits.
    """

    def __init__(self) -> None:
        self._waiting: dict[str, tuple[int, _T]] = {}
        self._last_turn: dict[str, int] = {}
        self._clock = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def __contains__(self, student: str) -> bool:
        return student in self._waiting

    def __iter__(self) -> Iterator[str]:
        return iter(self._waiting)

    def put(self, student: str, what: _T) -> None:
        """Queue something; the student's place is that of what waits already."""
        since = self._waiting[student][0] if student in self._waiting else self._tick()
        self._waiting[student] = (since, what)

    def take(self, busy: Collection[str] = ()) -> tuple[str, _T] | None:
        """Return whose turn it is, and what for; None if nobody waits.

        Args:
            busy: the students who can't have a turn now.
        """
        free = [student for student in self._waiting if student not in busy]
        if not free:
            return None
        student = min(free, key=lambda one: (self._last_turn.get(one, 0), self._waiting[one][0]))
        _since, what = self._waiting.pop(student)
        self._last_turn[student] = self._tick()
        return student, what

    def drop(self, student: str) -> None:
        """Forget what waits for a student."""
        self._waiting.pop(student, None)

    def _tick(self) -> int:
        self._clock += 1
        return self._clock
