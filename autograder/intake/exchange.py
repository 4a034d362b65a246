"""Collect from nbgrader's exchange."""

from __future__ import annotations

import os
import re
import stat
import sys
import time
import unicodedata
from collections import Counter, deque
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path

from autograder.config import Course
from autograder.core.collection_receipt import find_receipt
from autograder.core.dates import UnreadableTime, read_recorded
from autograder.core.printable import one_line
from autograder.core.student_id import require_student_id
from autograder.core.term_records import present_id
from autograder.errors import UserError
from autograder.intake.arrival import Arrival
from autograder.intake.collect_result import CollectResult
from autograder.intake.errors import BadArchive, SubmissionRefused
from autograder.intake.folders import FolderSource
from autograder.intake.nbgrader_files import is_misread
from autograder.intake.staging import StagedFiles, StagingFolder

_SUBMITTING_TAKES = timedelta(minutes=1)
"""How long after the time in its name nbgrader may still be writing a submission."""

_MAX_LOOKED_AT = 10_000

_DEEPEST = 25
"""How many files of a folder in the exchange, and how deep, are asked for their last change."""


@dataclass(frozen=True)
class InboundFolder:
    """Describe a folder of the exchange.

    Attributes:
        student: whose it is.
        place: its path.
        stamp: the time in its name, as nbgrader wrote it.
        named: the same time in UTC, which the student may choose at will.
        changed: the latest change that the file system knows of, to it or to a file in it.
        status: the folder's own, as it was when its owner was looked at.
    """

    student: str
    place: Path
    stamp: str
    named: datetime
    changed: datetime
    status: os.stat_result

    @property
    def received(self) -> datetime:
        """Return when it was received: nbgrader's time if that holds, else the latest change."""
        honest = self.named <= self.changed <= self.named + _SUBMITTING_TAKES
        return self.named if honest else self.changed

    def is_newer_than(self, other: InboundFolder | None) -> bool:
        """Return whether this and not `other`, where there is one, is what counts."""
        return other is None or (self.received, self.named) >= (other.received, other.named)


def exchange_arrivals(
    course: Course,
    assignment: str,
    staging: StagingFolder,
    result: CollectResult,
    used_up: Collection[str] = (),
) -> Iterator[Arrival]:
    """Yield the newest submission of each student in nbgrader's exchange.

    A folder there is named `<student>+<assignment>+<time>[+<random>]` by nbgrader, and belongs
    to the Unix user who made it. It is taken if that user's name is the student's id, or if it
    belongs to the very user who collects: then only the instructor can have put it there
    (the setting of a single user, or of a service that hands in on behalf of others). A hub on
    which students share one Unix user can prove nothing here; give each a user of their own.

    Its name and the files' own times are the student's to choose; the time of the last change
    (ctime) isn't. nbgrader is done within a minute of the time in the name; a later change counts,
    and is reported. Restoring a backup or changing owners and permissions are changes too: then
    `received=` says what is true.

    Args:
        course: the course whose exchange is read.
        assignment: the assignment's name.
        staging: where each submission's files are copied.
        result: takes a sentence for each folder that is refused or worth a look.
        used_up: the students of whom nothing more is taken, because `watch` has taken as many
            attempts as they have.

    Yields:
        One submission at a time, whose files are in `staging` until the next one.

    Raises:
        UserError: there is no exchange.
    """
    inbound = require_inbound(course)
    newest: dict[str, InboundFolder] = {}
    looked_at: Counter[str] = Counter()  # of each student's, in all folders together
    for place in sorted(inbound.iterdir()):
        try:
            inspected = inspect(course, assignment, place, looked_at)
        except SubmissionRefused as error:
            result.refused.append(str(error))
            continue
        if inspected is not None and inspected.is_newer_than(newest.get(inspected.student)):
            newest[inspected.student] = inspected
    for student, found in sorted(newest.items()):
        if student in used_up:
            result.unchanged.append(student)
            result.warnings.append(
                f"{student} has no attempt left, so the last one counts and nothing newer was "
                f"taken; raise attempts of watch for {assignment} to take it."
            )
            continue
        is_known = is_enrolled(course, student)
        if not is_known and _is_of_renamed(course, assignment, found):
            result.warnings.append(
                f"{one_line(found.place.name)} was taken before {student} was renamed, so it was "
                "left where it is."
            )
            continue
        try:
            arrival = copy_out(found, staging)
        except (BadArchive, OSError) as error:
            result.refused.append(f"{student}: {error}")
            continue
        if doubt := doubt_about_time(found, arrival):
            result.warnings.append(doubt)
        try:
            if not is_known and enroll_owner(course, student):
                result.warnings.append(f"{student} wasn't in the class list and was added to it.")
        except SubmissionRefused as error:
            result.refused.append(str(error))
            continue
        yield arrival


def require_inbound(course: Course) -> Path:
    """Return the folder of the exchange into which students hand in.

    Raises:
        UserError: there is none.
    """
    inbound = Path(course.nbgrader_config().Exchange.root) / course.id / "inbound"
    if not inbound.is_dir():
        raise UserError(
            f"There is no exchange at {inbound}; release with --exchange first, "
            "or name the folder or zip that the LMS gave you."
        )
    return inbound


def inbound_folders(course: Course, assignment: str) -> list[Path]:
    """Return what lies in the exchange under nbgrader's kind of name for an assignment.

    Raises:
        UserError: there is no exchange.
    """
    found = require_inbound(course).iterdir()
    return sorted(place for place in found if f"+{assignment}+" in place.name)


def inspect(
    course: Course, assignment: str, place: Path, looked_at: Counter[str]
) -> InboundFolder | None:
    """Return what a folder of the exchange is; None if it isn't of this assignment.

    Args:
        course: whose exchange it is.
        assignment: the assignment's name.
        place: the folder.
        looked_at: how many files and folders of each student's have been looked at, which is
            limited; those of this folder are added.

    Raises:
        SubmissionRefused: it can't be taken, with what to do.
    """
    # nbgrader writes plain text only; other names can't be kept in a gradebook, or be told apart.
    is_plain = one_line(place.name) == place.name
    parsed = _inbound_name(place.name, assignment) if is_plain else None
    if parsed is None:
        if _names_assignment(place.name, assignment):
            raise SubmissionRefused(
                f"{one_line(place.name)} in the exchange names {assignment} but can't be read "
                "as <student>+<assignment>+<time>, so it was not taken; ask its owner to hand "
                "in again."
            )
        return None
    student, stamp = parsed
    try:
        student = require_student_id(student)
        named = _named_time(place.name, stamp, course.time_zone)
        status = place.lstat()
        _require_owner(place, status, student)
        changed, count = _last_change(place, _MAX_LOOKED_AT - looked_at[student])
    except UserError as error:
        raise SubmissionRefused(str(error)) from None
    except OSError as error:
        raise SubmissionRefused(
            f"{one_line(place.name)} can't be read ({error.strerror}); not taken."
        ) from None
    looked_at[student] += count
    return InboundFolder(student, place, stamp, named, changed, status)


def doubt_about_time(found: InboundFolder, arrival: Arrival) -> str:
    """Return a sentence for the instructor if a folder's name tells another time than counts."""
    received = arrival.arrived
    if received == found.named:
        return ""
    return (
        f"{found.student}: the exchange says {found.named:%Y-%m-%d %H:%M} UTC, the submission "
        f"was last changed at {received:%Y-%m-%d %H:%M} UTC, which counts; if you moved or "
        "restored the exchange yourself, collect again with --received, else ask."
    )


def copy_out(found: InboundFolder, staging: StagingFolder) -> Arrival:
    """Copy a submission out of the exchange, so that a change during the copy counts too.

    Raises:
        BadArchive: it can't be listed.
        OSError: it can't be read.
    """
    source = FolderSource.of_student(found.place, found.status)
    staged = StagedFiles(staging, [member.name for member in source.members])
    latest = found.changed
    for at in staged.chosen:
        try:
            descriptor = source.open(source.members[at])
        except BadArchive:
            staged.drop(at)
            continue
        try:
            staged.copy(at, descriptor)
            latest = max(latest, _changed(os.fstat(descriptor)))
        finally:
            os.close(descriptor)
    latest = max(latest, _last_change(found.place)[0])
    received = replace(found, changed=latest).received
    is_kept = received == found.named and not is_misread(found.stamp, found.named)
    return Arrival(
        student=found.student,
        origin="exchange",
        name=found.place.name,
        files=staged.stored(),
        not_kept=[*staged.not_kept, *source.unlisted],
        links=source.left_out,
        deadline=staged.deadline,
        arrived=received,
        stamp=found.stamp if is_kept else "",
    )


def _last_change(place: Path, most: int = _MAX_LOOKED_AT) -> tuple[datetime, int]:
    """Return the latest change to a folder or anything in it, as the file system has it.

    Of a folder with more in it than anybody hands in, the outermost is looked at; whatever is
    taken of it is looked at again when it is taken.

    Args:
        place: the folder.
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
    """Return the later of both times; students can set the first, but not the second."""
    now = time.time()
    modified = status.st_mtime if status.st_mtime <= now else 0.0  # nothing is from the future
    return datetime.fromtimestamp(max(modified, status.st_ctime), UTC)


def _inbound_name(name: str, assignment: str) -> tuple[str, str] | None:
    """Return the student and the time in a folder's name; None if it isn't a submission of it."""
    # nbgrader's time zone may hold a "+" of its own ("+0900"), and so may a student's id.
    match = re.fullmatch(
        rf"(?P<student>.+)\+{re.escape(assignment)}"
        r"\+(?P<time>\d{4}-\d\d-\d\d[ T_]\d\d:\d\d:\d\d(?:\.\d+)?"
        r"(?: ?[A-Za-z][A-Za-z_]*(?:[+-]\d\d?(?::?\d\d)?)?| ?[+-]\d\d(?::?\d\d)?)?)"
        r"(?:\+(?P<random>[^+]*))?",
        name,
    )
    return (match["student"], match["time"]) if match else None


def _names_assignment(name: str, assignment: str) -> bool:
    """Return whether a folder's name holds the assignment's, and isn't that of another one's."""
    folded = unicodedata.normalize("NFC", name).casefold()
    wanted = re.escape(unicodedata.normalize("NFC", assignment).casefold())
    if folded.startswith(".") or not re.search(rf"(?<!\w){wanted}(?!\w)", folded):
        return False
    # In nbgrader's form, <student>+<assignment>+<time>, one part alone is the assignment.
    parts = folded.split("+")
    is_other = len(parts) >= 3 and not any(re.fullmatch(wanted, part) for part in parts[1:])
    return not is_other


def _named_time(name: str, stamp: str, zone: tzinfo | None) -> datetime:
    try:
        return read_recorded(stamp, zone)
    except UnreadableTime as error:
        raise SubmissionRefused(
            f"{one_line(name)} was not taken: {error}; if it was made on this machine, set "
            "time-zone under [tool.autograder] in pyproject.toml, else ask its owner to hand in "
            "again."
        ) from None


def _require_owner(place: Path, status: os.stat_result, student: str) -> None:
    if not stat.S_ISDIR(status.st_mode):
        raise SubmissionRefused(
            f"{place.name} isn't a folder of nbgrader's exchange; it was not taken."
        )
    if sys.platform == "win32":
        return
    import pwd

    uid = status.st_uid
    try:
        owner = pwd.getpwuid(uid).pw_name
    except KeyError:
        owner = f"user {uid}"
    if owner != student and uid != os.getuid():
        raise SubmissionRefused(
            f"{place.name} claims to be of {student} but belongs to {owner}, so it was not taken; "
            "ask both how it came about."
        )


def _is_of_renamed(course: Course, assignment: str, found: InboundFolder) -> bool:
    """Return whether this is what was collected last of somebody who was called so then."""
    taken = (found.place.name, found.received.isoformat(timespec="seconds"))
    others = [path.parts[-3] for path in course.collected.glob(f"*/{assignment}/receipt.json")]
    receipts = (find_receipt(course, one, assignment) for one in others if one != found.student)
    return any(one is not None and (one.name, one.received) == taken for one in receipts)


def is_enrolled(course: Course, student: str) -> bool:
    """Return whether the class list has a student."""
    from nbgrader.api import MissingEntry

    with course.gradebook() as gradebook:
        try:
            gradebook.find_student(student)
        except MissingEntry:
            return False
        return True


def enroll_owner(course: Course, student: str) -> bool:
    """Add the student to the gradebook and return True, if missing; the Unix user proves the id.

    Raises:
        SubmissionRefused: the student was called so earlier, and isn't any more.
    """
    if is_enrolled(course, student):
        return False
    with course.gradebook() as gradebook:
        if present := present_id(gradebook.db, student):
            raise SubmissionRefused(
                f"{student} is called {present} now, so what {student} handed in was not taken; "
                f"ask {present} to hand in again as that user, or rename back with `autograder "
                f"term rename {present} {student}`."
            )
        gradebook.add_student(student)
    return True
