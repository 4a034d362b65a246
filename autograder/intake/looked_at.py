"""Keep which folders of the exchange the last `collect` has looked at.

What it refused stays in the exchange, and would look like something to collect for ever.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from autograder.config import Course
from autograder.core.atomic_io import write_file


def last_changes(folders: Iterable[Path]) -> dict[str, int]:
    """Return when each folder was changed, in nanoseconds as the system counts them, by name."""
    found = {}
    for folder in folders:
        with suppress(OSError):  # removed meanwhile
            found[folder.name] = folder.lstat().st_ctime_ns
    return found


def record_looked_at(course: Course, assignment: str, changes: dict[str, int]) -> None:
    """Record the folders that a `collect` has looked at.

    Args:
        course: whose exchange it is.
        assignment: the assignment's name.
        changes: of `last_changes`, from before it looked.

    Raises:
        EnvironmentFault: the term's folder can't be written.
    """
    write_file(_place(course, assignment), json.dumps(changes).encode("ascii"))


def looked_at(course: Course, assignment: str) -> dict[str, int]:
    """Return what was recorded last; nothing without a record."""
    try:
        found = json.loads(_place(course, assignment).read_text(encoding="ascii"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _place(course: Course, assignment: str) -> Path:
    return course.term / "looked-at" / f"{assignment}.json"
