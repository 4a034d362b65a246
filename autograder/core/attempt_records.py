"""Keep which submissions were taken as attempts, and what their students were told of them.

Both tables lie in the gradebook's own database, so that one transaction writes a result and that
its attempt was graded. An attempt is counted when it is taken, by the side that receives it: when
its result is there depends on hidden tests, which the count must not tell.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    Boolean,
    Column,
    DateTime,
    Engine,
    Integer,
    MetaData,
    String,
    Table,
    delete,
    func,
    inspect,
    select,
)

_TABLES = MetaData()
_ATTEMPTS = Table(
    "autograder_attempt",
    _TABLES,
    Column("assignment", String(128), primary_key=True),
    Column("student", String(128), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("folder", String(256), nullable=False),
    Column("taken", DateTime, nullable=False),  # in UTC without a zone, as nbgrader keeps times
    Column("graded", Boolean, nullable=False, default=False),
    Column("told", String(16), nullable=False, default=""),
)
_SEEN = Table(
    "autograder_seen",
    _TABLES,
    Column("assignment", String(128), primary_key=True),
    Column("student", String(128), primary_key=True),
    Column("name", String(512), nullable=False),
    Column("changed", DateTime, nullable=False),
    Column("outcome", String(16), nullable=False),
)

# A session of SQLAlchemy's, or the scoped one that nbgrader's gradebook holds.
_Session = Any


@dataclass(frozen=True)
class Attempt:
    """Describe a submission that was taken and counted.

    Attributes:
        number: from 1, by student and assignment.
        folder: the submission's in `term/collected/<student>/<assignment>`.
        taken: when it was counted, in UTC.
        graded: whether its result is in the gradebook.
        told: how much the page in the exchange shows; empty while there is none.
    """

    number: int
    folder: str
    taken: datetime
    graded: bool = False
    told: str = ""


@dataclass(frozen=True)
class Seen:
    """Say which of a student's submissions was dealt with last.

    Attributes:
        name: of its folder in the exchange.
        changed: the folder's last change when it was dealt with, in UTC.
        outcome: "taken", "refused" (no attempt was left) or "unusable".
    """

    name: str
    changed: datetime
    outcome: str


def make_attempt_tables(engine: Engine) -> None:
    """Make the tables where the gradebook doesn't have them yet."""
    _TABLES.create_all(engine)


def _has(session: _Session, table: Table) -> bool:
    return bool(inspect(session.connection()).has_table(table.name))


def read_attempts(session: _Session, assignment: str) -> dict[str, list[Attempt]]:
    """Return every student's attempts at an assignment, the first first."""
    if not _has(session, _ATTEMPTS):
        return {}
    found: dict[str, list[Attempt]] = {}
    columns = _ATTEMPTS.c
    rows = select(
        columns.student,
        columns.number,
        columns.folder,
        columns.taken,
        columns.graded,
        columns.told,
    )
    here = rows.where(columns.assignment == assignment).order_by(columns.student, columns.number)
    for student, number, folder, taken, graded, told in session.execute(here):
        attempt = Attempt(number, folder, taken.replace(tzinfo=UTC), graded, told)
        found.setdefault(student, []).append(attempt)
    return found


def count_attempts(session: _Session, assignment: str) -> dict[str, int]:
    """Return how many attempts at an assignment each student has had."""
    if not _has(session, _ATTEMPTS):
        return {}
    counted = select(_ATTEMPTS.c.student, func.count()).where(_ATTEMPTS.c.assignment == assignment)
    return dict(map(tuple, session.execute(counted.group_by(_ATTEMPTS.c.student))))


def write_attempt(session: _Session, assignment: str, student: str, attempt: Attempt) -> None:
    """Record an attempt, in place of what was recorded of it. Commits nothing."""
    columns = _ATTEMPTS.c
    here = (columns.assignment == assignment) & (columns.student == student)
    session.execute(delete(_ATTEMPTS).where(here & (columns.number == attempt.number)))
    row = {
        "assignment": assignment,
        "student": student,
        "number": attempt.number,
        "folder": attempt.folder,
        "taken": _naive(attempt.taken),
        "graded": attempt.graded,
        "told": attempt.told,
    }
    session.execute(_ATTEMPTS.insert().values(row))


def read_seen(session: _Session, assignment: str) -> dict[str, Seen]:
    """Return which submission of each student was dealt with last."""
    if not _has(session, _SEEN):
        return {}
    columns = _SEEN.c
    rows = select(columns.student, columns.name, columns.changed, columns.outcome)
    return {
        student: Seen(name, changed.replace(tzinfo=UTC), outcome)
        for student, name, changed, outcome in session.execute(
            rows.where(columns.assignment == assignment)
        )
    }


def write_seen(session: _Session, assignment: str, student: str, seen: Seen) -> None:
    """Replace which submission of a student was dealt with last. Commits nothing."""
    here = (_SEEN.c.assignment == assignment) & (_SEEN.c.student == student)
    session.execute(delete(_SEEN).where(here))
    row = {
        "assignment": assignment,
        "student": student,
        "name": seen.name,
        "changed": _naive(seen.changed),
        "outcome": seen.outcome,
    }
    session.execute(_SEEN.insert().values(row))


def rename_attempts(session: _Session, old: str, new: str) -> None:
    """Give what is recorded of a student to another id. Commits nothing."""
    for table in _present(session, (_ATTEMPTS, _SEEN)):
        session.execute(table.update().where(table.c.student == old).values(student=new))


def _present(session: _Session, tables: Iterable[Table]) -> list[Table]:
    return [table for table in tables if _has(session, table)]


def _naive(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(tzinfo=None)
