"""Find the language in which a graded notebook is shown."""

from __future__ import annotations

from nbformat import NotebookNode

from autograder.core.notebook_io import course_metadata
from autograder.i18n import SOURCE_LANGUAGE, available


def shown_language(notebook: NotebookNode) -> str:
    """Return the language that rebuilding wrote into a notebook; no cell has a say in it."""
    code = course_metadata(notebook).get("language")
    return code if isinstance(code, str) and code in available() else SOURCE_LANGUAGE
