"""beyond.ui.self_check: each choice is explained, and the answers are hidden until asked for."""

import html

import pytest

from beyond.cost import formula as cost
from beyond.cost import self_check
from beyond.ui.self_check import Choice, Question, SelfCheck


@pytest.fixture
def check():
    return SelfCheck(self_check.questions())


def test_self_check_explains_every_choice(check):
    for i, question in enumerate(check.questions):
        check.buttons[i].click()
        assert "Choose an answer first." in check.answers[i].value
        for j, choice in enumerate(question.choices):
            check.choices[i].value = j
            check.buttons[i].click()
            assert ("✓" in check.answers[i].value) == choice.right
            assert html.escape(choice.why) in check.answers[i].value


def test_self_check_without_widgets_hides_the_answers_behind_a_key_press(check):
    bundle = check._repr_mimebundle_()
    assert bundle["text/html"].count("<details>") == len(check.questions)
    first = check.questions[0]
    assert first.choices[1].text in bundle["text/plain"]
    assert all(choice.why not in bundle["text/plain"] for choice in first.choices)
    assert all(choice.why in check.explained() for choice in first.choices)


def test_the_right_choice_is_not_always_the_same():
    right = [[c.right for c in q.choices].index(True) for q in self_check.questions()]
    assert len(set(right)) > 1


def test_a_question_has_one_right_choice():
    with pytest.raises(ValueError, match="exactly one"):
        Question("?", (Choice("a", "", right=True), Choice("b", "", right=True)))


def test_the_numbers_in_the_questions_are_right():
    """Question 1 says "up to 5 times", question 2 an infinite N*: both from the code."""
    assert max(row.output / row.input for row in cost.catalog()) == 5
    assert cost.break_even(300, 0.0004, 0.0005) == float("inf")
