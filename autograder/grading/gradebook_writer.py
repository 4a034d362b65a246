"""Write one submission's result into nbgrader's own tables, in one transaction.

The rows are those that nbgrader's `Autograde` leaves, over one engine that stays open, so a
submission takes milliseconds. It goes further in one thing: a score that a person gave isn't
sent back to that person unless something changed under it.

| column                    | value                                                            |
|---------------------------|------------------------------------------------------------------|
| `Grade.auto_score`        | `scoring.score_cell` of the cell; 0 if its notebook wasn't handed in|
| `Grade.needs_manual_grade`| no score yet, or the answer changed under a manual score         |
| `Grade.manual_score`, `Grade.extra_credit`, `Comment.manual_comment` | untouched            |
| `extension`               | from `core.term_records`, where it has one; else untouched       |
| `Comment.auto_comment`    | "No response." for an answer cell as released                    |
| `late_submission_penalty` | what the configured plugin says of score and lateness            |
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from nbformat import NotebookNode
from nbgrader import utils
from nbgrader.api import (
    Assignment,
    BaseCell,
    Comment,
    Grade,
    Gradebook,
    GradeCell,
    Notebook,
    SolutionCell,
    SourceCell,
    Student,
    SubmittedAssignment,
    SubmittedNotebook,
    TaskCell,
)
from nbgrader.preprocessors import AssignLatePenalties
from sqlalchemy import ColumnElement, Engine, Select, event, func, select
from sqlalchemy.orm import Session, selectinload

from autograder.config import Course
from autograder.core.notebook_io import grade_id, grader_metadata, is_solution
from autograder.core.term_records import (
    align_extension,
    dropped_students,
    make_tables,
    read_extensions,
)
from autograder.errors import UserError
from autograder.grading.scoring import score_cell
from autograder.intake.rebuild import is_student_cell

NO_RESPONSE = "No response."
"""nbgrader's own words for an answer cell that was left as it was."""

_WRITES = "autograder_writes"


@dataclass(frozen=True)
class GradebookNotebook:
    """Describe a notebook as the gradebook has it.

    Attributes:
        id: its id in the database.
        name: its name, without ending.
        graded: the ids in the database of the cells that have a score, by name.
        commented: the same of the cells that have a comment.
        tasks: the names of the graded cells that are tasks, which only a person scores.
        points: what the graded cells are worth, by name.
        checksums: nbgrader's checksum of each cell that it knows, by name.
    """

    id: str
    name: str
    graded: dict[str, str] = field(default_factory=dict)
    commented: dict[str, str] = field(default_factory=dict)
    tasks: set[str] = field(default_factory=set)
    points: dict[str, float] = field(default_factory=dict)
    checksums: dict[str, str] = field(default_factory=dict)


class GradebookWriter:
    """Write the results of one assignment; a context manager."""

    def __init__(self, course: Course, assignment: str) -> None:
        self.course = course
        self.assignment = assignment
        self.notebooks: dict[str, GradebookNotebook] = {}
        self._late = AssignLatePenalties(config=course.nbgrader_config())
        self._late.init_plugin()

    def __enter__(self) -> GradebookWriter:
        """Open the gradebook and read which cells it has.

        Raises:
            UserError: the assignment isn't in it.
            EnvironmentFault: it can't be used.
        """
        with self.course.plain_gradebook_errors(), ExitStack() as stack:
            self.course.term.mkdir(parents=True, exist_ok=True)
            self.gradebook = Gradebook(self.course.database, self.course.id)
            stack.callback(self.gradebook.close)
            _announce_writes(self.gradebook.engine)
            make_tables(self.gradebook.engine)
            with Session(self.gradebook.engine) as session:
                self._read_cells(session)
            self._close = stack.pop_all().close
        return self

    def __exit__(self, *_error: object) -> None:
        self._close()

    def _read_cells(self, session: Session) -> None:
        assignment = session.execute(
            select(Assignment.id).where(Assignment.name == self.assignment)
        ).scalar_one_or_none()
        if assignment is None:
            raise UserError(
                f"{self.assignment} isn't in the gradebook yet; "
                f"run `{self.course.command('release', self.assignment)}` first."
            )
        self._assignment_id = assignment
        known = select(Notebook.id, Notebook.name).where(Notebook.assignment_id == assignment)
        for notebook_id, notebook in session.execute(known.order_by(Notebook.name)):
            self.notebooks[notebook] = GradebookNotebook(notebook_id, notebook)
        rows = session.execute(
            select(Notebook.name, BaseCell.id, BaseCell.name, BaseCell.type)
            .join(BaseCell, BaseCell.notebook_id == Notebook.id)
            .where(Notebook.assignment_id == assignment)
            .order_by(Notebook.name, BaseCell.name)
        )
        for notebook, cell_id, name, kind in rows:
            found = self.notebooks[notebook]
            if kind != SolutionCell.__name__:
                found.graded[name] = cell_id
            if kind != GradeCell.__name__:
                found.commented[name] = cell_id
            if kind not in (SolutionCell.__name__, GradeCell.__name__):
                found.tasks.add(name)
        self._read_points(session)

    def _read_points(self, session: Session) -> None:
        here = Notebook.assignment_id == self._assignment_id
        for kind in (GradeCell, TaskCell):
            points = select(Notebook.name, kind.name, kind.max_score).join(
                Notebook, Notebook.id == kind.notebook_id
            )
            for notebook, name, most in session.execute(points.where(here)):
                self.notebooks[notebook].points[name] = most
        sources = select(Notebook.name, SourceCell.name, SourceCell.checksum).join(
            Notebook, Notebook.id == SourceCell.notebook_id
        )
        for notebook, name, checksum in session.execute(sources.where(here)):
            self.notebooks[notebook].checksums[name] = checksum

    def students(self) -> set[str]:
        """Return the students who have a submission of this assignment in the gradebook."""
        with self.course.plain_gradebook_errors(), Session(self.gradebook.engine) as session:
            return set(
                session.scalars(
                    select(SubmittedAssignment.student_id).where(
                        SubmittedAssignment.assignment_id == self._assignment_id
                    )
                )
            )

    def dropped_students(self) -> set[str]:
        """Return the students who left the course."""
        with self.course.plain_gradebook_errors(), Session(self.gradebook.engine) as session:
            return dropped_students(session)

    def write(
        self,
        student: str,
        graded: dict[str, NotebookNode],
        received: datetime | None,
        before: Callable[[], dict[str, NotebookNode]] = dict,
        also: Callable[[Session], object] = lambda _session: None,
    ) -> None:
        """Write one result in one transaction: on an error nothing of it is in the gradebook.

        Args:
            student: the student's id.
            graded: the executed notebooks by name; a notebook that is missing scores 0.
            received: when the submission came in, in UTC; None leaves what is recorded.
            before: reads the notebooks of the result that this one replaces. It is called only
                where a person gave a score, to see whether anything changed under it.
            also: writes more in the same transaction.

        Raises:
            EnvironmentFault: the gradebook can't be written.
        """
        with self.transaction() as session:
            submission = self._submission(session, student, received)
            earlier = functools.cache(before)
            rows = {row.notebook_id: row for row in submission.notebooks}
            for name, cells in self.notebooks.items():
                row = rows.get(cells.id)
                if row is None:
                    row = SubmittedNotebook(notebook_id=cells.id, assignment_id=submission.id)
                    session.add(row)
                    session.flush()
                grades = _write_grades(session, row, cells, graded.get(name), earlier)
                _write_comments(session, row, cells, graded.get(name))
                row.late_submission_penalty = None
                if name in graded:
                    earned = sum(map(_score, grades))
                    row.late_submission_penalty = self._penalty(submission, earned)
            also(session)

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """Open a transaction that writes; on an error nothing of it is in the gradebook.

        Raises:
            EnvironmentFault: the gradebook can't be written.
        """
        with (
            self.course.plain_gradebook_errors(),
            Session(self.gradebook.engine) as session,
            session.begin(),
        ):
            session.connection(execution_options={_WRITES: True})
            yield session

    def _submission(
        self, session: Session, student: str, received: datetime | None
    ) -> SubmittedAssignment:
        """Return the student's submission, made if it is new."""
        if session.get(Student, student) is None:
            session.add(Student(id=student))
            session.flush()
        found = session.execute(
            select(SubmittedAssignment).where(
                SubmittedAssignment.assignment_id == self._assignment_id,
                SubmittedAssignment.student_id == student,
            )
        ).scalar_one_or_none()
        if found is None:
            found = SubmittedAssignment(assignment_id=self._assignment_id, student_id=student)
            session.add(found)
        if received is not None:
            found.timestamp = received
        session.flush()
        align_extension(found, read_extensions(session, self.assignment).get(student))
        return found

    def refresh_lateness(self, students: Iterable[str]) -> None:
        """Bring extensions and penalties of submissions that aren't graded again up to date.

        Due dates, extensions, the policy and manual scores may have changed since they were.

        Args:
            students: whose submissions.

        Raises:
            EnvironmentFault: the gradebook can't be written.
        """
        chosen = set(students)
        with self.transaction() as session:
            extensions = read_extensions(session, self.assignment)
            here = SubmittedAssignment.assignment_id == self._assignment_id
            totals = select(Grade.notebook_id, func.sum(Grade.score)).group_by(Grade.notebook_id)
            earned: dict[str, float | None] = dict(
                session.execute(totals.where(Grade.notebook_id.in_(_rows_of(here)))).tuples().all()
            )
            everyone = select(SubmittedAssignment).options(
                selectinload(SubmittedAssignment.notebooks)
            )
            for submission in session.scalars(everyone.where(here)):
                if submission.student_id not in chosen:
                    continue
                align_extension(submission, extensions.get(submission.student_id))
                for row in submission.notebooks:
                    score = float(earned.get(row.id) or 0.0)
                    # What wasn't handed in has no penalty, and one of 0 points is none.
                    penalty = self._penalty(submission, score) if score else None
                    if (penalty or 0.0) != (row.late_submission_penalty or 0.0):
                        row.late_submission_penalty = penalty

    def _penalty(self, submission: SubmittedAssignment, score: float) -> float | None:
        late = submission.total_seconds_late
        if late <= 0:
            return None
        notebook = _Scored(score)
        penalty = self._late.plugin_inst.late_submission_penalty(submission.student_id, score, late)
        return None if penalty is None else self._late._check_late_penalty(notebook, penalty)


def _rows_of(submissions: ColumnElement[bool]) -> Select[tuple[str]]:
    """Return a query for the ids of the submitted notebooks of some submissions."""
    return (
        select(SubmittedNotebook.id)
        .join(SubmittedAssignment, SubmittedAssignment.id == SubmittedNotebook.assignment_id)
        .where(submissions)
    )


@dataclass(frozen=True)
class _Scored:
    """Hold what nbgrader's late penalty asks of a notebook."""

    score: float


def _score(grade: Grade) -> float:
    """Return a cell's score as the gradebook adds it up."""
    given = grade.manual_score if grade.manual_score is not None else grade.auto_score
    return 0.0 if given is None else given + (grade.extra_credit or 0.0)


def _write_grades(
    session: Session,
    row: SubmittedNotebook,
    cells: GradebookNotebook,
    graded: NotebookNode | None,
    before: Callable[[], dict[str, NotebookNode]],
) -> list[Grade]:
    # Held until the end, so that a score that a person saves meanwhile is seen or comes after.
    locked = select(Grade).where(Grade.notebook_id == row.id).with_for_update(of=Grade)
    found = {grade.cell_id: grade for grade in session.scalars(locked)}
    by_name = {} if graded is None else {grade_id(cell): cell for cell in graded.cells}
    for name, cell_id in cells.graded.items():
        grade = found.get(cell_id)
        if grade is None:
            grade = found[cell_id] = Grade(notebook_id=row.id, cell_id=cell_id)
            session.add(grade)
        if graded is None:
            grade.auto_score, grade.needs_manual_grade = 0.0, False
            continue
        old = grade.auto_score
        if name not in cells.tasks:
            grade.auto_score = score_cell(by_name[name]).points
        if grade.manual_score is None:
            grade.needs_manual_grade = grade.auto_score is None
        else:
            was = _answer(before().get(cells.name), name)
            changed = grade.auto_score != old or was != _answer(graded, name)
            grade.needs_manual_grade = bool(grade.needs_manual_grade or changed)
    return list(found.values())


def _answer(notebook: NotebookNode | None, name: str) -> list[tuple[str, object]] | None:
    """Return what a student wrote that a score for this cell could be about."""
    if notebook is None:
        return None
    for cell in notebook.cells:
        if grade_id(cell) == name and is_solution(cell):
            return [_written(cell)]
    return [_written(cell) for cell in notebook.cells if is_student_cell(cell)]


def _written(cell: NotebookNode) -> tuple[str, object]:
    return cell.source, cell.get("attachments")


def _write_comments(
    session: Session,
    row: SubmittedNotebook,
    cells: GradebookNotebook,
    graded: NotebookNode | None,
) -> None:
    found = {
        comment.cell_id: comment
        for comment in session.scalars(select(Comment).where(Comment.notebook_id == row.id))
    }
    for name, cell_id in cells.commented.items():
        comment = found.get(cell_id)
        if comment is None:
            comment = Comment(notebook_id=row.id, cell_id=cell_id)
            session.add(comment)
        cell = _named(graded, name)
        if cell is not None:
            comment.auto_comment = NO_RESPONSE if _is_as_given(cell) else None


def _named(notebook: NotebookNode | None, name: str) -> NotebookNode | None:
    cells = notebook.cells if notebook is not None else ()
    return next((cell for cell in cells if grade_id(cell) == name), None)


def _is_as_given(cell: NotebookNode) -> bool:
    checksum = grader_metadata(cell).get("checksum")
    return not utils.is_task(cell) and checksum == utils.compute_checksum(cell)


def _announce_writes(engine: Engine) -> None:
    """Lock SQLite's gradebook where a writing transaction begins, not at its first write.

    Its driver would otherwise read before it locks, and what it read could change in between. A
    server locks rows instead (`with_for_update`).
    """
    if engine.dialect.name != "sqlite":
        return

    @event.listens_for(engine, "connect")
    def leave_transactions_to_us(connection: Any, _record: object) -> None:
        connection.isolation_level = None

    @event.listens_for(engine, "begin")
    def begin(connection: Any) -> None:
        writes = connection.get_execution_options().get(_WRITES)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    # The connection that opening the gradebook left behind is of the old kind.
    engine.dispose()
