"""Read notebooks strictly, and write them the same way every time."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autograder.core.atomic_io import read_file, write_file
from autograder.errors import UserError
from autograder.notebook_metadata import entries

# nbformat is imported where it is used: that takes a moment, in which `grade` starts its workers.
if TYPE_CHECKING:
    from nbformat import NotebookNode

SIZE_LIMIT = 20 * 1024 * 1024
"""The most bytes a notebook may have (a lesson with all its plots is under 2 MB)."""

CELL_LIMIT = 2_000
"""The most cells a notebook may have."""

LANGUAGE_CELL = "language"
"""The id of the one code cell that differs between languages."""

_SET_LANGUAGE = re.compile(r"""^\s*set_language\(\s*["']([a-z]{2,3})["']\s*\)""", re.MULTILINE)


def programming_language(metadata: Mapping[str, Any]) -> str:
    """Return the language of the kernel that a notebook's metadata name; empty if they name none.

    Args:
        metadata: the notebook's, of any form.
    """
    for entry, key in (("kernelspec", "language"), ("language_info", "name")):
        said = metadata.get(entry)
        if isinstance(said, Mapping) and isinstance(said.get(key), str) and said[key]:
            return str(said[key])
    return ""


def is_python(language: str) -> bool:
    """Return whether a language, or none, is the one that this grader runs."""
    return language.casefold() in ("", "python", "python3", "ipython")


class BadNotebook(UserError):
    """The file isn't a notebook that can be used."""


def parse(content: bytes, name: str) -> NotebookNode:
    """Return a notebook in format 4.5 from its bytes, whichever minor version it was saved in.

    Cells that came without an id (Colab, older editors) get one that depends on their
    place only, so that reading twice gives the same notebook.

    Args:
        content: the file, JSON in UTF-8, at most `SIZE_LIMIT` bytes.
        name: what to call the notebook in an error.

    Raises:
        BadNotebook: not JSON, not a notebook, of format 3 or older, or over a limit.
    """
    if len(content) > SIZE_LIMIT:
        raise BadNotebook(
            f"{name} has {len(content):,} bytes, more than the {SIZE_LIMIT:,} allowed; "
            "clear its outputs and save it again."
        )
    notebook = _parse(content, name)
    if len(notebook.cells) > CELL_LIMIT:
        raise BadNotebook(
            f"{name} has {len(notebook.cells):,} cells, more than the {CELL_LIMIT:,} allowed; "
            "delete the ones you don't need."
        )
    return notebook


def _parse(content: bytes, name: str) -> NotebookNode:
    """Return a notebook from its bytes, of any size."""
    try:
        data = json.loads(content.decode("utf-8-sig"))
    except (UnicodeDecodeError, ValueError, RecursionError):
        raise BadNotebook(
            f"{name} isn't a notebook: its content isn't JSON; "
            "save it again from JupyterLab and take that file."
        ) from None
    if not isinstance(data, dict) or not isinstance(data.get("nbformat"), int):
        raise BadNotebook(
            f"{name} is JSON but not a notebook; take the .ipynb file that JupyterLab saves."
        )
    if data["nbformat"] < 4 or "worksheets" in data:
        raise BadNotebook(
            f"{name} is in the old notebook format {data['nbformat']}; "
            "open it in JupyterLab, save it and take the saved file."
        )
    if data["nbformat"] > 4:
        raise BadNotebook(
            f"{name} is in notebook format {data['nbformat']}, which is newer than the course "
            "knows; save it from the course's own JupyterLab."
        )
    cells = data.get("cells")
    if not isinstance(cells, list) or not all(isinstance(cell, dict) for cell in cells):
        raise BadNotebook(f"{name} has no list of cells; save it again from JupyterLab.")
    data.setdefault("metadata", {})
    return from_plain(data, name)


def from_plain(data: dict[str, Any], name: str) -> NotebookNode:
    """Return a notebook in format 4.5 from its JSON.

    Args:
        data: with a list of cells, each a dict; changed in place.
        name: what to call the notebook in an error.

    Raises:
        BadNotebook: it doesn't have the form of a notebook.
    """
    cells = data["cells"]
    data["nbformat_minor"] = 5
    seen: set[str] = set()
    for number, cell in enumerate(cells):
        _complete_cell(cell, number, seen, name)
    import nbformat
    from nbformat import from_dict

    notebook: NotebookNode = from_dict(data)
    try:
        nbformat.validate(notebook)
    except nbformat.ValidationError as error:
        raise BadNotebook(
            f"{name} isn't a valid notebook ({str(error).splitlines()[0][:120]}); "
            "save it again from JupyterLab."
        ) from None
    return notebook


def _complete_cell(cell: dict[str, Any], number: int, seen: set[str], name: str) -> None:
    """Give a cell what format 4.5 asks for and other editors leave out."""
    kind = cell.get("cell_type")
    if kind not in ("code", "markdown", "raw"):
        raise BadNotebook(
            f"{name}: cell {number + 1} is of the unknown kind {str(kind)[:20]!r}; "
            "save the notebook again from JupyterLab."
        )
    source = cell.get("source", "")
    if isinstance(source, list):
        source = "".join(part for part in source if isinstance(part, str))
    cell["source"] = str(source).encode("utf-8", "replace").decode("utf-8")
    if not isinstance(cell.get("metadata"), dict):
        cell["metadata"] = {}
    if kind == "code":
        cell.setdefault("outputs", [])
        cell.setdefault("execution_count", None)
    else:
        cell.pop("outputs", None)
        cell.pop("execution_count", None)
    cell_id = cell.get("id")
    if (
        not isinstance(cell_id, str)
        or not re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", cell_id)
        or cell_id in seen
    ):
        cell_id = f"cell-{number + 1}"
        while cell_id in seen:
            cell_id += "x"
        cell["id"] = cell_id
    seen.add(cell_id)


def read(path: Path) -> NotebookNode:
    """Return the notebook in a file.

    Raises:
        UserError: no such file or not readable.
        BadNotebook: as `parse`.
    """
    return parse(read_file(path, SIZE_LIMIT), Path(path).name)


def read_graded(path: Path) -> NotebookNode:
    """Return a notebook that grading has written, however large its outputs made it.

    What of a submission may be how large was decided when it was taken in; to refuse it later
    would lose its score.

    Raises:
        UserError: no such file or not readable.
        BadNotebook: somebody else wrote it, and it isn't a notebook.
    """
    return _parse(read_file(path), Path(path).name)


def to_bytes(notebook: NotebookNode) -> bytes:
    """Return the canonical bytes: sorted keys, one space of indent, UTF-8, a newline at the end.

    A lone surrogate, which student code may print and UTF-8 can't hold, becomes a question mark.
    """
    import nbformat

    text: str = nbformat.writes(notebook, 4)
    return (text + "\n").encode("utf-8", "replace")


def write(path: Path, notebook: NotebookNode) -> None:
    """Write a notebook beside its place, then put it there."""
    write_file(path, to_bytes(notebook))


def language_of(notebook: NotebookNode) -> str:
    """Return the language of a notebook: what its cells set, else its metadata, else empty."""
    for cell in notebook.cells:
        if cell.cell_type == "code" and (found := _SET_LANGUAGE.search(cell.source)):
            return found[1]
    marked = entries(notebook).get("language")
    return marked if isinstance(marked, str) else ""


def grader_metadata(cell: NotebookNode) -> dict[str, Any]:
    """Return a cell's nbgrader metadata, or an empty dict."""
    found = cell.metadata.get("nbgrader")
    return found if isinstance(found, dict) else {}


def cell_seconds(notebook: NotebookNode, usual: int) -> int:
    """Return the seconds that a cell may run: `usual`, or more if the notebook's metadata say.

    An honest cell that exports a model in 5 s has taken 40 s on a crowded machine.
    """
    asked = entries(notebook).get("cell_seconds", 0)
    return max(usual, asked) if isinstance(asked, int) else usual


def grade_id(cell: NotebookNode) -> str | None:
    """Return nbgrader's name of a cell; None if it has none."""
    found = grader_metadata(cell).get("grade_id")
    return found if isinstance(found, str) else None


def is_solution(cell: NotebookNode) -> bool:
    """Return whether a student is meant to answer in this cell."""
    return bool(grader_metadata(cell).get("solution"))


def is_test(cell: NotebookNode) -> bool:
    """Return whether this cell tests an answer (graded and not itself an answer)."""
    return bool(grader_metadata(cell).get("grade")) and not is_solution(cell)


def copied(notebook: NotebookNode) -> NotebookNode:
    """Return an independent copy of a notebook."""
    return copy.deepcopy(notebook)


def as_node(metadata: dict[str, Any]) -> NotebookNode:
    """Return metadata as nbformat keeps them."""
    from nbformat import from_dict

    node: NotebookNode = from_dict(metadata)
    return node


def is_explanation(cell: NotebookNode) -> bool:
    """Return whether a cell is kept back until feedback may show it."""
    return "reveal" in entries(cell)
