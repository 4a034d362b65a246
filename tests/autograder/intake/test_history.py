"""What is collected again: the newest counts, and nothing is lost."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from autograder.config import Course
from autograder.errors import UserError
from autograder.intake.collect import collect
from tests.autograder.intake.class_files import (
    EARLY,
    LATER,
    answer,
    everything,
    notebook,
    notes,
    put,
    received,
)


@pytest.fixture
def course(quiz_course: Course) -> Course:
    return quiz_course


def test_collecting_twice_changes_nothing(course, inbox):
    put(inbox / "s01/quiz.ipynb", notebook("q1 = 1"))
    put(inbox / "s02/quiz.ipynb", b"{")
    collect(course, "quiz", inbox)
    before = everything(course.term)
    result = collect(course, "quiz", inbox)
    assert result.taken == [] and result.unchanged == ["s01", "s02"]
    assert everything(course.term) == before


def test_a_newer_one_replaces_and_the_older_stays(course, inbox):
    put(inbox / "s01/quiz.ipynb", notebook("q1 = 1"))
    collect(course, "quiz", inbox)
    put(inbox / "s01/quiz.ipynb", notebook("q1 = 2"), LATER)
    assert len(collect(course, "quiz", inbox).taken) == 1
    assert answer(course) == "q1 = 2" and "replaces" in notes(course)
    kept = sorted(path.name for path in (course.collected / "s01/quiz").iterdir() if path.is_dir())
    assert kept == ["20250310T120000Z", "20250311T120000Z"]


def test_an_older_one_changes_nothing_but_is_kept(course, inbox):
    put(inbox / "s01/quiz.ipynb", notebook("q1 = 2"), LATER)
    collect(course, "quiz", inbox)
    put(inbox / "s01/quiz.ipynb", notebook("q1 = 1"), EARLY)
    assert collect(course, "quiz", inbox).unchanged == ["s01"]
    assert answer(course) == "q1 = 2" and received(course) == LATER
    before = everything(course.term)
    assert collect(course, "quiz", inbox).unchanged == ["s01"]
    assert everything(course.term) == before
    assert (course.collected / "s01/quiz/20250310T120000Z/quiz.ipynb").is_file()


def test_an_earlier_version_handed_in_again_is_the_newest(course, inbox):
    for number, time in ((1, EARLY), (2, LATER), (1, LATER + timedelta(days=1))):
        put(inbox / "s01/quiz.ipynb", notebook(f"q1 = {number}"), time)
        collect(course, "quiz", inbox)
    assert answer(course) == "q1 = 1" and received(course) == LATER + timedelta(days=1)


def test_history_changed_by_hand_is_a_sentence(course, inbox):
    put(inbox / "s01/quiz.ipynb", notebook())
    collect(course, "quiz", inbox)
    put(course.collected / "s01/quiz/history.json", json.dumps([1]).encode())
    with pytest.raises(UserError, match="changed by hand"):
        collect(course, "quiz", inbox)
