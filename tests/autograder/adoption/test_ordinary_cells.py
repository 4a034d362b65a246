"""Cells as people write them: what each gives the solution and the release, and where it runs."""

import pytest
from nbgrader.apps.api import NbGraderAPI
from nbgrader.coursedir import CourseDirectory

from autograder.config import Course, configure
from autograder.grading.coordinator import grade
from autograder.grading.levels import Levels, recorded_levels
from autograder.judge.contract import Level

from .conftest import answer, checking, given, plain

HELPERS = """def check_double(f):
    assert f == 14

def near(one, other):
    return abs(one - other) < 1e-6

import pickle
def opened_up(content):
    return pickle.loads(content)
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
    "bound_by_an_earlier_test": ((), "y = 1", "y = 4\nassert y == 4"),
    "and_read_by_the_next": ((), "z = 1", "assert y == 4 and z == 1"),
    "until_the_student_binds_it_again": ((), "y = 6", "assert y == 6"),
    "a_function_handed_over": (
        (),
        "def twice(f, x):\n    return f(f(x))",
        "assert twice(lambda x: x + 3, 1) == 7",
    ),
    "check_is_a_name_of_the_authors": (
        (given("c1", "def check(f, x, y):\n    assert f(x) == y"),),
        "def cube(x):\n    return x ** 3",
        "check(cube, 2, 8)",
    ),
    "the_students_reference": ((), "reference = 12", "assert reference == 12"),
}
BY_HANDLE = {
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
    "a_plot": (
        (given("pl", "import matplotlib.pyplot as plt"),),
        "plt.plot([1, 2, 3])\nax = plt.gca()",
        "assert list(ax.lines[0].get_ydata()) == [1, 2, 3]",
    ),
}
UNSEALED = {
    "a_subclass": (
        (),
        "class Base:\n    def name(self):\n        return self.own()",
        "class Derived(Base):\n    def own(self):\n        return 'own'\n"
        "assert Derived().name() == 'own'",
    ),
    "source_text": (
        (),
        "total = sum([1, 2])",
        "assert any('total = ' + 'sum' in one for one in In)",
    ),
    "text_run": ((), "term = '1 + 2'", "assert eval(term) == 3"),
    "a_helper_runs_text": (
        (given("h2", "def value_of(text):\n    return eval(text)"),),
        "sentence = '2 * 3'",
        "assert value_of(sentence) == 6",
    ),
    "a_helper_calls_another_that_unpickles": (
        (
            given("h3", "import pickle as p\ndef _loaded(content):\n    return p.loads(content)"),
            given("h4", "def restored(content):\n    return _loaded(content)"),
        ),
        "import pickle\nkept = pickle.dumps([1, 2])",
        "assert restored(kept) == [1, 2]",
    ),
    "a_helper_by_another_name": (
        (given("h5", "import functools\nunpack = functools.partial(restored)\nopened = [unpack]"),),
        "import pickle\nstored = pickle.dumps('text')",
        "assert opened[0](stored) == 'text'",
    ),
    "a_module_that_unpickles": (
        (given("h6", "from helpers import opened_up as back"),),
        "import pickle\npacked = pickle.dumps((3, 4))",
        "assert back(packed) == (3, 4)",
    ),
}
ALL = {**SEALED, **BY_HANDLE, **UNSEALED}
SNEAKY = {
    "argument_unchanged": "def top(values):\n    values.sort()\n    return max(values)",
    "an_object": "class Stack:\n    def push(self, one):\n        pass\n"
    "    def __len__(self):\n        return 2",
}
"""Wrong in a way that shows only if the test sees what it would with nbgrader alone."""
AFTER = {"made_from_the_students": given("m1", "some_evens = evens(5)\nprint(some_evens)")}


def cells():
    for name, (before, solution, test) in ALL.items():
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
        p1={f"{name}-answer": one[1] for name, one in ALL.items()},
    )
    ordinary.hand_in("nothing", "ps1")
    ordinary.hand_in(
        "sneaky",
        "ps1",
        p1={f"{name}-answer": SNEAKY.get(name, one[1]) for name, one in ALL.items()},
    )
    course = Course.in_folder(ordinary.root)
    told: list[str] = []
    results = grade(course, "ps1", tell=told.append)
    return ordinary, course, {one.student: one for one in results}, told


def test_each_cell_gives_what_nbgrader_gives_and_runs_where_it_can(graded):
    ordinary, course, results, told = graded
    recorded = recorded_levels(course)["ps1"]
    levels = Levels(recorded["unsealed"], recorded["contracts"])
    wanted = {Level.SEALED: SEALED, Level.BY_HANDLE: BY_HANDLE, Level.UNSEALED: UNSEALED}
    for level, names in wanted.items():
        assert {name for name in ALL if levels.of("p1", name) is level} == set(names), recorded
    lost = {name: one for name, one in ordinary.scores("right", "ps1").items() if one != 1}
    assert lost == {}, results["right"].reasons
    given_away = {name for name, one in ordinary.scores("nothing", "ps1").items() if one}
    assert given_away == {"bound_by_an_earlier_test"}  # with nbgrader alone as well
    lost = {name for name, one in ordinary.scores("sneaky", "ps1").items() if one != 1}
    assert lost == {"argument_unchanged", "an_object"}
    assert sum("can forge" in one for one in told) == len(UNSEALED)
    assert sum("uses objects in the student's own" in one for one in told) == len(BY_HANDLE)
    assert any("a submission's word for Stack.push(), len(Stack)" in one for one in told)
