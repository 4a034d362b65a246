"""Say how often a student's work is graded on arrival, and what is shown before the due date."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from autograder.config import SETTINGS_FILE, SHOWN, Course
from autograder.core.messages import N_, Note, note
from autograder.errors import UserError

FORM, VISIBLE, POINTS = SHOWN

DEFAULT_PAUSE = timedelta(minutes=1)
"""Whoever hands in in a loop would otherwise keep the grader busy all day."""


@dataclass(frozen=True)
class AttemptLimits:
    """Hold the limits of one assignment.

    Attributes:
        attempts: the most that are graded of a student; None for any number.
        pause: the time between two of them.
        show: what a student is shown before the due date, one of `config.SHOWN`.
    """

    attempts: int | None = None
    pause: timedelta = DEFAULT_PAUSE
    show: str = FORM

    @classmethod
    def of(cls, course: Course, assignment: str) -> AttemptLimits:
        """Return the limits that the course's settings have for an assignment.

        Raises:
            UserError: the settings name an assignment that the course doesn't have.
        """
        table: dict[str, Any] = dict(course.settings.watch)
        _require_assignments(course, table)
        own = table.get(assignment)
        chosen = {key: value for key, value in table.items() if not isinstance(value, tuple)}
        chosen |= dict(own) if isinstance(own, tuple) else {}
        minutes = chosen.get("pause-minutes")
        return cls(
            chosen.get("attempts"),
            timedelta(minutes=minutes) if minutes is not None else DEFAULT_PAUSE,
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


def _require_assignments(course: Course, table: Mapping[str, Any]) -> None:
    known = course.assignments()
    named = [name for name, given in table.items() if isinstance(given, tuple)]
    unknown = sorted(set(named) - set(known))
    # In a student's files there are no sources to compare with, and a course without settings of
    # its own takes those of another one, which has other assignments.
    if known and unknown and (course.root / SETTINGS_FILE).is_file():
        raise UserError(
            f"The table watch.{unknown[0]} in [tool.autograder] names no assignment; choose one "
            f"of: {', '.join(known)}."
        )
