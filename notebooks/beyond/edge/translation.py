"""Translate a text with any local model that `beyond.edge.translators` opens."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from beyond.edge.sentences import LANGUAGES
from beyond.edge.translators import Translator, open_translator
from beyond.lm import models
from beyond.locale import _

TOKENS = 512
"""The most tokens of a translation."""


def translate(
    text: str,
    to: str,
    model: str | Path | Translator = models.SMOLLM2,
    tokens: int = TOKENS,
    host: str | None = None,
) -> Iterator[str]:
    """Translate a text piece by piece, as the model generates it; "".join(…) is the whole.

    Args:
        text: what to translate.
        to: a code in `beyond.edge.sentences.LANGUAGES`, or the language's name in English.
        model: a name as in `beyond.edge.translators`, or an opened translator, to avoid
            loading it again.
        tokens: the most tokens of the translation.
        host: Ollama's address on this machine.

    Raises:
        NoModel: if there is no such model on this machine.
        ValueError: if the text is empty or too long for the model.
    """
    if not text.strip():
        raise ValueError(_("There is no text to translate."))
    opened = open_translator(model, host) if isinstance(model, (str, Path)) else model
    return opened.stream(messages(text, to), tokens)


def messages(text: str, to: str) -> list[dict[str, str]]:
    """Return the conversation that asks for a translation."""
    language = LANGUAGES.get(to, to)
    return [
        {
            "role": "system",
            "content": "You are a translator. Answer with the translation and nothing else.",
        },
        {"role": "user", "content": f"Translate into {language}:\n\n{text}"},
    ]


def one_line(translator: Translator, text: str, to: str, tokens: int = TOKENS) -> str:
    """Translate a text into one line, whatever line breaks the model puts into it."""
    return " ".join("".join(translate(text, to, translator, tokens)).split())
