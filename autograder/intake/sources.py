"""Define what an archive and a folder from outside have in common.

A source lists its members under names that are safe to use and reads their bytes under limits.
Nothing is extracted: bytes reach the disk only when a caller that has judged them writes them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import Self

from autograder.intake.errors import BadArchive
from autograder.intake.member_names import is_ignored
from autograder.intake.upload_limits import (
    MIB,
    Budget,
    UploadLimits,
)


@dataclass(frozen=True)
class Member:
    """Describe a file in a source.

    Attributes:
        name: path in the source: composed Unicode, "/" between parts, never leading outside.
        modified: when the source says it was last changed, in UTC, or without a zone where it keeps
            a wall clock's time; None where it doesn't say.
        key: how the source finds it again.
    """

    name: str
    modified: datetime | None
    key: object

    @property
    def base(self) -> str:
        """Return the last part of the name."""
        return PurePosixPath(self.name).name


class Source:
    """List and read files from outside, within limits; a context manager.

    Args:
        name: what to call it in a message.
        limits: the most that is read from it.
        budget: what is left for it and for other sources together; its own limits when None.
        of_class: whether many students' files are in it, so that too many are no error: each
            student's are counted when they are taken.

    Attributes:
        name: what to call it in a message.
        members: the files there are, in the source's order.
        left_out: the names of links and devices, which are never read.
        unlisted: the first names of each part of a folder that has more files than are listed.
    """

    def __init__(
        self,
        name: str,
        limits: UploadLimits,
        budget: Budget | None = None,
        of_class: bool = False,
    ) -> None:
        self.name = name
        self.limits = limits
        self.members: list[Member] = []
        self.left_out: list[str] = []
        self.unlisted: list[str] = []
        self._budget = budget or Budget(limits)
        self._of_class = of_class

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the files behind it."""

    def read(self, member: Member) -> bytes:
        """Return the bytes of a member.

        Raises:
            BadArchive: it is damaged, or larger than the limits, whatever its header says.
        """
        limits = self.limits
        allowed = min(limits.member_bytes, max(0, self._budget.total_bytes))
        content = self._read(member, allowed + 1)
        # What was too much has been unpacked all the same.
        self._budget.total_bytes -= len(content)
        if len(content) > limits.member_bytes:
            raise BadArchive(
                f"{self.name}: {member.base} has more than the "
                f"{limits.member_bytes // MIB:,} MiB a file may have; leave it out or make it "
                "smaller."
            )
        if len(content) > allowed:
            raise BadArchive(
                f"{self.name} holds more than the {limits.total_bytes // MIB:,} MiB it may hold "
                "when unpacked; pack only the files the assignment asks for."
            )
        return content

    def _read(self, member: Member, limit: int) -> bytes:
        raise NotImplementedError

    def _add(self, member: Member) -> None:
        if is_ignored(member.name):
            return
        self._budget.members -= 1
        if self._budget.members < 0 and not self._of_class:
            raise BadArchive(
                f"{self.name} holds more than the {self.limits.members:,} files it may hold; "
                "pack only the files the assignment asks for."
            )
        self.members.append(member)


_EARLIEST = datetime(1990, 1, 1, tzinfo=UTC).timestamp()
"""Whatever says that it is older was written by something that knows no time (1970, 1980)."""

_LATEST = datetime(2106, 1, 1, tzinfo=UTC).timestamp()
"""The same for the end of the years that fit a field (2106, 2107)."""


def plausible_time(seconds: float) -> datetime | None:
    """Return a time in UTC; None if it is one that a source which keeps no time has.

    Args:
        seconds: since the epoch.
    """
    return datetime.fromtimestamp(seconds, UTC) if _EARLIEST <= seconds < _LATEST else None
