"""Read a submission's points and reasons from the gradebook and the graded notebooks."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from nbformat import NotebookNode
from nbgrader.api import (
    BaseCell,
    Grade,
    Gradebook,
    MissingEntry,
    Notebook,
    SubmittedNotebook,
)
from sqlalchemy import select

from autograder.config import Course
from autograder.core import notebook_io
from autograder.core.cell_status import CellStatus
from autograder.core.messages import Note, listed, texts
from autograder.core.notebook_io import grade_id, grader_metadata
from autograder.core.notebook_language import shown_language
from autograder.errors import UserError
from autograder.grading.scoring import score_cell, status_of, stopped
from autograder.i18n import _
from autograder.notebook_metadata import entries


@dataclass(frozen=True)
class GradedCell:
    """Describe one graded cell.

    Attributes:
        grade_id: nbgrader's name of it.
        points: None while a person has to grade it.
        messages: why points are missing, in the current language.
        answered: False when the only thing wrong is that there is no answer yet.
        by_person: whether a person gave the points.
        changed_since: whether something changed after that person graded it.
    """

    grade_id: str
    points: float | None
    max_points: float
    messages: tuple[str, ...] = ()
    answered: bool = True
    by_person: bool = False
    changed_since: bool = False

    @property
    def passed(self) -> bool:
        """Return whether it has all its points, and nobody has to look at it."""
        enough = self.points is not None and self.points >= self.max_points
        return enough and not self.changed_since


@dataclass(frozen=True)
class SubmissionResult:
    """Describe the outcome of one submission.

    Attributes:
        score: points after manual grading and late penalty, as the gradebook has them.
        late_seconds: how late it was received; 0 when in time.
        penalty: the points that lateness cost.
        needs_manual: whether an answer has to be graded by a person.
        language: the code of the notebook's language.
        notes: what was decided about the submission, in the current language.
        stopped: which of the student's cells ended with an error, and with which.
        cells: the graded cells, in the notebook's order.
    """

    student: str
    assignment: str
    score: float
    max_score: float
    late_seconds: float
    needs_manual: bool
    language: str
    notes: tuple[str, ...] = ()
    stopped: tuple[str, ...] = ()
    cells: tuple[GradedCell, ...] = field(default=(), repr=False)
    penalty: float = 0.0

    @property
    def reasons(self) -> list[str]:
        """Say why the score is what it is; cells with the same reason share a line."""
        lines: dict[str, list[str]] = {}
        for cell in self.cells:
            if cell.passed:
                continue
            if cell.changed_since:
                why = _("changed since a person graded it; look at it again")
            elif cell.by_person:
                why = _("{points} of {most} points, given by a person").format(
                    points=f"{cell.points:g}", most=f"{cell.max_points:g}"
                )
            elif not cell.answered:
                why = _("no answer yet")
            elif cell.points is None:
                why = _("waits for a person to grade it")
            else:
                why = "; ".join(cell.messages)
            lines.setdefault(why, []).append(cell.grade_id)
        found = [f"{listed(cells)}: {why}" for why, cells in lines.items()]
        # A cell that stopped explains failures; where nothing failed it explains nothing.
        return [*self.notes, *(self.stopped if found else ()), *found] or [_("everything passed")]


def graded_notebooks(course: Course, student: str, assignment: str) -> list[Path]:
    """Return the paths of the graded notebooks of a submission."""
    return sorted(course.place("autograded", student, assignment).glob("*.ipynb"))


def graded_cells(notebook: NotebookNode, reveal: bool = True) -> tuple[GradedCell, ...]:
    """Return the graded cells of an executed notebook.

    Args:
        notebook: the notebook.
        reveal: whether the messages may name the correct option of a choice question.
    """
    found = []
    for cell in notebook.cells:
        if not grader_metadata(cell).get("grade"):
            continue
        result = score_cell(cell, reveal)
        most = float(grader_metadata(cell).get("points", 0))
        found.append(
            GradedCell(str(grade_id(cell)), result.points, most, result.reasons, result.answered)
        )
    return tuple(found)


def _stopped_cells(notebook: NotebookNode) -> list[str]:
    """Return why the student's cells ended with an error, except those that weren't run."""
    found: dict[str, list[str]] = {}
    for cell in notebook.cells:
        if cell.cell_type != "code" or grader_metadata(cell).get("locked"):
            continue
        if status_of(cell) is not CellStatus.NOT_RUN:
            why = stopped(cell)
            found.setdefault(why, []).append(cell.id) if why else None
    return [f"{listed(cells)}: {why}" for why, cells in found.items()]


def submission_result(
    course: Course, student: str, assignment: str, gradebook: Gradebook | None = None
) -> SubmissionResult:
    """Return the outcome of one graded submission.

    Args:
        course: the course.
        student: the student's id.
        assignment: the assignment's name.
        gradebook: the course's, if it is open already.

    Raises:
        UserError: the submission hasn't been graded.
    """
    paths = graded_notebooks(course, student, assignment)
    if not paths:
        raise UserError(
            f"{student} has no graded {assignment}; run `autograder grade {assignment}` first."
        )
    graded = [notebook_io.read_graded(path) for path in paths]
    notes = [Note(**entry) for nb in graded for entry in entries(nb).get("notes", [])]
    with nullcontext(gradebook) if gradebook else course.gradebook() as book:
        try:
            submission = book.find_submission(assignment, student)
        except MissingEntry:
            raise UserError(
                f"The gradebook has no {assignment} of {student}; "
                f"run `autograder grade {assignment} --again`."
            ) from None
        penalty = sum(one.late_submission_penalty or 0 for one in submission.notebooks)
        looked_at = _seen_by_person(book, submission.id)
        return SubmissionResult(
            student=student,
            assignment=assignment,
            score=max(0.0, submission.score - penalty),
            max_score=submission.max_score,
            late_seconds=max(0.0, submission.total_seconds_late),
            needs_manual=bool(submission.needs_manual_grade),
            language=shown_language(graded[0]),
            notes=tuple(texts(notes)),
            stopped=tuple(one for nb in graded for one in _stopped_cells(nb)),
            cells=tuple(
                replace(one, **looked_at.get((path.stem, one.grade_id), {}))
                for path, nb in zip(paths, graded, strict=True)
                for one in graded_cells(nb)
            ),
            penalty=min(penalty, submission.score),
        )


def _seen_by_person(gradebook: Gradebook, submission: str) -> dict[tuple[str, str], dict[str, Any]]:
    """Return what people decided about a submission's cells.

    Args:
        gradebook: the course's.
        submission: the submission's id in it.

    Returns:
        What that changes of a `GradedCell`, by the names of notebook and cell.
    """
    rows = (
        select(
            Notebook.name,
            BaseCell.name,
            Grade.score,
            Grade.manual_score,
            Grade.needs_manual_grade,
        )
        .join(SubmittedNotebook, SubmittedNotebook.id == Grade.notebook_id)
        .join(Notebook, Notebook.id == SubmittedNotebook.notebook_id)
        .join(BaseCell, BaseCell.id == Grade.cell_id)
        .where(SubmittedNotebook.assignment_id == submission)
        .where(Grade.manual_score.is_not(None) | (Grade.extra_credit != 0))
    )
    return {
        (notebook, cell): {
            "points": float(score or 0.0),
            "by_person": True,
            "answered": True,
            "changed_since": bool(waits) and given is not None,
        }
        for notebook, cell, score, given, waits in gradebook.db.execute(rows)
    }


def submission_results(course: Course, assignment: str) -> list[SubmissionResult]:
    """Return the outcomes of every graded submission to an assignment, by student."""
    students = course.students_in("autograded", assignment)
    return [submission_result(course, student, assignment) for student in students]


def class_summary(results: Sequence[SubmissionResult]) -> str:
    """Return the class's outcome in one line.

    Args:
        results: of one assignment.
    """
    if not results:
        return "Nobody was graded."
    mean = sum(one.score for one in results) / len(results)
    full = sum(one.score >= one.max_score for one in results)
    late = sum(one.late_seconds > 0 for one in results)
    cost = sum(one.penalty > 0 for one in results)
    waiting = sum(one.needs_manual for one in results)
    many = "1 submission" if len(results) == 1 else f"{len(results)} submissions"
    parts = [
        f"{many}: mean {mean:.2f} of {results[0].max_score:g} points, {full} with all of them",
        f"{late} late ({cost} with a penalty)" if late else "none late",
        f"{waiting} waiting for a person to grade" if waiting else "none waiting for a person",
    ]
    return "; ".join(parts) + "."
