"""Two languages in step: what is copied, and each way of being out of step."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autograder.authoring.sync import confirm, differences, digest, synchronized
from autograder.config import Course
from autograder.core.notebook_io import copied

CELL = Course(Path(__file__).resolve().parents[3]).language_cell("ko")


def texts(kit, own, english=None):
    return [
        str(one.cell) + " " + one.text
        for one in differences(english or kit.source_notebook(), own, "ko", CELL)
    ]


def cell(notebook, name):
    return next(one for one in notebook.cells if one.id == name)


def test_nothing_to_say_about_notebooks_in_step(kit):
    assert texts(kit, kit.source_notebook("ko")) == []


def test_in_step_copies_code_and_keeps_prose(kit):
    english, own = kit.source_notebook(), kit.source_notebook("ko")
    cell(english, "double").source += "\n# new"
    result = synchronized(english, own, "ko", CELL)
    assert cell(result, "double").source.endswith("# new")
    assert cell(result, "title").source.startswith("# 미니")
    assert 'set_language("ko")' in cell(result, "language").source
    assert result.metadata.beyond.language == "ko"


def test_a_new_english_cell_is_missing_until_confirmed(kit):
    english, own = kit.source_notebook(), kit.source_notebook("ko")
    english.cells.append(kit.new_markdown_cell("And one more thing.", id="more"))
    result = synchronized(english, own, "ko", CELL)
    assert texts(kit, result, english) == ["more has no ko translation yet (missing)"]
    assert confirm(english, result) == []  # still the English words
    cell(result, "more").source = "한 가지 더 있습니다."
    assert confirm(english, result) == ["more"]
    assert texts(kit, result, english) == []


def test_a_changed_english_cell_makes_its_translation_stale(kit):
    english = kit.source_notebook()
    cell(english, "title").source += " More words."
    assert texts(kit, kit.source_notebook("ko"), english) == [
        "title translates an older English text (stale)"
    ]


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("`a`", "`b`", "code spans; lacks a; has b too many"),
        ("42", "43", "numbers; lacks 42; has 43 too many"),
        ("$x^2$", "$x^3$", "formulas"),
        ("https://example.org", "https://example.com", "links"),
    ],
)
def test_fixed_parts_must_agree(kit, old, new, says):
    own = kit.source_notebook("ko")
    cell(own, "title").source = cell(own, "title").source.replace(old, new)
    (text,) = texts(kit, own)
    assert says in text


def test_other_code_metadata_order_and_cells_are_named(kit):
    own = kit.source_notebook("ko")
    cell(own, "double").source += " "
    cell(own, "a-test").metadata.nbgrader["points"] = 99
    own.cells.append(kit.new_markdown_cell("남는 셀", id="extra"))
    said = texts(kit, own)
    assert "double has different code than in English" in said
    assert "a-test has different nbgrader metadata than in English" in said
    assert "extra isn't in the English notebook" in said
    own = kit.source_notebook("ko")
    own.cells.reverse()
    assert any("same place as in English" in text for text in texts(kit, own))
    own = kit.source_notebook("ko")
    del own.cells[0]
    assert texts(kit, own) == ["title is missing from the ko notebook"]


def test_dates_may_drop_leading_zeros(kit):
    english, own = kit.source_notebook(), kit.source_notebook("ko")
    cell(english, "title").source = "Since 2026-07-05."
    cell(own, "title").source = "2026년 7월 5일부터."
    cell(own, "title").metadata.beyond["translates"] = digest("Since 2026-07-05.")
    assert texts(kit, own, english) == []


@given(st.text(max_size=200))
def test_the_parts_of_any_text_are_made_of_its_characters(source):
    from autograder.authoring.sync import FIXED_PARTS

    for parts in FIXED_PARTS.values():
        assert set("".join(parts(source))) <= {" ", *source}


def test_in_step_is_idempotent(kit):
    english, own = kit.source_notebook(), kit.source_notebook("ko")
    once = synchronized(english, own, "ko", CELL)
    assert synchronized(english, copied(once), "ko", CELL) == once
