"""Give students more time for an assignment, before or after they hand it in."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from autograder.config import Course
from autograder.core.dates import in_words
from autograder.core.student_id import require_student_id
from autograder.core.term_records import align_extension, make_tables, write_extension
from autograder.errors import UserError

if TYPE_CHECKING:
    from nbgrader.api import Gradebook


@dataclass(frozen=True)
class Extension:
    """Describe what became of one student's time.

    Attributes:
        student: the student's id.
        until: until when they may hand in, with a time zone; None for the due date of all.
        handed_in: whether the gradebook has a submission, whose penalty may change.
    """

    student: str
    until: datetime | None
    handed_in: bool


def extend(
    course: Course, assignment: str, students: Iterable[str], until: datetime | None
) -> list[Extension]:
    """Set until when students may hand in an assignment; all in one transaction.

    Penalties change at the next `grade`.

    Args:
        course: the course.
        assignment: the assignment's name.
        students: their ids.
        until: until when, with its time zone; None takes the extension back.

    Raises:
        UserError: the assignment isn't released, a student isn't in the class, or the time is
            before the due date.
        EnvironmentFault: the gradebook can't be used.
    """
    from nbgrader.api import MissingEntry

    course.require_assignment(assignment)
    naive = until.astimezone(UTC).replace(tzinfo=None) if until is not None else None
    found = []
    with course.gradebook() as gradebook:
        make_tables(gradebook.engine)
        try:
            due = gradebook.find_assignment(assignment).duedate
        except MissingEntry:
            raise UserError(
                f"{assignment} isn't in the gradebook yet; "
                f"run `{course.command('release', assignment)}` first."
            ) from None
        if until is not None and naive is not None and due is not None and naive < due:
            local = due.replace(tzinfo=UTC).astimezone(until.tzinfo)
            raise UserError(
                f"{in_words(until)} is before {assignment} is due ({in_words(local)}), so nobody's "
                "time was changed; name a later date."
            )
        for student in dict.fromkeys(students):
            require_enrolled(course, gradebook, student)
            write_extension(gradebook.db, assignment, student, naive)
            try:
                submission = gradebook.find_submission(assignment, student)
            except MissingEntry:
                found.append(Extension(student, until, handed_in=False))
                continue
            if naive is None:
                submission.extension = None
            align_extension(submission, naive)
            found.append(Extension(student, until, handed_in=True))
        gradebook.db.commit()
    return found


def require_enrolled(course: Course, gradebook: Gradebook, student: str) -> str:
    """`student`, if the class list has them or something of theirs was collected.

    Raises:
        UserError: neither; the message names who is meant, perhaps.
    """
    require_student_id(student)
    known = {one.id for one in gradebook.students}
    for assignment in course.assignments():
        known |= {*course.students_in("submitted", assignment)}
    if student in known:
        return student
    near = difflib.get_close_matches(student, sorted(known), n=1)
    meant = f" (is it {near[0]}?)" if near else ""
    raise UserError(
        f"There is no student {student!r} in the class list{meant}; correct the id, or put them "
        "on it with `autograder term roster FILE`."
    )
