"""Record what was collected from a student for an assignment, in `history.json`."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from autograder.config import Course
from autograder.core.atomic_io import write_file
from autograder.errors import UserError


@dataclass(frozen=True)
class HistoryEntry:
    """Record one submission that was collected.

    The last entry is what is in `term/submitted`.

    Attributes:
        folder: its folder in `term/collected/<student>/<assignment>`.
        digest: SHA-256 over its files (`Arrival.digest`).
        arrived: when it came in, in UTC, ISO 8601.
        sequence: Canvas's file id; 0 elsewhere.
    """

    folder: str
    digest: str
    arrived: str
    sequence: int

    def is_again(self, other: HistoryEntry) -> bool:
        """Return whether this and `other` are the same content at the same time."""
        if self.digest != other.digest:
            return False
        if self.sequence and other.sequence:
            return self.sequence == other.sequence
        return self.arrived == other.arrived

    def is_before(self, other: HistoryEntry) -> bool:
        """Return whether this was submitted before `other`.

        Canvas's file ids decide, else the times.
        """
        if self.sequence and other.sequence:
            return self.sequence < other.sequence
        return datetime.fromisoformat(self.arrived) < datetime.fromisoformat(other.arrived)


def _history_file(course: Course, student: str, assignment: str) -> Path:
    return course.collected / student / assignment / "history.json"


def read_history(course: Course, student: str, assignment: str) -> list[HistoryEntry]:
    """Return what was collected from a student before, the oldest first.

    Raises:
        UserError: the file was changed by hand and can't be read.
    """
    place = _history_file(course, student, assignment)
    if not place.is_file():
        return []
    try:
        return [HistoryEntry(**entry) for entry in json.loads(place.read_text(encoding="utf-8"))]
    except (ValueError, TypeError):
        raise UserError(
            f"{place} was changed by hand and can't be read; remove it and collect again."
        ) from None


def write_history(
    course: Course, student: str, assignment: str, history: list[HistoryEntry]
) -> None:
    """Write the history of a student's submissions."""
    content = json.dumps([asdict(entry) for entry in history], ensure_ascii=False, indent=1)
    write_file(_history_file(course, student, assignment), (content + "\n").encode("utf-8"))
