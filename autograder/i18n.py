"""The language that the grader speaks: check messages, feedback, reports, what it tells students.

Texts are literal strings in `_("…")`, looked up each time they are shown. Whoever has texts
registers a domain: the grader's own catalogs lie in `locale/` beside this module, a course adds
its own. One `set_language` switches them all; a text without a translation stays as it is
written. Which languages there are is said by those who register, not here.

A process begins in the language that the environment variable AUTOGRADER_LANGUAGE names.
"""

from __future__ import annotations

import functools
import gettext
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from autograder.errors import UserError
from beyond.locale import SOURCE_LANGUAGE, available, language, set_language

__all__ = ["SOURCE_LANGUAGE", "available", "speaking"]


@contextmanager
def speaking(code: str) -> Iterator[None]:
    """Make every text in the language `code` inside the block, as far as there are catalogs."""
    before = _current
    _switch(code)
    try:
        yield
    finally:
        _switch(before)


def _(message: str) -> str:
    """Return `message` in the language that is set now; unchanged where there is no translation."""
    # gettext("") returns a catalog's header, which no reader should ever see.
    if message:
        for catalog in _catalogs:
            said = catalog.gettext(message)
            if said != message:
                return said
    return message


_switch(os.environ.get("AUTOGRADER_LANGUAGE", ""))
