"""Keep the record that collecting makes of a submission, in `term/collected`, out of its reach."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

from autograder.config import Course
from autograder.core.atomic_io import write_file
from autograder.core.messages import Note


@dataclass(frozen=True)
class CollectionReceipt:
    """What collecting recorded of a submission: outside the submission, so out of its reach.

    Attributes:
        received: when it came in, ISO 8601 in UTC, from the exchange or the LMS.
        origin: "exchange", "canvas", "moodle", "blackboard" or "folder".
        name: the name it came under.
        notes: what collecting decided.
        time_known: whether `received` is when it came in; else it is when it was collected, the
            latest that it can have been.
    """

    received: str
    origin: str
    name: str
    notes: list[Note] = field(default_factory=list)
    time_known: bool = True


def receipt_file(course: Course, student: str, assignment: str) -> Path:
    """Return where the receipt of the submission in `term/submitted` is kept."""
    return course.collected / student / assignment / "receipt.json"


def record_receipt(
    course: Course, student: str, assignment: str, receipt: CollectionReceipt
) -> None:
    """Store the receipt of the submission that is now in `term/submitted`."""
    content = json.dumps(asdict(receipt), ensure_ascii=False, indent=1) + "\n"
    write_file(receipt_file(course, student, assignment), content.encode("utf-8"))


def find_receipt(course: Course, student: str, assignment: str) -> CollectionReceipt | None:
    """Return the receipt of when the submission was collected; None if nbgrader collected it."""
    place = receipt_file(course, student, assignment)
    if not place.is_file():
        return None
    data = json.loads(place.read_text(encoding="utf-8"))
    data["notes"] = [Note(**entry) for entry in data["notes"]]
    return CollectionReceipt(**data)
