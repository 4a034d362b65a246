"""Writing every student's feedback page."""

from __future__ import annotations

from pathlib import Path

from autograder.course import Course, require_student_id
from autograder.errors import UserError
from autograder.grade import Progress
from autograder.verdict import graded_notebooks


def feedback(
    course: Course,
    assignment: str,
    students: list[str] | None = None,
    explain: bool = False,
    progress: Progress | None = None,
) -> list[Path]:
    """Write one HTML page for each graded notebook to `term/feedback`.

    Args:
        students: only these; None for everyone graded.
        explain: explain the answers even before the due date, or without one.

    Returns:
        The pages written.

    Raises:
        UserError: unknown assignment or student, or nothing graded yet.
    """
    course.require_assignment(assignment)
    course.require_free_gradebook()
    found = sorted(path.parent.name for path in course.autograded.glob(f"*/{assignment}"))
    for student in students or []:
        if require_student_id(student) not in found:
            raise UserError(
                f"{student} has no graded {assignment}; run `autograder grade {assignment}` first."
            )
    if not found:
        raise UserError(f"No {assignment} has been graded; run `autograder grade {assignment}`.")
    api = course.api()
    api.config.RevealExplanations.always = explain
    pages = []
    chosen = students or found
    for number, student in enumerate(chosen):
        if progress:
            progress(number, len(chosen), student)
        result = api.generate_feedback(assignment, student, force=True)
        if not result["success"]:
            raise UserError(
                f"The feedback for {student} could not be written ({_reason(result)}); "
                "mend that and run the same command again."
            )
        folder = course.feedback / student / assignment
        pages.extend(
            folder / f"{path.stem}.html" for path in graded_notebooks(course, student, assignment)
        )
    if progress:
        progress(len(chosen), len(chosen), "")
    return pages


def _reason(result: dict) -> str:
    """What went wrong, from nbgrader's log: the last line of the traceback in it."""
    said = result.get("log", "") or result.get("error", "")
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    plain = [line for line in lines if not line.startswith("[")] or lines
    return plain[-1][:200] if plain else "no reason given"
