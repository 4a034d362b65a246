"""beyond.ui.start_page: one language of START.md, with what is done and what is next."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import xml.etree.ElementTree as ET
from datetime import UTC, datetime, timedelta
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from autograder.student.standing import Standing
from beyond.ui import start_page as pages
from beyond.ui.progress import of_notebook
from beyond.ui.self_check import Choice, Question, SelfCheck
from beyond.ui.self_check_record import answered
from beyond.ui.start_page import Item, Links, read_contents

ROOT = Path(__file__).resolve().parents[3]
START = (ROOT / "notebooks" / "START.md").read_text(encoding="utf-8")
NOW = datetime(2026, 3, 12, 9, 30, tzinfo=UTC)


@pytest.fixture
def course(tmp_path: Path) -> Path:
    """The course's START.md with two short lessons and one assignment."""
    for language in ("en", "ko"):
        folder = tmp_path / "notebooks" / language
        folder.mkdir(parents=True)
        for name in ("00-start-here", "01-prompting"):
            nbformat.write(lesson_notebook(language), folder / f"{name}.ipynb")
        quiz = tmp_path / "work" / language / "quiz"
        quiz.mkdir(parents=True)
        nbformat.write(new_notebook(cells=[new_code_cell("q1 = None")]), quiz / "quiz.ipynb")
    shutil.copy(ROOT / "notebooks" / "START.md", tmp_path / "notebooks")
    return tmp_path


def lesson_notebook(language: str) -> nbformat.NotebookNode:
    time = {
        "en": "**Time:** 60 minutes · **Needs:** nothing",
        "ko": "**시간:** 60분 · **준비:** 없음",
    }
    optional = {"en": "Optional", "ko": "선택"}[language]
    return new_notebook(
        cells=[
            new_markdown_cell(f"# A lesson\n\n{time[language]}"),
            new_code_cell("1", id="one"),
            new_markdown_cell(f"## 2. {optional}: a detour"),
            new_code_cell("2", id="detour"),
            new_markdown_cell("### Deeper"),
            new_code_cell("3", id="deeper"),
            new_markdown_cell("## 3. On"),
            new_code_cell("4", id="on"),
            new_markdown_cell(f"### Exercise\n\n*{optional}. Difficulty: 2 of 5.*"),
            new_code_cell("5", id="exercise"),
            new_markdown_cell("Read on."),
            new_code_cell("6", id="exercise-checks"),
            new_markdown_cell("### Check yourself"),
            new_code_cell("SelfCheck(self_check.questions())", id="self-check"),
            new_code_cell("", id="empty"),
        ]
    )


def run(path: Path, *cells: str) -> None:
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        if cell.id in cells:
            cell.execution_count = 1
    nbformat.write(notebook, path)


def page(course: Path, language: str, **stands: Standing) -> ET.Element:
    codes = pages.languages(START)
    contents = read_contents(START, language)
    known = {one.name: Standing(one.name) for one in contents.assignments} | stands
    learned = pages.lessons(course, contents, codes)
    return pages.start_page(contents, language, codes, learned, known, Links(course, "/base/"), NOW)


def text(element: ET.Element) -> str:
    return " ".join(" ".join(element.itertext()).split())


def row(made: ET.Element, title: str) -> ET.Element:
    return next(one for one in made.iter("li") if title in text(one.find("h3")))


def of_class(made: ET.Element, name: str) -> ET.Element:
    return next(one for one in made.iter() if one.get("class") == name)


# --- START.md --------------------------------------------------------------------------------


def test_each_language_has_the_same_parts_of_the_page():
    codes = pages.languages(START)
    assert codes == ["en", "ko"]
    english, korean = (read_contents(START, code) for code in codes)
    assert [one.heading for one in english.sections] == [
        *("", "Lessons", "Assignments", "Submitting", "Feedback")
    ]
    assert [one.heading for one in korean.sections] == ["", "강의", "과제", "제출", "피드백"]
    for own, other in zip(english.sections, korean.sections, strict=True):
        assert len(own.notes) == len(other.notes)
        for name in ("lessons", "assignments"):
            told, translated = getattr(own, name), getattr(other, name)
            assert [one.name for one in told] == [one.name for one in translated]
            for one in [*told, *translated]:
                assert one.title and one.about and " · " not in one.about
    assert not any("가" <= letter <= "힣" for letter in str(dataclasses.asdict(english)))
    assert all(any("가" <= letter <= "힣" for letter in note) for note in korean.sections[3].notes)


def test_every_notebook_of_a_lesson_and_of_an_assignment_is_there():
    for language in pages.languages(START):
        contents = read_contents(START, language)
        names = {path.stem for path in (ROOT / "notebooks" / language).glob("[0-9]*.ipynb")}
        assert {one.name for one in contents.lessons} == names
        assert all((ROOT / one.path).is_file() for one in contents.lessons)
        assigned = {path.name for path in (ROOT / "release" / language).iterdir() if path.is_dir()}
        assert {one.name for one in contents.assignments} == assigned


def test_every_lesson_says_what_it_takes():
    for language in pages.languages(START):
        for one in read_contents(START, language).lessons:
            minutes = of_notebook(ROOT / one.path).minutes
            assert any(letter.isdigit() for letter in minutes) and "·" not in minutes, one.path


# --- how far ---------------------------------------------------------------------------------


def test_a_lesson_is_done_when_every_cell_that_is_needed_has_run(course):
    path = course / "notebooks/en/00-start-here.ipynb"
    before = of_notebook(path)
    assert (before.cells, before.ran, before.minutes) == (3, 0, "60 minutes")
    assert before.has_self_check and not before.done
    run(path, "one", "deeper", "exercise", "exercise-checks")
    assert of_notebook(path).ran == 1
    run(path, "on", "self-check")
    assert of_notebook(path).done


def test_korean_labels_mark_the_same_cells_as_optional():
    for path in sorted((ROOT / "notebooks/en").glob("[0-9]*.ipynb")):
        other = ROOT / "notebooks/ko" / path.name
        assert of_notebook(path).cells == of_notebook(other).cells > 3


@pytest.mark.parametrize("content", ["", "[]", '{"cells": 3}', '{"cells": [3, {}]}', "[" * 9999])
def test_a_lesson_that_is_no_notebook_is_not_begun(tmp_path, content):
    path = tmp_path / "00-start-here.ipynb"
    path.write_text(content)
    assert of_notebook(path).ran == 0 and not of_notebook(path).done
    assert of_notebook(tmp_path / "none.ipynb").cells == 0


def test_a_lesson_done_in_one_language_is_done_in_the_other(course):
    run(course / "notebooks/en/00-start-here.ipynb", "one", "on", "self-check")
    made = page(course, "ko")
    assert "완료" in text(row(made, "0강"))
    assert "10강" not in text(made) and "2강 중 1강 완료" in text(made)


# --- self-checks -----------------------------------------------------------------------------


def check() -> SelfCheck:
    choices = (Choice("yes", "", right=True), Choice("no", ""))
    return SelfCheck([Question("One?", choices), Question("Two?", choices)])


def answer(made: SelfCheck, index: int, right: bool) -> None:
    choices = made.questions[index].choices
    made.choices[index].value = next(i for i, one in enumerate(choices) if one.right == right)
    made.buttons[index].click()


def test_answers_to_a_self_check_are_kept_beside_the_work(course, monkeypatch):
    notebook = course / "notebooks/en/01-prompting.ipynb"
    monkeypatch.setenv("JPY_SESSION_NAME", str(notebook))
    made = check()
    made.buttons[0].click()  # nothing chosen
    assert answered(course, "01-prompting") is None
    answer(made, 0, right=False)
    assert answered(course, "01-prompting") == (1, 2)
    again = check()  # after a restart
    answer(again, 1, right=True)
    assert answered(course, "01-prompting") == (2, 2)
    kept = json.loads((course / "work/.self-checks/01-prompting.json").read_text())
    assert kept == {"questions": 2, "answered": {"1": False, "2": True}}
    run(notebook, "one")
    assert "self-check: 2 of 2 answered" in text(row(page(course, "en"), "Lesson 1"))
    assert "self-check not answered yet" not in text(row(page(course, "en"), "Lesson 0"))


def test_a_self_check_outside_of_a_course_keeps_nothing(tmp_path, course, monkeypatch):
    before = sorted(tmp_path.rglob("*"))
    for place in ("", "x.ipynb", "work/en/quiz/quiz.ipynb", "notebooks/en/notes.py"):
        monkeypatch.setenv("JPY_SESSION_NAME", str(course / place) if place else "")
        answer(check(), 0, right=True)
    monkeypatch.delenv("JPY_SESSION_NAME")
    answer(check(), 0, right=True)
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="needs a folder closed to it")
def test_a_self_check_goes_on_where_nothing_can_be_kept(course, monkeypatch):
    monkeypatch.setenv("JPY_SESSION_NAME", str(course / "notebooks/en/01-prompting.ipynb"))
    (course / "work").chmod(0o500)
    made = check()
    answer(made, 0, right=True)
    assert "✓" in made.answers[0].value


@pytest.mark.parametrize(
    "content",
    ["", "[]", "{}", '{"questions": 2, "answered": 3}', '{"questions": "2", "answered": {}}'],
)
def test_a_record_that_is_none_says_nothing(course, content):
    path = course / "work/.self-checks/01-prompting.json"
    path.parent.mkdir()
    path.write_text(content)
    assert answered(course, "01-prompting") is None
    path.write_text('{"questions": 2, "answered": {"1": true, "7": true, "<b>": true}}')
    assert answered(course, "01-prompting") == (1, 2)


# --- what is next ----------------------------------------------------------------------------


def step(made: ET.Element) -> str:
    return text(of_class(made, "beyond-start-next"))


def test_what_is_next(course):
    assert step(page(course, "en")).startswith("Next Lesson 0: Start here 60 minutes Start")
    later = course / "notebooks/en/01-prompting.ipynb"
    run(later, "one")  # whoever has begun one goes on there
    assert "Lesson 1: Prompting 60 minutes · 1 of 3 cells run Continue" in step(page(course, "en"))
    due = Standing("quiz", due=NOW + timedelta(days=6))
    assert "Quiz due 2026-03-18 09:30 UTC Start" in step(page(course, "en", quiz=due))
    far = Standing("quiz", due=NOW + timedelta(days=8))
    assert "Lesson 1" in step(page(course, "en", quiz=far))
    handed_in = dataclasses.replace(due, submitted=NOW)
    assert "Lesson 1" in step(page(course, "en", quiz=handed_in))
    for name in ("00-start-here", "01-prompting"):
        run(course / f"notebooks/ko/{name}.ipynb", "one", "on", "self-check")
    assert "Quiz" in step(page(course, "en", quiz=far))
    assert "퀴즈" in step(page(course, "ko", quiz=far))


def test_work_that_is_late_comes_last_and_then_everything_is_done():
    item = Item("quiz", "", "", "Quiz", "")
    other = Item("other", "", "", "Other", "")
    late = {"quiz": Standing("quiz", due=NOW - timedelta(days=1)), "other": Standing("other")}
    assert pages.next_step([], late, [item, other], NOW) is other
    late["other"] = Standing("other", packed=NOW)
    assert pages.next_step([], late, [item, other], NOW) is item
    late["quiz"] = Standing("quiz", submitted=NOW)
    assert pages.next_step([], late, [item, other], NOW) is None


def test_what_is_next_is_the_only_thing_of_its_size(course):
    made = page(course, "en")
    assert len([one for one in made.iter() if one.get("class") == "beyond-start-go"]) == 1


# --- assignments -----------------------------------------------------------------------------


def test_an_assignment_says_how_it_stands(course):
    def quiz(**told: object) -> ET.Element:
        return row(page(course, "en", quiz=Standing("quiz", **told)), "Quiz")

    due = NOW + timedelta(days=1)
    assert text(quiz()).endswith("Not started")
    assert "Started, not submitted · due 2026-03-13 09:30 UTC" in text(quiz(begun=True, due=due))
    assert "was due" in text(quiz(due=NOW))
    assert "upload the zip to submit it" in text(quiz(packed=NOW))
    assert "submitted 2026-03-12 09:30 UTC" in text(quiz(packed=NOW, submitted=NOW))
    waiting = quiz(submitted=NOW, waiting=True)
    assert "Graded" in text(waiting)
    assert waiting.find("button").get("data-command") == "nbgrader:open-assignment-list"
    fetched = course / "work/en/quiz/feedback/2026-03-12 09:30:00.000000 UTC/quiz.html"
    graded = quiz(submitted=NOW, pages=(fetched,))
    link = graded.findall(".//a")[-1]
    assert text(link) == "Read the feedback: Quiz"
    assert link.get("href").startswith("/base/files/work/en/quiz/feedback/2026-03-12%2009")


def test_a_link_to_nothing_is_no_link(course):
    (course / "work/en/quiz/quiz.ipynb").unlink()
    assert row(page(course, "en"), "Quiz").find(".//a") is None
    assert row(page(course, "ko"), "퀴즈").find(".//a") is not None


def test_links_lead_where_they_lead_in_the_file(course):
    links = {one.get("data-path"): one.get("href") for one in page(course, "ko").iter("a")}
    assert links["notebooks/ko/glossary.md"] == "/base/lab/tree/notebooks/ko/glossary.md"
    assert links["work/ko/quiz/quiz.ipynb"] == "/base/lab/tree/work/ko/quiz/quiz.ipynb"


def test_what_a_student_wrote_is_text(course):
    evil = "<img src=x onerror=alert(1)>"
    folder = course / "work/en/quiz/feedback" / evil
    made = page(course, "en", quiz=Standing("quiz", pages=(folder / "quiz.html",)))
    path = course / "notebooks/en/00-start-here.ipynb"
    notebook = nbformat.read(path, as_version=4)
    notebook.cells[0].source = f"# x\n\n**Time:** {evil}"
    nbformat.write(notebook, path)
    for element in (made, page(course, "en")):
        shown = ET.tostring(element, encoding="unicode", method="html")
        assert "<img" not in shown and "onerror" in shown


# --- the language ----------------------------------------------------------------------------


def test_the_language_is_remembered_where_the_launcher_says(course, monkeypatch):
    monkeypatch.setenv("AUTOGRADER_LANGUAGE", "en")
    monkeypatch.delenv("AUTOGRADER_LANGUAGE_FILE", raising=False)
    assert pages.remembered(course, ["en", "ko"]) == ""
    pages.remember(course, "ko")
    assert (course / "work/.language").read_text() == "ko"
    assert os.environ["AUTOGRADER_LANGUAGE"] == "ko"  # for the Assignment List
    monkeypatch.setenv("AUTOGRADER_LANGUAGE_FILE", str(course / "cache" / "language"))
    assert pages.remembered(course, ["en", "ko"]) == ""
    pages.remember(course, "ko")
    assert pages.remembered(course, ["en", "ko"]) == "ko"
    (course / "cache" / "language").write_text("<b>")
    assert pages.remembered(course, ["en", "ko"]) == ""


def test_the_choice_is_put_in_every_language():
    made = pages.choice_page(["en", "ko"], lambda one: read_contents(START, one).title)
    assert "Choose your language · 언어를 고르세요" in text(made)
    assert [one.get("data-language") for one in made.iter("button")] == ["en", "ko"]
    assert [text(one) for one in made.iter("button")] == ["English", "한국어"]
