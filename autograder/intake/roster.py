"""Keep the class list, and look up in it whom the owner named in a download is.

Nobody is guessed: an owner who could be several people, or nobody, is refused.
"""

from __future__ import annotations

import csv
import io
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from autograder.course import Course, require_student_id
from autograder.errors import UserError
from autograder.files import read_file
from autograder.core.printable import one_line

if TYPE_CHECKING:
    from autograder.intake.filenames import Delivery, Owner

ROSTER_COLUMNS = ("id", "first_name", "last_name", "email", "lms_user_id")
_ROSTER_LIMIT = 10 * 1024 * 1024


@dataclass(frozen=True)
class Person:
    """A student of the class list; everything but the id may be empty."""

    id: str
    first_name: str = ""
    last_name: str = ""
    email: str = ""
    lms_user_id: str = ""

    def spellings(self) -> set[str]:
        """The name as an LMS may write it, folded."""
        both = {fold(self.first_name + self.last_name), fold(self.last_name + self.first_name)}
        return both - {""}


class UnknownOwner(UserError):
    """A file's owner isn't in the class list, or could be several people."""


def fold(name: str) -> str:
    """A person's name without case, spaces and punctuation, composed."""
    text = unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())
    return "".join(letter for letter in text if letter.isalnum())


def _plain_label(label: str) -> bool:
    """Whether a displayed name holds nothing that looks like something else or like nothing.

    Zero-width and control characters, full-width letters, ligatures: `fold` would pass over some
    of them, and a person would see the name of somebody else.
    """
    composed = unicodedata.normalize("NFC", label)
    if unicodedata.normalize("NFKC", composed) != composed:
        return False
    return all(unicodedata.category(one) not in _UNSEEN or one == " " for one in composed)


_UNSEEN = frozenset({"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp", "Zs"})


def find_person(owner: Owner, people: Iterable[Person]) -> Person:
    """Who of the class an owner is.

    A displayed name is the student's to choose in many an LMS, so it decides nothing where the
    LMS gives an id:

    * Canvas: its user id, and nothing but that. It is `lms_user_id` in the roster, or the
      student's id itself, if that is what the course goes by and the name doesn't contradict.
    * Moodle names nobody but by the name displayed (its number belongs to the assignment): a name
      that one student alone has, written plainly; between students of the same name the number.
    * A folder: the student's id, which whoever made the folders has chosen.

    Raises:
        UnknownOwner: nobody, or more than one.
    """
    people = list(people)
    if owner.origin == "folder":
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
                person
                for person in people
                if person.id == owner.label and not person.spellings()
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


def shared(found: Iterable[tuple[Delivery, Person]]) -> dict[str, str]:
    """The students to whom a download gives the work of several owners.

    Two people in the LMS can't both be the same student of the class: one has taken the other's
    name. Several zips of our own in one folder are one owner's.

    Returns:
        A sentence for each such student's id.
    """
    owners: dict[str, dict[tuple[str, str, str], str]] = {}
    for delivery, person in found:
        owner = delivery.owner
        if owner.origin != "folder":
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


def read_roster(path: Path) -> list[Person]:
    """The class list in a CSV with the columns id, first_name, last_name, email, lms_user_id.

    Only `id` is required. UTF-8 with or without a byte order mark, CP949 and UTF-16 are read,
    with commas, semicolons or tabs, as spreadsheets write them.

    Raises:
        UserError: not such a file; the message names the line.
    """
    content = read_file(path, _ROSTER_LIMIT)
    name = Path(path).name
    text = _decoded(content, name)
    header = text.split("\n", 1)[0]
    delimiter = max(",;\t", key=header.count)
    rows = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter, restkey="+")
    try:
        columns = [(column or "").strip().casefold() for column in rows.fieldnames or []]
        rows.fieldnames = columns
        if "id" not in columns:
            raise UserError(
                f"{name} has no column 'id'; its first line must name the columns "
                f"{', '.join(ROSTER_COLUMNS)}."
            )
        return _people(rows, name)
    except csv.Error as error:
        raise UserError(f"{name} isn't a correct CSV ({error}); export it again.") from None


def _decoded(content: bytes, name: str) -> str:
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        encodings = ["utf-16"]
    else:
        encodings = ["utf-8-sig", "cp949"]
    for encoding in encodings:
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\x00" in text:
            break
        return unicodedata.normalize("NFC", text)
    raise UserError(f"{name} isn't text in UTF-8 or CP949; export it as CSV (UTF-8) again.")


def _people(rows: csv.DictReader, name: str) -> list[Person]:
    people: dict[str, Person] = {}
    lms_ids: dict[str, str] = {}
    for row in rows:
        values = {
            column: (row.get(column) or "").strip() for column in ROSTER_COLUMNS
        }
        if not any(values.values()):
            continue
        if not values["id"]:
            raise UserError(f"{name}, line {rows.line_num}: the id is missing; fill it in.")
        try:
            values["id"] = require_student_id(values["id"])
        except UserError as error:
            raise UserError(f"{name}, line {rows.line_num}: {error}") from None
        person = Person(**values)
        if person.id in people:
            raise UserError(
                f"{name}, line {rows.line_num}: the id {person.id!r} is there twice; "
                "remove one of the lines."
            )
        number = person.lms_user_id
        if number and number in lms_ids:
            raise UserError(
                f"{name}, line {rows.line_num}: {person.id!r} and {lms_ids[number]!r} have the "
                f"same lms_user_id {number!r}; correct one of them."
            )
        people[person.id] = person
        lms_ids[number] = person.id
    if not people:
        raise UserError(f"{name} holds no students; put one in each line under the columns.")
    return list(people.values())


def enrol(course: Course, people: Iterable[Person]) -> None:
    """Write the class list into the gradebook; what it leaves empty stays as it is there."""
    from nbgrader.api import MissingEntry

    with course.gradebook() as gradebook:
        for person in people:
            known = {
                column: getattr(person, column)
                for column in ROSTER_COLUMNS[1:]
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
    """The students in the gradebook."""
    with course.gradebook() as gradebook:
        return [
            Person(
                student.id,
                student.first_name or "",
                student.last_name or "",
                student.email or "",
                student.lms_user_id or "",
            )
            for student in gradebook.students
        ]
