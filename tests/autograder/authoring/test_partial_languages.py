"""A language may have some lessons and assignments only, and one without any needs nothing."""

from __future__ import annotations

import shutil
from dataclasses import replace

import pytest
from nbformat.v4 import new_markdown_cell

from autograder.authoring import check as checking
from autograder.authoring.build import build
from autograder.authoring.release import release
from autograder.authoring.sync import digest
from autograder.config import Course, Settings
from autograder.core import notebook_io
from autograder.errors import UserError
from autograder.feedback.feedback import feedback
from autograder.grading.coordinator import grade


def said(course: Course) -> list[str]:
    steps = (checking.source_problems, checking.translation_problems, checking.built_problems)
    return [str(problem) for step in steps for problem in step(course)]


@pytest.fixture
def larger(course, kit) -> Course:
    """A course with two assignments and a lesson in English and Korean, built."""
    for code in ("en", "ko"):
        place = course.source(code)
        shutil.copytree(place / "mini", place / "more")
        (place / "more" / "mini.ipynb").rename(place / "more" / "more.ipynb")
    for code, text in (("en", "# Costs"), ("ko", "# 비용")):
        marks = {} if code == "en" else {"beyond": {"translates": digest("# Costs")}}
        cells = [new_markdown_cell(text, id="title", metadata=marks)]
        path = course.root / "notebooks" / code / "04-costs.ipynb"
        notebook_io.write(path, kit.notebook(cells, code))
    build(course)
    assert said(course) == []
    return course


def with_french(course: Course, *names: str) -> Course:
    """The course with these notebooks in French, which is declared as partial."""
    settings = replace(course.settings, partial_languages=(("fr", names),))
    course = replace(course, settings=settings)
    for folder, file in (("source", "mini/mini"), ("notebooks", "04-costs")):
        if file.split("/")[-1] in names:
            path = course.root / folder / "fr" / f"{file}.ipynb"
            (course.root / folder / "ko" / f"{file}.ipynb").parent.mkdir(exist_ok=True)
            path.parent.mkdir(parents=True)
            shutil.copyfile(course.root / folder / "ko" / f"{file}.ipynb", path)
    build(course)
    return course


def test_a_language_without_notebooks_needs_nothing(larger):
    for folder in ("source", "notebooks"):
        (larger.root / folder / "fr").mkdir()
    (larger.catalogs / "fr" / "LC_MESSAGES").mkdir(parents=True)
    assert build(larger) == []
    assert said(larger) == []


def test_one_notebook_makes_a_language_that_needs_all(larger):
    path = larger.source("fr") / "mini" / "mini.ipynb"
    path.parent.mkdir(parents=True)
    shutil.copyfile(larger.source("ko") / "mini" / "mini.ipynb", path)
    texts = said(larger)
    assert "source/fr/more/more.ipynb: is missing; translate it to fr" in texts
    assert "notebooks/fr/04-costs.ipynb: is missing; translate it to fr" in texts


def test_a_partial_language_needs_what_it_is_said_to_have(larger):
    course = with_french(larger, "mini")
    assert said(course) == []
    assert not (course.root / "notebooks" / "fr").exists()
    assert not (course.source("fr") / "more").exists()
    assert (course.release("fr") / "mini" / "mini.ipynb").is_file()
    declared = replace(course.settings, partial_languages=(("fr", ("mini", "04-costs")),))
    texts = said(replace(course, settings=declared))
    assert "notebooks/fr/04-costs.ipynb: is missing; translate it to fr" in texts
    assert not [text for text in texts if "more" in text]


def test_texts_of_other_notebooks_need_no_translation(larger, kit):
    name = f"LC_MESSAGES/{larger.settings.text_domain}.po"
    begun = larger.catalogs / "ko" / name
    begun.parent.mkdir(parents=True)
    begun.write_text("")
    course = with_french(larger, "04-costs")
    catalog = course.catalogs / "fr" / name
    assert "a is a number" in catalog.read_text()  # it may be translated
    assert catalog.with_suffix(".mo").is_file()  # the language can be set
    place = catalog.relative_to(course.root)
    assert not [text for text in said(course) if text.startswith(f"{place}: ")]
    course = with_french(course, "mini")
    assert f"{place}: has no translation of 'a is a number'" in said(course)


def test_what_is_not_there_is_told(larger):
    course = with_french(larger, "mini", "cost")
    assert said(course) == [
        "pyproject.toml: says that fr has cost, which is no lesson or assignment"
    ]


def test_an_assignment_in_more_languages_than_another_is_released_and_graded(larger):
    shutil.rmtree(larger.source("ko") / "more")
    shutil.rmtree(larger.root / "notebooks" / "ko")
    settings = replace(larger.settings, partial_languages=(("ko", ("mini",)),))
    course = replace(larger, settings=settings)
    build(course)
    assert said(course) == []
    for name, codes in (("mini", ("en", "ko")), ("more", ("en", "en"))):
        release(course, name)
        for student, code in zip(("s1", "s2"), codes, strict=True):
            work = notebook_io.read(course.release(code) / name / f"{name}.ipynb")
            for cell in work.cells:
                if cell.id == "a-answer":
                    cell.source = "a = 42"
            path = course.submitted / student / name / f"{name}.ipynb"
            notebook_io.write(path, work)
            (path.parent / "timestamp.txt").write_text("2026-11-20 10:00:00 UTC")
        grade(course, name)
        assert not feedback(course, name).warnings
        with course.gradebook() as gradebook:
            for student in ("s1", "s2"):
                assert gradebook.find_submission(name, student).score == 2


def test_a_wrong_declaration_is_one_sentence(tmp_path):
    written = '[tool.autograder]\npartial-languages = { fr = "quiz" }\n'
    (tmp_path / "pyproject.toml").write_text(written)
    with pytest.raises(UserError, match=r"partial-languages in .* a table of lists of lessons"):
        Settings.read(tmp_path)
