"""beyond.prompting.paired, against scipy where it is installed and by hand."""

from __future__ import annotations

import random

import pytest

from beyond.prompting.paired import bootstrap_difference, mcnemar


def answers(gained: int, lost: int, same: int = 5) -> tuple[list[bool], list[bool]]:
    before = [False] * gained + [True] * lost + [True] * same + [False] * same
    after = [True] * gained + [False] * lost + [True] * same + [False] * same
    return before, after


@pytest.mark.parametrize(
    ("gained", "lost", "p"),
    [(6, 1, 0.125), (1, 6, 0.125), (0, 0, 1.0), (3, 3, 1.0), (10, 0, 2 / 2**10), (5, 0, 0.0625)],
)
def test_mcnemar_by_hand(gained, lost, p):
    assert mcnemar(*answers(gained, lost)) == pytest.approx(p)


def test_mcnemar_is_the_binomial_test():
    stats = pytest.importorskip("scipy.stats")
    chance = random.Random(0)
    for _case in range(50):
        gained, lost = chance.randrange(20), chance.randrange(1, 20)
        expected = stats.binomtest(gained, gained + lost, 0.5).pvalue
        assert mcnemar(*answers(gained, lost)) == pytest.approx(expected)


def test_unequal_lists_are_refused():
    with pytest.raises(ValueError, match=r"shorter|longer"):
        mcnemar([True], [True, False])


def test_the_bootstrap_interval_covers_the_true_difference():
    """Nominally 95%; with 100 items and 200 data sets, below 88% would be an error in it."""
    covered = 0
    for seed in range(200):
        chance = random.Random(seed)
        before = [chance.random() < 0.4 for _item in range(100)]
        after = [b if chance.random() < 0.5 else chance.random() < 0.6 for b in before]
        low, high = bootstrap_difference(before, after, draws=400, seed=seed)
        covered += low <= 0.1 <= high  # 0.5 × (0.6 − 0.4)
    assert covered >= 176


def test_no_difference_has_an_empty_interval():
    assert bootstrap_difference([True, False], [True, False]) == (0, 0)
