"""Render the page of similar submissions: plain HTML, no script, every student's text escaped."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

from autograder.core.printable import printable_value
from autograder.i18n import _
from autograder.similarity.compare import (
    CODE,
    MIN_FRACTION,
    MIN_SHARED_CODE,
    MIN_TOKENS,
    PROSE,
    RUN,
    Comparison,
    SharedAnswer,
    Side,
    SimilarPair,
)

if TYPE_CHECKING:
    from jinja2 import Template

MAX_PAIRS = 60
"""The most pairs that are shown side by side; of the others the page gives the number."""


@dataclass(frozen=True)
class Piece:
    """A piece of a student's text.

    Attributes:
        is_shared: whether it is in a passage that both have.
    """

    text: str
    is_shared: bool


@dataclass(frozen=True)
class ShownAnswer:
    """Two answers side by side.

    Attributes:
        title: the question's; of two questions, both.
        sides: the students' names, each with the pieces of the text.
    """

    title: str
    percent: int
    tokens: int
    is_code: bool
    sides: tuple[tuple[str, tuple[Piece, ...]], tuple[str, tuple[Piece, ...]]]


@dataclass(frozen=True)
class ShownPair:
    """A pair of students and their similar answers."""

    names: tuple[str, str]
    percent: int
    tokens: int
    answers: tuple[ShownAnswer, ...]


def pieces(side: Side) -> Iterator[Piece]:
    """Yield a text in pieces, those of shared passages marked."""
    text, at = side.answer.text, 0
    for begin, end in side.passages:
        begin = max(begin, at)
        if begin > at:
            yield Piece(text[at:begin], is_shared=False)
        if end > begin:
            yield Piece(text[begin:end], is_shared=True)
            at = end
    if at < len(text):
        yield Piece(text[at:], is_shared=False)


def _shown(
    pair: SimilarPair, names: Mapping[str, str], titles: Mapping[tuple[str, str], str]
) -> ShownPair:
    told = (_name(pair.students[0], names), _name(pair.students[1], names))
    answers = tuple(_shown_answer(one, told, titles) for one in pair.answers)
    return ShownPair(told, round(100 * pair.fraction), round(pair.tokens), answers)


def _shown_answer(
    shared: SharedAnswer, names: tuple[str, str], titles: Mapping[tuple[str, str], str]
) -> ShownAnswer:
    sides = (shared.left, shared.right)
    places = dict.fromkeys(one.answer.place for one in sides)
    told = (titles.get(place) or place[1] or str(_("Own cells")) for place in places)
    left, right = (tuple(pieces(one)) for one in sides)
    return ShownAnswer(
        " / ".join(dict.fromkeys(told)),
        round(100 * shared.fraction),
        round(shared.tokens),
        shared.left.answer.kind == CODE,
        ((names[0], left), (names[1], right)),
    )


def _name(student: str, names: Mapping[str, str]) -> str:
    name = names.get(student)
    return f"{name} ({student})" if name else student


@cache
def _template() -> Template:
    from jinja2 import Environment, StrictUndefined

    environment = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=printable_value,
    )
    text = files("autograder.similarity").joinpath("templates/similar.html").read_text("utf-8")
    return environment.from_string(text)


def render(
    title: str,
    found: Comparison,
    students: int,
    names: Mapping[str, str],
    titles: Mapping[tuple[str, str], str],
    language: str,
) -> str:
    """Return the page, in the current language.

    Args:
        title: the assignment's.
        found: what came of comparing the class.
        students: the number of students whose submissions were read.
        names: the students' names by id, "" where there is none.
        titles: the questions' titles by notebook and answer cell.
        language: the current language's code.
    """
    return _template().render(
        _=_,
        language=language,
        title=title,
        students=students,
        found=found,
        pairs=[_shown(one, names, titles) for one in found.pairs[:MAX_PAIRS]],
        long=[_name(one, names) for one in found.long],
        code_run=RUN[CODE],
        prose_run=RUN[PROSE],
        code_least=MIN_TOKENS[CODE],
        prose_least=MIN_TOKENS[PROSE],
        percent=f"{MIN_FRACTION:.0%}",
        enough=MIN_SHARED_CODE,
        many=found.many,
        unlisted=max(0, len(found.pairs) - MAX_PAIRS),
    )
