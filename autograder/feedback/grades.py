"""Read the grades of submissions from the gradebook, as plain data for the pages' processes.

The number of queries doesn't grow with the class.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nbgrader.api import Gradebook
    from sqlalchemy import Select


@dataclass(frozen=True)
class CellGrade:
    """The grade of one graded cell.

    Attributes:
        by_hand: whether it was graded manually.
        waiting: whether it is waiting for manual grading.
    """

    points: float
    max_points: float
    by_hand: bool
    waiting: bool


@dataclass(frozen=True)
class Grades:
    """The grades of one notebook of a submission.

    Attributes:
        received: when it was submitted, in naive UTC.
        due: this student's due date with any extension, in naive UTC; None if there is none.
        late_seconds: how late it was submitted; 0 if it was in time.
        penalty: the points deducted for lateness.
        cells: the grades by grade id.
        comments: the graders' comments by the grade id of the answer.
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
        gradebook: the open gradebook.
        assignment: the assignment's name.
        student: only this student's; None for everyone's.
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

    def of_submissions(query: Select[Any]) -> Select[Any]:
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


def read_absent(
    gradebook: Gradebook, assignment: str, present: Collection[str]
) -> dict[str, dict[str, Grades]]:
    """Return what there was to get for each student who handed nothing in, by notebook.

    Args:
        gradebook: the open gradebook.
        assignment: the assignment's name.
        present: the students who did hand something in.
    """
    from nbgrader.api import (
        Assignment,
        BaseCell,
        GradeCell,
        Notebook,
        Student,
        SubmittedAssignment,
        TaskCell,
    )
    from sqlalchemy import func, select

    due = gradebook.db.execute(
        select(Assignment.duedate).where(Assignment.name == assignment)
    ).scalar_one_or_none()
    if due is None:
        return {}
    own = gradebook.db.execute(
        select(SubmittedAssignment.student_id, SubmittedAssignment.extension)
        .join(Assignment, Assignment.id == SubmittedAssignment.assignment_id)
        .where(Assignment.name == assignment)
    )
    extensions: dict[str, timedelta | None] = {row.student_id: row.extension for row in own}
    cell = BaseCell.__table__
    cells: dict[str, dict[str, CellGrade]] = {}
    for notebook, name, most in gradebook.db.execute(
        select(
            Notebook.name,
            cell.c.name,
            func.coalesce(GradeCell.__table__.c.max_score, TaskCell.__table__.c.max_score),
        )
        .select_from(cell)
        .join(Notebook, Notebook.id == cell.c.notebook_id)
        .join(Assignment, Assignment.id == Notebook.assignment_id)
        .outerjoin(GradeCell.__table__, GradeCell.__table__.c.id == cell.c.id)
        .outerjoin(TaskCell.__table__, TaskCell.__table__.c.id == cell.c.id)
        .where(Assignment.name == assignment)
    ):
        points = cells.setdefault(notebook, {})
        if most is not None:
            points[name] = CellGrade(0.0, float(most), by_hand=False, waiting=False)
    return {
        student: {
            notebook: Grades(None, due + (extensions.get(student) or timedelta()), 0.0, 0.0, points)
            for notebook, points in cells.items()
        }
        for (student,) in gradebook.db.execute(select(Student.id))
        if student not in present
    }
