"""beyond.small_models.quality: a ratio of perplexities with an interval, paired by passage."""

import math

import pytest

from beyond.small_models.quality import passages, perplexity_ratio


def test_there_are_ten_passages():
    assert len(passages()) == len(set(passages())) == 10


def test_the_same_losses():
    assert str(perplexity_ratio([1.0, 3.0], [1.0, 3.0])) == "×1 (×1 – ×1)"


def test_by_hand():
    found = perplexity_ratio([3.0, 5.0, 4.0], [3.1, 5.3, 4.2])
    error = 0.1 / math.sqrt(3)
    assert found.value == pytest.approx(math.exp(0.2))
    assert found.low == pytest.approx(math.exp(0.2 - 4.303 * error))
    assert found.high == pytest.approx(math.exp(0.2 + 4.303 * error))


def test_hard_passages_do_not_widen_the_interval():
    found = perplexity_ratio([1.0, 9.0, 4.0], [1.5, 9.5, 4.5])
    assert found.low == pytest.approx(found.high) == pytest.approx(math.exp(0.5))


@pytest.mark.parametrize("count", [1, 11])
def test_impossible_numbers_of_passages(count):
    with pytest.raises(ValueError, match=f"There are {count} passages"):
        perplexity_ratio([1.0] * count, [1.0] * count)
