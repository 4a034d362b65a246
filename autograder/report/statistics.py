"""What a class's scores say about the questions: plain numbers in, plain numbers out.

Every figure that can't be had (nobody answered, nobody differs) is None, never NaN.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

FEWEST_FOR_DISCRIMINATION = 3
"""With two students any correlation is 1 or −1, so it takes three."""

# Scores are sums of shares of points; what differs by less than this is rounding.
_ROUNDING = 9


def mean(values: Sequence[float]) -> float | None:
    """The arithmetic mean; None of nothing."""
    return math.fsum(values) / len(values) if values else None


def median(values: Sequence[float]) -> float | None:
    """The middle value, or the mean of the two in the middle; None of nothing."""
    if not values:
        return None
    ordered = sorted(values)
    half = len(ordered) // 2
    return ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2


def deviation(values: Sequence[float]) -> float | None:
    """The sample's standard deviation (n − 1); None of fewer than two."""
    centre = mean(values)
    if centre is None or len(values) < 2:
        return None
    return math.sqrt(math.fsum((value - centre) ** 2 for value in values) / (len(values) - 1))


def correlation(first: Sequence[float], second: Sequence[float]) -> float | None:
    """Pearson's r, in [−1, 1]; None where either side doesn't vary.

    Raises:
        ValueError: the two differ in length.
    """
    if len(first) != len(second):
        raise ValueError("A correlation needs pairs.")
    x = [round(value, _ROUNDING) for value in first]
    y = [round(value, _ROUNDING) for value in second]
    if not x or min(x) == max(x) or min(y) == max(y):
        return None
    mean_x, mean_y = math.fsum(x) / len(x), math.fsum(y) / len(y)
    products = math.fsum((a - mean_x) * (b - mean_y) for a, b in zip(x, y, strict=True))
    squares_x = math.fsum((a - mean_x) ** 2 for a in x)
    squares_y = math.fsum((b - mean_y) ** 2 for b in y)
    spread = math.sqrt(squares_x) * math.sqrt(squares_y)
    return max(-1.0, min(1.0, products / spread)) if spread > 0 else None


def discrimination(item: Sequence[float], rest: Sequence[float]) -> float | None:
    """How well a question tells apart who does well on the rest: corrected item-total correlation.

    Pearson's r between the score of one question and the total of the others, one pair a
    student. The question itself is left out of the total, because it would correlate with
    itself. For a question marked right or wrong this is the point-biserial correlation

        r = (M₁ − M₀) / s · √(n₁ n₀ / n²)

    with M₁ and M₀ the mean rest of the n₁ students who got it right and the n₀ who didn't,
    n = n₁ + n₀, and s the standard deviation (dividing by n) of all rests.

    Source: S. Henrysson, "Correction of item-total correlations in item analysis",
    Psychometrika 28 (1963) 211–218.

    Returns:
        A number in [−1, 1]; None for fewer than three students, or where the question's
        scores or the rests are all the same.
    """
    if len(item) < FEWEST_FOR_DISCRIMINATION:
        return None
    return correlation(item, rest)


def histogram(shares: Sequence[float], bins: int = 10) -> list[int]:
    """How many shares (0 to 1) lie in each of `bins` equal bins.

    A bin takes its lower edge; the last one also takes 1 and whatever extra credit adds.
    """
    counts = [0] * bins
    for share in shares:
        # A share of 0.3 computed as 2.9999999999999996 / 10 belongs to the bin from 0.3.
        place = math.floor(round(share * bins, _ROUNDING))
        counts[min(max(place, 0), bins - 1)] += 1
    return counts
