"""The start page as a student meets it: one language, what is done, what is next, by keyboard."""

from __future__ import annotations

import json
import re
import uuid

import pytest

from autograder.student.submit import submit
from tests.browser.conftest import copy_course, running_lab
from tests.browser.test_lessons_are_usable import set_theme, wrong
from tests.browser.test_student import open_start_page, run_all, saved, wait_until_idle

playwright = pytest.importorskip("playwright.sync_api")
expect = playwright.expect

START = ".beyond-start:visible"
NEXT = f"{START} .beyond-start-next"
DUE = [
    {"name": "quiz", "title": {}, "due": "2026-01-20T14:59:59+00:00"},
    {"name": "cost-formula", "title": {}, "due": "2099-12-01T14:59:59+00:00"},
]
FEEDBACK = "work/en/quiz/feedback/2026-01-19 09:30:00.000000 UTC/quiz.html"


@pytest.fixture(scope="module")
def busy_lab(start_lab, tmp_path_factory):
    """A student in the middle of the course: two lessons begun, one assignment graded."""
    root = copy_course(tmp_path_factory.mktemp("busy"))
    (root / "release" / "due.json").write_text(json.dumps({"assignments": DUE}))
    lab = start_lab(root, instructor=False)
    marked_as_run(root / "notebooks/en/00-start-here.ipynb", 99)
    marked_as_run(root / "notebooks/en/01-prompting.ipynb", 4)
    submit(root / "work/en/quiz", "kim")
    page = root / FEEDBACK
    page.parent.mkdir(parents=True)
    page.write_text("<!DOCTYPE html><html lang=en><title>Quiz</title><p>1 of 16 points</p></html>")
    return lab


def marked_as_run(path, count: int) -> None:
    notebook = json.loads(path.read_text(encoding="utf-8"))
    code = [one for one in notebook["cells"] if one["cell_type"] == "code"]
    for number, cell in enumerate(code[:count], 1):
        cell["execution_count"] = number
    path.write_text(json.dumps(notebook), encoding="utf-8")


def choose(page, language: str) -> None:
    button = page.locator(f"{START} button[data-language={language}]")
    button.click()
    expect(button).to_have_attribute("aria-pressed", "true")


def row(page, title: str):
    return page.locator(f"{START} li").filter(has=page.get_by_role("link", name=title, exact=True))


def test_the_language_is_asked_once_and_remembered(tmp_path, browser) -> None:
    root = copy_course(tmp_path / "course")
    with running_lab(root, tmp_path, instructor=False, language=None) as lab:
        first = browser.new_context()
        page = first.new_page()
        page.goto(lab.address(""))
        expect(page.locator(START)).to_contain_text("Choose your language · 언어를 고르세요")
        assert wrong(page, [[".beyond-start"]]) == []
        page.locator(f"{START} button").first.focus()
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        expect(page.locator(NEXT)).to_contain_text("0강 여기서 시작하세요")
        expect(page.get_by_role("tab", name="시작 페이지")).to_be_visible()
        expect(page.locator(START).get_by_role("button", name="한국어")).to_be_focused()
        first.close()
        second = browser.new_context()  # another browser, the same student
        page = second.new_page()
        page.goto(lab.address(""))
        expect(page.locator(NEXT)).to_contain_text("다음 할 일")
        expect(page.locator(START).get_by_text("Lessons")).to_have_count(0)
        second.close()
    assert (tmp_path / "cache" / "language").read_text() == "ko"  # where the launcher looks
    assert (root / "work" / "ko").is_dir()


def test_the_page_says_what_is_done_and_what_is_next(busy_lab, page) -> None:
    open_start_page(page, busy_lab)
    expect(page.locator(NEXT)).to_contain_text("Lesson 1: Prompting")
    expect(page.locator(NEXT)).to_contain_text(re.compile(r"60 minutes.* · 4 of \d+ cells run"))
    expect(page.locator(START)).to_contain_text("1 of 10 done")
    expect(row(page, "Lesson 0: Start here")).to_contain_text("Done · 20 minutes")
    expect(row(page, "Lesson 2: Retrieval")).to_contain_text("Not started")
    quiz = row(page, "Quiz")
    expect(quiz).to_contain_text("Graded · packed")
    expect(quiz).to_contain_text("was due")
    expect(row(page, "The cost formula")).to_contain_text(re.compile("Not started · due .*2099"))
    sizes = page.locator(f"{START} :is(h1, h2, h3, p, a, button)").evaluate_all(
        "all => all.map(one => [parseFloat(getComputedStyle(one).fontSize), one.textContent])"
    )
    assert max(sizes)[1] == "Lesson 1: Prompting"
    with page.context.expect_page() as opened:
        quiz.get_by_role("link", name="Read the feedback: Quiz").click()
    expect(opened.value.get_by_text("1 of 16 points")).to_be_visible()


def test_what_is_next_opens_by_keyboard_and_the_way_back_is_there(busy_lab, page) -> None:
    open_start_page(page, busy_lab)
    page.locator(f"{START} button").last.focus()
    page.keyboard.press("Tab")
    expect(page.locator(f"{NEXT} a")).to_be_focused()
    outline = page.locator(f"{NEXT} a").evaluate("one => getComputedStyle(one).outlineWidth")
    assert outline == "3px"
    page.keyboard.press("Enter")
    expect(page.get_by_role("tab", name="01-prompting.ipynb")).to_be_visible()
    # A lesson's own link to START.md leads to this page.
    lesson = "notebooks/en/07-mixture-of-experts-balance-and-training.ipynb"
    page.goto(busy_lab.address(f"lab/workspaces/{uuid.uuid4().hex}/tree/{lesson}"))
    link = page.locator(".jp-RenderedMarkdown a", has_text="start page").last
    link.scroll_into_view_if_needed()
    link.click()
    expect(page.locator(NEXT)).to_be_visible()


def test_a_self_check_that_is_answered_shows_when_one_comes_back(busy_lab, page) -> None:
    path = busy_lab.root / "notebooks/en/04-the-cost-formula.ipynb"
    notebook = json.loads(path.read_text(encoding="utf-8"))
    kept = ("language", "self-check")
    notebook["cells"] = [
        one for one in notebook["cells"] if one["cell_type"] == "markdown" or one["id"] in kept
    ]
    path.write_text(json.dumps(notebook), encoding="utf-8")
    open_start_page(page, busy_lab)
    lesson = row(page, "Lesson 4: The cost formula")
    expect(lesson).to_contain_text("Not started")
    lesson.get_by_role("link").click()
    panel = page.locator(".jp-NotebookPanel:visible")
    expect(panel.locator(".jp-Notebook")).to_be_visible()
    wait_until_idle(page)
    run_all(page)
    check = panel.locator(".beyond-widget")
    check.get_by_role("radio").first.check()
    check.get_by_role("button").first.click()
    expect(check.get_by_text(re.compile("[✓✗]")).first).to_be_visible()
    saved(page, path)
    page.get_by_role("tab", name="Start page").click()
    expect(lesson).to_contain_text(re.compile(r"Done · self-check: 1 of \d answered"))


def test_the_file_browser_lists_lessons_and_work(busy_lab, page) -> None:
    def listed(folder: str) -> set[str]:
        headers = {"Authorization": f"token {busy_lab.token}"}
        answer = page.request.get(f"{busy_lab.url}api/contents/{folder}", headers=headers)
        return {one["name"] for one in answer.json()["content"]}

    assert (busy_lab.root / "notebooks" / "beyond").is_dir()
    assert listed("notebooks") == {"START.md", "en", "ko"}
    assert {"notebooks", "work"} <= listed("") and not {"release", "exchange"} & listed("")
    assert listed("work") == {"START.md", "en", "ko"}
    open_start_page(page, busy_lab)
    names = page.locator("#filebrowser .jp-DirListing-itemText")
    expect(names.filter(has_text="START.md")).to_be_visible()
    expect(names.filter(has_text="beyond")).to_have_count(0)


@pytest.mark.parametrize("language", ["en", "ko"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(busy_lab, page, scheme, language) -> None:
    set_theme(page, busy_lab, scheme)
    open_start_page(page, busy_lab)
    choose(page, language)
    expect(page.locator("body")).to_have_attribute(
        "data-jp-theme-light", "true" if scheme == "light" else "false"
    )
    for summary in page.locator(f"{START} summary").all():
        summary.click()
    assert wrong(page, [[".beyond-start"]]) == []
    choose(page, "en")


def test_a_phone_shows_the_whole_page(busy_lab, browser) -> None:
    context = browser.new_context(viewport={"width": 390, "height": 844})
    page = context.new_page()
    for language in ("ko", "en"):
        open_start_page(page, busy_lab)
        choose(page, language)
        expect(page.locator(f"{NEXT} a")).to_be_in_viewport()
        start = page.locator(START)
        for summary in start.locator("summary").all():
            summary.click()
        wide = start.evaluate("one => [one.scrollWidth, one.clientWidth]")
        assert wide[0] <= wide[1] and wide[1] > 300
    assert wrong(page, [[".beyond-start"]]) == []
    context.close()


def test_where_the_page_cannot_be_made_start_md_is_shown(busy_lab, page) -> None:
    page.route("**/beyond/start*", lambda route: route.fulfill(status=500))
    page.goto(busy_lab.address(""))
    start = page.locator(".jp-MarkdownViewer")
    expect(start.get_by_role("heading", name="Lessons · 강의")).to_be_visible()
    expect(page.locator(".beyond-start")).to_have_count(0)


def test_only_the_students_own_browser_gets_the_page(busy_lab, page) -> None:
    address = f"{busy_lab.url}beyond/start"
    stranger = page.request.get(address, max_redirects=0)
    assert stranger.status in (302, 403)
    headers = {"Authorization": f"token {busy_lab.token}"}
    for body in ({"language": "xx"}, {"language": ["en"]}, {}, ["en"]):
        assert page.request.post(address, headers=headers, data=json.dumps(body)).status == 400
    told = page.request.get(address, headers=headers).json()
    assert told["language"] == "en"
