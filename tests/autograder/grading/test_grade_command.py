"""Grading through nbgrader's pipeline: scores as they stand in the gradebook, and why."""

import sqlite3

import pytest

from autograder.errors import EnvironmentFault, UserError
from autograder.grading.coordinator import grade
from autograder.grading.result import submission_results


@pytest.fixture
def by_student(term, kit):
    """A small class, graded once."""
    right = kit.RIGHT
    kit.hand_in(term, "right", kit.answered(term, **right))
    kit.hand_in(term, "korean", kit.answered(term, "ko", **right))
    kit.hand_in(term, "blank", kit.answered(term))
    kit.hand_in(
        term,
        "square",
        kit.answered(term, a_answer="a = 42", double="def double(x):\n    return x ** 2"),
    )
    kit.hand_in(
        term,
        "loud",
        kit.answered(
            term, **{**right, "a_answer": "import sys\nprint('경고', file=sys.stderr)\na = 42"}
        ),
    )
    kit.hand_in(term, "loops", kit.answered(term, **{**right, "a_answer": "while True: pass"}))
    kit.hand_in(term, "dies", kit.answered(term, **{**right, "double": "import os\nos._exit(0)"}))
    kit.hand_in(term, "unreadable", b'{"nbformat": 4, "cel')
    return {one.student: one for one in grade(term, "mini")}


def test_everyone_ends_with_a_definite_score_and_a_reason(by_student, term):
    scores = {name: (one.score, one.max_score) for name, one in by_student.items()}
    assert scores == {
        "right": (6, 6),
        "korean": (6, 6),
        "blank": (0, 6),
        "square": (5, 6),
        "loud": (6, 6),
        "loops": (4, 6),
        "dies": (2, 6),
        "unreadable": (0, 6),
    }
    why = {name: " | ".join(one.reasons) for name, one in by_student.items()}
    assert why["right"] == why["korean"] == why["loud"] == "everything passed"
    assert why["blank"] == "a-test, double-test: no answer yet"
    assert why["square"] == "double-test: not passed: other numbers"
    assert "a-test" in why["loops"]
    assert "the Python process ended" in why["dies"]
    assert "isn't JSON" in why["unreadable"]
    assert by_student["korean"].language == "ko"

    with term.gradebook() as gradebook:
        stored = {s.student_id: s.score for s in gradebook.assignment_submissions("mini")}
    assert stored == {name: score for name, (score, _most) in scores.items()}
    assert {one.student: one for one in submission_results(term, "mini")} == by_student

    kept = term.collected / "unreadable" / "mini" / "unreadable" / "mini.ipynb"
    assert kept.read_bytes() == b'{"nbformat": 4, "cel'


def test_what_has_not_changed_is_left_alone(term, kit):
    def graded_at(student):
        return (term.autograded / student / "mini" / "mini.ipynb").stat().st_mtime_ns

    kit.hand_in(term, "a", kit.answered(term, **kit.RIGHT))
    kit.hand_in(term, "b", kit.answered(term))
    grade(term, "mini")
    before = {student: graded_at(student) for student in "ab"}
    assert [v.score for v in grade(term, "mini")] == [6, 0]
    assert {student: graded_at(student) for student in "ab"} == before
    kit.hand_in(term, "b", kit.answered(term, **kit.RIGHT))
    assert [v.score for v in grade(term, "mini")] == [6, 6]
    assert graded_at("a") == before["a"]
    assert graded_at("b") > before["b"]
    grade(term, "mini", ["a"], again=True)
    assert graded_at("a") > before["a"]


def test_progress_is_told(term, kit):
    kit.hand_in(term, "a", kit.answered(term))
    seen = []
    grade(term, "mini", progress=lambda *told: seen.append(told))
    assert seen == [(0, 1, "a"), (1, 1, "")]


def test_unknown_names_are_sentences(term, kit):
    with pytest.raises(UserError, match="no assignment 'nix'"):
        grade(term, "nix")
    with pytest.raises(UserError, match="collect mini"):
        grade(term, "mini")
    kit.hand_in(term, "a", kit.answered(term))
    with pytest.raises(UserError, match="zoe has no collected mini"):
        grade(term, "mini", ["zoe"])
    with pytest.raises(UserError, match="student id"):
        grade(term, "mini", ["../a"])


def test_an_unreleased_assignment_is_a_sentence(course, kit):
    kit.hand_in(course, "a", kit.answered(course))
    with pytest.raises(UserError, match="release mini"):
        grade(course, "mini")


def test_a_gradebook_in_use_stops_before_anything_runs(term, kit):
    kit.hand_in(term, "a", kit.answered(term))
    connection = sqlite3.connect(term.term / "gradebook.db")
    connection.execute("BEGIN EXCLUSIVE")
    try:
        with pytest.raises(EnvironmentFault, match="in use"):
            grade(term, "mini")
    finally:
        connection.close()
    assert not term.autograded.exists()


def test_late_comes_from_the_recorded_time(term, kit):
    from datetime import datetime

    with term.gradebook() as gradebook:
        gradebook.update_or_create_assignment("mini", duedate=datetime(2026, 11, 20, 9, 0))
    kit.hand_in(term, "a", kit.answered(term, **kit.RIGHT))  # recorded at 10:00 UTC
    (one,) = grade(term, "mini")
    assert one.late_seconds == 3600


def test_formgraders_button_is_another_door_to_the_same_engine(term, kit):
    cheat = (
        "from IPython import get_ipython\n"
        "get_ipython().input_transformers_post.append(lambda lines: ['pass\\n'])\n"
        "a = 41"
    )
    kit.hand_in(term, "a", kit.answered(term, **kit.RIGHT))
    kit.hand_in(term, "b", kit.answered(term, **{**kit.RIGHT, "a_answer": cheat}))
    graded = grade(term, "mini")
    # The transformer empties the cheat's own cells; the tests never meet it.
    assert [one.score for one in graded] == [6, 0]
    for student in "ab":
        result = term.api().autograde("mini", student, force=True)
        assert result["success"], result
    assert submission_results(term, "mini") == graded


def test_another_unreadable_file_gets_its_own_reason(term, kit):
    kit.hand_in(term, "a", b"{")
    assert "isn't JSON" in grade(term, "mini")[0].reasons[0]
    kit.hand_in(term, "a", b'{"nbformat": 3, "worksheets": []}')
    (one,) = grade(term, "mini")
    assert one.score == 0
    assert any("format 3" in reason for reason in one.reasons)


def test_a_lone_surrogate_in_an_output_stops_nothing(term, kit):
    kit.hand_in(
        term, "a", kit.answered(term, **{**kit.RIGHT, "a_answer": r"print('\udc80')" + "\na = 42"})
    )
    assert grade(term, "mini")[0].score == 6
