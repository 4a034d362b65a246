"""`collect`, `report`, `term` and `similar` on an ordinary course, as its instructor types them."""

import csv
import shutil

import pytest

from .conftest import OrdinaryCourse, answer, checking, marks, new_code_cell, prose

ANSWER = """def largest(numbers):
    best = numbers[0]
    for place, one in enumerate(numbers):
        if one > best and place > 0:
            best = one
    return best

def collatz(start, limit=100):
    steps = [start]
    while steps[-1] != 1 and len(steps) < limit:
        last = steps[-1]
        steps.append(last // 2 if last % 2 == 0 else 3 * last + 1)
    return {"steps": steps, "peak": max(steps), "even": [s for s in steps if not s % 2]}

def table(rows, width=7):
    lines = []
    for number, (key, value) in enumerate(sorted(rows.items()), 1):
        lines.append(f"{number:>3} {key.ljust(width)} {value:.2f}")
    lines.insert(0, "-" * (width + 12))
    return "\\n".join(lines)"""
OTHER = "def largest(numbers):\n    return sorted(numbers)[-1]"
STRUCTURES = {
    "as-it-comes": (),
    "by-student": (
        'c.CourseDirectory.directory_structure = "{student_id}/{nbgrader_step}/{assignment_id}"',
        'c.CourseDirectory.submitted_directory = "in"',
        'c.CourseDirectory.autograded_directory = "out"',
    ),
}


@pytest.fixture(params=STRUCTURES)
def course(request, ordinary):
    """Two assignments: one of two notebooks that two students handed in, one that nobody got."""
    ordinary.config(*STRUCTURES[request.param])
    by_student = request.param == "by-student"
    written = new_code_cell("# a note", metadata=marks("w1", grade=True, solution=True, points=2))
    parts = {
        "part one": [
            prose("# Extremes"),
            answer("a1", ANSWER),
            checking("t1", "assert largest([1, 2]) == 2"),
        ],
        "two": [answer("a2", "v = 1"), checking("t2", "assert v == 1"), written],
    }
    for assignment in ("ps1", "ps2"):
        for name, cells in parts.items():
            ordinary.source(assignment, name, cells)
    ordinary.run("nbgrader", "generate_assignment", "ps1")
    for student, value in (("ada", "v = 1"), ("bob", "v = 2"), ("cy", "v = 1")):
        ordinary.hand_in(
            student,
            "ps1",
            **{"part one": {"a1": OTHER if student == "bob" else ANSWER}, "two": {"a2": value}},
        )
        if by_student:
            (ordinary.root / student).mkdir()
            shutil.move(ordinary.root / "submitted" / student, ordinary.root / student / "in")
    return ordinary


def say(course, *words, code=0):
    return course.run("autograder", *words, "--course", ".", code=code)


def test_report_term_and_similar(course):
    assert "c.LateSubmissionPlugin.penalty_method" in say(course, "term")
    said = say(course, "report", "ps1")
    assert "0 submitted" in said and "3 missing" not in said
    said = say(course, "similar", "ps1")
    assert "1 pair of similar submissions among 3 students" in said
    page = (course.root / ".autograder/reports/ps1-similar.html").read_text(encoding="utf-8")
    assert "Extremes" in page
    say(course, "grade", "ps1")
    said = say(course, "report", "ps1")
    assert "3 submitted, 0 missing, 0 waiting for manual grading, 0 late" in said
    with (course.root / ".autograder/reports/ps1.csv").open(encoding="utf-8") as file:
        rows = {row["student_id"]: row for row in csv.DictReader(file)}
    assert {name: row["score"] for name, row in rows.items()} == {"ada": "2", "bob": "1", "cy": "2"}
    course.run("nbgrader", "generate_feedback", "ps1")
    say(course, "report", "ps1")
    page = (course.root / ".autograder/reports/ps1.html").read_text(encoding="utf-8")
    assert page.count("Feedback page of") == 6  # two notebooks each
    assert all((course.root / ".autograder/reports" / one).is_file() for one in links(page))
    assert "3 students are in the class list." in say(course, "term")
    assert "ps1 / 4" in say(course, "term", "total")


def links(page):
    return [one.split('"')[0].replace("%20", " ") for one in page.split('href="')[1:]]


def test_students_who_get_time_leave_and_are_renamed(course):
    say(course, "grade", "ps1")
    assert "until Friday 01 January 2027" in say(
        course, "term", "extend", "ps1", "ada", "--until", "2027-01-01"
    )
    assert not (course.root / "release/due.json").exists()
    assert "is it ada?" in say(course, "term", "extend", "ps1", "adda", "--remove", code=2)
    say(course, "term", "section", "A", "ada", "bob")
    say(course, "term", "drop", "cy")
    assert "2 submitted" in say(course, "report", "ps1")
    say(course, "term", "restore", "cy")
    say(course, "term", "rename", "cy", "cyd")
    assert "3 submitted" in say(course, "report", "ps1")
    assert "cyd" in say(course, "grade", "ps1", "--again", "-s", "cyd")
    assert "cyd is another student's id" in say(course, "term", "rename", "bob", "cyd", code=2)


def test_what_is_named_is_what_such_a_course_has(course):
    """Commands of this package's own layout are refused, and never advised."""
    for words, instead in (
        (("collect", "ps1"), "nbgrader collect"),
        (("feedback", "ps1"), "nbgrader generate_feedback"),
        (("release", "ps1"), "nbgrader generate_assignment"),
    ):
        assert instead in say(course, *words, code=2)
    advice = {
        ("grade", "ps2"): "`nbgrader generate_assignment ps2`",
        ("similar", "ps2"): "`nbgrader collect ps2`",
        ("term", "extend", "ps2", "ada", "--until", "2027-01-01"): "generate_assignment ps2`",
    }
    for words, wanted in advice.items():
        said = say(course, *words, code=2)
        assert wanted in said and "`autograder" not in said
    say(course, "term", "page")
    page = (course.root / ".autograder/START.md").read_text(encoding="utf-8")
    assert "Grade what was collected: `autograder grade ps1`" in page
    assert "Release it: `nbgrader generate_assignment ps2`" in page
    for own in ("autograder build", "autograder bundle", "autograder release"):
        assert own not in page
    say(course, "grade", "ps1")
    say(course, "similar", "ps1")
    say(course, "term", "page")
    page = (course.root / ".autograder/START.md").read_text(encoding="utf-8")
    assert "Write the feedback: `nbgrader generate_feedback ps1`" in page
    course.run("nbgrader", "generate_feedback", "ps1")
    say(course, "term", "page")
    page = (course.root / ".autograder/START.md").read_text(encoding="utf-8")
    assert "Return the feedback: `nbgrader release_feedback ps1`" in page
    assert "| 3 | 3 | 0 | 3 / 0 |" in page


def test_collecting_from_the_exchange_of_the_course_that_quickstart_makes(tmp_path):
    (tmp_path / "home").mkdir()
    OrdinaryCourse(tmp_path, tmp_path / "home").run("nbgrader", "quickstart", "cs101")
    course = OrdinaryCourse(tmp_path / "cs101", tmp_path / "home")
    exchange = tmp_path / "exchange"
    exchange.mkdir()
    exchange.chmod(0o777)
    course.config(f"c.Exchange.root = {str(exchange)!r}")
    course.run("nbgrader", "generate_assignment", "ps1")
    say(course, "term", "page")
    course.run("nbgrader", "release_assignment", "ps1")
    desk = OrdinaryCourse(tmp_path / "desk", tmp_path / "home")
    desk.root.mkdir()
    shutil.copy(course.root / "nbgrader_config.py", desk.root)
    desk.run("nbgrader", "fetch_assignment", "ps1")
    desk.run("nbgrader", "submit", "ps1")
    say(course, "term", "page")
    page = (course.root / ".autograder/START.md").read_text(encoding="utf-8")
    assert "0 + 1" in page and "`nbgrader collect ps1`" in page
    course.run("nbgrader", "collect", "ps1")
    (student,) = (one.name for one in (course.root / "submitted").iterdir())
    assert f"{student} " in say(course, "grade", "ps1")
    assert "1 submitted" in say(course, "report", "ps1")
