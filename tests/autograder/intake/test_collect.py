"""Taking submissions in: whose, when, which file, and nothing lost when something goes wrong."""

from __future__ import annotations

import errno
import io
import json
import os
import stat
import subprocess
import unicodedata
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nbformat.v4 import new_code_cell, new_notebook

from autograder.config import Course
from autograder.core import notebook_io
from autograder.core.collection_receipt import find_receipt
from autograder.errors import EnvironmentFault, UserError
from autograder.intake import collect as collecting
from autograder.intake.collect import collect
from autograder.intake.roster import Person, enrol
from autograder.student.submit import submit

EARLY = datetime(2025, 3, 10, 12, 0, 0, tzinfo=UTC)
LATER = datetime(2025, 3, 11, 12, 0, 0, tzinfo=UTC)
DUE = datetime(2025, 3, 14, 18, 0, 0, tzinfo=UTC)
CELLS = ("q1-answer", "q1-test", "q2-answer", "q2-test")


def notebook(answer: str = "q1 = 'A'", cells: tuple[str, ...] = CELLS) -> bytes:
    made = [
        new_code_cell(
            answer if name == "q1-answer" else "",
            id=name,
            metadata={"nbgrader": {"grade_id": name, "solution": name.endswith("answer")}},
        )
        for name in cells
    ]
    return notebook_io.to_bytes(new_notebook(cells=made))


BLANK = notebook("q1 = None")


def put(path: Path, content: bytes, time: datetime = EARLY) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    os.utime(path, (time.timestamp(), time.timestamp()))
    return path


def zipped(files: dict[str, bytes], time: datetime = EARLY, links: tuple[str, ...] = ()) -> bytes:
    target = io.BytesIO()
    local = time.astimezone().timetuple()[:6]
    with zipfile.ZipFile(target, "w") as archive:
        for name, content in files.items():
            info = zipfile.ZipInfo(name, local)
            if name in links:
                info.create_system, info.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
            archive.writestr(info, content)
    return target.getvalue()


@pytest.fixture(scope="session")
def empty_gradebook(tmp_path_factory) -> bytes:
    """A gradebook with the class; making one takes a second, so it is copied."""
    course = Course(tmp_path_factory.mktemp("gradebook"))
    people = [
        Person("s01", "Minjun", "Kim", lms_user_id="101"),
        Person("s02", "Ada", "Lovelace", lms_user_id="102"),
        Person("s03", "서연", "이", lms_user_id="103"),
    ]
    enrol(course, people)
    with course.gradebook() as gradebook:
        gradebook.add_assignment("quiz", duedate=DUE.replace(tzinfo=None))
    return (course.term / "gradebook.db").read_bytes()


@pytest.fixture
def course(tmp_path, empty_gradebook) -> Course:
    root = tmp_path / "course"
    for part in ("source", "release"):
        put(root / part / "en/quiz/quiz.ipynb", BLANK)
        put(root / part / "en/moe/moe.ipynb", notebook("", ("gate", "gate-test")))
        put(root / part / "en/moe/prices.csv", b"1\n")
    put(root / "term/gradebook.db", empty_gradebook)
    return Course(root, exchange=tmp_path / "exchange")


@pytest.fixture
def inbox(tmp_path) -> Path:
    return tmp_path / "in"


def answer(course: Course, student: str = "s01", assignment: str = "quiz") -> str:
    """What now stands in the answer cell that will be graded."""
    path = course.submitted / student / assignment / f"{assignment}.ipynb"
    return notebook_io.read(path).cells[0].source


def notes(course: Course, student: str = "s01", assignment: str = "quiz") -> str:
    return " ".join(n.text() for n in find_receipt(course, student, assignment).notes)


def received(course: Course, student: str = "s01") -> datetime:
    return datetime.fromisoformat(find_receipt(course, student, "quiz").received)


def everything(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "gradebook.db"
    }


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


def test_nbgrader_reads_the_time(course, inbox):
    put(inbox / "s01/quiz.ipynb", notebook())
    collect(course, "quiz", inbox)
    found = course.api().coursedir.get_existing_timestamp(str(course.submitted / "s01/quiz"))
    assert found == EARLY.replace(tzinfo=None)


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


def test_collecting_twice_changes_nothing(course, inbox):
    put(inbox / "s01/quiz.ipynb", notebook("q1 = 1"))
    put(inbox / "s02/quiz.ipynb", b"{")
    collect(course, "quiz", inbox)
    before = everything(course.term)
    result = collect(course, "quiz", inbox)
    assert result.taken == [] and result.unchanged == ["s01", "s02"]
    assert everything(course.term) == before


def test_a_newer_one_replaces_and_the_older_stays(course, inbox):
    put(inbox / "s01/quiz.ipynb", notebook("q1 = 1"))
    collect(course, "quiz", inbox)
    put(inbox / "s01/quiz.ipynb", notebook("q1 = 2"), LATER)
    assert len(collect(course, "quiz", inbox).taken) == 1
    assert answer(course) == "q1 = 2" and "replaces" in notes(course)
    kept = sorted(path.name for path in (course.collected / "s01/quiz").iterdir() if path.is_dir())
    assert kept == ["20250310T120000Z", "20250311T120000Z"]


def test_an_older_one_changes_nothing_but_is_kept(course, inbox):
    put(inbox / "s01/quiz.ipynb", notebook("q1 = 2"), LATER)
    collect(course, "quiz", inbox)
    put(inbox / "s01/quiz.ipynb", notebook("q1 = 1"), EARLY)
    assert collect(course, "quiz", inbox).unchanged == ["s01"]
    assert answer(course) == "q1 = 2" and received(course) == LATER
    before = everything(course.term)
    assert collect(course, "quiz", inbox).unchanged == ["s01"]
    assert everything(course.term) == before
    assert (course.collected / "s01/quiz/20250310T120000Z/quiz.ipynb").is_file()


def test_an_earlier_version_handed_in_again_is_the_newest(course, inbox):
    for number, time in ((1, EARLY), (2, LATER), (1, LATER + timedelta(days=1))):
        put(inbox / "s01/quiz.ipynb", notebook(f"q1 = {number}"), time)
        collect(course, "quiz", inbox)
    assert answer(course) == "q1 = 1" and received(course) == LATER + timedelta(days=1)


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


def test_a_zip_bomb_is_not_unpacked(course, inbox):
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(5):
            archive.writestr(f"{number}.bin", b"0" * 30_000_000)
    put(inbox / "s01/quiz.zip", target.getvalue())
    put(inbox / "s02/quiz.ipynb", notebook())
    result = collect(course, "quiz", inbox)
    assert len(result.taken) == 2 and "could not be unpacked" in notes(course)
    assert sum(path.stat().st_size for path in course.term.rglob("*.bin")) == 0


def test_a_students_zip_is_opened(course, inbox):
    files = {"quiz/quiz.ipynb": notebook("q1 = 7"), "__MACOSX/quiz/._quiz.ipynb": b"\x00"}
    put(inbox / "s01/quiz.zip", zipped(files))
    collect(course, "quiz", inbox)
    assert answer(course) == "q1 = 7"
    assert notes(course) == "quiz/quiz.ipynb was taken as quiz.ipynb."


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


@pytest.mark.parametrize("name", ["Icon\r", "quiz/Icon\r", "__MACOSX/._Icon\r", "._quiz\n.ipynb"])
def test_what_macos_leaves_in_a_students_zip_is_passed_over(course, inbox, name):
    put(inbox / "s01/quiz.zip", zipped({"quiz/quiz.ipynb": notebook("q1 = 3"), name: b""}))
    collect(course, "quiz", inbox)
    assert answer(course) == "q1 = 3" and "unpacked" not in notes(course)


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
    assert received(course) == EARLY


def test_a_canvas_gradebook_as_roster_is_told(course, inbox, tmp_path):
    put(inbox / "s2001/quiz.ipynb", notebook("q1 = 3"))
    roster = put(
        tmp_path / "class.csv",
        (b'Student,ID,SIS User ID,SIS Login ID,Section\n"Kim, Minjun",2001,s2001,m@x.org,S1\n'),
    )
    result = collect(course, "quiz", inbox, roster)
    assert [one.student for one in result.taken] == ["s2001"]
    assert any("class.csv was read as a Canvas gradebook" in one for one in result.warnings)


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


@pytest.mark.parametrize("name", ["S01", "nobody", "s01 ", "s.", "s01-copy"])
def test_unknown_owners_are_left_out(course, inbox, name):
    put(inbox / name / "quiz.ipynb", notebook())
    put(inbox / "s02/quiz.ipynb", notebook())
    result = collect(course, "quiz", inbox)
    assert [one.student for one in result.taken] == ["s02"] and len(result.refused) == 1


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


def test_names_that_clash_or_are_too_long_are_all_kept(course, inbox):
    long = "가" * 80 + ".txt"
    files = {"a": b"1", "a/b": b"2", "A": b"3", long: b"4", "quiz.ipynb": notebook()}
    content = zipped({f"s01/{name}": data for name, data in files.items()})
    collect(course, "quiz", put(inbox / "class.zip", content))
    kept = everything(course.collected / "s01/quiz/20250310T120000Z")
    assert sorted(kept.values()) == sorted(files.values())


@given(st.lists(st.text("aAb/.~", min_size=1, max_size=6), max_size=9))
def test_stored_names_never_clash(names):
    used: set[str] = set()
    safe = ["/".join(p for p in name.split("/") if p not in ("", ".", "..")) for name in names]
    places = [collecting._storable(name, used) for name in safe if name]
    folded = [place.casefold() for place in places]
    assert len(set(folded)) == len(folded)
    parents = {str(p) for place in folded for p in Path(place).parents}
    assert not parents & set(folded)


# nbgrader's exchange


def hand_in(course: Course, student: str, content: bytes, time: datetime, **more: bytes) -> Path:
    stamp = time.strftime("%Y-%m-%d %H:%M:%S.%f %Z")
    folder = course.exchange / f"beyond-prompting/inbound/{student}+quiz+{stamp}+xyz"
    put(folder / "quiz.ipynb", content)
    put(folder / "timestamp.txt", b"2001-01-01 00:00:00 UTC")
    put(folder / "submission_secret.txt", b"key")
    for name, data in more.items():
        put(folder / name, data)
    return folder


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
    monkeypatch.setattr(collecting, "_MOST_LOOKED_AT", 100)
    looked_at = []
    changed = collecting._changed
    monkeypatch.setattr(collecting, "_changed", lambda one: looked_at.append(one) or changed(one))
    result = collect(course, "quiz")
    assert {one.student for one in result.taken} == {"s01", "s02"}
    assert len(looked_at) < 350  # else about 700


def test_a_file_edited_in_place_came_in_when_it_was_edited(course, monkeypatch):
    """Both times of the folder are as nbgrader left them; only the file tells."""
    from autograder.intake import collect as module

    folder = hand_in(course, "s01", notebook("q1 = 1"), EARLY)
    edited = LATER.timestamp()

    def changed(status):
        return datetime.fromtimestamp(
            edited if stat.S_ISREG(status.st_mode) else EARLY.timestamp(), UTC
        )

    monkeypatch.setattr(module, "_changed", changed)
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


# What hostile bytes cost, and that they cost nobody else anything.


def costly_notebooks() -> dict[str, bytes]:
    bad = {"output_type": "x"}
    cell = {"cell_type": "code", "id": "q1-answer", "metadata": {}, "source": "q1 = 9"}

    def made(outputs: int = 0, **metadata: object) -> dict:
        cells = [{**cell, "outputs": [bad] * outputs}]
        return {"nbformat": 4, "nbformat_minor": 5, "metadata": metadata, "cells": cells}

    deep = json.dumps(made(x="DEEP")).replace('"DEEP"', '{"a":' * 600 + "1" + "}" * 600)
    return {
        "outputs": json.dumps(made(600_000)).encode(),
        "objects": json.dumps(made(x=[{}] * 4_500_000)).encode(),
        "deep": deep.encode(),
        "deepest": b'{"nbformat": 4, "cells": ' + b"[" * 5_000_000,
        "lines": json.dumps({**made(), "cells": [{**cell, "source": "\n" * 2_000_000}]}).encode(),
        "code": json.dumps({**made(), "cells": [{**cell, "source": "#" * 19_000_000}]}).encode(),
        "language": json.dumps(made(beyond={"language": "../term/submitted/s01"})).encode(),
        "long language": json.dumps(made(beyond={"language": "x" * 300})).encode(),
    }


@pytest.mark.parametrize("name", sorted(costly_notebooks()))
def test_no_notebook_costs_anybody_else_anything(course, inbox, name):
    put(inbox / "s01/quiz.ipynb", costly_notebooks()[name])
    put(inbox / "s02/quiz.ipynb", notebook("q1 = 2"))
    result = collect(course, "quiz", inbox)
    assert {one.student for one in result.taken} == {"s01", "s02"}
    assert answer(course, "s02") == "q1 = 2"
    # Read for what it says, or the release with a reason; and small either way.
    assert answer(course) == "q1 = 9" or (answer(course) == "q1 = None" and notes(course))
    assert (course.submitted / "s01/quiz/quiz.ipynb").stat().st_size < 100_000


def test_zips_share_what_they_may_hold(course, inbox):
    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("quiz.ipynb", b"0" * 93_000_000)
    for number in range(12):
        put(inbox / f"s01/{number}.zip", bomb.getvalue())
    put(inbox / "s02/quiz.ipynb", notebook("q1 = 2"))
    result = collect(course, "quiz", inbox)
    assert {one.student for one in result.taken} == {"s01", "s02"} and not result.refused
    assert notes(course)


def test_what_is_too_large_is_named_and_the_rest_taken(course, inbox):
    put(inbox / "s01/quiz.ipynb", notebook("q1 = 1"))
    with (inbox / "s01/film.mp4").open("wb") as film:
        film.truncate(200_000_000)
    os.utime(inbox / "s01/film.mp4", (EARLY.timestamp(),) * 2)
    for number in range(600):
        put(inbox / f"s01/{number}.txt", b"x")
    collect(course, "quiz", inbox)
    assert answer(course) == "q1 = 1" and "not taken at all" in notes(course)
    kept = everything(course.collected / "s01/quiz/20250310T120000Z")
    assert "film.mp4" not in kept and len(kept) <= 500 and "quiz.ipynb" in kept


def test_long_names_that_clash_are_kept(course, inbox):
    for name in ("가" * 60, "나" * 60):
        put(inbox / "s01" / name / name / "quiz.ipynb", notebook())
        put(inbox / "s01" / name / f"{name}.txt", b"x")
    deep = "/".join(["ab" * 40] * 12)
    files = {f"s01/{deep}/quiz.ipynb": notebook(), f"s01/{deep.upper()}/QUIZ.ipynb": notebook()}
    put(inbox / "s02/quiz.ipynb", notebook())
    assert len(collect(course, "quiz", inbox).taken) == 2
    zipped_class = put(inbox.parent / "class.zip", zipped(files, LATER))
    assert len(collect(course, "quiz", zipped_class).taken) == 1


MANY = 21_000
"""More files than were once allowed for a whole class."""


def flooded(place: Path) -> None:
    for number in range(MANY):
        (place / f"{number:06}.csv").touch()


def deep(place: Path) -> None:
    """Folders in each other, deeper than a path can name."""
    at = os.open(place, os.O_RDONLY)
    for _depth in range(1_500):
        os.mkdir("ddd", dir_fd=at)
        inner = os.open("ddd", os.O_RDONLY, dir_fd=at)
        os.close(at)
        at = inner
    os.close(at)


def folders(place: Path) -> None:
    for number in range(6_000):
        (place / f"{number:06}").mkdir()


def wide(place: Path) -> None:
    for number in range(70):
        (place / f"{number:06}").mkdir()
        for other in range(300):
            (place / f"{number:06}" / f"{other:06}.csv").touch()


def links(place: Path) -> None:
    for number in range(MANY):
        (place / f"{number:06}").symlink_to("/dev/zero")


FLOODS = (flooded, deep, folders, wide, links)


@pytest.fixture
def emptied(tmp_path):
    """Removes afterwards what is nested too deep for Python to remove."""
    yield
    subprocess.run(["rm", "-rf", *tmp_path.iterdir()], check=True)


@pytest.mark.parametrize("wrapped", ["", "submissions/"])
@pytest.mark.parametrize("flood", FLOODS)
def test_many_files_of_one_student_keep_nobody_out(course, inbox, emptied, flood, wrapped):
    put(inbox / wrapped / "s01/quiz.ipynb", notebook("q1 = 1"))
    put(inbox / wrapped / "s02/zz.ipynb", b"{")
    put(inbox / wrapped / "s02/quiz.ipynb", notebook("q1 = 2"))
    flood(inbox / wrapped / "s02")
    put(inbox / wrapped / "s03/quiz.ipynb", notebook("q1 = 3"))
    result = collect(course, "quiz", inbox)
    assert sorted(one.student for one in result.taken) == ["s01", "s02", "s03"], result.refused
    assert [answer(course, one) for one in ("s01", "s02", "s03")] == ["q1 = 1", "q1 = 2", "q1 = 3"]
    assert len(everything(course.collected / "s02")) < 1_100
    if flood in (flooded, wide):
        assert "not taken" in notes(course, "s02")


@pytest.mark.parametrize("flood", FLOODS)
def test_many_files_in_one_folder_of_the_exchange(course, emptied, flood):
    now = datetime.now(UTC)
    hand_in(course, "s01", notebook("q1 = 1"), now)
    place = hand_in(course, "s02", notebook("q1 = 2"), now)
    flood(place)
    hand_in(course, "s03", notebook("q1 = 3"), now)
    result = collect(course, "quiz")
    assert sorted(one.student for one in result.taken) == ["s01", "s02", "s03"], result.refused
    assert answer(course, "s02") == "q1 = 2"


@pytest.mark.parametrize("wrapped", ["", "submissions/"])
@pytest.mark.parametrize(
    "names",
    [
        "s02/{n:06}.csv",
        "s02/{n:06}/{n}.csv",
        "Ada Lovelace_98_assignsubmission_file_/{n:06}.csv",
        "Ada Lovelace_98_assignsubmission_file_{n:06}.csv",
        "lovelaceada_102_{n}_{n:06}.csv",
    ],
)
def test_many_files_of_one_student_in_a_class_s_zip(course, inbox, names, wrapped):
    files = {"s01/quiz.ipynb": notebook("q1 = 1")}
    for number in range(MANY):
        files[names.format(n=number)] = b""
    files |= {
        names.format(n=MANY).replace(f"{MANY:06}.csv", "quiz.ipynb"): notebook("q1 = 2"),
        "s03/quiz.ipynb": notebook("q1 = 3"),
    }
    put(inbox / "class.zip", zipped({wrapped + name: content for name, content in files.items()}))
    result = collect(course, "quiz", inbox / "class.zip")
    taken = [one.student for one in result.taken]
    assert {"s01", "s03"} <= set(taken), result.refused
    assert answer(course, "s01") == "q1 = 1" and answer(course, "s03") == "q1 = 3"
    if "s02" in taken and "/{n}.csv" not in names:
        assert answer(course, "s02") == "q1 = 2"


def test_names_make_no_lines_and_move_no_cursor(course, inbox):
    forged = "x.txt\n  s02  2025-01-01T00:00:00+00:00  \x1b]52;c;cm0gLXJmIH4=\x07"
    put(inbox / "s01" / forged, b"x")
    put(inbox / "s01/quiz.ipynb", notebook("q1 = 1"))
    put(inbox / "s02/quiz.ipynb", notebook("q1 = 2"))
    put(inbox / "no\x1bbody\ns03/quiz.ipynb", notebook())
    text = str(collect(course, "quiz", inbox))
    assert len(text.splitlines()) == 1 + 2 + 1 and "\x1b" not in text
    assert "\x1b" not in notes(course) and "left out" in notes(course)


def test_a_large_notebook_is_small_once_it_is_collected(course, inbox):
    """What collecting has accepted, no later station may find too large."""
    data = json.loads(notebook("q1 = 3"))
    data["cells"][0]["outputs"] = [
        {"output_type": "stream", "name": "stdout", "text": ["\U0001f600" * 40] * 60_000}
    ]
    content = json.dumps(data, ensure_ascii=False).encode()
    assert 9_000_000 < len(content) < 20_000_000
    put(inbox / "s01/quiz.ipynb", content)
    collect(course, "quiz", inbox)
    assert answer(course) == "q1 = 3" and not notes(course)
    assert (course.submitted / "s01/quiz/quiz.ipynb").stat().st_size < 10_000


def test_nbgraders_own_names_are_read():
    for name, expected in {
        "s01+quiz+2025-03-10 12:00:00.000000 UTC+abc": ("s01", "2025-03-10 12:00:00.000000 UTC"),
        "s01+quiz+2025-03-10 12:00:00 UTC": ("s01", "2025-03-10 12:00:00 UTC"),
        "a+b+quiz+2025-03-10 12:00:00.5 KST+x_-9": ("a+b", "2025-03-10 12:00:00.5 KST"),
        "s01+quiz+2025-03-10 12:00:00 +0900+abc": ("s01", "2025-03-10 12:00:00 +0900"),
        "s01+quiz-2+2025-03-10 12:00:00 UTC": None,
        "s01+quiz+yesterday+abc": None,
        "quiz+2025-03-10 12:00:00 UTC": None,
    }.items():
        assert collecting._inbound_name(name, "quiz") == expected


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
    """Swapped after its owner was looked at: for a link to somebody else's folder, or that itself."""
    victim = hand_in(course, "s02", notebook("q1 = 'of s02'"), EARLY)
    folder = hand_in(course, "s01", notebook("q1 = 'own'"), EARLY)
    listing = collecting.FolderSource.of_one

    def swapped(place, *words):
        if place == folder:
            folder.rename(tmp_path / "away")
            folder.symlink_to(victim) if swap == "link" else victim.rename(folder)
        return listing(place, *words)

    monkeypatch.setattr(collecting.FolderSource, "of_one", swapped)
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


def test_history_changed_by_hand_is_a_sentence(course, inbox):
    put(inbox / "s01/quiz.ipynb", notebook())
    collect(course, "quiz", inbox)
    put(course.collected / "s01/quiz/history.json", json.dumps([1]).encode())
    with pytest.raises(UserError, match="changed by hand"):
        collect(course, "quiz", inbox)
