"""Record when an assignment was released, and what its solutions were then.

The gradebook keeps checksums of the cells that students get, and so none of the solutions. But
hidden checks ask the instructor's own solution (`reference`): changed since the release, it
would grade a class by something else than what was handed out.
"""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from autograder.config import Course
from autograder.core.atomic_io import write_file
from autograder.core.notebook_io import is_solution
from autograder.errors import UserError

if TYPE_CHECKING:
    from nbformat import NotebookNode

# `grade` reads records before its workers have started, and nbgrader takes seconds to import.


def record_release(course: Course, assignment: str, sources: dict[str, NotebookNode]) -> None:
    """Record the solutions of an assignment that has just been released.

    Args:
        course: whose term it is.
        assignment: its name.
        sources: the source notebooks by name.
    """
    found = {name: _digests(source) for name, source in sources.items()}
    content = json.dumps(found, indent=1, sort_keys=True) + "\n"
    write_file(_place(course, assignment), content.encode("utf-8"))
    if release_time(course, assignment) is None:
        now = datetime.now(UTC).isoformat(timespec="seconds")
        write_file(_time_place(course, assignment), f"{now}\n".encode())


def release_time(course: Course, assignment: str) -> datetime | None:
    """Return when an assignment was first released here, in UTC; None if that isn't recorded."""
    try:
        written = _time_place(course, assignment).read_text(encoding="ascii")
        return datetime.fromisoformat(written.strip()).astimezone(UTC)
    except (OSError, ValueError):
        return None


def has_gradebook(course: Course) -> bool:
    """Return whether there is a gradebook yet; asking makes none."""
    return course.db is not None or (course.term / "gradebook.db").is_file()


def released_assignments(course: Course) -> list[str] | None:
    """Return the assignments whose cells the gradebook knows, sorted; None without a gradebook."""
    if not has_gradebook(course):
        return None
    with course.gradebook() as gradebook:
        return sorted(one.name for one in gradebook.assignments if one.notebooks)


def solutions_changed(
    course: Course, assignment: str, notebook: str, source: NotebookNode
) -> list[str]:
    """Return the answer cells whose solution isn't the released one; none without a record."""
    try:
        recorded = json.loads(_place(course, assignment).read_text(encoding="utf-8"))[notebook]
    except (OSError, ValueError, KeyError, TypeError):
        return []  # released by nbgrader itself
    now = _digests(source)
    return sorted(name for name in now.keys() | recorded if now.get(name) != recorded.get(name))


def require_released(course: Course, assignment: str) -> None:
    """Make sure that the gradebook knows the assignment's cells.

    Raises:
        UserError: it doesn't.
    """
    from nbgrader.api import MissingEntry

    with course.gradebook() as gradebook:
        try:
            known = gradebook.find_assignment(assignment).notebooks
        except MissingEntry:
            known = []
    if not known:
        raise UserError(
            f"{assignment} isn't in the gradebook yet; "
            f"run `{course.command('release', assignment)}` first."
        )


def _place(course: Course, assignment: str) -> Path:
    return course.term / "released" / f"{assignment}.json"


def _time_place(course: Course, assignment: str) -> Path:
    return course.term / "released" / f"{assignment}.time"


def _digests(source: NotebookNode) -> dict[str, str]:
    return {
        cell.id: hashlib.sha256(cell.source.encode("utf-8")).hexdigest()
        for cell in source.cells
        if cell.cell_type == "code" and is_solution(cell)
    }
