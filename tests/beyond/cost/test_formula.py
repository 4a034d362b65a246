"""beyond.cost.formula: the formula of lesson 4, against genai-prices and against itself."""

import json
import math
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from beyond.cost import formula as cost

SNAPSHOT = json.loads(Path(cost.__file__).with_name("prices.json").read_text())

money = st.floats(min_value=0, max_value=1e6, allow_nan=False)
tokens = st.integers(min_value=0, max_value=10_000_000)
prices = st.builds(cost.Price, input=money, output=money)


def test_snapshot_is_what_the_pinned_package_says():
    """Whoever moves the pin of genai-prices must look at the dated rows again."""
    assert f"genai-prices {version('genai-prices')} " in SNAPSHOT["source"]
    for row in [*SNAPSHOT["models"], *SNAPSHOT["adapters"], *SNAPSHOT["former"]]:
        found = cost.price(row["model"])
        assert (found.input, found.output) == (row["input"], row["output"]), row["model"]
        assert found.label.startswith(row["label"])
        assert found.label.endswith(", fine-tuned") == row.get("tuned", False)
        assert found.source.startswith("https://")
        if row not in SNAPSHOT["former"]:
            listed = (found.cache_read, found.cache_write, found.batch)
            assert listed == tuple(row.get(n) for n in ("cache_read", "cache_write", "batch"))
        assert found.up_to is None or found.up_to >= 100_000, "longer than any lesson's prompt"


def test_no_model_that_the_lesson_compares_is_marked_as_deprecated():
    """Nor has its provider announced its end; whoever adds a row looks at the provider's page."""
    for row in [*SNAPSHOT["models"], *SNAPSHOT["adapters"]]:
        _provider, info = cost._find(row["model"])
        assert not info.deprecated, row["model"]
    former = {row["model"] for row in SNAPSHOT["former"]}
    assert {"openai/gpt-4o", "openai/gpt-4o-mini", "openai/ft:gpt-4o-mini"} <= former
    assert not former & {p.model for p in cost.catalog()}


def test_batches_halve_cached_input_too():
    """The lesson applies the batch factor to the whole call."""
    noon = datetime(2026, 11, 4, 12, tzinfo=UTC)
    for row in SNAPSHOT["models"]:
        _provider, info = cost._find(row["model"])
        batch = info.get_prices(noon, {"processing": "batch"})
        plain = info.get_prices(noon)
        for unit in ("input_mtok", "output_mtok", "cache_read_mtok"):
            prices = [getattr(p, unit) for p in (plain, batch)]
            assert len({float(getattr(p, "base", p)) for p in prices}) == 2
            full, half = (float(getattr(p, "base", p)) for p in prices)
            assert half == pytest.approx(0.5 * full), (row["model"], unit)


def test_call_cost_agrees_with_genai_prices():
    from genai_prices import Usage, calc_price

    theirs = calc_price(
        Usage(input_tokens=1_234, output_tokens=567),
        "gpt-4o-mini",
        provider_id="openai",
        genai_request_timestamp=datetime(2026, 11, 4, 12, tzinfo=UTC),
    )
    ours = cost.call_cost(1_234, 567, cost.price("openai/gpt-4o-mini"))
    assert ours.input == pytest.approx(float(theirs.input_price))
    assert ours.output == pytest.approx(float(theirs.output_price))
    assert ours.total == pytest.approx(float(theirs.total_price))


def test_fine_tuned_row_is_found_by_its_own_name_and_by_a_call_s():
    by_name = cost.price("openai/ft:gpt-4o-mini")
    by_call = cost.price("openai/ft:gpt-4o-mini-2024-07-18:org::id")
    assert (by_name.input, by_name.output) == (by_call.input, by_call.output)
    assert by_name.input > cost.price("openai/gpt-4o-mini").input


def test_price_that_depends_on_length_says_how_far_it_holds():
    assert cost.price("openai/gpt-6-luna").up_to == 272_000


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("gpt-4o", "names no provider"),
        ("nobody/gpt-4o", "no provider 'nobody'"),
        ("openai/no-such-model", "no model 'no-such-model'"),
    ],
)
def test_unknown_model(model, message):
    with pytest.raises(LookupError, match=message):
        cost.price(model)


def test_model_not_priced_by_tokens():
    with pytest.raises(ValueError, match="no price per token"):
        cost.price("openai/text-embedding-3-small")


def test_worked_example():
    """The lesson's first numbers, by hand: 1,200 tokens in, 80 out, at 0.15 and 0.60."""
    found = cost.call_cost(1_200, 80, cost.Price(input=0.15, output=0.6))
    assert found.input == pytest.approx(0.00018)
    assert found.output == pytest.approx(0.000048)
    assert cost.monthly_cost(50_000, found.total) == pytest.approx(11.4)


@given(tokens, tokens, prices)
def test_call_cost_is_linear_and_splits(inputs, outputs, price):
    one = cost.call_cost(inputs, outputs, price)
    two = cost.call_cost(2 * inputs, 2 * outputs, price)
    assert two.total == pytest.approx(2 * one.total)
    assert one.input == cost.call_cost(inputs, 0, price).total
    assert one.output == cost.call_cost(0, outputs, price).total


@given(money, money, money)
def test_break_even_is_where_the_two_totals_meet(fixed, before, after):
    assume(before - after > 1e-6)
    calls = cost.break_even(fixed, before, after)
    assert calls * before == pytest.approx(fixed + calls * after, rel=1e-6, abs=1e-6)


@given(money, money, money)
def test_break_even_is_infinite_without_a_saving(fixed, before, more):
    assert cost.break_even(fixed, before, before + more) == math.inf


@given(money, money, money, money)
def test_dearer_training_never_pays_sooner(fixed, more, before, after):
    assert cost.break_even(fixed + more, before, after) >= cost.break_even(fixed, before, after)


def test_nothing_to_earn_back_pays_at_once():
    assert cost.break_even(0, 2, 1) == 0
    assert cost.payback_months(600, 100, 100) == math.inf
    assert cost.payback_months(600, 150, 50) == 6


@given(st.integers(0, 10**7), money, money, money, st.floats(0, 52))
def test_month_has_hosting_and_retraining_in_it(calls, call, hosting, training, runs):
    month = cost.monthly_cost(calls, call, hosting, training, runs)
    assert month == pytest.approx(calls * call + hosting + training * runs / 12)


def test_option_is_the_same_formula():
    option = cost.Option(
        cost.Price(1, 4), 1_000, 250, hosting=30, training=600, trainings_per_year=4
    )
    assert option.call == pytest.approx(0.002)
    assert option.fixed == pytest.approx(230)
    assert option.monthly(10_000) == pytest.approx(250)
    reserved = cost.Option(cost.Price(1, 4), 1_000, 250, hosting=30, reserve=50)
    assert (reserved.fixed, reserved.monthly(10_000)) == (80, pytest.approx(100))


@given(money, st.floats(0, 1), money)
def test_a_better_model_never_costs_more_per_task(call, rate, failure):
    assert cost.task_cost(call, 1, failure) <= cost.task_cost(call, rate, failure) + 1e-9
    assert cost.task_cost(call, rate, 0) == call


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: cost.call_cost(-1, 0, cost.Price(1, 1)),
        lambda: cost.Price(-0.1, 1),
        lambda: cost.break_even(math.nan, 1, 0),
        lambda: cost.monthly_cost(1, -1),
        lambda: cost.fixed_monthly_cost(training=-5),
        lambda: cost.task_cost(1, 1.2, 1),
    ],
)
def test_impossible_numbers_are_refused(wrong):
    with pytest.raises(ValueError, match="must"):
        wrong()


def test_sensitivity_orders_by_width_and_moves_one_at_a_time():
    swings = cost.sensitivity(
        lambda a, b, c: a + 10 * b + c,
        {"a": 1, "b": 1, "c": 1},
        {"a": (0, 2), "b": (0, 2), "c": (1, 1)},
    )
    assert [swing.name for swing in swings] == ["b", "a", "c"]
    assert [swing.width for swing in swings] == [20, 2, 0]
    assert (swings[1].at_low, swings[1].at_high) == (11, 13)


def test_sensitivity_takes_infinite_results():
    swings = cost.sensitivity(
        lambda after, fixed: cost.break_even(fixed, 1, after),
        {"after": 0.5, "fixed": 100},
        {"fixed": (50, 150), "after": (0.5, 1.0)},
    )
    assert [swing.name for swing in swings] == ["after", "fixed"]
    assert swings[0].width == math.inf


def test_sensitivity_names_a_range_without_a_base():
    with pytest.raises(KeyError, match="price has a range"):
        cost.sensitivity(lambda: 0, {}, {"price": (0, 1)})


@pytest.mark.parametrize(
    ("amount", "shown"),
    [
        (0, "$0.00"),
        (0.000228, "$0.000228"),
        (0.01, "$0.01"),
        (0.2, "$0.20"),
        (0.02006, "$0.0201"),
        (0.00015, "$0.00015"),
        (0.9999, "$1.00"),
        (1234.5, "$1,234.50"),
        (-3, "−$3.00"),
        (math.inf, "∞"),
    ],
)
def test_dollars(amount, shown):
    assert cost.dollars(amount) == shown
