"""Taking submissions in, from nbgrader's exchange or from an LMS's bulk download.

| Question | Decision |
|---|---|
| Whose is it? | The exchange's owner or the LMS's naming, looked up in the class list. |
| A receipt that names another student, or doesn't fit its files | Refused; the rest goes on. |
| When did it come in? | The exchange's record; the download's entry or file time; `received=`. |
| Canvas's LATE mark | Decides whether it is late; the archive's time only says how much. |
| Times inside a submission | Never looked at. |
| Which file is the notebook? | `autograder.intake.identify`; the student is told. |
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
import shutil
import stat
import sys
import tempfile
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePosixPath

from autograder.config import COURSE_ID, MASTER_LANGUAGE, Course
from autograder.core.atomic_io import plain_disk_errors, replaced_folder, write_file
from autograder.core.collection_receipt import CollectionReceipt, record_receipt
from autograder.core.messages import N_, Note, note
from autograder.core.notebook_io import SIZE_LIMIT
from autograder.core.printable import one_line
from autograder.core.receipts import STAMP
from autograder.core.student_id import require_student_id
from autograder.errors import EnvironmentFault, UserError
from autograder.intake.archives import (
    CLASS_LIMITS,
    STUDENT_LIMITS,
    BadArchive,
    FileSource,
    FolderSource,
    Member,
)
from autograder.intake.delivery import SECRET, TIMESTAMP
from autograder.intake.delivery import Delivery as Contents
from autograder.intake.filenames import Delivery, deliveries, recognise
from autograder.intake.identify import TOO_LARGE, Blueprint, blueprints, is_notebook_name
from autograder.intake.nbgrader_files import is_secret, opened, parsed_time, small_file
from autograder.intake.reader import READING_SECONDS, Reader
from autograder.intake.roster import (
    Person,
    UnknownOwner,
    class_list,
    enrol,
    find_person,
    is_canvas_gradebook,
    read_roster,
    shared,
)
from autograder.intake.submission import to_bytes

_NBGRADER_TIME = "%Y-%m-%d %H:%M:%S.%f %Z"
_LATE_AT_LEAST = timedelta(seconds=1)
_HANDING_IN = timedelta(minutes=1)
"""How long after the time in its name nbgrader may still be writing a submission."""

_MOST_LOOKED_AT = 10_000
_DEEPEST = 25
"""How many files of a folder in the exchange, and how deep, are asked for their last change."""

_PIECE = 256 * 1024
_SUBMISSION_SECONDS = 9.0
"""The longest that one submission may take here."""

_COPYING_SECONDS = 5.0
"""The part of it for bringing its files onto this disk."""

_LEFT_OVER_SECONDS = 24 * 3600

NOT_KEPT = N_(
    "{names}: not taken at all, because it is larger than a file of a submission may be, or all "
    "files together are: hand in only what the assignment asks for."
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
        # Names that students gave are in there; none of them makes a line of its own.
        return "\n".join(map(one_line, lines))


@dataclass(frozen=True)
class Stored:
    """A file of a submission, as it was received.

    Attributes:
        name: as handed in.
        place: where its bytes are.
    """

    name: str
    place: Path
    size: int


@dataclass(frozen=True)
class Arrival:
    """One submission as it came in, before anything of it is judged.

    Attributes:
        files: on this disk, byte for byte as they came.
        not_kept: the names of those that are too large.
        arrived: when the exchange or the download says it came in, in UTC.
        late: the LMS's mark, None where the LMS sets none.
        sequence: Canvas's file id, which orders submissions with the same time.
        stamp: the exchange's time as nbgrader wrote it; it is kept to the letter.
        told: whether the instructor gave the time, which then decides.
        untimed: whether the download doesn't say when it came in, so that now counts.
        deadline: when opening it must have come to an end, as `time.monotonic`.
    """

    student: str
    origin: str
    name: str
    files: list[Stored]
    not_kept: list[str]
    links: list[str]
    arrived: datetime
    late: bool | None = None
    sequence: int = 0
    stamp: str = ""
    told: bool = False
    untimed: bool = False
    deadline: float = 0.0

    def digest(self) -> str:
        """SHA-256 over names and contents."""
        seen = hashlib.sha256()
        for one in self.files:
            seen.update(f"{one.name}\0{one.size}\0".encode("utf-8", "surrogatepass"))
            with one.place.open("rb") as stream:
                while piece := stream.read(_PIECE):
                    seen.update(piece)
        for name in self.not_kept:
            seen.update(f"{name}\0not kept\0".encode("utf-8", "surrogatepass"))
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
    if roster is not None and is_canvas_gradebook(roster):
        result.warnings.append(
            f"{Path(roster).name} was read as a Canvas gradebook: ids are its SIS User ID, or the "
            "SIS Login ID where there is none, and the test student was left out."
        )
    due = _due(course, assignment)
    with Reader() as reader, _waiting_room(course) as room:
        if origin is None:
            arrivals = _from_exchange(course, assignment, room, result)
        else:
            arrivals = _from_download(
                course, assignment, Path(origin), received, reader, room, result
            )
        for arrival in arrivals:
            if received is not None:
                arrival = replace(
                    arrival, arrived=received.astimezone(UTC), late=None, stamp="", told=True
                )
            try:
                with plain_disk_errors(course.term):
                    taken = _take(course, known[assignment], known, arrival, due, reader, room)
            except Refused as error:
                result.refused.append(str(error))
                continue
            if taken is None:
                result.unchanged.append(arrival.student)
            else:
                result.taken.append(taken)
                if arrival.untimed:
                    result.warnings.append(
                        f"{arrival.student}: the download doesn't say when it came in, so the time "
                        "of collecting counts; collect again with --received to say when."
                    )
    # A student who handed in twice is told of once.
    now_taken = {one.student for one in result.taken}
    result.unchanged = sorted(set(result.unchanged) - now_taken)
    result.taken = list({one.student: one for one in result.taken}.values())
    return result


# Where submissions come from ------------------------------------------------------------------


class _Room:
    """Where the files of one submission lie until they are put in their places."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._number = 0

    def clear(self) -> None:
        """Make room for the next submission."""
        for path in self._folder.iterdir():
            path.unlink()

    def place(self) -> Path:
        """A new place for a file."""
        self._number += 1
        return self._folder / str(self._number)


@contextmanager
def _waiting_room(course: Course) -> Iterator[_Room]:
    course.term.mkdir(parents=True, exist_ok=True)
    for left_over in course.term.glob(".intake-*"):  # of a run that was killed
        if time.time() - left_over.stat().st_mtime > _LEFT_OVER_SECONDS:
            shutil.rmtree(left_over, ignore_errors=True)
    with plain_disk_errors(course.term):
        folder = Path(tempfile.mkdtemp(prefix=".intake-", dir=course.term))
    try:
        yield _Room(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class _Intake:
    """Takes the bytes of one submission's files, under its limits, which are counted here."""

    def __init__(self, room: _Room, names: Sequence[str]) -> None:
        room.clear()
        self._room = room
        # Should there be too many, those that may be the notebook come first.
        order = sorted(range(len(names)), key=lambda at: not is_notebook_name(names[at]))
        self.chosen = sorted(order[: STUDENT_LIMITS.members])
        self.not_kept = [names[at] for at in order[STUDENT_LIMITS.members :]]
        self._names = names
        self._left = STUDENT_LIMITS.total_bytes
        self._places: dict[int, Path] = {}
        self._sizes: dict[int, int] = {}
        self._start = time.monotonic()
        self.deadline = self._start + _SUBMISSION_SECONDS

    def put(self, at: int, piece: bytes) -> bool:
        """Write some of a file; whether there may be more of it."""
        if at not in self._places:
            self._places[at], self._sizes[at] = self._room.place(), 0
        if self._sizes[at] < 0:
            return False
        self._sizes[at] += len(piece)
        self._left -= len(piece)
        too_much = self._sizes[at] > STUDENT_LIMITS.member_bytes or self._left < 0
        if too_much or time.monotonic() > self._start + _COPYING_SECONDS:
            self.drop(at)
            return False
        with plain_disk_errors(self._places[at]), self._places[at].open("ab") as target:
            target.write(piece)
        return True

    def drop(self, at: int) -> None:
        """Keep nothing of a file but its name."""
        size = self._sizes.get(at, 0)
        if size < 0:
            return
        if at in self._places:
            self._places[at].unlink(missing_ok=True)
        self._left += size
        self._sizes[at] = -1
        self.not_kept.append(self._names[at])

    def copy(self, at: int, descriptor: int) -> None:
        """Take a whole file of this disk."""
        if os.fstat(descriptor).st_size > STUDENT_LIMITS.member_bytes:
            self.drop(at)
            return
        self.put(at, b"")
        while piece := os.read(descriptor, _PIECE):
            if not self.put(at, piece):
                return

    def stored(self) -> list[Stored]:
        """The files that are whole."""
        return [
            Stored(self._names[at], self._places[at], self._sizes[at])
            for at in sorted(self._places)
            if self._sizes[at] >= 0
        ]


class _Download:
    """A folder, a single file or a zip of a whole class.

    Raises:
        UserError: nothing is there that can be used.
    """

    def __init__(self, origin: Path, assignment: str, reader: Reader) -> None:
        self._reader = reader
        self._zip = -1
        self._folder: FolderSource | None = None
        self.beyond: list[str] = []
        single = origin.is_file() and not isinstance(recognise(origin.name, assignment), str)
        if single or origin.is_dir():
            self._folder = (
                FileSource(origin, CLASS_LIMITS)
                if single
                else FolderSource(origin, CLASS_LIMITS, in_parts=True)
            )
            self.members, self.left_out = self._folder.members, self._folder.left_out
            self.beyond = self._folder.beyond
            return
        if not origin.exists():
            raise UserError(f"{origin} doesn't exist; check the name and the folder.")
        neither = f"{origin} is neither a folder nor a zip; name the download as it came."
        try:
            self._zip = opened(origin)
        except OSError:
            raise UserError(neither) from None
        if b"PK" not in os.pread(self._zip, 4, 0):
            self.close()
            raise UserError(neither)
        try:
            self.members, self.left_out = reader.listing(self._zip, origin.name)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> _Download:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the zip."""
        if self._zip >= 0:
            os.close(self._zip)
            self._zip = -1

    def take(self, members: Sequence[Member], intake: _Intake) -> None:
        """Take the files of one submission."""
        chosen = [(at, members[at]) for at in intake.chosen]
        if self._folder is not None:
            for at, member in chosen:
                try:
                    descriptor = self._folder.open(member)
                except BadArchive:
                    intake.drop(at)
                    continue
                try:
                    intake.copy(at, descriptor)
                finally:
                    os.close(descriptor)
            return
        for at, member in list(chosen):
            if member.key.size > STUDENT_LIMITS.member_bytes:
                intake.drop(at)
                chosen.remove((at, member))
            else:
                intake.put(at, b"")
        failed = self._reader.extract(
            self._zip,
            [member for _, member in chosen],
            lambda number, piece: intake.put(chosen[number][0], piece),
            seconds=_COPYING_SECONDS,
        )
        for number in failed:
            if 0 <= number < len(chosen):
                intake.drop(chosen[number][0])


def _from_download(
    course: Course,
    assignment: str,
    origin: Path,
    received: datetime | None,
    reader: Reader,
    room: _Room,
    result: CollectResult,
) -> Iterator[Arrival]:
    people = class_list(course)
    if not people:
        raise UserError(
            "The gradebook holds no students yet, so nothing can be put down to anyone; "
            "name a class list with --roster."
        )
    with _Download(origin, assignment, reader) as source:
        found, ownerless = deliveries(
            source.members, assignment, people, source.left_out, source.beyond
        )
        result.refused += ownerless
        if not found and not ownerless:
            raise UserError(
                f"There are no submissions in {origin}; name the folder or zip that the LMS gave you."
            )
        owners: list[tuple[Delivery, Person]] = []
        for delivery in found:
            try:
                owners.append((delivery, find_person(delivery.owner, people)))
            except UnknownOwner as error:
                result.refused.append(str(error))
        long_ago = datetime.min.replace(tzinfo=UTC)
        refused = shared(owners)
        # Several zips of one student are submissions of their own, the latest last.
        for delivery, person in sorted(
            owners, key=lambda one: (_newest(one[0]) or long_ago, one[0].owner.claim)
        ):
            if person.id in refused:
                continue
            try:
                yield _delivered(source, delivery, person, received, room)
            except Refused as error:
                result.refused.append(str(error))
        result.refused += refused.values()


def _newest(delivery: Delivery) -> datetime | None:
    return max((member.modified for _, member in delivery.files if member.modified), default=None)


def _delivered(
    source: _Download,
    delivery: Delivery,
    person: Person,
    received: datetime | None,
    room: _Room,
) -> Arrival:
    owner = delivery.owner
    if not delivery.files:
        raise Refused(f"{owner.label} handed in links only, so nothing was taken.")
    arrived = received or _newest(delivery)
    is_untimed = arrived is None
    if arrived is None:
        arrived = datetime.now(UTC)  # never early by what nobody knows
    intake = _Intake(room, [name for name, _ in delivery.files])
    source.take([member for _, member in delivery.files], intake)
    return Arrival(
        student=person.id,
        origin=owner.origin,
        name=one_line(delivery.files[0][1].name),
        files=intake.stored(),
        not_kept=[*intake.not_kept, *delivery.beyond],
        links=delivery.links,
        deadline=intake.deadline,
        arrived=arrived.astimezone(UTC),
        late=delivery.late if owner.origin == "canvas" else None,
        sequence=delivery.sequence,
        untimed=is_untimed,
    )


@dataclass(frozen=True)
class _Inbound:
    """A folder of the exchange.

    Attributes:
        named: the time in its name, which whoever made it may choose.
        changed: the latest change that the file system knows of, to it or to a file in it.
        status: the folder's own, as it was when its owner was looked at.
    """

    place: Path
    stamp: str
    named: datetime
    changed: datetime
    status: os.stat_result

    @property
    def counts(self) -> datetime:
        """When it came in: nbgrader's time if that is true, else the latest change."""
        honest = self.named <= self.changed <= self.named + _HANDING_IN
        return self.named if honest else self.changed


def _from_exchange(
    course: Course, assignment: str, room: _Room, result: CollectResult
) -> Iterator[Arrival]:
    """The newest submission of each student in nbgrader's exchange.

    A folder there is named `<student>+<assignment>+<time>[+<random>]` by nbgrader, and belongs
    to the Unix user who made it. It is taken if that user's name is the student's id, or if it
    belongs to the very user who collects: then nobody but the instructor can have put it there
    (the setting of a single user, or of a service that hands in on behalf of others). A hub on
    which students share one Unix user can prove nothing here; give each a user of their own.

    Its name and the files' own times are the student's to choose; the time of the last change
    (ctime) isn't. nbgrader is done within a minute of the time in the name; a later change counts,
    and is told. Restoring a backup or changing owners and permissions are changes too: then
    `received=` says what is true.
    """
    inbound = Path(course.nbgrader_config().Exchange.root) / COURSE_ID / "inbound"
    if not inbound.is_dir():
        raise UserError(
            f"There is no exchange at {inbound}; release with --exchange first, "
            "or name the folder or zip that the LMS gave you."
        )
    newest: dict[str, _Inbound] = {}
    looked_at: Counter[str] = Counter()  # of each student's, in all folders together
    for place in sorted(inbound.iterdir()):
        parsed = _inbound_name(place.name, assignment)
        if parsed is None:
            continue
        student, stamp = parsed
        named = parsed_time(stamp)
        try:
            student = require_student_id(student)
            if named is None:
                raise Refused(f"{place.name}: its name holds no time; it isn't nbgrader's.")
            status = place.lstat()
            _require_owner(place, status, student)
            changed, count = _last_change(place, _MOST_LOOKED_AT - looked_at[student])
            looked_at[student] += count
            found = _Inbound(place, stamp, named.replace(tzinfo=UTC), changed, status)
        except UserError as error:
            result.refused.append(str(error))
            continue
        except OSError as error:
            result.refused.append(f"{place.name} can't be read ({error.strerror}); not taken.")
            continue
        before = newest.get(student)
        if before is None or (found.counts, found.named) >= (before.counts, before.named):
            newest[student] = found
    for student, found in sorted(newest.items()):
        try:
            arrival = _exchanged(student, found, room)
        except (BadArchive, OSError) as error:
            result.refused.append(f"{student}: {error}")
            continue
        counts = arrival.arrived
        if counts != found.named:
            result.warnings.append(
                f"{student}: the exchange says {found.named:%Y-%m-%d %H:%M} UTC, the submission "
                f"was last changed at {counts:%Y-%m-%d %H:%M} UTC, which counts; if you moved or "
                "restored the exchange yourself, collect again with --received, else ask."
            )
        if _enrolled(course, student):
            result.warnings.append(f"{student} wasn't in the class list and was added to it.")
        yield arrival


def _exchanged(student: str, found: _Inbound, room: _Room) -> Arrival:
    """A submission in the exchange, copied once; a change meanwhile counts like one before."""
    source = FolderSource.of_one(found.place, found.status)
    intake = _Intake(room, [member.name for member in source.members])
    latest = found.changed
    for at in intake.chosen:
        try:
            descriptor = source.open(source.members[at])
        except BadArchive:
            intake.drop(at)
            continue
        try:
            intake.copy(at, descriptor)
            latest = max(latest, _changed(os.fstat(descriptor)))
        finally:
            os.close(descriptor)
    latest = max(latest, _last_change(found.place)[0])
    counts = replace(found, changed=latest).counts
    return Arrival(
        student=student,
        origin="exchange",
        name=found.place.name,
        files=intake.stored(),
        not_kept=[*intake.not_kept, *source.beyond],
        links=source.left_out,
        deadline=intake.deadline,
        arrived=counts,
        stamp=found.stamp if counts == found.named else "",
    )


def _last_change(place: Path, most: int = _MOST_LOOKED_AT) -> tuple[datetime, int]:
    """The latest change to a folder or anything in it, as the file system has it.

    Of a folder with more in it than anybody hands in, the outermost is looked at; whatever is
    taken of it is looked at again when it is taken.

    Args:
        most: how many files and folders in it are looked at.

    Returns:
        The time, and how many were looked at.
    """
    latest = _changed(place.lstat())
    waiting, left = deque([(str(place), 0)]), most
    while waiting and left > 0:
        folder, depth = waiting.popleft()
        with suppress(OSError), os.scandir(folder) as found:
            for entry in found:
                if left <= 0:
                    break
                left -= 1
                with suppress(OSError):
                    latest = max(latest, _changed(entry.stat(follow_symlinks=False)))
                    if entry.is_dir(follow_symlinks=False) and depth < _DEEPEST:
                        waiting.append((entry.path, depth + 1))
    return latest, most - left


def _changed(status: os.stat_result) -> datetime:
    """The later of both times; the first can be set to anything, the second to nothing."""
    now = time.time()
    modified = status.st_mtime if status.st_mtime <= now else 0.0  # nothing is from the future
    return datetime.fromtimestamp(max(modified, status.st_ctime), UTC)


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


def _require_owner(place: Path, status: os.stat_result, student: str) -> None:
    if not stat.S_ISDIR(status.st_mode):
        raise Refused(f"{place.name} isn't a folder of nbgrader's exchange; it was not taken.")
    if sys.platform == "win32":
        return
    import pwd

    uid = status.st_uid
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
    known: dict[str, Blueprint],
    arrival: Arrival,
    due: datetime | None,
    reader: Reader,
    room: _Room,
) -> Taken | None:
    """Put one submission in its places; None if it changes nothing there.

    Raises:
        Refused: it isn't taken at all.
    """
    student, assignment = arrival.student, blueprint.assignment
    submitted = course.submitted / student / assignment
    history = _history(course, student, assignment)
    current = history[-1] if history and submitted.is_dir() else None
    entry = _Entry("", arrival.digest(), arrival.arrived.isoformat(), arrival.sequence)
    if current and not (arrival.told and entry.arrived != current.arrived):
        if entry.digest == current.digest or any(map(entry.is_again, history)):
            return None
    made, notes = _opened(course, blueprint, known, arrival, reader, room)
    entry = replace(entry, folder=_keep(course, arrival, assignment, history))
    if current and not arrival.told and entry.is_before(current):
        _record(course, student, assignment, [entry, *history])
        return None
    received = _received(arrival, due)
    if arrival.late:
        notes.append(note(MARKED_LATE))
    if current and current.digest != entry.digest:
        notes.append(note(REPLACED, time=current.arrived))
    stamp = arrival.stamp or received.strftime(_NBGRADER_TIME)
    with replaced_folder(submitted) as beside:
        for name, place in made.items():
            (beside / name).parent.mkdir(parents=True, exist_ok=True)
            if isinstance(place, bytes):
                (beside / name).write_bytes(place)
            else:
                shutil.move(place, beside / name)
        (beside / TIMESTAMP).write_bytes(stamp.encode("ascii", "replace"))
    written = received.isoformat(timespec="seconds")
    receipt = CollectionReceipt(written, arrival.origin, one_line(arrival.name), notes)
    record_receipt(course, student, assignment, receipt)
    _record(course, student, assignment, [*history, entry])
    return Taken(student, written, arrival.name, notes)


def _opened(
    course: Course,
    blueprint: Blueprint,
    known: dict[str, Blueprint],
    arrival: Arrival,
    reader: Reader,
    room: _Room,
) -> tuple[dict[str, bytes | Path], list[Note]]:
    """What is graded of a submission, by the assignment's own names, and what its student is told.

    Raises:
        Refused: a receipt contradicts the submission.
    """
    asked: dict[str, Path] = {}

    def put(name: str, piece: bytes) -> None:
        if not piece:
            asked[name] = room.place()
            asked[name].touch()
        else:
            with asked[name].open("ab") as target:
                target.write(piece)

    found = reader.delivery(
        Contents(
            arrival.student,
            blueprint.assignment,
            one_line(arrival.name),
            [(one.name, one.size) for one in arrival.files],
            arrival.links,
        ),
        blueprint,
        list(known.values()),
        [_opener(one.place) for one in arrival.files],
        put,
        min(READING_SECONDS, max(2.0, arrival.deadline - time.monotonic())),
    )
    if found.refused:
        raise Refused(found.refused)
    notes = list(found.notes)
    made: dict[str, bytes | Path] = {}
    if found.submission is not None:
        content = to_bytes(found.submission, blueprint.cells)
        if len(content) <= SIZE_LIMIT:
            made[blueprint.notebook] = content
        else:
            limit = SIZE_LIMIT // (1024 * 1024)
            notes.append(note(TOO_LARGE, name=blueprint.notebook, limit=limit))
    made.setdefault(blueprint.notebook, _blank(course, blueprint.assignment))
    for name, place in asked.items():
        made.setdefault(name, place)
    if arrival.not_kept:
        notes.append(note(NOT_KEPT, names=", ".join(arrival.not_kept[:10])))
    if arrival.origin == "exchange":
        # Only the exchange's own file, at the top, as nbgrader's submit wrote it.
        for one in arrival.files:
            secret = small_file(one.place) if one.name == SECRET else None
            if secret and is_secret(secret):
                made[SECRET] = secret
    return made, notes


def _opener(place: Path) -> Callable[[], int]:
    return lambda: opened(place)


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
        for one in arrival.files:
            place = beside / _storable(one.name, used)
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.move(one.place, place)
    return folder


_LONGEST_PART = 200
_LONGEST_PATH = 800


def _storable(name: str, used: set[str]) -> str:
    """`name` as a path that a disk can hold, and that no other file here has or needs."""
    parts = [_shortened(part) for part in one_line(name).split("/")]
    path = "/".join(parts)
    if len(path.encode("utf-8", "replace")) > _LONGEST_PATH:
        parts = [_shortened("~".join(parts))]
        path = parts[0]
    number = 1
    # Told apart without case, so that the folder can be copied to any system.
    while not _is_free(path.casefold(), used):
        number += 1
        path = _shortened(f"{number}~" + "~".join(parts))
    above = [str(parent).casefold() for parent in PurePosixPath(path).parents][:-1]
    used.add(path.casefold())
    used.update(parent + "/" for parent in above)
    return path


def _shortened(part: str) -> str:
    content = part.encode("utf-8", "replace")
    if len(content) <= _LONGEST_PART:
        return content.decode("utf-8")
    mark = hashlib.sha256(content).hexdigest()[:8]
    return f"{part[:40]}~{mark}{PurePosixPath(part[-20:]).suffix}"


def _is_free(path: str, used: set[str]) -> bool:
    above = [str(parent) for parent in PurePosixPath(path).parents][:-1]
    return path not in used and path + "/" not in used and not used.intersection(above)


def _blank(course: Course, assignment: str) -> bytes:
    """The released notebook, which stands in where nothing can be read."""
    for language in (course.language, MASTER_LANGUAGE):
        place = course.release(language) / assignment / f"{assignment}.ipynb"
        if place.is_file():
            return place.read_bytes()
    raise EnvironmentFault(
        f"{assignment} hasn't been built; run `autograder release {assignment}` and collect again."
    )
