"""A small course to try things on: one assignment in two languages, one lesson."""

from __future__ import annotations

import shutil
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from sqlalchemy import text

from autograder.authoring.build import build
from autograder.authoring.release import release
from autograder.authoring.sync import digest
from autograder.config import Course
from autograder.core import notebook_io


def language_cell_source(code: str) -> str:
    """The one code cell that differs between languages, as the course's settings have it."""
    return Course(Path(__file__).resolve().parents[2]).language_cell(code)


IMPORTS = "from beyond.checks import check, given, report"
ANSWER = "a = None\n### BEGIN SOLUTION\na = 42\n### END SOLUTION"
TEST = """with check("a is a number", weight=0):
    assert isinstance(given(a, "a"), int)
### BEGIN HIDDEN TESTS
with check("a is right", hidden=True):
    assert a == 42
### END HIDDEN TESTS
report()"""
FUNCTION = '''def double(x):
    """Twice x."""
    ### BEGIN SOLUTION
    return x + x
    ### END SOLUTION'''
FUNCTION_TEST = """with check("double(2) is 4", hint="Is it the square?", weight=3):
    assert given(double(2)) == 4
### BEGIN HIDDEN TESTS
with check("other numbers", hidden=True):
    assert given(double(7)) == 14
### END HIDDEN TESTS
report()"""


def meta(cell_id: str, *, solution: bool = False, points: float | None = None) -> dict:
    """nbgrader's metadata of a solution, a test (with points) or a read-only cell."""
    found = {
        "cell_type": "code",
        "grade": points is not None,
        "grade_id": cell_id,
        "locked": not solution,
        "schema_version": 3,
        "solution": solution,
        "task": False,
    }
    return {"nbgrader": {**found, "points": points} if points is not None else found}


def notebook(cells: list, code: str = "en") -> nbformat.NotebookNode:
    """Return a source notebook with the language cell and the metadata that one has."""
    first = new_code_cell(language_cell_source(code), id="language")
    return new_notebook(
        cells=[cells[0], first, *cells[1:]],
        metadata={
            "kernelspec": {
                "display_name": "Python 3 (ipykernel)",
                "language": "python",
                "name": "python3",
            },
            "language_info": {"name": "python"},
            "beyond": {"language": code},
        },
    )


def graded_cells() -> list:
    return [
        new_code_cell(IMPORTS, id="imports", metadata=meta("imports")),
        new_code_cell(ANSWER, id="a-answer", metadata=meta("a-answer", solution=True)),
        new_code_cell(TEST, id="a-test", metadata=meta("a-test", points=2)),
        new_code_cell(FUNCTION, id="double", metadata=meta("double", solution=True)),
        new_code_cell(FUNCTION_TEST, id="double-test", metadata=meta("double-test", points=4)),
    ]


PROSE = {
    "en": (
        "# Mini\n\nAnswer `a` with 42 in $x^2$, see [docs](https://example.org).",
        "Because 42.",
    ),
    "ko": (
        "# 미니\n\n`a`에 42를 $x^2$로 답합니다. [문서](https://example.org)를 보세요.",
        "42이니까요.",
    ),
}


def source_notebook(code: str = "en") -> nbformat.NotebookNode:
    """The instructor's notebook, with one explanation that is kept back."""
    title, why = PROSE[code]
    mark = {} if code == "en" else {"translates": digest(PROSE["en"][0])}
    kept = {"reveal": "after-due"}
    if code != "en":
        kept["translates"] = digest(PROSE["en"][1])
    cells = graded_cells()
    explanation = new_markdown_cell(why, id="a-explanation", metadata={"beyond": kept})
    return notebook(
        [
            new_markdown_cell(title, id="title", metadata={"beyond": mark} if mark else {}),
            *cells[:3],
            explanation,
            *cells[3:],
        ],
        code,
    )


@pytest.fixture
def course(tmp_path: Path) -> Course:
    """A course with the assignment `mini`, built and with nothing wrong."""
    course = Course(tmp_path / "course", cell_seconds=3)
    for code in ("en", "ko"):
        notebook_io.write(course.source(code) / "mini" / "mini.ipynb", source_notebook(code))
    build(course)
    return course


@pytest.fixture(scope="session")
def released_course(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a course with `mini` in its gradebook; copy it, don't change it."""
    course = Course(tmp_path_factory.mktemp("released") / "course")
    for code in ("en", "ko"):
        notebook_io.write(course.source(code) / "mini" / "mini.ipynb", source_notebook(code))
    release(course, "mini")
    return course.root


@pytest.fixture
def term(released_course: Path, tmp_path: Path) -> Course:
    """A course of one's own with `mini` released."""
    shutil.copytree(released_course, tmp_path / "term-course")
    return Course(tmp_path / "term-course", cell_seconds=3)


def answered(course: Course, code: str = "en", **answers: str) -> nbformat.NotebookNode:
    """The released notebook with some answer cells filled in (dashes in ids as underscores)."""
    found = notebook_io.read(course.release(code) / "mini" / "mini.ipynb")
    for cell in found.cells:
        if cell.id.replace("-", "_") in answers:
            cell.source = answers[cell.id.replace("-", "_")]
    return found


RIGHT = {"a_answer": "a = 42", "double": "def double(x):\n    return 2 * x"}


def hand_in(course: Course, student: str, work: nbformat.NotebookNode | bytes) -> Path:
    """Put a submission where collecting would have put it."""
    path = course.submitted / student / "mini" / "mini.ipynb"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(work if isinstance(work, bytes) else notebook_io.to_bytes(work))
    (path.parent / "timestamp.txt").write_text("2026-11-20 10:00:00 UTC")
    return path


def rows(course: Course) -> dict[str, list[tuple]]:
    """Every row of the gradebook with names in place of its random ids."""
    with course.gradebook() as book:

        def ask(query: str) -> list[tuple]:
            return sorted(map(tuple, book.db.execute(text(query))), key=repr)

        return {
            "students": ask("SELECT id, first_name, last_name, email, lms_user_id FROM student"),
            "submissions": ask(
                "SELECT a.name, s.student_id, s.timestamp, s.extension"
                " FROM submitted_assignment s JOIN assignment a ON a.id = s.assignment_id"
            ),
            "notebooks": ask(
                "SELECT n.name, s.student_id, x.flagged, x.late_submission_penalty"
                " FROM submitted_notebook x JOIN notebook n ON n.id = x.notebook_id"
                " JOIN submitted_assignment s ON s.id = x.assignment_id"
            ),
            "grades": ask(
                "SELECT c.name, c.type, n.name, s.student_id, g.auto_score, g.manual_score,"
                " g.extra_credit, g.needs_manual_grade FROM grade g"
                " JOIN base_cell c ON c.id = g.cell_id"
                " JOIN submitted_notebook x ON x.id = g.notebook_id"
                " JOIN notebook n ON n.id = x.notebook_id"
                " JOIN submitted_assignment s ON s.id = x.assignment_id"
            ),
            "comments": ask(
                "SELECT c.name, c.type, n.name, s.student_id, g.auto_comment, g.manual_comment"
                " FROM comment g JOIN base_cell c ON c.id = g.cell_id"
                " JOIN submitted_notebook x ON x.id = g.notebook_id"
                " JOIN notebook n ON n.id = x.notebook_id"
                " JOIN submitted_assignment s ON s.id = x.assignment_id"
            ),
        }


@pytest.fixture
def stand_ins(monkeypatch):
    """The runner without a sandbox, importable here and in the processes that are started."""
    import importlib

    monkeypatch.syspath_prepend(str(Path(__file__).parent / "stand_ins"))
    return importlib.import_module("plain_runner")


@pytest.fixture(scope="session")
def kit():
    """The helpers above, for tests in this folder."""
    import types

    return types.SimpleNamespace(
        source_notebook=source_notebook,
        notebook=notebook,
        meta=meta,
        answered=answered,
        hand_in=hand_in,
        rows=rows,
        RIGHT=RIGHT,
        new_code_cell=new_code_cell,
        new_markdown_cell=new_markdown_cell,
    )
