"""The report counts what a class answered, and links only to pages that are there."""

import json
import re

from autograder.checks import MIME_TYPE
from autograder.config import Course
from autograder.report.answers import count_answers
from autograder.report.gradesheet import GradeSheet, Question, Row
from autograder.report.report import figures, render
from autograder.report.students import StudentLine, StudentTable

QUESTIONS = [
    Question("1", "q1-test", 1.0, False, "Question 1"),
    Question("2", "double-test", 4.0, False, "Double <it>"),
]


def graded(course, student, *records):
    cells = [
        {
            "cell_type": "code",
            "metadata": {"nbgrader": {"grade_id": name}},
            "outputs": [{"output_type": "display_data", "data": {MIME_TYPE: record}}],
        }
        for name, record in records
    ]
    place = course.autograded / student / "quiz" / "quiz.ipynb"
    place.parent.mkdir(parents=True)
    place.write_text(json.dumps({"cells": cells}), encoding="utf-8")


def chosen(option, correct="C"):
    choice = {"question": "q1", "chosen": option, "correct": correct}
    one = {"name": "right", "weight": 1, "passed": option == correct, "choice": choice}
    return "q1-test", {"version": 1, "checks": [one]}


def checked(*passed, unanswered=False):
    checks = [
        {"name": f"check {number}", "weight": 1, "passed": one, "unanswered": unanswered}
        for number, one in enumerate(passed)
    ]
    return "double-test", {"version": 1, "checks": checks}


def sheet(*students):
    rows = [Row(student, submitted=True) for student in students]
    return GradeSheet("quiz", 5.0, QUESTIONS, rows, [], "The quiz")


def test_options_and_checks_are_counted(tmp_path):
    course = Course(tmp_path)
    graded(course, "ada", chosen("C"), checked(True, True))
    graded(course, "ben", chosen("A"), checked(True, False))
    graded(course, "cem", chosen("A"), checked(False, False))
    graded(course, "dan", chosen("B"), checked(False, False, unanswered=True))
    graded(course, "eve", ("q1-test", {"version": 1, "checks": "none"}), ("other", {}))
    (course.autograded / "fay" / "quiz").mkdir(parents=True)
    (course.autograded / "fay" / "quiz" / "quiz.ipynb").write_text("no notebook")
    found = count_answers(course, sheet("ada", "ben", "cem", "dan", "eve", "fay", "gil"))
    (options,) = found.options.values()
    assert (options.title, options.correct, options.answered) == ("Question 1", "C", 4)
    assert options.wrong == {"A": 2, "B": 1}
    assert [(one.name, one.failed, one.judged) for one in found.checks] == [
        ("check 1", 2, 3),
        ("check 0", 1, 3),
    ]
    page = render(sheet("ada"), figures(sheet("ada")), "en", found)
    assert "A: 2 (50%), B: 1 (25%)" in page and "Report: The quiz" in page
    assert "Double &lt;it&gt;" in page and "<it>" not in page


def test_the_students_table_escapes_and_links(tmp_path):
    line = StudentLine("s<1>", "Evil, <b>", 3.0, "2 h 5 min", "graded", ("../a%20b.html",), 7.5)
    missing = StudentLine("s2", "s2", None, "", "missing", (), 0.0)
    table = StudentTable([line, missing], ("quiz", "moe"), 20.0)
    page = render(sheet("ada"), figures(sheet("ada")), "en", None, table)
    assert "Evil, &lt;b&gt;" in page and "s&lt;1&gt;" in page and "<b>" not in page
    assert re.findall(r'href="([^"]*)"', page) == ["../a%20b.html"]
    assert "7.5 / 20" in page and "nothing handed in" in page and "of quiz, moe" in page
    assert page.count("<main>") == 1
