"""Provide parallel everyday sentences in six languages, for a quick check of translation.

They were written for this course, so no model has seen them. There are 24, few enough to
translate on a laptop in a minute, but too few to tell two good models apart.
"""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files

from beyond.locale import _

LANGUAGES = {
    "en": "English",
    "ko": "Korean",
    "ja": "Japanese",
    "zh": "Chinese",
    "fr": "French",
    "ar": "Arabic",
}
"""ISO 639-1 codes of the languages, and their names in English."""


def sentences(language: str) -> list[str]:
    """Return the sentences in one language, in the same order in each.

    Raises:
        ValueError: if there are none in that language.
    """
    if language not in LANGUAGES:
        raise ValueError(
            _("There are no sentences in {language}; choose one of: {known}.").format(
                language=language, known=", ".join(LANGUAGES)
            )
        )
    return [one[language] for one in _all()]


@cache
def _all() -> tuple[dict[str, str], ...]:
    content = files("beyond.edge").joinpath("sentences.json").read_text(encoding="utf-8")
    return tuple(json.loads(content)["sentences"])
