"""What the gradebook holds after a submission, compared with nbgrader's own pipeline."""

from __future__ import annotations

import shutil
import sqlite3
from dataclasses import replace
from datetime import datetime

import pytest
from nbformat.v4 import new_markdown_cell
from nbgrader.api import Comment, Grade

from autograder.authoring.release import release
from autograder.config import Course
from autograder.core import notebook_io
from autograder.errors import EnvironmentFault, UserError
from autograder.grading.gradebook_writer import GradebookWriter

RECEIVED = datetime(2026, 11, 20, 10, 0)


@pytest.fixture
def rows(kit):
    return kit.rows


@pytest.fixture(autouse=True)
def no_kernels(monkeypatch, stand_ins):
    """nbgrader's pipeline as it is, but for the kernels it would start."""

    def preprocess(_self, notebook, resources, km=None):
        from autograder.judge.job import JobOutcome, code_cells

        outcome = JobOutcome(stand_ins.execute(code_cells(notebook)))
        return outcome.applied_to(notebook), resources

    monkeypatch.setattr("autograder.student.kernel_runner.ExecuteSubmission.preprocess", preprocess)


@pytest.fixture(scope="module")
def essay_root(tmp_path_factory, kit):
    """The folder of a course whose assignment `mini` also has a written question, released."""
    course = Course(tmp_path_factory.mktemp("essay") / "course")
    meta = kit.meta("why", solution=True, points=3)
    meta["nbgrader"].update(cell_type="markdown", locked=False)
    for code in ("en", "ko"):
        source_notebook = kit.source_notebook(code)
        source = "### BEGIN SOLUTION\nB\n### END SOLUTION"
        source_notebook.cells.append(new_markdown_cell(source, id="why", metadata=meta))
        notebook_io.write(course.source(code) / "mini" / "mini.ipynb", source_notebook)
    release(course, "mini")
    return course.root


@pytest.fixture
def essay(essay_root, tmp_path):
    shutil.copytree(essay_root, tmp_path / "course")
    return Course(tmp_path / "course")


def due(course: Course, hour: int) -> None:
    with course.gradebook() as book:
        book.update_or_create_assignment("mini", duedate=datetime(2026, 11, 20, hour, 0))


def by_nbgrader(course: Course, student: str) -> dict:
    result = course.api().autograde("mini", student, force=True)
    assert result["success"], result
    return {"mini": notebook_io.read(course.autograded / student / "mini" / "mini.ipynb")}


def emptied(course: Course) -> None:
    """Take every submission out of the gradebook again."""
    with course.gradebook() as book:
        for student in list(book.students):
            book.remove_student(student.id)


@pytest.mark.parametrize(("hour", "method"), [(12, "none"), (9, "none"), (9, "zero")])
def test_the_rows_are_those_of_nbgraders_own_pipeline(essay, rows, kit, monkeypatch, hour, method):
    due(essay, hour)
    ours = Course.nbgrader_config

    def config(course):
        made = ours(course)
        made.LateSubmissionPlugin.penalty_method = method
        return made

    monkeypatch.setattr(Course, "nbgrader_config", config)
    kit.hand_in(essay, "right", kit.answered(essay, **kit.RIGHT, why="Because."))
    kit.hand_in(essay, "part", kit.answered(essay, a_answer="a = 42"))
    kit.hand_in(essay, "korean", kit.answered(essay, "ko", **kit.RIGHT))
    graded = {student: by_nbgrader(essay, student) for student in ("right", "part", "korean")}
    expected = rows(essay)
    assert any(row[3] for row in expected["notebooks"]) == (method == "zero")
    assert any(row[4] == "No response." for row in expected["comments"])
    emptied(essay)
    with GradebookWriter(essay, "mini") as writer:
        for student, found in graded.items():
            writer.write(student, found, RECEIVED)
        assert rows(essay) == expected
        for student, found in graded.items():  # a second time changes nothing
            writer.write(student, found, None, lambda found=found: found)
    assert rows(essay) == expected


def test_a_notebook_that_was_not_handed_in_scores_zero(essay, rows):
    with GradebookWriter(essay, "mini") as writer:
        writer.write("a", {}, None)
    found = rows(essay)
    assert {row[4:] for row in found["grades"]} == {(0.0, None, None, 0)}
    assert found["submissions"] == [("mini", "a", None, None)]


@pytest.fixture
def graded(essay, kit):
    kit.hand_in(essay, "a", kit.answered(essay, **kit.RIGHT, why="Because."))
    return by_nbgrader(essay, "a")


def saved(course: Course, cell: str, **changes: object) -> None:
    """What Formgrader saves when a person grades."""
    with course.gradebook() as book:
        grade = book.find_grade(cell, "mini", "mini", "a")
        for name, value in {"needs_manual_grade": False, **changes}.items():
            setattr(grade, name, value)
        book.db.commit()


def stored(course: Course, cell: str) -> tuple:
    with course.gradebook() as book:
        grade = book.find_grade(cell, "mini", "mini", "a")
        return grade.auto_score, grade.manual_score, grade.extra_credit, grade.needs_manual_grade


def test_what_a_person_gave_stays_and_is_flagged_only_when_something_changed(essay, graded):
    saved(essay, "why", manual_score=2.5, extra_credit=0.5)
    saved(essay, "a-test", manual_score=1.0)
    with essay.gradebook() as book:
        book.find_comment("why", "mini", "mini", "a").manual_comment = "Good."
        book.db.commit()
    with GradebookWriter(essay, "mini") as writer:
        writer.write("a", graded, RECEIVED, lambda: graded)
        assert stored(essay, "why") == (None, 2.5, 0.5, False)
        assert stored(essay, "a-test") == (2.0, 1.0, None, False)

        changed = {"mini": notebook_io.copied(graded["mini"])}
        changed["mini"].cells[-1].source = "Because of something else."
        writer.write("a", changed, RECEIVED, lambda: graded)
        assert stored(essay, "why") == (None, 2.5, 0.5, True)
        # A flag that nobody has answered yet stays.
        writer.write("a", changed, RECEIVED, lambda: changed)
        assert stored(essay, "why") == (None, 2.5, 0.5, True)

        saved(essay, "a-test")
        answer = {"mini": notebook_io.copied(changed["mini"])}
        next(cell for cell in answer["mini"].cells if cell.id == "a-answer").source = "a = 6 * 7"
        writer.write("a", answer, RECEIVED, lambda: changed)
        assert stored(essay, "a-test") == (2.0, 1.0, None, True)
        # Nothing to compare with is a change.
        saved(essay, "a-test")
        writer.write("a", answer, RECEIVED)
        assert stored(essay, "a-test") == (2.0, 1.0, None, True)
    with essay.gradebook() as book:
        assert book.find_comment("why", "mini", "mini", "a").manual_comment == "Good."


def test_a_score_that_changes_under_a_manual_one_is_flagged(essay, graded):
    saved(essay, "a-test", manual_score=1.0)
    mended = {"mini": notebook_io.copied(graded["mini"])}
    test = next(cell for cell in mended["mini"].cells if cell.id == "a-test")
    test.outputs = []
    with GradebookWriter(essay, "mini") as writer:
        writer.write("a", mended, RECEIVED, lambda: graded)
    assert stored(essay, "a-test") == (0.0, 1.0, None, True)


def test_an_extension_stays_and_counts(essay, graded):
    due(essay, 9)
    with essay.gradebook() as book:
        book.grant_extension("mini", "a", hours=5)
    with GradebookWriter(essay, "mini") as writer:
        writer.write("a", graded, RECEIVED, lambda: graded)
    with essay.gradebook() as book:
        submission = book.find_submission("mini", "a")
        assert submission.total_seconds_late == 0
        assert submission.extension.total_seconds() == 5 * 3600


def test_a_result_is_in_the_gradebook_whole_or_not_at_all(essay, rows, graded):
    before = rows(essay)
    with GradebookWriter(essay, "mini") as writer:
        broken = {"mini": notebook_io.copied(graded["mini"])}
        broken["mini"].cells = [cell for cell in broken["mini"].cells if cell.id != "double-test"]
        with pytest.raises(KeyError):
            writer.write("b", broken, RECEIVED)
    assert rows(essay) == before


def test_a_gradebook_in_use_is_a_sentence(essay, graded, monkeypatch):
    with GradebookWriter(essay, "mini") as writer:
        holder = sqlite3.connect(essay.term / "gradebook.db")
        holder.execute("BEGIN EXCLUSIVE")
        try:
            with pytest.raises(EnvironmentFault, match="in use"):
                writer.write("a", graded, RECEIVED, lambda: graded)
        finally:
            holder.close()
        writer.write("a", graded, RECEIVED, lambda: graded)


def test_between_two_results_nobody_is_kept_out(essay, graded):
    with GradebookWriter(essay, "mini") as writer:
        writer.write("a", graded, RECEIVED, lambda: graded)
        assert writer.students() == {"a"}
        essay.require_free_gradebook()


def test_an_unknown_assignment_is_a_sentence(essay):
    with pytest.raises(UserError, match="release nix"), GradebookWriter(essay, "nix"):
        pass


def test_a_server_that_is_not_there_is_a_sentence_without_its_password(essay):
    away = replace(essay, db="postgresql://me:secret@127.0.0.1:9/beyond")
    with pytest.raises(EnvironmentFault, match="can't be used") as said:
        away.require_free_gradebook()
    assert "secret" not in str(said.value)
    with pytest.raises(EnvironmentFault, match="check the address"):
        replace(essay, db="no address").require_free_gradebook()


def test_the_rows_compared_are_all_there_are():
    assert {column.name for column in Grade.__table__.columns} == {
        "id",
        "notebook_id",
        "cell_id",
        "auto_score",
        "manual_score",
        "extra_credit",
        "needs_manual_grade",
    }
    assert {column.name for column in Comment.__table__.columns} == {
        "id",
        "notebook_id",
        "cell_id",
        "auto_comment",
        "manual_comment",
    }
