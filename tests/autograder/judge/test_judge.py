"""The trusted side: whose name a test's name is, and what a claim is worth."""

import contextlib
import io
import json
import pathlib
import pickle
import socket
import statistics
import subprocess
import sys
import threading
import time
import zipfile
from decimal import Decimal

import numpy
import pytest
import torch

from autograder.checks import MIME_TYPE, NotAnswered
from autograder.core.bindings import Names
from autograder.core.cell_status import CellStatus
from autograder.judge.judge import InstructorFault, Judge
from autograder.judge.remote_errors import read_claim, remote_error
from autograder.judge.rpc import ChildGone
from autograder.judge.student_client import NoProcess, StudentClient, TimeBudget
from autograder.sandbox import wire
from autograder.sandbox.exceptions import claim, one_line


class Child(threading.Thread):
    """The other end of the RPC channel in this process: answers as the test tells it to."""

    def __init__(self, **answers):
        super().__init__(daemon=True)
        self.ours, self.theirs = socket.socketpair()
        self.has_connected = False
        self.answers = answers
        self.asked = []
        self.start()

    def connect(self):
        """As a worker: this process, and no second one."""
        if self.has_connected:
            raise NoProcess
        self.has_connected = True
        return self.ours

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


def process(child, seconds=0.5):
    return StudentClient(child.connect, TimeBudget(60.0), seconds, 2)


@pytest.fixture(autouse=True)
def scratch(tmp_path, monkeypatch):
    """The folder of the assignment's files, in which a judge starts."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def judged(kit):
    """Run one test cell against a child that answers as told; returns (record, outputs, child)."""

    def run(
        body,
        names=None,
        given="from beyond.checks import check, given, report",
        solution=(),
        **answers,
    ):
        child = Child(**answers)
        names = names or Names(functions={"f"}, values={"a"})
        judge = Judge(process(child), names, list(solution))
        judge.define("given", given)
        lines = "\n".join("    " + line for line in body.splitlines())
        outputs, run.status = judge.test("t", f'with check("x"):\n{lines}\nreport()')
        records = [
            out["data"][MIME_TYPE]["checks"]
            for out in outputs
            if out["output_type"] == "display_data"
        ]
        return records, outputs, child

    return run


def passed(records):
    return [one["passed"] for checks in records for one in checks]


def test_values_and_calls_go_over_the_channel(judged):
    records, outputs, child = judged(
        "assert f(a, key=2) == 7",
        a=["value", 5],
        f=lambda args, kwargs: ["value", args[0] + kwargs["key"]],
    )
    assert passed(records) == [True]
    assert len(outputs) == 1
    assert [one[:-1] for one in child.asked] == [("value", "a"), ("call", "f", [5], {"key": 2})]
    assert 0 < child.asked[1][-1] <= 0.5


EXPECTS = "from beyond.checks import check, expect, report"


def test_what_is_expected_of_a_function_is_called_over_the_channel(judged):
    body = "expect(f, [a], key=2, returns=8, hints=((7, 'One more.'),))"
    answers = {"a": ["value", 5], "f": lambda args, kwargs: ["value", args[0][0] + kwargs["key"]]}
    records, _outputs, child = judged(body, given=EXPECTS, **answers)
    assert passed(records) == [False]
    assert records[0][0]["message"] == ("`f([5], key=2)` returned 7; expected 8. Hint: One more.")
    assert [one[:-1] for one in child.asked] == [("value", "a"), ("call", "f", [[5]], {"key": 2})]
    records, _outputs, _child = judged(body.replace("8", "7"), given=EXPECTS, **answers)
    assert passed(records) == [True]


def test_a_function_without_a_result_has_no_answer(judged):
    records, outputs, _child = judged("expect(f, 2)", given=EXPECTS, f=lambda *_: ["value", None])
    assert records[0][0]["unanswered"]
    assert records[0][0]["message"] == "`f(2)` returned None: did you forget `return`?"
    assert outputs[1]["text"] == "Not answered yet: f\n"


@pytest.mark.parametrize("end", ["close", lambda *_: time.sleep(0.8) or ["value", 1]])
def test_an_end_of_the_process_fails_what_is_expected(judged, end):
    records, _outputs, _child = judged(
        "expect(f, 2, returns=1, hints=((Exception, 'Caught.'),))", given=EXPECTS, f=end
    )
    assert passed(records) == [False]
    assert "Caught" not in records[0][0]["message"]


def test_an_own_name_of_the_test_wins_inside_its_function(judged):
    body = (
        "def g(a):\n    return a\n"
        "assert g(1) == 1 and [a for a in (2,)] == [2] and (lambda f: f)(3) == 3"
    )
    records, _outputs, child = judged(body)
    assert passed(records) == [True]
    assert child.asked == []


def test_builtins_and_read_only_names_win_over_the_students(judged):
    names = Names(functions={"all", "helper"}, values={"len"}, read_only={"helper"})
    records, _outputs, child = judged(
        "assert all([True]) and helper() == 1 and len([1]) == 1",
        names=names,
        given="from beyond.checks import check, report\ndef helper():\n    return 1",
    )
    assert passed(records) == [True]
    assert child.asked == []


def test_a_probe_is_a_call(judged):
    names = Names(read_only={"outputs"}, probes={"outputs"})
    given = (
        "from beyond.checks import check, report, probe\n@probe\ndef outputs(x):\n    return here"
    )
    records, _outputs, child = judged(
        "assert outputs(1) == 2", names=names, given=given, outputs=["value", 2]
    )
    assert passed(records) == [True]
    assert child.asked[0][:3] == ("call", "outputs", [1])


def test_exceptions_keep_their_builtin_type_and_lose_the_rest(judged):
    body = (
        "try:\n    f(-1)\nexcept ValueError as error:\n    assert str(error) == 'no'\n"
        "else:\n    assert False"
    )
    assert passed(judged(body, f=["error", "ValueError", "no"])[0]) == [True]
    records, _outputs, _child = judged(
        "f(1)", f=["error", "Own<b>Error", "x\x1b[31m\nline" + "y" * 999]
    )
    (one,) = records[0]
    assert not one["passed"]
    assert "\x1b" not in one["message"] and "<" not in one["message"]
    assert len(one["message"]) < 400


@pytest.mark.parametrize(
    "name", ["SystemExit", "KeyboardInterrupt", "GeneratorExit", "BaseException", "open", "1x", ""]
)
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
def test_a_child_that_breaks_the_form_fails_the_check(judged, answer):
    records, _outputs, _child = judged("assert f(1) == 1", f=answer)
    assert passed(records) == [False]
    assert "ended the Python process" in records[0][0]["message"]


def late(*_words):
    import time

    time.sleep(2.5)
    return ["value", 1]


@pytest.mark.parametrize("body", ["f(1)", "try:\n    f(1)\nexcept Exception:\n    pass"])
def test_a_late_answer_fails_the_check_that_asked_whatever_it_catches(judged, body):
    records, _outputs, _child = judged(body, f=late)
    assert passed(records) == [False]
    assert "time limit" in records[0][0]["message"]
    assert judged.status is CellStatus.RAN


def test_after_a_late_answer_the_same_name_fails_at_once_and_others_are_asked(kit):
    child = Child(f=late, g=["value", 1])
    again = Child(f=late, g=["value", 1])
    connect = iter([child, again])
    asked = StudentClient(lambda: next(connect).connect(), TimeBudget(60.0), 0.5, 3)
    judge = Judge(asked, Names(functions={"f", "g"}), [])
    judge.define("given", "from beyond.checks import check, report")
    source = "".join(
        f"with check('{n}'):\n    {call}\n" for n, call in enumerate(["f(1)", "g(1)", "f(2)", "1"])
    )
    outputs, status = judge.test("t", source + "report()")
    assert [one["passed"] for one in outputs[0]["data"][MIME_TYPE]["checks"]] == [
        False,
        True,
        False,
        True,
    ]
    assert [one[1] for one in again.asked] == ["g"]
    assert status is CellStatus.RAN


def test_an_end_outside_every_check_leaves_no_other_outcome(kit):
    child = Child(f="close")
    judge = Judge(process(child), Names(functions={"f"}), [])
    judge.define("given", "from beyond.checks import check, report")
    source = "try:\n    f(1)\nexcept Exception:\n    pass\nwith check('b'):\n    pass\nreport()"
    outputs, status = judge.test("t", source)
    assert status is CellStatus.DIED
    assert [one["ename"] for one in outputs] == ["KernelDied"]


def test_a_test_that_fails_outside_a_check_or_exits_leaves_an_error(kit):
    judge = Judge(process(Child()), Names(), [])
    for source, name in [("1 / 0", "ZeroDivisionError"), ("raise SystemExit(0)", "SystemExit")]:
        ((output,), _status) = judge.test("t", source)
        assert (output["output_type"], output["ename"]) == ("error", name)
        assert "1 / 0" not in str(output["traceback"])


def test_a_value_that_keeps_a_test_busy_costs_that_test():
    judge = Judge(process(Child(a=["value", 10**9])), Names(values={"a"}), [])
    judge.define("given", "from beyond.checks import check, report")
    source = "with check('sum'):\n    assert sum(n * n for n in range(a)) > 0\nreport()"
    outputs, status = judge.test("t", source, seconds=0.5)
    assert status is CellStatus.TIMED_OUT
    assert [one["ename"] for one in outputs] == ["CellTimeoutError"]
    assert judge.test("t2", "pass") == ([], CellStatus.RAN)


def test_a_read_only_cell_that_never_ends_is_the_instructors_fault():
    with pytest.raises(InstructorFault, match=r"more than 0\.3 seconds"):
        Judge(process(Child()), Names(), []).define("given", "while True: pass", 0.3)


@pytest.mark.parametrize("source", ["1 / 0", "1 +", "import no_such_module", "exit()"])
def test_a_read_only_cell_that_fails_is_the_instructors_fault(source):
    with pytest.raises(InstructorFault, match="the cell given"):
        Judge(process(Child()), Names(), []).define("given", source)


@pytest.mark.parametrize(
    ("source", "points"),
    [
        ("1.5", "1.5"),
        ("1\n2 + 0.25  # of 3", "2.25"),
        ("0", "0.0"),
        ("-1", "-1.0"),
        ("float('nan')", "nan"),
        ("10 ** 400", "inf"),
        ("2;", None),
        ("2; # quiet", None),
        ("x = 2", None),
        ("None", None),
        ("True", None),
        ("1 == 1", None),
        ("'1.5'", None),
        ("[1]", None),
        ("if True:\n    1.5", None),
        ("import numpy\nnumpy.float32(1.5)", "1.5"),
        ("import numpy\nnumpy.array(1)", "1.0"),
        ("from fractions import Fraction\nFraction(3, 2)", "1.5"),
        ("from decimal import Decimal\nDecimal('1.5')", "1.5"),
        ("from decimal import Decimal\nDecimal('sNaN')", "nan"),
    ],
)
def test_the_number_a_test_cell_ends_with_is_its_result(source, points):
    judge = Judge(process(Child()), Names(), [])
    judge.test("before", "7")
    outputs, _status = judge.test("t", source)
    assert [one["data"]["text/plain"] for one in outputs] == ([] if points is None else [points])
    assert all(one["output_type"] == "execute_result" for one in outputs)


def test_a_test_cell_that_fails_has_no_result():
    judge = Judge(process(Child()), Names(), [])
    ((output,), _status) = judge.test("t", "assert False\n1.5")
    assert output["output_type"] == "error"


def raised(error):
    """The exception on this side for one raised on the other."""
    return remote_error(read_claim(wire.decode(wire.encode(claim(error)))))


def caught(function):
    try:
        function()
    except BaseException as error:
        return error
    raise AssertionError("nothing was raised")


class TooSmall(ValueError):
    pass


class Both(KeyError, ValueError):
    def __str__(self):
        return "own words"


class Group(ExceptionGroup):
    pass


HONEST_ERRORS = [
    ValueError("no"),
    ValueError(),
    ValueError(1, "a"),
    KeyError("x"),
    KeyError("a\nb"),
    TooSmall("tiny"),
    Both("x"),
    caught(lambda: json.loads("{")),
    caught(lambda: statistics.mean([])),
    caught(lambda: b"\xff".decode()),
    caught(lambda: "\ud800".encode()),
    caught(lambda: pathlib.Path("/no/such/file").read_text()),
    caught(lambda: [][1]),
    caught(lambda: numpy.linalg.inv(numpy.zeros((2, 2)))),
    caught(lambda: numpy.zeros(2).sum(axis=5)),
    caught(lambda: compile("1 +", "x", "exec")),
    caught(lambda: zipfile.ZipFile(io.BytesIO(b"x"))),
    caught(lambda: Decimal(1) / 0),
    caught(lambda: next(iter([]))),
    caught(lambda: int("x")),
    TimeoutError("mine"),
    ExceptionGroup("two", [ValueError("a"), TooSmall("b")]),
    Group("own", [KeyError("x")]),
    ImportError("m", name="m"),
    caught(lambda: torch.ones(2) @ torch.ones(3)),
]


@pytest.mark.parametrize("error", HONEST_ERRORS, ids=lambda error: type(error).__name__)
def test_an_exception_is_caught_by_what_would_catch_it_in_a_notebook(error):
    found = raised(error)
    assert type(found).__name__ == type(error).__name__
    assert str(found) == one_line(str(error))
    for known in type(error).__mro__:
        if known.__module__.startswith(
            ("builtins", "json", "statistics", "numpy", "zipfile", "decimal")
        ):
            assert isinstance(found, known), known
    assert found.late is False
    if isinstance(error, ExceptionGroup):
        assert [type(one).__name__ for one in found.exceptions] == [
            type(one).__name__ for one in error.exceptions
        ]
    elif type(error) in (ValueError, KeyError):
        assert found.args == error.args


@pytest.mark.parametrize(
    "error",
    [
        SystemExit(1),
        KeyboardInterrupt(),
        GeneratorExit(),
        BaseException("x"),
        BaseExceptionGroup("g", [SystemExit(1)]),
    ],
)
def test_what_would_end_a_notebooks_cell_does_not_end_the_judge(error):
    found = raised(error)
    assert isinstance(found, Exception) and not isinstance(
        found, (SystemExit, KeyboardInterrupt, GeneratorExit)
    )


@pytest.mark.parametrize(
    "bases",
    [
        ["autograder.checks.NotAnswered"],
        ["autograder.judge.rpc.ChildGone"],
        ["builtins.open"],
        ["os.system"],
        ["antigravity.X"],
        [".", "..", "", "builtins.", ".ValueError"],
        ["builtins.ValueError"] * 10_000,
        [
            "builtins.OSError",
            "builtins.SyntaxError",
            "builtins.UnicodeDecodeError",
            "builtins.ImportError",
        ],
        ["builtins.Exception.__subclasses__"],
        [1],
        ["builtins.ValueError", "builtins.UnicodeError"],
        ["builtins.ExceptionGroup", "builtins.OSError"],
        ["builtins.SystemExit", "builtins.BaseException"],
    ],
    ids=lambda bases: str(bases)[:60],
)
@pytest.mark.parametrize("arguments", [None, [], ["x"] * 50, [b"", 1, None], [10**5000], 7])
def test_a_hostile_claim_makes_an_exception_and_nothing_else(bases, arguments):
    before = set(sys.modules)
    for members in ([], [["X", "y"]], [[["X"]]], 5, [["A", "b", bases, True, arguments, []]] * 100):
        found = remote_error(read_claim(["Odd", "said", bases, False, arguments, members]))
        assert isinstance(found, Exception) and not isinstance(found, (ChildGone, NotAnswered))
        assert "said" in str(found)
    assert set(sys.modules) == before


def test_an_exception_of_a_read_only_cell_is_caught_as_such(judged):
    given = (
        "from beyond.checks import check, given, report\n"
        "class TooSmall(Exception):\n"
        "    def __init__(self, value, least):\n        self.value = value\n"
    )
    claimed = [
        "error",
        "Tiny",
        "2 is too small",
        ["__main__.Tiny", "__main__.TooSmall", "builtins.Exception"],
    ]
    body = (
        "try:\n    f(2)\nexcept TooSmall as error:\n    assert str(error) == '2 is too small'\n"
        "else:\n    assert False"
    )
    assert passed(judged(body, given=given, f=[*claimed, False, None, []])[0]) == [True]
    for name in (
        "check",
        "given",
        "reference",
        "__builtins__",
        "TooSmall.__init__",
        "",
        "NotAnswered",
    ):
        hostile = ["error", "Odd", "said", [f"__main__.{name}"], False, None, []]
        body = "try:\n    f(2)\nexcept TooSmall:\n    pass"
        assert passed(judged(body, given=given, f=hostile)[0]) == [False]


def test_the_limit_is_told_by_the_timer_and_not_by_the_name():
    assert not raised(TimeoutError("mine")).late
    assert remote_error(read_claim(claim(ValueError("x"), late=True))).late


def test_a_call_into_c_that_never_ends_ends_the_judge():
    """No exception gets into it; the judge's worker is told by the end of the process."""
    code = (
        "from autograder.judge import judge\n"
        "judge._INTERRUPT_GRACE_SECONDS = 0.2\n"
        "with judge._at_most(0.1):\n    sum(range(10 ** 15))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=60)
    assert done.returncode == 1 and not done.stderr


def test_a_link_to_nowhere_beside_the_notebook_is_no_file(scratch):
    (scratch / "data.csv").symlink_to("moved-away.csv")
    outputs, _status = Judge(process(Child()), Names()).test("t", "assert 1 + 1 == 2")
    assert outputs == []


@pytest.mark.parametrize(
    ("source", "asks"),
    [
        ("f(1)", True),
        ("shown = [f(x) for x in range(3)]", True),
        ("class Case:\n    expected = f(1)", True),
        ("%matplotlib inline\nf(1)", True),
        ("@probe\ndef of_f(x):\n    return f(x)", False),
        ("def helper(x):\n    return [f(x) for _ in range(3)]", False),
        ("later = lambda x: f(x)", False),
        ("import math", False),
    ],
)
def test_a_cell_asks_for_work_where_it_runs_it_not_where_it_defines(source, asks):
    judge = Judge(process(Child()), Names(functions={"f"}))
    assert judge.asks_for_work(source) is asks


def test_the_reference_may_hold_a_magic(judged):
    records, _outputs, _child = judged(
        "assert reference.g(2) == 4", solution=["%matplotlib inline\ndef g(x):\n    return 2 * x"]
    )
    assert passed(records) == [True]


class Armed:
    """Unpickled, it makes a folder."""

    def __reduce__(self):
        return pathlib.Path.mkdir, (pathlib.Path("ran"),)


class Filing(Child):
    """Hands over a pickle whatever file it is asked for."""

    def run(self):
        with contextlib.suppress(wire.WireError):
            while True:
                sequence, verb, *_words = wire.receive_frame(self.theirs)
                content = pickle.dumps(Armed()) if verb == "file" else None
                wire.send_frame(self.theirs, [sequence, "value", content])


@pytest.mark.parametrize("how", ["define", "adopt", "test"])
def test_a_pickle_that_a_test_has_fetched_runs_in_no_later_cell(how, scratch):
    judge = Judge(process(Filing()), Names())
    found = judge.test("t", "import os\nassert os.path.exists('model.pkl')")
    assert found == ([], CellStatus.RAN)
    source = "import pickle\nwith open('model.pkl', 'rb') as file:\n    pickle.load(file)"
    with contextlib.suppress(InstructorFault):
        getattr(judge, how)("later", source)
    assert (scratch / "model.pkl").exists()
    assert not (scratch / "ran").exists()
