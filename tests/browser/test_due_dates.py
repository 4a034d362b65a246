"""Students see due dates where they work: on the start page, and above the assignment."""

from __future__ import annotations

import json
import re
import uuid

import pytest

playwright = pytest.importorskip("playwright.sync_api")
expect = playwright.expect

TOLD = [
    {"name": "quiz", "title": {}, "due": "2099-12-01T14:59:59+00:00"},
    {"name": "moe-gate", "title": {}, "due": None},
]

# Whether the whole text is seen and nothing of it is cut off.
WHOLE = """() => {
    const words = document.querySelector('.jp-NotebookPanel .autograder-due-dates span');
    return words && words.scrollWidth <= words.clientWidth;
}"""


@pytest.fixture(scope="module")
def dated_lab(start_lab, fresh_course):
    (fresh_course / "release" / "due.json").write_text(json.dumps({"assignments": TOLD}))
    return start_lab(fresh_course, instructor=False)


@pytest.fixture
def in_seoul(browser):
    context = browser.new_context(timezone_id="Asia/Seoul", locale="en-US")
    context.set_default_timeout(30_000)
    yield context.new_page()
    context.close()


def opened(page, lab, path):
    page.goto(lab.address(f"lab/workspaces/{uuid.uuid4().hex}/tree/{path}"))
    page.locator(".jp-NotebookPanel:visible .jp-Notebook").wait_for()
    return page.locator(".jp-NotebookPanel:visible .autograder-due-dates")


def test_above_the_assignment_in_the_readers_zone(dated_lab, in_seoul) -> None:
    due = opened(in_seoul, dated_lab, "work/en/quiz/quiz.ipynb")
    due.wait_for()
    expect(due).to_contain_text("Due: Dec 1, 2099, 11:59 PM GMT+9")
    assert "Tuesday" in due.get_attribute("title")
    # The toolbar's buttons appear one after another, and the room between them changes.
    in_seoul.wait_for_function(WHOLE)
    assert due.locator("time").get_attribute("datetime") == "2099-12-01T14:59:59.000Z"
    due = opened(in_seoul, dated_lab, "work/ko/quiz/quiz.ipynb")
    due.wait_for()
    expect(due).to_contain_text("마감: 2099년 12월 1일")
    TOLD[0]["due"] = "2020-12-01T14:59:59+00:00"  # a new release, while JupyterLab runs
    record = json.dumps({"assignments": TOLD})
    (dated_lab.root / "release" / "due.json").write_text(record)
    due = opened(in_seoul, dated_lab, "work/en/quiz/quiz.ipynb")
    due.wait_for()
    expect(due).to_contain_text("Was due: Dec 1")


def test_on_the_start_page(dated_lab, in_seoul) -> None:
    in_seoul.goto(dated_lab.address(""))
    row = in_seoul.locator(".beyond-start li", has_text="16 choice questions")
    row.wait_for()
    expect(row).to_contain_text(re.compile(r"due \S+ Dec 1, 2\d{3}, 11:59 PM GMT\+9"))
    row.get_by_role("link", name="Quiz", exact=True).click()
    in_seoul.get_by_role("tab", name="quiz.ipynb").wait_for()


def test_on_the_page_that_is_read_elsewhere(dated_lab) -> None:
    """Where the page of JupyterLab isn't shown, as in VS Code."""
    assert "due Tue 1 Dec 2099" in (dated_lab.root / "work" / "START.md").read_text("utf-8")
