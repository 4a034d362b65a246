"""Compare the predictions of one variant of a model with those of another.

A faster variant is only useful if the model still gives the same answers. Perplexity measures how
much worse it predicts human-written text; agreement and divergence compare two variants directly,
token by token, and detect small damage earlier.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from beyond import shop
from beyond.lm.perplexity import WINDOW
from beyond.old_names import handed_on, keep_old_attributes

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedTokenizerBase

    from beyond.edge.session import OnnxModel

__getattr__ = handed_on(__name__)


@keep_old_attributes("beyond.edge.agreement.Agreement")
@dataclass(frozen=True)
class Agreement:
    """A comparison of one variant with the reference over the tokens of a text."""

    perplexity: float
    top1_agreement: float
    """The fraction of positions at which both rank the same token first (top-1 agreement)."""
    divergence: float
    """Kullback-Leibler divergence from the reference, averaged over positions, in nats."""


class Reference:
    """A model's log probabilities over a text, with which others are compared.

    Args:
        model: takes ids (batch, length), gives logits (batch, length, vocabulary) or an object
            that has them as `.logits`.
        tokenizer: the model's own.
        text: the text to score.
        window: tokens per window, as in `beyond.lm.perplexity.perplexity`.
        limit: the most tokens to score. Each takes 200 kB of memory for a vocabulary of 49,152.
    """

    def __init__(
        self,
        model: Callable[[torch.Tensor], Any],
        tokenizer: PreTrainedTokenizerBase,
        text: str,
        window: int = WINDOW,
        limit: int | None = None,
    ) -> None:
        ids = tokenizer(text, return_tensors="pt", add_special_tokens=False).input_ids[:, :limit]
        self.pieces = [piece for piece in ids.split(window, dim=1) if piece.shape[1] > 1]
        self._expected = [_log_probabilities(model, piece) for piece in self.pieces]

    def of(self, model: Callable[[torch.Tensor], Any]) -> Agreement:
        """Compare `model` with the reference."""
        negative_log_likelihood = same = divergence = 0.0
        count = 0
        for piece, expected in zip(self.pieces, self._expected, strict=True):
            got = _log_probabilities(model, piece)
            count += len(got)
            negative_log_likelihood -= got.gather(1, piece[0, 1:, None]).sum().item()
            same += (got.argmax(-1) == expected.argmax(-1)).sum().item()
            divergence += (expected.exp() * (expected - got)).sum().item()
        perplexity = float(np.exp(negative_log_likelihood / count))
        return Agreement(perplexity, same / count, max(divergence / count, 0.0))


@dataclass(frozen=True)
class TeamPrompts:
    """Lesson 1's task as tokens: the prompts of `shop.accuracy`, prefix and rest."""

    shared: list[int]
    """The prefix that all prompts share, which is prefilled once."""
    messages: list[list[int]]
    """The rest of each prompt, one per message."""
    labels: list[int]
    """The teams' tokens."""
    expected: list[int]
    """For each message the index of its team in `labels`."""

    @classmethod
    def of(cls, tokenizer: PreTrainedTokenizerBase, shots: int = 5, every: int = 1) -> TeamPrompts:
        """Tokenize the 100 held-out messages, each with the rule that it falls under.

        `rules=True`).

        `every` takes every n-th message only; they are grouped by topic.

        The two parts of a prompt are tokenized separately, which gives the same tokens if the first
        ends with a line break.
        """

        def encode(text: str) -> list[int]:
            return tokenizer(text, add_special_tokens=False).input_ids

        teams, held_out = shop.teams(), shop.held_out()[::every]
        rule = {(r.topic, r.team): r.en for r in shop.handbook()}

        def prompt(message: shop.Entry) -> str:
            return shop.with_rules(message.en, [rule[message.topic, message.team]])

        shown = "".join(f"{prompt(m)} {m.team}\n\n" for m in shop.examples(shots))
        return cls(
            shared=encode(shop.INSTRUCTIONS + shown),
            messages=[encode(prompt(m)) for m in held_out],
            labels=[encode(f" {team}")[0] for team in teams],
            expected=[teams.index(m.team) for m in held_out],
        )


def count_right_teams(model: OnnxModel, prompts: TeamPrompts) -> int:
    """Count the messages for which the right team is the most likely of the five."""
    _logits, past = model.run(prompts.shared)
    chosen = [
        int(model.run(message, past)[0][0, prompts.labels].argmax()) for message in prompts.messages
    ]
    return sum(c == e for c, e in zip(chosen, prompts.expected, strict=True))


def _log_probabilities(model: Callable[[torch.Tensor], Any], piece: torch.Tensor) -> torch.Tensor:
    """Return the next token's log probabilities by position, shape (length − 1, vocabulary)."""
    import torch

    with torch.inference_mode():
        answer = model(piece)
        logits = getattr(answer, "logits", answer)[0, :-1]
        return torch.log_softmax(logits.float(), dim=-1)
