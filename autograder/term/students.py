"""Change the class: sections, who has left, and a student whose id changes."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from autograder.config import Course
from autograder.core.attempt_records import rename_attempts
from autograder.core.released_values import rename_in_values
from autograder.core.student_id import require_student_id
from autograder.core.term_locks import collecting_lock, values_lock
from autograder.core.term_records import (
    Enrollment,
    make_tables,
    read_enrollments,
    rename_records,
    write_enrollment,
)
from autograder.errors import EnvironmentFault, UserError
from autograder.grading.coordinator import grading_lock
from autograder.term.extensions import require_enrolled


def set_section(course: Course, students: Iterable[str], section: str) -> list[str]:
    """Put students into a section; an empty name takes them out of theirs.

    Returns:
        The students.

    Raises:
        UserError: one isn't in the class list; nobody's section was changed.
        EnvironmentFault: the gradebook can't be used.
    """
    return _change(course, students, section=section.strip())


def drop(course: Course, students: Iterable[str]) -> list[str]:
    """Note that students left the course: they aren't graded, reported or counted any more.

    Nothing of theirs is removed.

    Returns:
        The students.

    Raises:
        UserError: one isn't in the class list; nothing was changed.
        EnvironmentFault: the gradebook can't be used.
    """
    return _change(course, students, dropped=datetime.now(UTC).replace(tzinfo=None))


def restore(course: Course, students: Iterable[str]) -> list[str]:
    """Take back that students left the course.

    Returns:
        The students.

    Raises:
        UserError: one isn't in the class list; nothing was changed.
        EnvironmentFault: the gradebook can't be used.
    """
    return _change(course, students, dropped=None)


def _change(course: Course, students: Iterable[str], **changes: object) -> list[str]:
    chosen = list(dict.fromkeys(students))
    with course.gradebook() as gradebook:
        make_tables(gradebook.engine)
        for student in chosen:
            require_enrolled(course, gradebook, student)
        known = read_enrollments(gradebook.db)
        for student in chosen:
            before = known.get(student, Enrollment())
            write_enrollment(gradebook.db, student, replace(before, **changes))  # type: ignore[arg-type]  # each named for its own field
        gradebook.db.commit()
    return chosen


def rename(course: Course, old: str, new: str) -> list[Path]:
    """Give a student another id, everywhere in the term.

    The folders move first, then the gradebook changes in one transaction. Where that is
    interrupted, the same command goes on.

    Returns:
        The folders that have the new name.

    Raises:
        UserError: the student isn't in the class list, or the new id is somebody else's.
        EnvironmentFault: the gradebook or a folder can't be used; nothing was changed.
    """
    require_student_id(old)
    require_student_id(new)
    if old == new:
        raise UserError(f"{old} is called that already; name another id.")
    with grading_lock(course), collecting_lock(course), values_lock(course):
        return _rename(course, old, new)


def _rename(course: Course, old: str, new: str) -> list[Path]:
    from nbgrader.api import MissingEntry, Student, SubmittedAssignment
    from sqlalchemy import update

    with course.gradebook() as gradebook:
        make_tables(gradebook.engine)
        with suppress(MissingEntry):
            gradebook.find_student(new)
            raise UserError(f"{new} is another student's id, so nobody was renamed; choose one.")
        require_enrolled(course, gradebook, old)
        moved = _moved_folders(course, old, new)
        try:
            with suppress(MissingEntry):
                before = gradebook.find_student(old)
                columns = ("first_name", "last_name", "email", "lms_user_id")
                kept = {name: getattr(before, name) for name in columns}
                gradebook.db.add(Student(id=new, **kept))
                gradebook.db.flush()
                gradebook.db.execute(
                    update(SubmittedAssignment)
                    .where(SubmittedAssignment.student_id == old)
                    .values(student_id=new)
                )
                gradebook.db.expire_all()
                gradebook.db.delete(before)
            rename_records(gradebook.db, old, new)
            rename_attempts(gradebook.db, old, new)
            rename_in_values(course, old, new)
            gradebook.db.commit()
        except BaseException:
            gradebook.db.rollback()
            with suppress(UserError):
                rename_in_values(course, new, old)
            for place in reversed(moved):
                os.rename(place, place.with_name(old))
            raise
    return moved


def _moved_folders(course: Course, old: str, new: str) -> list[Path]:
    """Move a student's folders to the new id; all of them or none.

    Raises:
        UserError: there are folders of both ids.
        EnvironmentFault: one can't be moved.
    """
    # What tells that the student is known moves last, so that an interrupted move can go on.
    places = [(place, place.with_name(new)) for place in course.folders_of(old)]
    for place, target in places:
        if place.exists() and target.exists():
            raise UserError(f"{target} is there already, so nobody was renamed; choose another id.")
    moved: list[Path] = []
    for place, target in places:
        if not place.exists():
            continue
        try:
            os.rename(place, target)
        except OSError as error:
            for done in reversed(moved):
                os.rename(done, done.with_name(old))
            raise EnvironmentFault(
                f"{place} can't be renamed ({error.strerror}), so nothing was changed; "
                "fix that and try again."
            ) from error
        moved.append(target)
    return moved
