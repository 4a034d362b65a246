"""Find the language in which a graded notebook is shown."""

from __future__ import annotations

from nbformat import NotebookNode

from autograder.notebook_metadata import entries


def shown_language(notebook: NotebookNode) -> str:
    """Return the language that rebuilding wrote into a notebook; no cell has a say in it."""
    code = entries(notebook).get("language")
    return code if isinstance(code, str) else ""
