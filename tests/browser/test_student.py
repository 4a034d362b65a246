"""What a student meets in JupyterLab: start page, lessons, explorer, Validate, and no more."""

from __future__ import annotations

import json
import re
import sys
import time
import uuid
from contextlib import suppress
from pathlib import Path

import pytest

playwright = pytest.importorskip("playwright.sync_api")
expect = playwright.expect


def open_notebook(page, lab, path: str) -> None:
    """Open a notebook by its address and wait until its kernel is ready."""
    assert (lab.root / path).is_file(), f"there is no {path}"
    # A workspace of its own: tabs of an earlier test don't come back.
    page.goto(lab.address(f"lab/workspaces/{uuid.uuid4().hex}/tree/{path}"))
    expect(page.locator(".jp-NotebookPanel:visible .jp-Notebook")).to_be_visible()
    wait_until_idle(page)


def open_start_page(page, lab) -> None:
    """Open JupyterLab, and wait until it has laid out what it opens with.

    What is opened sooner may end up behind the start page.
    """
    page.goto(lab.address(""))
    expect(page.locator(".beyond-start h1")).to_be_visible()


def wait_until_idle(page) -> None:
    # The notebook's own indicator says "idle" before there is a kernel; the status bar doesn't.
    expect(page.get_by_text("Python 3 (ipykernel) | Idle")).to_be_visible(timeout=45_000)


# What the visible notebook's cells say.
NOTEBOOK_STATE = """() => {
    const panel = [...document.querySelectorAll('.jp-NotebookPanel')]
        .find(one => one.offsetParent !== null);
    const error = panel?.querySelector('[data-mime-type="application/vnd.jupyter.error"]');
    const prompts = [...(panel?.querySelectorAll('.jp-CodeCell .jp-InputPrompt') ?? [])]
        .map(one => one.textContent);
    return {
        error: error?.textContent ?? '',
        dialog: document.querySelector('.jp-Dialog')?.textContent ?? '',
        started: prompts.some(text => /\\[[*\\d]/.test(text)),
        finished: prompts.length > 0 && /\\[\\d+\\]/.test(prompts.at(-1)),
        prompts: prompts.join(' '),
    };
}"""


def run_all(page, seconds: float = 55) -> None:
    """Run → Run All Cells, and wait until the last code cell has run, or one has failed."""
    deadline = time.monotonic() + seconds
    clicked_at = float("-inf")
    while True:
        state = page.evaluate(NOTEBOOK_STATE)
        assert not state["error"], state["error"]
        assert not state["dialog"], f"JupyterLab asks: {state['dialog']}"
        if state["finished"]:
            break
        assert time.monotonic() < deadline, f"the cells did not all run: {state['prompts']}"
        # A menu that opens while the page is still being laid out can lose the click.
        if not state["started"] and time.monotonic() - clicked_at > 10:
            page.keyboard.press("Escape")
            page.get_by_role("menuitem", name="Run", exact=True).click()
            page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
            clicked_at = time.monotonic()
        page.wait_for_timeout(200)
    page.locator(".jp-NotebookPanel:visible .jp-CodeCell").last.scroll_into_view_if_needed()
    wait_until_idle(page)


def saved(page, path: Path) -> dict:
    """The notebook as it lies on the disk after saving it."""
    before = path.stat().st_mtime_ns
    page.keyboard.press("Escape")
    page.keyboard.press("Control+s")
    page.wait_for_function("() => !document.querySelector('.jp-NotebookPanel .jp-mod-dirty')")
    for _ in range(200):
        # Jupyter empties the file and then writes it; half a notebook is no JSON.
        with suppress(json.JSONDecodeError):
            if path.stat().st_mtime_ns != before:
                return json.loads(path.read_text(encoding="utf-8"))
        page.wait_for_timeout(50)
    raise AssertionError(f"{path} was not saved")


def outputs(notebook: dict) -> dict[str, list[dict]]:
    return {cell["id"]: cell["outputs"] for cell in notebook["cells"] if "outputs" in cell}


def errors(notebook: dict) -> dict[str, str]:
    """The cells that raised, and what."""
    return {
        name: output["evalue"]
        for name, shown in outputs(notebook).items()
        for output in shown
        if output["output_type"] == "error"
    }


@pytest.mark.parametrize(
    ("language", "heading", "link"),
    [("ko", "강의", "0강 여기서 시작하세요"), ("en", "Lessons", "Lesson 0: Start here")],
)
def test_jupyterlab_opens_the_start_page_in_each_language(
    student_lab, page, language, heading, link
) -> None:
    open_start_page(page, student_lab)
    start = page.locator(".beyond-start")
    start.locator(f"button[data-language={language}]").click()
    expect(start.get_by_role("heading", name=heading, exact=True)).to_be_visible()
    start.get_by_role("link", name=link, exact=True).click()
    expect(page.get_by_role("tab", name="00-start-here.ipynb")).to_be_visible()


def test_every_link_of_the_start_page_leads_to_a_file(student_lab) -> None:
    start = student_lab.root / "notebooks" / "START.md"
    links = re.findall(r"\]\(([^)#:]+)\)", start.read_text(encoding="utf-8"))
    assert len(links) >= 8
    assert [link for link in links if not (start.parent / link).is_file()] == []


def test_a_new_user_is_asked_nothing(student_lab, page) -> None:
    """Neither news, nor a kernel to choose, nor a build to make."""
    open_notebook(page, student_lab, "notebooks/en/00-start-here.ipynb")
    expect(page.locator(".jp-Dialog")).to_have_count(0)
    expect(page.locator(".Toastify__toast")).to_have_count(0)


@pytest.mark.parametrize("language", ["en", "ko"])
def test_lesson_0_runs_top_to_bottom(student_lab, page, language: str) -> None:
    path = f"notebooks/{language}/00-start-here.ipynb"
    open_notebook(page, student_lab, path)
    run_all(page)
    # A figure with its words, and the table of what was measured.
    figure = page.locator(".jp-OutputArea img[alt]").first
    figure.scroll_into_view_if_needed()
    expect(figure).to_have_attribute("alt", re.compile(r"\w{3}"))
    notebook = saved(page, student_lab.root / path)
    assert errors(notebook) == {}
    measured = outputs(notebook)["measure-machine"][0]["data"]["text/plain"]
    assert "GFLOP/s" in "".join(measured)
    assert outputs(notebook)["unanswered"][-1]["name"] == "stderr"


def test_the_cost_explorer_moves_by_keyboard(student_lab, page) -> None:
    open_notebook(page, student_lab, "notebooks/en/04-the-cost-formula.ipynb")
    run_all(page, seconds=300)  # it converts a language model first, and measures it
    # The first slider that a keyboard reaches, in the first widget with a table below it.
    explorer = page.locator(".jp-OutputArea .widget-vbox").filter(has=page.locator("table"))
    explorer = explorer.filter(has=page.get_by_role("slider")).first
    slider = explorer.get_by_role("slider").first
    slider.scroll_into_view_if_needed()
    table = explorer.locator("table").first
    before = table.inner_text()
    slider.focus()
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    expect(table).not_to_have_text(before, use_inner_text=True)


def test_validate_answers_on_the_quiz(student_lab, page) -> None:
    open_notebook(page, student_lab, "work/en/quiz/quiz.ipynb")
    page.get_by_role("button", name=re.compile("Validate")).click()
    dialog = page.locator(".jp-Dialog")
    # An untouched quiz: the questions are listed as not answered, and no traceback is shown.
    expect(dialog).to_contain_text(re.compile("Validation Results", re.I), timeout=50_000)
    expect(dialog).not_to_contain_text("Traceback")
    expect(dialog).to_contain_text("Question 1")


def test_validate_reads_as_tolerantly_as_grading(student_lab, page) -> None:
    """Another editor's slips and kernel, and other line ends, are no hindrance."""
    given = student_lab.root / "release" / "en" / "quiz" / "quiz.ipynb"
    tree = json.loads(given.read_text(encoding="utf-8"))
    tree["metadata"] = {"kernelspec": {"name": "ir", "display_name": "R"}}
    for cell in tree["cells"]:
        source = "".join(cell["source"]).replace(" = None", ' = "A"')
        cell |= {"source": source.replace("\n", "\r\n"), "outputs": None}
    bent = student_lab.root / "work" / "bent.ipynb"
    bent.write_text(json.dumps(tree), encoding="utf-8")
    answer = page.request.post(
        student_lab.url + "assignments/validate",
        headers={"Authorization": f"token {student_lab.token}"},
        data={"path": "work/bent.ipynb"},
        timeout=60_000,
    )
    assert answer.json() == {"success": True, "value": {}}


def test_a_student_sees_only_what_is_a_students(student_lab, page) -> None:
    open_start_page(page, student_lab)
    page.get_by_role("menuitem", name="Nbgrader", exact=True).click()
    menu = page.locator(".lm-Menu-content")
    expect(menu.get_by_role("menuitem", name="Assignment List")).to_be_visible()
    labels = [label for label in menu.locator(".lm-Menu-itemLabel").all_inner_texts() if label]
    assert labels == ["Assignment List"]
    answer = page.request.get(student_lab.address("formgrader"))
    assert answer.status == 404


@pytest.mark.skipif(sys.platform == "win32", reason="nbgrader has no exchange on Windows")
def test_an_empty_assignment_list_says_how_to_submit(student_lab, page) -> None:
    open_start_page(page, student_lab)
    page.get_by_role("menuitem", name="Nbgrader", exact=True).click()
    page.get_by_role("menuitem", name="Assignment List").click()
    note = page.locator(".autograder-submitting")
    expect(note).to_contain_text("autograder submit work/en/quiz --student YOUR-ID")
    expect(note).to_contain_text("zip 파일을 수업 사이트에 올립니다")
    expect(page.get_by_text("No courses found.").locator("visible=true")).to_have_count(0)


@pytest.mark.skipif(sys.platform == "win32", reason="nbgrader has no exchange on Windows")
def test_the_exchange_takes_a_submission(student_lab, page) -> None:
    """No one set an exchange up, and the student's own copy is what is handed in."""
    from autograder.authoring.release import release
    from autograder.config import Course

    release(Course(student_lab.root), "quiz", None, True)
    mine = student_lab.root / "work" / "en" / "quiz" / "quiz.ipynb"

    open_start_page(page, student_lab)
    page.get_by_role("menuitem", name="Nbgrader", exact=True).click()
    page.get_by_role("menuitem", name="Assignment List").click()
    downloaded = page.locator("#fetched_assignments_list")
    expect(downloaded).to_contain_text("quiz")
    expect(page.get_by_text("The exchange directory does not exist")).to_have_count(0)
    downloaded.get_by_role("button", name="Submit").click()
    expect(page.locator("#submitted_assignments_list")).to_contain_text("quiz")

    inbound = student_lab.root / "exchange" / "beyond-prompting" / "inbound"
    handed_in = list(inbound.glob("*+quiz+*/quiz.ipynb"))
    assert [path.read_bytes() for path in handed_in] == [mine.read_bytes()]


def test_validate_speaks_the_notebooks_language(student_lab, page) -> None:
    """Questions by their titles and what is missing, in Korean and without code."""
    path = student_lab.root / "work" / "ko" / "quiz" / "quiz.ipynb"
    notebook = json.loads(path.read_text(encoding="utf-8"))
    assert any("q3 = None" in "".join(cell["source"]) for cell in notebook["cells"])
    for cell in notebook["cells"]:
        if "q3 = None" in "".join(cell["source"]):
            cell["source"] = "# 나중에"
    other = student_lab.root / "work" / "ko" / "other" / "quiz.ipynb"
    other.parent.mkdir()
    other.write_text(json.dumps(notebook), encoding="utf-8")
    open_notebook(page, student_lab, "work/ko/other/quiz.ipynb")
    page.locator(".jp-NotebookPanel:visible").get_by_role(
        "button", name=re.compile("Validate")
    ).click()
    dialog = page.locator(".jp-Dialog")
    expect(dialog).to_contain_text("검사 결과", timeout=200_000)
    expect(dialog.get_by_role("heading", name="문항 3", exact=True)).to_be_visible()
    expect(dialog).to_contain_text("q3에 값이 없습니다.")
    expect(dialog).to_contain_text("아직 답하지 않음")
    for code in ("NameError", "Traceback", "with check", "choice(", "-test"):
        expect(dialog).not_to_contain_text(code)
    dialog.get_by_role("button", name="닫기").click()
    expect(dialog).to_have_count(0)
