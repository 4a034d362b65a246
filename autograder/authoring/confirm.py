"""Record that a translated notebook matches the current English text."""

from __future__ import annotations

from pathlib import Path

from autograder.authoring.sync import confirm
from autograder.config import Course
from autograder.core import notebook_io
from autograder.errors import UserError


def confirm_translation(course: Course, path: Path, cells: list[str] | None = None) -> list[str]:
    """Record that the prose of a translated source notebook matches the current English text.

    Args:
        course: the course.
        path: the translation, below `notebooks/` or `source/`.
        cells: the ids of the cells to confirm; None for every cell that is translated.

    Returns:
        The ids of the cells whose record changed.

    Raises:
        UserError: the notebook isn't the translation of a source notebook, or has no such cell.
    """
    parts = path.resolve().relative_to(course.root).parts if _is_below(path, course) else ()
    if (
        len(parts) < 3
        or parts[0] not in (course.settings.lessons, "source")
        or parts[1] == course.source_language
    ):
        raise UserError(
            f"{path} isn't a translated source notebook; "
            f"name one below {course.settings.lessons}/ or source/."
        )
    english = course.root.joinpath(parts[0], course.source_language, *parts[2:])
    own = notebook_io.read(path)
    if unknown := set(cells or []) - {cell.id for cell in own.cells}:
        raise UserError(f"{path.name} has no cell {sorted(unknown)[0]!r}; check the id.")
    changed = confirm(notebook_io.read(english), own, cells)
    notebook_io.write(path, own)
    return changed


def _is_below(path: Path, course: Course) -> bool:
    return path.resolve().is_relative_to(course.root)
