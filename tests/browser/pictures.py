"""Take README.md's pictures anew: python3 env run python tests/browser/pictures.py

Needs Chromium and a font with Hangul (on Debian: apt-get install chromium fonts-nanum).
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from conftest import CHROMIUM_ARGUMENTS, ROOT, copy_course, running_lab
from playwright.sync_api import sync_playwright
from test_student import open_notebook, run_all

FOLDER = ROOT / "notebooks" / "images"
SIZE = {"width": 1180, "height": 820}


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch, sync_playwright() as playwright:
        course = copy_course(Path(scratch) / "course")
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=CHROMIUM_ARGUMENTS
        )
        with running_lab(course, Path(scratch), instructor=False) as lab:
            page = browser.new_page(viewport=SIZE)
            page.goto(lab.address(""))
            page.locator(".beyond-start h1").wait_for()
            page.get_by_role("menuitem", name="File", exact=True).wait_for()
            page.screenshot(path=FOLDER / "start-page.png")

            open_notebook(page, lab, "notebooks/en/04-the-cost-formula.ipynb")
            run_all(page, seconds=300)
            explorer = page.locator(".jp-OutputArea .widget-vbox").filter(has=page.locator("table"))
            slider = explorer.filter(has=page.get_by_role("slider")).first
            slider.scroll_into_view_if_needed()
            slider.get_by_role("slider").first.focus()
            page.keyboard.press("ArrowRight")
            page.wait_for_timeout(1500)  # the chart is drawn anew; nothing in the page says when
            slider.locator("img").evaluate("chart => chart.scrollIntoView({block: 'end'})")
            page.wait_for_timeout(500)
            page.screenshot(path=FOLDER / "cost-explorer.png")
        browser.close()


if __name__ == "__main__":
    main()
