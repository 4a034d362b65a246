"""Formgrader's Collect button: what it calls does what `autograder collect` does."""

from __future__ import annotations

import logging
import os
from datetime import UTC, datetime

import pytest
from nbgrader.exchange import ExchangeError

from autograder.config import Course
from autograder.intake.exchange_collect import CollectNewest
from autograder.term.students import rename
from tests.autograder.intake.class_files import EARLY, answer, hand_in, notebook


@pytest.fixture
def course(quiz_course: Course) -> Course:
    return quiz_course


def press(course: Course) -> dict:
    api = course.api()
    api.log.setLevel(logging.INFO)  # as JupyterLab's server has it
    return api.collect("quiz")


def students(course: Course) -> set[str]:
    with course.gradebook() as gradebook:
        return {student.id for student in gradebook.students}


def test_the_newest_is_collected_and_named(course):
    hand_in(course, "s01", notebook("q1 = 1"), datetime.now(UTC))
    done = press(course)
    assert done["success"], done
    assert "1 taken" in done["log"]
    assert answer(course) == "q1 = 1"
    assert "0 taken, 1 unchanged" in press(course)["log"]


@pytest.mark.skipif(not hasattr(os, "chown") or os.getuid() != 0, reason="needs another owner")
def test_nobody_hands_in_as_another(course):
    folder = hand_in(course, "s01", notebook("q1 = 2"), datetime.now(UTC))
    os.chown(folder, 65_534, 65_534)
    done = press(course)
    assert done["success"], done
    assert "claims to be of s01 but belongs to" in done["log"]
    assert not (course.submitted / "s01/quiz").exists()


def test_a_folders_name_does_not_say_when_it_came_in(course):
    hand_in(course, "s01", notebook("q1 = 1"), EARLY)
    press(course)
    assert not (course.submitted / "s01/quiz/timestamp.txt").read_text().startswith("2025")


def test_a_renamed_student_is_not_enrolled_again(course):
    hand_in(course, "s01", notebook("q1 = 1"), datetime.now(UTC))
    press(course)
    rename(course, "s01", "s09")
    assert "before s01 was renamed" in press(course)["log"]
    assert "s01" not in students(course)
    assert not (course.submitted / "s01").exists()


def test_a_fault_and_what_this_cannot_do_are_told_in_a_sentence(course):
    api = course.api()
    step = CollectNewest(coursedir=api.coursedir, parent=api)
    step.before_duedate = True
    with pytest.raises(ExchangeError, match="leave out --before-duedate"):
        step.start()
    hand_in(course, "s01", notebook("q1 = 1"), datetime.now(UTC))
    os.rename(course.exchange / course.id / "inbound", course.exchange / "gone")
    done = press(course)
    assert not done["success"]
    assert "There is no exchange" in done["error"] + done["log"]
