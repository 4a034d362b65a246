"""The three examples in source/README.md do what it says: through build, check and grade."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell

from autograder.authoring.build import build
from autograder.authoring.check import check
from autograder.authoring.release import release
from autograder.config import Course
from autograder.core import notebook_io
from autograder.grading.coordinator import grade

README = Path(__file__).parents[3] / "source" / "README.md"
SALES = "city,sold\nSeoul,5\nBusan,7\nSeoul,7\n"


def blocks() -> list[tuple[str, str, float | None, str]]:
    """Each cell of the examples: its kind, id, points and source."""
    section = README.read_text().split("## Three complete examples")[1].split("\n## ")[0]
    found = []
    for source in re.findall(r"```(?:python|markdown)\n(.*?)```", section, re.DOTALL):
        first, rest = source.split("\n", 1)
        words = re.fullmatch(r"(?:# |<!-- )(\w+): ([\w-]+)(?:, (\d+) points)?(?: -->)?", first)
        kind, name, points = words.groups()
        found.append((kind, name, float(points) if points else None, rest.rstrip("\n")))
    return found


@pytest.fixture(scope="module")
def examples(kit, tmp_path_factory) -> Course:
    course = Course(tmp_path_factory.mktemp("examples") / "course", cell_seconds=10)
    cells = [new_markdown_cell("# Examples", id="title")]
    for kind, name, points, source in blocks():
        if kind == "explanation":
            marks = {"beyond": {"reveal": "after-due"}}
            cells.append(new_markdown_cell(source, id=name, metadata=marks))
            continue
        marks = kit.meta(name, solution=kind == "answer", points=points)
        if kind == "answer" and points:
            marks["nbgrader"] |= {"cell_type": "markdown", "locked": False}
            cells.append(new_markdown_cell(source, id=name, metadata=marks))
        else:
            cells.append(new_code_cell(source, id=name, metadata=marks))
    notebook = kit.notebook(cells)
    notebook.metadata["beyond"]["files"] = ["totals.csv"]
    place = course.source("en") / "examples"
    notebook_io.write(place / "examples.ipynb", notebook)
    (place / "sales.csv").write_text(SALES)
    build(course)
    return course


def test_check_finds_nothing(examples):
    assert [str(problem) for problem in check(examples)] == []


def test_each_gets_its_points(examples, kit):
    release(examples, "examples")
    blank = notebook_io.read(examples.release("en") / "examples" / "examples.ipynb")
    solved = notebook_io.read(examples.source("en") / "examples" / "examples.ipynb")
    work = {"blank": blank, "right": blank.copy(), "wrong": blank.copy()}
    answers = {
        cell.id: cell.source for cell in solved.cells if cell.id in ("stack", "totals", "why")
    }
    wrong = {
        "stack": answers["stack"].replace("pop()", "pop(0)"),
        "totals": answers["totals"].replace('totals.get(row["city"], 0) + ', ""),
    }
    for student, given in (("right", answers), ("wrong", wrong)):
        work[student] = notebook_io.copied(blank)
        for cell in work[student].cells:
            cell.source = given.get(cell.id, cell.source)
    for student, notebook in work.items():
        place = examples.submitted / student / "examples"
        notebook_io.write(place / "examples.ipynb", notebook)
        (place / "timestamp.txt").write_text("2026-11-20 10:00:00 UTC")
    grade(examples, "examples")
    assert {student: points(examples, student) for student in work} == {
        "blank": {"stack-test": 0, "totals-test": 0},
        "right": {"stack-test": 2, "totals-test": 2},
        "wrong": {"stack-test": 0, "totals-test": 1},
    }


def test_what_is_not_answered_is_called_so(examples):
    place = examples.place("autograded", "blank", "examples") / "examples.ipynb"
    shown = {
        cell.metadata.nbgrader.grade_id: str(cell.outputs)
        for cell in notebook_io.read(place).cells
        if cell.cell_type == "code" and cell.metadata.get("nbgrader", {}).get("grade")
    }
    assert "Not answered yet: Stack" in shown["stack-test"]
    assert "Not answered yet: totals.csv" in shown["totals-test"]


def points(course: Course, student: str) -> dict[str, float]:
    with course.gradebook() as gradebook:
        submission = gradebook.find_submission_notebook("examples", "examples", student)
        return {one.cell.name: one.auto_score for one in submission.grades if one.name != "why"}


def test_a_manual_answer_waits_for_a_person(examples):
    with examples.gradebook() as gradebook:
        notebook = gradebook.find_submission_notebook("examples", "examples", "right")
        assert [one.name for one in notebook.grades if one.needs_manual_grade] == ["why"]
