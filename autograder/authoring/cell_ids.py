"""Give descriptive ids to cells that have none, or a random one of JupyterLab's."""

from __future__ import annotations

import ast
import json
import re
import unicodedata
from collections.abc import Iterator
from pathlib import Path

from nbformat import NotebookNode

from autograder.config import Course
from autograder.core import notebook_io
from autograder.core.atomic_io import read_file
from autograder.core.notebook_io import LANGUAGE_CELL, grade_id

DESCRIPTIVE_ID = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
RANDOM_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){0,3}(-[0-9a-f]{12})?")
_WORDS = 4
_LENGTH = 40


def sources_with_ids(
    course: Course, sources: Iterator[tuple[str, Path]], others: list[str]
) -> dict[Path, bytes]:
    """Return the source notebooks that need ids, with them, and their translations.

    A translation's cells are found by their ids, so those change along.

    Args:
        course: the course.
        sources: each notebook's top folder and its path below its language's folder.
        others: the languages of the translations.

    Raises:
        UserError: a notebook can't be read.
    """
    files: dict[Path, bytes] = {}
    for folder, relative in sources:
        path = course.root / folder / course.source_language / relative
        content = read_file(path, notebook_io.SIZE_LIMIT)
        notebook = notebook_io.parse(content, path.name)
        stored = [cell.get("id") for cell in json.loads(content.decode("utf-8-sig"))["cells"]]
        language_cell = course.language_cell(course.source_language) if others else None
        renamed = give_ids(notebook, stored, language_cell)
        if not renamed:
            continue
        files[path] = notebook_io.to_bytes(notebook)
        for code in others:
            translation = course.root / folder / code / relative
            if translation.exists():
                own = notebook_io.read(translation)
                for cell in own.cells:
                    cell.id = renamed.get(cell.id, cell.id)
                files[translation] = notebook_io.to_bytes(own)
    return files


def give_ids(
    notebook: NotebookNode,
    stored: list[object] | None = None,
    language_cell: str | None = None,
) -> dict[str, str]:
    """Change the ids of a notebook's cells that say nothing; return the new ones by the old.

    A cell that nbgrader knows is called by its grade id; others by their heading, their first
    words, or the first name that they bind.

    Args:
        notebook: changed in place.
        stored: each cell's id in the file, None for those that reading had to make up.
        language_cell: the source of the cell that sets the language, where there is one.
    """
    made_up = stored or [cell.id for cell in notebook.cells]
    needing = [
        cell
        for cell, name in zip(notebook.cells, made_up, strict=True)
        if not isinstance(name, str) or RANDOM_ID.fullmatch(name)
    ]
    taken = {cell.id for cell in notebook.cells if cell not in needing}
    # Nobody else gets what nbgrader calls a cell by.
    reserved = {name for cell in notebook.cells if (name := grade_id(cell))}
    renamed = {}
    for cell in needing:
        own = grade_id(cell)
        if own and DESCRIPTIVE_ID.fullmatch(own) and own not in taken:
            name = own
        elif cell.source == language_cell and LANGUAGE_CELL not in taken:
            name = LANGUAGE_CELL
        else:
            name = _free(_described(cell), taken | reserved)
        taken.add(name)
        renamed[cell.id] = name
        cell.id = name
    return renamed


def _free(name: str, taken: set[str]) -> str:
    number, free = 1, name
    while free in taken:
        number += 1
        free = f"{name}-{number}"
    return free


def _described(cell: NotebookNode) -> str:
    """Return what a cell's text says it is about, in the form of an id."""
    says = _names_bound(cell.source) if cell.cell_type == "code" else _first_words(cell.source)
    letters = unicodedata.normalize("NFKD", says).encode("ascii", "ignore").decode().lower()
    words = re.findall(r"[a-z0-9]+", letters)
    while words and not words[0][0].isalpha():
        words = words[1:]
    name = "-".join(words[:_WORDS])[:_LENGTH].strip("-")
    if name and not RANDOM_ID.fullmatch(name):
        return name
    return "code" if cell.cell_type == "code" else "text"


def _first_words(text: str) -> str:
    """Return a text's heading, else its first line that has words."""
    lines = [line.strip() for line in text.splitlines() if re.search(r"[^\W\d_]", line)]
    headings = [line for line in lines if line.startswith("#")]
    return re.sub(r"\]\([^)]*\)|<[^>]*>", " ", (headings or lines or [""])[0])


def _names_bound(code: str) -> str:
    """Return the first function, class or variable that code binds, else its first words."""
    try:
        body = ast.parse(code).body
    except (SyntaxError, ValueError):
        return _first_words(code)
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            return node.name
    for node in body:
        targets = node.targets if isinstance(node, ast.Assign) else []
        for name in targets:
            if isinstance(name, ast.Name):
                return name.id
    if body and isinstance(body[0], ast.Import | ast.ImportFrom):
        return "imports"
    return _first_words(code)
