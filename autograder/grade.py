"""Grading everyone at once, through nbgrader's own pipeline in this process."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

from autograder import notebooks
from autograder.course import MASTER_LANGUAGE, Course, require_student_id
from autograder.errors import EnvironmentFault, UserError
from autograder.files import write_file
from autograder.release import require_released
from autograder.stand_in import stand_in
from autograder.verdict import Verdict, graded_notebooks, verdict

Progress = Callable[[int, int, str], None]
"""Called with (submissions done, submissions in all, the student at work on)."""


def submitted_students(course: Course, assignment: str) -> list[str]:
    """The students with a collected submission, sorted."""
    return sorted(path.parent.name for path in course.submitted.glob(f"*/{assignment}"))


def grade(
    course: Course,
    assignment: str,
    students: list[str] | None = None,
    again: bool = False,
    progress: Progress | None = None,
) -> list[Verdict]:
    """Grade the collected submissions; those that haven't changed since are left alone.

    Args:
        students: only these; None for everyone.
        again: grade also what hasn't changed.

    Returns:
        A verdict for every submission asked for, graded now or before.

    Raises:
        UserError: unknown assignment or student, nothing released or collected.
        EnvironmentFault: the gradebook is in use or the disk is full.
    """
    course.require_assignment(assignment)
    course.require_free_gradebook()
    require_released(course, assignment)
    found = submitted_students(course, assignment)
    if not found:
        raise UserError(
            f"No submission of {assignment} has been collected; "
            f"run `autograder collect {assignment}` first."
        )
    for student in students or []:
        if require_student_id(student) not in found:
            raise UserError(
                f"{student} has no collected {assignment}; collected are: {', '.join(found[:20])}."
            )
    chosen = students or found
    results = []
    for number, student in enumerate(chosen):
        if progress:
            progress(number, len(chosen), student)
        if again or not _is_graded(course, student, assignment):
            _grade_one(course, student, assignment)
        results.append(verdict(course, student, assignment))
    if progress:
        progress(len(chosen), len(chosen), "")
    return results


def _grade_one(course: Course, student: str, assignment: str) -> None:
    """Grade one submission; what can't be read is graded as an untouched notebook, with a note."""
    for path in sorted((course.submitted / student / assignment).glob("*.ipynb")):
        try:
            notebooks.read(path)
        except UserError as error:
            stand_in(course, student, assignment, path, str(error))
    result = course.api().autograde(assignment, student, force=True)
    if not result["success"]:
        raise _fault(course, student, assignment, result)
    mark = {"graded": _fingerprint(course, student, assignment)}
    write_file(_mark(course, student, assignment), json.dumps(mark).encode("ascii"))


def _fault(course: Course, student: str, assignment: str, result: dict) -> UserError:
    said = result.get("error", "") + result.get("log", "")
    if "database is locked" in said:
        return EnvironmentFault(
            f"The gradebook {course.term / 'gradebook.db'} came into use by another program while "
            f"{student} was graded; close it and run the same command again to go on."
        )
    if "No space left" in said or "disk is full" in said:
        return EnvironmentFault(
            f"The disk is full, so {student} wasn't graded; "
            "free some space and run the same command again to go on."
        )
    log = course.term / "last-error.log"
    write_file(log, said.encode("utf-8", "replace"))
    return UserError(
        f"{assignment} of {student} could not be graded; the details are in {log}; "
        "mend the cause and run the same command again to go on."
    )


def _mark(course: Course, student: str, assignment: str) -> Path:
    return course.autograded / student / assignment / ".graded.json"


def _is_graded(course: Course, student: str, assignment: str) -> bool:
    """Whether exactly this submission was graded against exactly this assignment."""
    mark = _mark(course, student, assignment)
    if not mark.is_file() or not graded_notebooks(course, student, assignment):
        return False
    return json.loads(mark.read_text()).get("graded") == _fingerprint(course, student, assignment)


def _fingerprint(course: Course, student: str, assignment: str) -> str:
    """SHA-256 over the submitted files and the instructor's."""
    seen = hashlib.sha256()
    for folder in (
        course.submitted / student / assignment,
        course.source(MASTER_LANGUAGE) / assignment,
    ):
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            seen.update(f"{path.relative_to(folder)}\0{path.stat().st_size}\0".encode())
            seen.update(path.read_bytes())
    return seen.hexdigest()
