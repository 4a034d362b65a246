"""Switching a student's notebook to the other language keeps everything that is theirs."""

import json

import pytest

from autograder.authoring.confirm import confirm_translation
from autograder.config import Course
from autograder.core import notebook_io
from autograder.errors import UserError
from autograder.student.translate import translate


def cell(notebook, name):
    return next(one for one in notebook.cells if one.id == name)


@pytest.fixture
def mine(course, kit, tmp_path):
    """A student's notebook with answers and a cell of their own."""
    work = kit.answered(course, **kit.RIGHT)
    work.cells.append(kit.new_markdown_cell("My notes.", id="mine"))
    path = tmp_path / "work" / "mini.ipynb"
    notebook_io.write(path, work)
    return path


def test_prose_switches_and_answers_stay(course, kit, mine):
    result = translate(course, mine, "ko")
    own = notebook_io.read(mine)
    assert cell(own, "title").source.startswith("# 미니")
    assert 'set_language("ko")' in cell(own, "language").source
    assert cell(own, "a-answer").source == "a = 42"
    assert cell(own, "double").source == kit.RIGHT["double"]
    assert cell(own, "mine").source == "My notes."
    assert notebook_io.language_of(own) == "ko"
    assert (result.switched, result.kept) == (2, ())


def test_there_and_back_changes_nothing(course, mine):
    before = mine.read_bytes()
    translate(course, mine, "ko")
    translate(course, mine, "en")
    assert mine.read_bytes() == before


def test_prose_that_the_student_edited_stays(course, mine):
    own = notebook_io.read(mine)
    cell(own, "title").source += "\n\nMy remark."
    notebook_io.write(mine, own)
    result = translate(course, mine, "ko")
    assert result.kept == ("title",)
    assert cell(notebook_io.read(mine), "title").source.endswith("My remark.")


def test_cells_that_lost_their_ids_are_recognised(course, mine):
    own = notebook_io.read(mine)
    for number, one in enumerate(own.cells):
        one.id = f"cell-{number}"
    notebook_io.write(mine, own)
    assert translate(course, mine, "ko").switched == 2  # found by their text
    assert "미니" in notebook_io.read(mine).cells[0].source


def test_a_strange_notebook_or_language_is_a_sentence_and_nothing_is_written(course, kit, tmp_path):
    path = tmp_path / "other.ipynb"
    notebook_io.write(path, kit.notebook([kit.new_markdown_cell("Other", id="other")]))
    before = path.read_bytes()
    with pytest.raises(UserError, match="isn't a lesson or assignment"):
        translate(course, path, "ko")
    with pytest.raises(UserError, match="no language 'fr'"):
        translate(course, path, "fr")
    with pytest.raises(UserError, match="doesn't exist"):
        translate(course, tmp_path / "gone.ipynb", "ko")
    assert path.read_bytes() == before


def test_where_there_is_no_course_it_says_so(kit, tmp_path):
    path = tmp_path / "mini.ipynb"
    notebook_io.write(path, kit.notebook([kit.new_markdown_cell("Other", id="other")]))
    with pytest.raises(UserError, match="run this in the course's folder"):
        translate(Course(tmp_path), path, "ko")


def test_a_sentence_in_the_language_cell_is_switched_too(course, mine):
    def said(code):
        return (
            f"try:\n    from beyond.locale import set_language\nexcept ModuleNotFoundError:\n"
            f'    raise ModuleNotFoundError("sentence in {code}") from None\n\n'
            f'set_language("{code}")'
        )

    for code in ("en", "ko"):
        path = course.release(code) / "mini" / "mini.ipynb"
        given = notebook_io.read(path)
        cell(given, "language").source = said(code)
        notebook_io.write(path, given)
    own = notebook_io.read(mine)
    cell(own, "language").source = said("en")
    notebook_io.write(mine, own)
    before = mine.read_bytes()
    translate(course, mine, "ko")
    assert cell(notebook_io.read(mine), "language").source == said("ko")
    translate(course, mine, "en")
    assert mine.read_bytes() == before


def test_an_author_confirms_a_translation(course, kit):
    english = course.source("en") / "mini" / "mini.ipynb"
    korean = course.source("ko") / "mini" / "mini.ipynb"
    source_notebook = notebook_io.read(english)
    cell(source_notebook, "title").source += " More."
    notebook_io.write(english, source_notebook)
    with pytest.raises(UserError, match="no cell 'nix'"):
        confirm_translation(course, korean, ["nix"])
    assert confirm_translation(course, korean, ["title"]) == ["title"]
    assert confirm_translation(course, korean) == []
    with pytest.raises(UserError, match="isn't a translated source notebook"):
        confirm_translation(course, english)


def bent(path, change):
    """Change a notebook's JSON, as an editor or a system does."""
    tree = json.loads(path.read_text("utf-8"))
    for one in tree["cells"]:
        one["source"] = "".join(one["source"])
    change(tree)
    path.write_text(json.dumps(tree, ensure_ascii=False), "utf-8", newline="")


def other_line_ends(tree):
    for one in tree["cells"]:
        one["source"] = one["source"].replace("\n", "\r\n")


def no_metadata(tree):
    tree["metadata"] = None
    tree["cells"] = [one for one in tree["cells"] if one["id"] != "language"]


def slips(tree):
    tree["cells"][0] |= {"outputs": None, "execution_count": "*", "pycharm": {"name": "#%%"}}
    tree["cells"][1]["outputs"] = [{"output_type": "pyout", "text": ["x"]}]


def old_format(tree):
    tree["worksheets"] = [{"cells": tree.pop("cells")}]
    tree["nbformat"] = 3


@pytest.mark.parametrize("change", [other_line_ends, no_metadata, slips, old_format])
def test_other_line_ends_and_slips_are_no_hindrance(course, mine, change):
    bent(mine, change)
    result = translate(course, mine, "ko")
    assert result.kept == ()
    tree = json.loads(mine.read_text("utf-8"))
    cells = tree.get("cells") or tree["worksheets"][0]["cells"]
    texts = ["".join(one["source"]) for one in cells]
    assert texts[0].startswith("# 미니")
    assert ("\r\n" in texts[0]) == (change is other_line_ends)
    assert tree["metadata"]["beyond"]["language"] == "ko"
    assert any("42" in one for one in texts) and "My notes." in texts
    if change is slips:  # whatever else is in the file stays
        assert cells[1]["outputs"] == [{"output_type": "pyout", "text": ["x"]}]
        assert cells[0]["pycharm"] == {"name": "#%%"}
    assert translate(course, mine, "ko").switched == 0


def test_what_is_not_switched_is_not_marked_as_switched(course, mine):
    def edited(tree):
        tree["cells"] = [one for one in tree["cells"] if one["id"] != "language"]
        tree["cells"][0]["source"] += " Mine."

    bent(mine, edited)
    before = mine.read_bytes()
    with pytest.raises(UserError, match="all of its prose was edited"):
        translate(course, mine, "ko")
    assert mine.read_bytes() == before


def test_code_of_ones_own_in_the_language_cell_stays(course, mine):
    own = notebook_io.read(mine)
    cell(own, "language").source += "\nimport math"
    notebook_io.write(mine, own)
    translate(course, mine, "ko")
    source = cell(notebook_io.read(mine), "language").source
    assert 'set_language("ko")' in source and source.endswith("import math")


@pytest.mark.parametrize("behind", [b"\n}\n", b"\xff"])
def test_a_file_that_would_lose_something_is_left_alone(course, mine, behind):
    content = mine.read_bytes()
    damaged = content + behind if behind != b"\xff" else content.replace(b"notes", b"no\xfftes")
    mine.write_bytes(damaged)
    if behind == b"\xff":  # a single odd byte in a file of UTF-8 with Hangul; here it is Latin-1
        assert translate(course, mine, "ko").switched
        assert "noÿtes" in mine.read_text("utf-8")
        return
    with pytest.raises(UserError, match="would lose a part"):
        translate(course, mine, "ko")
    assert mine.read_bytes() == damaged
