"""What the library has of an assignment's answer earns nothing there: through the command."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from autograder.config import Course
from autograder.core import notebook_io
from autograder.grading.result import submission_results
from autograder.sandbox.bubblewrap import find_bwrap
from autograder.sandbox.errors import SandboxUnavailable
from autograder.student.validate import validate

ROOT = Path(__file__).resolve().parents[2]

TAKEN = {
    "moe-gate": {
        "top-k": "from beyond.moe.layer import top_k as theirs\n"
        "def top_k(probabilities, k, renormalize=True):\n"
        "    return theirs(probabilities.log(), k, renormalize)",
        "balance-loss": "def balance_loss(probabilities, chosen):\n"
        "    from beyond.moe import layer\n"
        "    return layer.balance_loss(probabilities.log(), chosen)",
        "capacity": "import importlib\n"
        "def within_capacity(chosen, experts, factor):\n"
        "    theirs = importlib.import_module('beyond.moe.layer')\n"
        "    room = theirs.capacity(*chosen.shape[:1], experts, chosen.shape[1], factor)\n"
        "    fits = theirs.within_capacity(chosen, experts, room)\n"
        "    return torch.where(fits, chosen, -1)",
    },
    "cost-formula": {
        "break-even": "def break_even_calls(*three):\n"
        "    from beyond.cost import formula\n"
        "    return formula.break_even(*three)",
    },
}
"""Answers that work where the library's functions may be used."""


@pytest.fixture(scope="module", autouse=True)
def _sandbox():
    try:
        find_bwrap()
    except SandboxUnavailable as fault:
        pytest.skip(str(fault))


def command(folder, *words):
    done = subprocess.run(
        [sys.executable, "-m", "autograder", *words, "--course", str(folder)],
        cwd=folder,
        env=dict(os.environ),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def course_with(folder, assignment, off_limits):
    """A course of this one's settings with one assignment, handed in by two students."""
    for code in ("en", "ko"):
        shutil.copytree(ROOT / "source" / code / assignment, folder / "source" / code / assignment)
    settings = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    if not off_limits:
        settings = re.sub(r"\[tool\.autograder\.off-limits\].*?(?=\n\[)", "", settings, flags=re.S)
    (folder / "pyproject.toml").write_text(settings, encoding="utf-8")
    command(folder, "release", assignment)
    course = Course(folder)
    solutions = answers_in(course.source("en") / assignment / f"{assignment}.ipynb")
    for student, answers in (("honest", solutions), ("taker", {**solutions, **TAKEN[assignment]})):
        work = notebook_io.read(course.release("en") / assignment / f"{assignment}.ipynb")
        for cell in work.cells:
            if cell.cell_type == "code":
                cell.source = answers.get(cell.id, cell.source)
        notebook_io.write(course.submitted / student / assignment / f"{assignment}.ipynb", work)
    return course


def answers_in(source):
    cells = notebook_io.read(source).cells
    return {cell.id: cell.source for cell in cells if notebook_io.is_solution(cell)}


@pytest.mark.parametrize("assignment", TAKEN)
def test_what_is_taken_from_the_library_earns_nothing(tmp_path, assignment):
    course = course_with(tmp_path / "course", assignment, off_limits=True)
    command(course.root, "grade", assignment)
    results = {one.student: one for one in submission_results(course, assignment)}
    points = {
        student: {cell.grade_id: cell.points for cell in one.cells}
        for student, one in results.items()
    }
    most = {cell.grade_id: cell.max_points for cell in results["honest"].cells}
    taken = {f"{name}-test" for name in TAKEN[assignment]}
    tests = [name for name in most if name.endswith("-test")]
    assert [points["honest"][name] for name in tests] == [most[name] for name in tests]
    assert {points["taker"][name] for name in taken} == {0}


def test_without_the_setting_the_same_answers_would_score(tmp_path):
    """Else the test above would show no more than that they are wrong."""
    course = course_with(tmp_path / "course", "moe-gate", off_limits=False)
    command(course.root, "grade", "moe-gate", "--student", "taker")
    [result] = [one for one in submission_results(course, "moe-gate") if one.student == "taker"]
    points = {cell.grade_id: cell.points for cell in result.cells}
    assert all(points[f"{name}-test"] > 0 for name in TAKEN["moe-gate"])


def test_validate_says_the_same(tmp_path):
    course = course_with(tmp_path / "course", "moe-gate", off_limits=True)
    says = "has what this assignment asks for, so it can't be imported: write your own."
    name = Path("moe-gate") / "moe-gate.ipynb"
    result = validate(course.submitted / "taker" / name, course)
    states = {cell.grade_id: cell.state for cell in result.cells}
    assert {states[f"{name}-test"] for name in TAKEN["moe-gate"]} == {"failed"}
    assert states["gate-test"] == "passed"
    assert str(result).count(says) >= 3
    honest = validate(course.submitted / "honest" / name, course)
    assert {cell.state for cell in honest.cells if cell.checks} == {"passed"}
