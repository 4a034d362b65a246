"""The lessons as a learner meets them: top to bottom, offline, without an error.

Each lesson is executed whole in English. Then, in the same kernel, the Korean notebook sets its
language and its quick cells that show something run again: its code is the same, so what can
differ is what it shows. `tools/lesson_store.py` does so, and keeps the outcome until something
that it depends on changes.
"""

from __future__ import annotations

import io
import re
from pathlib import Path

import nbformat
import pytest
from babel.messages.pofile import read_po
from markdown_it import MarkdownIt

from beyond import locale
from tools.lesson_store import Cell, Lesson, errors, names

ROOT = Path(__file__).parents[2]
LESSONS = sorted(path.name for path in (ROOT / "notebooks" / "en").glob("*.ipynb"))


def read(code: str, name: str) -> nbformat.NotebookNode:
    return nbformat.read(ROOT / "notebooks" / code / name, as_version=4)


CATALOG = read_po(
    io.BytesIO((Path(locale.__file__).parent / "ko/LC_MESSAGES/beyond.po").read_bytes())
)
ENGLISH = {
    message.id
    for message in CATALOG
    if message.id and message.string != message.id and " " in message.id and "{" not in message.id
} - {
    # A model that is loaded in English says so for as long as it lives.
    "little-mllama (the same architecture, not Llama)",
}
"""Texts of at least two words that a Korean reader shouldn't see."""


def wrong(name: str) -> dict[str, list[str]]:
    """What went wrong in a lesson, by language, as "cell: error"."""
    outcome = Lesson(name).outcome()
    return {"en": errors(outcome.cells), "ko": errors(outcome.again) + english_in(outcome.again)}


def english_in(cells: list[Cell]) -> list[str]:
    """English labels in what Korean cells show."""
    found = []
    for cell in cells:
        texts = [output.get("text", "") for output in cell.outputs]
        texts += [output.get("data", {}).get("text/plain", "") for output in cell.outputs]
        shown = "\n".join(texts)
        found += [
            f"{cell.id} shows {text!r}"
            for text in sorted(ENGLISH)
            if text in shown  # the pattern alone would take a minute for each lesson
            and re.search(rf"(?<!\w)(?<!# ){re.escape(text)}(?!\w)", shown)
        ]
    return found


def test_there_are_lessons():
    assert len(LESSONS) >= 2


@pytest.mark.parametrize("name", names())
def test_the_lesson_runs_to_its_end_and_speaks_korean(name):
    assert wrong(name) == {"en": [], "ko": []}


@pytest.mark.parametrize("name", LESSONS)
def test_the_korean_lesson_has_the_same_code(name):
    def code(language):
        return [
            (cell.id, cell.source)
            for cell in read(language, name).cells
            if cell.cell_type == "code" and cell.id != "language"
        ]

    assert code("ko") == code("en")


def shown_texts(tokens):
    for token in tokens:
        if token.children:
            yield from shown_texts(token.children)
        elif token.type == "text":
            yield token.content


@pytest.mark.parametrize("folder", ["notebooks", "source"])
def test_no_prose_shows_its_asterisks(folder):
    """Bold that ends in a bracket right before a Hangul letter isn't bold: **검색(RAG)**을."""
    markdown = MarkdownIt("commonmark").enable("table")
    formula = re.compile(r"\$\$.*?\$\$|\$[^$\n]+\$", re.DOTALL)
    found = [
        (path.relative_to(ROOT).as_posix(), cell.id, text)
        for path in sorted((ROOT / folder).glob("??/**/*.ipynb"))
        if ".ipynb_checkpoints" not in path.parts
        for cell in nbformat.read(path, as_version=4).cells
        if cell.cell_type == "markdown"
        for text in shown_texts(markdown.parse(formula.sub("x", cell.source)))
        if "*" in text
    ]
    assert found == []
