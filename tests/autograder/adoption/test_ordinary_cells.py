"""Cells as people write them: what each gives the solution and the release, and where it runs."""

import pytest
from nbgrader.apps.api import NbGraderAPI
from nbgrader.coursedir import CourseDirectory

from autograder.config import Course, configure
from autograder.grading.coordinator import grade
from autograder.grading.levels import recorded_levels

from .conftest import answer, checking, given, plain

HELPERS = """def check_double(f):
    assert f == 14

def near(one, other):
    return abs(one - other) < 1e-6
"""
STUB = ""

# name: (instructor's cells before, solution, test, points of the untouched release)
SEALED = {
    "calls": ((), "def inc(x):\n    return x + 1", "assert inc(3) == 4\nassert inc(-1) == 0"),
    "solutions_import": (
        (),
        "import numpy as np\ndef solve(A, b):\n    return np.linalg.solve(A, b)",
        "A = np.array([[2., 0.], [0., 4.]])\nb = np.array([1., 2.])\n"
        "np.testing.assert_allclose(solve(A, b), np.linalg.solve(A, b))",
    ),
    "value_of_text": (
        (),
        "share = 0.125",
        "import hashlib\nsalted = str(round(share, 3)) + 'salt'\n"
        "assert hashlib.sha1(salted.encode()).hexdigest() == "
        "'d0bbbe086d298eb4e54886f61da0b1ec16c2dee1'",
    ),
    "exception": (
        (),
        "def root(x):\n    if x < 0:\n        raise ValueError(x)\n    return x ** 0.5",
        "assert root(4) == 2\ntry:\n    root(-1)\nexcept ValueError:\n    pass\nelse:\n"
        "    raise AssertionError('did not raise')",
    ),
    "helpers": (
        (given("h1", "from helpers import *"),),
        "def double(x):\n    return 2 * x",
        "check_double(double(7))\nassert near(double(0.5), 1)",
    ),
    "made_from_the_students": (
        (),
        "def evens(n):\n    return [x for x in range(n) if x % 2 == 0]",
        "assert sum(some_evens) == 6",
    ),
    "instructors_function": (
        (given("r1", "def check_triple(n):\n    assert triple(n) == 3 * n"),),
        "def triple(x):\n    return 3 * x",
        "for n in range(4):\n    check_triple(n)",
    ),
    "data_file": (
        (plain("%matplotlib inline\nlimit = 2"),),
        "rows = [line.split(',') for line in open('data.csv')]",
        "assert len(rows) == limit\nassert rows[0][0] == open('data.csv').read(1)",
    ),
    "shadowed": ((), "x = 5\ndef square(v):\n    return v * v", "x = 3\nassert square(x) == 9"),
    "sets": ((), "def letters(s):\n    return set(s)", "assert letters('aab') == {'a', 'b'}"),
    "a_helper_of_a_test": (
        (),
        "def half(x):\n    return x / 2",
        "def is_half(x):\n    return half(x) == x / 2\nassert is_half(3)",
    ),
    "that_helper_again": (
        (),
        "def third(x):\n    return x / 3",
        "assert third(3) == 1 and is_half(5)",
    ),
    "partial_credit": ((), "parts = [1, 2]", "(parts[0] == 1) * 0.25 + (parts[1] == 2) * 0.75"),
}
UNSEALED = {
    "argument": (
        (),
        "def tidy(values):\n    values.sort()",
        "some = [3, 1, 2]\ntidy(some)\nassert some == [1, 2, 3]",
    ),
    "argument_unchanged": (
        (),
        "def top(values):\n    return max(values)",
        "kept = [3, 1, 2]\nassert top(kept) == 3\nassert kept == [3, 1, 2]",
    ),
    "deleted": (
        (),
        "def base():\n    return 1\ndef user():\n    return base() + 1",
        "old = base\ndel base\ntry:\n    user()\nexcept NameError:\n    pass\nelse:\n"
        "    raise AssertionError\nfinally:\n    base = old",
    ),
    "an_object": (
        (),
        "class Stack(list):\n    def push(self, one):\n        self.append(one)",
        "s = Stack()\ns.push(1)\nassert len(s) == 1",
    ),
}
AFTER = {"made_from_the_students": given("m1", "some_evens = evens(5)\nprint(some_evens)")}


def cells():
    for name, (before, solution, test) in {**SEALED, **UNSEALED}.items():
        yield from before
        yield answer(f"{name}-answer", solution)
        if name in AFTER:
            yield AFTER[name]
        yield checking(name, test)


@pytest.fixture
def graded(ordinary):
    ordinary.source("ps1", "p1", cells())
    for folder in ("source/ps1",):
        (ordinary.root / folder / "data.csv").write_text("1,2\n3,4\n")
        (ordinary.root / folder / "helpers.py").write_text(HELPERS)
    config = Course.in_folder(ordinary.root).nbgrader_config()
    configure(config)
    api = NbGraderAPI(CourseDirectory(config=config), config=config)
    made = api.generate_assignment("ps1")
    assert made["success"], made
    ordinary.hand_in(
        "right",
        "ps1",
        p1={f"{name}-answer": one[1] for name, one in {**SEALED, **UNSEALED}.items()},
    )
    ordinary.hand_in("nothing", "ps1")
    course = Course.in_folder(ordinary.root)
    told: list[str] = []
    results = grade(course, "ps1", tell=told.append)
    return ordinary, course, {one.student: one for one in results}, told


def test_each_cell_gives_what_nbgrader_gives_and_runs_where_it_can(graded):
    ordinary, course, results, told = graded
    unsealed = recorded_levels(course)["ps1"]["unsealed"]["p1"]
    assert set(unsealed) == set(UNSEALED), unsealed
    lost = {name: one for name, one in ordinary.scores("right", "ps1").items() if one != 1}
    assert lost == {}, results["right"].reasons
    given_away = {name for name, one in ordinary.scores("nothing", "ps1").items() if one}
    assert given_away == set()
    assert len(told) == len(UNSEALED) and all("can forge" in one for one in told)
