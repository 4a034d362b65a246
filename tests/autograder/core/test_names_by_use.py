"""Which names of an ordinary notebook stand for the student's work, and what runs beside tests."""

import ast

import pytest
from nbformat.v4 import new_code_cell, new_notebook

from autograder.core.names_by_use import arguments_looked_at, names_by_use
from autograder.core.plain_python import plain_python, without_settings


def cell(source, kind):
    marks = {"grade_id": source, "solution": kind == "solution", "grade": kind == "test"}
    metadata = {"nbgrader": marks} if kind != "plain" else {}
    return new_code_cell(source, metadata=metadata)


def names(*cells):
    notebook = new_notebook(cells=[cell(*one) for one in cells])
    found = names_by_use(notebook)
    return found, [found.judged[one.id] for one in notebook.cells]


@pytest.mark.parametrize(
    ("cells", "remote", "judged"),
    [
        # The solution's imports are there for the tests; what else it binds is the student's.
        (
            [("import numpy as np\nx = np.ones(3)", "solution"), ("assert np.sum(x) == 3", "test")],
            {"x"},
            ["import numpy as np", ""],
        ),
        # Where no solution was written down, what nobody binds is the student's.
        ([("# ?", "solution"), ("assert a == 1", "test")], {"a"}, ["", ""]),
        # What an instructor's statement makes of the student's work is asked for, too.
        (
            [
                ("def f(x):\n    return x", "solution"),
                ("import math\nn = 3\nys = [f(n)]\nys.append(math.pi)\nprint(ys)", "plain"),
                ("assert ys[0] == n", "test"),
            ],
            {"f", "ys"},
            ["", "import math\nn = 3", ""],
        ),
        # A function that calls the student's is the instructor's; what it returns isn't.
        (
            [
                ("def f(x):\n    return x", "solution"),
                ("def twice(x):\n    return f(f(x))\nt = twice(2)", "given"),
                ("assert twice(1) == 1 and t == 2", "test"),
            ],
            {"f", "t"},
            ["", "def twice(x):\n    return f(f(x))", ""],
        ),
        # What the solution binds anew is the student's, whoever bound it first.
        (
            [("size = 1", "plain"), ("size = 2", "solution"), ("assert size == 2", "test")],
            {"size"},
            ["", "", ""],
        ),
        # Magics are the student's side's.
        (
            [("%matplotlib inline\nlimit = 2", "plain"), ("assert limit == 2", "test")],
            set(),
            ["limit = 2", ""],
        ),
    ],
)
def test_who_has_a_name(cells, remote, judged):
    found, sources = names(*cells)
    assert found.remote == remote
    assert sources == judged


def test_a_name_that_nobody_binds_may_come_with_a_star():
    found, _sources = names(("from helpers import *", "given"), ("check_it(answer)", "test"))
    assert found.remote == {"check_it", "answer"}


@pytest.mark.parametrize(
    ("test", "looked_at"),
    [
        ("s = [2, 1]\nf(s)\nassert s == [1, 2]", {"s"}),
        ("s = [2, 1]\nassert f(s) == 3", set()),
        ("A = ones(3)\nf(A)\nassert_allclose(A, ones(3))", {"A"}),
        ("for n in range(3):\n    assert f(n) == n", set()),
        ("s = [2, 1]\nassert s == [2, 1]\nf(s)", set()),
    ],
)
def test_a_test_that_looks_at_an_argument_afterwards(test, looked_at):
    assert arguments_looked_at(ast.parse(test), {"f"}) == looked_at


def test_magics_in_a_test():
    assert without_settings("%matplotlib inline\nassert f(1)  # so") == "assert f(1)"
    assert without_settings("assert f(1)  # so") == "assert f(1)  # so"
    assert "run_line_magic" in plain_python("%timeit f(1)")
