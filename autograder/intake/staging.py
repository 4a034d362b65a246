"""Stage the files of one submission on the term's disk, within its limits."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from autograder.config import Course
from autograder.core.atomic_io import plain_disk_errors
from autograder.intake.arrival import StoredFile
from autograder.intake.identify import is_notebook_name
from autograder.intake.upload import BOOKKEEPING
from autograder.intake.upload_limits import (
    COPYING_SECONDS,
    STUDENT_LIMITS,
    SUBMISSION_SECONDS,
)

_CHUNK_BYTES = 256 * 1024

_LEFT_OVER_SECONDS = 24 * 3600


class StagingFolder:
    """Hold the files of one submission until they are moved to their places."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._number = 0

    def clear(self) -> None:
        """Remove all files, for the next submission."""
        for path in self._folder.iterdir():
            path.unlink()

    def place(self) -> Path:
        """Return a new path for a file."""
        self._number += 1
        return self._folder / str(self._number)


@contextmanager
def staging_folder(course: Course) -> Iterator[StagingFolder]:
    """Make a staging folder in the term, and remove it at the end of the block.

    Folders of runs that were killed are removed once they are a day old.

    Raises:
        EnvironmentFault: the disk is full or can't be written.
    """
    course.term.mkdir(parents=True, exist_ok=True)
    for left_over in course.term.glob(".intake-*"):  # of a run that was killed
        if time.time() - left_over.stat().st_mtime > _LEFT_OVER_SECONDS:
            shutil.rmtree(left_over, ignore_errors=True)
    with plain_disk_errors(course.term):
        folder = Path(tempfile.mkdtemp(prefix=".intake-", dir=course.term))
    try:
        yield StagingFolder(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class StagedFiles:
    """Write one submission's files and enforce its limits on them.

    Args:
        staging: where they go; what is there is removed.
        names: of all files, as the student named them.
    """

    def __init__(self, staging: StagingFolder, names: Sequence[str]) -> None:
        staging.clear()
        self._room = staging
        # Should there be too many, nbgrader's own come first, then what may be the notebook.
        order = sorted(
            range(len(names)),
            key=lambda at: (names[at] not in BOOKKEEPING, not is_notebook_name(names[at])),
        )
        self.chosen = sorted(order[: STUDENT_LIMITS.members])
        self.not_kept = [names[at] for at in order[STUDENT_LIMITS.members :]]
        self._names = names
        self._left = STUDENT_LIMITS.total_bytes
        self._places: dict[int, Path] = {}
        self._sizes: dict[int, int] = {}
        self._start = time.monotonic()
        self.deadline = self._start + SUBMISSION_SECONDS

    def put(self, at: int, piece: bytes) -> bool:
        """Append to a file.

        Args:
            at: the index of its name.
            piece: the next bytes; the first piece creates the file.

        Returns:
            Whether the file may go on; False if it was dropped.
        """
        if at not in self._places:
            self._places[at], self._sizes[at] = self._room.place(), 0
        if self._sizes[at] < 0:
            return False
        self._sizes[at] += len(piece)
        self._left -= len(piece)
        too_much = self._sizes[at] > STUDENT_LIMITS.member_bytes or self._left < 0
        if too_much or time.monotonic() > self._start + COPYING_SECONDS:
            self.drop(at)
            return False
        with plain_disk_errors(self._places[at]), self._places[at].open("ab") as target:
            target.write(piece)
        return True

    def drop(self, at: int) -> None:
        """Drop a file and keep its name only."""
        size = self._sizes.get(at, 0)
        if size < 0:
            return
        if at in self._places:
            self._places[at].unlink(missing_ok=True)
        self._left += size
        self._sizes[at] = -1
        self.not_kept.append(self._names[at])

    def copy(self, at: int, descriptor: int) -> None:
        """Copy a whole file of this disk.

        Args:
            at: the index of its name.
            descriptor: of the file, open for reading.
        """
        if os.fstat(descriptor).st_size > STUDENT_LIMITS.member_bytes:
            self.drop(at)
            return
        self.put(at, b"")
        while piece := os.read(descriptor, _CHUNK_BYTES):
            if not self.put(at, piece):
                return

    def stored(self) -> list[StoredFile]:
        """Return the files that are whole."""
        return [
            StoredFile(self._names[at], self._places[at], self._sizes[at])
            for at in sorted(self._places)
            if self._sizes[at] >= 0
        ]
