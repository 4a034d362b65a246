"""The figures of the report, against numbers worked out by hand."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autograder.report.statistics import (
    correlation,
    discrimination,
    histogram,
    mean,
    median,
    standard_deviation,
)

scores = st.floats(0, 100, allow_nan=False)


def test_point_biserial_by_hand():
    # Right: rests 8 and 6 (mean 7); wrong: 4 and 2 (mean 3). All: mean 5, s² = (9+1+1+9)/4 = 5.
    # r = (7 − 3) / √5 · √(2·2/16) = 2/√5
    assert discrimination([1, 1, 0, 0], [8, 6, 4, 2]) == pytest.approx(2 / math.sqrt(5))


def test_the_formula_and_pearson_agree():
    item, rest = [1, 0, 1, 1, 0, 0, 1], [5, 3, 2.5, 7, 4, 1, 6]
    right = [b for a, b in zip(item, rest, strict=True) if a]
    wrong = [b for a, b in zip(item, rest, strict=True) if not a]
    centre = sum(rest) / 7
    s = math.sqrt(sum((b - centre) ** 2 for b in rest) / 7)
    by_formula = (sum(right) / 4 - sum(wrong) / 3) / s * math.sqrt(4 * 3 / 49)
    assert discrimination(item, rest) == pytest.approx(by_formula)


@pytest.mark.parametrize(
    ("item", "rest"),
    [
        ([], []),
        ([1, 0], [3, 1]),  # two students: any correlation would be 1 or −1
        ([1, 1, 1], [1, 2, 3]),  # everybody right
        ([1, 0, 1], [2, 2, 2]),  # nobody differs elsewhere
        ([0.1 + 0.2, 0.3, 0.3], [1, 2, 3]),  # the same but for rounding
    ],
)
def test_undefined_is_none(item, rest):
    assert discrimination(item, rest) is None


def test_a_miskeyed_question_is_negative():
    assert discrimination([0, 0, 1, 1], [9, 8, 2, 1]) < -0.9


def test_pairs_must_match():
    with pytest.raises(ValueError, match="pairs"):
        correlation([1, 2], [1])


@given(st.lists(st.tuples(scores, scores), min_size=3))
def test_correlation_is_in_range_and_symmetric(pairs):
    first, second = zip(*pairs, strict=True)
    r = correlation(first, second)
    if r is not None:
        assert -1 <= r <= 1
        assert correlation(second, first) == pytest.approx(r, abs=1e-9)


def test_histogram_edges():
    assert histogram([0, 0.0999, 0.1, 0.95, 1, 1.2]) == [2, 1, 0, 0, 0, 0, 0, 0, 0, 3]
    assert histogram([0.1 + 0.2])[3] == 1
    assert histogram([0.3 - 1e-17, (0.1 + 0.2 + 0.3) / 2])[3] == 2
    assert histogram([]) == [0] * 10


@given(st.lists(st.floats(0, 2, allow_nan=False)))
def test_histogram_counts_everyone(shares):
    assert sum(histogram(shares)) == len(shares)


def test_nothing_has_no_mean():
    assert (mean([]), median([]), standard_deviation([]), standard_deviation([3])) == (
        None,
        None,
        None,
        None,
    )
    assert (mean([1, 2]), median([3, 1, 2]), median([1, 2])) == (1.5, 2, 1.5)
    assert standard_deviation([1, 3]) == pytest.approx(math.sqrt(2))
