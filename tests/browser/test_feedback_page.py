"""What a submission brought is opened where it would run: in a browser, by student and teacher.

A canary is in every payload: a function that tells if it was called, and an address that no
request may go to.
"""

from __future__ import annotations

import base64
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_output, new_raw_cell

playwright = pytest.importorskip("playwright.sync_api")

HOSTILE = json.loads((Path(__file__).parents[1] / "data" / "hostile.json").read_text("utf-8"))
SVG = "<svg xmlns='http://www.w3.org/2000/svg' onload='canary()'><script>canary()</script></svg>"
CSP = re.compile(r'<meta http-equiv="Content-Security-Policy"[^>]*>')
WATCH = "window.fired = []; window.canary = () => { window.fired.push(new Error().stack) }"


def hostile_cells() -> list:
    """A notebook's worth of payloads, in every place where a student's work is shown."""
    html, markdown, tex = HOSTILE["html"], HOSTILE["markdown"], HOSTILE["tex"]
    displays = [{"text/html": one} for one in html]
    displays += [{"text/markdown": one} for one in [*markdown, *html]]
    displays += [{"text/latex": f"${one}$"} for one in tex]
    displays += [
        {"image/svg+xml": SVG},
        {"application/javascript": "canary()"},
        {"text/vnd.mermaid": "graph TD; A[<img src=x onerror=canary()>]"},
        {"text/html": "", "application/vnd.jupyter.widget-view+json": {"model_id": "x"}},
        {"image/png": 'x" onerror="canary()'},
        {"text/plain": "<script>canary()</script>"},
    ]
    outputs = [new_output("display_data", data=one) for one in displays]
    outputs += [new_output("stream", name="stdout", text=one) for one in html]
    outputs += [new_output("error", ename=one, evalue=one, traceback=[one]) for one in html]
    outputs += [new_output("execute_result", data={"text/html": one}) for one in html]
    outputs.append(
        new_output(
            "display_data",
            data={"image/png": picture()},
            metadata={
                "image/png": {"alt": "'\"><script>canary()</script>", "width": 9},
                "filenames": {"image/png": "https://canary.invalid/f.png"},
            },
        )
    )
    cells = [
        new_code_cell("# " + html[number % len(html)], outputs=outputs[number : number + 25])
        for number in range(0, len(outputs), 25)
    ]
    cells += [new_markdown_cell(one) for one in [*markdown, *html]]
    cells += [new_markdown_cell(f"${one}$ \\\\({one}\\\\)\n\n$$\n{one}\n$$") for one in tex]
    cells += [new_raw_cell(one) for one in html]
    for number, cell in enumerate(cells):
        cell.id = f"own-{number + 1}"
    return cells


def picture() -> str:
    """A PNG of 2 by 2 red pixels."""
    return (
        "iVBORw0KGgoAAAANSUhEUgAAAAIAAAACCAIAAAD91JpzAAAAEElEQVR4nGP4z8AARAwQCgAf7gP9i18U1AAAAABJ"
        "RU5ErkJggg=="
    )


@pytest.fixture(scope="module")
def graded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A course whose one graded submission holds every payload."""
    from autograder.authoring.release import release
    from autograder.config import Course
    from autograder.core import notebook_io
    from autograder.feedback.feedback import feedback
    from autograder.grading.coordinator import grade

    here = Course.here()
    course = Course(tmp_path_factory.mktemp("hostile") / "course")
    for code in ("en", "ko"):
        name = "cost-formula"
        shutil.copytree(here.source(code) / name, course.source(code) / name)
    release(course, "cost-formula")
    work = notebook_io.read(course.release("ko") / "cost-formula" / "cost-formula.ipynb")
    place = course.submitted / "minji" / "cost-formula"
    notebook_io.write(place / "cost-formula.ipynb", work)
    (place / "timestamp.txt").write_text("2026-11-20 10:00:00 UTC")
    grade(course, "cost-formula")
    path = course.autograded / "minji" / "cost-formula" / "cost-formula.ipynb"
    nb = notebook_io.read(path)
    nb.cells[2:2] = hostile_cells()
    nb.metadata["widgets"] = {
        "application/vnd.jupyter.widget-state+json": {
            "state": {"x": {"</script><script>canary()": 1}}
        }
    }
    path.chmod(0o644)
    notebook_io.write(path, nb)
    with course.gradebook() as gradebook:
        answer = next(
            cell for cell in nb.cells if cell.metadata.get("nbgrader", {}).get("solution")
        )
        comment = gradebook.find_comment(
            answer.metadata.nbgrader.grade_id, "cost-formula", "cost-formula", "minji"
        )
        comment.manual_comment = "\n\n".join(HOSTILE["markdown"])
        gradebook.db.commit()
    feedback(course, "cost-formula")
    return course.root


def feedback_file(root: Path) -> Path:
    return root / "term" / "feedback" / "minji" / "cost-formula" / "cost-formula.html"


@pytest.fixture
def watched(page):
    """A page that records what it asks for and whether a canary sang."""
    page.asked = []
    page.on("request", lambda request: page.asked.append(request.url))
    # What the page's policy forbids is tried and stopped before it leaves.
    page.on(
        "requestfailed",
        lambda request: request.failure == "csp" and page.asked.remove(request.url),
    )
    page.on(
        "dialog", lambda dialog: (page.asked.append(f"dialog {dialog.message}"), dialog.dismiss())
    )
    page.add_init_script(WATCH)
    return page


def assert_silent(page) -> None:
    page.mouse.move(200, 300)
    page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true })")
    page.wait_for_timeout(300)  # time for what would fire a little later
    assert page.evaluate("window.fired") == []
    assert not [url for url in page.asked if "canary.invalid" in url or url.startswith("dialog")]


DOM = """() => {
    const found = [];
    const allowed = /^(https?:|mailto:|file:)/;
    for (const one of document.querySelectorAll('main *')) {
        for (const attribute of one.attributes)
            if (/^on/i.test(attribute.name)) found.push(one.outerHTML);
        if (/^(script|iframe|object|embed|form|input|button|svg|style|link|meta|base|video|audio)$/i
            .test(one.localName)) found.push(one.outerHTML);
        if (one.localName === 'a' && one.href && !allowed.test(one.href)) found.push(one.outerHTML);
        if (one.localName === 'img' && !/^data:image\\/(png|jpeg);/.test(one.src))
            found.push(one.outerHTML);
        const style = getComputedStyle(one);
        if (/fixed|sticky/.test(style.position)) found.push(one.outerHTML);
    }
    return found;
}"""


@pytest.mark.parametrize("defenses", ["both", "cleaning alone"])
def test_no_canary_sings_in_the_students_browser(graded: Path, watched, tmp_path, defenses) -> None:
    text = feedback_file(graded).read_text("utf-8")
    assert len(CSP.findall(text)) == 1
    if defenses == "both":
        address = feedback_file(graded)
    else:
        address = tmp_path / "feedback.html"
        address.write_text(CSP.sub("", text), "utf-8")
    watched.goto(address.as_uri())
    assert_silent(watched)
    assert watched.evaluate(DOM) == []
    assert [url for url in watched.asked if not url.startswith("data:")] == [address.as_uri()]


def test_the_policy_stops_what_cleaning_would_miss(graded: Path, watched, tmp_path) -> None:
    text = feedback_file(graded).read_text("utf-8")
    text = text.replace(
        "</main>", "".join(HOSTILE["html"][:2]) + "<img src=x onerror=canary()></main>"
    )
    address = tmp_path / "feedback.html"
    address.write_text(text, "utf-8")
    watched.goto(address.as_uri())
    assert_silent(watched)


def test_the_canary_sings_where_there_is_no_defense(watched, tmp_path) -> None:
    """Else these tests would prove nothing."""
    address = tmp_path / "bare.html"
    address.write_text("<img src=x onerror=canary()><img src=https://canary.invalid/pixel.png>")
    watched.goto(address.as_uri())
    watched.wait_for_timeout(300)
    assert len(watched.evaluate("window.fired")) == 1
    assert "https://canary.invalid/pixel.png" in watched.asked


def test_what_a_student_needs_is_there(graded: Path, watched) -> None:
    watched.goto(feedback_file(graded).as_uri())
    assert watched.locator("html").get_attribute("lang") == "ko"
    assert watched.get_by_role("table").first.get_by_role("row").count() >= 6
    levels = watched.evaluate("[...document.querySelectorAll('h1,h2')].map(one => one.localName)")
    assert levels[0] == "h1" and levels.count("h1") == 1
    images = watched.locator("main img")
    assert images.count() >= 1
    assert all(one.evaluate("one => one.complete && one.naturalWidth > 0") for one in images.all())
    assert "비용" in watched.locator("main").inner_text()
    # Nothing runs out over the side, however long a word is.
    width = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert watched.evaluate(width) == 0
    watched.set_viewport_size({"width": 360, "height": 740})
    assert watched.evaluate(width) == 0


def test_no_canary_sings_in_formgrader(graded: Path, start_lab: Callable, watched) -> None:
    from autograder.config import Course

    course = Course(graded)
    with course.gradebook() as gradebook:
        name = gradebook.find_submission_notebook("cost-formula", "cost-formula", "minji").id
    lab = start_lab(graded, instructor=True)
    # MathJax and the like, which nbgrader's page asks for, are far away.
    watched.route(lambda url: not url.startswith(lab.url), lambda route: route.abort())
    watched.goto(lab.address("formgrader"))
    watched.goto(f"{lab.url}formgrader/submissions/{name}/")
    watched.locator("#notebook-container .cell").first.wait_for()
    assert watched.locator("#notebook-container .cell").count() > 100
    assert_silent(watched)
    inside = DOM.replace("main *", "#notebook-container .rendered_html *")
    assert watched.evaluate(inside) == []
    assert "한국어" in watched.content() or "비용" in watched.content()


def test_the_picture_is_one() -> None:
    assert base64.b64decode(picture()).startswith(b"\x89PNG")
