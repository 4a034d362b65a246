"""The lessons as a learner meets them: top to bottom, offline, without an error.

Each lesson is executed whole in English. Then, in the same kernel, the Korean notebook sets its
language and its quick cells that show something run again: its code is the same, so what can
differ is what it shows. Executing is slow, so an outcome is kept under the hash of the notebooks
and the library they use, with the seconds that each cell took for whoever wants to know.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
from datetime import datetime
from pathlib import Path

import nbformat
import pytest
from babel.messages.pofile import read_po
from markdown_it import MarkdownIt
from nbclient import NotebookClient

from autograder.config import Course
from beyond import locale

ROOT = Path(__file__).parents[2]
LESSONS = sorted(path.name for path in (ROOT / "notebooks" / "en").glob("*.ipynb"))
CACHE = ROOT / ".cache" / "lessons"

# Any attempt to reach the network fails at once, as it would for a learner on a train.
NO_NETWORK = """
import socket
def _refuse(self, address):
    if self.family in (socket.AF_INET, socket.AF_INET6) and address[0] not in ("127.0.0.1", "::1"):
        raise OSError(f"a lesson tried to reach {address}")
    return _connect(self, address)
_connect = socket.socket.connect
socket.socket.connect = _refuse
"""


def read(code: str, name: str) -> nbformat.NotebookNode:
    return nbformat.read(ROOT / "notebooks" / code / name, as_version=4)


def key(*notebooks: nbformat.NotebookNode) -> str:
    seen = hashlib.sha256("".join(map(nbformat.writes, notebooks)).encode())
    for path in sorted((ROOT / "notebooks" / "beyond").rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            seen.update(path.read_bytes())
    for path in sorted((ROOT / "env").glob("*.txt")):
        seen.update(path.read_bytes())
    return seen.hexdigest()[:24]


QUICK = 2.0
"""Seconds that a cell took at most to be worth running in Korean too."""

GIVEN = Course(ROOT).settings.text_functions
SHOWS = re.compile(rf"\b(_|{'|'.join(GIVEN)})\(|widgets|questions|predictions|editor|ladder")

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


def took(cell: nbformat.NotebookNode) -> float:
    """The seconds that a cell ran."""
    stamps = [datetime.fromisoformat(stamp) for stamp in cell.metadata.execution.values()]
    return (max(stamps) - min(stamps)).total_seconds()


def wrong(name: str) -> dict[str, list[str]]:
    """What went wrong in a lesson, by language, as "cell: error"."""
    english, korean = read("en", name), read("ko", name)
    place = CACHE / f"{key(english, korean)}-{name}.json"
    if place.is_file():
        return json.loads(place.read_text())["wrong"]
    again = [cell for cell in korean.cells if cell.cell_type == "code"]
    english.cells.insert(0, nbformat.v4.new_code_cell(NO_NETWORK, id="no-network"))
    os.environ["HF_HUB_OFFLINE"] = "1"
    client = NotebookClient(
        english,
        timeout=600,  # seconds a cell; on one core of a slow machine some take minutes
        allow_errors=True,
        kernel_name="python3",
        resources={"metadata": {"path": str(ROOT / "notebooks" / "en")}},
    )
    with client.setup_kernel():
        for number, cell in enumerate(list(english.cells)):
            client.execute_cell(cell, number)
        slow = {
            cell.id for cell in english.cells if cell.cell_type == "code" and took(cell) > QUICK
        }
        again = [
            cell
            for cell in again
            if cell.id == "language" or (cell.id not in slow and SHOWS.search(cell.source))
        ]
        for number, cell in enumerate(again, len(english.cells)):
            english.cells.append(cell)
            client.execute_cell(cell, number)
    found = {"en": errors(english.cells[: -len(again)]), "ko": errors(again) + english_in(again)}
    place.parent.mkdir(parents=True, exist_ok=True)
    whole = [cell for cell in english.cells[: -len(again)] if cell.cell_type == "code"]
    seconds = {cell.id: round(took(cell), 1) for cell in whole}
    place.write_text(json.dumps({"wrong": found, "seconds": seconds}, indent=1))
    return found


def errors(cells: list[nbformat.NotebookNode]) -> list[str]:
    return [
        f"{cell.id}: {output.ename}: {output.evalue}"
        for cell in cells
        if cell.cell_type == "code"
        for output in cell.outputs
        if output.output_type == "error"
    ]


def english_in(cells: list[nbformat.NotebookNode]) -> list[str]:
    """English labels in what Korean cells show."""
    found = []
    for cell in cells:
        texts = [output.get("text", "") for output in cell.outputs]
        texts += [output.get("data", {}).get("text/plain", "") for output in cell.outputs]
        shown = "\n".join(texts)
        found += [
            f"{cell.id} shows {text!r}"
            for text in sorted(ENGLISH)
            if re.search(rf"(?<!\w)(?<!# ){re.escape(text)}(?!\w)", shown)
        ]
    return found


def test_there_are_lessons():
    assert len(LESSONS) >= 2


@pytest.mark.parametrize("name", LESSONS)
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
