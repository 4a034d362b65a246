"""A term that bends: extensions, late policies, sections, who comes and goes, the course total.

Everything goes through the command and nbgrader's own database.
"""

from __future__ import annotations

import csv
import re
import shutil
import sys
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from autograder import cli
from autograder.authoring.release import release
from autograder.config import Course, Settings
from autograder.core import notebook_io
from autograder.errors import UserError
from autograder.grading.coordinator import grade
from autograder.grading.gradebook_writer import GradebookWriter
from autograder.grading.late_policy import LatePolicy

DAY = 24 * 60 * 60
HERE = Path(__file__).parents[3]


@pytest.fixture
def command(monkeypatch, capsys):
    """Run the command on a course and return what it printed, in this process where it can be."""

    def call(course: Course, *words: str, code: int = 0) -> str:
        monkeypatch.setattr(cli, "out", cli.Console(soft_wrap=True, highlight=False, width=200))
        monkeypatch.setattr(cli, "err", cli.Console(stderr=True, soft_wrap=True, highlight=False))
        argv = ["autograder", *words, "--course", str(course.root)]
        monkeypatch.setattr(sys, "argv", argv)
        capsys.readouterr()
        ended = 0
        try:
            cli.main()
        except SystemExit as stop:
            ended = stop.code or 0
        found = capsys.readouterr()
        assert ended == code, found.out + found.err
        return found.out + found.err

    return call


def configure(course: Course, table: str) -> Course:
    """Let the course's settings say `table` too."""
    own = (HERE / "pyproject.toml").read_text(encoding="utf-8")
    start, end = own.index("[tool.autograder]"), own.index("[tool.autograder.off-limits]")
    (course.root / "pyproject.toml").write_text(own[start:end] + table, encoding="utf-8")
    return Course(course.root, cell_seconds=3)


def penalty(course: Course, student: str) -> float | None:
    with course.gradebook() as book:
        return book.find_submission("mini", student).notebooks[0].late_submission_penalty


def extension(course: Course, student: str) -> timedelta | None:
    with course.gradebook() as book:
        return book.find_submission("mini", student).extension


def due(course: Course, text: str) -> None:
    with course.gradebook() as book:
        book.update_or_create_assignment("mini", duedate=datetime.fromisoformat(text))


def modified(course: Course, student: str) -> int:
    return (course.autograded / student / "mini" / "mini.ipynb").stat().st_mtime_ns


@pytest.mark.parametrize(
    ("seconds", "percent"),
    [
        (1, None),
        (15 * 60, None),
        (15 * 60 + 1, 10),
        (DAY, 10),
        (DAY + 1, 20),
        (4 * DAY, 40),
        (9 * DAY, 45),
    ],
)
def test_a_late_policy_counts_begun_days_after_a_grace_period_up_to_a_cap(seconds, percent):
    policy = LatePolicy(per_day=10, grace_minutes=15, cap=45)
    expected = None if percent is None else pytest.approx(8.0 * percent / 100)
    assert policy.late_submission_penalty("s", 8.0, seconds) == expected


def test_no_policy_costs_nothing_and_leaves_nbgraders_own_plugin(tmp_path):
    assert LatePolicy().late_submission_penalty("s", 8.0, 9 * DAY) is None
    assert "AssignLatePenalties" not in Course(tmp_path).nbgrader_config()


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("late-policy = 3", "table of numbers"),
        ("late-policy = {a-day = 3}", "no key 'a-day'"),
        ("late-policy = {per-day = 101}", "from 0 to 100"),
        ("late-policy = {per-day = '10'}", "can't be '10'"),
        ("late-policy = {grace-minutes = -1}", "0 or more"),
        ("late-policy = {grace-minutes = '5%'}", "0 or more"),
        ("late-policy = {cap = nan}", "from 0 to 100"),
        ("weights = {quiz = true}", "0 or more"),
    ],
)
def test_a_wrong_policy_is_refused_in_a_sentence(tmp_path, table, said):
    (tmp_path / "pyproject.toml").write_text(f"[tool.autograder]\n{table}")
    with pytest.raises(UserError, match=said) as caught:
        Settings.read(tmp_path)
    assert str(caught.value).count("\n") == 0
    (tmp_path / "pyproject.toml").write_text(
        "[tool.autograder]\nlate-policy = {per-day = '12.5 %', cap = 50}"
    )
    assert Settings.read(tmp_path).late_policy == (("per-day", 12.5), ("cap", 50.0))


def test_dates_policies_and_extensions_count_at_the_next_plain_grade(term, kit, command):
    """Handed in 2026-11-20 10:00 UTC; each change shows without `--again`, and nothing runs."""
    for student in ("a", "b"):
        kit.hand_in(term, student, kit.answered(term, **kit.RIGHT))
    due(term, "2026-11-18 12:00")
    term = configure(term, "late-policy = {per-day = '10%'}\n")
    assert [one.score for one in grade(term, "mini")] == [pytest.approx(4.8)] * 2
    before = modified(term, "a")

    said = command(term, "term", "extend", "mini", "a", "--until", "2026-11-19 12:00 UTC")
    assert "a has until Thursday 19 November 2026, 12:00:00 UTC for mini." in said
    assert "autograder grade mini" in said
    assert extension(term, "a") == timedelta(days=1)
    assert [one.score for one in grade(term, "mini")] == [pytest.approx(5.4), pytest.approx(4.8)]

    term = configure(term, "late-policy = {per-day = '50%', cap = 60}\n")
    assert [one.score for one in grade(term, "mini")] == [pytest.approx(3), pytest.approx(2.4)]
    term = configure(term, "")
    assert [one.score for one in grade(term, "mini")] == [6, 6]
    assert penalty(term, "a") is None
    term = configure(term, "late-policy = {per-day = 100}\n")

    # An extension reaches until a moment: a later due date doesn't push it on.
    release(term, "mini", due=datetime.fromisoformat("2026-11-19 00:00+00:00"))
    assert extension(term, "a") == timedelta(hours=12)
    release(term, "mini", due=datetime.fromisoformat("2026-11-20 09:00+00:00"))
    assert extension(term, "a") == timedelta()
    assert [one.score for one in grade(term, "mini")] == [0, 0]
    command(term, "term", "extend", "mini", "a", "--until", "2026-11-20 10:00 UTC")
    assert [one.score for one in grade(term, "mini")] == [6, 0]
    command(term, "term", "extend", "mini", "a", "--remove")
    assert extension(term, "a") is None
    assert [one.score for one in grade(term, "mini")] == [0, 0]
    assert modified(term, "a") == before


def test_an_extension_may_come_before_the_submission(term, kit, command):
    term = configure(term, "late-policy = {per-day = 25}\n")
    due(term, "2026-11-19 12:00")
    with term.gradebook() as book:
        book.add_student("late")
    said = command(term, "term", "extend", "mini", "late", "--until", "2026-11-21 UTC")
    assert "grade" not in said
    with term.gradebook() as book:  # nbgrader sees no submission where there is none
        assert list(book.assignment_submissions("mini")) == []
    for student in ("late", "later"):
        kit.hand_in(term, student, kit.answered(term, **kit.RIGHT))
    scores = {one.student: (one.score, one.late_seconds) for one in grade(term, "mini")}
    assert scores == {"late": (6, 0), "later": (4.5, 22 * 60 * 60)}
    assert "late has until Saturday 21 November 2026, 23:59:59 UTC for mini." in command(
        term, "term"
    )


def test_formgraders_button_knows_extension_and_policy(term, kit, command):
    term = configure(term, "late-policy = {per-day = 25}\n")
    due(term, "2026-11-19 12:00")
    with term.gradebook() as book:
        book.add_student("a")
    command(term, "term", "extend", "mini", "a", "--until", "2026-11-19 13:00 UTC")
    kit.hand_in(term, "a", kit.answered(term, **kit.RIGHT))
    result = term.api().autograde("mini", "a", force=True, create=True)
    assert result["success"], result
    assert extension(term, "a") == timedelta(hours=1)
    assert penalty(term, "a") == pytest.approx(1.5)


def test_a_points_change_by_hand_changes_a_percentage(term, kit):
    term = configure(term, "late-policy = {per-day = 50}\n")
    due(term, "2026-11-20 09:00")
    kit.hand_in(term, "a", kit.answered(term, **kit.RIGHT))
    grade(term, "mini")
    with term.gradebook() as book:
        book.find_grade("a-test", "mini", "mini", "a").manual_score = 0.0
        book.db.commit()
    (one,) = grade(term, "mini")
    assert (one.score, one.penalty) == (2, 2)
    assert "a-test: 0 of 2 points, given by a person" in one.reasons


def test_what_cannot_be_extended_is_a_sentence(term, kit, command):
    due(term, "2026-11-19 12:00")
    kit.hand_in(term, "kim", kit.answered(term))
    for words, said in (
        (["mini", "kin", "--until", "2026-12-01"], r"is it kim\?"),
        (["mini", "../x", "--until", "2026-12-01"], "can't be a student id"),
        (["mini", "kim", "--until", "2026-11-19 11:59 UTC"], "before mini is due"),
        (["nix", "kim", "--until", "2026-12-01"], "no assignment 'nix'"),
        (["mini", "kim"], "--until DATE"),
        (["mini", "kim", "--until", "soon"], "isn't a date"),
    ):
        told = command(term, "term", "extend", *words, code=2)
        assert len(told.strip().splitlines()) == 1
        assert re.search(said, told), told
    assert "has until" not in command(term, "term")


def test_sections_come_with_the_roster_or_by_hand(term, tmp_path, command):
    (tmp_path / "class.csv").write_text("id,last_name,section\na,Ada,Mon\nb,Bo,Mon\nc,Cy,\n")
    said = command(term, "term", "roster", str(tmp_path / "class.csv"))
    assert "3 new to the class list" in said and "section" in said
    command(term, "term", "section", "Tue", "b", "c")
    told = command(term, "term")
    assert "3 students are in the class list." in told
    assert "Section Mon: 1 student." in told and "Section Tue: 2 students." in told
    command(term, "term", "section", "", "c")
    assert "Section Tue: 1 student." in command(term, "term")
    # A list without the column leaves sections as they are.
    (tmp_path / "class.csv").write_text("id,first_name\na,Ada\n")
    command(term, "term", "roster", str(tmp_path / "class.csv"))
    assert "Section Mon: 1 student." in command(term, "term")


def test_who_left_is_not_graded_reported_or_counted_and_can_come_back(term, kit, command):
    for student in ("a", "b"):
        kit.hand_in(term, student, kit.answered(term, **kit.RIGHT))
    grade(term, "mini")
    command(term, "term", "drop", "a")
    assert [one.student for one in grade(term, "mini")] == ["b"]
    assert [one.student for one in grade(term, "mini", ["a"])] == ["a"]  # asked for by name
    assert "1 submitted, 0 missing" in command(term, "report", "mini")
    assert "a" not in [line["student_id"] for line in totals(command, term)]
    assert (term.submitted / "a" / "mini" / "mini.ipynb").is_file()
    assert "Left the course: a." in command(term, "term")
    command(term, "term", "restore", "a")
    assert [one.student for one in grade(term, "mini")] == ["a", "b"]
    assert "2 submitted" in command(term, "report", "mini")


def test_a_renamed_student_keeps_everything_and_is_not_graded_again(term, kit, command):
    kit.hand_in(term, "old", kit.answered(term, **kit.RIGHT))
    due(term, "2026-11-19 12:00")
    grade(term, "mini")
    with term.gradebook() as book:
        student = book.find_student("old")
        student.first_name, student.lms_user_id = "Ada", "77"
        book.find_grade("a-test", "mini", "mini", "old").manual_score = 1.0
        book.db.commit()
    command(term, "term", "extend", "mini", "old", "--until", "2026-11-25 UTC")
    command(term, "term", "section", "Mon", "old")
    before = modified(term, "old")
    command(term, "term", "rename", "old", "new")
    assert not list(term.term.glob("*/old"))
    (one,) = grade(term, "mini")
    assert (one.student, one.score, one.late_seconds) == ("new", 5, 0)
    assert modified(term, "new") == before
    with term.gradebook() as book:
        assert [(s.id, s.first_name, s.lms_user_id) for s in book.students] == [
            ("new", "Ada", "77")
        ]
    assert "new has until" in command(term, "term")
    assert "Section Mon: 1 student." in command(term, "term")


def test_nobody_is_renamed_into_somebody_else(term, kit, command):
    kit.hand_in(term, "a", kit.answered(term, **kit.RIGHT))
    kit.hand_in(term, "b", kit.answered(term))
    assert "b is there already" in command(term, "term", "rename", "a", "b", code=2)
    grade(term, "mini")
    assert "another student's id" in command(term, "term", "rename", "a", "b", code=2)
    assert "no student 'x'" in command(term, "term", "rename", "x", "y", code=2)
    assert "can't be a student id" in command(term, "term", "rename", "a", "../b", code=2)
    assert [one.score for one in grade(term, "mini")] == [6, 0]


def test_a_rename_that_was_interrupted_goes_on(term, kit, command):
    kit.hand_in(term, "old", kit.answered(term, **kit.RIGHT))
    grade(term, "mini")
    (term.autograded / "old").rename(term.autograded / "new")  # killed after the first folder
    command(term, "term", "rename", "old", "new")
    assert not list(term.term.glob("*/old"))
    assert [(one.student, one.score) for one in grade(term, "mini")] == [("new", 6)]


def totals(command, course: Course, *words: str) -> list[dict[str, str]]:
    command(course, "term", "total", *words)
    text = (course.term / "reports" / "course-total.csv").read_text(encoding="utf-8-sig")
    return list(csv.DictReader(text.splitlines()))


@pytest.fixture
def two_assignments(term, kit) -> Course:
    for code in ("en", "ko"):
        other = kit.source_notebook(code)
        notebook_io.write(term.source(code) / "second" / "second.ipynb", other)
    release(term, "second", due=datetime.fromisoformat("2030-01-01 00:00+00:00"))
    due(term, "2026-11-21 12:00")
    return term


def test_the_course_total_counts_what_is_over_by_weight(two_assignments, kit, command):
    course = two_assignments
    kit.hand_in(course, "=a", kit.answered(course, **kit.RIGHT))
    kit.hand_in(course, "b", kit.answered(course, a_answer="a = 42"))
    grade(course, "mini")
    with course.gradebook() as book:
        book.add_student("none")
        book.add_student("later")
    command(course, "term", "extend", "mini", "later", "--until", "2031-01-01")
    found = {line["student_id"]: line for line in totals(command, course)}
    # What isn't due counts for nobody; what is over counts 0 for who has nothing.
    assert {name: line["percent"] for name, line in found.items()} == {
        "'=a": "100",  # no formula in a spreadsheet
        "b": "33.3333",
        "none": "0",
        "later": "",
    }
    assert found["none"]["missing"] == "mini" and found["b"]["second"] == ""

    path = course.submitted / "b" / "second" / "second.ipynb"
    path.parent.mkdir(parents=True)
    shutil.copy(course.release("en") / "second" / "second.ipynb", path)
    grade(course, "second")
    assert {one["student_id"]: one["percent"] for one in totals(command, course)}["b"] == "16.6667"
    weighted = configure(course, "weights = {mini = 30, second = '10%'}\n")
    assert {one["student_id"]: one["percent"] for one in totals(command, weighted)}["b"] == "25"
    command(course, "term", "section", "Mon", "b")
    assert [one["student_id"] for one in totals(command, course, "--section", "Mon")] == ["b"]
    assert "there are: Mon" in command(course, "term", "total", "--section", "Tue", code=2)
    typo = configure(course, "weights = {minni = 30}\n")
    assert "minni, which is no assignment" in command(typo, "term", "total", code=2)


def test_a_gradebook_of_before_is_read_and_gets_its_tables(term, kit, command):
    kit.hand_in(term, "a", kit.answered(term, **kit.RIGHT))
    grade(term, "mini")
    with term.gradebook() as book:
        for name in ("autograder_extension", "autograder_enrollment"):
            from sqlalchemy import text

            book.db.execute(text(f"DROP TABLE {name}"))
        book.db.commit()
    assert "1 submitted" in command(term, "report", "mini")
    assert "1 student" in command(term, "term")
    assert totals(command, term)[0]["percent"] == "100"
    assert [one.score for one in grade(term, "mini")] == [6]


def test_a_failed_change_changes_nothing(term, kit, monkeypatch, command):
    """The tables of ours and nbgrader's columns change together or not at all."""
    from autograder.core import term_records
    from autograder.term import extensions

    kit.hand_in(term, "a", kit.answered(term))
    kit.hand_in(term, "b", kit.answered(term))
    due(term, "2026-11-19 12:00")
    grade(term, "mini")

    def failing(submission, until):
        if submission.student_id == "b":
            raise RuntimeError("no more")
        term_records.align_extension(submission, until)

    monkeypatch.setattr(extensions, "align_extension", failing)
    with pytest.raises(RuntimeError):
        extensions.extend(term, "mini", ["a", "b"], datetime.fromisoformat("2026-12-01 00:00Z"))
    assert extension(term, "a") is None
    assert "has until" not in command(term, "term")


def test_refreshing_twice_changes_nothing(term, kit):
    kit.hand_in(term, "a", kit.answered(term, **kit.RIGHT))
    term = configure(term, "late-policy = {per-day = 10}\n")
    due(term, "2026-11-19 12:00")
    grade(term, "mini")
    before = kit.rows(term)
    with GradebookWriter(term, "mini") as writer:
        writer.refresh_lateness(["a"])
        writer.refresh_lateness(["a"])
    assert kit.rows(term) == before
    assert Path(term.term / "gradebook.db").is_file()
