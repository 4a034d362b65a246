"""What is built from the source notebooks, and that building is repeatable."""

import pytest

from autograder.authoring.build import build, planned_files, released_notebook
from autograder.config import Course
from autograder.core import notebook_io
from autograder.errors import UserError


def everything(course):
    return {path: path.read_bytes() for path in course.root.rglob("*") if path.is_file()}


def test_building_twice_gives_the_same_bytes(course):
    before = everything(course)
    assert build(course) == []
    for path in (course.root / "release").rglob("*.ipynb"):
        path.unlink()
    build(course)
    assert everything(course) == before


def test_a_release_has_stubs_and_no_hidden_part(course):
    found = notebook_io.read(course.release("en") / "mini" / "mini.ipynb")
    text = notebook_io.to_bytes(found).decode()
    for secret in ("SOLUTION", "HIDDEN", "42 ==", "a == 42", "x + x", "Because"):
        assert secret not in text
    sources = {cell.id: cell.source for cell in found.cells}
    assert sources["a-answer"] == "a = None\n# YOUR CODE HERE"
    assert sources["double"].endswith("    # YOUR CODE HERE")
    assert "a-explanation" not in sources


def test_releases_of_two_languages_share_code_and_checksums(course):
    en, ko = (notebook_io.read(course.release(c) / "mini" / "mini.ipynb") for c in ("en", "ko"))
    for one, other in zip(en.cells, ko.cells, strict=True):
        assert one.id == other.id
        if one.cell_type == "code" and one.id != "language":
            assert one == other
    assert ko.cells[0].source.startswith("# 미니")
    assert "translates" not in str(ko.cells[0].metadata)


def test_changed_english_code_reaches_korean(course):
    path = course.source("en") / "mini" / "mini.ipynb"
    source_notebook = notebook_io.read(path)
    next(c for c in source_notebook.cells if c.id == "imports").source += "\nimport math"
    notebook_io.write(path, source_notebook)
    changed = build(course)
    assert course.source("ko") / "mini" / "mini.ipynb" in changed
    own = notebook_io.read(course.source("ko") / "mini" / "mini.ipynb")
    assert next(c for c in own.cells if c.id == "imports").source.endswith("import math")


def test_given_files_go_along_and_leftovers_go(course):
    (course.source("en") / "mini" / "data.csv").write_text("x\n1\n")
    (course.release("en") / "mini" / "old.txt").write_text("x")
    build(course)
    assert (course.release("ko") / "mini" / "data.csv").read_text() == "x\n1\n"
    assert not (course.release("en") / "mini" / "old.txt").exists()


def test_a_removed_assignment_leaves_the_release(course):
    for code in ("en", "ko"):
        (course.source(code) / "mini" / "mini.ipynb").rename(course.root / f"{code}.ipynb")
        (course.source(code) / "mini").rmdir()
        other = course.source(code) / "other"
        other.mkdir()
        (course.root / f"{code}.ipynb").rename(other / "other.ipynb")
    build(course)
    assert sorted(p.name for p in (course.root / "release").glob("*/*")) == ["other", "other"]


def test_planning_writes_nothing(course):
    before = everything(course)
    (course.release("en") / "mini" / "mini.ipynb").unlink()
    planned_files(course)
    assert not (course.release("en") / "mini" / "mini.ipynb").exists()
    assert len(everything(course)) == len(before) - 1


def test_an_unclosed_solution_is_a_sentence(course, kit):
    source_notebook = kit.source_notebook()
    source_notebook.cells[3].source = source_notebook.cells[3].source.replace(
        "### END SOLUTION", ""
    )
    with pytest.raises(UserError, match="mini can't be released"):
        released_notebook(course, source_notebook, "mini")


def test_a_folder_without_sources_is_a_sentence(tmp_path):
    with pytest.raises(UserError, match="nothing to build"):
        build(Course(tmp_path))
