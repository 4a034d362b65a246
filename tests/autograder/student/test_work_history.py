"""Earlier versions of a student's notebooks: what is kept, for how long, and how it comes back."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from nbformat.v4 import new_code_cell, new_notebook

from autograder.config import Course
from autograder.core import notebook_io
from autograder.errors import UserError
from autograder.student import work_history
from autograder.student.submit import submit
from autograder.student.work_history import histories, keep_replaced, keep_version, restore

NOW = datetime(2025, 3, 12, 9, 30, tzinfo=UTC)


def notebook(answer: str = "q1 = None") -> bytes:
    metadata = {"nbgrader": {"grade_id": "q1", "solution": True}}
    return notebook_io.to_bytes(
        new_notebook(cells=[new_code_cell(answer, id="q1", metadata=metadata)])
    )


@pytest.fixture
def course(tmp_path) -> Course:
    root = tmp_path / "course"
    for place in ("release/en", "work/en"):
        (root / place / "quiz").mkdir(parents=True)
        (root / place / "quiz" / "quiz.ipynb").write_bytes(notebook())
    return Course(root, exchange=tmp_path / "exchange")


@pytest.fixture
def mine(course) -> Path:
    return course.root / "work" / "en" / "quiz" / "quiz.ipynb"


def answers(course: Course) -> list[str]:
    """The versions' answers, the newest first."""
    (history,) = histories(course, "quiz")
    return [notebook_io.read(one.path).cells[0].source for one in history.versions]


def test_a_version_is_kept_when_something_changed(course, mine):
    assert keep_version(course, mine, NOW)
    assert keep_version(course, mine, NOW + timedelta(minutes=1)) is None
    mine.write_bytes(notebook("q1 = 'A'"))
    kept = keep_version(course, mine, NOW + timedelta(minutes=2))
    assert kept.path.parent == course.root / "work" / ".history" / "en" / "quiz" / "quiz.ipynb"
    assert answers(course) == ["q1 = 'A'", "q1 = None"]


def test_a_version_comes_back_and_what_was_there_is_kept(course, mine):
    keep_version(course, mine, NOW)
    mine.write_bytes(notebook("q1 = 'A'"))
    (history,) = histories(course)
    put_back = restore(course, "work/en/quiz", history.versions[0].name)
    assert mine.read_bytes() == notebook()
    assert put_back.kept is not None and put_back.kept.name in str(put_back)
    again = restore(course, "quiz", put_back.kept.name)
    assert mine.read_bytes() == notebook("q1 = 'A'")
    assert again.kept is None  # it was in the history already
    mine.unlink()
    restore(course, str(mine), history.versions[0].name)
    assert mine.read_bytes() == notebook()


def test_a_wrong_name_or_time_is_answered_with_what_there_is(course, mine):
    with pytest.raises(UserError, match=r"no earlier versions in .*work"):
        histories(course)
    for minutes in (0, 5):
        mine.write_bytes(notebook(f"q1 = {minutes}"))
        keep_version(course, mine, NOW + timedelta(minutes=minutes))
    with pytest.raises(UserError, match=r"of moe; choose one of: work/en/quiz/quiz\.ipynb"):
        histories(course, "moe")
    with pytest.raises(UserError, match=r"No version .* at yesterday"):
        restore(course, "quiz", "yesterday")
    with pytest.raises(UserError, match=r"2 versions .* name one of them"):
        restore(course, "quiz", "2025-03-12")
    other = course.root / "work" / "ko" / "quiz" / "quiz.ipynb"
    other.parent.mkdir(parents=True)
    other.write_bytes(notebook())
    keep_version(course, other, NOW)
    with pytest.raises(UserError, match="means several notebooks"):
        restore(course, "quiz", "2025-03-12")
    assert mine.read_bytes() == notebook("q1 = 5")


def test_only_notebooks_of_the_students_own_have_a_history(course, mine, tmp_path):
    outside = [course.root / "release/en/quiz/quiz.ipynb", tmp_path / "own.ipynb"]
    checkpoint = mine.parent / ".ipynb_checkpoints" / "quiz-checkpoint.ipynb"
    for path in (*outside, checkpoint, mine.with_suffix(".md")):
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(notebook())
        assert keep_version(course, path) is None
    assert not (course.root / "work" / ".history").exists()


def test_older_versions_lie_further_apart(course, mine):
    """A day of saving every five minutes, then a month of every four hours."""
    moment = NOW
    for number in range(24 * 12):
        mine.write_text(f"q1 = {number}")
        moment += timedelta(minutes=5)
        keep_version(course, mine, moment)
    (history,) = histories(course)
    assert 140 <= len(history.versions) <= work_history.MOST_VERSIONS
    assert moment - history.versions[-1].saved > timedelta(hours=23)
    newest = [one.saved for one in history.versions[:20]]
    assert newest[0] - newest[-1] == timedelta(minutes=95)
    for number in range(6 * 30):
        mine.write_text(f"q1 = -{number}")
        moment += timedelta(hours=4)
        keep_version(course, mine, moment)
    (history,) = histories(course)
    assert len(history.versions) <= work_history.MOST_VERSIONS
    assert moment - history.versions[-1].saved > timedelta(days=30)


def test_the_history_has_a_limit_in_bytes(course, mine, monkeypatch):
    monkeypatch.setattr(work_history, "MOST_BYTES", 100_000)
    monkeypatch.setattr(work_history, "MOST_BYTES_OF_ALL", 150_000)
    for name in ("quiz", "moe"):
        path = mine.with_name(f"{name}.ipynb")
        for number in range(15):
            path.write_bytes(notebook(f"q1 = '{number} {'x' * 9_500}'"))
            keep_version(course, path, NOW + timedelta(minutes=number + 60 * (name == "moe")))
    sizes = {one.path.name: [two.size for two in one.versions] for one in histories(course)}
    assert 90_000 < sum(sizes["moe.ipynb"]) <= 100_000
    assert 40_000 < sum(sizes["quiz.ipynb"]) <= 60_000
    mine.write_bytes(notebook("x" * 400_000))
    assert keep_version(course, mine, NOW + timedelta(days=1)).path.is_file()


def test_what_another_program_wrote_is_kept_before_it_is_replaced(course, mine):
    if os.name == "nt":
        pytest.skip("files are replaced otherwise there")
    keep_version(course, mine, NOW)
    keep_replaced(course, mine)
    assert answers(course) == ["q1 = None"]
    mine.write_bytes(notebook("q1 = 'by another editor'"))
    keep_replaced(course, mine)
    assert answers(course) == ["q1 = 'by another editor'", "q1 = None"]


def test_nothing_of_the_history_is_handed_in(course, mine):
    for answer in ("q1 = 'A'", "q1 = 'B'", "q1 = 'C'"):
        mine.write_bytes(notebook(answer))
        keep_version(course, mine)
    for place in (mine, mine.parent, course.root / "work"):
        handed_in = submit(place, "s1", course)
        assert list(handed_in.files) == ["quiz.ipynb"]
        assert handed_in.notes == []


def test_the_command_lists_and_restores(course, mine):
    keep_version(course, mine, NOW)
    mine.write_bytes(notebook("q1 = 'A'"))
    keep_version(course, mine, NOW + timedelta(hours=1))

    def say(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "autograder", "history", *words]
        environ = os.environ | {"TZ": "Asia/Seoul", "AUTOGRADER_LANGUAGE": "ko"}
        place = ["--course", str(course.root)]
        done = subprocess.run(
            command + place, capture_output=True, text=True, check=False, env=environ
        )
        assert "Traceback" not in done.stderr
        return done

    listed = say().stdout
    assert listed.index("2025-03-12T19:30:00") < listed.index("2025-03-12T18:30:00")
    assert say("quiz", "--restore", "2025-03-12 18:30").returncode == 0
    assert mine.read_bytes() == notebook()
    assert say("--restore", "2025").returncode == 2
    assert say("quiz", "--restore", "never").stderr.count("\n") == 1
