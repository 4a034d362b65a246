"""The parts of `watch` by themselves: turns, limits, and what its settings may say."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from autograder.config import Course, Settings
from autograder.core.attempt_limits import AttemptLimits
from autograder.core.attempt_records import Seen
from autograder.errors import UserError
from autograder.grading.gradebook_writer import GradebookWriter
from autograder.term.extensions import extend
from autograder.term.students import rename
from autograder.watch.attempts import AttemptBook
from autograder.watch.turns import Turns

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)


def test_who_has_waited_longest_since_their_last_turn_is_next():
    turns: Turns[int] = Turns()
    for student in ("ada", "ben"):
        turns.put(student, 1)
    assert turns.take() == ("ada", 1)
    turns.put("ada", 2)
    turns.put("cem", 1)
    assert turns.take() == ("ben", 1)
    turns.put("ben", 2)
    # Who has had no turn yet comes first, then who had theirs longest ago.
    assert [turns.take() for _ in range(3)] == [("cem", 1), ("ada", 2), ("ben", 2)]
    turns.put("ada", 3)
    assert turns.take(busy=["ada"]) is None and turns.take() == ("ada", 3)


def test_one_who_keeps_handing_in_waits_for_all_others():
    turns: Turns[int] = Turns()
    for student in ("ben", "cem", "dan"):
        turns.put(student, 0)
    order = []
    for number in range(8):
        turns.put("ada", number)
        turn = turns.take()
        assert turn is not None
        order.append(turn[0])
    assert order[:4] == ["ben", "cem", "dan", "ada"]
    assert len(turns) == 0 or list(turns) == ["ada"]


def test_a_newer_one_takes_the_place_of_the_one_that_waits():
    turns: Turns[str] = Turns()
    turns.put("ada", "old")
    turns.put("ben", "x")
    turns.put("ada", "new")
    assert turns.take() == ("ada", "new")
    assert "ada" not in turns and turns.take() == ("ben", "x") and turns.take() is None


def course_with(tmp_path: Path, **table: object) -> Course:
    return Course(tmp_path, settings=Settings.of({"watch": table}, tmp_path / "pyproject.toml"))


def test_an_assignments_own_table_comes_first(tmp_path):
    course = course_with(
        tmp_path, **{"attempts": 5, "pause-minutes": 10, "quiz": {"attempts": 1, "show": "points"}}
    )
    assert AttemptLimits.of(course, "mini") == AttemptLimits(5, timedelta(minutes=10), "form")
    assert AttemptLimits.of(course, "quiz") == AttemptLimits(1, timedelta(minutes=10), "points")
    assert AttemptLimits.of(course_with(tmp_path), "quiz") == AttemptLimits()
    assert not AttemptLimits().is_used_up(10**6) and AttemptLimits().notes() == []
    assert len(AttemptLimits.of(course, "mini").notes()) == 3


def test_the_pause_is_from_one_attempt_to_the_next():
    limits = AttemptLimits(pause=timedelta(minutes=10))
    assert limits.held_until(None, NOW) is None
    assert limits.held_until(NOW - timedelta(minutes=10), NOW) is None
    assert limits.held_until(NOW - timedelta(minutes=9), NOW) == NOW + timedelta(minutes=1)


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({"attempts": 0}, "whole number above 0"),
        ({"attempts": True}, "whole number above 0"),
        ({"attempts": 1.5}, "whole number above 0"),
        ({"pause-minutes": -1}, "minutes, 0 or more"),
        ({"pause-minutes": float("inf")}, "minutes, 0 or more"),
        ({"show": "everything"}, "one of form, visible, points"),
        ({"show": []}, "one of form, visible, points"),
        ({"pause": 3}, "has no key 'pause'"),
        ({"quiz": {"shows": "form"}}, "has no key 'shows'"),
        ({"quiz": {"show": {"show": "form"}}}, "one of form, visible, points"),
        (3, "has to be a table"),
    ],
)
def test_settings_that_can_not_be_meant_are_one_sentence(tmp_path, table, said):
    with pytest.raises(UserError, match=said):
        Settings.of({"watch": table}, tmp_path / "pyproject.toml")


def test_attempts_go_with_a_student_who_is_renamed(term, kit):
    kit.hand_in(term, "ada", kit.answered(term))
    with GradebookWriter(term, "mini") as writer:
        book = AttemptBook(writer)
        book.take("ada", "20261128T120000Z", Seen("ada+mini+x", NOW, "taken"))
        book.take("ada", "20261128T120000Z", Seen("ada+mini+x", NOW, "taken"))
        assert [one.number for one in book.of("ada")] == [1]  # counted once
        book.take("ada", "20261128T130000Z", Seen("ada+mini+y", NOW, "taken"))
        book.update("ada", 2, graded=True, told="points")
        kept = book.of("ada")
    rename(term, "ada", "eve")
    with GradebookWriter(term, "mini") as writer:
        book = AttemptBook(writer)
        assert book.of("eve") == kept and book.of("ada") == []
        assert book.seen == {"eve": Seen("ada+mini+y", NOW, "taken")}
        assert book.due("eve") is None and not book.is_over("eve")


def test_an_extension_of_either_kind_counts(term, kit):
    due = datetime.now(UTC).replace(tzinfo=None) - timedelta(hours=1)
    for student in ("ada", "ben", "cem"):
        kit.hand_in(term, student, kit.answered(term))
    with term.gradebook() as gradebook:
        gradebook.update_or_create_assignment("mini", duedate=due)
        for student in ("ada", "ben", "cem"):
            gradebook.update_or_create_student(student)
        gradebook.update_or_create_submission("mini", "ben")
        gradebook.grant_extension("mini", "ben", hours=2)
    extend(term, "mini", ["cem"], datetime.now(UTC) + timedelta(days=1))
    with GradebookWriter(term, "mini") as writer:
        book = AttemptBook(writer)
        assert [book.is_over(one) for one in ("ada", "ben", "cem")] == [True, False, False]
