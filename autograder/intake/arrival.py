"""Describe a submission as it came in, before any of it is judged."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

_CHUNK_BYTES = 256 * 1024


@dataclass(frozen=True)
class StoredFile:
    """Describe a file of a submission, as it was received.

    Attributes:
        name: as the student named it.
        place: the path of its bytes in the staging folder.
        size: in bytes.
    """

    name: str
    place: Path
    size: int


@dataclass(frozen=True)
class Arrival:
    """Describe one submission as it came in, before any of it is judged.

    Attributes:
        student: the student's id.
        origin: "exchange", "canvas", "moodle", "blackboard" or "folder".
        name: what the submission is called in messages.
        files: on this disk, byte for byte as they came.
        not_kept: the names of files that are too large or too many.
        links: the names of links and devices, which are never read.
        arrived: when the exchange or the download says it came in, in UTC.
        late: the LMS's mark, None where the LMS sets none.
        sequence: Canvas's file id, which orders submissions with the same time.
        stamp: the exchange's time as nbgrader wrote it, kept to the letter; empty if nbgrader
            itself would misread it.
        time_given: whether the instructor gave the time, which then decides.
        untimed: whether the download doesn't say when it came in, so that now counts: it can't have
            been later.
        entries: the names of those files that are a text or an address entered in the LMS.
        deadline: when opening it must have ended, in seconds of `time.monotonic`.
    """

    student: str
    origin: str
    name: str
    files: list[StoredFile]
    not_kept: list[str]
    links: list[str]
    arrived: datetime
    late: bool | None = None
    sequence: int = 0
    stamp: str = ""
    time_given: bool = False
    untimed: bool = False
    entries: tuple[str, ...] = ()
    deadline: float = 0.0

    @property
    def has_only_entries(self) -> bool:
        """Return whether nothing was handed in but what was entered in the LMS."""
        return bool(self.entries) and len(self.files) <= len(self.entries)

    def digest(self) -> str:
        """Return the SHA-256 over names and contents."""
        seen = hashlib.sha256()
        for one in self.files:
            seen.update(f"{one.name}\0{one.size}\0".encode("utf-8", "surrogatepass"))
            with one.place.open("rb") as stream:
                while piece := stream.read(_CHUNK_BYTES):
                    seen.update(piece)
        for name in self.not_kept:
            seen.update(f"{name}\0not kept\0".encode("utf-8", "surrogatepass"))
        return seen.hexdigest()
