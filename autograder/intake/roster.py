"""Keep the class list, and find in it the owner named in a download.

An owner who could be several people or isn't listed is refused, never guessed.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from autograder.config import Course
from autograder.core.printable import one_line
from autograder.core.term_records import (
    Enrollment,
    make_tables,
    read_enrollments,
    write_enrollment,
)
from autograder.errors import UserError

if TYPE_CHECKING:
    from autograder.intake.lms_filenames import Owner, OwnerFiles

ROSTER_COLUMNS = ("id", "first_name", "last_name", "email", "lms_user_id", "section")
_OF_NBGRADER = ROSTER_COLUMNS[1:-1]
"""The columns that nbgrader's own table has, besides the id."""


@dataclass(frozen=True)
class Person:
    """Describe a student of the class list; everything but the id may be empty."""

    id: str
    first_name: str = ""
    last_name: str = ""
    email: str = ""
    lms_user_id: str = ""
    section: str = ""

    def spellings(self) -> set[str]:
        """Return the name as an LMS may write it, folded."""
        both = {fold(self.first_name + self.last_name), fold(self.last_name + self.first_name)}
        return both - {""}


class UnknownOwner(UserError):
    """Report that a file's owner isn't in the class list, or could be several people."""


def fold(name: str) -> str:
    """Return a person's name without case, spaces and punctuation, composed."""
    text = unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())
    return "".join(letter for letter in text if letter.isalnum())


def _plain_label(label: str) -> bool:
    """Return whether a displayed name holds no invisible or look-alike characters.

    Zero-width and control characters, full-width letters, ligatures: `fold` would pass over some
    of them, and a person would see the name of somebody else.
    """
    composed = unicodedata.normalize("NFC", label)
    if unicodedata.normalize("NFKC", composed) != composed:
        return False
    return all(unicodedata.category(one) not in _UNSEEN or one == " " for one in composed)


_UNSEEN = frozenset({"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp", "Zs"})


def find_person(owner: Owner, people: Iterable[Person]) -> Person:
    """Find the student whom an owner is.

    A displayed name is the student's to choose in many an LMS, so it decides nothing where the
    LMS gives an id:

    * Canvas: its user id, and nothing but that. It is `lms_user_id` in the roster, or the
      student's id itself, if that is what the course goes by and the name doesn't contradict.
    * Moodle gives the displayed name only (its number belongs to the assignment): a name
      that one student alone has, written plainly; between students of the same name the number.
    * Blackboard gives the user name, which is the student's id (`group_by_owner` has told it from
      the column's name).
    * A folder: the student's id, chosen by the person who made the folders.

    Raises:
        UnknownOwner: no student, or more than one.
    """
    people = list(people)
    if owner.origin in ("folder", "blackboard"):
        label = unicodedata.normalize("NFC", owner.label)
        for person in people:
            if person.id == label:
                return person
        raise UnknownOwner(
            f"{label!r} is no student's id in the class list, so nothing was taken from it; "
            "add the student with --roster or rename the folder."
        )
    by_number = [person for person in people if owner.number and person.lms_user_id == owner.number]
    shown = one_line(f"{owner.label} ({owner.origin} {owner.number})")
    by_name = []
    if _plain_label(owner.label):
        by_name = [person for person in people if fold(owner.label) in person.spellings()]
    if owner.origin == "canvas":
        by_id = [
            person
            for person in people
            if person.id == owner.number
            and not person.lms_user_id
            and (not person.spellings() or person in by_name)
        ]
        candidates = by_number or by_id
        if not candidates and any(not person.lms_user_id for person in by_name):
            raise UnknownOwner(
                f"{shown} has only a name in common with the class list, which anybody can take, "
                f"so nothing was taken; put {owner.number} as lms_user_id into the roster."
            )
    else:
        namesakes = [person for person in by_name if person in by_number]
        candidates = namesakes if len(by_name) > 1 else by_name
        if not by_name:
            # A class list without names goes by what the LMS displays.
            candidates = [
                person for person in people if person.id == owner.label and not person.spellings()
            ]
    if len(candidates) == 1:
        return candidates[0]
    if candidates or len(by_name) > 1:
        raise UnknownOwner(
            f"{shown} could be more than one student, so nothing was taken; "
            "fill in lms_user_id in the roster."
        )
    raise UnknownOwner(
        f"{shown} isn't in the class list, so nothing was taken; "
        "add the student, with lms_user_id, by --roster."
    )


def find_conflicts(found: Iterable[tuple[OwnerFiles, Person]]) -> dict[str, str]:
    """Find the students to whom a download gives the work of several owners.

    Two people in the LMS can't both be the same student of the class: one has taken the other's
    name. Several zips made by `submit` in one folder are one owner's.

    Returns:
        A sentence for each such student, by id.
    """
    owners: dict[str, dict[tuple[str, str, str], str]] = {}
    for owned, person in found:
        owner = owned.owner
        if owner.origin not in ("folder", "blackboard"):
            key = (owner.origin, "" if owner.origin == "canvas" else owner.label, owner.number)
            owners.setdefault(person.id, {})[key] = one_line(owner.label)
    return {
        student: f"{student}: {' and '.join(sorted(labels.values()))} are different people in the "
        "LMS and the same student by their names, so nothing of either was taken; put "
        "lms_user_id into the roster, or collect the right one from a folder named "
        f"{student}."
        for student, labels in owners.items()
        if len(labels) > 1
    }


def find_changes(course: Course, people: Iterable[Person]) -> tuple[list[Person], list[Person]]:
    """Return those of a list who aren't in the gradebook yet, and those whom it changes there."""
    known = {person.id: person for person in class_list(course)}
    new, changed = [], []
    for person in people:
        before = known.get(person.id)
        if before is None:
            new.append(person)
        elif any(
            getattr(person, column) not in ("", getattr(before, column))
            for column in ROSTER_COLUMNS[1:]
        ):
            changed.append(person)
    return new, changed


def enroll(course: Course, people: Iterable[Person]) -> None:
    """Write the class list into the gradebook; what is empty in it stays as it is there."""
    from nbgrader.api import MissingEntry

    with course.gradebook() as gradebook:
        make_tables(gradebook.engine)
        enrollments = read_enrollments(gradebook.db)
        for person in people:
            if person.section:
                before = enrollments.get(person.id, Enrollment())
                now = replace(before, section=person.section)
                write_enrollment(gradebook.db, person.id, now)
            known = {
                column: getattr(person, column)
                for column in _OF_NBGRADER
                if getattr(person, column)
            }
            try:
                student = gradebook.find_student(person.id)
            except MissingEntry:
                gradebook.add_student(person.id, **known)
                continue
            for column, value in known.items():
                setattr(student, column, value)
        gradebook.db.commit()


def class_list(course: Course) -> list[Person]:
    """Return the students in the gradebook."""
    with course.gradebook() as gradebook:
        enrollments = read_enrollments(gradebook.db)
        return [
            Person(
                student.id,
                student.first_name or "",
                student.last_name or "",
                student.email or "",
                student.lms_user_id or "",
                enrollments.get(student.id, Enrollment()).section,
            )
            for student in gradebook.students
        ]
