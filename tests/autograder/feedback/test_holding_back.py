"""What became of a choice question can't be had, nor inferred, before the due date."""

import re
from datetime import UTC, datetime, timedelta

import pytest

from autograder.core import notebook_io
from autograder.feedback.feedback import feedback
from autograder.grading.coordinator import grade


def mark(course, *, choice=True, **settings):
    """Mark a-test as a choice question, as an instructor would after release."""
    for code in ("en", "ko"):
        path = course.source(code) / "mini" / "mini.ipynb"
        nb = notebook_io.read(path)
        for cell in nb.cells:
            if cell.id == "a-test" and choice:
                cell.metadata.setdefault("beyond", {})["choice"] = True
        nb.metadata["beyond"].update(settings)
        notebook_io.write(path, nb)


def due(course, when, extension=None):
    with course.gradebook() as gradebook:
        gradebook.update_or_create_assignment(
            "mini", duedate=when.replace(tzinfo=None) if when else None
        )
        if extension:
            gradebook.find_submission("mini", "ada").extension = extension
            gradebook.db.commit()


SOON = datetime.now(UTC) + timedelta(days=1)
PAST = datetime.now(UTC) - timedelta(days=1)


@pytest.fixture
def two(term, kit):
    """ada chose right, ben wrong; all else is the same, and so are their names' lengths."""
    kit.hand_in(term, "ada", kit.answered(term, "ko", **kit.RIGHT))
    kit.hand_in(term, "ben", kit.answered(term, "ko", **{**kit.RIGHT, "a_answer": "a = 41"}))
    grade(term, "mini")
    mark(term)
    return term


def pages(course, **options):
    result = feedback(course, "mini", **options)
    assert not result.failed
    return {path.parts[-3]: path.read_text(encoding="utf-8") for path in result}, result


def without_what_they_wrote(page):
    return re.sub(r'<span class="mi">4\d</span>|ada|ben|… and', "", page)


@pytest.mark.parametrize("when", [SOON, None])
def test_right_and_wrong_look_the_same(two, when):
    due(two, when)
    found, result = pages(two)
    assert without_what_they_wrote(found["ada"]) == without_what_they_wrote(found["ben"])
    assert "공개" in found["ada"] and "– / 2" in found["ada"]
    assert "4 / 4" in found["ada"] and "4 / 6" not in found["ada"]  # the rest is shown
    assert (
        "results of 1 choice question are withheld" in result.held
        and "--show-choices" in result.held
    )
    assert ("no due date" in result.held) == (when is None)


@pytest.mark.parametrize("options", [{"choices_shown": True}, {"explain": True}])
def test_the_instructor_may_show_it(two, options):
    due(two, SOON)
    found, result = pages(two, **options)
    assert "6 / 6" in found["ada"] and "0 / 2" in found["ben"] and not result.held


def test_the_assignment_may_say_that_it_is_shown(two):
    mark(two, show_choices=True)
    due(two, SOON)
    assert "0 / 2" in pages(two)[0]["ben"]


def test_after_the_due_date_all_is_shown(two):
    due(two, PAST)
    found, result = pages(two)
    assert "6 / 6" in found["ada"] and "4 / 6" in found["ben"] and not result.held


def test_an_extension_holds_back_for_its_student_alone(two):
    due(two, PAST, extension=timedelta(days=3))
    found, result = pages(two)
    assert "– / 2" in found["ada"] and "4 / 6" in found["ben"]
    assert "42이니까요" not in found["ada"] and "42이니까요" in found["ben"]
    assert "are withheld until" in result.held


def test_no_answer_yet_is_said(two, kit):
    kit.hand_in(two, "cem", kit.answered(two, "en", double=kit.RIGHT["double"]))
    grade(two, "mini")
    due(two, SOON)
    assert "no answer yet" in pages(two)[0]["cem"]


def test_the_plain_page_holds_back_too(two, monkeypatch):
    due(two, SOON)
    for student in ("ada", "ben"):
        path = two.autograded / student / "mini" / "mini.ipynb"
        path.chmod(0o644)
        path.write_text("{}")
    result = feedback(two, "mini")
    found = {path.parts[-3]: path.read_text(encoding="utf-8") for path in result}
    assert set(result.failed) == {"ada", "ben"}
    assert without_what_they_wrote(found["ada"]) == without_what_they_wrote(found["ben"])


def test_nbgraders_own_way_holds_back_too_and_makes_the_same_page(two):
    due(two, SOON)
    ours, _result = pages(two)
    result = two.api().generate_feedback("mini", "ada", force=True)
    assert result["success"], result["log"]
    theirs = (two.feedback / "ada" / "mini" / "mini.html").read_text(encoding="utf-8")
    assert theirs == ours["ada"]
