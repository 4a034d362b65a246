"""The three levels of an ordinary course's tests: what they are worth, and where that is told."""

import re

import pytest

from autograder.authoring.level_advice import levels_of_tests
from autograder.config import Course
from autograder.grading.coordinator import try_assignment
from autograder.judge.contract import Level

from .conftest import answer, checking, given, marks, new_code_cell

ANSWERS = {
    "a1": "def double(x):\n    return 2 * x",
    "a2": "class Pile(list):\n    def top(self):\n        return self[-1]",
    "a3": "total = sum([1, 2])",
}
BACK = "assert any('total = ' + 'sum' in one for one in In)"


def course_with(ordinary, worth="0.25"):
    cells = [
        answer("a1", ANSWERS["a1"]),
        new_code_cell("assert double(4) == 8", metadata=marks("t1", grade=True, points=2)),
        answer("a2", ANSWERS["a2"]),
        checking("t2", "assert Pile([1, 2]).top() == 2"),
        answer("a3", ANSWERS["a3"]),
        new_code_cell(BACK, metadata=marks("t3", grade=True, locked=True, points=4)),
    ]
    ordinary.source("ps1", "p1", cells)
    ordinary.config(f"c.UnsealedTests.worth = {worth}")
    ordinary.run("nbgrader", "generate_assignment", "ps1")
    ordinary.hand_in("ada", "ps1", p1=ANSWERS)
    ordinary.hand_in("bob", "ps1", p1={**ANSWERS, "a3": "total = 3"})
    return ordinary


def text_of(page):
    return " ".join(re.sub(r"<[^>]*>", " ", page.read_text(encoding="utf-8")).split())


def test_unsealed_points_count_what_the_instructor_says_and_everybody_is_told(ordinary):
    course = course_with(ordinary)
    course.run("nbgrader", "autograde", "ps1")
    assert course.scores("ada", "ps1") == {"t1": 2, "t2": 1, "t3": 1}
    assert course.scores("bob", "ps1") == {"t1": 2, "t2": 1, "t3": 0}
    # The student, on the page of nbgrader's own.
    course.run("nbgrader", "generate_feedback", "ps1")
    page = text_of(course.root / "feedback/ada/ps1/p1.html")
    assert "can't be verified, so it counts for 25% of its points" in page
    assert page.count("of its points") == 1
    # The instructor, where the class is graded, where it is reported, and before.
    said = course.run("autograder", "grade", "ps1", "--course", ".")
    told = "Of 7 points for tests: 2 sealed, 1 by handle, 4 unsealed; unsealed points count for 25%"
    assert f"ps1: {told}, so the tests give at most 4." in said
    assert "t3: the result of this test can't be verified" in said
    said = course.run("autograder", "report", "ps1", "--course", ".")
    assert (
        "Points for tests: 2 sealed (mean 2), 1 by handle (mean 1), 4 unsealed (mean 0.5)" in said
    )
    page = text_of(course.root / ".autograder/reports/ps1.html")
    assert "unsealed 4 0.50" in page and "Unsealed tests count for 25% of their points." in page
    assert "ada 4 2 / 1 / 1" in page and "bob 3 2 / 1 / 0" in page
    said = course.run("autograder", "check", "ps1", "--course", ".")
    assert "ps1/p1: t1 (2 points) is sealed." in said
    assert "t2 (1 point) is by handle: it takes the submission's word for Pile" in said
    assert re.search(r"t3 \(4 points\) is unsealed: it runs .*To raise it, ask for a value", said)
    # Another choice takes effect at once, and one that is none is a sentence.
    course.config("c.UnsealedTests.worth = 0")
    course.run("autograder", "grade", "ps1", "--course", ".")
    assert course.scores("ada", "ps1") == {"t1": 2, "t2": 1, "t3": 0}
    again = ("nbgrader", "autograde", "ps1", "--force", "--UnsealedTests.worth=0.5")
    course.run(*again)
    assert course.scores("ada", "ps1") == {"t1": 2, "t2": 1, "t3": 2}
    course.config("c.UnsealedTests.worth = 1.5")
    said = course.run("autograder", "grade", "ps1", "--course", ".", code=2)
    assert "c.UnsealedTests.worth in nbgrader's configuration can't be 1.5" in said


def test_by_default_nothing_is_taken_off_or_added(ordinary):
    course = course_with(ordinary, "1.0")
    course.run("nbgrader", "autograde", "ps1")
    assert course.scores("ada", "ps1") == {"t1": 2, "t2": 1, "t3": 4}
    course.run("nbgrader", "generate_feedback", "ps1")
    assert "of its points" not in text_of(course.root / "feedback/ada/ps1/p1.html")


# name: (the solution, the test as it was, what is advised, cells after the solution, the test now,
# the level now)
ADVISED = {
    "subclass": (
        "class Base:\n    def name(self):\n        return self.own()",
        "class Derived(Base):\n    def own(self):\n        return 'own'\n"
        "assert Derived().name() == 'own'",
        "define the subclass in a read-only cell",
        [
            given(
                "g-subclass",
                "class Derived(Base):\n    def own(self):\n        return 'own'",
            )
        ],
        "assert Derived().name() == 'own'",
        Level.BY_HANDLE,
    ),
    "text": (
        "term = '[1, 2]'",
        "assert eval(term) == [1, 2]",
        "ast.literal_eval",
        [],
        "import ast\nassert ast.literal_eval(term) == [1, 2]",
        Level.SEALED,
    ),
    "source": (
        "def total(n):\n    return sum(range(n))",
        "import inspect\nassert 'for' not in inspect.getsource(total)",
        "how often it calls a function",
        [],
        "assert total(4) == 6",
        Level.SEALED,
    ),
    "object": (
        "class Account:\n    def __init__(self, euros):\n        self.euros = euros",
        "assert Account(3).euros == 3",
        "that a read-only cell before the test makes of the object",
        [given("g-object", "euros = Account(3).euros")],
        "assert euros == 3",
        Level.SEALED,
    ),
    "deleted": (
        "def base():\n    return 1\ndef user(base=base):\n    return base() + 1",
        "kept = base\ndel base\nassert user() == 2\nbase = kept",
        "hand over what should be used instead",
        [],
        "assert user(lambda: 4) == 5",
        Level.SEALED,
    ),
    "magic": (
        "size = 3",
        "%config InlineBackend.rc = {}\nassert In[1] and size == 3",
        "run the magic in a read-only cell",
        [],
        "assert size == 3",
        Level.SEALED,
    ),
}


@pytest.mark.parametrize("is_raised", [False, True], ids=["before", "after"])
def test_what_is_advised_raises_the_level(ordinary, is_raised):
    cells = []
    for name, (solution, before, _advice, between, after, _level) in ADVISED.items():
        cells.append(answer(f"a-{name}", solution))
        cells += between if is_raised else []
        cells.append(checking(name, after if is_raised else before))
    ordinary.source("ps1", "p1", cells)
    ordinary.run("nbgrader", "generate_assignment", "ps1")
    course = Course.in_folder(ordinary.root)
    levels = try_assignment(course, "ps1")
    found = {one.test: one for one in levels_of_tests(course, "ps1", levels)}
    for name, (_sol, _before, advice, _between, _after, level) in ADVISED.items():
        if is_raised:
            assert found[name].level is level, found[name]
        else:
            assert found[name].level is not Level.SEALED, found[name]
            assert advice in found[name].advice, found[name]
