"""Price a workload: cached prefixes, hidden reasoning, batches, and a cascade of two models.

These are the library's versions of what lesson 4 has the student build; the lesson's later cells
use them, so that it runs to its end with the build unanswered.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from beyond.cost.formula import TOKENS_PER_PRICE, Price, task_cost
from beyond.lm.classification import Scores

CACHE_MINIMUM = 1_024
"""Tokens of the shortest prefix that OpenAI caches (its guide to prompt caching, 2026-11)."""


def input_dollars(
    prefix: float, fresh: float, p: Price, hit_rate: float, minimum: float = CACHE_MINIMUM
) -> float:
    """Compute what a call's input costs when its prefix can be cached.

    Args:
        prefix: tokens at the start of the prompt that are the same in every call.
        fresh: tokens after them.
        p: the model's prices.
        hit_rate: fraction of the calls that find the prefix in the cache; the others write it.
        minimum: tokens below which a prefix isn't cached.

    Returns:
        Expected dollars per call.
    """
    read = p.input if p.cache_read is None else p.cache_read
    write = p.input if p.cache_write is None else p.cache_write
    per_token = hit_rate * read + (1 - hit_rate) * write if prefix >= minimum else p.input
    return (prefix * per_token + fresh * p.input) / TOKENS_PER_PRICE


def call_dollars(
    prefix: float,
    fresh: float,
    answer: float,
    reasoning: float,
    p: Price,
    hit_rate: float = 0.0,
    batch: bool = False,
) -> float:
    """Compute what a call costs, with reasoning billed as output and the batch price if wanted.

    Args:
        prefix: tokens at the start of the prompt that are the same in every call.
        fresh: input tokens after them.
        answer: tokens of the answer.
        reasoning: tokens that the model generates before the answer, shown or not.
        p: the model's prices.
        hit_rate: fraction of the calls that find the prefix in the cache.
        batch: whether the calls may wait for batch processing.

    Raises:
        ValueError: if `batch` is wanted and the price list has no batch price.
    """
    if batch and p.batch is None:
        raise ValueError("This price list has no batch price.")
    output = (answer + reasoning) * p.output / TOKENS_PER_PRICE
    factor = p.batch if batch and p.batch is not None else 1.0
    return factor * (input_dollars(prefix, fresh, p, hit_rate) + output)


def cascade(
    confidences: Sequence[float],
    correct: Sequence[bool],
    threshold: float,
    cheap_call: float,
    strong_call: float,
    strong_accuracy: float,
) -> tuple[float, float, float]:
    """Compute what a cascade escalates, how often it is correct and what it costs per call.

    The cheap model answers every message. Where its confidence is below the threshold, the strong
    model is called too, and its answer counts.

    Args:
        confidences: of the cheap model, one for each message.
        correct: whether the cheap model's answer is correct, one for each message.
        threshold: confidence from which the cheap model's answer is kept.
        cheap_call: dollars per call.
        strong_call: dollars per call.
        strong_accuracy: fraction of the escalated messages that the strong model answers
            correctly.

    Returns:
        Fraction escalated, expected accuracy, expected dollars per message.
    """
    kept = [c >= threshold for c in confidences]
    escalated = 1 - sum(kept) / len(kept)
    right = sum(k and c for k, c in zip(kept, correct, strict=True)) / len(kept)
    return (
        escalated,
        right + escalated * strong_accuracy,
        cheap_call + escalated * strong_call,
    )


def cheapest(rows: Iterable[tuple[float, float, float]], wrong_answer: float) -> float:
    """Return the threshold whose cost per task is lowest, the lower one of equals.

    Args:
        rows: (threshold, accuracy, dollars per call) of each way to run the cascade.
        wrong_answer: dollars that a wrong answer costs.
    """
    return min(rows, key=lambda row: (task_cost(row[2], row[1], wrong_answer), row[0]))[0]


@dataclass(frozen=True)
class Confidence:
    """How sure a model was of the label that it chose, and whether the label was correct."""

    confidences: tuple[float, ...]
    """Probability of the chosen label among the labels, one for each message."""
    correct: tuple[bool, ...]


def confidence(scores: Scores) -> Confidence:
    """Turn each message's log-probabilities into the probability of the label chosen."""
    confidences = []
    for row in scores.log_probabilities:
        largest = max(row)
        confidences.append(1 / sum(math.exp(value - largest) for value in row))
    return Confidence(tuple(confidences), scores.hits)
