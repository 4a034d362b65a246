"""autograder.checks, in plain Python and in a real kernel."""

from __future__ import annotations

import dataclasses
import enum
import gettext
import math
import subprocess
import sys
from fractions import Fraction

import nbformat
import pytest
from hypothesis import given as for_all
from hypothesis import strategies as st
from nbclient import NotebookClient

from autograder import checks
from autograder import i18n as locale
from autograder.checks import (
    MIME_TYPE,
    CheckFailed,
    NotAnswered,
    check,
    given,
    probe,
    report,
    score,
    seeded,
)
from autograder.expectations import expect


@pytest.fixture(autouse=True)
def _clean_slate():
    """Checks and language as a fresh interpreter has them."""
    checks._cell.close()
    yield
    checks._cell.close()
    locale.set_language("en")


# --- in plain Python ---------------------------------------------------------------------


def test_later_checks_run_after_a_failed_one(capsys):
    ran = []
    with check("first"):
        ran.append(1)
        raise AssertionError("one is missing")
    with check("second"):
        ran.append(2)
    with pytest.raises(CheckFailed):
        report()
    assert ran == [1, 2]
    assert capsys.readouterr().out.splitlines() == [
        "Checks passed: 1 of 2",
        "✗ first",
        "    one is missing",
        "✓ second",
    ]


def test_the_message_lists_every_failed_check_and_no_passed_one():
    with check("apples"):
        raise AssertionError("too few")
    with check("pears"):
        pass
    with check("plums", hint="Is it ripe?"):
        raise ZeroDivisionError("division by zero")
    with pytest.raises(CheckFailed) as failure:
        report()
    assert str(failure.value).splitlines() == [
        "Checks passed: 1 of 3",
        "✗ apples",
        "    too few",
        "✗ plums",
        "    ZeroDivisionError: division by zero. Hint: Is it ripe?",
    ]


@pytest.mark.parametrize("error", [NameError("name 'x' is not defined"), ImportError("it may not")])
def test_a_missing_name_or_module_is_no_occasion_for_a_hint(error):
    def answer():
        raise error

    with pytest.raises(CheckFailed) as failed:
        with check("called directly", hint="Is it ripe?"):
            answer()
        with check("called by expect", hint="Is it ripe?"):
            expect(answer, returns=1)
        report()
    assert str(failed.value).count(str(error)) == 2
    assert "ripe" not in str(failed.value)


def test_all_passed_returns_none_and_prints_nothing_on_stderr(capsys):
    with check("fine"):
        pass
    assert report() is None
    assert capsys.readouterr().err == ""


def test_unanswered_does_not_raise(capsys):
    with check("form", weight=0):
        given(None, "q1")
    with check("also"):
        given(None, "q1")
    with check("no name of its own"):
        given(None)
    assert report() is None
    captured = capsys.readouterr()
    assert captured.err == "Not answered yet: q1, no name of its own\n"
    assert "✗ form\n    no answer yet" in captured.out


def test_a_failure_beside_an_unanswered_check_raises():
    with check("one"):
        given(None, "q1")
    with check("two"):
        raise AssertionError
    with pytest.raises(CheckFailed):
        report()


@pytest.mark.parametrize("value", [0, False, "", [], 0.0])
def test_given_takes_every_value_but_none(value):
    assert given(value) == value and type(given(value)) is type(value)
    with pytest.raises(NotAnswered):
        given(None)


def test_given_is_the_copy_that_grading_sees():
    class Money(float):
        pass

    @dataclasses.dataclass
    class Point:
        x: int

    rows = [1, [2]]
    copy = given(rows)
    assert copy == rows and copy is not rows and copy[1] is not rows[1]
    assert type(given(Money(1.5))) is float
    assert given(n for n in "ab") == ["a", "b"]
    assert given(Point(3)).x == 3 and given(Point(3)) == Point(3)
    assert given({Fraction(1, 2)}) == {Fraction(1, 2)}


def test_given_of_nothing_behind_a_value_is_no_answer():
    class Choice(enum.Enum):
        NOTHING = None

    with pytest.raises(NotAnswered):
        given(Choice.NOTHING)


def test_what_cannot_be_graded_says_so_in_the_students_language(capsys):
    def function():
        pass

    for code, says in [
        (
            "en",
            "a value of type function can't be graded: return a number, text, list, dict or array",
        ),
        ("ko", "function 타입의 값은 채점할 수 없습니다"),
    ]:
        locale.set_language(code)
        with check("x"):
            given(function)
        with pytest.raises(CheckFailed):
            report()
        assert says in " ".join(capsys.readouterr().out.split())


def test_a_hidden_failure_shows_its_name_only(capsys):
    with check("any input", hint="secret hint", hidden=True):
        print("secret output")
        print("secret warning", file=sys.stderr)
        raise AssertionError("secret value 42")
    with check("stubs", hidden=True):
        given(None, "secret name")
    with pytest.raises(CheckFailed) as failure:
        report()
    captured = capsys.readouterr()
    assert captured.err == ""
    assert "✗ any input\n✗ stubs" in captured.out
    assert "secret" not in captured.out + str(failure.value)


def test_a_visible_check_lets_output_through(capsys):
    with check("talks"):
        print("hello")
    report()
    assert "hello" in capsys.readouterr().out


def test_an_exit_in_the_students_code_is_a_failed_check():
    with check("leaves"):
        raise SystemExit
    with pytest.raises(CheckFailed, match="SystemExit"):
        report()


def test_an_interrupt_passes_through():
    with pytest.raises(KeyboardInterrupt), check("slow", hidden=True):
        raise KeyboardInterrupt


def test_an_exception_that_cannot_be_printed_is_a_failed_check():
    class Rude(Exception):
        def __str__(self):
            raise RuntimeError("no")

    with check("rude"):
        raise Rude
    with pytest.raises(CheckFailed, match="Rude"):
        report()


def test_a_long_message_is_cut_and_wrapped(capsys):
    with check("long"):
        raise AssertionError("x y\n" * 1000)
    with pytest.raises(CheckFailed):
        report()
    out = capsys.readouterr().out
    assert "…" in out and len(out) < 500
    assert max(map(len, out.splitlines())) <= 78


def test_report_leaves_nothing_for_the_next_cell(capsys):
    with check("one"):
        pass
    report()
    capsys.readouterr()
    assert report() is None
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("weight", [-1, math.nan, math.inf, True, "2", 10**400])
def test_a_weight_must_be_a_finite_amount(weight):
    with pytest.raises(ValueError, match="weight"):
        check("x", weight=weight)


def test_a_check_needs_a_name():
    with pytest.raises(ValueError, match="name"):
        check("")


def test_probe_marks_and_changes_nothing():
    @probe
    def plain(x):
        return x + 1

    @probe(fresh=True)
    def fresh(x):
        return x + 2

    assert (plain(1), fresh(1)) == (2, 3)
    assert plain.__probe__ == {"fresh": False}
    assert fresh.__probe__ == {"fresh": True}


def test_seeded_numbers_are_the_same_everywhere():
    # Written down once: another Python or machine that draws others would regrade a class.
    assert seeded("quiz/q1-test").getrandbits(64) == 8461577521387980875
    assert seeded("quiz/q1-test").random() != seeded("quiz/q2-test").random()


def test_fixed_texts_and_names_are_translated(monkeypatch, capsys):
    class Shouting(gettext.NullTranslations):
        def gettext(self, message):
            return message.upper() if "{" not in message else message

    monkeypatch.setattr(locale, "_catalogs", [Shouting()])
    with check("a name", hint="a hint"):
        raise AssertionError("a message")
    with check("an empty one"):
        given(None)
    with pytest.raises(CheckFailed):
        report()
    out = capsys.readouterr().out
    for text in ("A NAME", "A HINT", "A MESSAGE", "AN EMPTY ONE", "NO ANSWER YET"):
        assert text in out


def test_korean_messages():
    locale.set_language("ko")
    with check("x"):
        given(None)
    lines = checks._lines(checks._record(checks._cell.close())["checks"], "")
    assert lines[2].strip().startswith("아직")


# --- score -------------------------------------------------------------------------------

amounts = st.floats(0, 1e308) | st.integers(0, 100)
outcomes = st.fixed_dictionaries(
    {
        "name": st.text(),
        "weight": st.sampled_from([0, 1, 1, 2, 0.5]) | amounts,
        "passed": st.booleans(),
        "hidden": st.booleans(),
        "message": st.text(),
    }
)
records = st.fixed_dictionaries(
    {"version": st.just(1), "checks": st.lists(outcomes, min_size=1, max_size=8)}
)
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


def record(*pairs):
    """A record of (weight, passed) pairs."""
    return {"version": 1, "checks": [{"weight": w, "passed": p} for w, p in pairs]}


@for_all(records, amounts)
def test_a_score_lies_between_zero_and_the_points(one, points):
    assert 0 <= score(one, points) <= points


@for_all(records, amounts)
def test_everything_passed_is_exactly_all_points_and_nothing_passed_is_zero(one, points):
    for outcome in one["checks"]:
        outcome["passed"] = True
    assert score(one, points) == points
    for outcome in one["checks"]:
        outcome["passed"] = False
    assert score(one, points) == 0


@for_all(records, st.data())
def test_passing_one_more_check_never_costs(one, data):
    before = score(one, 10)
    data.draw(st.sampled_from(one["checks"]))["passed"] = True
    assert score(one, 10) >= before


@for_all(records)
def test_a_failed_form_check_makes_it_zero(one):
    one["checks"].append({"weight": 0, "passed": False})
    assert score(one, 5) == 0


@for_all(records, st.randoms())
def test_order_does_not_matter(one, dice):
    before = score(one, 3)
    dice.shuffle(one["checks"])
    assert score(one, 3) == pytest.approx(before)


@for_all(anything | st.fixed_dictionaries({"version": st.just(1), "checks": anything}), amounts)
def test_any_other_record_is_zero_and_no_crash(one, points):
    assert score(one, points) == 0


@pytest.mark.parametrize("points", [math.nan, math.inf, -1, None, "5"])
def test_points_that_are_none_are_zero(points):
    assert score(record((1, True)), points) == 0


@pytest.mark.parametrize(
    ("pairs", "expected"),
    [
        ([(1, True), (1, False)], 5),
        ([(1, True), (3, False)], 2.5),
        ([(0, True), (1, True), (1, False)], 5),
        ([(0, False), (1, True)], 0),
        ([(0, True)], 10),
        ([(0, False)], 0),
        ([], 0),
        ([(math.nan, True)], 0),
        ([(math.inf, True)], 0),
        ([(-1, True), (2, False)], 0),
    ],
)
def test_scores(pairs, expected):
    assert score(record(*pairs), 10) == expected


# --- in a real kernel --------------------------------------------------------------------

CELLS = {
    "imports": "from beyond.checks import check, given, report",
    "passed": 'with check("fine <b>"):\n    assert True\nreport()',
    "failed": (
        'def helper():\n    raise AssertionError("too few")\n'
        'with check("apples"):\n    helper()\nwith check("pears"):\n    pass\nreport()'
    ),
    "crashed": 'with check("left over"):\n    assert False\n1 / 0\nreport()',
    "after": 'with check("own"):\n    pass\nreport()',
    "crashed-again": 'with check("left over"):\n    assert False\n1 / 0\nreport()',
    "lesson": 'with check("apples"):\n    assert False\nreport(stop=False)',
    "only-report": "report()",
    "unanswered": 'with check("form", weight=0):\n    given(None, "q1")\nreport()',
    "hidden": (
        "from IPython.display import display\n"
        'with check("any input", hidden=True, hint="secret"):\n'
        '    print("secret")\n    display("secret")\n    assert False, "secret"\nreport()'
    ),
}


@pytest.fixture(scope="module")
def ran():
    """CELLS run in one real kernel, by name."""
    cells = [nbformat.v4.new_code_cell(source, id=name) for name, source in CELLS.items()]
    notebook = nbformat.v4.new_notebook(cells=cells)
    NotebookClient(notebook, kernel_name="python3", allow_errors=True, timeout=60).execute()
    return {cell.id: cell.outputs for cell in notebook.cells}


def errors(outputs):
    return [output for output in outputs if output.output_type == "error"]


def data(outputs):
    """The one record among the outputs."""
    (found,) = [o.data[MIME_TYPE] for o in outputs if MIME_TYPE in o.get("data", {})]
    return found


def test_kernel_one_output_carries_text_html_and_data(ran):
    (output,) = ran["passed"]
    assert output.output_type == "display_data"
    assert output.data["text/plain"] == "Checks passed: 1 of 1\n✓ fine <b>"
    assert "fine &lt;b&gt;" in output.data["text/html"]
    expected = {
        "name": "fine <b>",
        "weight": 1,
        "passed": True,
        "hidden": False,
        "unanswered": False,
        "message": "",
    }
    assert data(ran["passed"]) == {"version": 1, "checks": [expected]}
    assert score(data(ran["passed"]), 2) == 2


def test_kernel_a_failure_is_read_once(ran):
    (error,) = errors(ran["failed"])
    assert error.ename == "CheckFailed"
    assert error.traceback == ["Not every check passed; the list above says why."]
    shown = [output.data["text/plain"] for output in ran["failed"] if "data" in output]
    assert shown == ["Checks passed: 1 of 2\n✗ apples\n    too few\n✓ pears"]
    assert score(data(ran["failed"]), 2) == 1


def test_nbgraders_own_validation_shows_tracebacks_only_so_they_list_what_failed(monkeypatch):
    monkeypatch.setenv("NBGRADER_VALIDATING", "1")
    with check("apples"):
        raise AssertionError("too few")
    with check("pears"):
        pass
    with pytest.raises(CheckFailed) as failure:
        report()
    assert failure.value._render_traceback_() == [
        "Checks passed: 1 of 2",
        "✗ apples",
        "    too few",
    ]


def test_a_lesson_goes_on_after_a_failed_check(capsys):
    with check("apples"):
        raise AssertionError("too few")
    report(stop=False)
    captured = capsys.readouterr()
    assert captured.out.splitlines() == ["Checks passed: 0 of 1", "✗ apples", "    too few"]
    assert captured.err == ""


def test_what_is_optional_and_left_open_counts_neither_way(capsys):
    def left():
        return None

    def forgotten():
        answer = 1 + len("12")  # noqa: F841 - the mistake is that nothing is returned

    with check("needed"):
        pass
    with check("a step to choose"):
        expect(left, returns=3)
    report(stop=False, optional=("left",))
    captured = capsys.readouterr()
    assert captured.out.splitlines() == [
        "Checks passed: 1 of 1",
        "✓ needed",
        "– a step to choose",
        "    optional, not done",
    ]
    assert captured.err == ""

    with check("a step to choose"):
        expect(left, returns=3)
    report(optional=("left",))
    assert capsys.readouterr().out.splitlines()[0] == "Optional, not done"

    with check("a step to choose"):
        expect(forgotten, returns=3)
    report(stop=False, optional=("forgotten",))
    shown = capsys.readouterr()
    assert "✗ a step to choose" in shown.out  # it was begun
    assert "did you forget `return`" in shown.out
    assert shown.err == "Not answered yet: forgotten\n"


def test_what_is_optional_is_named_to_those_who_hear_the_page(monkeypatch):
    bundles = []
    monkeypatch.setattr(checks, "_show", bundles.append)
    with check("a step to choose"):
        given(None, "left")
    report(optional=("left",))
    (bundle,) = bundles
    assert 'aria-label="optional, not done">–</span> a step to choose' in bundle["text/html"]
    assert bundle["text/html"].count("optional, not done") == 1
    assert score(bundle[MIME_TYPE], 1) == 0  # for cells that earn nothing


def test_kernel_a_lessons_failure_is_no_error(ran):
    (output,) = ran["lesson"]
    assert output.output_type == "display_data"
    assert score(data(ran["lesson"]), 2) == 0


def test_kernel_a_crashed_cell_leaks_nothing_into_the_next(ran):
    assert errors(ran["crashed"])[0].ename == "ZeroDivisionError"
    assert [one["name"] for one in data(ran["after"])["checks"]] == ["own"]
    assert ran["only-report"] == []


def test_kernel_unanswered_is_one_line_on_stderr(ran):
    assert not errors(ran["unanswered"])
    (line,) = [o.text for o in ran["unanswered"] if o.get("name") == "stderr"]
    assert line == "Not answered yet: q1\n"
    assert [one["unanswered"] for one in data(ran["unanswered"])["checks"]] == [True]
    assert score(data(ran["unanswered"]), 1) == 0


def test_kernel_a_hidden_failure_shows_nothing_of_what_happened(ran):
    assert errors(ran["hidden"])
    assert "any input" in str(ran["hidden"]) and "secret" not in str(ran["hidden"])


def test_a_script_needs_no_ipython():
    code = (
        "import sys\nfrom beyond.checks import check, report\n"
        "with check('fine'):\n    pass\nreport()\nassert 'IPython' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert "✓ fine" in done.stdout
