"""Evaluate a language model without generating text: perplexity and multiple-choice accuracy.

Perplexity is the exponential of the mean negative log-likelihood of human-written text. Accuracy
is how often the model ranks the right choice first. Both need only the model's probabilities, so
any variant of a model can be compared (another dtype, quantized weights, an ONNX file): a model
here is any callable that takes token ids of shape (batch, length) and returns logits of shape
(batch, length, vocabulary), or an object that has them as `.logits`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from beyond.locale import _

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedTokenizerBase

_DATA = Path(__file__).parent

WINDOW = 512
"""Tokens per forward pass."""


def prose() -> str:
    """Return English prose in ten genres, about 2,500 tokens, written for this course (CC BY 4.0).

    Unlike a classic text, it can't be in the training data of models older than the course.
    """
    parts = json.loads((_DATA / "prose.json").read_text("utf-8"))["parts"]
    return "\n\n".join(part["text"] for part in parts)


def perplexity(
    model: Callable[[torch.Tensor], Any],
    tokenizer: PreTrainedTokenizerBase,
    text: str,
    *,
    window: int = WINDOW,
    limit: int | None = None,
) -> float:
    """Compute exp of the mean of −log p(token | the tokens before it in its window).

    A model that gives n tokens the same probability at each step has a perplexity of n; the
    minimum is 1. Compare perplexities only between models with the same tokenizer, on the same
    text, with the same window.

    Args:
        model: takes ids (batch, length), gives logits (batch, length, vocabulary) or `.logits`.
        tokenizer: the model's own.
        text: the text to score, at least 2 tokens.
        window: the text is split into windows of this many tokens; a token sees only its own
            window, and the first of a window isn't predicted.
        limit: the most tokens of the text to score.

    Raises:
        ValueError: if there is no token to predict.
    """
    import torch

    ids = tokenizer(text, return_tensors="pt", add_special_tokens=False).input_ids[:, :limit]
    lost, count = 0.0, 0
    with torch.inference_mode():
        for piece in ids.split(window, dim=1):
            if piece.shape[1] < 2:
                continue
            negative_log_likelihood = _negative_log_likelihoods(model, piece)
            lost += negative_log_likelihood.sum().item()
            count += negative_log_likelihood.numel()
    if not count:
        raise ValueError("The text has fewer than 2 tokens; there is nothing to predict.")
    return math.exp(lost / count)


def log_likelihoods(
    model: Callable[[torch.Tensor], Any],
    tokenizer: PreTrainedTokenizerBase,
    pairs: Sequence[tuple[str, str]],
    *,
    batch: int = 32,
) -> list[float]:
    """Compute log p(continuation | beginning) for each (beginning, continuation), in nats.

    The two are tokenized separately, so a continuation should start with its space. Pairs of
    similar length are batched; padding is on the right, where a causal model doesn't see it.
    """
    import torch

    def encode(text: str) -> list[int]:
        return tokenizer(text, add_special_tokens=False).input_ids

    begun: dict[str, list[int]] = {}
    texts = []
    for beginning, continuation in pairs:
        first = begun.setdefault(beginning, encode(beginning))
        if not first:
            raise ValueError("A beginning is empty; its continuation has nothing to follow.")
        texts.append((first, encode(continuation)))
    order = sorted(range(len(texts)), key=lambda i: sum(map(len, texts[i])))
    result = [0.0] * len(texts)
    with torch.inference_mode():
        for start in range(0, len(order), batch):
            rows = order[start : start + batch]
            longest = sum(map(len, texts[rows[-1]]))
            ids = torch.zeros(len(rows), longest, dtype=torch.long)
            for row, i in enumerate(rows):
                both = texts[i][0] + texts[i][1]
                ids[row, : len(both)] = torch.tensor(both)
            negative_log_likelihood = _negative_log_likelihoods(model, ids)
            for row, i in enumerate(rows):
                first, second = texts[i]
                end = len(first) + len(second) - 1
                result[i] = -negative_log_likelihood[row, len(first) - 1 : end].sum().item()
    return result


@dataclass(frozen=True)
class ChoiceQuestion:
    """A question with choices, the right one first."""

    level: str
    question: str
    choices: tuple[str, ...]


def questions_by_difficulty() -> list[ChoiceQuestion]:
    """Return 80 English questions with 4 choices, 20 at each of 4 levels."""
    levels = json.loads((_DATA / "questions_by_difficulty.json").read_text("utf-8"))["levels"]
    return [
        ChoiceQuestion(level["level"], each["question"], tuple(each["choices"]))
        for level in levels
        for each in level["questions"]
    ]


def level_name(level: str) -> str:
    """Return the display name of a level."""
    return {
        "everyday knowledge": _("everyday knowledge"),
        "specialist knowledge": _("specialist knowledge"),
        "reasoning in one step": _("reasoning in one step"),
        "reasoning in several steps": _("reasoning in several steps"),
    }[level]


def choose(
    model: Callable[[torch.Tensor], Any],
    tokenizer: PreTrainedTokenizerBase,
    questions: Sequence[ChoiceQuestion],
    template: str = "Question: {question}\nAnswer:",
) -> list[int]:
    """Return for each question the index of the choice that the model finds most likely.

    The log-likelihood is divided by the choice's length in bytes: otherwise short answers
    would be favored. (The measure `acc_norm` of EleutherAI's lm-evaluation-harness.)
    """
    pairs = [
        (template.format(question=q.question), f" {choice}")
        for q in questions
        for choice in q.choices
    ]
    scores = iter(log_likelihoods(model, tokenizer, pairs))
    chosen = []
    for question in questions:
        own = [next(scores) / len(f" {choice}".encode()) for choice in question.choices]
        chosen.append(own.index(max(own)))
    return chosen


def _negative_log_likelihoods(
    model: Callable[[torch.Tensor], Any], ids: torch.Tensor
) -> torch.Tensor:
    """Compute −log p of each token but the first, in nats, shape (batch, length − 1)."""
    import torch

    answer = model(ids)
    logits = getattr(answer, "logits", answer)
    negative_log_likelihood = [
        # one row of the vocabulary at a time, which is several times as fast as all at once
        torch.nn.functional.cross_entropy(row[:-1].float(), after[1:], reduction="none")
        for row, after in zip(logits, ids, strict=True)
    ]
    return torch.stack(negative_log_likelihood)
