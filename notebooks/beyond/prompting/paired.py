"""Compare two systems that answered the same items."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence


def mcnemar(before: Sequence[bool], after: Sequence[bool]) -> float:
    """Compute the two-sided p-value of McNemar's exact test.

    Only items on which the two differ count. If the systems were equally good, such an item would
    be as likely a gain as a loss, so the gains follow a binomial distribution with p = 1/2.

    Source: McNemar (1947), https://doi.org/10.1007/BF02295996

    Args:
        before: for each item, whether the first system was correct.
        after: the same for the second system, in the same order.

    Returns:
        The probability of a split at least as uneven as the one observed; 1 if none differ.
    """
    pairs = list(zip(before, after, strict=True))
    gained, lost = pairs.count((False, True)), pairs.count((True, False))
    differ = gained + lost
    tail = sum(math.comb(differ, k) for k in range(min(gained, lost) + 1)) / 2**differ
    return min(1.0, 2 * tail)


def bootstrap_difference(
    before: Sequence[bool], after: Sequence[bool], draws: int = 2_000, seed: int = 0
) -> tuple[float, float]:
    """Compute the 95% bootstrap interval of the difference in accuracy, `after` − `before`.

    Items are drawn with replacement and keep both answers, so the comparison stays paired.

    Source: Efron (1979), https://doi.org/10.1214/aos/1176344552

    Args:
        before: for each item, whether the first system was correct.
        after: the same for the second system, in the same order.
        draws: resampled data sets.
        seed: of the resampling.

    Returns:
        The 2.5th and the 97.5th percentile, in [-1, 1].
    """
    chance = random.Random(seed)
    changes = [int(b) - int(a) for a, b in zip(before, after, strict=True)]
    means = sorted(
        sum(chance.choices(changes, k=len(changes))) / len(changes) for _draw in range(draws)
    )
    return means[int(0.025 * draws)], means[math.ceil(0.975 * draws) - 1]
