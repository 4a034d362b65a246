"""Collecting from nbgrader's exchange: whose, and when it came in."""

from __future__ import annotations

import os
import shutil
import stat
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from autograder.config import Course
from autograder.core.printable import one_line
from autograder.intake import exchange
from autograder.intake.collect import collect
from autograder.student.submit import submit
from autograder.term.students import rename
from tests.autograder.intake.class_files import (
    BLANK,
    EARLY,
    LATER,
    answer,
    everything,
    hand_in,
    notebook,
    notes,
    put,
    received,
)


@pytest.fixture
def course(quiz_course: Course) -> Course:
    return quiz_course


def test_the_exchange(course):
    now = datetime.now(UTC)
    earlier, later = now - timedelta(seconds=40), now - timedelta(seconds=20)
    hand_in(course, "s01", notebook("q1 = 1"), earlier)
    hand_in(course, "s01", notebook("q1 = 2"), later)
    hand_in(course, "newone", notebook("q1 = 3"), earlier)
    result = collect(course, "quiz")
    assert {one.student for one in result.taken} == {"s01", "newone"}
    assert answer(course) == "q1 = 2" and received(course) == later.replace(microsecond=0)
    folder = course.submitted / "s01/quiz"
    stamp = later.strftime("%Y-%m-%d %H:%M:%S.%f %Z")
    assert (folder / "timestamp.txt").read_text() == stamp  # to the letter
    assert (folder / "submission_secret.txt").read_bytes() == b"key"
    assert any("newone wasn't in the class list" in sentence for sentence in result.warnings)
    assert len(result.warnings) == 1
    assert collect(course, "quiz").unchanged == ["newone", "s01"]


def test_a_folders_name_does_not_say_when_it_came_in(course):
    folder = hand_in(course, "s01", notebook("q1 = 1"), EARLY)
    for path in (folder / "quiz.ipynb", folder):
        os.utime(path, (EARLY.timestamp(), EARLY.timestamp()))
    before = datetime.now(UTC) - timedelta(minutes=1)
    result = collect(course, "quiz")
    assert received(course) > before
    [told] = result.warnings
    assert told.startswith("s01: the exchange says 2025-03-10 12:00 UTC") and "--received" in told
    written = (course.submitted / "s01/quiz/timestamp.txt").read_text()
    assert not written.startswith("2025")
    assert collect(course, "quiz", received=EARLY).taken and received(course) == EARLY


def test_many_folders_in_the_exchange_are_looked_at_only_so_much(course, monkeypatch):
    now = datetime.now(UTC)
    hand_in(course, "s01", notebook("q1 = 1"), now)
    for number in range(30):
        place = hand_in(course, "s02", notebook(f"q1 = {number}"), now + timedelta(seconds=number))
        for other in range(20):
            put(place / f"{other}.csv", b"1")
    monkeypatch.setattr(exchange, "_MAX_LOOKED_AT", 100)
    looked_at = []
    changed = exchange._changed
    monkeypatch.setattr(exchange, "_changed", lambda one: looked_at.append(one) or changed(one))
    result = collect(course, "quiz")
    assert {one.student for one in result.taken} == {"s01", "s02"}
    assert len(looked_at) < 350  # else about 700


def test_a_file_edited_in_place_came_in_when_it_was_edited(course, monkeypatch):
    """Both times of the folder are as nbgrader left them; only the file tells."""

    folder = hand_in(course, "s01", notebook("q1 = 1"), EARLY)
    edited = LATER.timestamp()

    def changed(status):
        return datetime.fromtimestamp(
            edited if stat.S_ISREG(status.st_mode) else EARLY.timestamp(), UTC
        )

    monkeypatch.setattr(exchange, "_changed", changed)
    result = collect(course, "quiz")
    assert received(course) == LATER and len(result.warnings) == 1
    assert folder.exists()


def test_the_future_is_no_time_to_hand_in(course):
    hand_in(course, "s01", notebook("q1 = 1"), datetime.now(UTC) + timedelta(days=9))
    collect(course, "quiz")
    assert received(course) <= datetime.now(UTC)


@pytest.mark.parametrize("kind", ["huge", "link", "pipe", "binary"])
def test_nbgraders_two_files_may_be_anything(course, tmp_path, kind):
    folder = hand_in(course, "s01", notebook("q1 = 1"), datetime.now(UTC))
    for name in ("timestamp.txt", "submission_secret.txt"):
        path = folder / name
        path.unlink()
        if kind == "huge":
            path.write_bytes(b"x" * 10_001)
        elif kind == "link":
            path.symlink_to(put(tmp_path / "key", b"secret"))
        elif kind == "pipe":
            os.mkfifo(path)
        else:
            path.write_bytes(b"\xff\x00\n")
    hand_in(course, "s02", notebook("q1 = 2"), datetime.now(UTC))
    assert {one.student for one in collect(course, "quiz").taken} == {"s01", "s02"}
    assert not (course.submitted / "s01/quiz/submission_secret.txt").exists()
    assert b"secret" not in everything(course.term).values()


def test_nbgraders_own_names_are_read():
    for name, expected in {
        "s01+quiz+2025-03-10 12:00:00.000000 UTC+abc": ("s01", "2025-03-10 12:00:00.000000 UTC"),
        "s01+quiz+2025-03-10 12:00:00 UTC": ("s01", "2025-03-10 12:00:00 UTC"),
        "a+b+quiz+2025-03-10 12:00:00.5 KST+x_-9": ("a+b", "2025-03-10 12:00:00.5 KST"),
        "s01+quiz+2025-03-10 12:00:00 +0900+abc": ("s01", "2025-03-10 12:00:00 +0900"),
        "s01+quiz+2025-03-10 12:00:00.5 -03+abc": ("s01", "2025-03-10 12:00:00.5 -03"),
        "s01+quiz+2025-03-10 12:00:00 +0545": ("s01", "2025-03-10 12:00:00 +0545"),
        "s01+quiz+2025-03-10T12:00:00+09:00+abc": ("s01", "2025-03-10T12:00:00+09:00"),
        "s01+quiz-2+2025-03-10 12:00:00 UTC": None,
        "s01+quiz+yesterday+abc": None,
        "quiz+2025-03-10 12:00:00 UTC": None,
    }.items():
        assert exchange._inbound_name(name, "quiz") == expected


@pytest.mark.parametrize(
    ("zone", "written"),
    [
        ("America/Sao_Paulo", "-03"),
        ("Asia/Kathmandu", "+0545"),
        ("Asia/Seoul", "KST"),
        ("Asia/Dubai", "+04"),
        ("Europe/Berlin", None),  # CET or CEST
        ("America/New_York", None),
        ("Australia/Adelaide", None),
    ],
)
def test_a_zone_that_nbgrader_was_told(course, zone, written):
    """The setting `Exchange.timezone` writes what the zone calls itself into the folder's name."""
    now = datetime.now(ZoneInfo(zone)) - timedelta(seconds=20)
    assert written in (None, now.tzname())
    hand_in(course, "s01", notebook("q1 = 1"), now)
    result = collect(course, "quiz")
    assert not result.refused and not result.warnings
    assert received(course) == now.replace(microsecond=0)
    # Formgrader reads this file by nbgrader's own function.
    found = course.api().coursedir.get_existing_timestamp(str(course.submitted / "s01/quiz"))
    assert found == now.astimezone(UTC).replace(tzinfo=None)


@pytest.mark.parametrize("form", ["%Y-%m-%d %H:%M:%S %z", "%Y-%m-%dT%H:%M:%S%z"])
def test_a_time_that_nbgrader_was_told_to_write_otherwise(course, form):
    now = datetime.now(ZoneInfo("Asia/Seoul")) - timedelta(seconds=20)
    folder = hand_in(course, "s01", notebook("q1 = 1"), now)
    folder.rename(folder.with_name(f"s01+quiz+{now.strftime(form)}+abc_-1"))
    assert not collect(course, "quiz").warnings and received(course) == now.replace(microsecond=0)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("s01+quiz+2025-03-10 12:00:00 IST+abc", "IST could be several"),
        ("s01+quiz+2025-03-10 12:00:00 CST", "CST could be several"),
        ("s01+quiz+2025-03-10 12:00:00 XYZ", "'XYZ' is unknown"),
        ("s01+quiz+2025-13-10 12:00:00 UTC", "no such day"),
        ("s01+quiz+2025-03-10 12:61:00 UTC", "no such time"),
        ("s01+quiz+yesterday+abc", "can't be read as"),
        ("s01+quiz", "can't be read as"),
        ("quiz+2025-03-10 12:00:00 UTC", "can't be read as"),
        ("s01+QUIZ+2025-03-10 12:00:00 UTC", "can't be read as"),
        ("s01 quiz.zip", "can't be read as"),
        ("s01+quiz+2025-03-10 12:00:00 UTC+a+b", "can't be read as"),
    ],
)
def test_what_names_the_assignment_is_never_passed_over(course, name, why):
    hand_in(course, "s02", notebook("q1 = 2"), datetime.now(UTC))
    inbound = course.exchange / "beyond-prompting/inbound"
    put(inbound / name / "quiz.ipynb", notebook("q1 = 1"))
    result = collect(course, "quiz")
    assert [one.student for one in result.taken] == ["s02"]
    [told] = result.refused
    assert told.startswith(name) and why in told


@pytest.mark.parametrize(
    "name", ["s01+quiz-2+2025-03-10 12:00:00 UTC", "s01+moe+2025-03-10 12:00:00 KST", ".quiz"]
)
def test_what_is_another_assignments_is_passed_over(course, name):
    hand_in(course, "s02", notebook("q1 = 2"), datetime.now(UTC))
    put(course.exchange / "beyond-prompting/inbound" / name / "quiz.ipynb", notebook("q1 = 1"))
    assert not collect(course, "quiz").refused


def test_an_abbreviation_means_what_the_course_means_by_it(course):
    own = replace(course, settings=replace(course.settings, time_zone="Asia/Kolkata"))
    now = datetime.now(ZoneInfo("Asia/Kolkata")) - timedelta(seconds=20)
    hand_in(own, "s01", notebook("q1 = 1"), now)
    result = collect(own, "quiz")
    assert not result.refused and received(own) == now.replace(microsecond=0)


@pytest.mark.skipif(not hasattr(os, "chown") or os.getuid() != 0, reason="needs another owner")
def test_the_wrong_owner_is_refused(course):
    folder = hand_in(course, "s01", notebook(), EARLY)
    os.chown(folder, 65_534, 65_534)
    hand_in(course, "s02", notebook(), EARLY)
    result = collect(course, "quiz")
    assert [one.student for one in result.taken] == ["s02"]
    assert "claims to be of s01 but belongs to" in result.refused[0]


def test_the_wrong_owner_is_refused_without_root(course, monkeypatch):
    hand_in(course, "s01", notebook(), EARLY)
    uid = os.getuid()
    monkeypatch.setattr(os, "getuid", lambda: uid + 1)
    result = collect(course, "quiz")
    assert not result.taken and "claims to be of s01" in result.refused[0]
    import pwd

    name = pwd.getpwuid(uid).pw_name
    hand_in(course, name, notebook(), EARLY)
    assert [one.student for one in collect(course, "quiz").taken] == [name]


def test_a_link_in_place_of_a_folder_is_refused(course, tmp_path):
    folder = hand_in(course, "s01", notebook(), EARLY)
    folder.rename(tmp_path / "elsewhere")
    folder.symlink_to(tmp_path / "elsewhere")
    (tmp_path / "key").write_bytes(b"secret")
    other = hand_in(course, "s02", notebook(), EARLY)
    (other / "data.csv").symlink_to(tmp_path / "key")
    result = collect(course, "quiz")
    assert [one.student for one in result.taken] == ["s02"] and len(result.refused) == 1
    assert "data.csv" in notes(course, "s02")
    assert b"secret" not in everything(course.term).values()


@pytest.mark.parametrize("swap", ["link", "folder"])
def test_another_folder_that_takes_its_place_is_not_read(course, tmp_path, monkeypatch, swap):
    """Swapped after its owner was checked: for a link to another's folder, or that itself."""
    victim = hand_in(course, "s02", notebook("q1 = 'of s02'"), EARLY)
    folder = hand_in(course, "s01", notebook("q1 = 'own'"), EARLY)
    listing = exchange.FolderSource.of_student

    def swapped(place, *words):
        if place == folder:
            folder.rename(tmp_path / "away")
            folder.symlink_to(victim) if swap == "link" else victim.rename(folder)
        return listing(place, *words)

    monkeypatch.setattr(exchange.FolderSource, "of_student", swapped)
    collect(course, "quiz")
    assert b"of s02" not in b"".join(
        content for name, content in everything(course.term).items() if "s02" not in name
    )


@pytest.mark.parametrize(
    "student", [b"x\xff", b"s01\xe2\x80\x8b", b"s01\xe2\x80\xae", b"\xed\xa0\x80", b"s\xc2\x8501"]
)
def test_a_name_that_is_no_text_stops_nobody(course, student):
    hand_in(course, os.fsdecode(student), notebook(), EARLY)
    hand_in(course, "s02", notebook(), EARLY)
    result = collect(course, "quiz")
    assert [one.student for one in result.taken] == ["s02"]
    assert len(result.refused) == 1 and not result.warnings[1:]
    str(result).encode()


@pytest.mark.parametrize("end", [b"\xff", b"\xed\xa0\x80", b"\x1b[2J", b"a\nb", b"\xe2\x80\xae"])
def test_a_random_part_that_is_no_text_stops_nobody(course, end):
    honest = hand_in(course, "s02", notebook(), EARLY)
    name = os.fsencode(honest.name).replace(b"s02+", b"s01+", 1) + end
    shutil.copytree(honest, honest.parent / os.fsdecode(name))
    result = collect(course, "quiz")
    assert [one.student for one in result.taken] == ["s02"]
    [refused] = result.refused
    assert "hand in again" in refused and one_line(refused) == refused


def test_what_was_taken_of_a_renamed_student_enrolls_nobody(course):
    now = datetime.now(UTC)
    hand_in(course, "s01", notebook("q1 = 1"), now)
    collect(course, "quiz")
    rename(course, "s01", "s09")
    result = collect(course, "quiz")
    assert not result.taken and "before s01 was renamed" in result.warnings[0]
    with course.gradebook() as gradebook:
        assert "s01" not in [student.id for student in gradebook.students]
    hand_in(course, "s01", notebook("q1 = 2"), now + timedelta(milliseconds=1))
    result = collect(course, "quiz")
    assert not result.taken and "s01 is called s09 now" in result.refused[0]
    with course.gradebook() as gradebook:
        assert "s01" not in [student.id for student in gradebook.students]
        gradebook.add_student("s01")  # somebody else, whom the instructor has put into the class
    assert [one.student for one in collect(course, "quiz").taken] == ["s01"]


def test_what_was_submitted_here_is_collected_here(course, tmp_path, monkeypatch):
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "jupyter"))
    put(course.exchange / "beyond-prompting/outbound/quiz/quiz.ipynb", BLANK)
    inbound = course.exchange / "beyond-prompting/inbound"
    inbound.mkdir()
    course.exchange.chmod(0o777)
    submit(put(tmp_path / "quiz (1).ipynb", notebook("q1 = 5")), "s01", course, exchange=True)
    result = collect(course, "quiz")
    assert answer(course) == "q1 = 5" and not result.refused and not result.warnings
    assert notes(course) == ""


def test_a_thousand_files_do_not_cost_a_student_the_feedback(course):
    folder = hand_in(course, "s01", notebook("q1 = 1"), datetime.now(UTC))
    for number in range(1_200):
        put(folder / f"{number}.txt", b"1")
    result = collect(course, "quiz")
    assert answer(course) == "q1 = 1" and len(result.taken) == 1
    assert (course.submitted / "s01/quiz/submission_secret.txt").read_bytes() == b"key"
