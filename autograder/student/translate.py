"""Switch a student's notebook to another language in place, keeping the answers."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nbformat import NotebookNode

from autograder.config import Course
from autograder.core import notebook_io
from autograder.core.atomic_io import read_file, write_file
from autograder.core.notebook_io import LANGUAGE_CELL, SIZE_LIMIT, is_solution
from autograder.errors import UserError
from autograder.intake.notebook_json import is_read_whole, normalized, rows, source_key
from autograder.intake.notebook_reader import Unreadable, parsed, plain_notebook
from autograder.intake.submission import CourseCells, course_cells, normalized_source
from autograder.notebook_metadata import entries, put, used_in
from autograder.student.own_notebook import unreadable
from autograder.student.work_history import keep_version

_SET_LANGUAGE = re.compile(r"""^(\s*set_language\(\s*)(["'])[a-z]{2,3}\2""", re.MULTILINE)


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
    """Put a notebook's prose into another language; keep everything else that is in the file.

    A prose cell that the student has edited stays as it is and is named in the result.

    Args:
        course: the course that the notebook belongs to.
        path: the notebook, which is written in place.
        to: the code of the language.

    Raises:
        UserError: not a readable notebook, no such language, not one of the course's, or nothing
            in it can be switched; nothing was written.
    """
    known = _languages(course)
    if not known:
        raise UserError(
            "There are no other versions of the notebook here; run this in the course's folder, "
            "where release/ is."
        )
    if to not in known:
        raise UserError(f"There is no language {to!r}; choose one of: {', '.join(known)}.")
    data = _parsed(path)
    versions = _versions(course, data)
    if to not in versions:
        raise UserError(
            f"{path.name} isn't a lesson or assignment of this course, so it has no {to} version; "
            "name a notebook that came with the course."
        )
    switched, there, kept = _switch(data, versions, to)
    if not switched and not there:
        raise UserError(
            f"Nothing in {path.name} can be switched to {to}, since all of its prose was edited; "
            f"take a new copy of the {to} version and move your answers there."
        )
    if not isinstance(data.get("metadata"), dict):
        data["metadata"] = {}
    put(data, used_in(data if entries(data) else versions[to]), language=to)
    text = json.dumps(data, ensure_ascii=False, indent=1, separators=(",", ": "))
    keep_version(course, path)
    write_file(path, (text + "\n").encode("utf-8", "replace"))
    return Translated(path, to, switched, tuple(kept))


def _parsed(path: Path) -> dict[str, Any]:
    """Return a notebook as its file has it."""
    content = read_file(path, SIZE_LIMIT)
    try:
        data = parsed(content)
        plain_notebook(data)
    except Unreadable as error:
        raise unreadable(path.name, error) from None
    if not is_read_whole(content):
        raise UserError(
            f"{path.name} is damaged, and switching its language would lose a part of it; open it "
            "in JupyterLab, save it and try again."
        )
    found: dict[str, Any] = data
    return found


def _languages(course: Course) -> list[str]:
    """Return the languages of lessons and releases; a student's bundle has no sources."""
    folders = [*course.language_folders(course.settings.lessons)]
    folders += course.language_folders("release")
    return sorted(
        {folder.name for folder in folders if folder.parent != course.root and _has_any(folder)}
    )


def _has_any(folder: Path) -> bool:
    return next(folder.rglob("*.ipynb"), None) is not None


def _versions(course: Course, data: dict[str, Any]) -> dict[str, NotebookNode]:
    """Return the course's notebook with the most cells in common, in each of its languages."""
    own = _cells(data)
    best: tuple[int, dict[str, NotebookNode]] = (1, {})  # the language cell alone is no match
    for part in ("release", course.settings.lessons):
        folders = course.language_folders(part)
        for relative in sorted(
            {p.relative_to(one) for one in folders for p in one.rglob("*.ipynb")}
        ):
            versions = {
                folder.name: notebook_io.read(folder / relative)
                for folder in folders
                if (folder / relative).is_file()
            }
            known = _known(versions.values())
            score = len({name for cell in own if (name := _name(cell, known))})
            if score > best[0]:
                best = (score, versions)
    return best[1]


def _cells(data: dict[str, Any]) -> list[dict[str, Any]]:
    plain = normalized(data)
    cells: list[dict[str, Any]] = plain["cells"] if plain else []
    return cells


def _known(versions: Iterable[NotebookNode]) -> CourseCells:
    notebooks = list(versions)
    return course_cells(notebooks, notebooks, ())


def _name(cell: dict[str, Any], known: CourseCells) -> str | None:
    """Return the id of the course's cell that one of the student's is."""
    grader = cell["metadata"].get("nbgrader")
    grade_id = grader.get("grade_id") if isinstance(grader, dict) else None
    marks = (grade_id, cell["id"], cell["metadata"].get("id"))
    return known.find((mark if isinstance(mark, str) else None for mark in marks), cell["source"])


def _switch(
    data: dict[str, Any], versions: dict[str, NotebookNode], to: str
) -> tuple[int, int, list[str]]:
    """Replace unedited prose in a notebook's JSON.

    Returns:
        How many cells were changed, how many are in that language already, and the ids of those
        that the student has edited.
    """
    known = _known(versions.values())
    wanted = {cell.id: cell for cell in versions[to].cells}
    as_given: dict[str, set[str]] = {}
    for version in versions.values():
        for cell in version.cells:
            as_given.setdefault(cell.id, set()).add(normalized_source(cell.source))
    switched, there, kept = 0, 0, []
    for row, cell in zip(rows(data) or (), _cells(data), strict=True):
        name = _name(cell, known)
        if name is None or name not in wanted:
            continue
        given = wanted[name]
        is_given = normalized_source(cell["source"]) in as_given[name]
        if name == LANGUAGE_CELL and given.cell_type == "code" and not is_given:
            # Whatever else the student has put into the cell stays.
            new, calls = _SET_LANGUAGE.subn(rf"\g<1>\g<2>{to}\g<2>", cell["source"])
            if not calls:
                kept.append(name)
                continue
        elif name != LANGUAGE_CELL and (given.cell_type == "code" or is_solution(given)):
            continue
        elif is_given:
            new = given.source
        else:
            kept.append(name)
            continue
        if normalized_source(new) == normalized_source(cell["source"]):
            there += len(as_given[name]) > 1  # some prose is the same in every language
        else:
            _put_source(row, new)
            switched += 1
    return switched, there, kept


def _put_source(row: dict[str, Any], source: str) -> None:
    """Put a text into a cell in the form that its text has in the file."""
    key = source_key(row)
    old = row.get(key)
    was = "".join(filter(_is_text, old)) if isinstance(old, list) else old
    if isinstance(was, str) and "\r\n" in was:
        source = source.replace("\n", "\r\n")
    if row.get("cell_type") == "heading":
        row["cell_type"] = "markdown"
        row.pop("level", None)
    row[key] = source if isinstance(old, str) else source.splitlines(keepends=True)


def _is_text(value: object) -> bool:
    return isinstance(value, str)
