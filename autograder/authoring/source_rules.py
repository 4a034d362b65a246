"""Check the rules for source notebooks: descriptive ids, no outputs, valid nbgrader metadata."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from nbformat import NotebookNode
from nbgrader.nbgraderformat import MetadataValidator, SchemaTooNewError, SchemaTooOldError
from nbgrader.nbgraderformat.common import ValidationError

from autograder.authoring.cell_ids import DESCRIPTIVE_ID, RANDOM_ID
from autograder.authoring.problem import CellProblem
from autograder.core.atomic_io import read_file
from autograder.core.notebook_io import (
    LANGUAGE_CELL,
    SIZE_LIMIT,
    grade_id,
    grader_metadata,
    is_test,
    parse,
)
from autograder.notebook_metadata import entries


def file_problems(path: Path, code: str, language_cell: str | None = None) -> list[CellProblem]:
    """Return the problems of the source notebook in a file.

    Args:
        path: the source notebook's file.
        code: the language it must be in.
        language_cell: the source that its first code cell must have; None where the course has
            one language.

    Raises:
        UserError: the file can't be read or isn't a notebook.
    """
    content = read_file(path, SIZE_LIMIT)
    notebook = parse(content, path.name)
    return [*_stored_id_problems(content), *notebook_problems(notebook, code, language_cell)]


def _stored_id_problems(content: bytes) -> Iterator[CellProblem]:
    # Reading repairs missing and duplicate ids, which students' editors produce. A source notebook
    # must not need that: its releases would get ids that change when a cell is inserted.
    cells = json.loads(content.decode("utf-8-sig"))["cells"]
    names = [cell.get("id") for cell in cells]
    for name, count in Counter(name for name in names if isinstance(name, str)).items():
        if count > 1:
            yield CellProblem(name, f"has an id that {count} cells share")
    for number, name in enumerate(names, 1):
        if not isinstance(name, str):
            text = f"has no id for its cell {number}; `autograder build` gives it one"
            yield CellProblem(None, text)


def notebook_problems(
    notebook: NotebookNode, code: str, language_cell: str | None = None
) -> list[CellProblem]:
    """Return the problems of a source notebook, without those that reading repairs.

    Args:
        notebook: the notebook.
        code: the language it must be in.
        language_cell: the source that its first code cell must have; None where the course has
            one language.
    """
    found = list(_id_problems(notebook))
    for cell in notebook.cells:
        if cell.cell_type == "code" and (cell.outputs or cell.execution_count is not None):
            found.append(CellProblem(cell.id, "has stored output; clear all outputs and save"))
        found.extend(CellProblem(cell.id, text) for text in _nbgrader_problems(cell))
    found.extend(_kernel_problems(notebook))
    if language_cell is not None:
        found.extend(_language_problems(notebook, code, language_cell))
    return found


def _id_problems(notebook: NotebookNode) -> Iterator[CellProblem]:
    for name in dict.fromkeys(cell.id for cell in notebook.cells):
        if RANDOM_ID.fullmatch(name):
            text = "has an id that isn't descriptive; `autograder build` gives it one that is"
            yield CellProblem(name, text)
        elif not DESCRIPTIVE_ID.fullmatch(name):
            yield CellProblem(
                name, "has an id that isn't descriptive; change it to one such as plot-tornado"
            )
    grade_ids = Counter(name for cell in notebook.cells if (name := grade_id(cell)))
    for name, count in grade_ids.items():
        if count > 1:
            yield CellProblem(name, f"has a grade id that {count} cells share")


def _nbgrader_problems(cell: NotebookNode) -> Iterator[str]:
    meta = grader_metadata(cell)
    if not meta:
        return
    if grade_id(cell) != cell.id:
        yield f"has the grade id {grade_id(cell)!r}; make it the same as the cell's id"
    if refused := list(metadata_problem(cell)):
        yield from refused
        return
    if meta.get("cell_type", cell.cell_type) != cell.cell_type:
        yield "has a different cell type in its nbgrader metadata"
    if is_test(cell) and not meta.get("points", 0) > 0:
        yield "is a test worth no points"
    if "checksum" in meta:
        yield "has a checksum, which only releases should have"
    yield from unbalanced_marks(cell)


def metadata_problem(cell: NotebookNode) -> Iterator[str]:
    """Yield why nbgrader refuses a cell's metadata, if it does."""
    try:
        MetadataValidator().validate_cell(cell)
    except (ValidationError, SchemaTooOldError, SchemaTooNewError, KeyError) as error:
        yield f"has nbgrader metadata that nbgrader refuses ({str(error).splitlines()[0][:100]})"


def unbalanced_marks(cell: NotebookNode) -> Iterator[str]:
    """Yield which of nbgrader's marks are opened and not closed, or the other way round."""
    for kind in ("SOLUTION", "HIDDEN TESTS"):
        opened = cell.source.count(f"### BEGIN {kind}")
        if opened != cell.source.count(f"### END {kind}"):
            yield f"has different numbers of BEGIN {kind} and END {kind} marks"


def _kernel_problems(notebook: NotebookNode) -> Iterator[CellProblem]:
    kernel = notebook.metadata.get("kernelspec", {}).get("name")
    if kernel != "python3":
        yield CellProblem(None, f"names the kernel {kernel!r}; it must be python3")


def _language_problems(
    notebook: NotebookNode, code: str, language_cell: str
) -> Iterator[CellProblem]:
    first = next((cell for cell in notebook.cells if cell.cell_type == "code"), None)
    if first is None or first.id != LANGUAGE_CELL:
        yield CellProblem(
            first.id if first else None,
            f"must be the first code cell and have the id {LANGUAGE_CELL}",
        )
    elif first.source != language_cell:
        yield CellProblem(first.id, f"must set the language {code} and do nothing else")
    marked = entries(notebook).get("language")
    if marked != code:
        yield CellProblem(None, f"has the language {marked!r} in its metadata; it must be {code!r}")
