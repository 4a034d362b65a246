"""beyond.ui.self_check: each choice is explained, and the answers are hidden until asked for."""

import html
import importlib
from collections import Counter
from pathlib import Path
from statistics import median

import pytest

import beyond
from beyond.cost import formula as cost
from beyond.cost import self_check
from beyond.locale import set_language
from beyond.ui.self_check import Choice, Question, SelfCheck, shuffled

LESSONS = sorted(
    path.parent.name
    for path in Path(beyond.__file__).parent.glob("*/self_check*.py")
    if path.parent.name != "ui"
)


def asked(lesson, code="en"):
    """Every question of the lessons that a folder holds."""
    folder = Path(beyond.__file__).parent / lesson
    set_language(code)
    try:
        modules = [
            importlib.import_module(f"beyond.{lesson}.{path.stem}")
            for path in sorted(folder.glob("self_check*.py"))
        ]
        return [question for module in modules for question in module.questions()]
    finally:
        set_language("en")


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


def test_a_question_has_one_right_choice():
    with pytest.raises(ValueError, match="exactly one correct"):
        Question("?", (Choice("a", "", right=True), Choice("b", "", right=True)))


def test_the_numbers_in_the_questions_are_right():
    """Question 1 says "up to 5 times", question 2 an infinite N*: both from the code."""
    assert max(row.output / row.input for row in cost.catalog()) == 5
    assert cost.break_even(300, 0.0004, 0.0005) == float("inf")


# --- the lessons' questions ----------------------------------------------------------------


def test_the_order_is_the_same_every_time_and_keeps_every_choice():
    questions = self_check.questions()
    once, again = shuffled(questions), shuffled(self_check.questions())
    assert once == again
    assert [set(one.choices) for one in once] == [set(one.choices) for one in questions]
    orders = [[q.choices.index(c) for c in s.choices] for q, s in zip(questions, once, strict=True)]
    assert len(set(map(tuple, orders))) > 1


def test_questions_with_fewer_choices_are_shuffled_too():
    two = Question("Two?", (Choice("a", "", right=True), Choice("b", "")))
    many = Question("Many?", tuple(Choice(one, "", right=one == "c") for one in "abcde"))
    for questions in ([two, many, two, two, many, two], [two], [many], []):
        assert [len(one.choices) for one in shuffled(questions)] == [
            len(one.choices) for one in questions
        ]


@pytest.mark.parametrize("lesson", LESSONS)
def test_the_correct_choice_takes_every_position_about_equally_often(lesson):
    places = [[c.right for c in q.choices].index(True) for q in shuffled(asked(lesson))]
    assert max(Counter(places).values()) <= len(places) // 2 + 1


def test_over_the_course_no_position_is_favored():
    every = [q for lesson in LESSONS for q in shuffled(asked(lesson)) if len(q.choices) == 4]
    counts = Counter([c.right for c in q.choices].index(True) for q in every)
    assert max(counts.values()) - min(counts[place] for place in range(4)) <= len(LESSONS)


@pytest.mark.parametrize("code", ["en", "ko"])
@pytest.mark.parametrize("lesson", LESSONS)
def test_a_choices_length_gives_nothing_away(lesson, code):
    """No choice is much longer than the others, and the correct one is no oftener the longest
    than in two of five questions (chance gives about one of four)."""
    questions = asked(lesson, code)
    slack = 15 if code == "en" else 8
    for question in questions:
        lengths = [len(choice.text) for choice in question.choices]
        middle = median(lengths)
        assert max(lengths) <= max(1.6 * middle, middle + slack), (question.text, lengths)
    longest = sum(
        next(len(c.text) for c in q.choices if c.right)
        > max(len(c.text) for c in q.choices if not c.right)
        for q in questions
    )
    assert longest <= max(1, 0.4 * len(questions)), f"{longest} of {len(questions)}"


@pytest.mark.parametrize("lesson", LESSONS)
def test_no_explanation_refers_to_an_order(lesson):
    for question in asked(lesson):
        for choice in question.choices:
            for words in (
                "the first one",
                "the second one",
                "the last one",
                "choice above",
                "choice below",
            ):
                assert words not in choice.why.lower(), choice.why
