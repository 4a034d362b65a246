"""Remember the read-only cells that students were ever given, however they were mended since.

A test that the instructor corrects during the term differs from the one in students' hands, and no
student has changed it. So each version that was released, or graded with, leaves a digest.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from nbformat import NotebookNode

from autograder.config import Course
from autograder.core import notebook_io
from autograder.core.atomic_io import write_file
from autograder.core.notebook_io import grade_id, is_solution
from autograder.errors import UserError
from autograder.intake.submission import normalized_source

GivenBefore = Mapping[str, frozenset[str]]
"""By cell id, the digests of every version that was given out."""


def source_digest(source: str) -> str:
    """Return the digest of a cell's source, the same whatever editors change unasked."""
    return hashlib.sha256(normalized_source(source).encode("utf-8", "replace")).hexdigest()


def record_given(course: Course, assignment: str, released: Mapping[str, NotebookNode]) -> None:
    """Add the read-only cells of released notebooks to the record.

    Args:
        course: whose term it is.
        assignment: its name.
        released: the notebooks as students get them, by name.
    """
    before = _recorded(course, assignment)
    found = {name: {**cells} for name, cells in before.items()}
    for name, notebook in released.items():
        _add(found.setdefault(name, {}), notebook)
    if found != before:
        content = json.dumps(found, indent=1, sort_keys=True) + "\n"
        write_file(_place(course, assignment), content.encode("utf-8"))


def given_before(course: Course, assignment: str, notebook: str) -> GivenBefore:
    """Return every version of a notebook's read-only cells that is known to have been given out."""
    cells = {**_recorded(course, assignment).get(notebook, {})}
    for path in _given_now(course, assignment, notebook):
        try:
            _add(cells, notebook_io.read(path))
        except UserError:  # not there, or not ours to repair
            continue
    return {name: frozenset(digests) for name, digests in cells.items()}


def _given_now(course: Course, assignment: str, notebook: str) -> Iterator[Path]:
    """Yield where a version that students have may lie without a record of it."""
    folders = [course.release(code) for code in course.languages()]
    exchange = Path(course.nbgrader_config().Exchange.root)
    folders.append(exchange / course.id / "outbound")
    for folder in folders:
        path = folder / assignment / f"{notebook}.ipynb"
        if path.is_file():
            yield path


def _add(cells: dict[str, list[str]], notebook: NotebookNode) -> None:
    for cell in _read_only(notebook):
        digest = source_digest(cell.source)
        if digest not in cells.get(cell.id, []):
            cells[cell.id] = [*cells.get(cell.id, []), digest]


def _read_only(notebook: NotebookNode) -> Iterable[NotebookNode]:
    return (cell for cell in notebook.cells if grade_id(cell) and not is_solution(cell))


def _recorded(course: Course, assignment: str) -> dict[str, dict[str, list[str]]]:
    try:
        found = json.loads(_place(course, assignment).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _place(course: Course, assignment: str) -> Path:
    return course.term / "released" / f"{assignment}.given.json"
