"""The lessons as a learner meets them: top to bottom, offline, without an error.

English lessons are executed whole; of the Korean ones, whose code is the same, the cells that
set the language and those that show a widget. Executing is slow, so an outcome is kept under
the hash of the notebook and the library it uses.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from pathlib import Path

import nbformat
import pytest
from markdown_it import MarkdownIt
from nbclient import NotebookClient

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


def key(notebook: nbformat.NotebookNode) -> str:
    seen = hashlib.sha256(nbformat.writes(notebook).encode())
    for path in sorted((ROOT / "notebooks" / "beyond").rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            seen.update(path.read_bytes())
    for path in sorted((ROOT / "env").glob("*.txt")):
        seen.update(path.read_bytes())
    return seen.hexdigest()[:24]


def execute(notebook: nbformat.NotebookNode, name: str) -> list[str]:
    """What went wrong, as "cell: error"; run in the folder the notebook lies in."""
    place = CACHE / f"{key(notebook)}-{name}.json"
    if place.is_file():
        return json.loads(place.read_text())
    notebook.cells.insert(0, nbformat.v4.new_code_cell(NO_NETWORK))
    folder = ROOT / "notebooks" / notebook.metadata.beyond.language
    client = NotebookClient(
        notebook,
        timeout=120,
        allow_errors=True,
        kernel_name="python3",
        resources={"metadata": {"path": str(folder)}},
    )
    os.environ["HF_HUB_OFFLINE"] = "1"
    client.execute()
    wrong = [
        f"{cell.get('id')}: {output.ename}: {output.evalue}"
        for cell in notebook.cells
        if cell.cell_type == "code"
        for output in cell.outputs
        if output.output_type == "error"
    ]
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(json.dumps(wrong))
    return wrong


def test_there_are_lessons():
    assert len(LESSONS) >= 2


@pytest.mark.parametrize("name", LESSONS)
def test_the_english_lesson_runs_to_its_end(name):
    assert execute(read("en", name), f"en-{name}") == []


@pytest.mark.parametrize("name", LESSONS)
def test_the_korean_lesson_has_the_same_code(name):
    def code(language):
        return [
            (cell.id, cell.source)
            for cell in read(language, name).cells
            if cell.cell_type == "code" and cell.id != "language"
        ]

    assert code("ko") == code("en")


SHOWS_A_WIDGET = ("widgets", "explorer", "self_check", "clock", "editor", "predict")


@pytest.mark.parametrize("name", LESSONS)
def test_the_korean_lesson_sets_its_language_and_shows_its_widgets(name):
    notebook = read("ko", name)
    last = max(
        (
            number
            for number, cell in enumerate(notebook.cells)
            if cell.cell_type == "code" and any(word in cell.source for word in SHOWS_A_WIDGET)
        ),
        default=3,
    )
    # A widget cell needs what stands above it, so everything up to the last one runs.
    notebook.cells = notebook.cells[: last + 1]
    assert execute(notebook, f"ko-{name}") == []


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
