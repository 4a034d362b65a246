"""What to read again is found in the reader's language, and a lost section harms nothing."""

import json

import pytest
from nbformat.v4 import new_code_cell, new_notebook

from autograder.config import Course
from autograder.core.lesson_sections import readings


@pytest.fixture
def course(tmp_path):
    for code, title, section in (("en", "Lesson 4 · Cost", "A month"), ("ko", "4강", "한 달")):
        place = tmp_path / "notebooks" / code / "04-cost.ipynb"
        place.parent.mkdir(parents=True)
        cells = [
            {"cell_type": "markdown", "id": "title", "source": [f"# {title}\n", "text"]},
            {"cell_type": "markdown", "id": "month", "source": f"## {section}"},
            {"cell_type": "code", "id": "sum", "source": "## no heading"},
        ]
        place.write_text(json.dumps({"cells": cells}), encoding="utf-8")
    return Course(tmp_path)


def source(*read):
    about = {"grade": True, "grade_id": "q", "solution": False}
    metadata = {"nbgrader": about, "autograder": {"read": list(read)}}
    return new_notebook(cells=[new_code_cell("", metadata=metadata)])


def test_both_languages_have_their_own_headings(course):
    asked = source("04-cost#month", "04-cost#sum", "04-cost")
    english, korean = "Lesson 4 · Cost → A month", "4강 → 한 달"
    assert readings(course, "en", asked) == {"q": (english, english, "Lesson 4 · Cost")}
    assert readings(course, "ko", asked) == {"q": (korean, korean, "4강")}


@pytest.mark.parametrize("lost", ["04-cost#gone", "05-gone#x", "../../etc/passwd", "", 3])
def test_what_is_not_there_is_left_out(course, lost):
    assert readings(course, "en", source(lost)) == {}
    assert readings(course, "fr", source("04-cost")) == {}
