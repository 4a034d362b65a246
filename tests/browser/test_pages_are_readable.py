"""The feedback page, the report and the similar submissions are read on a phone, in the dark, and by a screen reader."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from autograder.checks import MIME_TYPE
from autograder.feedback.grades import CellGrade, Grades
from autograder.feedback.job import PageJob, whole_page
from autograder.feedback.plan import PagePlan
from autograder.report.answers import AnswerCounts, CheckCount, ChosenOptions
from autograder.report.gradesheet import GradeSheet, Question, Row
from autograder.report.report import figures, render
from autograder.report.students import StudentLine, StudentTable
from autograder.similarity import compare
from autograder.similarity import page as similar_page

pytest.importorskip("playwright.sync_api")
axe = pytest.importorskip("axe_playwright_python.sync_playwright")

RECEIVED = datetime(2026, 3, 10, 23, 30)
LONG = "x = 1\n" * 60
CODE = '@wraps\nclass A(B):\n    """text"""\n    # why\n    def f(self, n=1.5): return not len(n)\n'


def meta(name, *, solution=False, points=None):
    about = {"grade": points is not None, "grade_id": name, "locked": not solution}
    return {"nbgrader": {**about, "solution": solution, "points": points, "schema_version": 3}}


def quiz(wrong=4, questions=16):
    """A graded quiz with some mistakes, and a function whose checks compare calls."""
    cells = [new_markdown_cell("# The quiz\n\nSixteen questions.", id="title")]
    points = {}
    for number in range(1, questions + 1):
        name, chosen = f"q{number}-test", "A" if number <= wrong else "B"
        choice = {"question": f"q{number}", "chosen": chosen, "correct": "B"}
        check = {"name": "right", "weight": 1, "passed": chosen == "B", "choice": choice}
        record = {"version": 1, "checks": [{**check, "hidden": True, "message": ""}]}
        asked = f"## Question {number}\n\n" + "A long question. " * 20
        cells += [
            new_markdown_cell(asked, id=f"q{number}"),
            new_code_cell(
                f'a = "{chosen}"', id=f"a{number}", metadata=meta(f"a{number}", solution=True)
            ),
            new_code_cell(
                "report()",
                id=name,
                metadata=meta(name, points=1),
                outputs=[new_output("display_data", data={MIME_TYPE: record})],
            ),
        ]
        points[name] = CellGrade(float(chosen == "B"), 1.0, False, False)
    details = {"call": "f(1)", "returned": "'<b>'", "expected": "2", "remark": "", "hint": "Add."}
    failed = {"name": "it adds", "weight": 1, "passed": False, "message": "m", "details": details}
    record = {"version": 1, "checks": [failed, {"name": "it runs", "weight": 1, "passed": True}]}
    wide = "<table><tr>" + "<td>a_rather_long_word_in_a_wide_table</td>" * 30 + "</tr></table>"
    outputs = [
        new_output("stream", name="stderr", text="warned\n" * 50),
        new_output("error", ename="E", evalue="v", traceback=["E: v"] * 50),
        new_output("display_data", data={"text/html": wide}),
    ]
    cells += [
        new_markdown_cell("## A function", id="f-task"),
        new_code_cell(CODE + LONG, id="f", metadata=meta("f", solution=True), outputs=outputs),
        new_code_cell(
            "report()",
            id="f-test",
            metadata=meta("f-test", points=2),
            outputs=[new_output("display_data", data={MIME_TYPE: record})],
        ),
    ]
    points["f-test"] = CellGrade(1.0, 2.0, False, False)
    return new_notebook(cells=cells, metadata={"autograder": {"language": "en"}}), points


@pytest.fixture(scope="module")
def feedback_page(tmp_path_factory) -> Path:
    nb, points = quiz()
    why = new_markdown_cell("**B is correct.**\n\n```python\n" + CODE + "```", id="why")
    plan = PagePlan((("q1-test", why),), readings={"f-test": ("Lesson 4 → Adding",)})
    due = RECEIVED - timedelta(hours=1)
    grades = Grades(RECEIVED, due, 3600.0, 0.5, points, {"f": "Nearly *there*."})
    page = whole_page(PageJob("minji", "quiz", "quiz", Path(), grades, {"en": plan}), nb)
    path = tmp_path_factory.mktemp("page") / "quiz.html"
    path.write_text(page, "utf-8")
    return path


@pytest.fixture(scope="module")
def report_page(tmp_path_factory) -> Path:
    asked = [Question(f"k{n}", f"q{n}", 1.0, False, f"Question {n}") for n in range(16)]
    rows = [Row(f"s{n}", "Kim", "Min", submitted=True, raw=n) for n in range(16)]
    sheet = GradeSheet("quiz", 16.0, asked, rows, [], "The quiz")
    options = {"q1": ChosenOptions("Question 1", "B", 9)}
    options["q1"].wrong.update("AAC")
    answers = AnswerCounts(options, [CheckCount("Question 2", "it adds", 9, 4)])
    lines = [
        StudentLine(one.student, "Min, Kim", one.score, "2 h 5 min", "graded", ("x.html",), 9.0)
        for one in rows
    ]
    table = StudentTable(lines, ("quiz",), 16.0)
    path = tmp_path_factory.mktemp("report") / "quiz.html"
    path.write_text(render(sheet, figures(sheet), "en", answers, table), "utf-8")
    return path


@pytest.fixture(scope="module")
def similar(tmp_path_factory) -> Path:
    code = "\n".join(
        f"def f{n}(a, b):\n    return a.method_{n}(b) + {n} * 'wide' " for n in range(9)
    )
    prose = " ".join(f"word{n}" for n in range(80)) + " " + "x" * 300
    answers = [
        compare.Answer(student, ("quiz", place), kind, f"{student}\n{text}\n{student}")
        for student in ("minji", "a" * 60)
        for place, kind, text in (
            ("f", compare.CODE, code + "#" * 300),
            ("g", compare.PROSE, prose),
        )
    ]
    found = compare.compare(answers, {})
    assert len(found.pairs[0].answers) == 2
    names, titles = {"minji": "Kim, Minji"}, {("quiz", "f"): "A function"}
    path = tmp_path_factory.mktemp("similar") / "quiz.html"
    path.write_text(similar_page.render("The quiz", found, 30, names, titles, "en"), "utf-8")
    return path


@pytest.fixture
def opened(browser):
    """Open a page in a color scheme and width; the page and what axe has to say of it."""
    contexts = []

    def open_page(path, scheme="light", width=1280, **options):
        context = browser.new_context(
            viewport={"width": width, "height": 800}, color_scheme=scheme, **options
        )
        contexts.append(context)
        page = context.new_page()
        page.said = []
        page.on("console", lambda message: page.said.append(message.text))
        page.goto(path.as_uri())
        return page

    yield open_page
    for context in contexts:
        context.close()


def assert_accessible(page):
    found = axe.Axe().run(page).response
    said = [(one["id"], one["nodes"][0]["html"][:200]) for one in found["violations"]]
    assert said == []
    assert any(one["id"] == "color-contrast" for one in found["passes"])


UNFOLD = "document.querySelectorAll('details').forEach(one => { one.open = true })"
OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("which", ["feedback_page", "report_page", "similar"])
def test_everybody_can_read_it(request, opened, which, scheme, width):
    page = opened(request.getfixturevalue(which), scheme, width)
    assert_accessible(page)
    page.evaluate(UNFOLD)
    page.wait_for_timeout(50)  # the event that a fold was opened comes a little later
    assert_accessible(page)
    assert page.evaluate(OVERFLOW) == 0
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (ground == "rgb(255, 255, 255)") == (scheme == "light")
    assert page.said == []


@pytest.mark.parametrize("which", ["feedback_page", "similar"])
def test_what_scrolls_can_be_scrolled_by_keyboard(request, opened, which):
    page = opened(request.getfixturevalue(which), width=390)
    page.evaluate(UNFOLD)
    page.wait_for_timeout(50)
    stuck = page.evaluate(
        """() => [...document.querySelectorAll('main *')].filter(one => {
            const style = getComputedStyle(one);
            const scrolls = /auto|scroll/.test(style.overflowX + style.overflowY);
            return scrolls && one.tabIndex < 0 &&
                (one.scrollWidth > one.clientWidth || one.scrollHeight > one.clientHeight + 1);
        }).map(one => one.outerHTML.slice(0, 100))"""
    )
    assert stuck == []
    assert page.locator("pre[tabindex='0']").count() >= 3


def test_four_mistakes_make_no_long_page(feedback_page, opened):
    page = opened(feedback_page)
    assert page.evaluate("document.documentElement.scrollHeight") < 5_000
    first = page.locator("article.card")
    assert first.count() == 5
    assert first.first.locator("h3").inner_text() == "Question 1"
    assert "Question 1" in first.first.inner_text() and "q1-test" not in page.inner_text("body")
    assert page.locator("summary", has_text="full points: 12").count() == 1


def test_a_failed_check_says_call_expected_and_got(feedback_page, opened):
    card = opened(feedback_page).locator("#q-f-test")
    assert card.locator("dl").first.inner_text().split("\n") == [
        "Call", "f(1)", "Expected", "2", "Got", "'<b>'",
    ]  # fmt: skip  # pairs of term and description
    assert "Read again: Lesson 4 → Adding" in card.inner_text()
    assert "Nearly there." in card.inner_text()


def test_the_time_is_the_readers(feedback_page, opened):
    seoul = opened(feedback_page, timezone_id="Asia/Seoul").locator("time").first
    assert "Mar 11, 2026" in seoul.inner_text() and "8:30" in seoul.inner_text()
    without = opened(feedback_page, java_script_enabled=False).locator("time").first
    assert without.inner_text().startswith("2026-03-1")
    assert without.get_attribute("datetime") == "2026-03-10T23:30:00Z"


def test_a_link_opens_the_fold_that_it_leads_into(feedback_page, opened):
    page = opened(feedback_page)
    page.locator("summary", has_text="full points").click()
    page.get_by_role("link", name="Question 16").click()
    page.locator("#q-q16-test").wait_for()
    assert page.locator("#q-q16-test").is_visible()


def test_it_prints_in_the_light(feedback_page, opened):
    page = opened(feedback_page, "dark")
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
