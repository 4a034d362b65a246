"""`check` names file and cell for each thing that is wrong, and is quiet when nothing is."""

import pytest

from autograder.authoring import check as checking
from autograder.authoring.build import build
from autograder.authoring.check import STEPS, check
from autograder.config import Course
from autograder.core import notebook_io
from autograder.errors import UserError


@pytest.fixture
def said(course, monkeypatch):
    """What `check` says; the trial, which runs notebooks, has tests of its own."""

    def run(trial=False):
        if not trial:
            monkeypatch.setitem(STEPS, "solutions and stubs, run", lambda _course: [])
        return [str(problem) for problem in check(course)]

    return run


def edit(course, path, cell_id, change):
    notebook = notebook_io.read(path)
    cell = next(one for one in notebook.cells if one.id == cell_id)
    change(cell)
    notebook_io.write(path, notebook)


def test_a_sound_course_has_no_problems(course, said):
    assert said(trial=True) == []


def test_a_release_edited_by_hand(course, said):
    path = course.release("ko") / "mini" / "mini.ipynb"
    edit(course, path, "a-answer", lambda cell: cell.update(source="a = 1"))
    assert "release/ko/mini/mini.ipynb: a-answer is out of date; run `autograder build`" in said()


def test_a_missing_and_a_left_over_release(course, said):
    path = course.release("en") / "mini" / "mini.ipynb"
    path.rename(path.with_name("other.ipynb"))
    texts = said()
    assert "release/en/mini/mini.ipynb: isn't built yet; run `autograder build`" in texts
    assert "release/en/mini/other.ipynb: has no source any more; run `autograder build`" in texts


def test_a_stale_translation_and_other_code(course, said):
    edit(
        course,
        course.source("en") / "mini" / "mini.ipynb",
        "title",
        lambda cell: cell.update(source=cell.source + " More."),
    )
    build(course)
    assert said() == ["source/ko/mini/mini.ipynb: title translates an older English text (stale)"]


def test_code_edited_in_korean_only(course, said):
    path = course.source("ko") / "mini" / "mini.ipynb"
    edit(course, path, "double", lambda cell: cell.update(source="x = 1"))
    assert "source/ko/mini/mini.ipynb: double has different code than in English" in said()


def test_a_notebook_without_translation(course, said):
    lesson = course.root / "notebooks" / "ko" / "lesson.ipynb"
    lesson.parent.mkdir(parents=True)
    (course.source("ko") / "mini" / "mini.ipynb").rename(lesson)  # without it, there is no Korean
    assert "source/ko/mini/mini.ipynb: is missing; translate it to ko" in said()


def test_an_output_a_random_id_and_a_boundary_fault(course, said):
    path = course.source("en") / "mini" / "mini.ipynb"
    notebook = notebook_io.read(path)
    by_id = {cell.id: cell for cell in notebook.cells}
    by_id["imports"].execution_count = 1
    by_id["title"].id = "3f2a91bc"
    by_id["a-test"].source = by_id["a-test"].source.replace("report()", "")
    notebook_io.write(path, notebook)
    texts = " | ".join(said())
    assert "source/en/mini/mini.ipynb: imports has stored output" in texts
    assert "source/en/mini/mini.ipynb: 3f2a91bc has an id that isn't descriptive" in texts
    assert "source/en/mini/mini.ipynb: a-test doesn't end with report()" in texts


def test_a_doubled_id_in_every_language(course, said):
    for code in ("en", "ko"):
        path = course.source(code) / "mini" / "mini.ipynb"
        content = path.read_text()
        assert content.count('"id": "imports"') == 1
        path.write_text(content.replace('"id": "imports"', '"id": "title"'))
    build(course)
    assert "source/en/mini/mini.ipynb: title has an id that 2 cells share" in said()


def test_a_source_notebook_that_does_not_build_hides_nothing(course, said):
    path = course.source("en") / "mini" / "mini.ipynb"
    notebook = notebook_io.read(path)
    cells = {cell.id: cell for cell in notebook.cells}
    cells["double-test"].metadata.nbgrader["grade_id"] = "a-test"
    notebook_io.write(path, notebook)
    texts = said()
    assert "source/en/mini/mini.ipynb: a-test has a grade id that 2 cells share" in texts
    assert texts[-1].startswith("the rest: could not be checked: mini can't be released (")


def test_a_solution_in_the_release(course, said):
    path = course.release("en") / "mini" / "mini.ipynb"
    edit(
        course, path, "double", lambda cell: cell.update(source="def double(x):\n    return x + x")
    )
    assert any(
        text.startswith("release/en/mini/mini.ipynb: double has an answer cell") for text in said()
    )


def test_a_trial_that_fails(course, said, monkeypatch):
    path = course.source("en") / "mini" / "mini.ipynb"
    edit(course, path, "a-answer", lambda cell: cell.update(source=cell.source.replace("42", "41")))
    build(course)
    assert any("a-test doesn't give the solution full marks" in text for text in said(trial=True))


def test_progress_names_every_step(course, said):
    seen = []
    check(course, seen.append)
    assert seen == list(STEPS)


def test_an_unreadable_source_notebook_is_a_sentence(course):
    (course.source("en") / "mini" / "mini.ipynb").write_text("{")
    with pytest.raises(UserError, match="isn't JSON"):
        check(course)


def test_a_folder_without_sources_is_a_sentence(tmp_path):
    with pytest.raises(UserError, match="no sources"):
        check(Course(tmp_path))


def test_every_step_is_a_function_of_the_module():
    assert all(step.__module__ == checking.__name__ for step in STEPS.values())


def test_a_section_to_read_again_has_to_be_there(course, said, kit):
    for code in ("en", "ko"):
        lesson = kit.notebook([kit.new_markdown_cell("# Lesson", id="top")], code)
        notebook_io.write(course.root / "notebooks" / code / "01-lesson.ipynb", lesson)
    for code in ("en", "ko"):
        edit(
            course,
            course.source(code) / "mini" / "mini.ipynb",
            "a-test",
            lambda cell: cell.metadata.update(
                beyond={"read": ["01-lesson#top", "01-lesson", "01-lesson#nix", "09-none"]}
            ),
        )
    build(course)
    told = [text for text in said() if "read" in text and "mini" in text]
    assert told == [
        f"source/{code}/mini/mini.ipynb: a-test says to read {name!r} again, which no lesson has"
        for code in ("en", "ko")
        for name in ("01-lesson#nix", "09-none")
    ]


def test_one_assignment_alone(course, said):
    edit(
        course,
        course.source("en") / "mini" / "mini.ipynb",
        "title",
        lambda cell: cell.update(source=cell.source + " More."),
    )
    build(course)
    other = course.source("en") / "other"
    other.mkdir()
    path = course.source("en") / "mini" / "mini.ipynb"
    (other / "other.ipynb").write_bytes(path.read_bytes())
    said()  # leaves the trial out from now on
    assert {one.file.split("/")[2] for one in check(course) if "/" in one.file} == {"mini", "other"}
    assert {str(one) for one in check(course, only="mini")} == {
        "source/ko/mini/mini.ipynb: title translates an older English text (stale)"
    }
    with pytest.raises(UserError, match="There is no assignment 'maxi'"):
        check(course, only="maxi")
