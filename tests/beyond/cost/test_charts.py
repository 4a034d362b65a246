"""beyond.cost.charts: they draw at every number, and their words say what they draw."""

import math

import pytest

from beyond import locale
from beyond.cost import charts
from beyond.cost import formula as cost

BEFORE = cost.Option(cost.Price(0.15, 0.6), 1_200, 80, label="퓨샷")
AFTER = cost.Option(
    cost.Price(0.3, 1.2), 200, 80, training=120, trainings_per_year=4, label="미세 조정"
)


def test_break_even_chart_says_where_the_lines_cross():
    chart = charts.break_even_chart(BEFORE, AFTER, calls=250_000)
    crossing = cost.break_even(AFTER.fixed, BEFORE.call, AFTER.call)
    assert f"cross at {crossing:,.0f} calls" in chart.alt
    assert "today there are 250,000" in chart.alt
    lines = chart.figure.axes[0].get_lines()
    assert lines[0].get_ydata()[-1] == pytest.approx(BEFORE.monthly(lines[0].get_xdata()[-1]))


@pytest.mark.parametrize("calls", [0, 1, 10**9])
def test_break_even_chart_draws_when_nothing_crosses(calls):
    chart = charts.break_even_chart(AFTER, AFTER, calls)
    assert "cross at ∞ calls" in chart.alt
    chart.png()


def test_break_even_chart_draws_when_everything_is_free():
    free = cost.Option(cost.Price(0, 0), 0, 0, label="free")
    charts.break_even_chart(free, free, 0).png()


def test_tornado_draws_infinite_results_and_tells_them():
    swings = [
        cost.Swing("tokens after", 100, 400, 5e6, math.inf),
        cost.Swing("training", 200, 2_000, 3e6, 2.8e7),
    ]
    chart = charts.tornado(swings, base=7e6, unit="calls", title="What moves N*?")
    assert "tokens after from 100 to 400 moves the result from 5,000,000 to ∞" in chart.alt
    assert chart.png()


def test_tornado_s_words_are_in_the_reader_s_language():
    swings = [cost.Swing("reasoning tokens", 50, 300, 1.0, 2.0)]
    locale.set_language("ko")
    try:
        chart = charts.tornado(swings, base=1.5, unit="calls", title="What moves N*?")
    finally:
        locale.set_language("en")
    assert "추론 토큰" in chart.alt and "reasoning tokens" not in chart.alt


def test_quality_and_cost_says_each_point():
    chart = charts.quality_and_cost(
        ["cheap", "dear"], [0.01, 2.0], [0.25, 0.9], [(0.1, 0.4), (0.8, 0.95)], "Two", chance=0.2
    )
    assert "cheap: 25% correct (10% to 40%) for $0.01" in chart.alt
    assert "dear: 90% correct (80% to 95%) for $2.00" in chart.alt
    assert chart.png().startswith(b"\x89PNG")


def test_cascade_chart_says_each_threshold():
    points = [(0.0, 0.0, 0.8, 0.0001), (0.9, 0.4, 0.95, 0.0012), (1.01, 1.0, 0.95, 0.002)]
    chart = charts.cascade_chart(points, "Cascade")
    assert "threshold 0.9: 95.0% correct for $1.20" in chart.alt
    labels = [text.get_text() for text in chart.figure.axes[0].texts]
    assert labels == ["0", "0.9", "1.01"]
    assert chart.png().startswith(b"\x89PNG")
