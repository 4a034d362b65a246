"""Keep what nbgrader has no column for: early extensions, sections, who has left, earlier ids.

The tables lie in the gradebook's own database, beside nbgrader's, so that a backup of it holds
them and one transaction changes all. Once there is a submission, nbgrader's column
`SubmittedAssignment.extension` holds the extension too (`align_extensions`), and everything that
reads nbgrader's tables knows it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Column, DateTime, Engine, MetaData, String, Table, delete, inspect, select

_TABLES = MetaData()
_EXTENSIONS = Table(
    "autograder_extension",
    _TABLES,
    Column("assignment", String(128), primary_key=True),
    Column("student", String(128), primary_key=True),
    Column("until", DateTime, nullable=False),  # in UTC without a zone, as nbgrader keeps times
)
_ENROLLMENTS = Table(
    "autograder_enrollment",
    _TABLES,
    Column("student", String(128), primary_key=True),
    Column("section", String(256), nullable=False, default=""),
    Column("dropped", DateTime, nullable=True),
)
_RENAMES = Table(
    "autograder_rename",
    _TABLES,
    Column("earlier", String(128), primary_key=True),
    Column("student", String(128), nullable=False),
)

# A session of SQLAlchemy's, or the scoped one that nbgrader's gradebook holds.
_Session = Any


@dataclass(frozen=True)
class Enrollment:
    """Say what a student's place in the class is.

    Attributes:
        section: the section's name; empty if the class has none or the student is in none.
        dropped: when the student left the course, in naive UTC; None for who hasn't.
    """

    section: str = ""
    dropped: datetime | None = None


def make_tables(engine: Engine) -> None:
    """Make the tables where the gradebook doesn't have them yet."""
    _TABLES.create_all(engine)


def _has(session: _Session, table: Table) -> bool:
    return bool(inspect(session.connection()).has_table(table.name))


def read_extensions(session: _Session, assignment: str) -> dict[str, datetime]:
    """Return until when each student may hand in, in naive UTC.

    Args:
        session: of the gradebook.
        assignment: the assignment's name.
    """
    if not _has(session, _EXTENSIONS):
        return {}
    rows = select(_EXTENSIONS.c.student, _EXTENSIONS.c.until)
    found = session.execute(rows.where(_EXTENSIONS.c.assignment == assignment))
    return dict(map(tuple, found))


def all_extensions(session: _Session) -> list[tuple[str, str, datetime]]:
    """Return every extension as (assignment, student, until), sorted."""
    if not _has(session, _EXTENSIONS):
        return []
    return sorted(tuple(row) for row in session.execute(select(_EXTENSIONS)))


def write_extension(
    session: _Session, assignment: str, student: str, until: datetime | None
) -> None:
    """Replace a student's extension of an assignment; None takes it back. Commits nothing."""
    here = (_EXTENSIONS.c.assignment == assignment) & (_EXTENSIONS.c.student == student)
    session.execute(delete(_EXTENSIONS).where(here))
    if until is not None:
        row = {"assignment": assignment, "student": student, "until": until}
        session.execute(_EXTENSIONS.insert().values(row))


def align_extension(submission: Any, until: datetime | None) -> None:
    """Write an extension of ours into nbgrader's column of a submission.

    Args:
        submission: nbgrader's `SubmittedAssignment`.
        until: until when its student may hand in, in naive UTC; None leaves what is there.
    """
    if until is None:
        return
    due = submission.assignment.duedate
    # Without a due date nbgrader can't add an extension to it, and nothing is late.
    submission.extension = max(until - due, timedelta()) if due is not None else None


def align_extensions(session: _Session, assignment: str) -> None:
    """Write the extensions of an assignment into nbgrader's column. Commits nothing."""
    from nbgrader.api import Assignment, SubmittedAssignment

    extensions = read_extensions(session, assignment)
    if not extensions:
        return
    found = session.scalars(
        select(SubmittedAssignment)
        .join(Assignment, Assignment.id == SubmittedAssignment.assignment_id)
        .where(Assignment.name == assignment)
    )
    for submission in found:
        align_extension(submission, extensions.get(submission.student_id))


def read_enrollments(session: _Session) -> dict[str, Enrollment]:
    """Return what is recorded of students, by id; a student without a record isn't in it."""
    if not _has(session, _ENROLLMENTS):
        return {}
    return {
        student: Enrollment(section or "", dropped)
        for student, section, dropped in session.execute(select(_ENROLLMENTS))
    }


def dropped_students(session: _Session) -> set[str]:
    """Return the ids of the students who left the course."""
    return {
        student for student, found in read_enrollments(session).items() if found.dropped is not None
    }


def write_enrollment(session: _Session, student: str, enrollment: Enrollment) -> None:
    """Replace what is recorded of a student. Commits nothing."""
    session.execute(delete(_ENROLLMENTS).where(_ENROLLMENTS.c.student == student))
    if enrollment != Enrollment():
        session.execute(
            _ENROLLMENTS.insert().values(
                student=student, section=enrollment.section, dropped=enrollment.dropped
            )
        )


def rename_records(session: _Session, old: str, new: str) -> None:
    """Give what is recorded of a student to another id. Commits nothing."""
    for table in (_EXTENSIONS, _ENROLLMENTS, _RENAMES):
        session.execute(table.update().where(table.c.student == old).values(student=new))
    session.execute(delete(_RENAMES).where(_RENAMES.c.earlier.in_((old, new))))
    session.execute(_RENAMES.insert().values(earlier=old, student=new))


def present_id(session: _Session, earlier: str) -> str | None:
    """Return the id that a renamed student has now; None if nobody was called so."""
    if not _has(session, _RENAMES):
        return None
    found: str | None = session.execute(
        select(_RENAMES.c.student).where(_RENAMES.c.earlier == earlier)
    ).scalar_one_or_none()
    return found


def known_sections(enrollments: Iterable[Enrollment]) -> list[str]:
    """Return the names of the sections, sorted."""
    return sorted({found.section for found in enrollments} - {""})
