"""Switching a student's notebook to the other language keeps everything that is theirs."""

import pytest

from autograder.authoring.confirm import confirm_translation
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
