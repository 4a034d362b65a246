"""A submission as it came in, before anything of it is judged."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

_CHUNK_BYTES = 256 * 1024


@dataclass(frozen=True)
class StoredFile:
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
        time_given: whether the instructor gave the time, which then decides.
        untimed: whether the download doesn't say when it came in, so that now counts.
        deadline: when opening it must have come to an end, as `time.monotonic`.
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
    deadline: float = 0.0

    def digest(self) -> str:
        """SHA-256 over names and contents."""
        seen = hashlib.sha256()
        for one in self.files:
            seen.update(f"{one.name}\0{one.size}\0".encode("utf-8", "surrogatepass"))
            with one.place.open("rb") as stream:
                while piece := stream.read(_CHUNK_BYTES):
                    seen.update(piece)
        for name in self.not_kept:
            seen.update(f"{name}\0not kept\0".encode("utf-8", "surrogatepass"))
        return seen.hexdigest()
