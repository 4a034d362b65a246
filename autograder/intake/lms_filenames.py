"""Read the owner of each file out of the names in a bulk download of an LMS.

Four namings are known:

* Canvas, a flat zip: `kimminjun_123_4567_quiz.ipynb`, `kim_minjun_LATE_123_4567_quiz-1.ipynb`
  (sortable name, mark for late ones, user id, file id, the student's own file name), and
  `kimminjun_123_text.html` or `…_link.html` for a text or an address entered in place of a file
  (lib/content_zipper.rb in Canvas);
* Moodle, a folder for each student: `Minjun Kim_98_assignsubmission_file_/quiz.ipynb`, or
  flat: `Minjun Kim_98_assignsubmission_file_quiz.ipynb` (full name, number in this assignment),
  with `onlinetext` in place of `file` for a text;
* Blackboard, a flat zip: `Quiz 1_kim.min_attempt_2025-03-10-12-34-56_quiz.ipynb` (column, user
  name, time), and the same with `.txt` after the time for what was entered;
* a folder for each student id: `s01/quiz.ipynb`, or the zips that `autograder submit` writes,
  `quiz-s01-20250301T101500Z.zip`.

A name is read from its outermost part inwards, so that nothing a student names can pass for
another owner. `roster` looks up who an owner is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from autograder.intake.roster import Person, fold
from autograder.intake.sources import Member

_CANVAS_TAIL = re.compile(
    r"_(?:(?P<late>LATE)_)?(?P<user>\d+)_"
    r"(?:(?P<file>\d+)_(?P<name>.+)|(?P<entry>(?:text|link)\.html))",
    re.DOTALL,
)
_CANVAS_LIKE = re.compile(r"_\d+_")
"""What Canvas takes out of a name, so that it can tell the ids behind it."""
_CANVAS_ANONYMOUS = re.compile(
    r"anon_(?:LATE_)?[0-9A-Za-z]+_(?:\d+_.+|(?:text|link)\.html)", re.DOTALL
)
_BLACKBOARD = re.compile(
    r"(?P<owner>.+?_.+?)_attempt_(?P<time>\d{4}(?:-\d\d){5})(?:_(?P<name>.+)|(?P<entry>\.txt))",
    re.DOTALL,
)
_MOODLE = re.compile(
    r"(?P<owner>.+?)_(?P<number>\d+)_assignsubmission_(?P<kind>file|onlinetext)(?:_(?P<name>.*))?",
    re.DOTALL,
)
_OWN_ZIP = re.compile(r"(?P<student>.+)-(?P<time>\d{8}T\d{6}Z)(?: ?\(\d+\)|-\d+)?\.zip")


@dataclass(frozen=True)
class Owner:
    """Name the owner of files as a download does.

    Attributes:
        origin: "canvas", "moodle", "blackboard" or "folder".
        label: the owner as written in the download; of Blackboard the column and the user name.
        number: Canvas's user id or Moodle's number in the assignment; empty elsewhere.
        claim: the time of a zip made by `submit` or of an attempt in Blackboard, which tells
            several of one owner apart.
    """

    origin: str
    label: str
    number: str = ""
    claim: str = ""


@dataclass
class OwnerFiles:
    """List what a download holds of one owner.

    Attributes:
        files: each file with the name the student gave it.
        links: the links and devices among them, by their names in the download.
        unlisted: the first of those files that are too many to be listed.
        late: whether the LMS marked it as late.
        sequence: Canvas's highest file id, which grows with time; 0 elsewhere.
        entries: those of the files that are a text or an address entered in the LMS.
    """

    owner: Owner
    files: list[tuple[str, Member]] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    unlisted: list[str] = field(default_factory=list)
    late: bool = False
    sequence: int = 0
    entries: list[str] = field(default_factory=list)

    @property
    def has_only_entries(self) -> bool:
        """Return whether nothing was handed in but what was entered in the LMS."""
        return bool(self.entries) and len(self.entries) == len(self.files)


class Recognized(NamedTuple):
    """Say whose a file in a download is.

    Attributes:
        owner: whose.
        name: what the student called it.
        late: whether it is marked late.
        sequence: Canvas's file id; 0 elsewhere.
        is_entry: whether it is a text or an address entered in the LMS.
    """

    owner: Owner
    name: str
    late: bool = False
    sequence: int = 0
    is_entry: bool = False


def group_by_owner(
    members: Sequence[Member],
    assignment: str,
    people: Iterable[Person],
    links: Sequence[str] = (),
    unlisted: Sequence[str] = (),
) -> tuple[list[OwnerFiles], list[str]]:
    """Group the files of a download by owner.

    Args:
        members: the files.
        assignment: the assignment's name.
        people: the class list; a folder named by a student's id isn't taken for a wrapper.
        links: the names of links and devices in it, to be reported.
        unlisted: the names of some files beyond the limit, to be reported.

    Returns:
        The groups in the download's order, and a sentence for each file that has no owner.
    """
    people = list(people)
    ids = {person.id for person in people}
    names = [*(member.name for member in members), *links, *unlisted]
    wrapper = _wrapper(names, ids, {_folded(assignment), *_WRAPPERS})
    columns = _blackboard_columns(
        [name.removeprefix(wrapper) for name in names], assignment, people
    )
    found: dict[Owner, OwnerFiles] = {}
    ownerless: list[str] = []

    def read(path: str) -> Recognized | str:
        recognized = _recognized(path, assignment, people)
        if isinstance(recognized, str) or recognized.owner.origin != "blackboard":
            return recognized
        return _without_column(path, recognized, columns, people)

    for member in members:
        recognized = read(member.name.removeprefix(wrapper))
        if isinstance(recognized, str):
            ownerless.append(recognized)
            continue
        owned = found.setdefault(recognized.owner, OwnerFiles(recognized.owner))
        owned.files.append((recognized.name, member))
        owned.late = owned.late or recognized.late
        owned.sequence = max(owned.sequence, recognized.sequence)
        if recognized.is_entry:
            owned.entries.append(recognized.name)
    for name in links:
        recognized = read(name.removeprefix(wrapper))
        if isinstance(recognized, str):
            ownerless.append(recognized)
        else:
            owner = recognized.owner
            found.setdefault(owner, OwnerFiles(owner)).links.append(recognized.name)
    for name in unlisted:
        recognized = read(name.removeprefix(wrapper))
        if not isinstance(recognized, str):
            owner = recognized.owner
            found.setdefault(owner, OwnerFiles(owner)).unlisted.append(recognized.name)
    for owned in found.values():
        _drop_summary(owned)
    return list(found.values()), ownerless


def _drop_summary(owned: OwnerFiles) -> None:
    """Leave out Blackboard's own text about an attempt that has files."""
    if owned.owner.origin == "blackboard" and not owned.has_only_entries:
        owned.files = [one for one in owned.files if one[0] not in owned.entries]
        owned.entries = []


def recognize_owner(path: str, assignment: str) -> Recognized | str:
    """Read the owner out of a file's name in a download.

    Args:
        path: the file's name in the download, without a folder that wraps all of it.
        assignment: the assignment's name, which begins the names of `submit`'s zips.

    Returns:
        The owner, or a sentence that says why there is none.
    """
    top, _, rest = path.partition("/")
    canvas = [] if rest else _canvas_readings(top)
    if not rest and _MOODLE.fullmatch(top):
        if any("_assignsubmission_" not in reading.owner.label for reading in canvas):
            # One of them is what a student calls a file, or himself.
            return f"{path} was left out: its name can be read as Canvas's and as Moodle's."
        canvas = []
    if (match := _MOODLE.fullmatch(top)) and bool(rest) != bool(match["name"]):
        owner = Owner("moodle", match["owner"], match["number"])
        is_entry = match["kind"] == "onlinetext"
        return Recognized(owner, rest or match["name"], is_entry=is_entry)
    if rest:
        return Recognized(Owner("folder", top), rest)
    if _CANVAS_ANONYMOUS.fullmatch(top):
        return f"{path} was left out: Canvas hid its owner; download with names shown."
    if match := _BLACKBOARD.fullmatch(top):
        if canvas:
            return f"{path} was left out: its name can be read as Canvas's and as Blackboard's."
        owner = Owner("blackboard", match["owner"], claim=match["time"])
        return Recognized(owner, match["name"] or "entry.txt", is_entry=bool(match["entry"]))
    if canvas:
        return canvas[0]
    if top.startswith(f"{assignment}-") and (
        match := _OWN_ZIP.fullmatch(top.removeprefix(f"{assignment}-"))
    ):
        return Recognized(Owner("folder", match["student"], claim=match["time"]), top)
    return (
        f"{path} was left out: its name doesn't say whose it is; "
        "put it in a folder named by the student's id."
    )


def name_to_return(origin: str, name: str, file: str) -> str | None:
    """Return the name under which an LMS takes a file back; None if it takes none.

    Args:
        origin: "canvas" or "moodle".
        name: the name of a file of the student's in the download, as collecting recorded it.
        file: what the file that goes back is called; Canvas keeps the downloaded one's own name,
            with another ending.
    """
    parts = [part.replace("\\", "_") for part in name.split("/")]
    if origin == "moodle":
        for part in parts:
            if match := _MOODLE.fullmatch(part):
                kept = match["name"]
                return part.removesuffix(kept) + file if kept else f"{part}/{file}"
        return None
    # Without a file's id, as for a text entered in Canvas, there is nothing to attach it to.
    if not any(reading.sequence for reading in _canvas_readings(parts[-1])):
        return None
    stem, dot, _ending = parts[-1].rpartition(".")
    own = stem if dot and stem else parts[-1]
    page, _dot, ending = file.rpartition(".")
    own = own if fold(page) in fold(own) else f"{own}-{page}"
    return f"{own}.{ending}"


def _canvas_readings(top: str) -> list[Recognized]:
    """Return the ways to read a name as Canvas's, the outermost first.

    A sortable name may hold underscores and digits, and so may the student's name for the file.
    """
    found = []
    for at in (mark.start() for mark in re.finditer("_", top)):
        match = _CANVAS_TAIL.fullmatch(top, at)
        if not at or match is None or top[:at].endswith("_LATE"):
            continue
        owner = Owner("canvas", top[:at], match["user"])
        name, late = match["name"] or match["entry"], match["late"] is not None
        found.append(Recognized(owner, name, late, int(match["file"] or 0), bool(match["entry"])))
    return found


def _recognized(path: str, assignment: str, people: Sequence[Person]) -> Recognized | str:
    """Read the owner out of a name that can be read in several ways, with the class list's help.

    The outermost reading counts unless it is nobody's and another fits somebody's id and name.
    It is nobody's work if the class list knows several of the readings: a student can call
    himself, or a file, as another's files begin.
    """
    first = recognize_owner(path, assignment)
    if isinstance(first, str) or first.owner.origin != "canvas":
        return first
    readings = _canvas_readings(path)
    if len(readings) == 1:
        return first
    known = [(reading, _numbered(reading.owner.number, people)) for reading in readings]
    students = {person.id for _, person in known if person is not None}
    owner = known[0][1]
    if len(students) > 1 or (owner and owner.spellings() and not _bears_name(first, owner)):
        return (
            f"{path} was left out: its name can be read as more than one student's; put it in a "
            "folder named by the student's id."
        )
    if owner is None:
        for reading, person in known:
            is_plain = not _CANVAS_LIKE.search(reading.owner.label)
            if person is not None and is_plain and _bears_name(reading, person):
                return reading
    return first


def _blackboard_columns(
    paths: Iterable[str], assignment: str, people: Sequence[Person]
) -> frozenset[str]:
    """Return the names of the column that Blackboard's file names may begin with.

    Both the column and a user name may hold underscores. A beginning that two students share, or
    that is the assignment's name, is the column.
    """
    users: dict[str, set[str]] = {}
    for path in paths:
        match = None if "/" in path else _BLACKBOARD.fullmatch(path)
        for column, person in _blackboard_users(match["owner"], people) if match else ():
            users.setdefault(column, set()).add(person.id)
    return frozenset(
        column
        for column, found in users.items()
        if len(found) > 1 or fold(column) == fold(assignment)
    )


def _blackboard_users(label: str, people: Sequence[Person]) -> list[tuple[str, Person]]:
    """Return each way to read a label as a column and the user name of a student."""
    return [
        (label.removesuffix(f"_{name}"), person)
        for person in people
        for name in {person.id, person.lms_user_id} - {""}
        if label.endswith(f"_{name}") and len(label) > len(name) + 1
    ]


def _without_column(
    path: str, recognized: Recognized, columns: frozenset[str], people: Sequence[Person]
) -> Recognized | str:
    """Return the same with the student's id as the owner's label, or why that can't be told."""
    users = _blackboard_users(recognized.owner.label, people)
    found = {person.id for column, person in users if column in columns}
    if len(found) != 1:
        return (
            f"{path} was left out: its user name is no student's in the class list, or more than "
            "one's; add the student with --roster, or put it in a folder named by the student's id."
        )
    return recognized._replace(owner=replace(recognized.owner, label=found.pop()))


def _numbered(number: str, people: Sequence[Person]) -> Person | None:
    for person in people:
        if number == (person.lms_user_id or person.id):
            return person
    return None


def _bears_name(reading: Recognized, person: Person) -> bool:
    return fold(reading.owner.label) in person.spellings()


_WRAPPERS = frozenset({"submissions", "download", "downloads", "inbox", "제출물"})


def _folded(name: str) -> str:
    """Return a folder's or file's name without the parts that systems change."""
    return re.sub(r"[ _-]*\(?\d*\)?$", "", name.casefold())


def _wrapper(names: list[str], ids: set[str], known: set[str]) -> str:
    """Return the folders that merely wrap the whole download, as a prefix of every name.

    A single folder may as well be that of a student who isn't in the class list; what is in it
    would be put down to others, as that student likes. So it is passed over only if it is named
    as the assignment is, or as downloads are.
    """
    prefix = ""
    while True:
        tops = {name.removeprefix(prefix).partition("/")[::2] for name in names}
        folders = {top for top, _ in tops}
        if len(folders) != 1 or not all(rest for _, rest in tops):
            return prefix
        [top] = folders
        if _MOODLE.fullmatch(top) or top in ids or _folded(top) not in known:
            return prefix
        # A single folder of an unknown student must not be unwrapped into thin air.
        inner = {rest for _, rest in tops}
        if not any("/" in rest or _names_owner(rest) for rest in inner):
            return prefix
        prefix += top + "/"


def _names_owner(name: str) -> bool:
    return bool(_canvas_readings(name)) or any(
        pattern.fullmatch(name) for pattern in (_CANVAS_ANONYMOUS, _MOODLE, _BLACKBOARD, _OWN_ZIP)
    )
