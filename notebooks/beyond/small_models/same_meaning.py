"""Provide five short rules in five languages and as Python functions.

Written for this course (CC BY 4.0). Translations vary in length, so token counts on them hold for
texts like these, not for a language in general.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

from beyond.locale import _

FORMS = ("en", "ko", "ja", "ar", "fr", "python")
"""The versions, English first: the others are compared with it."""


def form_name(form: str) -> str:
    """Return the display name of a version."""
    return {
        "en": _("English"),
        "ko": _("Korean"),
        "ja": _("Japanese"),
        "ar": _("Arabic"),
        "fr": _("French"),
        "python": _("Python"),
    }[form]


def texts(form: str) -> list[str]:
    """Return the five texts of one version, in the same order in each."""
    return [item[form] for item in _items()]


@cache
def _items() -> list[dict[str, str]]:
    path = Path(__file__).parent / "same_meaning.json"
    return json.loads(path.read_text("utf-8"))["items"]
