"""Notebooks as editors, systems and people leave them, through the commands: every point, told."""

from __future__ import annotations

import csv
import html
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from autograder.config import Course
from autograder.core import notebook_io
from autograder.core.notebook_io import is_solution
from autograder.sandbox.bubblewrap import find_bwrap
from autograder.sandbox.errors import SandboxUnavailable
from autograder.student.validate import validate
from tests.autograder.intake import test_form_faults as form

ROOT = Path(__file__).resolve().parents[2]
STUBS: dict[str, str] = {}

Cells = list[dict]


def answer(cells: Cells, name: str) -> dict:
    return next(one for one in cells if one["id"] == name)


def answers(cells: Cells) -> Cells:
    return [one for one in cells if one["id"] in STUBS]


def right(cells: Cells) -> None:
    """Hand in the right answers as they are."""


def lost_metadata(cells: Cells) -> None:
    """Each answer stands in an own cell, in place of the given one."""
    for one in answers(cells):
        one["id"], one["metadata"] = f"new-{one['id']}", {}


def split(cells: Cells) -> None:
    whole = answer(cells, "call-cost")
    first = {**whole, "id": "split-1", "source": "def million():\n    return 1_000_000"}
    whole["source"] = whole["source"].replace("1_000_000", "million()")
    assert "million()" in whole["source"]
    cells.insert(cells.index(whole), first)


def scratch(cells: Cells) -> None:
    copy = {**answer(cells, "call-cost"), "id": "scr", "source": "# trying\ncall_cost(1, 2, 3, 4)"}
    cells.append(copy)


def crlf_untouched(cells: Cells) -> None:
    for one in cells:
        one["source"] = STUBS.get(one["id"], one["source"]).replace("\n", "\r\n")


def crlf_answered(cells: Cells) -> None:
    for one in cells:
        one["source"] = one["source"].replace("\n", "\r\n")


def crlf_stub_below(cells: Cells) -> None:
    whole = answer(cells, "call-cost")
    stub = {**whole, "id": "again", "source": STUBS["call-cost"].replace("\n", "\r\n")}
    cells.insert(cells.index(whole) + 1, stub)


def at_the_top(cells: Cells) -> None:
    sources = [one["source"] for one in answers(cells)]
    cells[:] = [one for one in cells if one["id"] not in STUBS]
    cells.insert(3, {**cells[1], "id": "all", "metadata": {}, "source": "\n\n".join(sources)})


def merged(cells: Cells) -> None:
    first, second = answer(cells, "call-cost"), answer(cells, "monthly-cost")
    first["source"] += "\n\n" + second["source"]
    cells.remove(second)


def behind_the_tests(cells: Cells) -> None:
    whole = answer(cells, "break-even")
    cells.append({**whole, "id": "end", "metadata": {}, "source": whole["source"]})
    whole["source"] = STUBS["break-even"]


BELOW = "your own cells below them ran after them"
TWICE = "those before it ran too"
ABOVE = "because your cells above them answer"
CASES = {  # change, points, what the student is told
    "right": (right, 12, ""),
    "lostmeta": (lost_metadata, 12, BELOW),
    "split": (split, 12, TWICE),
    "scratch": (scratch, 12, TWICE),
    "crlf-untouched": (crlf_untouched, 0, ""),
    "crlf-answered": (crlf_answered, 12, ""),
    "crlf-stub": (crlf_stub_below, 12, ""),
    "top": (at_the_top, 12, ABOVE),
    "merged": (merged, 12, ABOVE),
    "behind": (behind_the_tests, 12, BELOW),
}


def solved(course: Course, assignment: str) -> dict:
    """The release with the instructor's solutions, as plain JSON with sources in one piece."""
    tree = json.loads((course.release("en") / assignment / f"{assignment}.ipynb").read_text())
    source = notebook_io.read(course.source("en") / assignment / f"{assignment}.ipynb")
    solutions = {cell.id: cell.source for cell in source.cells if is_solution(cell)}
    for cell in tree["cells"]:
        cell["source"] = "".join(cell["source"])
        if cell["id"] in solutions:
            STUBS[cell["id"]] = cell["source"]
            cell["source"] = solutions[cell["id"]]
    return tree


def command(course: Course, *words: str) -> str:
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'notebooks'}"}
    argv = [sys.executable, "-m", "autograder", *words, "--course", str(course.root)]
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def course(tmp_path_factory) -> Course:
    try:
        find_bwrap()
    except SandboxUnavailable as fault:
        pytest.skip(str(fault))
    made = Course(tmp_path_factory.mktemp("honest") / "course")
    for code in ("en", "ko"):
        for name in ("quiz", "cost-formula"):
            shutil.copytree(Course.here().source(code) / name, made.source(code) / name)
    command(made, "build")
    return made


def taught(course: Course, folder: Path, assignment: str, works: dict[str, bytes]) -> dict:
    """Return each student's points and what the feedback page says of the submission."""
    for student, content in works.items():
        place = folder / "in" / student
        place.mkdir(parents=True)
        (place / f"{assignment}.ipynb").write_bytes(content)
    with (folder / "roster.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["id"], *([student] for student in works)])
    command(course, "release", assignment)
    roster = str(folder / "roster.csv")
    command(course, "collect", assignment, str(folder / "in"), "--roster", roster)
    command(course, "grade", assignment)
    command(course, "feedback", assignment)
    with course.gradebook() as gradebook:
        points = {one.student.id: one.score for one in gradebook.assignment_submissions(assignment)}
    found = {}
    for student in works:
        page = (course.feedback / student / assignment / f"{assignment}.html").read_text("utf-8")
        said = re.search(r'<section class="notes".*?</section>', page, re.DOTALL)
        found[student] = points[student], html.unescape(said[0]) if said else ""
    return found


def test_faults_of_form_cost_nothing_and_are_not_told(course, tmp_path):
    works = {"untouched": json.dumps(solved(course, "quiz")).encode()}
    for fault in [*form.FAULTS, form.old_format]:
        tree = solved(course, "quiz")
        fault(tree, answer(tree["cells"], "q3-answer"), form.random.Random(1))
        works[fault.__name__] = json.dumps(tree).encode()
    for number, way in enumerate(form.BYTES):
        works[f"way-{number}"] = form.written(solved(course, "quiz"), way)
    found = taught(course, tmp_path, "quiz", works)
    assert found == dict.fromkeys(works, found["untouched"])
    assert found["untouched"] == (16.0, "")


def test_faults_of_cells_cost_nothing_and_are_told(course, tmp_path):
    works = {}
    for student, (change, _points, _told) in CASES.items():
        tree = solved(course, "cost-formula")
        change(tree["cells"])
        works[student] = json.dumps(tree).encode()
    found = taught(course, tmp_path, "cost-formula", works)
    assert {student: points for student, (points, _said) in found.items()} == {
        student: points for student, (_change, points, _told) in CASES.items()
    }
    for student, (_change, _points, told) in CASES.items():
        said = found[student][1]
        assert (told in said) if told else said == "", student
    for student in ("lostmeta", "crlf-stub", "crlf-untouched"):
        path = tmp_path / "in" / student / "cost-formula.ipynb"
        assert validate(path, course).ok == (CASES[student][1] == 12), student


def test_formgraders_buttons_take_the_same_notebooks(course):
    """nbgrader's own collecting copies files as they come; then the button grades one by one."""
    command(course, "release", "cost-formula")
    trees = {}
    for student, (change, _points, _told) in CASES.items():
        trees[student] = solved(course, "cost-formula")
        change(trees[student]["cells"])
    for fault in [*form.FAULTS[::6], form.old_format]:  # each button press takes seconds
        tree = trees[fault.__name__] = solved(course, "cost-formula")
        fault(tree, answer(tree["cells"], "call-cost"), form.random.Random(1))
    for student, tree in trees.items():
        place = course.submitted / f"{student}-b" / "cost-formula"
        place.mkdir(parents=True)
        (place / "cost-formula.ipynb").write_text(json.dumps(tree))
    api = course.api()
    done = {name: api.autograde("cost-formula", f"{name}-b") for name in trees}
    assert [(name, one["log"]) for name, one in done.items() if not one["success"]] == []
    with course.gradebook() as gradebook:
        points = {
            one.student.id.removesuffix("-b"): one.score
            for one in gradebook.assignment_submissions("cost-formula")
            if one.student.id.endswith("-b")
        }
    assert points == {name: CASES[name][1] if name in CASES else 12 for name in trees}
