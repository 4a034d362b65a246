"""Taking submissions in: whose, when, which file, and nothing lost when something goes wrong."""

from __future__ import annotations

import errno
import os
import unicodedata
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import pytest

from autograder.config import Course
from autograder.errors import EnvironmentFault, UserError
from autograder.intake.collect import collect
from autograder.intake.roster import class_list
from autograder.intake.roster_file import Roster
from autograder.student.submit import submit
from tests.autograder.intake.class_files import (
    EARLY,
    LATER,
    answer,
    everything,
    notebook,
    notes,
    put,
    received,
    zipped,
)


@pytest.fixture
def course(quiz_course: Course) -> Course:
    return quiz_course


def test_nbgrader_reads_the_time(course, inbox):
    put(inbox / "s01/quiz.ipynb", notebook())
    collect(course, "quiz", inbox)
    found = course.api().coursedir.get_existing_timestamp(str(course.submitted / "s01/quiz"))
    assert found == EARLY.replace(tzinfo=None)


def test_a_time_inside_a_submission_counts_for_nothing(course, inbox, tmp_path):
    path = put(tmp_path / "quiz.ipynb", notebook())
    long_ago = datetime(2001, 1, 1, tzinfo=UTC)
    packed = submit(path, "s01", course, inbox / "s01", now=long_ago).path
    os.utime(packed, (LATER.timestamp(),) * 2)
    put(inbox / "s02/quiz.ipynb", notebook(), LATER)
    put(inbox / "s02/timestamp.txt", b"2001-01-01 00:00:00 UTC", LATER)
    put(inbox / "s02/submission_secret.txt", b"mine", LATER)
    collect(course, "quiz", inbox)
    for student in ("s01", "s02"):
        assert received(course, student) == LATER
        folder = course.submitted / student / "quiz"
        assert (folder / "timestamp.txt").read_text().startswith("2025-03-11 12:00:00")
        assert {one.name for one in folder.iterdir()} == {"quiz.ipynb", "timestamp.txt"}


def test_a_time_the_instructor_gives(course, inbox):
    put(inbox / "s01/quiz.ipynb", notebook())
    collect(course, "quiz", inbox)
    collect(course, "quiz", inbox, received=LATER)
    assert received(course) == LATER and "replaces" not in notes(course)
    collect(course, "quiz", inbox, received=EARLY)
    assert received(course) == EARLY
    before = everything(course.term)
    assert collect(course, "quiz", inbox, received=EARLY).unchanged == ["s01"]
    assert everything(course.term) == before


def test_which_notebook_is_told(course, inbox):
    put(inbox / "s01/quiz.ipynb", notebook("q1 = 1"))
    put(inbox / "s01/quiz (1).ipynb", notebook("q1 = 2"))
    put(inbox / "s01/todo.txt", b"x")
    name = unicodedata.normalize("NFD", "퀴즈_이서연.ipynb")
    put(inbox / "s03" / name, notebook("q1 = 3"))
    collect(course, "quiz", inbox)
    assert answer(course) == "q1 = 2" and answer(course, "s03") == "q1 = 3"
    assert "highest number" in notes(course) and "todo.txt: left out" in notes(course)
    assert notes(course, "s03") == "퀴즈_이서연.ipynb was taken as quiz.ipynb."
    stored = course.collected / "s01/quiz/20250310T120000Z"
    assert set(everything(stored)) == {"quiz.ipynb", "quiz (1).ipynb", "todo.txt"}


@pytest.mark.parametrize(
    ("files", "why"),
    [
        ({"quiz.ipynb": b"{"}, "not JSON"),
        ({"퀴즈.ipynb": b"{"}, "not JSON"),
        ({"quiz.ipynb": b'{"nbformat": 3, "worksheets": []}'}, "old notebook format"),
        ({"quiz.ipynb": b" " * (20 * 1024 * 1024 + 1)}, "larger than"),
        ({"quiz.py": b"q1 = 1"}, "no notebook of the assignment"),
        ({"essay.ipynb": notebook(cells=("x",))}, "no notebook of the assignment"),
        ({"quiz.zip": b"PK\x03\x04 broken"}, "could not be unpacked"),
        ({"quiz.zip": zipped({"../quiz.ipynb": notebook()})}, "could not be unpacked"),
        ({"quiz.zip": zipped({"/quiz.ipynb": notebook()})}, "could not be unpacked"),
        ({"a.zip": zipped({"b.zip": zipped({"quiz.ipynb": notebook()})})}, "zip inside a zip"),
        ({"quiz.zip": zipped({"quiz.ipynb": b"/etc/passwd"}, links=("quiz.ipynb",))}, "a link"),
    ],
)
def test_what_can_not_be_read_ends_with_the_release_and_a_reason(course, inbox, files, why):
    for name, content in files.items():
        put(inbox / "s01" / name, content)
    result = collect(course, "quiz", inbox)
    assert [one.student for one in result.taken] == ["s01"]
    assert answer(course) == "q1 = None" and why in notes(course)
    kept = everything(course.collected / "s01/quiz/20250310T120000Z")
    assert kept == files


def test_a_students_zip_is_opened(course, inbox):
    files = {"quiz/quiz.ipynb": notebook("q1 = 7"), "__MACOSX/quiz/._quiz.ipynb": b"\x00"}
    put(inbox / "s01/quiz.zip", zipped(files))
    collect(course, "quiz", inbox)
    assert answer(course) == "q1 = 7"
    assert notes(course) == "quiz/quiz.ipynb was taken as quiz.ipynb."


@pytest.mark.parametrize("name", ["Icon\r", "quiz/Icon\r", "__MACOSX/._Icon\r", "._quiz\n.ipynb"])
def test_what_macos_leaves_in_a_students_zip_is_passed_over(course, inbox, name):
    put(inbox / "s01/quiz.zip", zipped({"quiz/quiz.ipynb": notebook("q1 = 3"), name: b""}))
    collect(course, "quiz", inbox)
    assert answer(course) == "q1 = 3" and "unpacked" not in notes(course)


def test_a_canvas_gradebook_as_roster_is_told(course, inbox, tmp_path):
    put(inbox / "s2001/quiz.ipynb", notebook("q1 = 3"))
    roster = put(
        tmp_path / "class.csv",
        (b'Student,ID,SIS User ID,SIS Login ID,Section\n"Kim, Minjun",2001,s2001,m@x.org,S1\n'),
    )
    told = []

    def tell(found: Roster) -> None:
        told.append(found.describe())
        assert "s2001" not in [person.id for person in class_list(course)]

    result = collect(course, "quiz", inbox, roster, before_enrolling=tell)
    assert [one.student for one in result.taken] == ["s2001"]
    assert told[0].startswith("class.csv was read as a Canvas gradebook")


def test_whoever_sees_the_roster_can_stop(course, inbox, tmp_path):
    put(inbox / "s99/quiz.ipynb", notebook("q1 = 3"))
    roster = put(tmp_path / "class.csv", b"id\ns99\n")
    before = class_list(course)

    def stop(found: Roster) -> None:
        raise UserError(found.describe())

    with pytest.raises(UserError, match="1 student with id"):
        collect(course, "quiz", inbox, roster, before_enrolling=stop)
    assert class_list(course) == before and not course.submitted.exists()


def test_asked_files_are_kept_under_their_names(course, inbox):
    put(inbox / "s01/my/moe.ipynb", notebook("", ("gate", "gate-test")))
    put(inbox / "s01/my/prices.csv", b"2\n")
    put(inbox / "s01/my/other.csv", b"3\n")
    collect(course, "moe", inbox)
    folder = course.submitted / "s01/moe"
    assert set(everything(folder)) == {"moe.ipynb", "prices.csv", "timestamp.txt"}
    assert (folder / "prices.csv").read_bytes() == b"2\n"
    assert "my/other.csv: left out" in notes(course, assignment="moe")


def test_files_are_asked_for_wherever_the_course_lies(course, inbox):
    hidden = course.root.parent / ".courses" / "mine"
    hidden.parent.mkdir()
    course.root.rename(hidden)
    put(hidden / "release/en/quiz/data.csv", b"1\n")
    put(hidden / "release/en/quiz/.hidden/data.csv", b"1\n")
    put(inbox / "s01/quiz.ipynb", notebook())
    put(inbox / "s01/data.csv", b"2\n")
    put(inbox / "s01/.hidden/data.csv", b"3\n")
    collect(Course(hidden), "quiz", inbox)
    assert (hidden / "term/submitted/s01/quiz/data.csv").read_bytes() == b"2\n"


def test_receipts_that_do_not_fit_are_refused_and_the_rest_goes_on(course, inbox, tmp_path):
    path = put(tmp_path / "quiz.ipynb", notebook())
    stolen = submit(path, "s02", course, tmp_path, now=EARLY).path
    put(inbox / "s01/work.zip", stolen.read_bytes())
    with zipfile.ZipFile(stolen) as archive:
        changed = {"quiz.ipynb": notebook("q1 = 'D'"), "receipt.json": archive.read("receipt.json")}
    put(inbox / "s02/work.zip", zipped(changed))
    put(inbox / "s03/quiz.ipynb", notebook())
    result = collect(course, "quiz", inbox)
    assert [one.student for one in result.taken] == ["s03"]
    assert "names the student 's02'" in result.refused[0]
    assert "was changed after its receipt" in result.refused[1]
    assert not (course.submitted / "s01").exists()


def test_what_collect_can_not_start_with(course, inbox):
    with pytest.raises(UserError, match="no assignment 'exam'"):
        collect(course, "exam", inbox)
    with pytest.raises(UserError, match="doesn't exist"):
        collect(course, "quiz", inbox)
    with pytest.raises(UserError, match="neither a folder nor a zip"):
        collect(course, "quiz", put(inbox / "a.txt", b"x"))
    (inbox / "empty").mkdir(parents=True, exist_ok=True)
    with pytest.raises(UserError, match="There are no submissions in"):
        collect(course, "quiz", inbox / "empty")
    with pytest.raises(UserError, match="no exchange"):
        collect(course, "quiz")
    (course.term / "gradebook.db").unlink()
    with pytest.raises(UserError, match="--roster"):
        collect(course, "quiz", inbox)


def test_a_roster_comes_first(course, inbox, tmp_path):
    put(inbox / "s99/quiz.ipynb", notebook())
    roster = put(tmp_path / "class.csv", "id,last_name\ns99,김\n".encode("cp949"))
    assert [one.student for one in collect(course, "quiz", inbox, roster=roster).taken] == ["s99"]
    bad = put(tmp_path / "bad.csv", b"id\na/b\n")
    with pytest.raises(UserError, match="can't be a student id"):
        collect(course, "quiz", inbox, roster=bad)


@pytest.mark.parametrize("step", ["replace", "rename", "write"])
def test_a_full_disk_loses_nothing(course, inbox, monkeypatch, step):
    put(inbox / "s01/quiz.ipynb", notebook("q1 = 1"))
    collect(course, "quiz", inbox)
    before = everything(course.submitted)
    put(inbox / "s01/quiz.ipynb", notebook("q1 = 2"), LATER)

    def full(*_args, **_options):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        if step == "write":
            patch.setattr(Path, "write_bytes", full)
        else:
            patch.setattr(os, step, full)
        with pytest.raises(EnvironmentFault, match="disk is full"):
            collect(course, "quiz", inbox)
    if step != "replace":  # the receipt comes after the submission, and is made good below
        assert everything(course.submitted) == before
    assert not [path for path in course.term.rglob(".*") if path.is_dir()]
    assert len(collect(course, "quiz", inbox).taken) == 1
    assert answer(course) == "q1 = 2" and received(course) == LATER


def test_a_gradebook_in_use_is_a_sentence(course, inbox):
    import sqlite3

    put(inbox / "s01/quiz.ipynb", notebook())
    holder = sqlite3.connect(course.term / "gradebook.db")
    holder.execute("BEGIN EXCLUSIVE")
    try:
        with pytest.raises(EnvironmentFault, match="in use"):
            collect(course, "quiz", inbox)
    finally:
        holder.close()
    assert not course.submitted.exists()


def test_names_make_no_lines_and_move_no_cursor(course, inbox):
    forged = "x.txt\n  s02  2025-01-01T00:00:00+00:00  \x1b]52;c;cm0gLXJmIH4=\x07"
    put(inbox / "s01" / forged, b"x")
    put(inbox / "s01/quiz.ipynb", notebook("q1 = 1"))
    put(inbox / "s02/quiz.ipynb", notebook("q1 = 2"))
    put(inbox / "no\x1bbody\ns03/quiz.ipynb", notebook())
    text = str(collect(course, "quiz", inbox))
    assert len(text.splitlines()) == 1 + 2 + 1 and "\x1b" not in text
    assert "\x1b" not in notes(course) and "left out" in notes(course)
