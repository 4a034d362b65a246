"""Read the owner of each file out of the names in a bulk download of an LMS.

Three namings are known:

* Canvas, a flat zip: `kimminjun_123_4567_quiz.ipynb`, `kimminjun_LATE_123_4567_quiz-1.ipynb`
  (sortable name, mark for late ones, user id, file id, the student's own file name);
* Moodle, a folder for each student: `Minjun Kim_98_assignsubmission_file_/quiz.ipynb`, or
  flat: `Minjun Kim_98_assignsubmission_file_quiz.ipynb` (full name, number in this assignment);
* a folder for each student id: `s01/quiz.ipynb`, or the zips that `autograder submit` writes,
  `quiz-s01-20250301T101500Z.zip`.

A name is read from its outermost part inwards, so that nothing a student names can pass for
another owner. `roster` looks up who an owner is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from autograder.intake.roster import Person
from autograder.intake.sources import Member

_CANVAS = re.compile(
    r"(?P<owner>[^_/]+)_(?:(?P<late>LATE)_)?(?P<user>\d+)_(?P<file>\d+)_(?P<name>.+)", re.DOTALL
)
_CANVAS_ANONYMOUS = re.compile(r"anon_(?:LATE_)?[0-9A-Za-z]+_\d+_.+", re.DOTALL)
_MOODLE = re.compile(
    r"(?P<owner>.+?)_(?P<number>\d+)_assignsubmission_(?P<kind>file|onlinetext)(?:_(?P<name>.*))?",
    re.DOTALL,
)
_OWN_ZIP = re.compile(r"(?P<student>.+)-(?P<time>\d{8}T\d{6}Z)(?: ?\(\d+\)|-\d+)?\.zip")


@dataclass(frozen=True)
class Owner:
    """Name the owner of files as a download does.

    Attributes:
        origin: "canvas", "moodle" or "folder".
        label: the owner as written in the download.
        number: Canvas's user id or Moodle's number in the assignment; empty for a folder.
        claim: for a zip made by `submit`, its time, which tells several of them apart.
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
    """

    owner: Owner
    files: list[tuple[str, Member]] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    unlisted: list[str] = field(default_factory=list)
    late: bool = False
    sequence: int = 0


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
    ids = {person.id for person in people}
    names = [*(member.name for member in members), *links, *unlisted]
    wrapper = _wrapper(names, ids, {_folded(assignment), *_WRAPPERS})
    found: dict[Owner, OwnerFiles] = {}
    ownerless: list[str] = []
    for member in members:
        recognized = recognize_owner(member.name.removeprefix(wrapper), assignment)
        if isinstance(recognized, str):
            ownerless.append(recognized)
            continue
        owner, name, late, sequence = recognized
        owned = found.setdefault(owner, OwnerFiles(owner))
        owned.files.append((name, member))
        owned.late = owned.late or late
        owned.sequence = max(owned.sequence, sequence)
    for name in links:
        recognized = recognize_owner(name.removeprefix(wrapper), assignment)
        if isinstance(recognized, str):
            ownerless.append(recognized)
        else:
            owner, own_name, *_ = recognized
            found.setdefault(owner, OwnerFiles(owner)).links.append(own_name)
    for name in unlisted:
        recognized = recognize_owner(name.removeprefix(wrapper), assignment)
        if not isinstance(recognized, str):
            owner, own_name, *_ = recognized
            found.setdefault(owner, OwnerFiles(owner)).unlisted.append(own_name)
    return list(found.values()), ownerless


def recognize_owner(path: str, assignment: str) -> tuple[Owner, str, bool, int] | str:
    """Read the owner out of a file's name in a download.

    Args:
        path: the file's name in the download, without a folder that wraps all of it.
        assignment: the assignment's name, which begins the names of `submit`'s zips.

    Returns:
        The owner, the student's own name for the file, whether it is marked late, and Canvas's file
        id (0 elsewhere); or a sentence that says why there is no owner.
    """
    top, _, rest = path.partition("/")
    if not rest and _MOODLE.fullmatch(top) and _CANVAS.fullmatch(top):
        # One of them is what a student calls a file, or himself.
        return f"{path} was left out: its name can be read as Canvas's and as Moodle's."
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
    return any(
        pattern.fullmatch(name) for pattern in (_CANVAS, _CANVAS_ANONYMOUS, _MOODLE, _OWN_ZIP)
    )
