"""Measure whether a model can translate into a language, and keep the result.

The score is chrF, which compares character n-grams
(https://aclanthology.org/W15-3049/), from 0 to 100. It is reported with two
baselines that are computed in the same way: the score of the untranslated source, and the score of
unrelated sentences in the right language.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path

from beyond.edge.sentences import LANGUAGES, sentences
from beyond.edge.translation import one_line
from beyond.edge.translators import Translator
from beyond.lm.models import cache_folder
from beyond.locale import _

VERSION = 1
"""Increased when the prompt or the measurement changes, which invalidates older results."""

MARGIN = 15.0
"""How far a score must be above both baselines; a rule of thumb."""

FIRST_LOOK = 4  # sentences, when a model that hasn't been measured is asked to translate
ENOUGH = 12  # sentences needed to call a model fit; among fewer, one lucky hit weighs too much

TOKENS = 96  # of an answer; the longest sentence takes about 90 of the course's model's tokens

_SCRIPTS: dict[str, str | tuple[str, ...]] = {
    "ko": "HANGUL",
    "ja": ("CJK", "HIRAGANA", "KATAKANA"),
    "zh": "CJK",
    "ar": "ARABIC",
}
_LATIN = "LATIN"


@dataclass(frozen=True)
class Check:
    """The measurement of one model and language.

    Attributes:
        model, language: what was checked.
        sentences: how many.
        score: chrF of the model's translations.
        copied: chrF of the untranslated source.
        unrelated: chrF of the reference sentences in shuffled order.
        script: fraction of the letters that are in the language's script, 0 to 1.
        seconds: for all sentences.
        day: when.
        examples: a few (source, translation by the model).
    """

    model: str
    language: str
    sentences: int
    score: float
    copied: float
    unrelated: float
    script: float
    seconds: float
    day: str
    examples: tuple[tuple[str, str], ...] = ()

    @property
    def is_fit(self) -> bool:
        """Whether the score is far above both baselines."""
        return self.score >= max(self.copied, self.unrelated) + MARGIN

    def __str__(self) -> str:
        evidence = _(
            "Measured here on {day}, {n} sentences into {language}: chrF {score:.1f}; the source "
            "copied gets {copied:.1f}, other sentences in that language {unrelated:.1f}; "
            "{script:.0%} of the letters are in its script."
        ).format(
            day=self.day,
            n=self.sentences,
            language=self.language,
            score=self.score,
            copied=self.copied,
            unrelated=self.unrelated,
            script=self.script,
        )
        if self.is_fit and self.sentences < ENOUGH:
            verdict = _(
                "{model} may be able to translate; so few sentences can't tell, --check can."
            )
        elif self.is_fit:
            verdict = _("{model} translates; have a person read what matters.")
        else:
            verdict = _("{model} is not fit to translate into this language: don't rely on it.")
        return f"{verdict.format(model=self.model)} {evidence}"


def measure(
    translator: Translator,
    to: str,
    source: str | None = None,
    count: int | None = None,
    progress: Callable[[Sequence[str]], Iterable[str]] = iter,
) -> Check:
    """Let a model translate the sentences that come with the course, and score them.

    Args:
        translator: an opened model.
        to: the target language, a code in `LANGUAGES`.
        source: the source language; English if not given, or Korean for translating into English.
        count: how many sentences; all of them if not given.
        progress: wraps the sentences, as tqdm does.

    Raises:
        ValueError: if there are no sentences in one of the languages, or it is the same one.
    """
    source = source or ("ko" if to == "en" else "en")
    originals, references = sentences(source)[:count], sentences(to)[:count]
    if to == source:
        raise ValueError(_("Source and target are the same language, so there is nothing to do."))
    if len(originals) < 2:
        raise ValueError(_("It takes 2 sentences at least: one is compared with the other."))
    began = time.perf_counter()
    answers = [one_line(translator, text, to, TOKENS) for text in progress(originals)]
    return Check(
        model=translator.name,
        language=to,
        sentences=len(originals),
        score=chrf(answers, references),
        copied=chrf(originals, references),
        unrelated=chrf([*references[1:], references[0]], references),
        script=script_share(answers, to),
        seconds=time.perf_counter() - began,
        day=date.today().isoformat(),
        examples=tuple(zip(originals[:3], answers[:3], strict=True)),
    )


def chrf(translations: Sequence[str], references: Sequence[str]) -> float:
    """Compute chrF over all translations, 0 to 100 (sacrebleu, default settings)."""
    from sacrebleu.metrics.chrf import CHRF

    return CHRF().corpus_score(list(translations), [list(references)]).score


def script_share(texts: Sequence[str], language: str) -> float:
    """Return the fraction of letters in a language's script, 0 to 1; 0 if there are none."""
    script = _SCRIPTS.get(language, _LATIN)
    letters = [letter for letter in "".join(texts) if letter.isalpha()]
    inside = [one for one in letters if unicodedata.name(one, "").startswith(script)]
    return len(inside) / len(letters) if letters else 0.0


def keep(check: Check, identity: str) -> Path:
    """Keep a result for the model with that identity."""
    place = _place(identity, check.language)
    place.parent.mkdir(parents=True, exist_ok=True)
    handle, beside = tempfile.mkstemp(dir=place.parent, prefix=".")
    with os.fdopen(handle, "w", encoding="utf-8") as stream:
        json.dump(asdict(check), stream, ensure_ascii=False, indent=1)
    Path(beside).replace(place)
    return place


def kept(identity: str, language: str) -> Check | None:
    """Return the stored measurement of that model, or None."""
    try:
        found = json.loads(_place(identity, language).read_text(encoding="utf-8"))
        found["examples"] = tuple(tuple(pair) for pair in found["examples"])
        return Check(**found)
    except (OSError, ValueError, TypeError, KeyError):  # missing, or written by something else
        return None


def honest_words(identity: str, name: str, language: str) -> str:
    """Describe how well this model translates, or say that it hasn't been measured."""
    check = kept(identity, language)
    if check is not None:
        return str(check)
    if language not in LANGUAGES:
        return _("Nobody has measured whether {model} can translate into {language}.").format(
            model=name, language=language
        )
    return _(
        "Not measured yet whether {model} can translate into {language}; --check does it."
    ).format(model=name, language=language)


def _place(identity: str, language: str) -> Path:
    safe = "".join(letter for letter in language if letter.isalnum())[:40]
    return cache_folder() / "translation-checks" / f"{identity}-{safe}-v{VERSION}.json"
