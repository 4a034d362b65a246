"""A submission makes no test coarser than the read-only cells have it."""

from tests.autograder.judge.test_hidden_part import GIVEN, cell, graded

DIGITS = f"{GIVEN}\nfrom decimal import Decimal, getcontext\ngetcontext().prec = 50"
TEST = """with check("thirds"):
    assert given(third()) * 3 == Decimal(1) / 3 * 3
### BEGIN HIDDEN TESTS
with check("thirds again", hidden=True):
    assert given(third()) * 3 == Decimal(1) / 3 * 3
### END HIDDEN TESTS
report()"""
RIGHT = "def third():\n    return Decimal(1) / 3"
COARSE = f"getcontext().prec = 28\n{RIGHT}"


def test_a_lower_precision_than_the_instructors_earns_nothing():
    assert graded(RIGHT, TEST, RIGHT, DIGITS).points == 2
    assert graded(COARSE, TEST, RIGHT, DIGITS).points == 0


def test_setting_the_same_before_the_read_only_cell_changes_nothing():
    early = cell("early", "import decimal\ndecimal.getcontext().prec = 50", solution=True)
    found = graded(COARSE, TEST, RIGHT, DIGITS, before=[early])
    assert found.points == 0


def test_without_one_of_the_instructors_the_usual_holds():
    given = DIGITS.removesuffix("getcontext().prec = 50")
    assert graded(COARSE, TEST, RIGHT, given).points == 2
    assert graded(f"getcontext().prec = 60\n{RIGHT}", TEST, RIGHT, given).points == 2
