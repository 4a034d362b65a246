"""nbgrader's own tests pass with this grader in the configuration as they do without it.

Those of the modules that grade something: `configure` names steps of nbgrader's Autograde, which no
other module runs. `benchmarks/nbgraders_own_tests.py --all` runs them all.
"""

from importlib.metadata import version

import pytest

from .conftest import ROOT
from .nbgraders_own import PASSED, Expected, graders, outcomes

EXCEPTIONS = {
    "test_nbgrader_autograde": {
        "TestNbGraderAutograde::test_no_execute": "| `--no-execute` | outputs that the student "
        "stored count | the cells are run all the same, and you are told |",
    },
}
"""Tests that this grader fails on purpose, and the line of the guide that says what it does."""


def test_there_are_few_exceptions_and_instructors_are_told_of_each():
    told = (ROOT / "autograder/COMING-FROM-NBGRADER.md").read_text(encoding="utf-8")
    lines = [line for exceptions in EXCEPTIONS.values() for line in exceptions.values()]
    assert len(lines) <= 3
    assert all(line in told.splitlines() for line in lines)


def test_the_list_is_of_this_version_of_nbgrader():
    expected = Expected.read()
    assert expected.version == version("nbgrader")
    assert sorted(expected.passed) == graders()
    assert set(EXCEPTIONS) <= set(expected.passed)


@pytest.mark.parametrize("module", graders())
def test_what_passes_with_nbgrader_alone_passes_with_this_grader(module, tmp_path):
    expected = Expected.read()
    found = outcomes(module, tmp_path)
    exceptions = set(EXCEPTIONS.get(module, ()))
    known = expected.others.get(module, {})
    bad = {name: end for name, end in found.items() if end != PASSED}
    assert {name: end for name, end in bad.items() if name not in known} == dict.fromkeys(
        exceptions, "failure"
    )
    assert len(found) - len(bad) >= expected.passed[module] - len(exceptions)
