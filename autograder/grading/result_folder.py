"""Move a finished result to `term/autograded`, in step with the gradebook.

Three steps, each of which either has happened or hasn't:

1. the result is complete in `.<assignment>.finished`, next to its place;
2. the gradebook takes its points, in one transaction (`GradebookWriter`);
3. the folder is moved to its place.

Whatever is interrupted, and however: a folder named `.finished` is a result that the next run
takes through steps 2 and 3 again, without running the submission. Doing step 2 twice writes the
same rows. Before step 1 there is no finished result, and after step 3 nothing is left to do.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from autograder.config import Course
from autograder.core import notebook_io
from autograder.core.atomic_io import plain_disk_errors, write_file

if TYPE_CHECKING:
    from nbformat import NotebookNode

RECORD_FILE = ".graded.json"
"""In a graded folder: which submission, against which assignment, it is the result of."""

_READ_ONLY = 0o444  # as nbgrader leaves what it has graded


@dataclass(frozen=True)
class ResultRecord:
    """Say what a result folder is the result of.

    Attributes:
        graded: the cache key of the submission and the assignment.
        received: when the submission was received, in UTC without a zone, as nbgrader keeps it;
            None if that wasn't recorded.
    """

    graded: str
    received: datetime | None

    def to_bytes(self) -> bytes:
        """Return the record as the JSON in `RECORD_FILE`."""
        time = self.received.isoformat() if self.received else None
        return json.dumps({"graded": self.graded, "received": time}).encode("ascii")

    @classmethod
    def from_file(cls, path: Path) -> ResultRecord:
        """Read the record that `to_bytes` wrote."""
        data = json.loads(path.read_text())
        time = data.get("received")
        return cls(data.get("graded", ""), datetime.fromisoformat(time) if time else None)


@dataclass(frozen=True)
class ResultFolder:
    """Name the folder of one graded submission, and the folders it passes through."""

    course: Course
    student: str
    assignment: str

    @cached_property
    def place(self) -> Path:
        """Return where the result belongs."""
        return self.course.place("autograded", self.student, self.assignment)

    @property
    def finished(self) -> Path:
        """Return where the result is while it is complete and not yet in its place."""
        return self.place.with_name(f".{self.assignment}.finished")

    @property
    def _unfinished(self) -> Path:
        return self.place.with_name(f".{self.assignment}.unfinished")

    @property
    def _previous(self) -> Path:
        return self.place.with_name(f".{self.assignment}.old")

    def finish(
        self, graded: dict[str, NotebookNode], files: dict[str, bytes], record: ResultRecord
    ) -> None:
        """Write the complete result next to its place (step 1).

        Args:
            graded: the executed notebooks by name, without ending.
            files: what else belongs to the submission, by path in its folder.
            record: what it is the result of.

        Raises:
            EnvironmentFault: the disk is full or the place isn't writable.
        """
        _remove(self._unfinished)
        with plain_disk_errors(self._unfinished):
            self._unfinished.mkdir(parents=True)
            contents = {f"{name}.ipynb": notebook_io.to_bytes(nb) for name, nb in graded.items()}
            for name, content in {**files, **contents}.items():
                write_file(self._unfinished / name, content)
                os.chmod(self._unfinished / name, _READ_ONLY)
            write_file(self._unfinished / RECORD_FILE, record.to_bytes())
            _remove(self.finished)
            os.rename(self._unfinished, self.finished)

    def install(self) -> None:
        """Move the finished folder to its place (step 3), and then remove the old one."""
        with plain_disk_errors(self.place):
            if self.place.exists():
                _remove(self._previous)
                os.rename(self.place, self._previous)
            os.rename(self.finished, self.place)
            _remove(self._previous)

    def is_between_places(self) -> bool:
        """Return whether step 3 was interrupted between its two moves."""
        return self._previous.exists() and not self.place.exists()

    def discard(self) -> None:
        """Remove what is finished but not in place, and what an interrupted write left."""
        if self.is_between_places():
            os.rename(self._previous, self.place)
        for path in (self.finished, self._unfinished, self._previous):
            _remove(path)

    def read(self, folder: Path) -> dict[str, NotebookNode]:
        """Return the graded notebooks in one of the folders, by name; none without a folder."""
        return {path.stem: notebook_io.read_graded(path) for path in sorted(folder.glob("*.ipynb"))}


def interrupted_folders(course: Course, assignment: str) -> Iterator[ResultFolder]:
    """Yield the folders of submissions at which an earlier run was interrupted."""
    found = {
        student
        for state in ("finished", "unfinished", "old")
        for student in course.students_in("autograded", f".{assignment}.{state}")
    }
    for student in sorted(found):
        yield ResultFolder(course, student, assignment)


def _remove(path: Path) -> None:
    if path.exists():
        shutil.rmtree(path)
