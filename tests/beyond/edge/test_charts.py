from hypothesis import given
from hypothesis import strategies as st

from beyond.edge import charts

NUMBERS = st.floats(1, 1000)
POINTS = st.lists(st.tuples(NUMBERS, NUMBERS), min_size=1, max_size=8)


@given(POINTS)
def test_the_front_holds_exactly_what_nothing_beats(points):
    front = charts.pareto(points)
    assert front
    for i, (speed, worse) in enumerate(points):
        beaten = any(s >= speed and w <= worse and (s > speed or w < worse) for s, w in points)
        assert (i in front) != beaten
    assert [points[i][0] for i in front] == sorted(points[i][0] for i in front)


def test_the_words_of_speed_and_quality():
    chart = charts.speed_and_quality(["a", "b"], [30.0, 100.0], [20.0, 34.0], lost=22)
    assert "a: 30 tokens per second at perplexity 20.0;" in chart.alt
    assert "b: 100 tokens per second at perplexity 34.0 (unusable)" in chart.alt
    assert chart.png().startswith(b"\x89PNG")


def test_the_words_of_the_limit():
    chart = charts.limit(["a"], [100.0], [90.0], gb_s=30)
    assert "a: 90 tokens per second, the bound is 300" in chart.alt
    assert chart.png().startswith(b"\x89PNG")
