"""Keep the attempts of one assignment in memory and in the gradebook, always the same in both."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from nbgrader.api import Assignment, Student, SubmittedAssignment
from sqlalchemy import select
from sqlalchemy.orm import Session

from autograder.core.attempt_records import (
    Attempt,
    Seen,
    make_attempt_tables,
    read_attempts,
    read_seen,
    write_attempt,
    write_seen,
)
from autograder.core.term_records import dropped_students, read_extensions
from autograder.grading.gradebook_writer import GradebookWriter


class AttemptBook:
    """Know who has handed in what, until when everyone may, and who has left.

    Args:
        writer: of the gradebook, for this assignment.
    """

    def __init__(self, writer: GradebookWriter) -> None:
        self._writer = writer
        self._assignment = writer.assignment
        make_attempt_tables(writer.gradebook.engine)
        self.seen: dict[str, Seen] = {}
        self.dropped: set[str] = set()
        self.enrolled: set[str] = set()
        self._due: datetime | None = None
        self._extensions: dict[str, datetime] = {}
        self._attempts: dict[str, list[Attempt]] = {}
        with writer.course.plain_gradebook_errors(), Session(writer.gradebook.engine) as session:
            self._attempts = read_attempts(session, self._assignment)
            self.seen = read_seen(session, self._assignment)
        self.refresh()

    def refresh(self) -> None:
        """Read again what an instructor may have changed: dates, extensions, the class.

        Raises:
            EnvironmentFault: the gradebook can't be read.
        """
        engine = self._writer.gradebook.engine
        with self._writer.course.plain_gradebook_errors(), Session(engine) as session:
            self._due = session.execute(
                select(Assignment.duedate).where(Assignment.name == self._assignment)
            ).scalar_one_or_none()
            self._extensions = read_extensions(session, self._assignment)
            own = select(SubmittedAssignment.student_id, SubmittedAssignment.extension)
            for student, more in session.execute(
                own.join(Assignment).where(Assignment.name == self._assignment)
            ):
                if more and self._due is not None:
                    until = max(self._due + more, self._extensions.get(student, self._due))
                    self._extensions[student] = until
            self.dropped = dropped_students(session)
            self.enrolled = set(session.scalars(select(Student.id)))

    def due(self, student: str) -> datetime | None:
        """Return until when a student may hand in, in UTC; None without a due date."""
        if self._due is None:
            return None
        own = max(self._due, self._extensions.get(student, self._due))
        return own.replace(tzinfo=UTC)

    def is_over(self, student: str) -> bool:
        """Return whether a student's time for the assignment is over."""
        due = self.due(student)
        return due is not None and datetime.now(UTC) > due

    @property
    def students(self) -> list[str]:
        """Return the students with an attempt."""
        return sorted(self._attempts)

    def of(self, student: str) -> list[Attempt]:
        """Return a student's attempts, the first first."""
        return self._attempts.get(student, [])

    def last(self, student: str) -> Attempt | None:
        """Return a student's last attempt; None if there is none."""
        return self.of(student)[-1] if self.of(student) else None

    def take(self, student: str, folder: str, seen: Seen) -> Attempt:
        """Count a submission that has just been collected, once.

        Args:
            student: whose it is.
            folder: where collecting has put it, in `term/collected`.
            seen: which folder of the exchange it was.

        Raises:
            EnvironmentFault: the gradebook can't be written.
        """
        before = self.of(student)
        known = next((one for one in before if one.folder == folder), None)
        attempt = known or Attempt(len(before) + 1, folder, datetime.now(UTC))
        with self._writer.transaction() as session:
            write_attempt(session, self._assignment, student, attempt)
            write_seen(session, self._assignment, student, seen)
        self.seen[student] = seen
        if known is None:
            self._attempts[student] = [*before, attempt]
        return attempt

    def note_seen(self, student: str, seen: Seen) -> None:
        """Record that a submission was dealt with without being taken.

        Raises:
            EnvironmentFault: the gradebook can't be written.
        """
        with self._writer.transaction() as session:
            write_seen(session, self._assignment, student, seen)
        self.seen[student] = seen

    def update(self, student: str, number: int, **changes: Any) -> None:
        """Change what is recorded of an attempt.

        Raises:
            EnvironmentFault: the gradebook can't be written.
        """
        with self._writer.transaction() as session:
            self.write_update(session, student, number, **changes)
        self.keep_update(student, number, **changes)

    def write_update(self, session: Session, student: str, number: int, **changes: Any) -> None:
        """Write such a change in somebody's transaction; `keep_update` once it has ended well."""
        attempt = replace(self.of(student)[number - 1], **changes)
        write_attempt(session, self._assignment, student, attempt)

    def keep_update(self, student: str, number: int, **changes: Any) -> None:
        """Make such a change in memory."""
        kept = self.of(student)
        kept[number - 1] = replace(kept[number - 1], **changes)
