"""Merge the visible run's outputs with one bit of the hidden run for each hidden check."""

import pytest
from hypothesis import given, strategies

from autograder import checks
from autograder.checks import MIME_TYPE
from autograder.core.cell_status import CellStatus
from autograder.core.hidden_tests import hidden_lines
from autograder.judge.job import CellOutcome, CodeCell
from autograder.judge.judge import error_output, status_output
from autograder.judge.runs import combine_runs

TEST = """with check("seen"):
    assert f(1) == 1
### BEGIN HIDDEN TESTS
with check("unseen", hidden=True):
    assert f(2) == 2
### END HIDDEN TESTS
report()"""
CELL = CodeCell("t", 2, "test", TEST)
OWN = CodeCell("a", 1, "student", "f = 1")


def one(name, passed, message="", hidden=False, unanswered=False):
    return {
        "name": name,
        "weight": 1,
        "passed": passed,
        "hidden": hidden,
        "unanswered": unanswered,
        "message": message,
    }


def reported(*found):
    """The outcome of a test cell whose report has these checks."""
    record = {"version": checks.RECORD_VERSION, "checks": list(found)}
    outputs = [{"output_type": "display_data", "metadata": {}, "data": checks.shown(record)}]
    failed = [one for one in found if not one["passed"]]
    if failed and all(one["unanswered"] for one in failed):
        outputs.append({"output_type": "stream", "name": "stderr", "text": "Not answered yet: f"})
    elif failed:
        outputs.append(error_output("CheckFailed", checks.failure(record)))
    return CellOutcome(outputs)


def printed(text):
    return CellOutcome([{"output_type": "stream", "name": "stdout", "text": text}])


def stopped(name="ValueError", message=""):
    return CellOutcome([error_output(name, message)])


def ended(status):
    return CellOutcome([status_output(status)], status)


def both(seen, whole, cell=CELL):
    return combine_runs([cell], {cell.id: seen}, {cell.id: whole})[cell.id]


def record(outcome):
    return outcome.outputs[0]["data"][MIME_TYPE]["checks"]


def test_the_release_has_no_hidden_line():
    source = CELL.released().source
    assert "seen" in source and "unseen" not in source and source.endswith("report()")
    assert hidden_lines(TEST) == {4, 5}
    assert CELL.has_hidden_part and not CELL.released().has_hidden_part


def test_what_a_student_shows_is_what_the_visible_run_saw():
    assert both(printed("kept"), printed("secret"), OWN) == printed("kept")


def test_visible_checks_are_those_of_the_visible_run():
    seen = reported(one("seen", False, "kept"))
    whole = reported(one("seen", True), one("unseen", True, hidden=True))
    found = both(seen, whole)
    assert [(check["passed"], check["message"]) for check in record(found)] == [
        (False, "kept"),
        (True, ""),
    ]
    assert found.outputs[1]["ename"] == "CheckFailed"


def test_hidden_checks_are_those_of_the_hidden_run():
    seen = reported(one("seen", True))
    whole = reported(one("seen", False, "secret"), one("unseen", False, hidden=True))
    found = both(seen, whole)
    assert [check["passed"] for check in record(found)] == [True, False]
    assert "secret" not in str(found)


@pytest.mark.parametrize("first", [True, False])
def test_a_missing_answer_is_told_only_if_the_visible_run_knew_it(first):
    """Else `return None` for one hidden input and not for another would be a third outcome."""
    seen = reported(one("seen", False, unanswered=first))
    whole = reported(
        one("seen", False, unanswered=True), one("unseen", False, hidden=True, unanswered=True)
    )
    assert [check["unanswered"] for check in record(both(seen, whole))] == [first, first]


@pytest.mark.parametrize(
    "whole", [stopped("E", "secret"), ended(CellStatus.DIED), ended(CellStatus.TIMED_OUT)]
)
def test_a_hidden_part_that_stops_the_test_earns_nothing_and_quotes_nobody(whole):
    found = both(reported(one("seen", True)), whole)
    assert MIME_TYPE not in str(found.outputs)
    assert "secret" not in str(found)
    assert found.status is not CellStatus.RAN


@pytest.mark.parametrize("status", [CellStatus.DIED, CellStatus.TIMED_OUT, CellStatus.NOT_RUN])
def test_a_cell_that_ended_in_the_visible_run_has_ended(status):
    assert both(ended(status), reported(one("unseen", True, hidden=True))).status is status


def test_a_plain_test_earns_the_number_of_the_hidden_run():
    plain = CodeCell(
        "t", 1, "test", "assert f(1)\n### BEGIN HIDDEN TESTS\nx\n### END HIDDEN TESTS\n2"
    )
    number = {"output_type": "execute_result", "metadata": {}, "data": {"text/plain": "1.5"}}
    assert both(CellOutcome([]), CellOutcome([number]), plain).outputs == [number]
    assert both(stopped("AssertionError", "kept"), CellOutcome([number]), plain) == stopped(
        "AssertionError", "kept"
    )


texts = strategies.sampled_from(["", "SECRET"])
found_checks = strategies.lists(
    strategies.builds(
        one,
        strategies.sampled_from("abc"),
        strategies.booleans(),
        texts,
        strategies.booleans(),
        strategies.booleans(),
    ),
    min_size=1,
    max_size=6,
)
wholes = strategies.one_of(
    found_checks.map(lambda found: reported(*found)),
    texts.map(lambda text: stopped("ValueError", text)),
    texts.map(printed),
    strategies.sampled_from([one for one in CellStatus if one is not CellStatus.RAN]).map(ended),
)


@given(strategies.lists(strategies.sampled_from("abc"), max_size=4), wholes)
def test_nothing_of_the_hidden_run_is_left_but_whether_hidden_checks_passed(names, whole):
    seen = reported(*(one(name, True) for name in names)) if names else CellOutcome([])
    found = both(seen, whole)
    assert "SECRET" not in str(found)
    for check in record(found) if MIME_TYPE in str(found.outputs) else []:
        assert check["hidden"] or not check["passed"] or check["name"] in names
