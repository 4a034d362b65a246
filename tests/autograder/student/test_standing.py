"""How a student stands with each assignment, by what lies in the student's own folders."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from nbgrader.utils import notebook_hash

from autograder.config import Course
from autograder.core import notebook_io
from autograder.core.due_record import DUE_RECORD
from autograder.student.standing import Standing, standings
from autograder.student.submit import submit

NOW = datetime(2026, 3, 12, 9, 30, tzinfo=UTC)


def notebook(*, is_run: bool = False) -> bytes:
    code = new_code_cell(
        "q1 = 'A'",
        id="q1-answer",
        metadata={"nbgrader": {"grade_id": "q1-answer", "solution": True}},
        execution_count=1 if is_run else None,
    )
    return notebook_io.to_bytes(new_notebook(cells=[new_markdown_cell("# Quiz"), code]))


@pytest.fixture
def course(tmp_path, monkeypatch) -> Course:
    """A student's bundle, with copies in both languages and an exchange beside it."""
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("JUPYTER_PLATFORM_DIRS", "0")
    monkeypatch.setenv("USER", "kim")
    root = tmp_path / "course"
    for language in ("en", "ko"):
        for place in ("release", "work"):
            path = root / place / language / "quiz" / "quiz.ipynb"
            path.parent.mkdir(parents=True)
            path.write_bytes(notebook())
    made = Course(root, exchange=tmp_path / "exchange")
    place = tmp_path / "exchange" / made.id
    (place / "inbound").mkdir(parents=True)
    shutil.copytree(root / "release" / "en", place / "outbound")
    return made


def standing(course: Course) -> Standing:
    return standings(course, ["quiz"])["quiz"]


def due(course: Course, content: str) -> None:
    (course.root / DUE_RECORD).write_text(content)


def test_nothing_is_claimed_of_an_untouched_copy(course):
    assert standing(course) == Standing("quiz")
    assert not standing(course).handed_in
    assert standings(course, ["none"]) == {"none": Standing("none")}


def test_the_due_date_is_the_releases(course):
    due(course, json.dumps({"assignments": [{"name": "quiz", "due": "2026-03-13T23:59:00+09:00"}]}))
    assert standing(course).due == datetime(2026, 3, 13, 14, 59, tzinfo=UTC)
    for broken in (
        "",
        "[]",
        '{"assignments": [{"name": "quiz", "due": "2026-03-13"}]}',
        "[" * 9999,
    ):
        due(course, broken)
        assert standing(course).due is None


def test_a_cell_that_ran_begins_it_in_either_language(course):
    (course.root / "work/ko/quiz/quiz.ipynb").write_bytes(notebook(is_run=True))
    assert standing(course).begun


@pytest.mark.parametrize("content", ["", "[]", '{"cells": 3}', '{"cells": [3, null]}', "[" * 9999])
def test_a_file_that_is_no_notebook_stops_nothing(course, content):
    (course.root / "work/ko/quiz/quiz.ipynb").write_text(content)
    assert standing(course) == Standing("quiz")


def test_a_zip_was_packed_and_not_submitted(course):
    submit(course.root / "work/en/quiz", "kim-1", course, now=NOW)
    (course.root / "work/en/quiz/quiz-notes.zip").write_bytes(b"")  # the student's own
    found = standing(course)
    assert found.packed == NOW and found.submitted is None and found.handed_in


def test_the_exchange_knows_what_was_submitted_and_whether_feedback_waits(course):
    submit(course.root / "work/en/quiz", "kim", course, exchange=True)
    found = standing(course)
    assert found.submitted is not None and found.packed is None and not found.waiting
    cached = next(course.root.parent.glob("data/nbgrader_cache/*/kim+quiz+*"))
    secret = (cached / "submission_secret.txt").read_text()
    pages = course.root.parent / "exchange" / course.id / "feedback"
    pages.mkdir(parents=True)
    released = pages / f"{notebook_hash(secret=secret, notebook_id='quiz')}.html"
    released.write_text("1 of 1")
    assert standing(course).waiting and not standing(course).pages

    stamp = cached.name.split("+")[2]
    fetched = course.root / "work/en/quiz/feedback" / stamp / "quiz.html"
    fetched.parent.mkdir(parents=True)
    fetched.write_text("1 of 1")
    found = standing(course)
    assert found.pages == (fetched,) and not found.waiting
    released.write_text("2 of 2")  # regraded
    assert standing(course).waiting


def test_the_newest_feedback_is_told(course):
    for stamp in ("2026-03-12 09:30:00.000000 UTC", "2026-03-14 09:30:00.000000 UTC"):
        page = course.root / "work/ko/quiz/feedback" / stamp / "quiz.html"
        page.parent.mkdir(parents=True)
        page.write_text("")
    assert standing(course).pages == (page,)
    assert standing(course).handed_in


def test_a_course_without_an_exchange(course, tmp_path):
    alone = Course(course.root, exchange=tmp_path / "none")
    assert standing(alone) == Standing("quiz")
    assert not (tmp_path / "none").exists()
    odd = Path(tmp_path / "week [1]")
    course.root.rename(odd)  # nbgrader can't work there
    assert standing(Course(odd)) == Standing("quiz")
