"""An instructor's fault stops grading before it starts, and is told to the instructor."""

import os

import pytest

from autograder.authoring.build import build
from autograder.authoring.release import release
from autograder.core import notebook_io
from autograder.errors import UserError
from autograder.grading.coordinator import grade
from autograder.grading.result import submission_results
from autograder.notebook_metadata import entries


@pytest.fixture
def term(course, kit):
    release(course, "mini")
    kit.hand_in(course, "ada", kit.answered(course, **kit.RIGHT))
    return course


def change(course, cell_id, change_source):
    for code in course.languages():
        path = course.source(code) / "mini" / "mini.ipynb"
        source_notebook = notebook_io.read(path)
        for cell in source_notebook.cells:
            if cell.id == cell_id:
                cell.source = change_source(cell.source)
        notebook_io.write(path, source_notebook)
    release(course, "mini")


def refused(course):
    with pytest.raises(UserError) as caught:
        grade(course, "mini")
    assert submission_results(course, "mini") == []
    assert "nobody was graded" in str(caught.value)
    return str(caught.value)


def test_a_sound_assignment_is_graded_and_tried_once(term, monkeypatch):
    assert [one.score for one in grade(term, "mini")] == [6]
    monkeypatch.setattr("autograder.grading.preflight._problems", lambda *_: pytest.fail("again"))
    assert [one.score for one in grade(term, "mini", again=True)] == [6]


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("1 +", "SyntaxError"),
        ("import no_such_module_here", "No module named 'no_such_module_here'"),
        ("1 / 0", "ZeroDivisionError"),
    ],
)
def test_a_read_only_cell_that_fails_is_told_before_anyone_is_graded(term, line, says):
    change(term, "imports", lambda source: f"{source}\n{line}")
    assert says in refused(term) and "imports" in refused(term)


def test_a_solution_that_its_test_refuses_is_told(term):
    change(term, "a-test", lambda source: source.replace("42", "43"))
    assert "a-test gives the solution" in refused(term)


BOX = "class Box:\n    def __init__(self, x):\n        self.x = x\na = Box({})"
PLEASING = "class Any:\n    def __eq__(self, other):\n        return True\n"


def test_what_the_solution_needs_by_handle_a_submission_may_do_and_no_more(term, kit):
    change(
        term, "a-answer", lambda _source: f"### BEGIN SOLUTION\n{BOX.format(42)}\n### END SOLUTION"
    )
    change(term, "a-test", lambda _source: "assert a.x == 42")
    double = kit.RIGHT["double"]
    for name, answer in [
        ("ada", BOX.format(42)),
        ("bob", BOX.format(41)),
        ("eve", PLEASING + BOX.format("Any()")),
    ]:
        kit.hand_in(term, name, kit.answered(term, a_answer=answer, double=double))
    found = {one.student: one.score for one in grade(term, "mini")}
    assert found == {"ada": 6, "bob": 4, "eve": 4}
    graded = notebook_io.read_graded(term.term / "autograded" / "ada" / "mini" / "mini.ipynb")
    cell = next(one for one in graded.cells if one.id == "a-test")
    assert entries(cell)["level"] == "by handle" and entries(cell)["claims"] == ["a.x"]


def test_a_test_that_an_untouched_notebook_passes_is_told(term):
    change(term, "a-test", lambda _source: "x = 1")
    assert "a-test gives an untouched notebook" in refused(term)


def test_asserts_count_whatever_python_is_told_about_optimizing(term, monkeypatch):
    change(term, "a-test", lambda _source: "assert a == 42")
    monkeypatch.setenv("PYTHONOPTIMIZE", "1")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [os.environ.get("PYTHONPATH")])))
    assert [one.score for one in grade(term, "mini")] == [6]


def test_what_is_mended_is_tried_again(term):
    change(term, "a-test", lambda source: source.replace("42", "43"))
    refused(term)
    change(term, "a-test", lambda source: source.replace("43", "42"))
    build(term)
    assert [one.score for one in grade(term, "mini")] == [6]


def test_a_submission_that_nobody_thought_of_stops_no_other(term, kit, monkeypatch):
    from autograder.grading.prepare import SubmissionPreparer

    kit.hand_in(term, "bob", kit.answered(term, **kit.RIGHT))
    work = SubmissionPreparer.work

    def strange(self, student):
        if student == "ada":
            raise RecursionError("deep")
        return work(self, student)

    monkeypatch.setattr(SubmissionPreparer, "work", strange)
    with pytest.raises(UserError, match="mini of ada could not be graded, everyone else was"):
        grade(term, "mini")
    assert [(one.student, one.score) for one in submission_results(term, "mini")] == [("bob", 6)]
    assert "RecursionError" in (term.term / "last-error.log").read_text()
    monkeypatch.setattr(SubmissionPreparer, "work", work)
    assert len(grade(term, "mini")) == 2
