"""What an instructor meets in JupyterLab: Formgrader, on the class that `autograder demo` plays."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

playwright = pytest.importorskip("playwright.sync_api")
expect = playwright.expect


@pytest.fixture(scope="module")
def demo_lab(start_lab: Callable, played: tuple, tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("demo") / "demo"
    shutil.copytree(played[0], folder)
    root = next(path.parent.parent for path in folder.rglob("gradebook.db"))
    return start_lab(root, instructor=True)


def test_an_instructor_has_all_of_nbgraders_menu(demo_lab, page) -> None:
    page.goto(demo_lab.address("lab"))
    expect(page.locator(".jp-Launcher")).to_be_visible()
    page.get_by_role("menuitem", name="Nbgrader", exact=True).click()
    menu = page.locator(".lm-Menu-content")
    expect(menu.get_by_role("menuitem", name="Formgrader")).to_be_visible()
    labels = [label for label in menu.locator(".lm-Menu-itemLabel").all_inner_texts() if label]
    assert {"Assignment List", "Create assignment", "Formgrader"} <= set(labels)
    assert "Course List" not in labels


def test_formgrader_shows_the_class_and_its_scores(demo_lab, page) -> None:
    from autograder.config import Course

    with Course(demo_lab.root).gradebook() as gradebook:
        students = {one["id"]: one for one in gradebook.student_dicts()}
    assert students
    page.goto(demo_lab.address("formgrader"))  # logs this browser in, with the token
    page.goto(f"{demo_lab.url}formgrader/manage_students")
    rows = page.locator("table tbody tr")
    expect(rows).to_have_count(len(students))
    for student in students.values():
        row = rows.filter(has=page.get_by_role("gridcell", name=student["id"], exact=True))
        score = f"{round(student['score'], 2):g} / {round(student['max_score'], 2):g}"
        expect(row).to_contain_text(score)


def test_formgrader_lists_the_assignments(demo_lab, page) -> None:
    page.goto(demo_lab.address("formgrader"))
    page.goto(f"{demo_lab.url}formgrader/manage_assignments")
    for name in assignments(demo_lab.root):
        expect(page.get_by_role("link", name=name, exact=True).first).to_be_visible()
    # nbgrader's own warning when the course doesn't lie in JupyterLab's folder
    expect(page.get_by_text("not a subdirectory of the notebook")).to_have_count(0)


def assignments(root: Path) -> list[str]:
    from autograder.config import Course

    return Course(root).assignments()


def test_formgraders_autograde_button_is_the_same_engine(demo_lab, page) -> None:
    """Grading again from the browser changes no score."""
    from autograder.config import Course

    def scores() -> dict[str, float]:
        with Course(demo_lab.root).gradebook() as gradebook:
            return {one["student"]: one["score"] for one in gradebook.submission_dicts("quiz")}

    before = scores()
    student = max(before, key=before.get)
    page.goto(demo_lab.address("formgrader"))
    page.goto(f"{demo_lab.url}formgrader/manage_submissions/quiz")
    row = page.locator("table tbody tr").filter(
        has=page.get_by_role("gridcell", name=student, exact=True)
    )
    row.locator(".autograde a").click()
    expect(page.locator(".modal-dialog")).to_contain_text("Successfully autograded", timeout=50_000)
    assert scores() == before


def test_a_fresh_course_has_its_assignments_in_formgrader(
    start_lab: Callable, fresh_course: Path, page
) -> None:
    """Before anything was released there is no gradebook, and none need be made by hand."""
    lab = start_lab(fresh_course, instructor=True)
    page.goto(lab.address("formgrader"))
    page.goto(f"{lab.url}formgrader/manage_assignments")
    for name in assignments(lab.root):
        expect(page.get_by_role("link", name=name, exact=True).first).to_be_visible()
