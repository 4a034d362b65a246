"""Speak another language for a while."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from autograder.errors import UserError
from beyond.locale import SOURCE_LANGUAGE, available, language, set_language

__all__ = ["SOURCE_LANGUAGE", "available", "speaking"]


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
