"""The page for those who come from nbgrader: its examples have the levels that it says."""

import re

from autograder.config import Course
from autograder.grading.coordinator import try_assignment
from autograder.judge.contract import Level

from .conftest import ROOT, answer, checking, given

PAGE = ROOT / "autograder/COMING-FROM-NBGRADER.md"
BLOCK = re.compile(r"^```python (answer|read-only|test)(?: (\S+))?\n(.*?)\n```$", re.M | re.S)


def test_the_examples_have_the_levels_that_the_page_says(ordinary):
    cells, wanted = [], {}
    for number, (kind, level, code) in enumerate(BLOCK.findall(PAGE.read_text(encoding="utf-8"))):
        if kind == "test":
            cells.append(checking(f"c{number}", code))
            wanted[f"c{number}"] = Level(level.replace("-", " "))
        else:
            cells.append((answer if kind == "answer" else given)(f"c{number}", code))
    assert {*wanted.values()} == {*Level} and len(wanted) > 6
    ordinary.source("ps1", "p1", cells)
    ordinary.run("nbgrader", "generate_assignment", "ps1")
    levels = try_assignment(Course.in_folder(ordinary.root), "ps1")
    assert {name: levels.of("p1", name) for name in wanted} == wanted, levels
    assert levels.remarks == ()
