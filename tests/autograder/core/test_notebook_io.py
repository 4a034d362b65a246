"""Reading notebooks: every kind of bad input has its sentence, every editor's form is read."""

import json

import nbformat
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autograder.core import notebook_io
from autograder.core.notebook_io import CELL_LIMIT, BadNotebook, language_of, parse, to_bytes
from autograder.errors import UserError


def as_bytes(**changes):
    data = {"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [], **changes}
    return json.dumps(data).encode()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "isn't JSON"),
        (b"{", "isn't JSON"),
        (b"\xff\xfe\x00", "isn't JSON"),
        (b"[" * 100_000, "isn't JSON"),
        (b"[1, 2]", "not a notebook"),
        (b'{"a": 1}', "not a notebook"),
        (as_bytes(nbformat=3, worksheets=[]), "format 3"),
        (as_bytes(nbformat=5), "newer"),
        (as_bytes(cells={"a": 1}), "no list of cells"),
        (as_bytes(cells=[{"cell_type": "drawing", "source": ""}]), "unknown kind"),
        (as_bytes(cells=[{"cell_type": "code", "source": "", "outputs": 7}]), "valid notebook"),
        (as_bytes(cells=[{"cell_type": "raw", "source": ""}] * 2001), "2,001 cells"),
    ],
)
def test_bad_input_gets_a_sentence(content, says):
    with pytest.raises(BadNotebook, match=r"x\.ipynb") as raised:
        parse(content, "x.ipynb")
    assert says in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_notebook_over_the_size_limit_is_refused(monkeypatch):
    monkeypatch.setattr(notebook_io, "SIZE_LIMIT", 10)
    with pytest.raises(BadNotebook, match="more than the 10 allowed"):
        parse(as_bytes(), "x.ipynb")


def test_what_grading_has_written_is_always_read_again(tmp_path, monkeypatch):
    cells = [{"cell_type": "raw", "source": "x" * 100, "metadata": {}}] * (CELL_LIMIT + 11)
    content = as_bytes(cells=cells)
    (tmp_path / "x.ipynb").write_bytes(content)
    monkeypatch.setattr(notebook_io, "SIZE_LIMIT", len(content) - 1)
    with pytest.raises(UserError):
        notebook_io.read(tmp_path / "x.ipynb")
    assert len(notebook_io.read_graded(tmp_path / "x.ipynb").cells) == CELL_LIMIT + 11


def test_cells_without_or_with_doubled_ids_get_lasting_ones():
    cells = [{"cell_type": "code", "source": ["a\n", "b"]}] + [
        {"cell_type": "markdown", "source": "", "id": "same", "outputs": []}
    ] * 2
    first, second = (parse(as_bytes(nbformat_minor=0, cells=cells), "x") for _ in range(2))
    assert [cell.id for cell in first.cells] == ["cell-1", "same", "cell-3"]
    assert to_bytes(first) == to_bytes(second)
    assert first.cells[0].source == "a\nb"


def test_a_lone_surrogate_does_not_stop_writing():
    content = as_bytes(cells=[{"cell_type": "raw", "source": "\ud800", "metadata": {}}])
    assert b"?" in to_bytes(parse(content, "x"))


def test_canonical_bytes_survive_a_round_trip(kit):
    content = to_bytes(kit.source_notebook())
    assert to_bytes(parse(content, "x")) == content
    assert content.endswith(b"}\n")


def test_the_language_comes_from_the_code_then_the_metadata(kit):
    own = kit.source_notebook("ko")
    assert language_of(own) == "ko"
    own.cells = [cell for cell in own.cells if cell.id != "language"]
    assert language_of(own) == "ko"
    own.metadata.pop("beyond")
    assert language_of(own) == ""
    own.metadata["beyond"] = "nonsense"
    assert language_of(own) == ""


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)
cell_like = st.fixed_dictionaries(
    {},
    optional={
        "cell_type": st.sampled_from(["code", "markdown", "raw"]) | json_values,
        "source": json_values,
        "metadata": json_values,
        "id": json_values,
        "outputs": json_values,
        "execution_count": json_values,
        "attachments": json_values,
    },
)


@given(cells=st.lists(cell_like, max_size=4), metadata=json_values, minor=json_values)
def test_any_json_is_a_notebook_or_a_sentence(cells, metadata, minor):
    content = as_bytes(cells=cells, metadata=metadata, nbformat_minor=minor)
    try:
        said = ""
        to_bytes(parse(content, "x.ipynb"))
    except BadNotebook as error:
        said = str(error)
    assert "\n" not in said


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ({}, 30),
        ({"cell_seconds": 90}, 90),
        ({"cell_seconds": 5}, 30),
        ({"cell_seconds": "long"}, 30),
    ],
)
def test_a_notebook_may_ask_for_longer_cells_but_not_for_shorter_ones(said, seconds):
    notebook = nbformat.v4.new_notebook(metadata={"beyond": said})
    assert notebook_io.cell_seconds(notebook, 30) == seconds
