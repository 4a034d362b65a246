"""Hints: one that sends students back to an earlier step asks first whether that step is at fault."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = [
    path.relative_to(ROOT).as_posix()
    for folder in ("notebooks/en", "source/en")
    for path in sorted((ROOT / folder).rglob("*.ipynb"))
    if ".ipynb_checkpoints" not in path.parts
]
EARLIER = re.compile(r"\b[Ss]teps? \d.*(come|first|answer|pass|correct)|isn't correct yet|yet\?")


def hints_of(source: str):
    """Yield each wrong result that a cell names, and what is said about it."""
    try:
        tree = ast.parse(source)
    except SyntaxError:  # a magic
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.keyword) and node.arg == "hints":
            for pair in getattr(node.value, "elts", ()):
                wrong, text = pair.elts
                yield wrong, ast.literal_eval(text)


def sent_back(cells):
    return [
        (cell.id, wrong, text)
        for cell in cells
        if cell.cell_type == "code"
        for wrong, text in hints_of(cell.source)
        if EARLIER.search(text)
    ]


@pytest.mark.parametrize("notebook", NOTEBOOKS)
def test_an_earlier_step_is_named_only_after_a_look_at_it(notebook):
    """An exception alone, or any result, can be this step's own mistake."""
    for cell, wrong, text in sent_back(nbformat.read(ROOT / notebook, as_version=4).cells):
        always = isinstance(wrong, ast.Name) and wrong.id.endswith(("Error", "Exception"))
        assert not always, f"{cell}: {text}"
        assert not isinstance(wrong, ast.Constant), f"{cell}: {text}"


def test_the_lessons_whose_steps_build_on_each_other_are_among_them():
    found = {
        Path(notebook).stem
        for notebook in NOTEBOOKS
        if sent_back(nbformat.read(ROOT / notebook, as_version=4).cells)
    }
    assert found >= {
        "01-prompting",
        "02-retrieval",
        "04-the-cost-formula",
        "09-edge-deployment",
        "cost-formula",
    }
