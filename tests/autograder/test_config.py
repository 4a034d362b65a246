"""Names that are refused, and a gradebook that another program holds."""

import sqlite3

import pytest

from autograder.config import Course
from autograder.core.student_id import require_student_id
from autograder.errors import EnvironmentFault, UserError


@pytest.mark.parametrize(
    "name", ["", " ", "a/b", "a\\b", "..", ".", "a*", "a+b", "x" * 101, "a\nb"]
)
def test_student_ids_that_a_path_can_not_hold_are_refused(name):
    with pytest.raises(UserError, match="student id"):
        require_student_id(name)


@pytest.mark.parametrize("name", ["s1", "ada.lovelace", "a@b.org", "김민준", "2026-001"])
def test_student_ids_that_are_fine(name):
    assert require_student_id(name) == name


def test_decomposed_hangul_is_composed():
    assert require_student_id("\u1100\u1175\u11b7") == "김"


def test_an_unknown_assignment_names_the_known_ones(course):
    with pytest.raises(UserError, match="choose one of: mini"):
        course.require_assignment("nix")
    with pytest.raises(UserError, match="en, ko"):
        course.require_language("fr")


def test_a_gradebook_in_use_is_said(term):
    connection = sqlite3.connect(term.term / "gradebook.db")
    connection.execute("BEGIN EXCLUSIVE")
    try:
        with pytest.raises(EnvironmentFault, match="in use by another program"):
            term.require_free_gradebook()
    finally:
        connection.close()
    term.require_free_gradebook()


def test_the_course_is_found_by_its_environment_variable(tmp_path, monkeypatch):
    monkeypatch.setenv("BEYOND_COURSE", str(tmp_path))
    assert Course.here().root == tmp_path.resolve()
    monkeypatch.setenv("BEYOND_COURSE", str(tmp_path / "nowhere"))
    with pytest.raises(UserError, match="no course folder"):
        Course.here()
