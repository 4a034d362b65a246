"""The assignment that is attacked: 2 points by a function, 3 in parts, 5 for a written answer.

Every kind of cell is here: an answer as a function, a value and a class, read-only cells with a
probe, visible and hidden checks, a written answer in a code cell. What must never come back to
a student stands in `SECRETS`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from autograder.authoring.sync import digest
from autograder.config import Course
from autograder.core import notebook_io
from tests.attacks import other_assignments
from tests.attacks.other_assignments import CHOICE, KINDS

ASSIGNMENT = "small"
ASSIGNMENTS = (ASSIGNMENT, KINDS, CHOICE)
POINTS_OF = {
    ASSIGNMENT: {"double-test": 2.0, "parts-test": 3.0, "essay": 5.0},
    KINDS: {"third-test": 2.0, "values-test": 4.0, "parse-test": 2.0, "partly-test": 3.0},
    CHOICE: {"q1-test": 1.0},
}
TESTS_OF = {
    name: tuple(one for one in points if one != "essay") for name, points in POINTS_OF.items()
}

HIDDEN_INPUTS = ("791919191", "88.1256789", "6871.5")
"""Inputs of hidden checks, as Python and torch print them."""

SECRETS = (
    *HIDDEN_INPUTS,
    "CANARY-HIDDEN",  # the hidden tests' own lines
    "CANARY-SOLUTION",  # the instructor's solution
    "CANARY-GRADEBOOK",
    "CANARY-OTHER",  # another student's submission
    "CANARY-ENVIRONMENT",  # what is in the grader's environment
)

CELL = 'from beyond.locale import set_language\n\nset_language("{language}")'

IMPORTS = """import math

import torch

from beyond.checks import check, given, probe, report, seeded"""

DOUBLE = '''def double(x):
    """Twice x."""
    ### BEGIN SOLUTION
    # CANARY-SOLUTION
    return 2 * x
    ### END SOLUTION'''

DOUBLE_TEST = """with check("double(2) is 4", hint="Is it the square?"):
    assert math.isclose(given(double(2), "double"), 4)
### BEGIN HIDDEN TESTS
# CANARY-HIDDEN
with check("other numbers", hidden=True):
    assert math.isclose(given(double(791919191), "double"), 1583838382)
    assert math.isclose(given(double(-0.5), "double"), -1)
### END HIDDEN TESTS
report()"""

SHARES = "shares = None\n### BEGIN SOLUTION\nshares = [0.5, 0.3, 0.2]\n### END SOLUTION"

RANKED = '''def ranked(numbers, k):
    """The places of the k largest numbers, the largest first."""
    ### BEGIN SOLUTION
    return sorted(range(len(numbers)), key=lambda place: -numbers[place])[:k]
    ### END SOLUTION'''

GATE = '''class Gate(torch.nn.Module):
    """The softmax, over the last axis, of the rows times `weight`."""

    ### BEGIN SOLUTION
    def __init__(self, size, experts):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(size, experts))

    def forward(self, rows):
        return torch.softmax(rows @ self.weight, -1)
    ### END SOLUTION'''

GATE_PROBE = '''@probe
def gate_output(rows, weight):
    """What a gate with this weight makes of the rows."""
    gate = Gate(*weight.shape)
    with torch.no_grad():
        gate.weight.copy_(weight)
    return gate(rows).detach()'''

PARTS_TEST = """with check("the shares sum to 1", hint="Is one of them missing?"):
    found = given(shares, "shares")
    assert all(share > 0 for share in found)
    assert math.isclose(sum(found), 1)
with check("ranked gives k places", weight=0):
    assert len(given(ranked([2.5, 1.5], 1), "ranked")) == 1
### BEGIN HIDDEN TESTS
# CANARY-HIDDEN
with check("the largest come first", hidden=True):
    dice = seeded("small/parts-test")
    numbers = [dice.random() for _place in range(6)] + [88.1256789]
    assert list(given(ranked(numbers, 3), "ranked")) == reference.ranked(numbers, 3)
with check("the gate is a softmax", hidden=True):
    rows = torch.tensor([[6871.5, 1.0], [0.5, -2.0], [1.0, 3.0]])
    weight = torch.tensor([[0.0, 0.001, 0.002], [1.0, -1.0, 0.0]])
    found = given(gate_output(rows, weight), "Gate")
    assert found.shape == (3, 3)
    assert torch.allclose(found.double(), torch.softmax(rows @ weight, -1).double(), atol=1e-5)
### END HIDDEN TESTS
report()"""

ESSAY = """why = ""
### BEGIN SOLUTION
why = "Because two times one is two. CANARY-SOLUTION"
### END SOLUTION"""

# The same questions the way nbgrader's documentation has them, for grading by nbgrader alone.

STOCK_DOUBLE_TEST = """assert double(2) == 4
### BEGIN HIDDEN TESTS
# CANARY-HIDDEN
assert double(791919191) == 1583838382
assert double(-0.5) == -1
### END HIDDEN TESTS"""

STOCK_PARTS_TEST = """earned = [1 if math.isclose(sum(shares), 1) else 0]
### BEGIN HIDDEN TESTS
# CANARY-HIDDEN
dice = seeded("small/parts-test")
numbers = [dice.random() for _place in range(6)] + [88.1256789]
largest = sorted(range(7), key=lambda place: -numbers[place])[:3]
earned.append(1 if ranked(numbers, 3) == largest else 0)
rows = torch.tensor([[6871.5, 1.0], [0.5, -2.0], [1.0, 3.0]])
weight = torch.tensor([[0.0, 0.001, 0.002], [1.0, -1.0, 0.0]])
found = gate_output(rows, weight)
right = torch.allclose(found.double(), torch.softmax(rows @ weight, -1).double(), atol=1e-5)
earned.append(1 if right else 0)
### END HIDDEN TESTS
sum(earned)"""

RIGHT = {
    "double": "def double(x):\n    return x + x",
    "shares": "shares = [0.25, 0.25, 0.5]",
    "ranked": (
        "def ranked(numbers, k):\n"
        "    pairs = sorted(((value, place) for place, value in enumerate(numbers)), reverse=True)\n"
        "    return [place for _value, place in pairs[:k]]"
    ),
    "gate": (
        "class Gate(torch.nn.Module):\n"
        "    def __init__(self, size, experts):\n"
        "        super().__init__()\n"
        "        self.weight = torch.nn.Parameter(torch.zeros(size, experts))\n\n"
        "    def forward(self, rows):\n"
        "        return (rows @ self.weight).softmax(dim=-1)"
    ),
    "essay": 'why = "Twice means two times."',
}
"""Answers that earn everything."""

WRONG = {
    **RIGHT,
    "double": "def double(x):\n    return x + 1",
    "ranked": "def ranked(numbers, k):\n    return list(range(k))",
    "gate": RIGHT["gate"].replace(".softmax(dim=-1)", ""),
}
"""Answers of which only the shares are right: 0 of 2 and 1 of 3."""

STUBS = {
    name: re.sub(r"### BEGIN SOLUTION.*?### END SOLUTION", "# YOUR CODE HERE", source, flags=re.S)
    for name, source in {
        "double": DOUBLE,
        "shares": SHARES,
        "ranked": RANKED,
        "gate": GATE,
        "essay": ESSAY,
    }.items()
}
"""The answer cells as they are given."""


def _meta(name: str, points: float | None = None, solution: bool = False) -> dict:
    found = {
        "cell_type": "code",
        "grade": points is not None,
        "grade_id": name,
        "locked": not solution,
        "schema_version": 3,
        "solution": solution,
        "task": False,
    }
    return {"nbgrader": {**found, "points": points} if points is not None else found}


def source_notebook(language: str = "en", stock: bool = False) -> NotebookNode:
    """The instructor's notebook.

    Args:
        stock: with plain asserts in place of checks, for nbgrader alone.
    """

    def answer(name: str, source: str, points: float | None = None) -> NotebookNode:
        return new_code_cell(source, id=name, metadata=_meta(name, points, solution=True))

    def given(name: str, source: str, points: float | None = None) -> NotebookNode:
        return new_code_cell(source, id=name, metadata=_meta(name, points))

    title = {"en": "# Small", "ko": "# 작은 과제"}
    mark = {} if language == "en" else {"beyond": {"translates": digest(title["en"])}}
    cells = [
        new_markdown_cell(title[language], id="title", metadata=mark),
        new_code_cell(CELL.replace("{language}", language), id="language"),
        given("imports", IMPORTS),
        answer("double", DOUBLE),
        given("double-test", STOCK_DOUBLE_TEST if stock else DOUBLE_TEST, 2),
        answer("shares", SHARES),
        answer("ranked", RANKED),
        answer("gate", GATE),
        given("gate-probe", GATE_PROBE),
        given("parts-test", STOCK_PARTS_TEST if stock else PARTS_TEST, 3),
        answer("essay", ESSAY, 5),
    ]
    kernel = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
    metadata = {"kernelspec": kernel, "language_info": {"name": "python"}}
    return new_notebook(cells=cells, metadata={**metadata, "beyond": {"language": language}})


ANSWERS = {
    ASSIGNMENT: RIGHT,
    KINDS: other_assignments.RIGHT_KINDS,
    CHOICE: other_assignments.RIGHT_CHOICE,
}
"""Answers that earn everything, by assignment."""

WRONG_ANSWERS = {
    ASSIGNMENT: WRONG,
    KINDS: other_assignments.WRONG_KINDS,
    CHOICE: {"q1": 'q1 = "C"'},
}


def other_source_notebook(assignment: str, language: str = "en") -> NotebookNode:
    """The instructor's notebook of `kinds` or `choice`."""
    title = {"en": f"# {assignment}", "ko": f"# 과제 {assignment}"}
    mark = {} if language == "en" else {"beyond": {"translates": digest(title["en"])}}
    cells = [
        new_markdown_cell(title[language], id="title", metadata=mark),
        new_code_cell(CELL.replace("{language}", language), id="language"),
    ]
    for kind, name, source, points in other_assignments.CELLS[assignment]:
        meta = _meta(name, points, solution=kind == "answer")
        if assignment == CHOICE and points is not None:
            meta["beyond"] = {"choice": True}  # as `check` asks for
        cells.append(new_code_cell(source, id=name, metadata=meta))
    small = source_notebook(language)
    return new_notebook(cells=cells, metadata=small.metadata)


def source_notebooks(language: str) -> dict[str, NotebookNode]:
    """The instructor's notebooks of the course, by assignment."""
    others = {name: other_source_notebook(name, language) for name in (KINDS, CHOICE)}
    return {ASSIGNMENT: source_notebook(language), **others}


def write_course(root: Path, change: Callable[[NotebookNode], None] | None = None) -> Course:
    """The course's sources in a folder, ready for `release`.

    Args:
        change: what the instructor did to the notebooks of the small assignment.
    """
    course = Course(root)
    for language in ("en", "ko"):
        for name, notebook in source_notebooks(language).items():
            if change and name == ASSIGNMENT:
                change(notebook)
            notebook_io.write(course.source(language) / name / f"{name}.ipynb", notebook)
    return course


def answered(released: NotebookNode, answers: dict[str, str]) -> NotebookNode:
    """A copy of the released notebook with answer cells filled in, by cell id."""
    work = notebook_io.copied(released)
    for cell in work.cells:
        cell.source = answers.get(cell.id, cell.source)
    return work
