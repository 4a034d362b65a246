"""The first code cell of every notebook, where the course's package isn't installed and where it is."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import nbformat
import pytest

from beyond import locale

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted(
    path
    for folder in ("notebooks", "source", "release")
    for path in (ROOT / folder).rglob("*.ipynb")
    if ".ipynb_checkpoints" not in path.parts
)


def first_cell(path: Path) -> tuple[str, str]:
    """The language of a notebook, and its first code cell."""
    notebook = nbformat.read(path, as_version=4)
    cell = next(cell for cell in notebook.cells if cell.cell_type == "code")
    return notebook.metadata.beyond.language, cell.source


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: str(path.relative_to(ROOT)))
def test_it_says_in_one_sentence_what_is_missing(path, monkeypatch):
    language, source = first_cell(path)
    for name in ("beyond", "beyond.locale"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ModuleNotFoundError) as caught:
        exec(source, {})
    said = str(caught.value)
    assert not re.search(r"[.?!] ", said)  # one sentence
    assert bool(re.search("[가-힣]", said)) == (language == "ko")
    assert "python3 env lab" in said
    assert said.endswith("%pip install beyond_prompting-*.whl")
    assert caught.value.__suppress_context__  # no traceback of Python's own above it


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: str(path.relative_to(ROOT)))
def test_it_sets_the_language(path):
    language, source = first_cell(path)
    locale.set_language("ko" if language == "en" else "en")
    try:
        exec(source, {})
        assert locale.language() == language
    finally:
        locale.set_language("en")


def test_there_are_lessons_and_assignments():
    assert len({path.name for path in NOTEBOOKS}) >= 14
