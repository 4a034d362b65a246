"""Compare a changed model with the original on the same passages, with an interval.

Both models read every passage, so the difference is taken passage by passage (paired): what makes
one passage harder than another drops out.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from statistics import fmean, stdev
from typing import TYPE_CHECKING, Any

from beyond.lm import perplexity as lm_perplexity

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedTokenizerBase


T_975 = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262)
"""The 97.5% quantile of Student's t, for 1 to 9 degrees of freedom."""


@cache
def passages() -> tuple[str, ...]:
    """Return the ten passages of `beyond.lm.perplexity.prose`, each in another genre."""
    path = Path(lm_perplexity.__file__).parent / "prose.json"
    return tuple(part["text"] for part in json.loads(path.read_text("utf-8"))["parts"])


def mean_losses(
    model: Callable[[torch.Tensor], Any],
    tokenizer: PreTrainedTokenizerBase,
    texts: Sequence[str],
    limit: int | None = None,
) -> list[float]:
    """Return the mean negative log-likelihood per token of each text, in nats.

    Args:
        model: as for `beyond.lm.perplexity.perplexity`.
        tokenizer: the model's own.
        texts: what to score.
        limit: the most tokens of each text.
    """
    return [
        math.log(lm_perplexity.perplexity(model, tokenizer, text, limit=limit)) for text in texts
    ]


@dataclass(frozen=True)
class Ratio:
    """How many times the original's perplexity the changed model's is."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"×{self.value:.3g} (×{self.low:.3g} – ×{self.high:.3g})"


def perplexity_ratio(before: Sequence[float], after: Sequence[float]) -> Ratio:
    """Return the ratio of two perplexities, with a 95% interval over the passages.

    The interval is Student's t on the differences of the mean losses, so it says how far the ratio
    might be off on other passages like these.

    Args:
        before: the original's mean losses.
        after: the changed model's, on the same passages in the same order.

    Raises:
        ValueError: with fewer than 2 or more than 10 passages, or unequal numbers of them.
    """
    differences = [b - a for a, b in zip(before, after, strict=True)]
    if not 2 <= len(differences) <= len(T_975) + 1:
        raise ValueError(f"There are {len(differences)} passages; an interval needs 2 to 10.")
    middle = fmean(differences)
    error = stdev(differences) / math.sqrt(len(differences))
    reach = T_975[len(differences) - 2] * error
    return Ratio(math.exp(middle), math.exp(middle - reach), math.exp(middle + reach))
