"""Provide lesson 2's handbook and questions, in English and Korean.

The shop is fictional; `tools/make_handbook.py` generated `handbook.json` from prose written for
this course. The languages are parallel: the same sections, paragraphs and questions in the same
order.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from beyond import locale

LANGUAGES = ("en", "ko")
"""The languages that the handbook is written in."""


@dataclass(frozen=True)
class Section:
    """A section of the handbook."""

    id: str
    """The same in both languages."""
    chapter: str
    title: str
    paragraphs: tuple[str, ...]

    @property
    def text(self) -> str:
        """The paragraphs, separated by spaces."""
        return " ".join(self.paragraphs)


@dataclass(frozen=True)
class Question:
    """A question with the sentences of the handbook that answer it."""

    question: str
    evidence: str
    """One or two consecutive sentences of a paragraph or of two; empty if unanswerable."""
    answer: str
    """The words of the evidence that answer; empty if unanswerable."""
    section: str | None
    """The section's id; None if the handbook doesn't answer the question."""
    split: str
    """`dev`, on which settings are chosen, or `test`, on which they are measured."""

    @property
    def answerable(self) -> bool:
        """Whether the handbook answers the question."""
        return self.section is not None


@dataclass(frozen=True)
class Passage:
    """A part of a section that a search finds and a reader reads."""

    id: str
    """The section's id and the passage's number in it, from 1, such as `ardo-care/2`."""
    section: str
    title: str
    text: str

    @property
    def titled(self) -> str:
        """The section's title, then the text."""
        return f"{self.title}: {self.text}"

    def answers(self, question: Question) -> bool:
        """Tell whether the passage contains the whole evidence for the question."""
        return question.section == self.section and question.evidence in self.text


def language() -> str:
    """Return the course's language, or English if the handbook isn't written in it."""
    chosen = locale.language()
    return chosen if chosen in LANGUAGES else LANGUAGES[0]


def sections(language: str = "en") -> list[Section]:
    """Return the handbook's 120 sections in `en` or `ko`."""
    return [
        Section(s["id"], s[language]["chapter"], s[language]["title"], _paragraphs(s, language))
        for s in _data()["sections"]
    ]


def questions(split: str | None = None, language: str = "en") -> list[Question]:
    """Return the questions of a split (`dev` or `test`; all if None) in `en` or `ko`."""
    return [
        Question(section=q["section"], split=q["split"], **q[language])
        for q in _data()["questions"]
        if split in (None, q["split"])
    ]


def passages(sections: Sequence[Section], parts: Sequence[Sequence[str]]) -> list[Passage]:
    """Number each section's parts and name the section they came from.

    Args:
        sections: the handbook's.
        parts: for each section, the texts that it was split into.
    """
    return [
        Passage(f"{section.id}/{number}", section.id, section.title, text)
        for section, texts in zip(sections, parts, strict=True)
        for number, text in enumerate(texts, start=1)
    ]


def by_paragraph(language: str = "en") -> list[Passage]:
    """Split the handbook into a passage per paragraph."""
    book = sections(language)
    return passages(book, [section.paragraphs for section in book])


def _paragraphs(section: dict, language: str) -> tuple[str, ...]:
    return tuple(section[language]["paragraphs"])


@cache
def _data() -> dict:
    return json.loads((Path(__file__).parent / "handbook.json").read_text("utf-8"))
