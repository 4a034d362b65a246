"""Say how often a student's work is graded on arrival, and what is shown before the due date."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from autograder.config import SHOWN, Course
from autograder.core.messages import N_, Note, note

FORM, VISIBLE, POINTS = SHOWN


@dataclass(frozen=True)
class AttemptLimits:
    """Hold the limits of one assignment.

    Attributes:
        attempts: the most that are graded of a student; None for any number.
        pause: the time between two of them.
        show: what a student is shown before the due date, one of `config.SHOWN`.
    """

    attempts: int | None = None
    pause: timedelta = timedelta()
    show: str = FORM

    @classmethod
    def of(cls, course: Course, assignment: str) -> AttemptLimits:
        """Return the limits that the course's settings have for an assignment."""
        table: dict[str, Any] = dict(course.settings.watch)
        own = table.get(assignment)
        chosen = {key: value for key, value in table.items() if not isinstance(value, tuple)}
        chosen |= dict(own) if isinstance(own, tuple) else {}
        return cls(
            chosen.get("attempts"),
            timedelta(minutes=chosen.get("pause-minutes", 0)),
            chosen.get("show", FORM),
        )

    def is_used_up(self, used: int) -> bool:
        """Return whether no attempt is left.

        Args:
            used: how many the student has had.
        """
        return self.attempts is not None and used >= self.attempts

    def held_until(self, last: datetime | None, now: datetime) -> datetime | None:
        """Return when the pause after the last attempt is over; None if it is.

        Args:
            last: when the last attempt was taken; None if there was none.
            now: the present time.
        """
        if last is None or now >= last + self.pause:
            return None
        return last + self.pause

    def notes(self) -> list[Note]:
        """Return what students have to know of the limits before they hand in."""
        said = []
        if self.attempts is not None:
            said.append(note(N_("At most {count} attempts are graded."), count=self.attempts))
        if self.pause:
            minutes = f"{self.pause.total_seconds() / 60:g}"
            said.append(
                note(N_("Minutes between two attempts, at least: {minutes}."), minutes=minutes)
            )
        if said:
            said.append(note(N_("The last attempt counts, not the best one.")))
        return said
