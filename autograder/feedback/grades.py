"""Read what the gradebook has on submissions, as plain data that a page's process can be given.

The number of queries does not grow with the class.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nbgrader.api import Gradebook


@dataclass(frozen=True)
class CellGrade:
    """What the gradebook has on one graded cell.

    Attributes:
        by_hand: whether a person gave the points.
        waiting: whether it waits for a person.
    """

    points: float
    max_points: float
    by_hand: bool
    waiting: bool


@dataclass(frozen=True)
class Grades:
    """What the gradebook has on one notebook of a submission.

    Attributes:
        received: when it came in, in UTC.
        due: this student's due date in UTC, an extension included, if there is one.
        late_seconds: how late it came in; 0 when in time.
        penalty: the points taken for that.
        cells: by grade id.
        comments: of graders, by the grade id of the answer they are on.
    """

    received: datetime | None
    due: datetime | None
    late_seconds: float
    penalty: float
    cells: dict[str, CellGrade] = field(default_factory=dict)
    comments: dict[str, str] = field(default_factory=dict)


def read_grades(
    gradebook: Gradebook, assignment: str, student: str | None = None
) -> dict[str, dict[str, Grades]]:
    """Return the grades of every submission to an assignment, by student and notebook.

    Args:
        student: only this one's.
    """
    from nbgrader.api import (
        Assignment,
        BaseCell,
        Comment,
        Grade,
        GradeCell,
        Notebook,
        SubmittedAssignment,
        SubmittedNotebook,
        TaskCell,
    )
    from sqlalchemy import func, select

    def of_submissions(query: object) -> object:
        query = (
            query.join(
                SubmittedAssignment, SubmittedAssignment.id == SubmittedNotebook.assignment_id
            )
            .join(Assignment, Assignment.id == SubmittedAssignment.assignment_id)
            .where(Assignment.name == assignment)
        )
        return query.where(SubmittedAssignment.student_id == student) if student else query

    found: dict[str, dict[str, Grades]] = {}
    by_id: dict[str, Grades] = {}
    notebooks = select(
        SubmittedNotebook.id,
        Notebook.name,
        SubmittedAssignment.student_id,
        SubmittedAssignment.timestamp,
        SubmittedAssignment.extension,
        Assignment.duedate,
        SubmittedNotebook.late_submission_penalty,
    ).join(Notebook, Notebook.id == SubmittedNotebook.notebook_id)
    for key, name, owner, received, extension, due, penalty in gradebook.db.execute(
        of_submissions(notebooks)
    ):
        due = due + (extension or timedelta()) if due is not None else None
        late = (received - due).total_seconds() if received and due else 0.0
        grades = Grades(received, due, max(0.0, late), float(penalty or 0))
        found.setdefault(owner, {})[name] = by_id[key] = grades

    cell = BaseCell.__table__
    most = func.coalesce(GradeCell.__table__.c.max_score, TaskCell.__table__.c.max_score, 0.0)
    points = (
        select(
            Grade.notebook_id,
            cell.c.name,
            Grade.score,
            most,
            Grade.manual_score,
            Grade.needs_manual_grade,
        )
        .join(cell, cell.c.id == Grade.cell_id)
        .outerjoin(GradeCell.__table__, GradeCell.__table__.c.id == cell.c.id)
        .outerjoin(TaskCell.__table__, TaskCell.__table__.c.id == cell.c.id)
        .join(SubmittedNotebook, SubmittedNotebook.id == Grade.notebook_id)
    )
    for key, name, score, max_score, manual, waiting in gradebook.db.execute(
        of_submissions(points)
    ):
        by_id[key].cells[name] = CellGrade(
            points=float(score or 0),
            max_points=float(max_score or 0),
            by_hand=manual is not None,
            waiting=bool(waiting),
        )
    comments = (
        select(Comment.notebook_id, cell.c.name, Comment.comment)
        .join(cell, cell.c.id == Comment.cell_id)
        .join(SubmittedNotebook, SubmittedNotebook.id == Comment.notebook_id)
    )
    for key, name, comment in gradebook.db.execute(of_submissions(comments)):
        if comment:
            by_id[key].comments[name] = comment
    return found
