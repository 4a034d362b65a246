"""The language that the course speaks: widgets, plot labels, check messages, feedback.

Notebooks call `set_language` once, in their first code cell. Library modules and notebooks
wrap every text that a reader may see in `_("…")`, with a literal string, so that the texts
can be extracted. `_` looks the language up each time it is called; a text without a
translation stays English.

A program started from a shell, or by a lesson, begins in the language that the environment
variable BEYOND_LANGUAGE names, if the course has it.
"""

from __future__ import annotations

import gettext
import os
from pathlib import Path

DOMAIN = "beyond"
SOURCE_LANGUAGE = "en"  # the texts in the code are English, so this needs no catalogue
_FOLDER = Path(__file__).parent

_current = SOURCE_LANGUAGE
_catalogue: gettext.NullTranslations = gettext.NullTranslations()


def available() -> tuple[str, ...]:
    """The language codes that `set_language` takes: English, and every catalogue found."""
    found = {path.parent.parent.name for path in _FOLDER.glob(f"*/LC_MESSAGES/{DOMAIN}.[mp]o")}
    return (SOURCE_LANGUAGE, *sorted(found - {SOURCE_LANGUAGE}))


def set_language(code: str) -> None:
    """Switch every text made by code to the language `code` ("en", "ko", …).

    Raises:
        ValueError: if the course has no such language.
    """
    global _catalogue, _current
    if code not in available():
        choices = ", ".join(available())
        raise ValueError(f"The course has no language {code!r}; choose one of: {choices}.")
    # fallback=True: a catalogue that has not been compiled leaves the texts English,
    # which is better for a learner than a notebook that stops in its first cell.
    _catalogue = gettext.translation(DOMAIN, _FOLDER, languages=[code], fallback=True)
    _current = code


def language() -> str:
    """The code of the language that is set now."""
    return _current


def _(message: str) -> str:
    """`message` in the language that is set now; unchanged where there is no translation."""
    # gettext("") returns the catalogue's header, which no reader should ever see.
    return _catalogue.gettext(message) if message else ""


if os.environ.get("BEYOND_LANGUAGE") in available():
    set_language(os.environ["BEYOND_LANGUAGE"])
