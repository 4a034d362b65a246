"""Write the due dates of a term for students: `release/due.json`, and the same in the exchange.

| key           | value                                                                    |
|---------------|--------------------------------------------------------------------------|
| `assignments` | a list, sorted by name; each with                                        |
| `name`        | the assignment's name                                                    |
| `title`       | its title by language                                                    |
| `due`         | ISO 8601 with the offset of the course's time zone; null without a date  |

An extension is one student's own business and isn't in it. Whoever shows a date brings it into the
reader's own time zone. In the exchange it lies beside `outbound`, for servers whose users get no
bundle (a hub).
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection
from datetime import UTC
from pathlib import Path
from typing import Any

from autograder.config import Course
from autograder.core import notebook_io
from autograder.core.atomic_io import write_file
from autograder.core.question_titles import notebook_title
from autograder.errors import UserError

DUE_RECORD = "release/due.json"
"""Where it lies in a course's folder."""

EXCHANGE_RECORD = "due.json"
"""Its name in the course's folder of the exchange."""


def write_due_record(course: Course) -> None:
    """Write the due dates that the gradebook holds now.

    Raises:
        EnvironmentFault: the gradebook can't be used, or the folder isn't writable.
    """
    if course.is_by_nbgrader:
        return  # its students have no page that shows them
    content = due_record(course)
    write_file(course.root / DUE_RECORD, content)
    exchange = Path(course.nbgrader_config().Exchange.root) / course.id
    # Only where this course has released: a course of another person may have the same id.
    if (exchange / "outbound").is_dir() and os.access(exchange, os.W_OK):
        write_file(exchange / EXCHANGE_RECORD, content)


def due_record(course: Course, assignments: Collection[str] | None = None) -> bytes:
    """Return the file's content.

    Args:
        course: the course.
        assignments: those to tell of; by default all that the gradebook knows.

    Raises:
        EnvironmentFault: the gradebook can't be used.
    """
    with course.gradebook() as gradebook:
        dues = {one.name: one.duedate for one in gradebook.assignments if one.notebooks}
    told: list[dict[str, Any]] = []
    for name, due in sorted(dues.items()):
        if assignments is None or name in assignments:
            local = due.replace(tzinfo=UTC).astimezone(course.time_zone) if due else None
            told.append(
                {
                    "name": name,
                    "title": _titles(course, name),
                    "due": local.isoformat() if local else None,
                }
            )
    text = json.dumps({"assignments": told}, ensure_ascii=False, indent=1)
    return (text + "\n").encode("utf-8")


def _titles(course: Course, assignment: str) -> dict[str, str]:
    found = {}
    for code in course.languages():
        for path in sorted((course.source(code) / assignment).glob("*.ipynb"))[:1]:
            try:
                found[code] = notebook_title(notebook_io.read(path)) or assignment
            except UserError:  # `check` tells
                found[code] = assignment
    return found
