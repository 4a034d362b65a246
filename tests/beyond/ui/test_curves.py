"""beyond.ui.curves: the words beside a figure carry its numbers."""

from beyond.ui import curves
from beyond.ui.curves import lines, shares


def test_lines_tell_every_point():
    chart = lines({"a": [1, 20]}, [1, 2], "x", "y", "Title", log_x=True, log_y=True)
    assert "a: 1 → 1, 2 → 20" in chart.alt
    assert chart.png().startswith(b"\x89PNG")


def test_a_limit_is_told():
    chart = lines({"a": [1, 2], "b": [2, 3]}, [8, 2], "x", "y", "T", limits={"room": 5})
    assert "room: 5" in chart.alt


def test_shares_tell_intervals_and_chance():
    chart = shares(["easy", "hard"], [3, 1], [4, 4], [(0.3, 0.95), (0.05, 0.7)], "T", chance=0.25)
    assert "easy: 3 of 4, interval 30% to 95%" in chart.alt
    assert "chance is 25%" in chart.alt
    assert chart.png().startswith(b"\x89PNG")


def test_quality_and_cost_says_each_point():
    chart = curves.quality_and_cost(
        ["cheap", "dear"], [0.01, 2.0], [0.25, 0.9], [(0.1, 0.4), (0.8, 0.95)], "Two", chance=0.2
    )
    assert "cheap: 25% right (10% to 40%) for $0.01" in chart.alt
    assert "dear: 90% right (80% to 95%) for $2.00" in chart.alt
    assert chart.png().startswith(b"\x89PNG")
