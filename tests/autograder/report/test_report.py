"""The report and the grade files, from a small gradebook whose figures are worked out by hand."""

import csv
import io
import re
import shutil
from contextlib import contextmanager
from datetime import datetime, timedelta

import pytest
from nbgrader import api
from nbgrader.api import Gradebook
from sqlalchemy import event, insert

from autograder.config import Course
from autograder.errors import UserError
from autograder.report import csv_export
from autograder.report.gradesheet import GradeSheet, Question, Row, grade_sheet
from autograder.report.report import figures, render, report

DUE = datetime(2026, 3, 2, 12, 0)
EVIL = '=HYPERLINK("http://x","<script>alert(1)</script>")'

# student: (late hours, penalty, {cell: (auto, manual, extra, waiting)})
CLASS = {
    "ana": (0, 0, {"q1": (1, None, None), "q2": (2, None, None), "essay": (None, 4, None)}),
    # a person's score beats the machine's, and extra credit comes on top
    "ben": (0, 0, {"q1": (0, 1, 0.5), "q2": (0, None, None), "essay": (None, 2, None)}),
    # late, and the penalty is more than there is
    "cho": (26, 5, {"q1": (1, None, None), "q2": (1, None, None), "essay": (None, 1, None)}),
    # the written answer waits
    "dan": (0, 0, {"q1": (0, None, None), "q2": (0, None, None), "essay": (None, None, None)}),
}


POINTS = (("q1", 1), ("q2", 2), ("essay", 4))


@pytest.fixture(scope="module")
def empty_gradebook(tmp_path_factory):
    """Made once: nbgrader starts another program to stamp a new gradebook, which takes seconds."""
    path = tmp_path_factory.mktemp("gradebook") / "gradebook.db"
    Gradebook(f"sqlite:///{path}", "beyond-prompting").close()
    return path


@pytest.fixture
def course(tmp_path, empty_gradebook):
    made = Course(tmp_path)
    made.term.mkdir()
    shutil.copyfile(empty_gradebook, made.term / "gradebook.db")
    return made


def fill(course, submissions=CLASS, points=POINTS):
    with Gradebook(course.database, course.id) as book:
        book.add_assignment("quiz", duedate=DUE)
        book.add_notebook("quiz", "quiz")
        for name, most in points:
            kind = "markdown" if name == "essay" else "code"
            book.add_grade_cell(name, "quiz", "quiz", max_score=most, cell_type=kind)
        book.add_student("ana", first_name="Ana", last_name="Núñez, Jr.", email="ana@example.org")
        book.add_student("ben", first_name=EVIL, last_name='O"Neil', email="@ben")
        book.add_student("cho", first_name="민준", last_name="조", lms_user_id="4711")
        book.add_student("dan")
        book.add_student("eve", first_name="Eve")  # hands nothing in
        for student, (late, penalty, grades) in submissions.items():
            book.add_submission("quiz", student, timestamp=DUE + timedelta(hours=late))
            notebook = book.find_submission_notebook("quiz", "quiz", student)
            notebook.late_submission_penalty = penalty
            for cell, (auto, manual, extra) in grades.items():
                grade = book.find_grade(cell, "quiz", "quiz", student)
                grade.auto_score, grade.manual_score, grade.extra_credit = auto, manual, extra
                grade.needs_manual_grade = auto is None and manual is None
        book.db.commit()


def read_csv(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode("utf-8"), newline="")))


def test_effective_scores(course):
    fill(course)
    rows = {row.student: row for row in grade_sheet(course, "quiz").rows}
    assert rows["ana"].score == 7
    assert rows["ben"].score == 3.5
    assert rows["cho"].raw == 3
    assert rows["cho"].score == 0
    assert rows["cho"].late_seconds == 26 * 3600
    assert [rows[name].status for name in ("ana", "dan", "eve")] == ["graded", "waiting", "missing"]


def test_the_same_scores_as_nbgraders_own(course):
    fill(course)
    rows = {row.student: row for row in grade_sheet(course, "quiz").rows}
    with Gradebook(course.database, course.id) as book:
        for submission in book.find_assignment("quiz").submissions:
            row = rows[submission.student.id]
            assert row.raw == submission.score
            assert row.penalty == submission.late_submission_penalty
            assert row.late_seconds == submission.total_seconds_late
            assert bool(row.waiting) == submission.needs_manual_grade
        assert grade_sheet(course, "quiz").max_score == book.find_assignment("quiz").max_score


def test_extension_moves_the_due_date(course):
    fill(course)
    with Gradebook(course.database, course.id) as book:
        book.find_submission("quiz", "cho").extension = timedelta(hours=25)
        book.db.commit()
    cho = next(row for row in grade_sheet(course, "quiz").rows if row.student == "cho")
    assert cho.late_seconds == 3600


def test_figures_by_hand(course):
    fill(course)
    found = figures(grade_sheet(course, "quiz"))
    assert (found.submitted, found.missing, found.waiting, found.late) == (4, 1, 1, 1)
    assert found.mean == (7 + 3.5 + 0 + 0) / 4
    assert found.median == 1.75
    assert found.bins == [2, 0, 0, 0, 0, 1, 0, 0, 0, 1]  # 0, 0, 50 % and 100 %
    by_name = {one.question.name: one for one in found.questions}
    # q1: 1, 1.5, 1, 0; the rest is q2 alone, since the essay waits for dan: 2, 0, 1, 0.
    # r = Σ(x−0.875)(y−0.75) / √(Σ(x−0.875)² Σ(y−0.75)²) = 0.375 / √(1.1875 · 2.75)
    assert by_name["q1"].mean == 0.875
    assert by_name["q1"].discrimination == pytest.approx(0.375 / (1.1875 * 2.75) ** 0.5)
    assert by_name["q1"].below_full == 1
    # essay: 4, 2, 1 with rests 3, 1.5, 2: means 7/3 and 13/6
    pairs = [(4, 3), (2, 1.5), (1, 2)]
    sxy = sum((x - 7 / 3) * (y - 13 / 6) for x, y in pairs)
    sxx, syy = sum((x - 7 / 3) ** 2 for x, _ in pairs), sum((y - 13 / 6) ** 2 for _, y in pairs)
    assert by_name["essay"].answered == 3
    assert by_name["essay"].waiting == 1
    assert by_name["essay"].mean == pytest.approx(7 / 3)
    assert by_name["essay"].discrimination == pytest.approx(sxy / (sxx * syy) ** 0.5)
    assert [one.question.name for one in found.most_missed] == ["q2", "essay", "q1"]


def test_collected_but_never_graded(course):
    fill(course)
    (course.submitted / "eve" / "quiz").mkdir(parents=True)
    (course.submitted / "fay" / "quiz").mkdir(parents=True)
    sheet = grade_sheet(course, "quiz")
    assert sheet.collected == ["eve", "fay"]
    assert figures(sheet).missing == 0


def test_questions_follow_the_notebook(course):
    import nbformat

    fill(course)
    cells = [
        nbformat.v4.new_code_cell(metadata={"nbgrader": {"grade_id": name}})
        for name in ("q2", "q1", "essay")
    ]
    place = course.source("en") / "quiz"
    place.mkdir(parents=True)
    nbformat.write(nbformat.v4.new_notebook(cells=cells), place / "quiz.ipynb")
    names = [question.name for question in grade_sheet(course, "quiz").questions]
    assert names == ["q2", "q1", "essay"]


def test_page(course, tmp_path):
    fill(course)
    result = report(course, "quiz", out=tmp_path / "out")
    page = result.html.read_text(encoding="utf-8")
    assert "NaN" not in page
    assert "<script" not in page
    assert not re.search(r"""(src|href)\s*=|url\(|@import""", page), "nothing from elsewhere"
    assert 'role="img"' in page
    assert "<title id=" in page
    assert "q2" in page
    # the picture's numbers also stand in a table
    assert '<th scope="row">90–100</th><td>1</td>' in page


def test_names_in_the_page_are_escaped(course):
    fill(course, {"ana": (0, 0, {})}, points=(("<b>q</b>", 1),))
    page = report(course, "quiz").html.read_text(encoding="utf-8")
    assert "<b>q</b>" not in page
    assert "&lt;b&gt;q" in page


def test_nobody_submitted(course):
    fill(course, {})
    result = report(course, "quiz")
    page = result.html.read_text(encoding="utf-8")
    assert "NaN" not in page
    assert "None" not in page
    assert result.figures.mean is None
    assert "–" in page
    assert "Nothing has been graded yet." in page


def test_language_is_put_back(course):
    from beyond.locale import language

    fill(course)
    page = report(course, "quiz", language="ko").html.read_text(encoding="utf-8")
    assert '<html lang="ko">' in page
    assert language() == "en"


def test_unknown_language_and_assignment(course):
    fill(course)
    with pytest.raises(UserError, match="no language 'xx'"):
        report(course, "quiz", language="xx")
    with pytest.raises(UserError, match="no assignment 'moe'"):
        report(course, "moe")
    assert not (course.term / "reports").exists()


def test_full_csv(course):
    fill(course)
    result = report(course, "quiz")
    content = result.csv.read_bytes()
    assert b"\r\n" in content
    assert b"\n" not in content.replace(b"\r\n", b"")
    lines = {line["student_id"]: line for line in read_csv(content)}
    assert set(lines) == {"ana", "ben", "cho", "dan", "eve"}
    assert lines["ana"]["last_name"] == "Núñez, Jr."
    assert lines["ana"]["score"] == "7"
    assert lines["ben"]["last_name"] == 'O"Neil'
    assert lines["ben"]["q1"] == "1.5"
    assert (lines["cho"]["score"], lines["cho"]["penalty"]) == ("0", "5")
    assert lines["cho"]["late_seconds"] == "93600"
    assert lines["cho"]["first_name"] == "민준"
    assert (lines["dan"]["status"], lines["dan"]["essay"], lines["dan"]["score"]) == (
        "waiting",
        "",
        "0",
    )
    eve = lines["eve"]
    assert (eve["status"], eve["score"], eve["q1"]) == ("missing", "", "")


def test_excel_gets_its_mark(course):
    fill(course)
    assert report(course, "quiz", excel=True).csv.read_bytes().startswith(csv_export.BOM)
    assert not report(course, "quiz").csv.read_bytes().startswith(csv_export.BOM)


def test_no_cell_is_a_formula(course):
    fill(course)
    result = report(course, "quiz")
    for path in (result.csv, result.canvas, result.moodle):
        for line in csv.reader(io.StringIO(path.read_text(encoding="utf-8"), newline="")):
            assert not [cell for cell in line if cell.lstrip().startswith(("=", "+", "-", "@"))]


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("Kim", "Kim"),
        ("O'Brien-Smith", "O'Brien-Smith"),
        ("ana@example.org", "ana@example.org"),
        ("=1+1", "'=1+1"),
        ("+82 10", "'+82 10"),
        ("-x", "'-x"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("＝1", "'＝1"),
        ("  =1", "  '=1"),
        ("\t=1", " '=1"),
        ("a\r\n=1", "a  =1"),  # one line, so it no longer starts a cell
        ("x;=1", "x;'=1"),  # a spreadsheet that splits at semicolons
        ("x,=1", "x,'=1"),
        ("nul\x00", "nul "),
    ],
)
def test_disarmed(text, safe):
    assert csv_export.escape_formulas(text) == safe


def test_canvas_layout(course):
    fill(course)
    lines = list(csv.reader(io.StringIO(report(course, "quiz").canvas.read_text("utf-8"))))
    assert lines[0] == ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", "quiz"]
    assert lines[1] == ["    Points Possible", "", "", "", "", "7"]
    people = {line[2]: line for line in lines[2:]}
    assert set(people) == {"ana", "ben", "cho"}, "neither those who wait nor those missing"
    assert people["cho"] == ["조, 민준", "4711", "cho", "cho", "", "0"]
    assert people["ana"][0] == "Núñez, Jr., Ana"


def test_moodle_layout(course):
    fill(course)
    lines = read_csv(report(course, "quiz").moodle.read_bytes())
    assert list(lines[0]) == ["ID number", "Email address", "quiz"]
    people = {line["ID number"]: line for line in lines}
    assert people["ana"]["Email address"] == "ana@example.org"
    assert people["4711"]["quiz"] == "0"


def enroll(course, students):
    """A class of any size, quickly: two questions, every second student right."""
    with Gradebook(course.database, course.id) as book, book.db.no_autoflush:
        book.add_assignment("quiz")
        book.add_notebook("quiz", "quiz")
        cells = [
            book.add_grade_cell(name, "quiz", "quiz", max_score=1, cell_type="code").id
            for name in ("q1", "q2")
        ]
        assignment = book.find_assignment("quiz")
        source_notebook = assignment.notebooks[0].id
        names = [f"s{number}" for number in range(students)]
        for model, rows in (
            (api.Student, [{"id": name} for name in names]),
            (
                api.SubmittedAssignment,
                [
                    {"id": name, "student_id": name, "assignment_id": assignment.id}
                    for name in names
                ],
            ),
            (
                api.SubmittedNotebook,
                [
                    {"id": name, "assignment_id": name, "notebook_id": source_notebook}
                    for name in names
                ],
            ),
            (
                api.Grade,
                [
                    {
                        "id": f"{name}-{cell}"[:32],
                        "notebook_id": name,
                        "cell_id": cell,
                        "auto_score": number % 2,
                        "needs_manual_grade": False,
                    }
                    for number, name in enumerate(names)
                    for cell in cells
                ],
            ),
        ):
            book.db.execute(insert(model.__table__), rows)
        book.db.commit()


@pytest.mark.parametrize("students", [4, 2000])
def test_the_queries_do_not_grow_with_the_class(course, monkeypatch, students):
    enroll(course, students)
    seen = []
    opened = Course.gradebook

    @contextmanager
    def counting(self):
        with opened(self) as book:
            event.listen(book.engine, "before_cursor_execute", lambda *call: seen.append(call[2]))
            yield book

    monkeypatch.setattr(Course, "gradebook", counting)
    sheet = grade_sheet(course, "quiz")
    assert len(sheet.submitted) == students
    assert figures(sheet).questions[0].discrimination == pytest.approx(1)
    assert len(seen) == 8


CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


@pytest.mark.skipif(CHROMIUM is None, reason="needs chromium")
@pytest.mark.parametrize("questions", [3, 20, 60])
def test_one_page_in_a_browser(tmp_path, questions):
    """Printed it is one page of A4, and opened it asks for nothing and reports no error."""
    sync_api = pytest.importorskip("playwright.sync_api")
    asked = [Question(f"k{n}", f"q{n}-a-rather-long-name", 1.0, False) for n in range(questions)]
    rows = [
        Row(
            f"s{n}",
            submitted=True,
            raw=float(n),
            late_seconds=9.0 * (n % 2),
            scores={one.key: float(n % (place + 2) == 0) for place, one in enumerate(asked)},
        )
        for n in range(30)
    ]
    sheet = GradeSheet("cost-formula", float(questions), asked, rows, ["x"])
    place = tmp_path / "page.html"
    place.write_text(render(sheet, figures(sheet), "en"), encoding="utf-8")
    said, requests = [], []
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page()
        page.on("console", lambda message: said.append(message.text))
        page.on("request", lambda request: requests.append(request.url))
        page.goto(place.as_uri())
        assert page.get_by_role("img", name="Histogram of the scores").is_visible()
        printed = page.pdf(prefer_css_page_size=True, print_background=True)
        browser.close()
    assert re.search(rb"/Type /Pages\s/Count (\d+)", printed).group(1) == b"1"
    assert said == []
    assert requests == [place.as_uri()]


def test_gradebook_in_use(course):
    import sqlite3

    fill(course)
    connection = sqlite3.connect(course.term / "gradebook.db")
    connection.execute("BEGIN EXCLUSIVE")
    try:
        with pytest.raises(UserError, match="in use"):
            report(course, "quiz")
    finally:
        connection.close()
