"""Taking submissions in, from nbgrader's exchange or from an LMS's bulk download.

| Question | Decision |
|---|---|
| Whose is it? | The exchange's owner or the LMS's naming, looked up in the class list. |
| A receipt that names another student, or doesn't fit its files | Refused; the rest goes on. |
| When did it come in? | The exchange's record; the download's entry or file time; `received=`. |
| Canvas's LATE mark | Decides whether it is late; the archive's time only says how much. |
| Times inside a submission | Never looked at. |
| Which file is the notebook? | `autograder.recognition`; the student is told. |
| Nothing readable | The release stands in, so it ends with 0 and the reason. |
| Other files | Kept if the assignment asks for them, else left out and named. |
| Newer than the one collected before | Replaces it; the older one stays in `term/collected`. |
| Older, or collected before | Changes nothing. |

Every file is written unaltered to `term/collected/<student>/<assignment>/<time>/`, what is
graded to `term/submitted/<student>/<assignment>/`.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import sys
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePosixPath

from autograder import notebooks
from autograder.archives import (
    CLASS_LIMITS,
    STUDENT_LIMITS,
    BadArchive,
    FileSource,
    FolderSource,
    Source,
    ZipSource,
    open_source,
)
from autograder.core.printable import one_line
from autograder.course import COURSE_ID, MASTER_LANGUAGE, Course, require_student_id
from autograder.errors import EnvironmentFault, UserError
from autograder.files import replaced_folder, write_file
from autograder.lms import (
    Delivery,
    Person,
    UnknownOwner,
    class_list,
    deliveries,
    enrol,
    find_person,
    read_roster,
    recognise,
)
from autograder.notes import N_, Note, Receipt, note, record_receipt
from autograder.recognition import (
    Blueprint,
    blueprints,
    choose,
    examine,
    is_notebook_name,
    why_unreadable,
)
from autograder.submit import RECEIPT, STAMP, read_receipt, receipt_problem

TIMESTAMP = "timestamp.txt"
SECRET = "submission_secret.txt"
"""nbgrader's key to the feedback of a submission through the exchange."""

_BOOKKEEPING = frozenset({TIMESTAMP, SECRET, RECEIPT})
_NBGRADER_TIME = "%Y-%m-%d %H:%M:%S.%f %Z"
_CLOCK_SKEW = timedelta(hours=1)
_LATE_AT_LEAST = timedelta(seconds=1)

NOT_ASKED = N_("{names}: left out, because the assignment doesn't ask for it.")
LINKS = N_("{names}: left out, because it is a link and not a file.")
BAD_ZIP = N_("{name} could not be unpacked, so nothing in it was graded: pack it again.")
NESTED_ZIP = N_("{name} is a zip inside a zip and was not opened: hand in the files themselves.")
NOTHING = N_(
    "There was no notebook of the assignment in what you handed in ({names}), "
    "so nothing could be graded."
)
MARKED_LATE = N_("The LMS marked this submission as late.")
REPLACED = N_("This submission replaces the one received at {time}.")


@dataclass(frozen=True)
class Taken:
    """A submission that is now in `term/submitted`."""

    student: str
    received: str
    name: str
    notes: list[Note]


@dataclass
class CollectResult:
    """What became of everything that was there.

    Attributes:
        taken: new submissions.
        unchanged: students whose submission was there already, or is newer than this one.
        refused: a sentence for each submission that was not taken.
        warnings: a sentence for each thing the instructor should look at.
    """

    assignment: str
    taken: list[Taken] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        lines = [
            f"{self.assignment}: {len(self.taken)} taken, {len(self.unchanged)} unchanged, "
            f"{len(self.refused)} refused."
        ]
        for one in self.taken:
            said = " ".join(note.text() for note in one.notes)
            lines.append(f"  {one.student}  {one.received}  {said}".rstrip())
        lines += [f"  refused: {sentence}" for sentence in self.refused]
        lines += [f"  look at: {sentence}" for sentence in self.warnings]
        # A line break in a name would forge a line.
        return "\n".join(map(one_line, lines))


@dataclass(frozen=True)
class Arrival:
    """One submission as it came in, before anything of it is judged.

    Attributes:
        files: name and bytes of each file.
        arrived: when the exchange or the download says it came in, in UTC.
        late: the LMS's mark, None where the LMS sets none.
        sequence: Canvas's file id, which orders submissions with the same time.
        stamp: the exchange's time as nbgrader wrote it; it is kept to the letter.
        told: whether the instructor gave the time, which then decides.
    """

    student: str
    origin: str
    name: str
    files: list[tuple[str, bytes]]
    links: list[str]
    arrived: datetime
    late: bool | None = None
    sequence: int = 0
    stamp: str = ""
    told: bool = False

    def digest(self) -> str:
        """SHA-256 over names and contents."""
        seen = hashlib.sha256()
        for name, content in self.files:
            seen.update(f"{name}\0{len(content)}\0".encode("utf-8", "surrogatepass"))
            seen.update(content)
        return seen.hexdigest()


class Refused(UserError):
    """A submission that isn't taken; the others are."""


def collect(
    course: Course,
    assignment: str,
    origin: Path | None = None,
    roster: Path | None = None,
    received: datetime | None = None,
) -> CollectResult:
    """Take in the submissions of an assignment.

    Args:
        origin: a folder or zip of LMS downloads; nbgrader's exchange when None.
        roster: a CSV of the class, written into the gradebook first (`lms.read_roster`).
        received: when these came in, with its time zone, where the download can't know.

    Raises:
        UserError: unknown assignment, nothing at `origin`, an unusable archive or roster.
        EnvironmentFault: the disk is full or the gradebook in use; whoever was collected
            before it happened stays collected, and the same command goes on from there.
    """
    course.require_assignment(assignment)
    course.require_free_gradebook()
    if received is not None and received.tzinfo is None:
        received = received.astimezone()
    known = blueprints(course)
    if assignment not in known:
        raise UserError(
            f"{assignment} has no notebook {assignment}.ipynb in source/ or release/; "
            "add it and run `autograder build`."
        )
    if roster is not None:
        enrol(course, read_roster(roster))
    result = CollectResult(assignment)
    due = _due(course, assignment)
    if origin is None:
        arrivals = _from_exchange(course, assignment, result)
    else:
        arrivals = _from_download(course, assignment, Path(origin), received, result)
    for arrival in arrivals:
        if received is not None:
            arrival = replace(
                arrival, arrived=received.astimezone(UTC), late=None, stamp="", told=True
            )
        try:
            taken = _take(course, known[assignment], known.values(), arrival, due)
        except Refused as error:
            result.refused.append(str(error))
            continue
        if taken is None:
            result.unchanged.append(arrival.student)
        else:
            result.taken.append(taken)
    # A student who handed in twice is told of once.
    now_taken = {one.student for one in result.taken}
    result.unchanged = sorted(set(result.unchanged) - now_taken)
    result.taken = list({one.student: one for one in result.taken}.values())
    return result


# Where submissions come from ------------------------------------------------------------------


def _from_download(
    course: Course,
    assignment: str,
    origin: Path,
    received: datetime | None,
    result: CollectResult,
) -> Iterator[Arrival]:
    people = class_list(course)
    if not people:
        raise UserError(
            "The gradebook holds no students yet, so nothing can be put down to anyone; "
            "name a class list with --roster."
        )
    single = origin.is_file() and not isinstance(recognise(origin.name, assignment), str)
    with (FileSource if single else open_source)(origin, CLASS_LIMITS) as source:
        found, ownerless = deliveries(source.members, assignment, people, source.left_out)
        result.refused += ownerless
        if not found and not ownerless:
            raise UserError(
                f"There are no submissions in {origin}; name the folder or zip that the LMS gave you."
            )
        long_ago = datetime.min.replace(tzinfo=UTC)
        # Several zips of one student are submissions of their own, the latest last.
        for delivery in sorted(found, key=lambda one: (_newest(one) or long_ago, one.owner.claim)):
            try:
                person = find_person(delivery.owner, people)
                arrival = _delivered(source, delivery, person, received)
            except (UnknownOwner, Refused) as error:
                result.refused.append(str(error))
            except BadArchive as error:
                result.refused.append(f"{delivery.owner.label}: {error}")
            else:
                yield arrival


def _newest(delivery: Delivery) -> datetime | None:
    return max((member.modified for _, member in delivery.files if member.modified), default=None)


def _delivered(
    source: Source, delivery: Delivery, person: Person, received: datetime | None
) -> Arrival:
    owner = delivery.owner
    if not delivery.files:
        raise Refused(f"{owner.label} handed in links only, so nothing was taken.")
    arrived = received or _newest(delivery)
    if arrived is None:
        raise Refused(
            f"{owner.label}: the download doesn't say when it came in; "
            "collect it again with --received."
        )
    return Arrival(
        student=person.id,
        origin=owner.origin,
        name=delivery.files[0][1].name,
        files=[(name, source.read(member)) for name, member in delivery.files],
        links=delivery.links,
        arrived=arrived.astimezone(UTC),
        late=delivery.late if owner.origin == "canvas" else None,
        sequence=delivery.sequence,
    )


def _from_exchange(course: Course, assignment: str, result: CollectResult) -> Iterator[Arrival]:
    """The newest submission of each student in nbgrader's exchange.

    A folder there is named `<student>+<assignment>+<time>[+<random>]` by nbgrader, and belongs
    to the Unix user who made it. It is taken if that user's name is the student's id, or if it
    belongs to the very user who collects: then nobody but the instructor can have put it there
    (the setting of a single user, or of a service that hands in on behalf of others). A hub on
    which students share one Unix user can prove nothing here; give each a user of their own.
    """
    from nbgrader.utils import parse_utc

    inbound = Path(course.nbgrader_config().Exchange.root) / COURSE_ID / "inbound"
    if not inbound.is_dir():
        raise UserError(
            f"There is no exchange at {inbound}; release with --exchange first, "
            "or name the folder or zip that the LMS gave you."
        )
    newest: dict[str, tuple[datetime, str, Path]] = {}
    for place in sorted(inbound.iterdir()):
        parsed = _inbound_name(place.name, assignment)
        if parsed is None:
            continue
        student, stamp = parsed
        try:
            student = require_student_id(student)
            time = parse_utc(stamp).replace(tzinfo=UTC)
            _require_owner(place, student)
        except (ValueError, OverflowError):
            result.refused.append(f"{place.name}: its name holds no time; it isn't nbgrader's.")
            continue
        except UserError as error:
            result.refused.append(str(error))
            continue
        if student not in newest or time >= newest[student][0]:
            newest[student] = (time, stamp, place)
    for student, (time, stamp, place) in sorted(newest.items()):
        made = datetime.fromtimestamp(place.lstat().st_ctime, UTC)
        if made - time > _CLOCK_SKEW or time - made > _CLOCK_SKEW:
            result.warnings.append(
                f"{student}: the exchange says {time:%Y-%m-%d %H:%M} UTC, the folder was last "
                f"changed at {made:%Y-%m-%d %H:%M} UTC; if nothing moved the exchange, ask."
            )
        try:
            with FolderSource(place, STUDENT_LIMITS) as source:
                files = [(member.name, source.read(member)) for member in source.members]
                links = source.left_out
        except (BadArchive, OSError) as error:
            result.refused.append(f"{student}: {error}")
            continue
        if _enrolled(course, student):
            result.warnings.append(f"{student} wasn't in the class list and was added to it.")
        yield Arrival(student, "exchange", place.name, files, links, time, stamp=stamp)


def _inbound_name(name: str, assignment: str) -> tuple[str, str] | None:
    """Student and time of a folder in the exchange; None if of another assignment."""
    # nbgrader's time zone may hold a "+" of its own ("+0900"), and so may a student's id.
    match = re.fullmatch(
        rf"(?P<student>.+)\+{re.escape(assignment)}"
        r"\+(?P<time>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d+)?(?: [A-Za-z]+| ?[+-]\d\d:?\d\d)?)"
        r"(?:\+(?P<random>[^+]*))?",
        name,
    )
    return (match["student"], match["time"]) if match else None


def _require_owner(place: Path, student: str) -> None:
    if place.is_symlink() or not place.is_dir():
        raise Refused(f"{place.name} isn't a folder of nbgrader's exchange; it was not taken.")
    if sys.platform == "win32":
        return
    import pwd

    uid = place.lstat().st_uid
    try:
        owner = pwd.getpwuid(uid).pw_name
    except KeyError:
        owner = f"user {uid}"
    if owner != student and uid != os.getuid():
        raise Refused(
            f"{place.name} claims to be of {student} but belongs to {owner}, so it was not taken; "
            "ask both how it came about."
        )


def _enrolled(course: Course, student: str) -> bool:
    """Whether the student had to be added to the gradebook; the Unix user proves who it is."""
    from nbgrader.api import MissingEntry

    with course.gradebook() as gradebook:
        try:
            gradebook.find_student(student)
            return False
        except MissingEntry:
            gradebook.add_student(student)
            return True


def _due(course: Course, assignment: str) -> datetime | None:
    from nbgrader.api import MissingEntry

    with course.gradebook() as gradebook:
        try:
            due = gradebook.find_assignment(assignment).duedate
        except MissingEntry:
            return None
    return due.replace(tzinfo=UTC) if due else None


# What is done with one submission ---------------------------------------------------------------


@dataclass
class _Unpacked:
    """A submission's files with student zips opened."""

    files: list[tuple[str, bytes]] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)


def _unpack(arrival: Arrival, assignment: str) -> _Unpacked:
    """Open the zips a student handed in, one level deep, and check receipts.

    Raises:
        Refused: a receipt contradicts the submission.
    """
    result = _Unpacked(links=list(arrival.links))
    plain: dict[str, bytes] = {}
    for name, content in arrival.files:
        if not _is_zip(name, content):
            plain.setdefault(name, content)
            result.files.append((name, content))
            continue
        try:
            with ZipSource(content, PurePosixPath(name).name, STUDENT_LIMITS) as source:
                inner = [(member.name, source.read(member)) for member in source.members]
                result.links += source.left_out
        except BadArchive:
            result.notes.append(note(BAD_ZIP, name=name))
            continue
        _check_receipts(arrival, assignment, dict(inner))
        for inner_name, inner_content in inner:
            if _is_zip(inner_name, inner_content):
                result.notes.append(note(NESTED_ZIP, name=inner_name))
            else:
                result.files.append((inner_name, inner_content))
    _check_receipts(arrival, assignment, plain)
    return result


def _is_zip(name: str, content: bytes) -> bool:
    return name.casefold().endswith(".zip") and content[:2] == b"PK"


def _check_receipts(arrival: Arrival, assignment: str, files: dict[str, bytes]) -> None:
    for name, content in files.items():
        path = PurePosixPath(name)
        if path.name != RECEIPT or (receipt := read_receipt(content)) is None:
            continue
        beside = {
            PurePosixPath(other).relative_to(path.parent).as_posix(): data
            for other, data in files.items()
            if PurePosixPath(other).is_relative_to(path.parent)
        }
        if problem := receipt_problem(receipt, arrival.student, assignment, beside):
            raise Refused(
                f"The submission {arrival.name} of {arrival.student} was not taken: {problem}; "
                "ask the student to hand in again."
            )


@dataclass(frozen=True)
class _Entry:
    """One line of the history of what was collected from a student for an assignment.

    The last line is what is in `term/submitted`.
    """

    folder: str
    digest: str
    arrived: str
    sequence: int

    def is_again(self, other: _Entry) -> bool:
        """Whether this is what `other` was: the same content, handed in at the same time."""
        if self.digest != other.digest:
            return False
        if self.sequence and other.sequence:
            return self.sequence == other.sequence
        return self.arrived == other.arrived

    def is_before(self, other: _Entry) -> bool:
        """Whether this was handed in before `other`. Canvas's file ids tell; else the times."""
        if self.sequence and other.sequence:
            return self.sequence < other.sequence
        return datetime.fromisoformat(self.arrived) < datetime.fromisoformat(other.arrived)


def _history_file(course: Course, student: str, assignment: str) -> Path:
    return course.collected / student / assignment / "history.json"


def _history(course: Course, student: str, assignment: str) -> list[_Entry]:
    place = _history_file(course, student, assignment)
    if not place.is_file():
        return []
    try:
        return [_Entry(**entry) for entry in json.loads(place.read_text(encoding="utf-8"))]
    except (ValueError, TypeError):
        raise UserError(
            f"{place} was changed by hand and can't be read; remove it and collect again."
        ) from None


def _take(
    course: Course,
    blueprint: Blueprint,
    every: Iterable[Blueprint],
    arrival: Arrival,
    due: datetime | None,
) -> Taken | None:
    """Put one submission in its places; None if it changes nothing there.

    Raises:
        Refused: it isn't taken at all.
    """
    student, assignment = arrival.student, blueprint.assignment
    unpacked = _unpack(arrival, assignment)
    submitted = course.submitted / student / assignment
    history = _history(course, student, assignment)
    current = history[-1] if history and submitted.is_dir() else None
    entry = _Entry("", arrival.digest(), arrival.arrived.isoformat(), arrival.sequence)
    if current and not (arrival.told and entry.arrived != current.arrived):
        if entry.digest == current.digest or any(map(entry.is_again, history)):
            return None
    entry = replace(entry, folder=_keep(course, arrival, assignment, history))
    if current and not arrival.told and entry.is_before(current):
        _record(course, student, assignment, [entry, *history])
        return None
    received = _received(arrival, due)
    files, notes = _judged(course, blueprint, every, unpacked)
    if arrival.late:
        notes.append(note(MARKED_LATE))
    if current and current.digest != entry.digest:
        notes.append(note(REPLACED, time=current.arrived))
    stamp = arrival.stamp or received.strftime(_NBGRADER_TIME)
    files[TIMESTAMP] = stamp.encode("ascii", "replace")
    if arrival.origin == "exchange":
        # Only the exchange's own file, at the top, as nbgrader's submit wrote it.
        files.update({name: data for name, data in arrival.files if name == SECRET})
    with replaced_folder(submitted) as beside:
        for name, content in files.items():
            (beside / name).parent.mkdir(parents=True, exist_ok=True)
            (beside / name).write_bytes(content)
    written = received.isoformat(timespec="seconds")
    receipt = Receipt(written, arrival.origin, arrival.name, notes)
    record_receipt(course, student, assignment, receipt)
    _record(course, student, assignment, [*history, entry])
    return Taken(student, written, arrival.name, notes)


def _received(arrival: Arrival, due: datetime | None) -> datetime:
    """When a submission counts as received.

    Canvas's archives carry the time of packing, not of handing in; Canvas's mark says whether
    it was late. So where there is a due date, the mark decides on which side of it the time
    falls.
    """
    if due is None or arrival.late is None:
        return arrival.arrived
    if arrival.late:
        return max(arrival.arrived, due + _LATE_AT_LEAST)
    return min(arrival.arrived, due)


def _record(course: Course, student: str, assignment: str, history: list[_Entry]) -> None:
    content = json.dumps([asdict(entry) for entry in history], ensure_ascii=False, indent=1)
    write_file(_history_file(course, student, assignment), (content + "\n").encode("utf-8"))


def _keep(course: Course, arrival: Arrival, assignment: str, history: list[_Entry]) -> str:
    """Write every file unaltered to `term/collected`; the name of the new folder."""
    base = course.collected / arrival.student / assignment
    stamp = arrival.arrived.strftime(STAMP)
    taken = {entry.folder for entry in history}
    folder, number = stamp, 1
    while folder in taken:
        number += 1
        folder = f"{stamp}-{number}"
    used: set[str] = set()
    with replaced_folder(base / folder) as beside:
        for name, content in arrival.files:
            place = beside / _storable(name, used)
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content)
    return folder


def _storable(name: str, used: set[str]) -> str:
    """`name` as a path that a disk can hold, and that no other file here has or needs."""
    parts = []
    for part in name.split("/"):
        if len(part.encode("utf-8", "replace")) > 200:
            mark = hashlib.sha256(part.encode("utf-8", "replace")).hexdigest()[:8]
            part = f"{part[:40]}~{mark}{PurePosixPath(part[-20:]).suffix}"
        parts.append(part)
    path = "/".join(parts)
    number = 1
    # Told apart without case, so that the folder can be copied to any system.
    while not _is_free(path.casefold(), used):
        number += 1
        path = f"{number}~" + "~".join(parts)
    above = [str(parent).casefold() for parent in PurePosixPath(path).parents][:-1]
    used.add(path.casefold())
    used.update(parent + "/" for parent in above)
    return path


def _is_free(path: str, used: set[str]) -> bool:
    above = [str(parent) for parent in PurePosixPath(path).parents][:-1]
    return path not in used and path + "/" not in used and not used.intersection(above)


def _judged(
    course: Course, blueprint: Blueprint, every: Iterable[Blueprint], unpacked: _Unpacked
) -> tuple[dict[str, bytes], list[Note]]:
    """The files that are graded, under the assignment's names, and what the student is told."""
    notes = list(unpacked.notes)
    every = list(every)
    candidates = []
    rest: list[tuple[str, bytes]] = []
    for order, (name, content) in enumerate(unpacked.files):
        candidate = examine(name, content, order, blueprint, every)
        if candidate is not None:
            candidates.append(candidate)
        elif PurePosixPath(name).name not in _BOOKKEEPING:
            rest.append((name, content))
    files: dict[str, bytes] = {}
    if candidates:
        winner, said = choose(candidates, blueprint)
        notes += said
        if winner.notebook is not None:
            # Editors leave things out that nbgrader needs (ids of cells); what came stays in
            # term/collected to the byte.
            files[blueprint.notebook] = notebooks.to_bytes(winner.notebook)
        elif winner.problem is not None:
            notes.append(winner.problem)
    else:
        names = [name for name, _ in unpacked.files if PurePosixPath(name).name not in _BOOKKEEPING]
        broken = [one for one in rest if is_notebook_name(one[0]) and not _is_readable(*one)]
        notes += [why_unreadable(*one) for one in broken[:3]]
        if names and not broken:
            notes.append(note(NOTHING, names=", ".join(names[:10])))
    files.setdefault(blueprint.notebook, _blank(course, blueprint.assignment))
    left_out = []
    for name, content in rest:
        asked = _asked_name(name, blueprint)
        if asked and asked not in files:
            files[asked] = content
        else:
            left_out.append(name)
    if left_out and candidates:
        notes.append(note(NOT_ASKED, names=", ".join(left_out[:10])))
    if unpacked.links:
        notes.append(note(LINKS, names=", ".join(unpacked.links[:10])))
    return files, notes


def _is_readable(name: str, content: bytes) -> bool:
    try:
        notebooks.parse(content, name)
    except notebooks.BadNotebook:
        return False
    return True


def _asked_name(name: str, blueprint: Blueprint) -> str | None:
    """The asked-for file that `name` is: by its whole path, or below a folder."""
    composed = unicodedata.normalize("NFC", name)
    for asked in sorted(blueprint.asked):
        if composed == asked or composed.endswith("/" + asked):
            return asked
    return None


def _blank(course: Course, assignment: str) -> bytes:
    """The released notebook, which stands in where nothing can be read."""
    for language in (course.language, MASTER_LANGUAGE):
        place = course.release(language) / assignment / f"{assignment}.ipynb"
        if place.is_file():
            return place.read_bytes()
    raise EnvironmentFault(
        f"{assignment} hasn't been built; run `autograder release {assignment}` and collect again."
    )
