"""Ordinary nbgrader cells get stock's verdict, and nothing that a submission answers forges one."""

import functools
import importlib.util

import pytest

from autograder.judge.contract import Level, level_of
from autograder.judge.job import Assignment
from autograder.judge.worker import warm_up
from tests.autograder.judge.ordinary_cells import cases, dry_run, judged, stock

UNSEALED = {"a subclass in the test"}
"""What needs the student's process itself."""


@functools.cache
def compared(file):
    """For each case whether solution and stub get stock's verdict, and its tests' levels."""
    found = cases(file)
    imports = {name for case in found for name in Assignment.of(case.notebook()).imports}
    warm_up(tuple(sorted(imports - {"helpers"})))
    solved = stock([(case, case.notebook()) for case in found])
    untouched = stock([(case, case.notebook(solved=False)) for case in found])
    rows = {}
    for case, right, nothing in zip(found, solved, untouched, strict=True):
        verdict, contracts = dry_run(case)
        stub = judged(case, case.notebook(solved=False), contracts)
        levels = [level_of(lines) for lines in contracts.values()] or [Level.SEALED]
        level = Level.BY_HANDLE if Level.BY_HANDLE in levels else Level.SEALED
        rows[case.name] = (verdict.points == right and stub.points == nothing, level, verdict.said)
    return rows


def share(count, rows):
    return f"{count / len(rows):.0%}"


def test_plain_cells_get_stock_s_verdict_by_value(bubblewrap):
    rows = compared("plain.txt")
    assert {name: said for name, (same, _level, said) in rows.items() if not same} == {}
    by_handle = {name for name, (_same, level, _said) in rows.items() if level != Level.SEALED}
    print("sealed:", share(len(rows) - len(by_handle), rows))
    assert len(by_handle) <= len(rows) // 20, by_handle


def test_objects_get_stock_s_verdict_by_handle(bubblewrap):
    rows = compared("handles.txt")
    wrong = {name for name, (same, _level, _said) in rows.items() if not same}
    print("as stock:", share(len(rows) - len(wrong), rows))
    assert wrong == UNSEALED


ASKED = 1447
"""Cells of public courses that assert something, counted by what they ask for."""

CELLS_THAT_ASK = (
    (
        75,  # for a class of the student's
        "a stack class",
        "a class given as a stub",
        "vectors with operators",
        "inheritance and isinstance",
        "an exception class of the student's",
        "a linked list",
        "a context manager",
        "a dataclass and an enum",
        "properties and class attributes",
        "a subclass in the test",
    ),
    (69, "a graph", "a Counter and a namedtuple"),  # for an object of a library's
    (
        58,  # for functions in or out
        "a function that is handed a function",
        "a key function and a class as arguments",
        "the student's function handed to a helper",
        "a function returned",
        "a decorator",
    ),
    (29, "an estimator", "a pipeline"),
    (23, "axes returned", "the current axes"),
    (17, "input replaced", "input and print patched", "a name deleted for a call"),
    (16, "objects of an instructor's class handed over"),
    (12, "the source text", "the signature"),
    (10, "captured output"),
    (8, "a helper module that calls back"),
    (7, "a global that the student's function reads"),
    (6, "a file that the student's cell wrote"),
    (6, "a generator with an end", "a generator without an end", "a generator driven by send"),
    (23,),  # for another notebook of the student's, or what was typed: unsealed
)
"""How many cells ask for more than values and calls, and the cases made after them.

The files have an awkward case as often as a usual one, so the cases' own shares say nothing about
a course.
"""


def weighed(rows, level, unsealed):
    """The share of real cells that have at least this level, each kind by how often it occurs."""

    def has_it(name):
        reached = [Level.SEALED] if level is Level.SEALED else [Level.SEALED, Level.BY_HANDLE]
        return name not in unsealed and rows[name][1] in reached

    special = {name for _cells, *names in CELLS_THAT_ASK for name in names}
    usual = rows.keys() - special
    others = ASKED - sum(cells for cells, *_names in CELLS_THAT_ASK)
    count = others * sum(map(has_it, usual)) / len(usual)
    for cells, *names in CELLS_THAT_ASK:
        count += cells * sum(map(has_it, names)) / max(1, len(names))
    return count / ASKED


def test_most_cells_of_a_course_are_sealed(bubblewrap):
    rows = {**compared("plain.txt"), **compared("handles.txt")}
    sealed = weighed(rows, Level.SEALED, UNSEALED)
    reached = weighed(rows, Level.BY_HANDLE, UNSEALED)
    cases = sum(level is Level.SEALED for name, (_same, level, _said) in rows.items())
    print(f"sealed: {sealed:.1%}, {share(cases - len(UNSEALED), rows)} of the cases here;")
    print(f"sealed or by handle: {reached:.1%}")
    assert sealed >= 0.8
    assert reached >= 0.96


@pytest.mark.parametrize(
    ("lines", "level"),
    [
        (["price() value"], Level.SEALED),
        (["rate = value", "price() value"], Level.SEALED),
        (["rate = value", "Box() handle"], Level.BY_HANDLE),
        (["del helper value"], Level.BY_HANDLE),
        (["sort() changes 0"], Level.SEALED),
    ],
)
def test_a_cell_that_binds_a_name_is_sealed_unless_it_asks_an_object(lines, level):
    assert level_of(lines) is level


@pytest.mark.skipif(
    not all(map(importlib.util.find_spec, ("pandas", "pyarrow"))), reason="pandas isn't installed"
)
def test_tables_get_stock_s_verdict_by_value(bubblewrap):
    rows = compared("tables.txt")
    assert all(same and level == Level.SEALED for same, level, _said in rows.values())


def find(file, name):
    return next(case for case in cases(file) if case.name == name)


PLEASING = """
class Pleasing:
    def __eq__(self, other): return True
    def __bool__(self): return True
    def __lt__(self, other): return True
    def __len__(self): return 2
    def __contains__(self, x): return True
    def __getattr__(self, name): return Pleasing()
    def __call__(self, *args): return Pleasing()
    def __sub__(self, other): return 0
    def __abs__(self): return 0.0
"""


CONTRACTS: dict[str, dict] = {}
"""What the solution of each case has shown, by its name."""


def forged(case, source, **more):
    """The points of the only test when this is the first answer, under the solution's contract."""
    answer = next(f"solution-{n}" for n, (kind, _) in enumerate(case.cells) if kind == "solution")
    if case.name not in CONTRACTS:
        _verdict, CONTRACTS[case.name] = dry_run(case)
    work = case.notebook(changed={answer: source, **more})
    return judged(case, work, CONTRACTS[case.name])


def test_a_pleasing_object_earns_nothing_where_the_solution_gave_a_number(bubblewrap):
    source = PLEASING + "def square(x): return Pleasing()"
    assert set(forged(find("plain.txt", "numbers"), source).points.values()) == {0}


def test_a_handle_s_answers_have_to_be_plain_where_the_solution_s_were(bubblewrap):
    source = PLEASING + "class Account(Pleasing):\n    def __init__(self, *_): pass"
    verdict = forged(find("handles.txt", "a class given as a stub"), source)
    assert set(verdict.points.values()) == {0}
    assert "CannotCross" in " ".join(verdict.said.values())


def test_an_object_can_t_be_asked_what_the_solution_s_was_not(bubblewrap):
    case = find("handles.txt", "a linked list")
    source = PLEASING + "class Node(Pleasing): pass\ndef link(values): return Node()"
    assert set(forged(case, source).points.values()) == {0}


def test_arguments_stay_as_they_were_where_the_solution_leaves_them(bubblewrap):
    case = find("plain.txt", "arguments unchanged after the call")
    source = "def without_first(values):\n    values[:] = []\n    return [2, 3]"
    assert set(forged(case, source).points.values()) == {1}


def test_a_function_that_was_handed_over_can_be_called_a_bounded_number_of_times(bubblewrap):
    case = find("plain.txt", "a function that is handed a function")
    source = "def derivative(f, x):\n    while True:\n        f(1.0)"
    assert set(forged(case, source).points.values()) == {0}


def test_a_function_that_was_handed_over_is_called_while_a_call_is_answered_only(bubblewrap):
    case = find("plain.txt", "a function that is handed a function")
    source = (
        "import threading, time\n"
        "def derivative(f, x):\n"
        "    def later():\n"
        "        time.sleep(0.05)\n"
        "        f(x)\n"
        "    threading.Thread(target=later).start()\n"
        "    return 6 if x == 3 else 1\n"
    )
    assert set(forged(case, source).points.values()) == {0}


@pytest.mark.parametrize(
    "reply",
    [
        "['handle', -1, True, True, ['x']]",
        "['handle', 1, True, True, ['x'] * 99]",
        "['handle', 'a', 1, 1, 1]",
        "['value', 1, []]",
        "['callback', 10**6, [], {}]",
        "['callback', 0, 1, {}]",
    ],
)
def test_a_malformed_reply_ends_the_process(bubblewrap, reply):
    case = find("handles.txt", "a class given as a stub")
    right = case.notebook().cells[0].source
    patch = (
        "import autograder.sandbox.student_process as there\n"
        "answer = there._RequestHandler._answer_operate\n"
        "there._RequestHandler._answer_operate = lambda *words: {}\n" + right
    )
    honest = forged(case, patch.format("answer(*words)"))
    assert set(honest.points.values()) == {1}  # so the patch is asked, and ends nothing itself
    verdict = forged(case, patch.format(reply))
    assert set(verdict.points.values()) == {0}
    assert set(verdict.said.values()) == {"the Python process ended while it ran"}


def test_a_claimed_class_makes_no_number_of_an_object(bubblewrap):
    case = find("plain.txt", "partial credit")
    source = (
        PLEASING + "class Score(Pleasing):\n    __class__ = float\ndef grade(x): return Score()"
    )
    assert set(forged(case, source).points.values()) == {0}
