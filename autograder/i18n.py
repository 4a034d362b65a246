"""Speak another language for a while."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from beyond.locale import SOURCE_LANGUAGE, available, language, set_language
from nbformat import NotebookNode

from autograder.errors import UserError
from autograder.core.notebook_io import course_metadata


@contextmanager
def speaking(code: str) -> Iterator[None]:
    """Every text made by code is in the language `code` inside the block.

    Raises:
        UserError: the course has no such language.
    """
    if code not in available():
        raise UserError(
            f"The course has no language {code!r}; choose one of: {', '.join(available())}."
        )
    before = language()
    set_language(code)
    try:
        yield
    finally:
        set_language(before)


def shown_language(notebook: NotebookNode) -> str:
    """The language of a rebuilt notebook, as rebuilding wrote it down; no cell has a say in it."""
    code = course_metadata(notebook).get("language")
    return code if code in available() else SOURCE_LANGUAGE
