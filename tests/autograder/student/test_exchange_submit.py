"""Handing in through the exchange: the whole submission or none, and a sentence for the student."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest
from nbformat.v4 import new_code_cell, new_notebook

from autograder.config import Course
from autograder.core import notebook_io
from autograder.errors import EnvironmentFault, UserError
from autograder.intake.exchange import require_inbound
from autograder.student.assignment_list import in_plain_words
from autograder.student.exchange_submit import SubmitWhole
from autograder.student.submit import submit
from tests.small_disk import SmallDisk, small_disk

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="nbgrader has no exchange there")


def notebook(answer: str, language: str = "en") -> bytes:
    metadata = {"nbgrader": {"grade_id": "q1", "solution": True}}
    cells = [
        new_code_cell(f'set_language("{language}")', id="language"),
        new_code_cell(answer, id="q1", metadata=metadata),
    ]
    return notebook_io.to_bytes(new_notebook(cells=cells))


@pytest.fixture
def disk(tmp_path) -> SmallDisk:
    with small_disk(tmp_path / "exchange", 2) as disk:
        yield disk


@pytest.fixture
def course(tmp_path, monkeypatch) -> Course:
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "jupyter"))
    root = tmp_path / "course"
    for place in ("release/en", "work/en"):
        (root / place / "quiz").mkdir(parents=True)
        (root / place / "quiz" / "quiz.ipynb").write_bytes(notebook("q1 = None"))
    return Course(root, exchange=tmp_path / "exchange")


@pytest.fixture
def inbound(course) -> Path:
    """The exchange's folder for submissions, with the quiz released."""
    base = course.exchange / course.id
    (base / "inbound").mkdir(parents=True)
    base.parent.chmod(0o777)
    (base / "inbound").chmod(0o3733)
    (base / "outbound" / "quiz").mkdir(parents=True)
    (base / "outbound" / "quiz" / "quiz.ipynb").write_bytes(notebook("q1 = None"))
    return require_inbound(course)


@pytest.fixture
def mine(course) -> Path:
    path = course.root / "work" / "en" / "quiz" / "quiz.ipynb"
    path.write_bytes(notebook("q1 = 'A'" + "  # so sure" * 20_000))
    return path


def as_korean(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b'\\"en\\"', b'\\"ko\\"'))


def handed_in(inbound: Path) -> list[Path]:
    return [one for one in inbound.iterdir() if not one.name.startswith(".")]


def listed(tmp_path: Path) -> list[Path]:
    return list((tmp_path / "jupyter").glob("nbgrader_cache/*/*"))


def test_a_full_exchange_takes_nothing_and_says_so(disk, course, inbound, mine, tmp_path):
    for space in (0, 4096, 16_000, 100_000):
        disk.fill(but=space)
        with pytest.raises(EnvironmentFault, match=r"quiz was not handed in, .*No space left"):
            submit(mine, "s1", course, exchange=True)
        assert list(inbound.iterdir()) == []
        disk.free_up()
    assert listed(tmp_path) == []
    as_korean(mine)
    disk.fill()
    with pytest.raises(EnvironmentFault, match="교환 폴더에 복사할 수 없어서"):
        submit(mine, "s1", course, exchange=True)
    disk.free_up()
    disk.read_only()
    with pytest.raises(UserError, match="could not be handed in through the exchange"):
        submit(mine, "s1", course, exchange=True)
    disk.read_only(False)
    assert list(inbound.iterdir()) == []
    result = submit(mine, "s1", course, exchange=True)
    assert handed_in(inbound) == [result.path]
    assert (result.path / "quiz.ipynb").read_bytes() == mine.read_bytes()


def test_a_list_that_cannot_be_written_hinders_no_submission(course, inbound, mine, tmp_path):
    (tmp_path / "jupyter").write_text("in the way")
    submit(mine, "s1", course, exchange=True)
    assert len(handed_in(inbound)) == 1


@pytest.mark.parametrize(
    ("place", "step"), [(SubmitWhole, "set_perms"), (Path, "rename"), (Path, "write_text")]
)
def test_a_server_killed_while_handing_in_leaves_no_half_submission(
    course, inbound, mine, place, step
):
    child = os.fork()
    if child == 0:
        try:
            setattr(place, step, lambda *_given, **_more: os.kill(os.getpid(), signal.SIGKILL))
            submit(mine, "s1", course, exchange=True)
        finally:
            os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    assert handed_in(inbound) == []
    result = submit(mine, "s1", course, exchange=True)
    assert handed_in(inbound) == [result.path]
    found = {one.name for one in result.path.iterdir()}
    assert found == {"quiz.ipynb", "receipt.json", "timestamp.txt", "submission_secret.txt"}


def test_a_folder_that_is_too_large_is_said_to_be(course, inbound, mine, monkeypatch):
    monkeypatch.setattr(SubmitWhole, "get_size", lambda _self, _folder: 10**9)
    with pytest.raises(EnvironmentFault, match="its folder has more than"):
        submit(mine, "s1", course, exchange=True)
    assert handed_in(inbound) == []


def test_the_assignment_list_shows_a_sentence():
    trace = "Traceback (most recent call last):\n  File x\n"
    said = trace + "autograder.student.exchange_submit.NotHandedIn: quiz was not handed in.\n"
    answer = {"success": False, "value": said}
    assert in_plain_words(answer) == {"success": False, "value": "quiz was not handed in."}
    answer = {"success": False, "value": trace + "KeyError: 'x'\n"}
    assert "no fault of yours" in in_plain_words(answer)["value"]
    assert in_plain_words({"success": True}) == {"success": True}
