"""A wrong choice is named when it may be, and beside the correct one after the due date only."""

import re
from datetime import UTC, datetime, timedelta

import pytest

from autograder.authoring.release import release
from autograder.config import Course
from autograder.core import notebook_io
from autograder.feedback.feedback import feedback
from autograder.grading.coordinator import grade
from autograder.grading.result import submission_result

SOON = datetime.now(UTC) + timedelta(days=1)
PAST = datetime.now(UTC) - timedelta(days=1)

ANSWER = 'a = None\n### BEGIN SOLUTION\na = "D"\n### END SOLUTION'
TEST = """with check("the answer is one of the letters; this checks the form only", weight=0):
    choice(a, "q3")
### BEGIN HIDDEN TESTS
with check("the answer is correct", hidden=True):
    choice(a, "q3", correct="D")
### END HIDDEN TESTS
report()"""
BOTH = "Question 3: you chose A; D is correct"
CHOSEN = "Question 3: you chose A, which is not correct"


@pytest.fixture(scope="module")
def quiz(tmp_path_factory, kit):
    """ben chose A, ada D and cem nothing, in English; eun chose A in Korean."""
    course = Course(tmp_path_factory.mktemp("quiz") / "course", cell_seconds=3)
    for code in ("en", "ko"):
        nb = kit.source_notebook(code)
        for cell in nb.cells:
            if cell.id == "imports":
                cell.source = "from beyond.checks import check, choice, given, report"
            elif cell.id == "a-answer":
                cell.source = ANSWER
            elif cell.id == "a-test":
                cell.source = TEST
                cell.metadata["beyond"] = {"choice": True}
        notebook_io.write(course.source(code) / "mini" / "mini.ipynb", nb)
    release(course, "mini")
    for student, code, answer in (
        ("ada", "en", 'a = "D"'),
        ("ben", "en", 'a = " a "'),
        ("cem", "en", "a = None"),
        ("eun", "ko", 'a = "A"'),
        ("fay", "en", 'a = "AD"'),
    ):
        work = kit.answered(course, code, **{**kit.RIGHT, "a_answer": answer})
        kit.hand_in(course, student, work)
    grade(course, "mini")
    return course


def pages(course, when, **options):
    with course.gradebook() as gradebook:
        gradebook.update_or_create_assignment("mini", duedate=when and when.replace(tzinfo=None))
    result = feedback(course, "mini", **options)
    assert not result.failed
    return {path.parts[-3]: path.read_text(encoding="utf-8") for path in result}


def test_after_the_due_date_both_options_are_named(quiz):
    found = pages(quiz, PAST)
    assert found["ben"].count(BOTH) == 2  # in the table and below the test
    assert "you chose" not in found["ada"] + found["cem"]
    assert "3번 문항: A를 골랐습니다. 정답은 D입니다" in found["eun"]
    assert "you chose" not in found["fay"] and "one letter in quotes" in found["fay"]
    for page in found.values():
        assert "not passed: the answer is correct" not in page


@pytest.mark.parametrize("when", [SOON, None])
def test_before_the_due_date_nothing_is_told(quiz, when):
    found = pages(quiz, when)
    for page in found.values():
        assert "you chose" not in page and "골랐습니다" not in page and "is correct" not in page
        assert not re.search(r"\bD\b(?!&quot;)(?!\")", _table(page))


def test_shown_before_the_due_date_only_the_choice_is_named(quiz):
    found = pages(quiz, SOON, choices_shown=True)
    assert found["ben"].count(CHOSEN) == 2
    assert "D is correct" not in "".join(found.values())
    assert "3번 문항: A를 골랐습니다. 정답이 아닙니다" in found["eun"]


def test_the_plain_page_says_the_same(quiz):
    for when, said in ((PAST, BOTH), (SOON, CHOSEN)):
        page = _plain(quiz, "ben", when)
        assert said in page and (BOTH in page) == (when is PAST)


def test_the_instructor_reads_both_options(quiz):
    assert any(BOTH in reason for reason in submission_result(quiz, "ben", "mini").reasons)


def _plain(course, student, when):
    from autograder.feedback.grades import read_grades
    from autograder.feedback.job import TOO_MUCH, PageJob, plain_page

    with course.gradebook() as gradebook:
        gradebook.update_or_create_assignment("mini", duedate=when.replace(tzinfo=None))
        grades = read_grades(gradebook, "mini", student)[student]["mini"]
    path = course.autograded / student / "mini" / "mini.ipynb"
    job = PageJob(student, "mini", "mini", path, grades, choices_shown=True)
    return plain_page(job, notebook_io.read_graded(path), TOO_MUCH)


def _table(page):
    return page[page.index('<table class="scores">') : page.index("</table>")]
