"""Hold a course's prose to its glossary: one term a thing, and the same ones in every language.

A glossary is a page of Markdown in each language's folder of lessons (the setting `glossary` names
it). Its tables of four columns list terms: the term, its name in the other language, its meaning,
and the lesson that introduces it. Other names follow in parentheses or after commas, and what is
fine in prose without being a name to learn in an HTML comment, which no reader sees. A table of
two columns lists words that the course doesn't use, and what it says instead.

A reader who follows an entry's link looks for the term there, so the lesson's prose has to use one
of the names that the page shows.

Where the prose in the source language uses a term, its translation has to use the term's name, or
the same word. A term in another form (a verb, a compound) isn't looked for, nor is a single word
that stands in a cell only once: a false alarm would cost more than what is missed.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from nbformat import NotebookNode

from autograder.authoring import build
from autograder.authoring.problem import CellProblem
from autograder.config import SETTINGS_FILE, Course
from autograder.core import notebook_io
from autograder.errors import UserError

_RULE = re.compile(r"[-:| ]+")
_NOT_PROSE = re.compile(
    r"```.*?```|`[^`\n]*`|\$\$.*?\$\$|\$[^$\n]+\$|<[^>]+>|(?<=\])\([^)\s]*\)|https?://\S+",
    re.DOTALL,
)
_LATIN_WORD = r"0-9A-Za-z\u00c0-\u024f_-"
_COMMENT = re.compile(r"<!--.*?-->")
_LATIN = re.compile(r"[A-Za-z]")


@dataclass(frozen=True)
class Term:
    """A term of one page.

    Attributes:
        names: in the page's language, the first one first.
        others: in the other language.
        lesson: the file that introduces it, as the page links it.
        shown: those of the names that a reader of the page sees.
    """

    names: tuple[str, ...]
    others: tuple[str, ...]
    lesson: str = ""
    shown: tuple[str, ...] = ()


@dataclass(frozen=True)
class Glossary:
    """What a page lists.

    Attributes:
        terms: in the page's order.
        avoided: words that the course doesn't use, with what it says instead.
    """

    terms: tuple[Term, ...]
    avoided: tuple[tuple[str, str], ...]

    @classmethod
    def read(cls, path: Path) -> Glossary:
        """Read a page.

        Raises:
            UserError: there is none, or it can't be read.
        """
        try:
            return cls.parse(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(f"The glossary {path} can't be read ({error}).") from None

    @classmethod
    def parse(cls, text: str) -> Glossary:
        """Return what a page's text lists."""
        terms: list[Term] = []
        avoided: list[tuple[str, str]] = []
        for row in _rows(text):
            if len(row) == 4:
                link = re.search(r"\]\(([^)]+)\)", row[3])
                shown = _names(_COMMENT.sub("", row[0]))
                terms.append(Term(_names(row[0]), _names(row[1]), link[1] if link else "", shown))
            elif len(row) == 2:
                avoided.append((row[0], row[1]))
        return cls(tuple(terms), tuple(avoided))


def _rows(text: str) -> Iterator[list[str]]:
    """Yield the cells of each row of a page's tables, without their heads."""
    lines = text.splitlines()
    for number, line in enumerate(lines):
        is_head = number + 1 < len(lines) and _RULE.fullmatch(lines[number + 1] or "x")
        if line.startswith("|") and not _RULE.fullmatch(line) and not is_head:
            yield [cell.strip() for cell in line.strip().strip("|").split("|")]


def _names(cell: str) -> tuple[str, ...]:
    """Return the names in a cell: "mixture of experts (MoE)" has two."""
    found = [part.strip() for part in re.split(r"<!--|-->|[(),]", cell)]
    return tuple(dict.fromkeys(one for one in found if one))


def page_problems(source: Glossary, other: Glossary) -> Iterator[str]:
    """Yield where two pages aren't the same list, as the rest of a sentence about the other page.

    Args:
        source: the page in the source language.
        other: the page in another language.
    """
    pairs = {(term.names[0], term.others[0]): term for term in source.terms}
    found = {(term.others[0], term.names[0]): term for term in other.terms}
    for name, own in sorted(pairs.keys() - found.keys()):
        yield f"lacks {name} as {own}"
    for name, own in sorted(found.keys() - pairs.keys()):
        yield f"has {own} for {name}, which the other page doesn't"
    for pair in sorted(pairs.keys() & found.keys()):
        if pairs[pair].lesson != found[pair].lesson:
            yield f"names another lesson for {pair[1]} than the other page"


def own_problems(page: Glossary) -> Iterator[str]:
    """Yield terms that a page has twice or out of order."""
    names = [term.names[0] for term in page.terms]
    for name in sorted({one for one in names if names.count(one) > 1}):
        yield f"has {name} more than once"
    for before, after in itertools.pairwise(names):
        if before.casefold() > after.casefold():
            yield f"has {after} after {before}"


def unintroduced_terms(page: Glossary, lesson: str, prose: str) -> Iterator[str]:
    """Yield terms whose entry leads to a lesson that doesn't name them, as the rest of a sentence.

    Args:
        page: the glossary in the lesson's language.
        lesson: the file, as the page links it.
        prose: of the whole lesson.
    """
    squeezed = _squeezed(prose)
    for term in page.terms:
        if term.lesson != lesson:
            continue
        if not any(
            _pattern(name).search(prose) if _LATIN.search(name) else _squeezed(name) in squeezed
            for name in term.shown
        ):
            yield f"leads to {lesson} for {term.names[0]}, but its text never says so"


def _lesson_problems(folder: Path, page: Glossary) -> Iterator[str]:
    """Yield where a page's entries and the lessons in its folder don't fit."""
    for lesson in sorted({term.lesson for term in page.terms}):
        path = folder / lesson
        if not path.is_file():
            yield f"leads to {lesson!r}, which isn't there"
            continue
        cells = notebook_io.read(path).cells
        prose = "\n\n".join(prose_of(cell.source) for cell in cells if cell.cell_type == "markdown")
        yield from unintroduced_terms(page, lesson, prose)


def prose_of(source: str) -> str:
    """Return a prose cell without code, formulas, tags and addresses."""
    return _NOT_PROSE.sub(" ", source)


def avoided_words(prose: str, glossary: Glossary) -> Iterator[str]:
    """Yield what prose says that the course doesn't, as the rest of a sentence."""
    for term in sorted(
        (name for one in glossary.terms for name in one.names), key=len, reverse=True
    ):
        prose = _pattern(term).sub(" · ", prose)  # a word within a term is the term's
    for word, instead in glossary.avoided:
        if _occurs(word, prose):
            yield f"says {word!r}; the course says {instead!r}"


def missing_terms(prose: str, translation: str, glossary: Glossary) -> Iterator[str]:
    """Yield terms of the prose that its translation doesn't have, as the rest of a sentence.

    Args:
        prose: in the source language.
        translation: of it, whole: a name in its code will do.
        glossary: the source language's page.
    """
    squeezed = _squeezed(translation)
    # The longest first, so that "fine-tuning" isn't found in "supervised fine-tuning".
    by_length = [(name, term) for term in glossary.terms for name in term.names]
    for name, term in sorted(by_length, key=lambda one: -len(one[0])):
        prose, times = _pattern(name).subn(" ", prose)
        # A translation may well do without a word that stands there once, in passing.
        if times < (1 if re.search(r"[ -]|[A-Z]{2}", name) else 2):
            continue
        fine = (*term.others, *term.names)
        if not any(_squeezed(one) in squeezed for one in fine):
            yield f"has no {term.others[0]} where the other language says {name}"


def _occurs(word: str, prose: str) -> bool:
    return bool(_pattern(word).search(prose)) if _LATIN.search(word) else word in prose


def _pattern(name: str) -> re.Pattern[str]:
    """Return what finds a name in prose, its plural included.

    Where letters aren't Latin, endings follow a word without a space, so any text counts.
    """
    if not _LATIN.search(name):
        return re.compile(re.escape(name))
    words = r"\s+".join(re.escape(word) for word in name.split())
    # An acronym keeps its case: "rag" is no RAG.
    flags = 0 if name.isupper() else re.IGNORECASE
    # Another script's letters may follow: a Korean particle does, without a space.
    return re.compile(rf"(?<![\w-]){words}(?:s|es)?(?![{_LATIN_WORD}])", flags)


def _squeezed(text: str) -> str:
    return re.sub(r"[\s-]", "", text).casefold()


def notebook_problems(
    original: NotebookNode, translated: NotebookNode, source: Glossary, other: Glossary
) -> Iterator[tuple[bool, CellProblem]]:
    """Yield what is wrong in a notebook and its translation.

    Yields:
        Whether it is in the translation, and the problem.
    """
    own = {cell.id: cell.source for cell in translated.cells if cell.cell_type == "markdown"}
    for cell in original.cells:
        if cell.cell_type != "markdown":
            continue
        prose = prose_of(cell.source)
        yield from ((False, CellProblem(cell.id, text)) for text in avoided_words(prose, source))
        if cell.id in own:
            translation = own[cell.id]
            texts = [
                *avoided_words(prose_of(translation), other),
                *missing_terms(prose, translation, source),
            ]
            yield from ((True, CellProblem(cell.id, text)) for text in texts)


def problems(course: Course) -> Iterator[tuple[Path, CellProblem | str]]:
    """Yield what doesn't keep to the glossary: a file, and a cell's problem or the page's own."""
    name = course.settings.glossary
    if not name:
        return
    lessons = course.root / course.settings.lessons
    source_page = lessons / course.source_language / name
    if not source_page.exists():
        if (course.root / SETTINGS_FILE).is_file():  # else the setting is another course's
            yield source_page, "is missing; write it, or take it out of the settings"
        return
    source = Glossary.read(source_page)
    yield from (
        (source_page, text)
        for text in (*own_problems(source), *_lesson_problems(source_page.parent, source))
    )
    partial = dict(course.settings.partial_languages)
    for code in course.translations():
        page = lessons / code / name
        if not page.exists():
            if code in partial:
                continue
            yield page, f"is missing; translate it to {code}"
            continue
        other = Glossary.read(page)
        own = (
            *own_problems(other),
            *page_problems(source, other),
            *_lesson_problems(page.parent, other),
        )
        yield from ((page, text) for text in own)
        for folder, relative in build.source_notebooks(course):
            places = [
                course.root / folder / one / relative for one in (course.source_language, code)
            ]
            if not places[1].exists():
                continue  # told elsewhere
            both: Sequence[NotebookNode] = [notebook_io.read(place) for place in places]
            for in_translation, problem in notebook_problems(both[0], both[1], source, other):
                yield places[in_translation], problem
