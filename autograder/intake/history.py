"""The history of what was collected from a student for an assignment."""

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
    """One line of the history of what was collected from a student for an assignment.

    The last line is what is in `term/submitted`.
    """

    folder: str
    digest: str
    arrived: str
    sequence: int

    def is_again(self, other: HistoryEntry) -> bool:
        """Whether this is what `other` was: the same content, handed in at the same time."""
        if self.digest != other.digest:
            return False
        if self.sequence and other.sequence:
            return self.sequence == other.sequence
        return self.arrived == other.arrived

    def is_before(self, other: HistoryEntry) -> bool:
        """Whether this was handed in before `other`. Canvas's file ids tell; else the times."""
        if self.sequence and other.sequence:
            return self.sequence < other.sequence
        return datetime.fromisoformat(self.arrived) < datetime.fromisoformat(other.arrived)


def _history_file(course: Course, student: str, assignment: str) -> Path:
    return course.collected / student / assignment / "history.json"


def read_history(course: Course, student: str, assignment: str) -> list[HistoryEntry]:
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
    content = json.dumps([asdict(entry) for entry in history], ensure_ascii=False, indent=1)
    write_file(_history_file(course, student, assignment), (content + "\n").encode("utf-8"))
