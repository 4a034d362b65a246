"""Switch a student's notebook to another language in place, keeping the answers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from nbformat import NotebookNode

from autograder.config import Course
from autograder.core import notebook_io
from autograder.core.notebook_io import LANGUAGE_CELL, grade_id, is_solution
from autograder.errors import UserError
from autograder.notebook_metadata import put


@dataclass(frozen=True)
class Translated:
    """Describe what `translate` did.

    Attributes:
        path: the notebook.
        language: the language it is in now.
        switched: how many cells were switched.
        kept: the names of the prose cells that the student has edited and that stay as they are.
    """

    path: Path
    language: str
    switched: int
    kept: tuple[str, ...]


def translate(course: Course, path: Path, to: str) -> Translated:
    """Put a notebook's prose into another language; keep code, answers and own cells.

    A prose cell that the student has edited stays as it is and is named in the result.

    Args:
        course: the course that the notebook belongs to.
        path: the notebook, which is written in place.
        to: the code of the language.

    Raises:
        UserError: not a readable notebook, no such language, or not one of the course's.
    """
    known = _languages(course)
    if to not in known:
        raise UserError(f"There is no language {to!r}; choose one of: {', '.join(known)}.")
    own = notebook_io.read(path)
    now = notebook_io.language_of(own) or course.source_language
    target_path = _counterpart(course, own, to)
    origin_path = _counterpart(course, own, now)
    if target_path is None or origin_path is None:
        raise UserError(
            f"{path.name} isn't a lesson or assignment of this course, so it has no {to} version; "
            "name a notebook that came with the course."
        )
    switched, kept = _switch(
        own,
        notebook_io.read(origin_path),
        notebook_io.read(target_path),
        to,
        course.language_cell(to),
    )
    notebook_io.write(path, own)
    return Translated(path, to, switched, tuple(kept))


def _languages(course: Course) -> list[str]:
    """Return the languages of lessons and releases; a student's bundle has no sources."""
    folders = [*course.language_folders(course.settings.lessons)]
    folders += course.language_folders("release")
    return sorted(
        {folder.name for folder in folders if folder.parent != course.root and _has_any(folder)}
    )


def _has_any(folder: Path) -> bool:
    return next(folder.rglob("*.ipynb"), None) is not None


def _counterpart(course: Course, own: NotebookNode, code: str) -> Path | None:
    """Return the course's notebook in a language with the most cells in common."""
    ids = {cell.id for cell in own.cells} | {grade_id(cell) for cell in own.cells} - {None}
    prose = {cell.source.strip() for cell in own.cells if cell.source.strip()}
    best: tuple[int, Path | None] = (1, None)  # the language cell alone doesn't make a match
    for folder in ("release", course.settings.lessons):
        for path in sorted((course.root / folder / code).rglob("*.ipynb")):
            cells = notebook_io.read(path).cells
            score = sum(cell.id in ids or cell.source.strip() in prose for cell in cells)
            if score > best[0]:
                best = (score, path)
    return best[1]


def _switch(
    own: NotebookNode, origin: NotebookNode, target: NotebookNode, to: str, language_cell: str
) -> tuple[int, list[str]]:
    """Replace unedited prose in place; return how many cells changed and which were edited."""
    as_given = {cell.id: cell for cell in origin.cells}
    by_source = {cell.source.strip(): cell.id for cell in origin.cells if cell.source.strip()}
    wanted = {cell.id: cell for cell in target.cells}
    switched, kept = 0, []
    for cell in own.cells:
        name = cell.id if cell.id in wanted else by_source.get(cell.source.strip())
        if name is None or name not in wanted or name not in as_given:
            continue
        if name == LANGUAGE_CELL and cell.cell_type == "code":
            cell.source = language_cell
            switched += 1
        elif cell.cell_type != "code" and not is_solution(cell):
            if cell.source.strip() == as_given[name].source.strip():
                cell.source = wanted[name].source
                switched += 1
            elif cell.source.strip() != wanted[name].source.strip():
                kept.append(name)
    put(own, language=to)
    return switched, kept
