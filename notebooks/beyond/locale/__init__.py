"""Translate the course's texts: widgets, plot labels, check messages, feedback.

Notebooks call `set_language` once, in their first code cell. Library modules and notebooks
wrap every text that a reader may see in `_("…")`, with a literal string, so that it can be
extracted. `_` looks the language up at each call; a text without a translation stays English.
The functions are the grader's, so one call switches both.

A program started from a shell, or by a lesson, uses the language in the environment
variable AUTOGRADER_LANGUAGE, if the course has it; BEYOND_LANGUAGE is its older name.
"""

from __future__ import annotations

import os
from pathlib import Path

from autograder import i18n
from autograder.i18n import _, available, language, set_language

__all__ = ["DOMAIN", "SOURCE_LANGUAGE", "_", "available", "language", "set_language"]

DOMAIN = "beyond"
SOURCE_LANGUAGE = "en"  # the texts in the code are English, so this needs no catalog

i18n.register(DOMAIN, Path(__file__).parent, SOURCE_LANGUAGE)

if "AUTOGRADER_LANGUAGE" not in os.environ and os.environ.get("BEYOND_LANGUAGE") in available():
    set_language(os.environ["BEYOND_LANGUAGE"])
