"""Collecting what Canvas, Moodle and `autograder submit` make."""

from __future__ import annotations

import io
import os
import time
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from autograder.config import Course
from autograder.core.collection_receipt import find_receipt
from autograder.core.release_record import record_release
from autograder.intake.collect import collect
from autograder.student.submit import submit
from tests.autograder.intake.class_files import (
    DUE,
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


def test_a_folder_a_student(course, inbox):
    put(inbox / "s01/quiz.ipynb", notebook("q1 = 1"))
    put(inbox / "s02/quiz.ipynb", notebook("q1 = 2"), LATER)
    result = collect(course, "quiz", inbox)
    assert [one.student for one in result.taken] == ["s01", "s02"] and not result.refused
    assert (answer(course), answer(course, "s02")) == ("q1 = 1", "q1 = 2")
    assert received(course) == EARLY and received(course, "s02") == LATER
    assert notes(course) == ""
    stamp = (course.submitted / "s01/quiz/timestamp.txt").read_text()
    assert stamp == "2025-03-10 12:00:00.000000 UTC"
    kept = course.collected / "s01/quiz/20250310T120000Z/quiz.ipynb"
    assert kept.read_bytes() == notebook("q1 = 1")
    assert "2 taken" in str(result)


def test_canvas(course, inbox):
    content = zipped(
        {
            "kimminjun_101_9001_quiz.ipynb": notebook("q1 = 1"),
            "lovelaceada_LATE_102_9002_quiz-1.ipynb": notebook("q1 = 2"),
            "이서연_103_9003_quiz.ipynb": notebook("q1 = 3"),
            "stranger_104_9004_quiz.ipynb": notebook("q1 = 4"),
        },
        LATER,
    )
    result = collect(course, "quiz", put(inbox / "submissions.zip", content))
    assert {one.student for one in result.taken} == {"s01", "s02", "s03"}
    assert len(result.refused) == 1 and "stranger" in result.refused[0]
    assert received(course) == LATER
    # The archive was packed before the due date, and yet Canvas says late: so it is.
    assert received(course, "s02") == DUE + timedelta(seconds=1)
    assert "late" in notes(course, "s02") and "taken as quiz.ipynb" in notes(course, "s02")


def test_canvas_archives_packed_after_the_due_date(course, inbox):
    after = DUE + timedelta(days=3)
    files = {
        "kimminjun_101_9001_quiz.ipynb": notebook(),
        "lovelaceada_LATE_102_9002_quiz.ipynb": notebook(),
    }
    collect(course, "quiz", put(inbox / "submissions.zip", zipped(files, after)))
    assert received(course) == DUE and received(course, "s02") == after


def test_moodle(course, inbox):
    files = {
        "Minjun Kim_7_assignsubmission_file_/quiz.ipynb": notebook("q1 = 1"),
        "Ada Lovelace_8_assignsubmission_file_quiz.ipynb": notebook("q1 = 2"),
    }
    result = collect(course, "quiz", put(inbox / "quiz.zip", zipped(files, LATER)))
    assert {one.student for one in result.taken} == {"s01", "s02"}
    assert received(course) == LATER


def test_zips_of_our_own(course, inbox, tmp_path):
    path = put(tmp_path / "quiz.ipynb", notebook("q1 = 1"))
    packed = submit(path, "s01", course, inbox, now=EARLY).path
    os.utime(packed, (EARLY.timestamp(),) * 2)
    later = submit(put(path, notebook("q1 = 2")), "s01", course, inbox, now=LATER).path
    os.utime(later, (LATER.timestamp(),) * 2)
    result = collect(course, "quiz", inbox)
    assert len(result.taken) == 1 and not result.refused
    assert answer(course) == "q1 = 2" and received(course) == LATER
    # One zip alone may be named too.
    assert collect(course, "quiz", later).unchanged == ["s01"]


def test_canvas_file_ids_order_what_times_can_not(course, inbox):
    def archive(number: int, value: int, time: datetime) -> Path:
        name = f"kimminjun_101_{number}_quiz.ipynb"
        return put(inbox / f"{number}.zip", zipped({name: notebook(f"q1 = {value}")}, time))

    old, new = archive(9001, 1, LATER), archive(9002, 2, EARLY)
    collect(course, "quiz", old)
    collect(course, "quiz", new)
    assert answer(course) == "q1 = 2"
    collect(course, "quiz", old)
    assert answer(course) == "q1 = 2"


@pytest.mark.parametrize(
    "name",
    [
        "../x",
        "/x",
        "C:\\x",
        "s02/../../x",
        "s02/a\nb.ipynb",
        "s02/\x1b]52;c;eA==\x07.ipynb",
        "s02/" + "n" * 2000,
        "s02/a\x00b",
    ],
    ids=ascii,
)
def test_a_name_in_a_class_s_zip_keeps_nobody_else_out(course, inbox, name):
    """Students choose names; one of them must not stop the class."""
    files = {"s01/quiz.ipynb": notebook("q1 = 1"), name: b"x", "s03/quiz.ipynb": notebook("q1 = 3")}
    result = collect(course, "quiz", put(inbox / "class.zip", zipped(files)))
    assert {"s01", "s03"} <= {one.student for one in result.taken}
    assert (answer(course), answer(course, "s03")) == ("q1 = 1", "q1 = 3")
    assert all(line.isprintable() for line in str(result).splitlines())
    assert not (inbox.parent / "x").exists()


def test_a_member_that_nobody_can_unpack_keeps_nobody_else_out(course, inbox):
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr("s01/quiz.ipynb", notebook("q1 = 1"))
        archive.writestr("s02/quiz.ipynb", notebook("q1 = 2"), zipfile.ZIP_LZMA)
    result = collect(course, "quiz", put(inbox / "class.zip", target.getvalue()))
    assert "s01" in [one.student for one in result.taken]
    assert answer(course) == "q1 = 1"


@pytest.mark.parametrize("as_zip", [False, True])
@pytest.mark.parametrize("year", [1970, 1980])
def test_a_time_before_there_were_courses_is_none(course, inbox, as_zip, year):
    long_ago = datetime(year, 1, 1, 0, 0, 2, tzinfo=UTC)
    if as_zip:
        long_ago = max(long_ago, datetime(1980, 1, 1, 0, 0, 2, tzinfo=UTC))
        put(inbox / "class.zip", zipped({"s01/quiz.ipynb": notebook("q1 = 3")}, long_ago))
    else:
        put(inbox / "s01/quiz.ipynb", notebook("q1 = 3"), long_ago)
    before = datetime.now(UTC) - timedelta(seconds=2)
    origin = inbox / "class.zip" if as_zip else inbox
    result = collect(course, "quiz", origin)
    assert answer(course) == "q1 = 3"
    assert before <= received(course) <= datetime.now(UTC)
    assert any("doesn't say when" in one and "--received" in one for one in result.warnings)
    assert collect(course, "quiz", origin).unchanged == ["s01"]
    collect(course, "quiz", origin, received=EARLY)
    assert received(course) == EARLY and find_receipt(course, "s01", "quiz").time_known


def test_an_unknown_time_is_told_and_never_early(course, inbox):
    at_1980 = datetime(1980, 1, 1, tzinfo=UTC)
    origin = put(inbox / "class.zip", zipped({"s01/quiz.ipynb": notebook("q1 = 3")}, at_1980))
    result = collect(course, "quiz", origin)
    assert "s01  unknown" in str(result) and "1980" not in str(result)
    [told] = result.warnings
    assert "as late" in told and "--received" in told
    assert received(course) > DUE and "doesn't say when this came in" in notes(course)
    assert not find_receipt(course, "s01", "quiz").time_known
    assert find_receipt(course, "s01", "quiz").received != "unknown"


def test_an_older_file_of_unknown_time_doesnt_come_back(course, inbox):
    at_1980 = datetime(1980, 1, 1, tzinfo=UTC)
    old = put(inbox / "old.zip", zipped({"s01/quiz.ipynb": notebook("q1 = 1")}, at_1980))
    collect(course, "quiz", old)
    new = put(inbox / "new.zip", zipped({"s01/quiz.ipynb": notebook("q1 = 2")}, at_1980))
    collect(course, "quiz", new)
    assert collect(course, "quiz", old).unchanged == ["s01"] and answer(course) == "q1 = 2"


@pytest.mark.parametrize("days", [-400, 1])
def test_a_time_that_can_not_be_is_unknown(course, inbox, days):
    """Long before the assignment, or in the future."""
    time = (DUE if days < 0 else datetime.now(UTC)) + timedelta(days=days)
    content = zipped({"s01/quiz.ipynb": notebook(), "s02/quiz.ipynb": notebook()}, time)
    result = collect(course, "quiz", put(inbox / "class.zip", content))
    assert {one.received for one in result.taken} == {"unknown"}
    [told] = result.warnings
    assert told.startswith("s01, s02: ") and received(course) <= datetime.now(UTC)


def test_a_time_before_the_release_is_unknown(course, inbox):
    due = datetime.now(UTC).replace(tzinfo=None) + timedelta(days=3)
    with course.gradebook() as gradebook:
        gradebook.update_or_create_assignment("quiz", duedate=due)
    record_release(course, "quiz", {})
    before = datetime.now(UTC) - timedelta(days=9)
    put(inbox / "s01/quiz.ipynb", notebook(), before)
    put(inbox / "s02/quiz.ipynb", notebook(), datetime.now(UTC))
    result = collect(course, "quiz", inbox)
    assert [one.received == "unknown" for one in result.taken] == [True, False]
    [told] = result.warnings
    assert "as late" not in told and received(course) > before


def test_a_release_after_the_due_date_says_nothing_of_times(course, inbox):
    record_release(course, "quiz", {})
    put(inbox / "s01/quiz.ipynb", notebook())
    assert not collect(course, "quiz", inbox).warnings and received(course) == EARLY


@pytest.mark.parametrize(
    ("zone", "hours"), [("UTC", 0), ("Asia/Seoul", 9), ("America/Sao_Paulo", -3)]
)
def test_a_wall_clock_s_time_is_this_machine_s(course, inbox, monkeypatch, zone, hours):
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        # `zipped` writes this machine's wall clock.
        put(inbox / "class.zip", zipped({"s01/quiz.ipynb": notebook()}))
        with zipfile.ZipFile(inbox / "class.zip") as archive:
            assert archive.infolist()[0].date_time[3] == (12 + hours) % 24
        collect(course, "quiz", inbox / "class.zip")
        assert received(course) == EARLY
    finally:
        monkeypatch.undo()
        time.tzset()


def test_a_canvas_mark_needs_no_time(course, inbox):
    at_1980 = datetime(1980, 1, 1, tzinfo=UTC)
    files = {"kim_minjun_101_9001_quiz.ipynb": notebook()}
    result = collect(course, "quiz", put(inbox / "a.zip", zipped(files, at_1980)))
    assert "s01  unknown" in str(result) and "as late" not in str(result)
    assert received(course) == DUE and "doesn't say when" not in notes(course)


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("kim_minjun_101_text.html", "text.html"),
        ("kimminjun_LATE_101_link.html", "link.html"),
        ("Minjun Kim_7_assignsubmission_onlinetext_/onlinetext.html", "onlinetext.html"),
        ("quiz_s01_attempt_2025-03-10-12-34-56.txt", "entry.txt"),
    ],
)
def test_what_was_entered_in_the_lms_is_told(course, inbox, name, shown):
    entry = zipped({name: b"<p>my answers</p>"})
    result = collect(course, "quiz", put(inbox / "entry.zip", entry))
    assert [one.student for one in result.taken] == ["s01"]
    assert any("s01 handed in no file" in one for one in result.warnings)
    assert f"{shown}: what you entered in the LMS itself isn't graded" in notes(course)
    # A file after it is taken; another text after that doesn't throw it away.
    put(inbox / "s01/quiz.ipynb", notebook("q1 = 5"), LATER)
    collect(course, "quiz", inbox / "s01" / "..")
    assert answer(course) == "q1 = 5"
    again = zipped({name: b"<p>please look at my file</p>"}, LATER + timedelta(days=1))
    result = collect(course, "quiz", put(inbox.parent / "again.zip", again))
    assert answer(course) == "q1 = 5" and "the file still counts" in result.refused[0]
    assert f"Later, you entered {shown}" in notes(course)


def test_a_text_beside_a_file_is_told(course, inbox):
    files = {
        "Minjun Kim_7_assignsubmission_file_/quiz.ipynb": notebook("q1 = 1"),
        "Minjun Kim_7_assignsubmission_onlinetext_/onlinetext.html": b"hello",
    }
    result = collect(course, "quiz", put(inbox / "quiz.zip", zipped(files)))
    assert answer(course) == "q1 = 1" and not result.warnings
    assert notes(course).count("onlinetext.html") == 1


def test_blackboard_says_when(course, inbox):
    files = {
        "quiz_s01_attempt_2025-03-10-12-34-56.txt": b"Name: Minjun Kim (s01)",
        "quiz_s01_attempt_2025-03-10-12-34-56_quiz.ipynb": notebook("q1 = 1"),
        "quiz_s01_attempt_2025-03-11-12-34-56_quiz.ipynb": notebook("q1 = 2"),
    }
    collect(course, "quiz", put(inbox / "quiz.zip", zipped(files, DUE + timedelta(days=2))))
    local = datetime(2025, 3, 11, 12, 34, 56).astimezone()
    assert answer(course) == "q1 = 2" and received(course) == local


ODD = ["Icon\r", ".DS_Store", "__MACOSX/._quiz.ipynb", "desktop.ini", "Thumbs.db", ".localized"]


@pytest.mark.parametrize("name", ODD, ids=ascii)
def test_what_systems_leave_behind_hurts_nobody(course, inbox, name):
    inner = zipped({"quiz/quiz.ipynb": notebook("q1 = 1"), f"quiz/{name}": b""})
    files = {
        "kimminjun_101_9001_quiz.zip": inner,
        "lovelaceada_102_9002_quiz.ipynb": notebook("q1 = 2"),
        name: b"",
    }
    result = collect(course, "quiz", put(inbox / "class.zip", zipped(files)))
    assert not result.refused and len(result.taken) == 2
    assert (answer(course), answer(course, "s02")) == ("q1 = 1", "q1 = 2")
    assert notes(course) == "quiz/quiz.ipynb was taken as quiz.ipynb."


@pytest.mark.parametrize(
    "name", ["a\nb.csv", "C:\\x.csv", "/x.csv", "../x.csv", "n" * 2000], ids=ascii
)
def test_an_odd_file_in_a_students_own_zip_costs_nothing_else(course, inbox, name):
    inner = zipped({"quiz.ipynb": notebook("q1 = 1"), name: b"x"})
    result = collect(course, "quiz", put(inbox / "s01/work.zip", inner).parent.parent)
    assert not result.refused and answer(course) == "q1 = 1"
    assert "left out" in notes(course)


def test_links_in_a_folder_are_left_out(course, inbox, tmp_path):
    put(inbox / "s01/quiz.ipynb", notebook())
    secret = put(tmp_path / "secret.csv", b"key")
    (inbox / "s01/data.csv").symlink_to(secret)
    (inbox / "s02").symlink_to(tmp_path)
    (inbox / "s03").mkdir()
    (inbox / "s03/quiz.ipynb").symlink_to(put(tmp_path / "x.ipynb", notebook()))
    result = collect(course, "quiz", inbox)
    assert [one.student for one in result.taken] == ["s01"] and "data.csv" in notes(course)
    assert any("links only" in sentence for sentence in result.refused)
    assert b"key" not in everything(course.term).values()


@pytest.mark.parametrize("name", ["S01", "nobody", "s01 ", "s.", "s01-copy"])
def test_unknown_owners_are_left_out(course, inbox, name):
    put(inbox / name / "quiz.ipynb", notebook())
    put(inbox / "s02/quiz.ipynb", notebook())
    result = collect(course, "quiz", inbox)
    assert [one.student for one in result.taken] == ["s02"] and len(result.refused) == 1
