"""Read a student's notebook on the student's own machine, as tolerantly as collecting does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nbformat import NotebookNode

from autograder.core import notebook_io
from autograder.core.atomic_io import read_file
from autograder.core.notebook_io import SIZE_LIMIT, BadNotebook
from autograder.intake.notebook_reader import EXPLAINED, Unreadable, parsed, plain_notebook
from autograder.notebook_metadata import accepted


def read_own(path: Path) -> NotebookNode:
    """Return what grading needs of the notebook in a file.

    Raises:
        UserError: no such file or not readable.
        BadNotebook: as `parse_own`.
    """
    return parse_own(read_file(path, SIZE_LIMIT), Path(path).name)


def parse_own(content: bytes, name: str) -> NotebookNode:
    """Return what grading needs of a notebook, in format 4.5: outputs and the like are left out.

    Args:
        content: the file.
        name: what to call it in an error.

    Raises:
        BadNotebook: not JSON, without cells, or over a limit.
    """
    try:
        plain = plain_notebook(parsed(content))
    except Unreadable as error:
        raise unreadable(name, error) from None
    plain["metadata"] = _kept(plain["metadata"])
    for cell in plain["cells"]:
        cell["metadata"] = _kept(cell["metadata"])
        if "attachments" in cell:
            cell["attachments"] = _attachments(cell["attachments"])
    return notebook_io.from_plain(plain, name)


def unreadable(name: str, error: Unreadable) -> BadNotebook:
    """Return what a student is told of a notebook that can't be read."""
    return BadNotebook(f"{name} can't be read, because {EXPLAINED[str(error)]}.")


def _kept(metadata: dict[str, Any]) -> dict[str, Any]:
    kept = {
        key: metadata[key]
        for key in ("nbgrader", *accepted())
        if isinstance(metadata.get(key), dict)
    }
    if isinstance(metadata.get("id"), str):
        kept["id"] = metadata["id"]  # where Colab keeps a cell's id
    return kept


def _attachments(attached: dict[str, Any]) -> dict[str, Any]:
    return {
        name: {kind: data for kind, data in bundle.items() if isinstance(data, str)}
        for name, bundle in attached.items()
        if isinstance(bundle, dict)
    }
