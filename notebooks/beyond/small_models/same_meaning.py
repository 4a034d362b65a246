"""One meaning in six forms: five short rules in five languages, and as a Python function.

Written for this course (CC BY 4.0). Translations differ in length as translations do, so what is
counted on them is true for texts like these, not for a language.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

from beyond.locale import _

FORMS = ("en", "ko", "ja", "ar", "fr", "python")
"""The forms, English first: the others are compared with it."""


def form_name(form: str) -> str:
    """Return the name of a form for a reader."""
    return {
        "en": _("English"),
        "ko": _("Korean"),
        "ja": _("Japanese"),
        "ar": _("Arabic"),
        "fr": _("French"),
        "python": _("Python"),
    }[form]


def texts(form: str) -> list[str]:
    """Return the five texts in one form, in the same order in each."""
    return [item[form] for item in _items()]


@cache
def _items() -> list[dict[str, str]]:
    path = Path(__file__).parent / "same_meaning.json"
    return json.loads(path.read_text("utf-8"))["items"]
