"""A course with a quiz, a class list, and a folder for what comes in."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from autograder.config import Course
from autograder.intake.roster import Person, enroll
from tests.autograder.intake.class_files import (
    BLANK,
    DUE,
    notebook,
    put,
)


@pytest.fixture(scope="session")
def empty_gradebook(tmp_path_factory) -> bytes:
    """A gradebook with the class; making one takes a second, so it is copied."""
    course = Course(tmp_path_factory.mktemp("gradebook"))
    people = [
        Person("s01", "Minjun", "Kim", lms_user_id="101"),
        Person("s02", "Ada", "Lovelace", lms_user_id="102"),
        Person("s03", "서연", "이", lms_user_id="103"),
    ]
    enroll(course, people)
    with course.gradebook() as gradebook:
        gradebook.add_assignment("quiz", duedate=DUE.replace(tzinfo=None))
    return (course.term / "gradebook.db").read_bytes()


@pytest.fixture
def quiz_course(tmp_path, empty_gradebook) -> Course:
    root = tmp_path / "course"
    for part in ("source", "release"):
        put(root / part / "en/quiz/quiz.ipynb", BLANK)
        put(root / part / "en/moe/moe.ipynb", notebook("", ("gate", "gate-test")))
        put(root / part / "en/moe/prices.csv", b"1\n")
    put(root / "term/gradebook.db", empty_gradebook)
    return Course(root, exchange=tmp_path / "exchange")


@pytest.fixture
def inbox(tmp_path) -> Path:
    return tmp_path / "in"


@pytest.fixture
def emptied(tmp_path):
    """Removes afterwards what is nested too deep for Python to remove."""
    yield
    subprocess.run(["rm", "-rf", *tmp_path.iterdir()], check=True)
