"""Read a class's results for one assignment from the gradebook.

The number of queries doesn't grow with the class; 2,000 students take about a second.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from autograder.config import Course
from autograder.core import notebook_io
from autograder.core.notebook_io import grade_id
from autograder.core.question_titles import notebook_title, question_titles
from autograder.core.term_records import Enrollment, read_enrollments
from autograder.errors import UserError

if TYPE_CHECKING:
    from nbformat import NotebookNode
    from nbgrader.api import Gradebook


@dataclass(frozen=True)
class Question:
    """A graded cell.

    Attributes:
        key: the cell's id in the gradebook.
        name: its grade id.
        points: its maximum, without extra credit.
        manual: whether it is graded manually (a written answer).
        heading: its heading in the notebook; "" where it has none.
        notebook: the name of the notebook that it is in.
    """

    key: str
    name: str
    points: float
    manual: bool
    heading: str = ""
    notebook: str = ""

    @property
    def title(self) -> str:
        """What people call it: the heading, else the grade id."""
        return self.heading or self.name


@dataclass
class Row:
    """One student's results.

    Attributes:
        submitted: whether the gradebook has a graded submission.
        raw: the sum of the questions' scores, with extra credit and before the penalty; a
            manual score replaces an automatic one.
        penalty: the points deducted for lateness.
        late_seconds: how long after the due date (with the student's extension) it was
            submitted; 0 if it was in time.
        scores: the score of each question, by its key.
        waiting: the keys of the questions that are waiting for manual grading.
    """

    student: str
    first_name: str = ""
    last_name: str = ""
    email: str = ""
    lms_user_id: str = ""
    section: str = ""
    submitted: bool = False
    raw: float = 0.0
    penalty: float = 0.0
    late_seconds: float = 0.0
    scores: dict[str, float] = field(default_factory=dict)
    waiting: set[str] = field(default_factory=set)

    @property
    def score(self) -> float:
        """The raw score minus the penalty, at least 0 (as nbgrader exports it)."""
        return max(0.0, self.raw - self.penalty)

    @property
    def status(self) -> str:
        """One of "graded", "waiting" (for manual grading) and "missing"."""
        if not self.submitted:
            return "missing"
        return "waiting" if self.waiting else "graded"


@dataclass(frozen=True)
class GradeSheet:
    """An assignment's questions in the notebook's order, and a row for every student.

    Attributes:
        collected: the students whose submission was collected but never graded.
        heading: the notebook's title; "" where it has none.
    """

    assignment: str
    max_score: float
    questions: list[Question]
    rows: list[Row]
    collected: list[str]
    heading: str = ""

    @property
    def title(self) -> str:
        """What people call the assignment: the notebook's title, else its name."""
        return self.heading or self.assignment

    @property
    def submitted(self) -> list[Row]:
        """The rows of the students with a graded submission."""
        return [row for row in self.rows if row.submitted]


def grade_sheet(course: Course, assignment: str, language: str | None = None) -> GradeSheet:
    """Read a class's results from the gradebook.

    Args:
        course: the course.
        assignment: the assignment's name.
        language: that of the questions' titles; the source language by default.

    Raises:
        UserError: the gradebook doesn't have the assignment.
        EnvironmentFault: the gradebook is in use or can't be reached.
    """
    with course.gradebook() as gradebook:
        notebooks = _notebooks(course, assignment, language)
        questions = _questions(gradebook, notebooks, assignment)
        enrollments = read_enrollments(gradebook.db)
        dropped = {student for student, one in enrollments.items() if one.dropped is not None}
        rows = _students(gradebook, enrollments)
        submissions = _submissions(gradebook, assignment, rows)
        _grades(gradebook, submissions, {question.key for question in questions})
    graded = {row.student for row in rows.values() if row.submitted}
    collected = [
        student
        for student in course.students_in("submitted", assignment)
        if student not in graded | dropped
    ]
    return GradeSheet(
        assignment=assignment,
        max_score=sum(question.points for question in questions),
        questions=questions,
        rows=sorted(rows.values(), key=_by_name),
        collected=collected,
        heading=next(filter(None, map(notebook_title, notebooks.values())), ""),
    )


def _by_name(row: Row) -> tuple[str, str, str]:
    def folded(text: str) -> str:
        return unicodedata.normalize("NFC", text).casefold()

    return folded(row.last_name), folded(row.first_name), folded(row.student)


def _questions(
    gradebook: Gradebook, notebooks: dict[str, NotebookNode], assignment: str
) -> list[Question]:
    from nbgrader.api import Assignment, BaseCell, GradeCell, Notebook, TaskCell
    from sqlalchemy import select

    found = gradebook.db.execute(
        select(Assignment.id).where(Assignment.name == assignment)
    ).scalar_one_or_none()
    if found is None:
        raise UserError(
            f"The gradebook has no assignment {assignment!r}; release it first, and check the name."
        )
    questions = []
    order = _order(notebooks)
    titles = {name: question_titles(one) for name, one in notebooks.items()}
    for kind in (GradeCell, TaskCell):
        # The columns of the subclass's own table, whose id is the foreign key to the base.
        table = kind.__table__
        cells = gradebook.db.execute(
            select(
                Notebook.name,
                BaseCell.__table__.c.id,
                BaseCell.__table__.c.name,
                table.c.max_score,
                table.c.cell_type,
            )
            .select_from(BaseCell.__table__)
            .join(table, table.c.id == BaseCell.__table__.c.id)
            .join(Notebook, Notebook.id == BaseCell.__table__.c.notebook_id)
            .where(Notebook.assignment_id == found)
        )
        for notebook, key, name, points, cell_type in cells:
            manual = kind is TaskCell or cell_type == "markdown"
            heading = titles.get(notebook, {}).get(name, "")
            question = Question(key, name, float(points or 0.0), manual, heading, notebook)
            place = order.get((notebook, name), len(order))
            questions.append(((notebook, place, name), question))
    return [question for _place, question in sorted(questions, key=lambda pair: pair[0])]


def _notebooks(course: Course, assignment: str, language: str | None) -> dict[str, NotebookNode]:
    """Return the assignment's notebooks by name, from the source or else the release."""
    languages = dict.fromkeys([language or course.source_language, course.source_language])
    folders = [
        where(code) / assignment for code in languages for where in (course.source, course.release)
    ]
    if course.is_by_nbgrader:
        folders = [course.place(part, ".", assignment) for part in ("source", "release")]
    folder = next((path for path in folders if path.is_dir()), None)
    paths = sorted(folder.glob("*.ipynb")) if folder else []
    return {path.stem: notebook_io.read(path) for path in paths}


def _order(notebooks: dict[str, NotebookNode]) -> dict[tuple[str, str], int]:
    """Return the position of each graded cell in its notebook: the gradebook has no order."""
    return {
        (notebook, name): number
        for notebook, one in notebooks.items()
        for number, cell in enumerate(one.cells)
        if (name := grade_id(cell))
    }


def _students(gradebook: Gradebook, enrollments: dict[str, Enrollment]) -> dict[str, Row]:
    from nbgrader.api import Student
    from sqlalchemy import select

    columns = (
        Student.id,
        Student.first_name,
        Student.last_name,
        Student.email,
        Student.lms_user_id,
    )
    rows = {}
    for student, first, last, email, lms_user_id in gradebook.db.execute(select(*columns)):
        own = enrollments.get(student, Enrollment())
        if own.dropped is None:
            rows[student] = Row(
                student, first or "", last or "", email or "", lms_user_id or "", own.section
            )
    return rows


def _submissions(gradebook: Gradebook, assignment: str, rows: dict[str, Row]) -> dict[str, Row]:
    """Fill in who submitted and how late, and return the rows by submitted notebook."""
    from nbgrader.api import Assignment, SubmittedAssignment, SubmittedNotebook
    from sqlalchemy import select

    by_notebook: dict[str, Row] = {}
    found = gradebook.db.execute(
        select(
            SubmittedAssignment.student_id,
            SubmittedAssignment.timestamp,
            SubmittedAssignment.extension,
            Assignment.duedate,
            SubmittedNotebook.id,
            SubmittedNotebook.late_submission_penalty,
        )
        .join(Assignment, Assignment.id == SubmittedAssignment.assignment_id)
        .outerjoin(SubmittedNotebook, SubmittedNotebook.assignment_id == SubmittedAssignment.id)
        .where(Assignment.name == assignment)
    )
    for student, received, extension, due, notebook, penalty in found:
        row = rows.get(student)
        if row is None:  # has left the course
            continue
        row.submitted = True
        row.penalty += penalty or 0.0
        if received is not None and due is not None:
            late = received - (due + (extension or timedelta()))
            row.late_seconds = max(0.0, late.total_seconds())
        if notebook is not None:
            by_notebook[notebook] = row
    return by_notebook


def _grades(gradebook: Gradebook, by_notebook: dict[str, Row], questions: set[str]) -> None:
    from nbgrader.api import Grade
    from sqlalchemy import select

    columns = (Grade.notebook_id, Grade.cell_id, Grade.score, Grade.needs_manual_grade)
    for notebook, cell, score, waiting in gradebook.db.execute(
        select(*columns).where(Grade.cell_id.in_(questions))
    ):
        row = by_notebook.get(notebook)
        if row is None:
            continue
        row.scores[cell] = float(score or 0.0)
        row.raw += row.scores[cell]
        if waiting:
            row.waiting.add(cell)
