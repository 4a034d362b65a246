"""Compute a class's score statistics and item analysis.

The formulas come from the standard library's `statistics`: a class is a few thousand numbers at
most, which doesn't need numpy. Only the histogram is written here, because numpy's would drop
scores above 100% (extra credit) and put 0.1 + 0.2 into the bin below 0.3.

A statistic that is undefined (no answers, no variance) is None, never NaN.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

MIN_STUDENTS = 3
"""The fewest students to compute a discrimination for: with two, any correlation is 1 or −1."""

# Scores are sums of fractions of points; a difference below 1e-9 is floating-point error.
_DECIMALS = 9


def mean(values: Sequence[float]) -> float | None:
    """Return the arithmetic mean, or None if there are no values."""
    return statistics.fmean(values) if values else None


def median(values: Sequence[float]) -> float | None:
    """Return the median, or None if there are no values."""
    return statistics.median(values) if values else None


def standard_deviation(values: Sequence[float]) -> float | None:
    """Return the sample standard deviation (n − 1), or None for fewer than two values."""
    return statistics.stdev(values) if len(values) > 1 else None


def correlation(first: Sequence[float], second: Sequence[float]) -> float | None:
    """Return Pearson's r, in [−1, 1], or None if either side is constant.

    Raises:
        ValueError: the two differ in length.
    """
    if len(first) != len(second):
        raise ValueError("A correlation needs pairs.")
    x = [round(value, _DECIMALS) for value in first]
    y = [round(value, _DECIMALS) for value in second]
    # The library's own check for a constant side is after the mean has been rounded.
    if len(set(x)) < 2 or len(set(y)) < 2:
        return None
    return max(-1.0, min(1.0, statistics.correlation(x, y)))


def discrimination(item: Sequence[float], rest: Sequence[float]) -> float | None:
    """Compute a question's discrimination: the corrected item-total correlation.

    Pearson's r between the scores on one question and the totals on the others, one pair per
    student. The question itself is left out of the total, because it would correlate with
    itself. For a question marked right or wrong this is the point-biserial correlation

        r = (M₁ − M₀) / s · √(n₁ n₀ / n²)

    where M₁ and M₀ are the mean totals on the other questions of the n₁ students who got it
    right and the n₀ who didn't, n = n₁ + n₀, and s is the standard deviation (dividing by n) of
    all these totals.

    Source: S. Henrysson, "Correction of item-total correlations in item analysis",
    Psychometrika 28 (1963) 211–218.

    Args:
        item: each student's score on the question, in points.
        rest: each student's total on the other questions, in points, in the same order.

    Returns:
        A number in [−1, 1]; None for fewer than three students, or if either side is constant.
    """
    if len(item) < MIN_STUDENTS:
        return None
    return correlation(item, rest)


def histogram(fractions: Sequence[float], bins: int = 10) -> list[int]:
    """Count how many fractions (0 to 1) fall into each of `bins` equal bins.

    A bin includes its lower edge; the last one also includes 1 and everything above it.
    """
    counts = [0] * bins
    for fraction in fractions:
        # 0.3 computed as 2.9999999999999996 / 10 belongs to the bin that starts at 0.3.
        place = math.floor(round(fraction * bins, _DECIMALS))
        counts[min(max(place, 0), bins - 1)] += 1
    return counts
