"""Manual cells, task cells, several notebooks and old formats: the gradebook as nbgrader leaves it."""

import re

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell

from .conftest import answer, checking, given, marks, plain, prose

KERNEL = {"name": "python3", "display_name": "Python 3", "language": "python"}
TASK = "Do an experiment of your own below.\n### BEGIN MARK SCHEME\nOne point a cell.\n### END MARK SCHEME"


def written(name, kind, points):
    """An answer that a person grades: code, or prose."""
    made = new_code_cell if kind == "code" else new_markdown_cell
    text = "### BEGIN SOLUTION\nfirst = 1\n### END SOLUTION" if kind == "code" else "My answer."
    return made(text, metadata=marks(name, grade=True, solution=True, points=points))


def cells(part):
    return [
        prose(f"# Part {part}"),
        given(f"g{part}", "base = 10"),
        answer(f"a{part}", "def add(x):\n    return base + x"),
        checking(
            f"t{part}",
            "assert add(1) == 11\n### BEGIN HIDDEN TESTS\nassert add(5) == 15\n### END HIDDEN TESTS",
        ),
        written(f"c{part}", "code", 2),
        written(f"w{part}", "prose", 3),
        new_markdown_cell(TASK, metadata=marks(f"k{part}", task=True, locked=True, points=4)),
        plain(""),
        checking(f"u{part}", "(add(0) == 10) * 0.5"),
    ]


def hand_in(course):
    good = {"def": "def add(x):\n    return base + x"}
    for student, parts in (("all", "12"), ("one", "1"), ("none", "12"), ("wrong", "12")):
        course.hand_in(student, "ps1")
        place = course.root / "submitted" / student / "ps1"
        for part in "12":
            path = place / f"part {part}.ipynb"
            if part not in parts:
                path.unlink()
                continue
            if student == "none":
                continue
            notebook = nbformat.read(path, nbformat.NO_CONVERT)
            for cell in notebook.cells:
                name = cell.metadata.get("nbgrader", {}).get("grade_id", "")
                if name.startswith("a"):
                    cell.source = (
                        good["def"] if student != "wrong" else "def add(x):\n    return 11"
                    )
                elif name.startswith("c"):
                    cell.source = "first = 3"
                elif name.startswith("w") and student != "wrong":
                    cell.source = "Because."
            at = next(n for n, one in enumerate(notebook.cells) if one.source == "")
            notebook.cells[at].source = "mine = add(3)\nmine"
            note = new_markdown_cell("What I found.")
            note.pop("id", None) if notebook.nbformat_minor < 5 else None
            notebook.cells.insert(at + 1, note)
            nbformat.write(notebook, path)


def gradebook(course):
    """Return what the gradebook has of each graded cell and comment."""
    from nbgrader.api import Gradebook

    found = {}
    with Gradebook(f"sqlite:///{course.root / 'gradebook.db'}") as book:
        for submission in book.assignment_submissions("ps1"):
            for notebook in submission.notebooks:
                where = (submission.student.id, notebook.name)
                for one in notebook.grades:
                    row = (one.auto_score, one.manual_score, bool(one.needs_manual_grade))
                    found[*where, one.name] = (*row, one.max_score)
                for one in notebook.comments:
                    found[*where, one.name, "comment"] = one.auto_comment
            found[submission.student.id] = (submission.score, submission.needs_manual_grade)
    return found


def differences(one, other):
    return {
        key: (one.get(key), other.get(key))
        for key in {*one, *other}
        if one.get(key) != other.get(key)
    }


@pytest.mark.parametrize("minor", [0, 5])
def test_the_gradebook_is_as_nbgrader_leaves_it(ordinary, minor):
    for part in "12":
        ordinary.source("ps1", f"part {part}", cells(part), minor, kernelspec=KERNEL)
    ordinary.run("nbgrader", "generate_assignment", "ps1")
    hand_in(ordinary)
    stock = ordinary.beside()
    stock.run("nbgrader", "autograde", "ps1")
    by_command = ordinary.beside("command")
    by_command.config()
    ordinary.run("nbgrader", "autograde", "ps1")
    by_command.run("autograder", "grade", "ps1", "--course", ".")
    wanted = gradebook(stock)
    assert differences(wanted, gradebook(ordinary)) == {}
    assert differences(wanted, gradebook(by_command)) == {}
    # What else its users type.
    said = by_command.run("autograder", "check", "ps1", "--course", ".")
    assert said.count("(1 point) is sealed.") == 4 and "No problems." in said
    said = by_command.run("autograder", "report", "ps1", "--course", ".")
    assert "4 submitted, 0 missing" in said and "4 sealed" in said
    by_command.run("nbgrader", "generate_feedback", "ps1")
    page = (by_command.root / "feedback/all/ps1/part 2.html").read_text(encoding="utf-8")
    text = re.sub(r"<[^>]*>", "", page)
    assert "What I found." in text and "assert add(5) == 15" in text
