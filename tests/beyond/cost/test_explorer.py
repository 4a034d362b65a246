"""beyond.cost.explorer: what moves when a control moves, and what is left without widgets."""

import json

import ipywidgets
import pytest

from beyond.cost import explorer as module
from beyond.cost import formula as cost

BEFORE = cost.Option(cost.price("openai/gpt-4o-mini"), 1_200, 80, label="Few-shot")
AFTER = cost.Option(
    cost.price("openai/ft:gpt-4o-mini"), 200, 80, training=120, trainings_per_year=4, label="Tuned"
)
VIEW = "application/vnd.jupyter.widget-view+json"


@pytest.fixture
def explorer():
    return module.Explorer(BEFORE, AFTER, calls=250_000)


def test_explorer_starts_with_the_plain_table(explorer):
    assert explorer.table == module.compare(BEFORE, AFTER, 250_000)
    assert "555,556" in str(explorer.table)


@pytest.mark.parametrize(
    ("control", "value"),
    [
        ("calls", 1e6),
        ("price_before", cost.price("openai/gpt-6.1-sol")),
        ("input_before", 3_000),
        ("output_before", 500),
        ("price_after", cost.price("openai/gpt-6.1-sol")),
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


def test_the_reserve_stays_in_the_fixed_cost():
    kept = module.Explorer(BEFORE, cost.Option(cost.Price(1, 1), 10, 10, reserve=50), calls=100)
    kept.controls["hosting_after"].value = 20
    assert kept.options[1].fixed == 70


def test_explorer_takes_prices_outside_the_catalogue():
    own = cost.Option(cost.Price(9, 9), 10, 10, label="own")
    assert module.Explorer(own, own).options[0].price == cost.Price(9, 9)


def test_without_widgets_the_table_is_shown(explorer):
    explorer.controls["calls"].value = 1e6
    bundle = explorer._repr_mimebundle_()
    assert bundle["text/plain"] == str(explorer.table)
    assert explorer.table._repr_html_() in bundle["text/html"]
    assert VIEW in bundle


def test_compare_says_never_where_nothing_is_saved():
    last = str(module.compare(BEFORE, BEFORE, 100)).splitlines()
    assert last[-3].endswith("never") and last[-1].endswith("never")


def test_an_output_carries_all_that_a_page_without_python_needs(explorer):
    bundle = explorer._repr_mimebundle_()
    told = json.loads(json.dumps(bundle[module.DESCRIPTION]))
    assert explorer.table._repr_html_() in bundle["text/html"]
    controls = {one["name"]: one for one in told["controls"]}
    assert list(controls) == list(explorer.controls)
    price = controls["price_after"]
    chosen = price["choices"][price["value"]]
    assert (chosen["input"], chosen["output"]) == (AFTER.price.input, AFTER.price.output)
    assert controls["calls"]["value"] == 250_000
    assert told["labels"] == {"before": "Few-shot", "after": "Tuned"}
    assert "{crossing}" in told["texts"]["alt"]
