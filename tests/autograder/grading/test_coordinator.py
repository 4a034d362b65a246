"""Grading on workers: what a class gets, what is run again, and what survives being killed."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import types
import weakref
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import pytest

from autograder.authoring.release import release
from autograder.config import Course
from autograder.core import notebook_io
from autograder.core.collection_receipt import CollectionReceipt, record_receipt
from autograder.core.messages import note
from autograder.errors import EnvironmentFault, UserError
from autograder.grading import coordinator as grading
from autograder.grading.coordinator import grade
from autograder.grading.result import submission_results


@pytest.fixture
def runs(monkeypatch, tmp_path):
    """Which students' submissions ran since it was last asked."""
    folder = tmp_path / "runs"
    folder.mkdir()
    monkeypatch.setenv("BEYOND_RUNS", str(folder))

    def since() -> list[str]:
        found = sorted(path.name.split("-")[0] for path in folder.iterdir())
        for path in folder.iterdir():
            path.unlink()
        return found

    return since


@pytest.fixture
def on_workers(monkeypatch, stand_ins):
    """`grade` as it is with workers, with the runner that needs no sandbox."""
    monkeypatch.setattr(grading, "_runner", lambda: stand_ins.run_submission)
    return stand_ins


class Here(Executor):
    """Workers that are this process."""

    width, ahead = 2, 1

    def submit(self, function, /, *args):
        future = Future()
        try:
            future.set_result(function(*args))
        except Exception as error:
            future.set_exception(error)
        return future


@pytest.fixture
def here(monkeypatch, on_workers):
    """No processes are started: for tests of what happens around them."""

    @contextmanager
    def executor(*_args, **_options):
        yield Here()

    monkeypatch.setattr(grading, "executor", executor)
    return on_workers


def test_a_class_on_two_workers(term, kit, on_workers, runs):
    right = kit.RIGHT
    kit.hand_in(term, "right", kit.answered(term, **right))
    kit.hand_in(term, "korean", kit.answered(term, "ko", **right))
    kit.hand_in(term, "blank", kit.answered(term))
    kit.hand_in(
        term,
        "square",
        kit.answered(term, a_answer="a = 42", double="def double(x):\n    return x ** 2"),
    )
    kit.hand_in(
        term,
        "loud",
        kit.answered(
            term, **{**right, "a_answer": "import sys\nprint('경고', file=sys.stderr)\na = 42"}
        ),
    )
    kit.hand_in(term, "dies", kit.answered(term, **{**right, "double": "import os\nos._exit(0)"}))
    kit.hand_in(term, "unreadable", b'{"nbformat": 4, "cel')
    found = {one.student: one for one in grade(term, "mini", workers=2)}
    assert {name: (one.score, one.max_score) for name, one in found.items()} == {
        "right": (6, 6),
        "korean": (6, 6),
        "blank": (0, 6),
        "square": (5, 6),
        "loud": (6, 6),
        "dies": (0, 6),
        "unreadable": (0, 6),
    }
    why = {name: " | ".join(one.reasons) for name, one in found.items()}
    assert why["right"] == why["korean"] == why["loud"] == "everything passed"
    assert why["blank"] == "a-test, double-test: no answer yet"
    assert why["square"] == "double-test: not passed: other numbers"
    assert "ended the process that graded it" in why["dies"]
    assert "isn't JSON" in why["unreadable"]
    assert found["korean"].language == "ko"
    assert runs().count("dies") == 2
    with term.gradebook() as gradebook:
        stored = {s.student_id: s.score for s in gradebook.assignment_submissions("mini")}
    assert stored == {name: one.score for name, one in found.items()}
    assert {one.student: one for one in submission_results(term, "mini")} == found


def test_only_what_has_changed_runs_again(term, kit, here, runs):
    kit.hand_in(term, "a", kit.answered(term, **kit.RIGHT))
    kit.hand_in(term, "b", kit.answered(term))
    told = []
    assert [v.score for v in grade(term, "mini", progress=lambda *one: told.append(one))] == [6, 0]
    assert runs() == ["a", "b"]
    assert told == [(0, 2, "a"), (1, 2, "b"), (2, 2, "")]
    assert [v.score for v in grade(term, "mini")] == [6, 0]
    assert runs() == []
    kit.hand_in(term, "b", kit.answered(term, **kit.RIGHT))
    assert [v.score for v in grade(term, "mini")] == [6, 6]
    assert runs() == ["b"]
    assert [v.student for v in grade(term, "mini", ["b", "a"], again=True)] == ["b", "a"]
    assert runs() == ["a", "b"]
    with term.gradebook() as gradebook:
        gradebook.remove_student("a")
    assert [v.score for v in grade(term, "mini")] == [6, 6]
    assert runs() == ["a"]


def test_a_test_that_was_wrong_is_mended_and_everyone_graded_again(term, kit, here, runs):
    """The way that `source/README.md` describes: mend the source, release, grade."""
    kit.hand_in(term, "a", kit.answered(term, a_answer="a = 42"))
    kit.hand_in(term, "b", kit.answered(term, a_answer="a = 43"))
    assert [v.score for v in grade(term, "mini")] == [2, 0]
    for code in term.languages():
        path = term.source(code) / "mini" / "mini.ipynb"
        path.write_text(path.read_text().replace("assert a == 42", "assert a in (42, 43)"))
    runs()
    with pytest.raises(UserError, match=r"a-test.*release mini"):
        grade(term, "mini")
    assert runs() == []
    release(term, "mini")
    assert [v.score for v in grade(term, "mini")] == [2, 2]
    assert runs() == ["a", "b"]


def test_the_worker_has_no_say_in_points_or_marks(term, kit, here, monkeypatch, stand_ins):
    def generous(content):
        from autograder.judge.job import CellOutcome, Job, JobOutcome

        forged = {
            "output_type": "execute_result",
            "metadata": {"points": 1000},
            "data": {"text/plain": "1000"},
        }
        cells = {cell.id: CellOutcome([forged]) for cell in Job.from_bytes(content).cells}
        return JobOutcome(cells).to_bytes()

    kit.hand_in(term, "a", kit.answered(term))
    grade(term, "mini")  # with the preflight, which no such worker passes
    monkeypatch.setattr(grading, "_runner", lambda: generous)
    (one,) = grade(term, "mini", again=True)
    assert (one.score, one.max_score) == (0, 6)
    graded = notebook_io.read(term.autograded / "a" / "mini" / "mini.ipynb")
    assert "report()" in next(cell for cell in graded.cells if cell.id == "a-test").source


def test_a_fault_of_ours_gives_nobody_a_score(term, kit, here, monkeypatch):
    monkeypatch.setattr(grading, "_runner", lambda: here.fail_for_z)
    for name in ("a", "zoe", "b"):
        kit.hand_in(term, name, kit.answered(term, **kit.RIGHT))
    with pytest.raises(UserError, match="mini of zoe could not be graded, everyone else was"):
        grade(term, "mini")
    assert [one.student for one in submission_results(term, "mini")] == ["a", "b"]
    assert "a fault in the runner" in (term.term / "last-error.log").read_text()


def test_where_nothing_can_run_nobody_is_graded(term, kit, here, monkeypatch):
    monkeypatch.setattr(grading, "_runner", lambda: here.no_sandbox)
    kit.hand_in(term, "a", kit.answered(term))
    with pytest.raises(EnvironmentFault, match="do something"):
        grade(term, "mini")
    assert submission_results(term, "mini") == []


def test_names_and_releases_that_are_missing_are_sentences(course, term, kit, on_workers):
    kit.hand_in(course, "a", kit.answered(course))
    with pytest.raises(UserError, match="release mini"):
        grade(course, "mini")
    with pytest.raises(UserError, match="collect mini"):
        grade(term, "mini")


def test_two_runs_at_once_are_a_sentence(term, kit, here):
    kit.hand_in(term, "a", kit.answered(term))
    with grading.grading_lock(term), pytest.raises(EnvironmentFault, match="at work"):
        grade(term, "mini")
    assert len(grade(term, "mini")) == 1


def test_a_gradebook_that_is_taken_midway_is_a_sentence_and_nothing_is_lost(
    term, kit, here, runs, monkeypatch
):
    from autograder.grading.gradebook_writer import GradebookWriter

    for name in ("a", "b"):
        kit.hand_in(term, name, kit.answered(term, **kit.RIGHT))
    write, holder = GradebookWriter.write, None

    def taken(self, student, *rest):
        nonlocal holder
        if student == "b":
            holder = sqlite3.connect(term.term / "gradebook.db")
            holder.execute("BEGIN EXCLUSIVE")
        write(self, student, *rest)

    monkeypatch.setattr(GradebookWriter, "write", taken)
    with pytest.raises(EnvironmentFault, match="in use"):
        grade(term, "mini")
    holder.close()
    monkeypatch.setattr(GradebookWriter, "write", write)
    assert runs() == ["a", "b"]
    assert [one.score for one in grade(term, "mini")] == [6, 6]
    assert runs() == []


def test_lateness_is_what_collecting_recorded(term, kit, here):
    with term.gradebook() as gradebook:
        gradebook.update_or_create_assignment("mini", duedate=datetime(2026, 11, 20, 9, 0))
    path = kit.hand_in(term, "a", kit.answered(term, **kit.RIGHT))
    (path.parent / "timestamp.txt").write_text("2026-11-20 08:00:00 UTC")
    record_receipt(
        term, "a", "mini", CollectionReceipt("2026-11-20T10:00:00+00:00", "exchange", "mini")
    )
    kit.hand_in(term, "b", kit.answered(term, **kit.RIGHT))
    kit.hand_in(term, "c", kit.answered(term)).with_name("timestamp.txt").write_text("soon")
    assert [one.late_seconds for one in grade(term, "mini")] == [3600, 3600, 0]


@pytest.fixture
def with_files(course, kit):
    """A course whose assignment gives `data.csv` and asks for `answer.txt` and two modules."""
    for code in course.languages():
        folder = course.source(code) / "mini"
        (folder / "data.csv").write_text("1,2\n")
        nb = notebook_io.read(folder / "mini.ipynb")
        nb.metadata["beyond"]["files"] = ["answer.txt", "json.py", "own_part.py"]
        notebook_io.write(folder / "mini.ipynb", nb)
    release(course, "mini")
    return course


def test_a_submission_brings_the_files_asked_for_and_nothing_else(
    with_files, kit, here, monkeypatch, tmp_path
):
    sent = {}

    def runner(content):
        from autograder.judge.job import Job

        sent.update(Job.from_bytes(content).files)
        return here.run_submission(content)

    monkeypatch.setattr(grading, "_runner", lambda: runner)
    folder = kit.hand_in(with_files, "a", kit.answered(with_files, **kit.RIGHT)).parent
    (tmp_path / "secret").write_text("secret")
    (folder / "answer.txt").write_text("mine")
    (folder / "data.csv").write_text("forged")
    (folder / "own_part.py").write_text("x = 1")
    (folder / "json.py").write_text("x = 1")
    (folder / "extra.bin").write_bytes(b"x")
    (folder / "link").symlink_to(tmp_path / "secret")
    os.mkfifo(folder / "pipe")
    (one,) = grade(with_files, "mini")
    assert sent == {"answer.txt": b"mine", "own_part.py": b"x = 1", "data.csv": b"1,2\n"}
    said = " | ".join(one.notes)
    assert "json.py: left out, because it would take the place of a module" in said
    assert "extra.bin: left out, because the assignment doesn't ask for it" in said
    assert "link, pipe: left out, because it is a link" in said
    graded = with_files.autograded / "a" / "mini"
    assert {path.name for path in graded.iterdir()} == {
        "mini.ipynb",
        ".graded.json",
        "timestamp.txt",
        "answer.txt",
        "own_part.py",
        "data.csv",
    }
    assert (graded / "data.csv").read_text() == "1,2\n"


def test_notes_of_collecting_come_first_and_once(term, kit, here):
    kit.hand_in(term, "a", kit.answered(term))
    said = [note("First."), note("Second.")]
    record_receipt(
        term, "a", "mini", CollectionReceipt("2026-11-20T10:00:00+00:00", "folder", "mini", said)
    )
    (one,) = grade(term, "mini")
    assert one.notes == ("First.", "Second.")


def test_a_submission_without_any_notebook_is_an_untouched_one(term, kit, here):
    kit.hand_in(term, "a", kit.answered(term)).unlink()
    (one,) = grade(term, "mini")
    assert (one.score, one.reasons) == (0, ["a-test, double-test: no answer yet"])


def test_only_so_many_submissions_are_held_at_a_time(term, kit, here, monkeypatch):
    from autograder.grading.prepare import SubmissionPreparer

    alive, most = weakref.WeakSet(), []
    work = SubmissionPreparer.work

    def counted(self, student):
        made = work(self, student)
        alive.add(made)
        most.append(len(alive))
        return made

    monkeypatch.setattr("autograder.grading.prepare.PreparedSubmission.__hash__", object.__hash__)
    monkeypatch.setattr(SubmissionPreparer, "work", counted)
    for number in range(20):
        kit.hand_in(term, f"s{number}", kit.answered(term))
    assert len(grade(term, "mini")) == 20
    assert len(most) == 20
    assert max(most) <= 5  # two run, two are ready, one is being made


# Killed at any moment


def _killed(course: Course, at: int) -> int | None:
    """Grade in a fork that kills itself at a moment; the moments it had if it came to its end.

    A moment is a line of the modules that write.
    """
    files = (
        "grading/coordinator.py",
        "grading/result_folder.py",
        "grading/gradebook_writer.py",
        "core/atomic_io.py",
        "grading/result.py",
    )
    paths = {str(Path(grading.__file__).parents[1] / name) for name in files}
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            moments = 0

            def line(frame, event, _arg):
                nonlocal moments
                if event == "line":
                    moments += 1
                    if moments == at:
                        os.kill(os.getpid(), signal.SIGKILL)
                return line

            sys.settrace(lambda frame, _e, _a: line if frame.f_code.co_filename in paths else None)
            grade(course, "mini")
            os.write(writer, str(moments).encode())
        finally:
            os._exit(0)
    os.close(writer)
    _, status = os.waitpid(pid, 0)
    with os.fdopen(reader) as said:
        moments = said.read()
    assert moments or (at and os.WIFSIGNALED(status)), status
    return int(moments) if moments else None


@pytest.fixture
def twice(term, kit, here):
    """A class that was graded, and has handed in again since."""
    for name in ("a", "b", "c"):
        kit.hand_in(term, name, kit.answered(term))
    grade(term, "mini")
    kit.hand_in(term, "a", kit.answered(term, **kit.RIGHT))
    kit.hand_in(term, "b", kit.answered(term, a_answer="a = 42"))
    kit.hand_in(term, "d", kit.answered(term, **kit.RIGHT))
    return term


def _copy(course: Course, to: Path) -> Course:
    shutil.copytree(course.root, to)
    return Course(to)


def _state(course: Course, kit: types.SimpleNamespace) -> tuple:
    """Everything that a finished run leaves, without the times it took."""
    folders = {}
    for path in sorted(course.autograded.rglob("*")):
        if path.is_file():
            folders[str(path.relative_to(course.autograded))] = path.read_bytes()
    return kit.rows(course), folders, submission_results(course, "mini")


def _has_result(course: Course, student: str, expected: dict) -> bool:
    """Whether the result of what is handed in now is finished, put in its place or not."""
    wanted = json.loads(expected[f"{student}/mini/.graded.json"])["graded"]
    folder = course.autograded / student
    return any(
        json.loads(path.read_text())["graded"] == wanted
        for path in [folder / "mini" / ".graded.json", folder / ".mini.finished" / ".graded.json"]
        if path.exists()
    )


def test_killed_at_many_moments_no_result_is_lost_and_none_is_there_twice(
    twice, kit, runs, tmp_path
):
    whole = _copy(twice, tmp_path / "whole")
    moments = _killed(whole, 0)
    expected = _state(whole, kit)
    assert [one.score for one in expected[2]] == [6, 2, 0, 6]
    assert moments > 300
    chosen = sorted(random.Random(7).sample(range(1, moments + 1), 60))
    for at in chosen:
        killed = _copy(twice, tmp_path / f"at-{at}")
        assert _killed(killed, at) is None
        runs()
        finished = [one for one in "abcd" if _has_result(killed, one, expected[1])]
        # A second kill, in the midst of going on.
        _killed(killed, at // 3 + 1)
        grade(killed, "mini")
        ran = runs()
        assert not set(ran) & set(finished), (at, ran, finished)
        assert _state(killed, kit) == expected, at
        shutil.rmtree(killed.root)


_STOPS_AT_THE_WORKERS = """
import sys
from autograder.cli import main
from autograder.grading import pool

def started(*_args, **_named):
    print("slow:", *sorted({"nbgrader", "nbformat", "sqlalchemy", "IPython"} & set(sys.modules)))
    sys.exit(0)

pool.LocalWorkers.__init__ = started
sys.argv = ["autograder", "grade", "mini", "--course", sys.argv[1]]
main()
"""


def test_the_workers_start_before_anything_slow_is_imported(term, kit):
    kit.hand_in(term, "kim", kit.answered(term))
    root = Path(__file__).resolve().parents[3]
    ran = subprocess.run(
        [sys.executable, "-c", _STOPS_AT_THE_WORKERS, str(term.root)],
        env={**os.environ, "PYTHONPATH": f"{root}:{root / 'notebooks'}"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert ran.stdout.split(":")[0] == "slow", ran.stderr
    assert ran.stdout == "slow:\n"
