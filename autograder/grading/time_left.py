"""Estimate how long a run has still to go, from what has ended and from what hasn't."""

from __future__ import annotations

import time
from collections.abc import Callable

_HARDLY_LONGER = 2.0
"""Times the longest so far, up to which one that is still running is an ordinary one."""


class TimeLeft:
    """Estimate the time left from the submissions that have ended.

    Where one is running longer than any that has ended, nothing but its time limit says when it
    will be over, so that counts. A few endless loops at the end of a class are then told as what
    they may cost, and many in it make the average of those that follow no longer than it is.

    Args:
        on_tick: is called now and then while nothing ends.
        now: the clock, in seconds.
    """

    def __init__(
        self,
        on_tick: Callable[[], object] = lambda: None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self.on_tick = on_tick
        self._now = now
        self._width = 1
        self._longest = 0.0
        self._left = 0
        self._submitted: list[str] = []
        self._since: dict[str, float] = {}
        self._took: list[float] = []

    def begin(self, submissions: int, width: int, longest: float) -> None:
        """Say what there is to do.

        Args:
            submissions: how many have to run.
            width: how many run at a time.
            longest: the longest that one may run, in seconds.
        """
        self._left, self._width, self._longest = submissions, max(1, width), longest

    def submitted(self, student: str) -> None:
        """Note that a submission was given to the workers, which run them in this order."""
        self._submitted.append(student)
        self._note_running()

    def ended(self, student: str) -> None:
        """Note that a submission has ended, or won't run."""
        if student in self._since:
            self._took.append(self._now() - self._since.pop(student))
        if student in self._submitted:
            self._submitted.remove(student)
        self._left = max(0, self._left - 1)
        self._note_running()

    def _note_running(self) -> None:
        for student in self._submitted[: self._width]:
            self._since.setdefault(student, self._now())

    def seconds(self) -> float | None:
        """Return the seconds left; None while nothing has ended yet, or all has."""
        if not self._took or not self._left:
            return None
        usual = sum(self._took) / len(self._took)
        running = [self._rest(self._now() - since) for since in self._since.values()]
        waiting = max(0, self._left - len(running))
        shared = (sum(running) + waiting * usual) / self._width
        return max([shared, *running])

    def _rest(self, elapsed: float) -> float:
        """Return how long a submission that has run for some time will probably go on."""
        longer = [took for took in self._took if took > elapsed]
        usual = sum(self._took) / len(self._took)
        if not longer and elapsed <= _HARDLY_LONGER * max(self._took) + 1.0:
            return usual
        if not longer:
            return max(0.0, self._longest - elapsed)
        return sum(longer) / len(longer) - elapsed

    def in_words(self) -> str:
        """Return the time left as a part of a sentence; empty while it isn't known."""
        seconds = self.seconds()
        if seconds is None:
            return ""
        if seconds < 90:
            return f"about {max(1, round(seconds))} s left"
        if seconds < 90 * 60:
            return f"about {round(seconds / 60)} min left"
        return f"about {seconds / 3600:.1f} h left"
