"""The trusted side: whose name a test's name is, and what a claim is worth."""

import socket
import threading

import pytest
from beyond.checks import MIME_TYPE

from autograder.engine import wire
from autograder.engine.door import ChildGone, Door
from autograder.engine.judge import Judge
from autograder.engine.remote_errors import read_claim, remote_error
from autograder.names import Names


class Child(threading.Thread):
    """The other end of the door in this process: answers as the test tells it to."""

    def __init__(self, **answers):
        super().__init__(daemon=True)
        self.ours, self.theirs = socket.socketpair()
        self.answers = answers
        self.asked = []
        self.start()

    def run(self):
        try:
            while True:
                sequence, verb, *words = wire.receive_frame(self.theirs)
                self.asked.append((verb, *words))
                answer = self.answers[words[0]] if verb in ("call", "value") else ["value", None]
                if callable(answer):
                    answer = answer(*words[1:3]) if verb == "call" else answer()
                if answer == "close":
                    self.theirs.close()
                    return
                wire.send_frame(self.theirs, [sequence, *answer])
        except wire.WireError:
            return


@pytest.fixture
def judged(kit):
    """Run one test cell against a child that answers as told; returns (record, outputs, child)."""

    def run(body, names=None, given="from beyond.checks import check, given, report", solution=(), **answers):
        child = Child(**answers)
        door = Door(child.ours, call_seconds=0.5)
        names = names or Names(functions={"f"}, values={"a"})
        judge = Judge(door, names, list(solution))
        judge.define(kit.new_code_cell(given, id="given"))
        lines = "\n".join("    " + line for line in body.splitlines())
        cell = kit.new_code_cell(f'with check("x"):\n{lines}\nreport()', id="t")
        outputs = judge.test(cell)
        records = [out.data[MIME_TYPE]["checks"] for out in outputs if out.output_type == "display_data"]
        return records, outputs, child

    return run


def passed(records):
    return [one["passed"] for checks in records for one in checks]


def test_values_and_calls_go_through_the_door(judged):
    records, outputs, child = judged(
        "assert f(a, key=2) == 7", a=["value", 5], f=lambda args, kwargs: ["value", args[0] + kwargs["key"]]
    )
    assert passed(records) == [True]
    assert len(outputs) == 1
    assert child.asked == [("value", "a", 0.5), ("call", "f", [5], {"key": 2}, 0.5)]


def test_an_own_name_of_the_test_wins_inside_its_function(judged):
    body = "def g(a):\n    return a\nassert g(1) == 1 and [a for a in (2,)] == [2] and (lambda f: f)(3) == 3"
    records, _outputs, child = judged(body)
    assert passed(records) == [True]
    assert child.asked == []


def test_builtins_and_given_names_win_over_the_students(judged):
    names = Names(functions={"all", "helper"}, values={"len"}, given={"helper"})
    records, _outputs, child = judged(
        "assert all([True]) and helper() == 1 and len([1]) == 1",
        names=names,
        given="from beyond.checks import check, report\ndef helper():\n    return 1",
    )
    assert passed(records) == [True]
    assert child.asked == []


def test_a_probe_is_a_call(judged):
    names = Names(given={"outputs"}, probes={"outputs"})
    given = "from beyond.checks import check, report, probe\n@probe\ndef outputs(x):\n    return here"
    records, _outputs, child = judged("assert outputs(1) == 2", names=names, given=given, outputs=["value", 2])
    assert passed(records) == [True]
    assert child.asked[0][:3] == ("call", "outputs", [1])


def test_exceptions_keep_their_builtin_type_and_lose_the_rest(judged):
    body = "try:\n    f(-1)\nexcept ValueError as error:\n    assert str(error) == 'no'\nelse:\n    assert False"
    assert passed(judged(body, f=["error", "ValueError", "no"])[0]) == [True]
    records, _outputs, _child = judged("f(1)", f=["error", "Own<b>Error", "x\x1b[31m\nline" + "y" * 999])
    (one,) = records[0]
    assert not one["passed"]
    assert "\x1b" not in one["message"] and "<" not in one["message"]
    assert len(one["message"]) < 400


@pytest.mark.parametrize("name", ["SystemExit", "KeyboardInterrupt", "GeneratorExit", "BaseException", "open", "1x", ""])
def test_no_remote_error_is_more_than_an_exception(name):
    assert isinstance(remote_error(read_claim([name, "m"])), Exception)


def test_reference_is_the_instructors_own(judged):
    records, _outputs, child = judged(
        "assert f(3) == reference.f(3)", f=["value", 9], solution=["def f(x):\n    return x * x"]
    )
    assert passed(records) == [True]
    assert [asked[0] for asked in child.asked] == ["call"]


def test_a_function_can_not_be_handed_over(judged):
    records, _outputs, child = judged("f(lambda: 1)", f=["value", 1])
    assert passed(records) == [False]
    assert "plain values" in records[0][0]["message"]
    assert child.asked == []


@pytest.mark.parametrize(
    "answer",
    ["close", ["value"], ["value", 1, 2], ["ran", True, None, []], ["error", 5, None, None], []],
)
def test_a_child_that_breaks_the_form_leaves_no_outcome(judged, answer):
    with pytest.raises(ChildGone):
        judged("assert f(1) == 1", f=answer)


def test_a_late_answer_ends_the_child_even_inside_a_check(judged):
    def late(*_words):
        import time

        time.sleep(2.5)
        return ["value", 1]

    with pytest.raises(ChildGone, match="timed out"):
        judged("try:\n    f(1)\nexcept Exception:\n    pass", f=late)


def test_a_test_that_fails_outside_a_check_or_exits_leaves_an_error(kit):
    child = Child()
    judge = Judge(Door(child.ours), Names(), [])
    for source, name in [("1 / 0", "ZeroDivisionError"), ("raise SystemExit(0)", "SystemExit")]:
        (output,) = judge.test(kit.new_code_cell(source, id="t"))
        assert (output.output_type, output.ename) == ("error", name)
        assert "1 / 0" not in str(output.traceback)
