"""Read an ordinary course's notebook as nbgrader has registered it.

`nbgrader generate_assignment` may add a header, make tests of `### AUTOTEST` lines and do whatever
else the course configures. So what counts is what it left: the release, and in the gradebook the
whole cells. The source folder has the solutions, and nothing else is taken from there.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from nbformat import NotebookNode
from nbgrader.api import MissingEntry
from nbgrader.nbgraderformat import MetadataValidator

from autograder.config import Course
from autograder.core import notebook_io
from autograder.core.notebook_io import grade_id, grader_metadata, is_solution
from autograder.errors import AssignmentChanged, UserError


@dataclass(frozen=True)
class RegisteredNotebook:
    """Hold one notebook of an assignment.

    Attributes:
        released: as students get it.
        template: the same with whole tests.
        source: with whole tests and the solutions.
        has_solutions: whether there is a source notebook to take them from.
    """

    released: NotebookNode
    template: NotebookNode
    source: NotebookNode
    has_solutions: bool


def registered_notebook(course: Course, assignment: str, notebook: str) -> RegisteredNotebook:
    """Return a notebook as it was when the assignment was generated.

    Raises:
        UserError: it wasn't, or its kernel isn't Python.
        AssignmentChanged: release and gradebook don't fit each other.
    """
    released = _read(course.place("release", ".", assignment) / f"{notebook}.ipynb", assignment)
    _require_python(released, notebook)
    with course.gradebook() as gradebook:
        try:
            found = gradebook.find_notebook(notebook, assignment)
        except MissingEntry:
            raise UserError(
                f"{assignment} has no {notebook} in the gradebook; run "
                f"`nbgrader generate_assignment {assignment}` first."
            ) from None
        cells = {one.name: (one.source, one.checksum) for one in found.source_cells}
    template = notebook_io.copied(released)
    for cell in template.cells:
        name = grade_id(cell)
        if name is None:
            continue
        if name not in cells:
            raise AssignmentChanged(
                f"{notebook} of {assignment} has a cell {name} in its release that the gradebook "
                f"doesn't know; run `nbgrader generate_assignment {assignment}` again."
            )
        source, checksum = cells[name]
        if not is_solution(cell):
            cell.source = source or ""
        cell.metadata = {**cell.metadata, "nbgrader": {**grader_metadata(cell)}}
        cell.metadata["nbgrader"]["checksum"] = checksum
        cell.metadata = notebook_io.as_node(cell.metadata)
    path = course.place("source", ".", assignment) / f"{notebook}.ipynb"
    source_notebook = notebook_io.copied(template)
    solutions = _solutions(path)
    for cell in source_notebook.cells:
        if is_solution(cell) and grade_id(cell) in solutions:
            cell.source = solutions[str(grade_id(cell))]
    return RegisteredNotebook(released, template, source_notebook, path.is_file())


def _read(path: Path, assignment: str) -> NotebookNode:
    if not path.is_file():
        raise UserError(
            f"There is no {path}; run `nbgrader generate_assignment {assignment}` first."
        )
    notebook = notebook_io.read(path)
    # A release that was generated without nbgrader's check may have metadata of an older version.
    MetadataValidator().upgrade_notebook_metadata(notebook)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    return notebook


def _require_python(notebook: NotebookNode, name: str) -> None:
    kernel = notebook.metadata.get("kernelspec") or {}
    language = notebook_io.programming_language(notebook.metadata)
    if not notebook_io.is_python(language):
        raise UserError(
            f"{name} is for the kernel {kernel.get('name', language)!r}, whose language is "
            f"{language}; this grader runs Python, so grade it with nbgrader alone."
        )


def _solutions(path: Path) -> dict[str, str]:
    if not path.is_file():
        return {}
    return {
        name: cell.source
        for cell in notebook_io.read(path).cells
        if is_solution(cell) and (name := grade_id(cell))
    }
