"""Translate the course's texts: widgets, plot labels, check messages, feedback.

Notebooks call `set_language` once, in their first code cell. Library modules wrap every text that
a reader may see in `_("…")`, with a literal string, so that it can be extracted. `_` looks the
language up at each call; a text without a translation stays English. A lesson's code stays plain:
`say` and the functions for tables and charts translate what they are given (`translated`); the
setting `text-functions` in pyproject.toml lists them for the extraction. The functions are the
grader's, so one call switches both.

A program started from a shell, or by a lesson, uses the language in the environment
variable AUTOGRADER_LANGUAGE, if the course has it; BEYOND_LANGUAGE is its older name.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from autograder import i18n
from autograder.i18n import _, available, language, set_language

__all__ = [
    "DOMAIN",
    "SOURCE_LANGUAGE",
    "_",
    "available",
    "language",
    "say",
    "set_language",
    "translated",
]

_Labels = TypeVar("_Labels")

DOMAIN = "beyond"
SOURCE_LANGUAGE = "en"  # the texts in the code are English, so this needs no catalog

i18n.register(DOMAIN, Path(__file__).parent, SOURCE_LANGUAGE)

if "AUTOGRADER_LANGUAGE" not in os.environ and os.environ.get("BEYOND_LANGUAGE") in available():
    set_language(os.environ["BEYOND_LANGUAGE"])


def translated(labels: _Labels) -> _Labels:
    """Return labels in the language that is set now.

    Args:
        labels: a text; or a list, a tuple or the keys of a mapping, which may hold others. What
            has no translation stays as it is.
    """
    made: Any = labels
    if isinstance(labels, str):
        made = _(labels)
    elif isinstance(labels, Mapping):
        made = {translated(key): value for key, value in labels.items()}
    elif type(labels) in (list, tuple):
        made = type(labels)(translated(one) for one in labels)  # type: ignore[attr-defined, call-arg]  # one of two types
    return made


def say(*values: object, **fields: object) -> None:
    """Print values as `print` does, texts in the language that is set now.

    Args:
        values: what to print; a text may have {fields}.
        fields: what to put into the texts' fields.
    """
    shown = [_(one) if isinstance(one, str) else one for one in values]
    print(*(one.format(**fields) if fields and isinstance(one, str) else one for one in shown))
