"""The language in which a graded notebook is shown."""

from __future__ import annotations

from nbformat import NotebookNode

from autograder.core.notebook_io import course_metadata
from autograder.i18n import SOURCE_LANGUAGE, available


def shown_language(notebook: NotebookNode) -> str:
    """The language of a rebuilt notebook, as rebuilding wrote it down; no cell has a say in it."""
    code = course_metadata(notebook).get("language")
    return code if code in available() else SOURCE_LANGUAGE
