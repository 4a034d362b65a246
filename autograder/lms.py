"""Whose is which file in a bulk download of an LMS, and who is in the class.

Three namings are known:

* Canvas, a flat zip: `kimminjun_123_4567_quiz.ipynb`, `kimminjun_LATE_123_4567_quiz-1.ipynb`
  (sortable name, mark for late ones, user id, file id, the student's own file name);
* Moodle, a folder for each student: `Minjun Kim_98_assignsubmission_file_/quiz.ipynb`, or
  flat: `Minjun Kim_98_assignsubmission_file_quiz.ipynb` (full name, number in this assignment);
* a folder for each student id: `s01/quiz.ipynb`, or the zips that `autograder submit` writes,
  `quiz-s01-20250301T101500Z.zip`.

A name is read from its outermost part inwards, so that nothing a student names can pass for
another owner. Who an owner is, is looked up in the class list and never guessed.
"""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from autograder.archives import Member
from autograder.course import Course, require_student_id
from autograder.errors import UserError
from autograder.files import read_file

_CANVAS = re.compile(
    r"(?P<owner>[^_/]+)_(?:(?P<late>LATE)_)?(?P<user>\d+)_(?P<file>\d+)_(?P<name>.+)", re.DOTALL
)
_CANVAS_ANONYMOUS = re.compile(r"anon_(?:LATE_)?[0-9A-Za-z]+_\d+_.+", re.DOTALL)
_MOODLE = re.compile(
    r"(?P<owner>.+?)_(?P<number>\d+)_assignsubmission_(?P<kind>file|onlinetext)(?:_(?P<name>.*))?",
    re.DOTALL,
)
_OWN_ZIP = re.compile(r"(?P<student>.+)-(?P<time>\d{8}T\d{6}Z)(?: ?\(\d+\)|-\d+)?\.zip")

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


@dataclass(frozen=True)
class Owner:
    """The owner of files as a download names them.

    Attributes:
        origin: "canvas", "moodle" or "folder".
        label: the owner as written in the download.
        number: Canvas's user id or Moodle's number in the assignment; empty for a folder.
        claim: for a zip of our own, which submission it is (each is one of its own).
    """

    origin: str
    label: str
    number: str = ""
    claim: str = ""


@dataclass
class Delivery:
    """What a download holds of one owner.

    Attributes:
        files: each file with the name the student gave it.
        links: the links and devices among them, by their names in the download.
        late: whether the LMS marked it as late.
        sequence: Canvas's highest file id, which grows with time; 0 elsewhere.
    """

    owner: Owner
    files: list[tuple[str, Member]] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    late: bool = False
    sequence: int = 0


class UnknownOwner(UserError):
    """A file's owner isn't in the class list, or could be several people."""


def fold(name: str) -> str:
    """A person's name without case, spaces and punctuation, composed."""
    text = unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())
    return "".join(letter for letter in text if letter.isalnum())


def deliveries(
    members: Sequence[Member],
    assignment: str,
    people: Iterable[Person],
    links: Sequence[str] = (),
) -> tuple[list[Delivery], list[str]]:
    """Sort the files of a download by owner.

    Args:
        links: the names of links and devices in it; they only go along to be told of.

    Returns:
        The deliveries in the download's order, and a sentence for each file that has no owner.
    """
    ids = {person.id for person in people}
    wrapper = _wrapper([*(member.name for member in members), *links], ids)
    found: dict[Owner, Delivery] = {}
    ownerless: list[str] = []
    for member in members:
        recognised = recognise(member.name.removeprefix(wrapper), assignment)
        if isinstance(recognised, str):
            ownerless.append(recognised)
            continue
        owner, name, late, sequence = recognised
        delivery = found.setdefault(owner, Delivery(owner))
        delivery.files.append((name, member))
        delivery.late = delivery.late or late
        delivery.sequence = max(delivery.sequence, sequence)
    for name in links:
        recognised = recognise(name.removeprefix(wrapper), assignment)
        if isinstance(recognised, str):
            ownerless.append(recognised)
        else:
            owner, own_name, *_ = recognised
            found.setdefault(owner, Delivery(owner)).links.append(own_name)
    return list(found.values()), ownerless


def recognise(path: str, assignment: str) -> tuple[Owner, str, bool, int] | str:
    """Owner, the student's own name for the file, lateness and Canvas's file id.

    Args:
        path: the file's name in the download, without a folder that wraps all of it.

    Returns:
        The four, or a sentence that says why there is no owner.
    """
    top, _, rest = path.partition("/")
    if (match := _MOODLE.fullmatch(top)) and bool(rest) != bool(match["name"]):
        name = rest or match["name"]
        return Owner("moodle", match["owner"], match["number"]), name, False, 0
    if rest:
        return Owner("folder", top), rest, False, 0
    if _CANVAS_ANONYMOUS.fullmatch(top):
        return f"{path} was left out: Canvas hid its owner; download with names shown."
    if match := _CANVAS.fullmatch(top):
        owner = Owner("canvas", match["owner"], match["user"])
        return owner, match["name"], match["late"] is not None, int(match["file"])
    if top.startswith(f"{assignment}-") and (
        match := _OWN_ZIP.fullmatch(top.removeprefix(f"{assignment}-"))
    ):
        return Owner("folder", match["student"], claim=match["time"]), top, False, 0
    return (
        f"{path} was left out: its name doesn't say whose it is; "
        "put it in a folder named by the student's id."
    )


def _wrapper(names: list[str], ids: set[str]) -> str:
    """The folders that only wrap the whole download, as a prefix of every name."""
    prefix = ""
    while True:
        tops = {name.removeprefix(prefix).partition("/")[::2] for name in names}
        folders = {top for top, _ in tops}
        if len(folders) != 1 or not all(rest for _, rest in tops):
            return prefix
        [top] = folders
        if _MOODLE.fullmatch(top) or top in ids:
            return prefix
        # A single folder of an unknown student must not be unwrapped into thin air.
        inner = {rest for _, rest in tops}
        if not any("/" in rest or _names_owner(rest) for rest in inner):
            return prefix
        prefix += top + "/"


def _names_owner(name: str) -> bool:
    return any(
        pattern.fullmatch(name) for pattern in (_CANVAS, _CANVAS_ANONYMOUS, _MOODLE, _OWN_ZIP)
    )


def find_person(owner: Owner, people: Iterable[Person]) -> Person:
    """Who of the class an owner is.

    Canvas's user id decides; without it in the list, a name that one student alone has.
    Moodle's number belongs to the assignment rather than the person, so the name decides, and
    the number only between students of the same name. A folder is named by the student's id.

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
    by_name = [person for person in people if fold(owner.label) in person.spellings()]
    if owner.origin == "canvas":
        if len(by_number) == 1:
            return by_number[0]
        # Somebody whose Canvas id is known and another can't be meant.
        by_name = [person for person in by_name if not person.lms_user_id]
        by_id = [
            person
            for person in people
            if person.id == owner.number
            and not person.lms_user_id
            and (not person.spellings() or person in by_name)
        ]
        candidates = by_id or by_name
    else:
        exact = [person for person in people if person.id == owner.label]
        namesakes = [person for person in by_name if person in by_number]
        candidates = exact or (namesakes if len(by_name) > 1 else by_name)
    if len(candidates) == 1:
        return candidates[0]
    shown = f"{owner.label} ({owner.origin} {owner.number})"
    if candidates or len(by_name) > 1:
        raise UnknownOwner(
            f"{shown} could be more than one student, so nothing was taken; "
            "fill in lms_user_id in the roster."
        )
    raise UnknownOwner(
        f"{shown} isn't in the class list, so nothing was taken; "
        "add the student, with lms_user_id, by --roster."
    )


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
