"""Hidden lines count wherever they stand, and tell no more than a bit for each check."""

import ast

import pytest
from nbformat.v4 import new_code_cell, new_notebook

from autograder.grading.result import graded_cells
from autograder.judge.hidden_part import is_independent, string_literals_in
from autograder.judge.runs import UNNAMED
from tests.one_job import execute

GIVEN = "from beyond.checks import check, given, report"
RIGHT = "def double(x):\n    return 2 * x"
KNOWS_TWO = "def double(x):\n    return 4"
HIDDEN, END = "### BEGIN HIDDEN TESTS", "### END HIDDEN TESTS"

INSIDE_A_CHECK = f"""with check("doubles"):
    assert double(2) == 4
    {HIDDEN}
    assert double(9) == 18
    {END}
report()"""
INSIDE_A_FUNCTION = f"""def cases():
    found = [2]
    {HIDDEN}
    found.append(9)
    {END}
    return found
with check("doubles"):
    assert all(double(one) == 2 * one for one in cases())
report()"""
BEFORE = f"""cases = [2]
{HIDDEN}
cases.append(9)
{END}
with check("doubles"):
    assert all(double(one) == 2 * one for one in cases)
report()"""
INSIDE_A_LIST = f"""cases = [
    2,
    {HIDDEN}
    9,
    {END}
]
with check("doubles"):
    assert all(double(one) == 2 * one for one in cases)
report()"""
APART = f"""{HIDDEN}
with check("others", hidden=True):
    assert double(9) == 18
{END}
with check("doubles"):
    assert double(2) == 4
report()"""


def cell(name, source, **marks):
    made = new_code_cell(source, id=name)
    made.metadata.nbgrader = {"grade_id": name, "grade": False, "solution": False, **marks}
    return made


def graded(answer, test, solution=RIGHT, given=GIVEN, before=()):
    """The outcome of a test worth 2 points."""

    def notebook(source):
        return new_notebook(
            cells=[
                *before,
                cell("given", given, locked=True),
                cell("answer", source, solution=True),
                cell("test", test, grade=True, points=2, locked=True),
            ]
        )

    done = execute(notebook(answer), notebook(solution), cell_seconds=1.0)
    return graded_cells(done.notebook)[0]


@pytest.mark.parametrize("test", [INSIDE_A_CHECK, INSIDE_A_FUNCTION, BEFORE, INSIDE_A_LIST])
def test_lines_hidden_in_what_students_see_count(test):
    assert graded(RIGHT, test).points == 2
    assert graded(KNOWS_TWO, test).points == 0
    assert not is_independent(ast.parse(test), test)


def test_a_hidden_part_before_the_visible_ones_is_independent():
    assert graded(RIGHT, APART).points == 2
    assert graded(KNOWS_TWO, APART).points == 1
    assert is_independent(ast.parse(APART), APART)
    seen = (
        "seen = []\ndef double(x):\n    seen.append(x)\n    return 2 * x if len(seen) == 1 else 0"
    )
    found = graded(seen, APART)  # right in the visible run's first call, and in the hidden run's
    assert found.points == 2


@pytest.mark.parametrize(
    "ending",
    ["raise ValueError(x)", "while True:\n            pass", "import os\n        os._exit(0)"],
)
def test_how_a_hidden_line_fails_is_not_told(ending):
    """Else a submission that knows the input could say more than a bit by its way to end."""
    test = f"assert double(2) == 4\n{HIDDEN}\nassert double(9) == 18\n{END}"
    found = graded(f"def double(x):\n    if x == 9:\n        {ending}\n    return 4", test)
    assert (found.points, found.messages) == (0, graded(KNOWS_TWO, test).messages)


def test_a_name_made_of_a_student_s_value_tells_nothing_of_the_hidden_run():
    test = f"""with check(f"now {{last}}"):
    assert double(2) == 4
{HIDDEN}
with check(f"then {{double(9)}}, {{last}}", hidden=True):
    assert double(9) == 18
{END}
report()"""
    keeps = (
        "last = 'nothing'\ndef double(x):\n    global last\n    last = f'seen {x}'\n    return 4"
    )
    said = " ".join(graded(keeps, test, f"last = ''\n{RIGHT}").messages)
    assert UNNAMED in said
    assert "9" not in said and "then" not in said


def test_no_answer_and_a_wrong_one_are_one_outcome_of_a_hidden_check():
    """Where nothing visible is answered, `None` and a wrong number would be two."""
    test = f"""with check("seen"):
    assert given(double(2), "double") == 4
{HIDDEN}
with check("unseen", hidden=True):
    assert given(double(9), "double") == 18
{END}
report()"""
    nothing = graded("def double(x):\n    return None", test)
    wrong = graded("def double(x):\n    return 5 if x == 9 else None", test)
    assert nothing == wrong


def test_texts_are_those_written_out():
    tree = ast.parse('check("a" "b")\ncheck(f"c{d}")\nx = "e"')
    assert string_literals_in(tree) == {"ab", "e"}


VALUES = [
    "10 ** 9000",
    "[10 ** 9000]",
    "['a' * 60_000_000]",
    "'\\ud800' * 1000",
    "[[1.5]] * 300_000",
]


@pytest.mark.parametrize("value", VALUES)
@pytest.mark.parametrize(
    "test", ["assert a == 1, a", "{1: 2}[str(a)[:9] and a]", "raise KeyError(a)"]
)
def test_a_value_in_a_test_s_own_message_is_a_wrong_answer_and_no_fault(value, test):
    found = graded(f"a = {value}", test, "a = 1")
    assert found.points == 0
    assert sum(map(len, found.messages)) < 2_000


def test_many_checks_made_of_a_student_s_value_are_no_fault():
    test = "for one in a:\n    with check(f'{one}'):\n        assert one\nreport()"
    assert (
        graded("a = ['x' * 300 + str(one) for one in range(100_000)]", test, "a = [1]").points == 0
    )


def test_stopping_an_iteration_passes_no_test():
    test = "with check('all'):\n    assert all(map(lambda x: double(x) == 2 * x, [1, 2]))\nreport()"
    assert graded(RIGHT, test).points == 2
    assert graded("def double(x):\n    raise StopIteration", test).points == 0


def test_a_test_that_asks_for_stop_iteration_gets_it():
    test = """with check("ends"):
    try:
        double(1)
        ended = False
    except StopIteration:
        ended = True
    assert ended
report()"""
    assert graded("def double(x):\n    return next(iter([]))", test).points == 2
