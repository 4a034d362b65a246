"""Keep how many pairs of similar submissions an assignment has, for other pages to show."""

from __future__ import annotations

import json
from pathlib import Path

from autograder.config import Course
from autograder.core.atomic_io import write_file


def record_pairs(course: Course, assignment: str, pairs: int) -> None:
    """Record the number of pairs that were listed."""
    content = json.dumps({"pairs": pairs}) + "\n"
    write_file(_place(course, assignment), content.encode("utf-8"))


def recorded_pairs(course: Course, assignment: str) -> int | None:
    """Return the number of pairs last listed; None if the class wasn't compared."""
    try:
        found = json.loads(_place(course, assignment).read_text(encoding="utf-8"))["pairs"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return found if isinstance(found, int) else None


def page_path(course: Course, assignment: str, folder: Path | None = None) -> Path:
    """Return where the page of an assignment's similar submissions lies."""
    return (folder or course.term / "reports") / f"{assignment}-similar.html"


def _place(course: Course, assignment: str) -> Path:
    return course.term / "reports" / f"{assignment}-similar.json"
