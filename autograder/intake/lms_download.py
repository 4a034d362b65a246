"""Collect from an LMS's bulk download: a folder, a single file or a zip of a whole class."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from typing import cast

from autograder.config import Course
from autograder.core.due_dates import find_due_date
from autograder.core.printable import one_line
from autograder.core.release_record import release_time
from autograder.errors import UserError
from autograder.intake.archives import PackedFile
from autograder.intake.arrival import Arrival
from autograder.intake.collect_result import CollectResult
from autograder.intake.errors import BadArchive, SubmissionRefused
from autograder.intake.folders import FileSource, FolderSource
from autograder.intake.lms_filenames import OwnerFiles, group_by_owner, recognize_owner
from autograder.intake.nbgrader_files import open_plain_file
from autograder.intake.reader import Reader
from autograder.intake.roster import (
    Person,
    UnknownOwner,
    class_list,
    find_conflicts,
    find_person,
)
from autograder.intake.sources import Member
from autograder.intake.staging import StagedFiles, StagingFolder
from autograder.intake.upload_limits import (
    CLASS_LIMITS,
    COPYING_SECONDS,
    STUDENT_LIMITS,
)


class LmsDownload:
    """Open a download: a folder, a single file or a zip of a whole class.

    Args:
        origin: its path.
        assignment: the assignment's name.
        reader: opens the zip.

    Raises:
        UserError: nothing is there that can be used.
    """

    def __init__(self, origin: Path, assignment: str, reader: Reader) -> None:
        self._reader = reader
        self._zip = -1
        self._folder: FolderSource | None = None
        self.unlisted: list[str] = []
        single = origin.is_file() and not isinstance(recognize_owner(origin.name, assignment), str)
        if single or origin.is_dir():
            self._folder = (
                FileSource(origin, CLASS_LIMITS)
                if single
                else FolderSource(origin, CLASS_LIMITS, of_class=True)
            )
            self.members, self.left_out = self._folder.members, self._folder.left_out
            self.unlisted = self._folder.unlisted
            return
        if not origin.exists():
            raise UserError(f"{origin} doesn't exist; check the name and the folder.")
        neither = f"{origin} is neither a folder nor a zip; name the download as it came."
        try:
            self._zip = open_plain_file(origin)
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

    def __enter__(self) -> LmsDownload:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the zip."""
        if self._zip >= 0:
            os.close(self._zip)
            self._zip = -1

    def take(self, members: Sequence[Member], staged: StagedFiles) -> None:
        """Copy the files of one submission into the staging folder.

        Args:
            members: all files of the submission.
            staged: counts them and says which to take.
        """
        chosen = [(at, members[at]) for at in staged.chosen]
        if self._folder is not None:
            for at, member in chosen:
                try:
                    descriptor = self._folder.open(member)
                except BadArchive:
                    staged.drop(at)
                    continue
                try:
                    staged.copy(at, descriptor)
                finally:
                    os.close(descriptor)
            return
        for at, member in list(chosen):
            if cast(PackedFile, member.key).size > STUDENT_LIMITS.member_bytes:
                staged.drop(at)
                chosen.remove((at, member))
            else:
                staged.put(at, b"")

        def write(number: int, piece: bytes) -> None:
            staged.put(chosen[number][0], piece)

        failed = self._reader.extract(
            self._zip,
            [member for _, member in chosen],
            write,
            seconds=COPYING_SECONDS,
        )
        for number in failed:
            if 0 <= number < len(chosen):
                staged.drop(chosen[number][0])


def download_arrivals(
    course: Course,
    assignment: str,
    origin: Path,
    received: datetime | None,
    reader: Reader,
    staging: StagingFolder,
    result: CollectResult,
) -> Iterator[Arrival]:
    """Yield the submissions in a download, each put down to a student of the class.

    Args:
        course: the course whose class list counts.
        assignment: the assignment's name.
        origin: the path of the download.
        received: when the submissions came in, if the instructor says so.
        reader: opens the zip.
        staging: where each submission's files are written.
        result: takes a sentence for each submission that is refused.

    Yields:
        One submission at a time, whose files are in `staging` until the next one.

    Raises:
        UserError: no class list, or nothing in the download that can be used.
    """
    people = class_list(course)
    if not people:
        raise UserError(
            "The gradebook holds no students yet, so nothing can be put down to anyone; "
            "name a class list with --roster."
        )
    with LmsDownload(origin, assignment, reader) as source:
        found, ownerless = group_by_owner(
            source.members, assignment, people, source.left_out, source.unlisted
        )
        result.refused += ownerless
        if not found and not ownerless:
            raise UserError(
                f"There are no submissions in {origin}; "
                "name the folder or zip that the LMS gave you."
            )
        owners: list[tuple[OwnerFiles, Person]] = []
        for owned in found:
            try:
                owners.append((owned, find_person(owned.owner, people)))
            except UnknownOwner as error:
                result.refused.append(str(error))
        refused = find_conflicts(owners)
        window = _Window.of(course, assignment)
        timed = [(owned, person, window.newest(owned)) for owned, person in owners]
        # Several zips of one student are submissions of their own, the latest last.
        for owned, person, newest in sorted(
            timed, key=lambda one: (one[2] or window.start, one[0].owner.claim)
        ):
            if person.id in refused:
                continue
            try:
                yield _arrival_of(source, owned, person, received or newest, staging)
            except SubmissionRefused as error:
                result.refused.append(str(error))
        result.refused += refused.values()


_AHEAD = timedelta(minutes=5)
"""How far another machine's clock may be ahead of this one's."""

_LONGEST_TERM = timedelta(days=366)


@dataclass(frozen=True)
class _Window:
    """Tell which times a download may say that work came in at; any other is none.

    Programs that know no time write the start of an epoch, or that of some build; a clock that was
    never set starts years ago. Taken at its word, such a time would make late work early.

    Attributes:
        start: the earliest.
        end: the latest.
        zone: that of times which name none; this machine's when None.
    """

    start: datetime
    end: datetime
    zone: tzinfo | None

    @classmethod
    def of(cls, course: Course, assignment: str) -> _Window:
        start = datetime(1990, 1, 1, tzinfo=UTC)
        if due := find_due_date(course, assignment):
            start = max(start, due - _LONGEST_TERM)
            # An assignment that was put into the gradebook after it was due was handed out before.
            released = release_time(course, assignment)
            if released is not None and released < due:
                start = max(start, released)
        return cls(start, datetime.now(UTC) + _AHEAD, course.time_zone)

    def newest(self, owned: OwnerFiles) -> datetime | None:
        """Return when an owner's files came in, in UTC; None if the download doesn't say."""
        claimed = [member.modified for _, member in owned.files]
        if owned.owner.origin == "blackboard":
            claimed = [_attempt_time(owned.owner.claim)]
        times = [self._placed(one) for one in claimed if one is not None]
        return max((one for one in times if self.start <= one <= self.end), default=None)

    def _placed(self, moment: datetime) -> datetime:
        """Return a time in UTC; a wall clock's hour that comes twice is the later one."""
        if moment.tzinfo is None:
            local = moment.replace(fold=1)
            moment = local.replace(tzinfo=self.zone) if self.zone else local.astimezone()
        return moment.astimezone(UTC)


def _attempt_time(claim: str) -> datetime | None:
    try:
        return datetime.strptime(claim, "%Y-%m-%d-%H-%M-%S")
    except ValueError:
        return None


def _arrival_of(
    source: LmsDownload,
    owned: OwnerFiles,
    person: Person,
    arrived: datetime | None,
    staging: StagingFolder,
) -> Arrival:
    owner = owned.owner
    if not owned.files:
        raise SubmissionRefused(f"{owner.label} handed in links only, so nothing was taken.")
    is_untimed = arrived is None
    if arrived is None:
        arrived = datetime.now(UTC)  # an unknown time must not count as early
    staged = StagedFiles(staging, [name for name, _ in owned.files])
    source.take([member for _, member in owned.files], staged)
    return Arrival(
        student=person.id,
        origin=owner.origin,
        name=one_line(owned.files[0][1].name),
        files=staged.stored(),
        not_kept=[*staged.not_kept, *owned.unlisted],
        links=owned.links,
        deadline=staged.deadline,
        arrived=arrived.astimezone(UTC),
        late=owned.late if owner.origin == "canvas" else None,
        sequence=owned.sequence,
        untimed=is_untimed,
        entries=tuple(owned.entries),
    )
