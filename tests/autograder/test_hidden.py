"""Words from the run without hidden tests, points from the one with them."""

import pytest
from beyond import checks
from beyond.checks import MIME_TYPE
from hypothesis import given, strategies
from nbformat.v4 import new_code_cell, new_notebook, new_output

from autograder import endings
from autograder.hidden import has_words, hidden_lines, released, retold

TEST = """with check("seen"):
    assert f(1) == 1
### BEGIN HIDDEN TESTS
with check("unseen", hidden=True):
    assert f(2) == 2
### END HIDDEN TESTS
report()"""


def graded(name, outputs=(), source=TEST):
    cell = new_code_cell(source, id=name, outputs=list(outputs))
    cell.metadata.nbgrader = {"grade": True, "solution": False, "grade_id": name, "points": 1}
    return cell


def answer(name, *outputs):
    cell = new_code_cell("f = 1", id=name, outputs=list(outputs))
    cell.metadata.nbgrader = {"grade": False, "solution": True, "grade_id": name}
    return cell


def one(name, passed, message="", hidden=False, unanswered=False):
    return {
        "name": name, "weight": 1, "passed": passed, "hidden": hidden,
        "unanswered": unanswered, "message": message,
    }  # fmt: skip


def outcome(*found):
    """The outputs that `report` leaves for these checks."""
    record = {"version": checks.RECORD_VERSION, "checks": list(found)}
    outputs = [new_output("display_data", data=checks.shown(record))]
    if not all(check["passed"] for check in found):
        said = checks.failure(record)
        outputs.append(new_output("error", ename="CheckFailed", evalue=said, traceback=[said]))
    return outputs


def printed(text):
    return new_output("stream", name="stdout", text=text)


def stopped(name, message):
    return new_output("error", ename=name, evalue=message, traceback=[f"{name}: {message}"])


def messages(cell):
    return [found["message"] for found in cell.outputs[0].data[MIME_TYPE]["checks"]]


def test_the_release_has_no_hidden_line():
    (cell,) = released(new_notebook(cells=[graded("t")])).cells
    assert "seen" in cell.source and "unseen" not in cell.source and cell.source.endswith("report()")
    assert hidden_lines(TEST) == {4, 5}


def test_words_are_those_of_the_run_without_hidden_tests():
    ran = [answer("a", printed("kept 2")), graded("t", outcome(one("seen", False, "kept 2")))]
    clean = [answer("a", printed("kept")), graded("t", outcome(one("seen", False, "kept")))]
    result = retold(new_notebook(cells=ran), new_notebook(cells=clean), "a")
    assert result.cells[0].outputs == [printed("kept")]
    assert messages(result.cells[1]) == ["kept"]
    assert "kept 2" not in str(result)


def test_points_are_those_of_the_run_with_hidden_tests():
    found = [one("seen", False, "secret"), one("unseen", False, hidden=True)]
    clean = graded("t", outcome(one("seen", True)))
    result = retold(new_notebook(cells=[graded("t", outcome(*found))]), new_notebook(cells=[clean]), "t")
    record = result.cells[0].outputs[0].data[MIME_TYPE]
    assert [(check["name"], check["passed"]) for check in record["checks"]] == [
        ("seen", False),
        ("unseen", False),
    ]
    assert messages(result.cells[0]) == ["", ""]
    assert "secret" not in str(result)


def test_what_came_before_stays():
    cells = [answer("a", printed("mine")), graded("t", outcome(one("seen", True)))]
    result = retold(new_notebook(cells=cells), None, "t")
    assert result.cells[0].outputs == [printed("mine")]


def test_without_a_second_run_the_words_are_left_out():
    cells = [graded("t", outcome(one("seen", False, "secret"))), answer("a", printed("secret"))]
    result = retold(new_notebook(cells=cells), None, "t")
    assert "secret" not in str(result)
    assert result.cells[0].outputs[0].data[MIME_TYPE]["checks"][0]["passed"] is False


def test_a_test_that_stopped_outside_its_checks_quotes_nobody():
    cells = [graded("t", [stopped("ValueError", "secret")])]
    result = retold(new_notebook(cells=cells), None, "t")
    assert "secret" not in str(result) and result.cells[0].outputs[0].output_type == "error"


def test_an_end_keeps_its_words():
    end = stopped(endings.DIED, endings.ENDED_PROCESS)
    clean = [answer("a", printed("fine"))]
    result = retold(new_notebook(cells=[answer("a", end)]), new_notebook(cells=clean), "a")
    assert result.cells[0].outputs == [end]


@pytest.mark.parametrize("name", [endings.DIED, endings.NOT_RUN, endings.TIMED_OUT])
def test_an_end_that_a_student_wrote_is_none(name):
    cells = [answer("a", stopped(name, "secret"))]
    assert has_words(new_notebook(cells=cells), "a")
    assert "secret" not in str(retold(new_notebook(cells=cells), None, "a"))


def test_a_silent_submission_needs_no_second_run():
    found = [one("seen", False, "no answer yet", unanswered=True), one("unseen", False, hidden=True)]
    cells = [answer("a"), graded("t", outcome(*found)), answer("b")]
    assert not has_words(new_notebook(cells=cells), "a")
    cells[0].outputs = [printed("before")]
    assert not has_words(new_notebook(cells=cells), "t")


@given(
    strategies.lists(
        strategies.tuples(strategies.sampled_from("abc"), strategies.booleans(), strategies.booleans()),
        min_size=1,
        max_size=6,
    ),
    strategies.booleans(),
)
def test_no_message_of_the_first_run_is_left(found, has_second):
    ran = [one(name, passed, "" if passed or hidden else "SECRET", hidden) for name, passed, hidden in found]
    clean = [one(name, passed, "" if passed else "clean") for name, passed, hidden in found if not hidden]
    second = new_notebook(cells=[graded("t", outcome(*clean))]) if has_second and clean else None
    result = retold(new_notebook(cells=[graded("t", outcome(*ran))]), second, "t")
    assert "SECRET" not in str(result)
    left = result.cells[0].outputs[0].data[MIME_TYPE]["checks"]
    assert [check["passed"] for check in left] == [check["passed"] for check in ran]
