"""beyond.ui.widgets: what moves when a control moves, and what is left without widgets."""

import ipywidgets
import pytest

from beyond.cost import formula as cost
from beyond.ui import widgets
from beyond.cost import self_check
from beyond.ui.self_check import Choice, Question

BEFORE = cost.Option(cost.price("openai/gpt-4o-mini"), 1_200, 80, label="Few-shot")
AFTER = cost.Option(
    cost.price("openai/ft:gpt-4o-mini"), 200, 80, training=120, trainings_per_year=4, label="Tuned"
)
VIEW = "application/vnd.jupyter.widget-view+json"


@pytest.fixture
def explorer():
    return widgets.Explorer(BEFORE, AFTER, calls=250_000)


def test_explorer_starts_with_the_plain_table(explorer):
    assert explorer.table == widgets.compare(BEFORE, AFTER, 250_000)
    assert "555,556" in str(explorer.table)


@pytest.mark.parametrize(
    ("control", "value"),
    [
        ("calls", 1e6),
        ("price_before", cost.price("openai/gpt-4o")),
        ("input_before", 3_000),
        ("output_before", 500),
        ("price_after", cost.price("openai/gpt-4o")),
        ("input_after", 1_000),
        ("output_after", 10),
        ("hosting_after", 500),
        ("training_after", 1_000),
        ("trainings_after", 12),
    ],
)
def test_moving_a_control_changes_table_and_chart(explorer, control, value):
    table, shown, figure = str(explorer.table), explorer._numbers.value, explorer._figure.value
    explorer.controls[control].value = value
    assert str(explorer.table) != table
    assert explorer._numbers.value != shown
    assert explorer.table._repr_html_() in explorer._numbers.value
    if control != "training_after" or explorer.controls["trainings_after"].value:
        assert explorer._figure.value != figure


def test_every_control_has_a_label_and_a_keyboard(explorer):
    names = [control.tooltip for control in explorer.controls.values()]
    assert len(set(names)) == len(names)
    for control in explorer.controls.values():
        assert control.description and control.description in control.tooltip
        # these are the ipywidgets that take arrow keys
        assert isinstance(
            control, ipywidgets.IntSlider | ipywidgets.FloatLogSlider | ipywidgets.Dropdown
        )


def test_explorer_s_figure_has_alt_text_and_its_table_is_announced(explorer):
    assert 'alt="Dollars per month against calls per month.' in explorer._figure.value
    assert 'aria-live="polite"' in explorer._numbers.value


def test_explorer_takes_prices_outside_the_catalogue():
    own = cost.Option(cost.Price(9, 9), 10, 10, label="own")
    assert widgets.Explorer(own, own).options[0].price == cost.Price(9, 9)


def test_without_widgets_the_table_is_shown(explorer):
    explorer.controls["calls"].value = 1e6
    bundle = explorer._repr_mimebundle_()
    assert bundle["text/plain"] == str(explorer.table)
    assert bundle["text/html"] == explorer.table._repr_html_()
    assert VIEW in bundle


def test_compare_says_never_where_nothing_is_saved():
    last = str(widgets.compare(BEFORE, BEFORE, 100)).splitlines()
    assert last[-3].endswith("never") and last[-1].endswith("never")


@pytest.fixture
def check():
    return widgets.SelfCheck(self_check.questions())


def test_self_check_explains_every_choice(check):
    for i, question in enumerate(check.questions):
        check.buttons[i].click()
        assert "Choose an answer first." in check.answers[i].value
        for j, choice in enumerate(question.choices):
            check.choices[i].value = j
            check.buttons[i].click()
            assert ("✓" in check.answers[i].value) == choice.right
            assert widgets.html.escape(choice.why) in check.answers[i].value


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
    assert max(row.output / row.input for row in cost.catalogue()) == 5
    assert cost.break_even(300, 0.0004, 0.0005) == float("inf")


def test_clock_starts_at_zero_and_counts():
    clock = widgets.Clock(40)
    assert "00:00 of about 40 minutes" in clock.face.value
    clock.play.value = 754
    assert "12:34 of about 40 minutes" in clock.face.value
    assert clock._repr_mimebundle_()["text/plain"] == "12:34 of about 40 minutes"
