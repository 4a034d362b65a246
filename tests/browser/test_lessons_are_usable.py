"""The lessons' widgets, charts and tables as a student meets them: Korean, dark, narrow, alone.

JupyterLab's own toolbars and editors are JupyterLab's to mend; what the course shows inside them
is looked at here.
"""

from __future__ import annotations

import io
import json
import re
import uuid

import pytest
from PIL import Image

from tests.browser import every_widget
from tests.browser.test_student import run_all, saved, wait_until_idle

playwright = pytest.importorskip("playwright.sync_api")
axe = pytest.importorskip("axe_playwright_python.sync_playwright")
expect = playwright.expect

NOTEBOOK = "work/every.ipynb"
OURS = [[".jp-OutputArea-output"], [".jp-RenderedMarkdown"], [".beyond-lessons-still"]]
WIDGETS = 7
THEMED = 6
AGAIN = "이 셀을 다시 실행하세요"
THEMES = {"light": "JupyterLab Light", "dark": "JupyterLab Dark"}
PANEL = ".jp-NotebookPanel:visible"
STILL = f"{PANEL} .beyond-lessons-still"


@pytest.fixture(scope="module")
def notebook(student_lab, browser):
    """The notebook with its outputs, as a student who ran and saved it left it."""
    path = every_widget.write(student_lab.root / NOTEBOOK)
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    context.set_default_timeout(30_000)
    page = context.new_page()
    opened(page, student_lab)
    wait_until_idle(page)
    run_all(page, seconds=500)
    expect(page.locator(f"{PANEL} .beyond-widget")).to_have_count(WIDGETS)
    saved(page, path)
    yield path
    context.close()


def opened(page, lab, path=NOTEBOOK):
    page.goto(lab.address(f"lab/workspaces/{uuid.uuid4().hex}/tree/{path}"))
    expect(page.locator(f"{PANEL} .jp-Notebook")).to_be_visible()
    expect(page.get_by_text("Python 3 (ipykernel) |")).to_be_visible(timeout=120_000)


def opened_live(page, lab):
    """Open the notebook with its widgets, in the kernel that drew them or else in a new one."""
    opened(page, lab)
    widgets = page.locator(f"{PANEL} .beyond-widget")
    shown = page.locator(f"{STILL}, {PANEL} .beyond-widget")
    expect(shown).to_have_count(WIDGETS)
    if widgets.count() < WIDGETS:
        page.set_viewport_size({"width": 1280, "height": 900})
        wait_until_idle(page)
        run_all_again(page)
        expect(widgets).to_have_count(WIDGETS, timeout=500_000)
        saved(page, lab.root / NOTEBOOK)


def run_all_again(page) -> None:
    page.keyboard.press("Escape")
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()


def set_theme(page, lab, scheme):
    answer = page.request.put(
        f"{lab.url}lab/api/settings/@jupyterlab/apputils-extension:themes",
        headers={"Authorization": f"token {lab.token}"},
        data=json.dumps({"raw": json.dumps({"theme": THEMES[scheme]})}),
    )
    assert answer.ok


def shut_down_kernels(page, lab):
    headers = {"Authorization": f"token {lab.token}"}
    for session in page.request.get(f"{lab.url}api/sessions", headers=headers).json():
        page.request.delete(f"{lab.url}api/sessions/{session['id']}", headers=headers)


def wrong(page, include=OURS):
    """What axe finds in what the course shows."""
    present = [one for one in include if page.locator(one[0]).count()]
    found = axe.Axe().run(page, context={"include": present}).response
    assert found["passes"]
    return [(v["id"], n["html"][:200]) for v in found["violations"] for n in v["nodes"]]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_in_outputs(student_lab, notebook, page, scheme) -> None:
    set_theme(page, student_lab, scheme)
    opened_live(page, student_lab)
    expect(page.locator("[role=slider]:not([aria-label])")).to_have_count(0)
    expect(page.locator("body")).to_have_attribute(
        "data-jp-theme-light", "true" if scheme == "light" else "false"
    )
    assert wrong(page) == []
    play = page.locator(".widget-play button:visible")
    expect(play).to_have_count(2)
    assert [one.get_attribute("aria-label") for one in play.all()] == [
        "강의 시계: 시작 또는 일시 정지",
        "강의 시계: 00:00으로 되돌리기",
    ]
    page.set_viewport_size({"width": 390, "height": 900})
    page.get_by_role("tab", name="File Browser").click()  # on a narrow page it would cover ours
    assert wrong(page) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_on_the_start_page(student_lab, page, scheme) -> None:
    set_theme(page, student_lab, scheme)
    page.goto(student_lab.address(""))
    expect(page.locator(".beyond-start h1")).to_be_visible()
    assert wrong(page, [[".beyond-start"]]) == []


def test_no_table_of_a_lesson_has_an_empty_head(student_lab) -> None:
    notebooks = student_lab.root / "notebooks"
    pages = [(notebooks / "START.md").read_text("utf-8")]
    for path in [*notebooks.glob("*/*.md"), *notebooks.glob("*/*.ipynb")]:
        text = path.read_text("utf-8")
        if path.suffix == ".ipynb":
            cells = json.loads(text)["cells"]
            cells = [one for one in cells if one["cell_type"] == "markdown"]
            text = "\n\n".join("".join(one["source"]) for one in cells)
        pages.append(text)
    assert len(pages) > 20
    heads = [head for text in pages for head in re.findall(r"^(\|.*\|)\n\|[ :|-]+\|$", text, re.M)]
    assert len(heads) > 10
    assert [head for head in heads if re.search(r"\|\s*\|", head)] == []


# Elements of a widget that are wider than it, where nothing scrolls; and choices that overlap.
CUT_OFF = """() => {
    const found = [];
    for (const box of document.querySelectorAll('.jp-NotebookPanel .beyond-widget')) {
        const right = box.getBoundingClientRect().right + 1;
        for (const one of box.querySelectorAll(
            '.widget-slider, .widget-readout, .widget-dropdown, .widget-text, .widget-textarea, ' +
            '.widget-radio-box label, .widget-button, .widget-toggle-button, img')) {
            const place = one.getBoundingClientRect();
            if (place.width && place.right > right) found.push(['cut', one.className]);
        }
        for (const field of box.querySelectorAll('.widget-radio-box')) {
            const labels = [...field.querySelectorAll('label')].map(one =>
                ({box: one.getBoundingClientRect(), needs: one.scrollHeight, has: one.clientHeight}));
            labels.forEach((one, i) => {
                if (one.needs > one.has + 1) found.push(['spills', i]);
                if (i && one.box.top < labels[i - 1].box.bottom - 1) found.push(['overlaps', i]);
            });
        }
    }
    return found;
}"""


def test_a_phone_shows_whole_widgets_and_a_whole_page(student_lab, notebook, browser) -> None:
    context = browser.new_context(viewport={"width": 390, "height": 844})
    context.set_default_timeout(30_000)
    page = context.new_page()
    page.goto(student_lab.address(""))
    start = page.locator(".beyond-start")
    expect(start.locator("h1")).to_be_visible()
    expect(page.locator(".jp-FileBrowser").locator("visible=true")).to_have_count(0)
    page.wait_for_function(
        "document.querySelector('.beyond-start').getBoundingClientRect().width > 300"
    )
    opened_live(page, student_lab)
    page.set_viewport_size({"width": 390, "height": 844})
    expect(page.locator(f"{PANEL} .beyond-themed").nth(THEMED - 1)).to_be_attached()
    assert page.evaluate(CUT_OFF) == []
    context.close()


def test_charts_and_swatches_follow_the_dark_theme(student_lab, notebook, page) -> None:
    set_theme(page, student_lab, "dark")
    opened_live(page, student_lab)
    expect(page.locator("body")).to_have_attribute("data-jp-theme-light", "false")
    themed = page.locator(f"{PANEL} .beyond-themed")
    # A widget stands in the page before the pictures in it do.
    expect(themed.nth(THEMED - 1)).to_be_attached()
    for one in themed.all():
        assert one.evaluate("one => getComputedStyle(one).filter") == (
            "invert(0.93) hue-rotate(180deg)"
        )
    chart = page.locator(f"{PANEL} img.beyond-themed").last
    chart.scroll_into_view_if_needed()
    corner = Image.open(io.BytesIO(chart.screenshot())).convert("RGB").getpixel((3, 3))
    assert max(corner) < 40
    set_theme(page, student_lab, "light")


def test_a_widget_notices_that_its_kernel_was_restarted(student_lab, notebook, page) -> None:
    opened_live(page, student_lab)
    expect(page.locator(STILL)).to_have_count(0)
    page.get_by_role("menuitem", name="Kernel", exact=True).click()
    page.get_by_role("menuitem", name=re.compile("^Restart Kernel…")).click()
    page.get_by_role("button", name="Confirm Kernel Restart").click()
    expect(page.locator(STILL)).to_have_count(WIDGETS)
    expect(page.locator(".jupyter-widgets-disconnected").locator("visible=true")).to_have_count(0)
    wait_until_idle(page)
    run_all_again(page)
    expect(page.locator(STILL)).to_have_count(0, timeout=500_000)
    expect(page.locator(f"{PANEL} .beyond-widget")).to_have_count(WIDGETS)


def test_a_notebook_opened_again_shows_each_widgets_still_form(student_lab, notebook, page) -> None:
    shut_down_kernels(page, student_lab)
    opened(page, student_lab)
    expect(page.locator(STILL)).to_have_count(WIDGETS)
    for still in page.locator(STILL).all():
        expect(still).to_contain_text(AGAIN)
    expect(page.locator(STILL).locator("img[alt]").first).to_be_visible()
    expect(page.locator(STILL).get_by_text("답 보기").first).to_be_visible()
    expect(page.get_by_text("Error displaying widget").locator("visible=true")).to_have_count(0)
    assert wrong(page) == []
