"""`### AUTOTEST` and `### HASHED AUTOTEST`: tests that nbgrader writes from the solution's values."""

import shutil
from pathlib import Path

import nbformat
import nbgrader

from autograder.config import Course
from autograder.grading.levels import recorded_levels

from .conftest import answer, checking, prose

TEMPLATES = Path(nbgrader.__file__).parent / "tests/apps/files/autotests.yml"
KERNEL = {"name": "python3", "display_name": "Python 3", "language": "python"}

# name: (what is asked, the solution, a wrong answer)
CASES = {
    "total": ("total", "total = 31", "total = 41"),
    "share": ("share", "share = 0.12345", "share = 0.13"),
    "exact": ("exact", "exact = 2.0", "exact = 2"),
    "word": ("word", 'word = "Lovelace"', 'word = "lovelace"'),
    "items": ("items; len(items)", "items = [30, 10, 20]", "items = [10, 20, 30]"),
    "pair": ("pair", "pair = (1, 'b')", "pair = [1, 'b']"),
    "table": ("table", 'table = {"a": 17}', 'table = {"a": "17"}'),
    "flag": ("flag", "flag = True", "flag = 1"),
    "odds": ("odds", "odds = {1, 3, 5}", "odds = {1, 3}"),
    "array": (
        "array.sum(); array.shape",
        "import numpy as np\narray = np.arange(6).reshape(2, 3)",
        "import numpy as np\narray = np.arange(6)",
    ),
    "double": (
        "double(4); double(1.5)",
        "def double(x):\n    return 2 * x",
        "def double(x):\n    return x + 4",
    ),
    "pile": (
        "len(pile.items)",
        "class Pile:\n    def __init__(self):\n        self.items = [1, 2]\npile = Pile()",
        "class Pile:\n    def __init__(self):\n        self.items = [1]\npile = Pile()",
    ),
}
STUDENTS = ("right", "wrong", "nothing")


def cells():
    for name, (asked, solution, _wrong) in CASES.items():
        yield answer(f"{name}-answer", solution)
        yield checking(f"{name}-open", f"### AUTOTEST {asked}")
        yield checking(f"{name}-hashed", f"### HASHED AUTOTEST {asked}")
    hidden = "### BEGIN HIDDEN TESTS\n### HASHED AUTOTEST double(70)\n### END HIDDEN TESTS"
    yield checking("hidden", f"assert double(4) == 8\n{hidden}")


def test_tests_written_by_nbgrader_give_what_nbgrader_gives(ordinary):
    ordinary.source("ps1", "p1", [prose("# One"), *cells()], kernelspec=KERNEL)
    shutil.copy(TEMPLATES, ordinary.root)
    ordinary.run("nbgrader", "generate_assignment", "ps1")
    released = (ordinary.root / "release/ps1/p1.ipynb").read_text()
    assert "AUTOTEST" not in released and "double(70)" not in released
    for student, place in (("right", 1), ("wrong", 2)):
        ordinary.hand_in(
            student, "ps1", p1={f"{name}-answer": one[place] for name, one in CASES.items()}
        )
    ordinary.hand_in("nothing", "ps1")
    stock = ordinary.beside()
    stock.run("nbgrader", "autograde", "ps1")
    said = ordinary.run("nbgrader", "autograde", "ps1")
    assert "Traceback (most recent" not in said
    ours = {one: ordinary.scores(one, "ps1") for one in STUDENTS}
    assert ours == {one: stock.scores(one, "ps1") for one in STUDENTS}
    assert set(ours["right"].values()) == {1}
    # The array's sum, and the function at one of its places, are right in the wrong answers.
    assert set(ours["wrong"].values()) == {0} == set(ours["nothing"].values())
    found = recorded_levels(Course.in_folder(ordinary.root))["ps1"]
    assert found["unsealed"] == {"p1": {}}, found
    # What is wrong about a hashed value is said in the words of the template, and not the value.
    graded = nbformat.read(ordinary.root / "autograded/wrong/ps1/p1.ipynb", 4)
    shown = {cell.metadata.nbgrader.grade_id: str(cell.get("outputs")) for cell in graded.cells[1:]}
    assert "value of total is not correct" in shown["total-hashed"]
    for name, value in (("total", "31"), ("share", "0.12"), ("word", "Lovelace"), ("items", "[30")):
        assert value not in shown[f"{name}-hashed"], shown[f"{name}-hashed"]
