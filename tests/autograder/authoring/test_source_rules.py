"""What a source notebook must keep to, each rule with a notebook that doesn't."""

import json
from pathlib import Path

import pytest
from nbformat.v4 import new_output

from autograder.authoring.source_rules import file_problems, notebook_problems
from autograder.config import Course

COURSE = Course(Path(__file__).resolve().parents[3])


def said(notebook, code="en"):
    return [
        f"{one.cell} {one.text}"
        for one in notebook_problems(notebook, code, COURSE.language_cell(code))
    ]


def cell(notebook, name):
    return next(one for one in notebook.cells if one.id == name)


def test_the_mini_source_notebook_has_no_faults(kit):
    assert said(kit.source_notebook()) == []
    assert said(kit.source_notebook("ko"), "ko") == []


@pytest.mark.parametrize(
    "name", ["3f2a91bc", "Cell_1", "1-one", "a--b", "f81d4fae-7dec-11d0-a765-00a0c91e6bf6"]
)
def test_ids_must_speak(kit, name):
    notebook = kit.source_notebook()
    cell(notebook, "title").id = name
    assert any("isn't descriptive" in text for text in said(notebook))


def test_ids_that_reading_would_mend(kit, tmp_path):
    notebook = kit.source_notebook()
    cell(notebook, "double").id = "title"
    notebook.cells[2].pop("id")
    path = tmp_path / "mini.ipynb"
    path.write_text(json.dumps(notebook))
    texts = [
        f"{one.cell} {one.text}" for one in file_problems(path, "en", COURSE.language_cell("en"))
    ]
    assert "title has an id that 2 cells share" in texts
    assert "None has no id for its cell 3; `autograder build` gives it one" in texts


def test_doubled_grade_ids(kit):
    notebook = kit.source_notebook()
    cell(notebook, "double-test").metadata.nbgrader["grade_id"] = "a-test"
    texts = said(notebook)
    assert "a-test has a grade id that 2 cells share" in texts
    assert any("has the grade id 'a-test'" in text for text in texts)


def test_stored_outputs(kit):
    notebook = kit.source_notebook()
    cell(notebook, "double").outputs = [new_output("stream", text="x")]
    assert "double has stored output; clear all outputs and save" in said(notebook)
    notebook = kit.source_notebook()
    cell(notebook, "double").execution_count = 3
    assert "double has stored output; clear all outputs and save" in said(notebook)


def test_points_checksums_markers_and_broken_metadata(kit):
    notebook = kit.source_notebook()
    cell(notebook, "a-test").metadata.nbgrader["points"] = 0
    cell(notebook, "double").metadata.nbgrader["checksum"] = "0" * 32
    cell(notebook, "double-test").source += "\n### BEGIN HIDDEN TESTS"
    cell(notebook, "imports").metadata.nbgrader["schema_version"] = 1
    texts = " | ".join(said(notebook))
    assert "a-test is a test worth no points" in texts
    assert "double has a checksum" in texts
    assert "double-test has different numbers of BEGIN HIDDEN TESTS" in texts
    assert "imports has nbgrader metadata that nbgrader refuses" in texts


def test_the_language_cell_comes_first_and_says_its_language(kit):
    notebook = kit.source_notebook()
    assert any("must set the language ko" in text for text in said(notebook, "ko"))
    notebook.cells = [one for one in notebook.cells if one.id != "language"]
    assert any("must be the first code cell" in text for text in said(notebook))


def test_the_kernel(kit):
    notebook = kit.source_notebook()
    notebook.metadata.kernelspec["name"] = "conda-env"
    assert any("names the kernel 'conda-env'" in text for text in said(notebook))
