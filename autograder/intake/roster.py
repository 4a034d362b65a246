"""Keep the class list, and find in it the owner named in a download.

An owner who could be several people or isn't listed is refused, never guessed.
"""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autograder.config import Course
from autograder.core.atomic_io import read_file
from autograder.core.printable import one_line
from autograder.core.student_id import require_student_id
from autograder.errors import UserError

if TYPE_CHECKING:
    from autograder.intake.lms_filenames import Owner, OwnerFiles

ROSTER_COLUMNS = ("id", "first_name", "last_name", "email", "lms_user_id")
_ROSTER_LIMIT = 10 * 1024 * 1024


@dataclass(frozen=True)
class Person:
    """Describe a student of the class list; everything but the id may be empty."""

    id: str
    first_name: str = ""
    last_name: str = ""
    email: str = ""
    lms_user_id: str = ""

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


def read_roster(path: Path) -> list[Person]:
    """Read the class list from a CSV: id, first_name, last_name, email, lms_user_id.

    Only `id` is required. UTF-8 with or without a byte order mark, UTF-16, CP949 and Windows'
    Western encoding are read, with commas, semicolons or tabs, as spreadsheets write them. The
    gradebook that Canvas exports is a roster too: its `SIS User ID` is the id.

    Raises:
        UserError: not such a file; the message names the line.
    """
    name = Path(path).name
    rows = _rows(path)
    try:
        columns = _columns(rows)
        for column in ROSTER_COLUMNS:
            if columns.count(column) > 1:
                raise UserError(
                    f"{name} has two columns called {column!r}, so it doesn't say which one "
                    "counts; delete or rename one of them."
                )
        if set(columns) >= _CANVAS_COLUMNS:
            return _canvas_people(rows, name)
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
        encodings = ["utf-8-sig", "cp949", "cp1252"]
    for encoding in encodings:
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        if encoding == "cp949" and _is_western(content, text):
            continue
        if "\x00" in text:
            break
        return unicodedata.normalize("NFC", text)
    raise UserError(f"{name} isn't text in UTF-8 or CP949; export it as CSV (UTF-8) again.")


def is_canvas_gradebook(path: Path) -> bool:
    """Return whether a roster that could be read is the gradebook that Canvas exports."""
    return set(_columns(_rows(path))) >= _CANVAS_COLUMNS


def _rows(path: Path) -> csv.DictReader[str]:
    text, delimiter = _without_mark(_decoded(read_file(path, _ROSTER_LIMIT), Path(path).name))
    header = text.split("\n", 1)[0]
    delimiter = delimiter or max(",;\t", key=header.count)
    return csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter, restkey="+")


def _columns(rows: csv.DictReader[str]) -> list[str]:
    """Normalize the columns' names and return them."""
    columns = [_clean(column or "").casefold() for column in rows.fieldnames or []]
    rows.fieldnames = columns
    return columns


_FOREIGN = re.compile(r"[^\x00-\x7f]+")
_TOUCHES_LATIN = re.compile(r"[a-zA-Z][^\x00-\x7f]|[^\x00-\x7f][a-zA-Z]")


def _is_western(content: bytes, as_korean: str) -> bool:
    """Return whether bytes that could be CP949 are more likely accented letters."""
    western = content.decode("cp1252", "replace")
    runs = _FOREIGN.findall(western)
    return (
        bool(runs)
        and all(run.isalpha() for run in runs)
        and all(
            _TOUCHES_LATIN.search(as_korean[max(0, found.start() - 1) : found.end() + 1])
            for found in _FOREIGN.finditer(as_korean)
        )
    )


def _without_mark(text: str) -> tuple[str, str]:
    """Return the text without Excel's own first line, and the delimiter that this line names."""
    first, _, rest = text.partition("\n")
    if found := re.fullmatch(r'"?sep=([,;\t])"?\s*', first):
        return rest, found[1]
    return text, ""


def _clean(value: str) -> str:
    """Return a value without the spaces and invisible characters around it."""
    start, end = 0, len(value)
    while start < end and _is_unseen(value[start]):
        start += 1
    while end > start and _is_unseen(value[end - 1]):
        end -= 1
    return value[start:end]


def _is_unseen(letter: str) -> bool:
    return letter.isspace() or unicodedata.category(letter) == "Cf"


def _number(value: str) -> str:
    """Return a number that a spreadsheet has written with decimals without them."""
    return re.sub(r"(?a)^(\d+)\.0+$", r"\1", value)


_CANVAS_COLUMNS = frozenset({"student", "id", "sis user id", "sis login id", "section"})


def _canvas_people(rows: csv.DictReader[str], name: str) -> list[Person]:
    """Return the class in a gradebook that Canvas has exported, without its test student."""
    people = []
    for row in rows:
        shown, number = _clean(row.get("student") or ""), _number(_clean(row.get("id") or ""))
        if not number or shown == "Student, Test":
            continue  # the line of the points possible, or the test student
        student = _clean(row.get("sis user id") or "") or _clean(row.get("sis login id") or "")
        last, _, first = shown.partition(",")
        people.append(
            {
                "id": _number(student) or number,
                "first_name": _clean(first),
                "last_name": _clean(last),
                "lms_user_id": number,
                "line": rows.line_num,
            }
        )
    return _checked(people, name)


def _people(rows: csv.DictReader[str], name: str) -> list[Person]:
    return _checked(
        (
            {
                **{column: _clean(row.get(column) or "") for column in ROSTER_COLUMNS},
                "id": _number(_clean(row.get("id") or "")),
                "lms_user_id": _number(_clean(row.get("lms_user_id") or "")),
                "line": rows.line_num,
            }
            for row in rows
        ),
        name,
    )


def _checked(found: Iterable[dict[str, Any]], name: str) -> list[Person]:
    people: dict[str, Person] = {}
    lms_ids: dict[str, str] = {}
    for values in found:
        line = values.pop("line")
        if not any(values.values()):
            continue
        if not values["id"]:
            raise UserError(f"{name}, line {line}: the id is missing; fill it in.")
        try:
            values["id"] = require_student_id(values["id"])
        except UserError as error:
            raise UserError(f"{name}, line {line}: {error}") from None
        person = Person(**values)
        if person.id in people:
            raise UserError(
                f"{name}, line {line}: the id {person.id!r} is there twice; "
                "remove one of the lines."
            )
        number = person.lms_user_id
        if number and number in lms_ids:
            raise UserError(
                f"{name}, line {line}: {person.id!r} and {lms_ids[number]!r} have the "
                f"same lms_user_id {number!r}; correct one of them."
            )
        people[person.id] = person
        lms_ids[number] = person.id
    if not people:
        raise UserError(f"{name} holds no students; put one in each line under the columns.")
    return list(people.values())


def enroll(course: Course, people: Iterable[Person]) -> None:
    """Write the class list into the gradebook; what is empty in it stays as it is there."""
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
    """Return the students in the gradebook."""
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
