"""A test cell that expects results says the same in one kernel and across the boundary."""

from __future__ import annotations

import pytest

from autograder.authoring.dry_run import execute
from autograder.authoring.lint import lint
from autograder.checks import record_in
from autograder.core import notebook_io
from tests.autograder.sandbox.conftest import bubblewrap
from tests.one_job import execute as execute_split

__all__ = ["bubblewrap"]

TEST = """
with check("weights"):
    expect(weights, [3, 1], scale=2, returns={"sum": 8, "all": [6, 2]}, hints=(
        ({"sum": 4, "all": [3, 1]}, "Is scale used?"),
        (lambda result: result["sum"] < 0, "A sign is wrong."),
    ))
with check("none"):
    assert expect(weights, [], scale=1)["sum"] == 0
### BEGIN HIDDEN TESTS
with check("others", hidden=True):
    expect(weights, [5, 5], scale=3, returns={"sum": 30, "all": [15, 15]})
### END HIDDEN TESTS
report()"""
RIGHT = """def weights(numbers, scale):
    found = [scale * one for one in numbers]
    return {"sum": sum(found), "all": found}"""

ANSWERS = {
    RIGHT: ["", "", ""],
    RIGHT.replace("scale * one", "one"): [
        "`weights([3, 1], scale=2)` returned {'sum': 4, 'all': [3, 1]}; expected "
        "{'sum': 8, 'all': [6, 2]}. Hint: Is scale used?",
        "",
        "",
    ],
    RIGHT.replace("scale * one", "one[0]"): [
        "`weights([3, 1], scale=2)` raised TypeError: 'int' object is not subscriptable.",
        "",
        "",
    ],
    RIGHT.replace("    return", "    numbers.clear(); return"): ["", "", ""],
    "def weights(numbers, scale):\n    print(numbers)": [
        "`weights([3, 1], scale=2)` returned None: did you forget `return`?",
        "`weights([], scale=1)` returned None: did you forget `return`?",
        "",
    ],
}


def messages(notebook):
    """What each check says, by its record."""
    [record] = [
        found
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        if (found := record_in(output.get("data")))
    ]
    return [(one["passed"], one["message"]) for one in record["checks"]]


@pytest.mark.parametrize("answer", ANSWERS)
def test_both_sides_say_the_same(course, kit, bubblewrap, answer):
    given = "from beyond.checks import check, expect, report"
    source = kit.notebook(
        [
            kit.new_markdown_cell("# x", id="title"),
            kit.new_code_cell(given, id="given", metadata=kit.meta("given")),
            kit.new_code_cell(RIGHT, id="answer", metadata=kit.meta("answer", solution=True)),
            kit.new_code_cell(TEST, id="test", metadata=kit.meta("test", points=3)),
        ]
    )
    assert lint(source) == []
    work = notebook_io.copied(source)
    next(cell for cell in work.cells if cell.id == "answer").source = answer
    split = messages(execute_split(work, source).notebook)
    one = messages(execute(course, work, course.root, source))
    assert split == one
    assert [text for _passed, text in one] == ANSWERS[answer]
    assert [passed for passed, _text in one[:2]] == [not text for text in ANSWERS[answer][:2]]
