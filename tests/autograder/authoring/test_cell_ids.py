"""Cells without an id get one that says what they are, once."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from autograder.authoring.build import build
from autograder.authoring.cell_ids import DESCRIPTIVE_ID, RANDOM_ID, give_ids
from autograder.authoring.check import source_problems, translation_problems
from autograder.core import notebook_io


def named(*cells) -> list[str]:
    notebook = new_notebook(cells=list(cells))
    give_ids(notebook)
    return [cell.id for cell in notebook.cells]


@pytest.mark.parametrize(
    ("cell", "name"),
    [
        (new_markdown_cell("Some words.\n\n## The cost of a *cached* token, measured"),
         "the-cost-of-a"),
        (new_markdown_cell("What does [it](https://x.org/y) cost?"), "what-does-it-cost"),
        (new_markdown_cell("Combien coûte-t-il ?"), "combien-coute-t-il"),
        (new_markdown_cell("얼마일까요?"), "text"),
        (new_markdown_cell("$$x^2$$"), "x-2"),
        (new_code_cell("import math\n\n\ndef draw_bars(x):\n    pass"), "draw-bars"),
        (new_code_cell("prices = [1, 2]\ntotal = 3"), "prices"),
        (new_code_cell("import math"), "imports"),
        (new_code_cell("print('Hello')"), "print-hello"),
        (new_code_cell("%matplotlib inline"), "matplotlib-inline"),
        (new_code_cell(""), "code"),
        (new_code_cell("x = 1\x00"), "x-1"),  # no Python in any version, by different errors
        (new_code_cell("deadbeef = 1"), "code"),
    ],
)  # fmt: skip  # a row is a cell and its id
def test_an_id_says_what_the_cell_is_about(cell, name):
    assert named(cell) == [name]


def test_a_graded_cell_is_called_by_its_grade_id():
    marks = {"nbgrader": {"grade_id": "price", "solution": True, "grade": False}}
    assert named(new_code_cell("price = 1"), new_code_cell("price = 2", metadata=marks)) == [
        "price-2",
        "price",
    ]


_CELLS = st.lists(
    st.builds(
        lambda is_code, text, own: (is_code, text, own),
        st.booleans(),
        st.text(max_size=40),
        st.sampled_from(["", "title", "title-2", "Cell_1", "0a1b2c3d"]),
    ),
    max_size=12,
    unique_by=lambda cell: cell[2] or object(),
)


@settings(max_examples=200, deadline=None)
@given(_CELLS)
def test_ids_are_descriptive_and_no_two_are_the_same(cells):
    notebook = new_notebook(
        cells=[
            (new_code_cell if is_code else new_markdown_cell)(text, **({"id": own} if own else {}))
            for is_code, text, own in cells
        ]
    )
    kept = [cell.id for cell in notebook.cells if not RANDOM_ID.fullmatch(cell.id)]
    give_ids(notebook)
    names = [cell.id for cell in notebook.cells]
    assert len(set(names)) == len(names)
    assert all(DESCRIPTIVE_ID.fullmatch(name) for name in set(names) - set(kept))
    assert set(kept) <= set(names)
    assert give_ids(notebook) == {}


def test_building_gives_ids_and_translations_follow(course):
    path = course.source("en") / "mini" / "mini.ipynb"
    content = json.loads(path.read_text())
    for number, cell in enumerate(content["cells"]):
        if number % 2:
            del cell["id"]  # as an older editor leaves it
        else:
            cell["id"] = f"3f2a91{number:02}"  # as JupyterLab makes it
    content["nbformat_minor"] = 4
    path.write_text(json.dumps(content))
    translation = course.source("ko") / "mini" / "mini.ipynb"
    before = [cell.source for cell in notebook_io.read(translation).cells]
    old = notebook_io.parse(path.read_bytes(), "mini.ipynb")
    own = notebook_io.read(translation)
    for there, cell in zip(old.cells, own.cells, strict=True):
        cell.id = there.id  # as an earlier build left it
    notebook_io.write(translation, own)
    assert path in build(course)
    assert list(source_problems(course)) == []
    assert list(translation_problems(course)) == []
    assert [cell.source for cell in notebook_io.read(translation).cells] == before
    assert build(course) == []


def test_a_notebook_with_ids_is_left_alone(course):
    path = course.source("en") / "mini" / "mini.ipynb"
    before = path.read_bytes()
    build(course)
    assert path.read_bytes() == before
