"""beyond.ui.curves: the words beside a figure carry its numbers."""

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
