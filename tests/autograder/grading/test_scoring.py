"""From a test cell's outputs to points and reasons."""

import math
from decimal import Decimal
from fractions import Fraction

import numpy
import pytest
import torch
from IPython.lib.pretty import pretty
from nbformat.v4 import new_output

from autograder.checks import MIME_TYPE
from autograder.core.cell_status import CellStatus
from autograder.grading.scoring import score_cell
from autograder.judge.partial_credit import points_shown


def one(name="x", passed=True, weight=1, unanswered=False, message=""):
    return {
        "name": name,
        "weight": weight,
        "passed": passed,
        "hidden": False,
        "unanswered": unanswered,
        "message": message,
    }


def executed_test(kit, *outputs, source="report()", ran=True):
    cell = kit.new_code_cell(source, id="t", metadata=kit.meta("t", points=4))
    cell.outputs = list(outputs)
    cell.execution_count = 1 if ran else None
    return cell


def shown(*checks):
    return new_output("display_data", data={MIME_TYPE: {"version": 1, "checks": list(checks)}})


def error(name, value=""):
    return new_output("error", ename=name, evalue=value, traceback=[])


def test_partial_credit_by_weight(kit):
    result = score_cell(executed_test(kit, shown(one(), one("y", False, 3, message="Why?"))))
    assert result.points == 1.0
    assert result.reasons == ("not passed: y (Why?)",)


def test_a_warning_never_costs_a_point(kit):
    noise = new_output("stream", name="stderr", text="UserWarning")
    assert score_cell(executed_test(kit, noise, shown(one()), noise)).points == 4
    assert score_cell(executed_test(kit, noise, source="assert True")).points == 4


def test_a_failed_form_says_only_that(kit):
    result = score_cell(executed_test(kit, shown(one("form", False, 0), one("answer", False, 1))))
    assert result.points == 0
    assert result.reasons == ("not passed: form",)


def test_no_answer_is_not_a_wrong_answer(kit):
    result = score_cell(
        executed_test(kit, shown(one("form", False, 0, True), one("answer", False)))
    )
    assert (result.points, result.answered) == (0, False)


@pytest.mark.parametrize(
    ("status", "says"),
    [
        (CellStatus.TIMED_OUT, "time limit"),
        (CellStatus.DIED, "process ended"),
        (CellStatus.NOT_RUN, "was not run"),
        (CellStatus.STOPPED, "because of what the answer did"),
    ],
)
def test_how_a_cell_ended_is_known_from_its_state(kit, status, says):
    cell = executed_test(kit, error("Any", "words"))
    cell.metadata["beyond"] = {"status": str(status)}
    result = score_cell(cell)
    assert result.points == 0
    assert says in result.reasons[0]


@pytest.mark.parametrize("status", CellStatus)
def test_words_alone_are_no_state(kit, status):
    cell = executed_test(kit, error(status.error_name or "E", "the time limit was used up"))
    assert score_cell(cell).reasons[0].startswith(status.error_name or "E")


@pytest.mark.parametrize(
    ("outputs", "says"),
    [
        ([error("NameError", "name 'x'\nmore")], "NameError: name 'x'"),
        ([], "did not come to its end"),
    ],
)
def test_a_test_that_left_no_record_earns_nothing(kit, outputs, says):
    result = score_cell(executed_test(kit, *outputs))
    assert result.points == 0
    assert says in result.reasons[0]


def test_a_cell_that_never_ran_earns_nothing(kit):
    assert score_cell(executed_test(kit, source="assert True", ran=False)).points == 0


@pytest.mark.parametrize("value", ["999", "inf", "nan", "-inf", "1e400"])
def test_points_out_of_range_are_zero(kit, value):
    result = new_output("execute_result", data={"text/plain": value}, execution_count=1)
    assert score_cell(executed_test(kit, result, source="x")).points == 0


# What a test cell may end with. A notebook shows it as IPython does, a judge sends the number that
# it is (or nothing), and the points have to be the same.
@pytest.mark.parametrize(
    ("value", "points"),
    [
        (1.5, 1.5),
        (3, 3),
        (0, 0),
        (0.0, 0),
        (4.000000000000001, 4),
        (numpy.float64(1.5), 1.5),
        (numpy.int64(2), 2),
        (numpy.array(2), 2),
        (torch.tensor(1.5), 1.5),
        (torch.tensor(1.5, dtype=torch.float64), 1.5),
        (Fraction(3, 2), 1.5),
        (Decimal("1.5"), 1.5),
        (numpy.float64("nan"), 0),
        (math.inf, 0),
        (-1, 0),
        (5, 0),
        (True, 4),
        ("1.5", 4),
        ([1, 2], 4),
    ],
    ids=repr,
)
def test_plain_partial_credit_counts(kit, value, points):
    def earned(shown):
        result = new_output("execute_result", data={"text/plain": shown}, execution_count=1)
        return score_cell(executed_test(kit, result, source="x")).points

    assert earned(pretty(value)) == points
    number = points_shown(value)
    judged = (
        score_cell(executed_test(kit, source="x")).points
        if number is None
        else earned(repr(number))
    )
    assert judged == points


@pytest.mark.parametrize(
    "record",
    [
        None,
        7,
        {"version": 1, "checks": []},
        {"version": 2, "checks": [one()]},
        {"version": 1, "checks": [one(weight=math.nan)]},
        {"version": 1, "checks": [one(weight=-1)]},
    ],
)
def test_a_record_that_report_could_not_have_written_earns_nothing(kit, record):
    forged = new_output("display_data", data={MIME_TYPE: record})
    assert score_cell(executed_test(kit, forged)).points == 0


def test_a_written_answer_waits_for_a_person(kit):
    cell = kit.new_markdown_cell(
        "Because.", id="why", metadata=kit.meta("why", solution=True, points=2)
    )
    cell.metadata.nbgrader["checksum"] = "of the stub"
    assert score_cell(cell).points is None
