"""nbgrader's own partial credit says the same in a kernel and across the boundary."""

import pytest

from autograder.authoring.dry_run import execute
from autograder.grading.result import graded_cells
from tests.one_job import execute as execute_split

SCORED = """points = 0.5
if a == 42:
    points += 1
### BEGIN HIDDEN TESTS
if double(7) == 14:
    points += 0.5
### END HIDDEN TESTS
"""


@pytest.mark.parametrize(
    ("last", "full", "half"),
    [
        ("points", 2, 0.5),
        ("import numpy\nnumpy.float64(points)", 2, 0.5),
        ("from fractions import Fraction\nFraction(points)", 2, 0.5),
        ("from decimal import Decimal\nDecimal(points)", 2, 0.5),
        ("import numpy\nnumpy.array(points)", 2, 0.5),
        ("str(points)", 2, 2),
        ("points;", 2, 2),
        ("points * 10", 0, 0),
        ("-points", 0, 0),
        ("float('nan')", 0, 0),
        ("print(points)", 2, 2),
        ("assert points >= 1.5", 2, 0),
    ],
)
def test_a_test_cell_that_ends_in_a_number(course, kit, last, full, half):
    def work(a, double):
        cells = [
            kit.new_markdown_cell("# Mini", id="title"),
            kit.new_code_cell(
                f"a = {a}", id="a-answer", metadata=kit.meta("a-answer", solution=True)
            ),
            kit.new_code_cell(double, id="double", metadata=kit.meta("double", solution=True)),
            kit.new_code_cell(SCORED + last, id="a-test", metadata=kit.meta("a-test", points=2)),
        ]
        return kit.notebook(cells)

    right, wrong = "def double(x):\n    return 2 * x", "def double(x):\n    return x"
    source_notebook = work(42, right)
    for notebook, points in [(source_notebook, full), (work(1, wrong), half)]:
        (split,) = graded_cells(execute_split(notebook, source_notebook).notebook)
        assert split.points == points
        (whole,) = graded_cells(execute(course, notebook))
        assert whole.points == points
