"""What the tests of an ordinary nbgrader course open gains nothing: objects, call-backs and files.

A class is graded in a course whose tests hold objects by handle, hand functions over, look at
arguments after a call and read a student's files. Every attacker's other answers are right.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from nbgrader.apps.api import NbGraderAPI
from nbgrader.coursedir import CourseDirectory

from autograder.config import Course, configure
from autograder.grading.coordinator import grade
from autograder.grading.levels import Levels, recorded_levels
from autograder.judge.contract import Level
from tests.autograder.adoption.conftest import OrdinaryCourse, answer, checking

PAGE = Path(__file__).resolve().parents[2] / "autograder" / "ATTACKS.md"

RIGHT = {
    "box": "class Box:\n    def __init__(self, x):\n        self.x = x\n"
    "    def double(self):\n        return 2 * self.x",
    "number": "n = 5",
    "twice": "def twice(f, x):\n    return f(f(x))\ndef step(x):\n    return x + 3",
    "tidy": "def tidy(values):\n    values.sort()",
    "array": "import numpy as np\nnp.save('found.npy', np.array([1, 2]))",
}
TESTS = {
    "box": "b = Box(3)\nassert b.x == 3 and b.double() == 6\nassert isinstance(b, Box)",
    "number": "assert n == 5",
    "twice": "assert twice(lambda x: step(x), 1) == 7",
    "tidy": "some = [3, 1, 2]\ntidy(some)\nassert some == [1, 2, 3]",
    "array": "import numpy\nfound = numpy.load('found.npy', allow_pickle=True)\nassert found.sum() == 3",
}
LEVELS = {"box": Level.BY_HANDLE}  # the others are sealed

PLEASING = """class Pleasing:
    def __eq__(self, other): return True
    def __bool__(self): return True
    def __hash__(self): return 0
    def __getattr__(self, name): return Pleasing()
    def __call__(self, *args): return Pleasing()
"""
BOX = PLEASING + "class Box(Pleasing):\n    def __init__(self, x):\n        pass\n"
THERE = "import autograder.sandbox.student_process as there\nhandler = there._RequestHandler\n"


def _by_reply(reply: str) -> str:
    return f"{THERE}handler._reply = lambda *_: {reply}\n{RIGHT['box']}"


# The name, what the student does as the page says it, and the answer to which question.
ATTACKS = {
    "pleasing-attribute": (
        "Gives an object whose attributes are equal to everything",
        "box",
        BOX,
    ),
    "pleasing-number": ("Gives such an object for a number", "number", PLEASING + "n = Pleasing()"),
    "claimed-class": (
        "Returns such an object whose `__class__` is `int`",
        "box",
        BOX + "    x = 3\n    def double(self):\n        return type('I', (Pleasing,), "
        "{'__class__': int})()",
    ),
    "forged-handle": (
        "Names an object that there can't be",
        "box",
        _by_reply("['handle', 2**40, True, True, ['x']]"),
    ),
    "someone-elses-handle": (
        "Names an object of another kind",
        "box",
        _by_reply("['handle', 1, False, True, ['builtins.int']]"),
    ),
    "nested-reply": (
        "Answers with a list nested a hundred thousand deep",
        "box",
        "def nested():\n    found = []\n    for _ in range(10**5):\n        found = [found]\n"
        "    return found\n" + RIGHT["box"].replace("2 * self.x", "nested()"),
    ),
    "huge-reply": (
        "Answers with 300 MB of text",
        "box",
        RIGHT["box"].replace("2 * self.x", "'x' * (3 * 10**8)"),
    ),
    "endless-method": (
        "Never returns from a method",
        "box",
        RIGHT["box"].replace("return 2 * self.x", "while True: pass"),
    ),
    "hostile-exception": (
        "Raises an exception whose name and text are a page of control characters",
        "box",
        "Loud = type('AssertionError\\x1b[2J' * 99, (Exception,), "
        "{'__str__': lambda self: '\\x1b[2J<script>' * 10**5})\n"
        + RIGHT["box"].replace("return 2 * self.x", "raise Loud()"),
    ),
    "exception-without-end": (
        "Raises an exception whose text never ends",
        "box",
        "class Long(Exception):\n    def __str__(self):\n        while True: pass\n"
        + RIGHT["box"].replace("return 2 * self.x", "raise Long()"),
    ),
    "call-back-flood": (
        "Calls a function of the test's without end",
        "twice",
        "def twice(f, x):\n    while True: f(x)\ndef step(x): return x",
    ),
    "mutual-recursion": (
        "Calls a function of the test's from what that function calls",
        "twice",
        "def twice(f, x):\n    global g\n    g = f\n    return f(x)\ndef step(x): return g(x)",
    ),
    "call-back-later": (
        "Calls a function of the test's from a thread, after the answer",
        "twice",
        "import threading, time\ndef twice(f, x):\n    def later():\n        time.sleep(0.01)\n"
        "        f(x)\n    threading.Thread(target=later).start()\n    return 8\n"
        "def step(x): return x",
    ),
    "argument-of-another-type": (
        "Claims that a call has made an object of its argument that pleases",
        "tidy",
        PLEASING + f"{THERE}there._changed = lambda *_: {{0: Pleasing()}}\ndef tidy(values): pass",
    ),
    "pickle-in-a-file": (
        "Hands code to the test in a file that the test reads",
        "array",
        "import numpy as np\nclass Code:\n    def __reduce__(self):\n"
        "        return eval, ('__import__(\"numpy\").array(3)',)\n"
        "np.save('found.npy', np.array([Code()], dtype=object), allow_pickle=True)",
    ),
}


BREAKS_ITSELF = {
    "forged-handle",
    "someone-elses-handle",
    "argument-of-another-type",
    "call-back-later",
}
"""Who may lose what comes later in the same process."""


def test_the_page_lists_them():
    page = PAGE.read_text(encoding="utf-8")
    section = page.partition("### Ordinary courses")[2].partition("\n### ")[0]
    rows = dict(re.findall(r"^\| ([\w-]+) \| (.+?) \|", section, re.M))
    rows.pop("Attack")
    assert rows == {name: what for name, (what, _question, _answer) in ATTACKS.items()}


@pytest.fixture
def graded(tmp_path):
    for folder in ("cs101", "home"):
        (tmp_path / folder).mkdir()
    ordinary = OrdinaryCourse(tmp_path / "cs101", tmp_path / "home")
    ordinary.config('c.CourseDirectory.course_id = "cs101"', "c.Execute.timeout = 3")
    cells = [
        cell
        for name, solution in RIGHT.items()
        for cell in (answer(f"{name}-answer", solution), checking(name, TESTS[name]))
    ]
    ordinary.source("ps1", "p1", cells)
    config = Course.in_folder(ordinary.root).nbgrader_config()
    configure(config)
    api = NbGraderAPI(CourseDirectory(config=config), config=config)
    assert api.generate_assignment("ps1")["success"]
    classroom = {"honest": {}} | {
        name: {question: source} for name, (_what, question, source) in ATTACKS.items()
    }
    for student, changed in classroom.items():
        answers = {f"{name}-answer": one for name, one in {**RIGHT, **changed}.items()}
        ordinary.hand_in(student, "ps1", p1=answers)
    course = Course.in_folder(ordinary.root)
    grade(course, "ps1")
    return ordinary, course


def test_each_gets_what_the_work_deserves(graded):
    ordinary, course = graded
    recorded = recorded_levels(course)["ps1"]
    levels = Levels(recorded["unsealed"], recorded["contracts"])
    assert {name: levels.of("p1", name) for name in TESTS} == {
        name: LEVELS.get(name, Level.SEALED) for name in TESTS
    }
    assert set(ordinary.scores("honest", "ps1").values()) == {1}
    gained = {}
    for student, (_what, question, _answer) in ATTACKS.items():
        scores = ordinary.scores(student, "ps1")
        others = {name: one for name, one in scores.items() if name != question and one != 1}
        if scores[question] or (others and student not in BREAKS_ITSELF):
            gained[student] = scores
    assert gained == {}
