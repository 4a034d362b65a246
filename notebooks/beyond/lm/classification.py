"""Measure a model's classification accuracy, with an interval, and its prompts' length in tokens.

A label is one token, so a single forward pass over the prompt gives both the label that the model
considers most likely (`chosen`) and the token that it would generate first (`written`). The prefix
that all prompts share is prefilled once and its KV cache is reused, as providers' prompt caches
do; the results are the same as without it.
"""

from __future__ import annotations

import copy
import math
import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from beyond.locale import _

if TYPE_CHECKING:
    import torch
    from transformers import Cache, PreTrainedModel, PreTrainedTokenizerBase

Z_95 = 1.959964
"""Standard normal quantile of a two-sided 95% interval."""

BATCH_TOKENS = 6_000
"""The most tokens in one pass, including the shared prefix; bounds the KV cache's memory."""


def wilson(right: int, of: int, z: float = Z_95) -> tuple[float, float]:
    """Compute the 95% interval for a proportion, `right` of `of`: (low, high) in [0, 1].

    Wilson's score interval: unlike right/of ± z·sqrt(…) it stays within [0, 1] and isn't empty
    when all are right. It covers the sampling of the items, not the choice of seeds or prompts.

    Source: Wilson (1927), Journal of the American Statistical Association 22, p. 209.

    Raises:
        ValueError: unless 0 <= right <= of and of > 0.
    """
    if not 0 <= right <= of or of == 0:
        raise ValueError(f"{right} of {of} is not a proportion.")
    share = right / of
    middle = (share + z * z / (2 * of)) / (1 + z * z / of)
    half = z * math.sqrt(share * (1 - share) / of + z * z / (4 * of * of)) / (1 + z * z / of)
    return max(0.0, middle - half), min(1.0, middle + half)


@dataclass(frozen=True)
class Scores:
    """What a model answered to a list of prompts, in their order."""

    labels: tuple[str, ...]
    """The words to choose from."""
    log_probabilities: tuple[tuple[float, ...], ...]
    """Each label's log-probability for each prompt, in the order of `labels`."""
    expected: tuple[str, ...]
    written: tuple[str, ...]
    """The token of the whole vocabulary that the model would generate first."""
    prompt_tokens: tuple[int, ...]
    """The full prompt's length, including the shared prefix."""
    seconds: float
    """For all prompts, with the shared prefix prefilled once."""

    @property
    def chosen(self) -> tuple[str, ...]:
        """The most likely label for each prompt."""
        return tuple(
            self.labels[max(range(len(row)), key=row.__getitem__)] for row in self.log_probabilities
        )

    @property
    def hits(self) -> tuple[bool, ...]:
        """For each prompt, whether the most likely label is the right one."""
        return tuple(c == e for c, e in zip(self.chosen, self.expected, strict=True))

    @property
    def right(self) -> int:
        """The number of correct predictions."""
        return sum(self.hits)

    @property
    def accuracy(self) -> float:
        """The fraction of prompts whose most likely label is the right one."""
        return self.right / len(self.expected)

    @property
    def interval(self) -> tuple[float, float]:
        """The 95% interval of the accuracy (Wilson)."""
        return wilson(self.right, len(self.expected))

    @property
    def obeyed(self) -> float:
        """The fraction of prompts for which the model would generate that label unconstrained."""
        agree = sum(w == c for w, c in zip(self.written, self.chosen, strict=True))
        return agree / len(self.expected)

    @property
    def mean_prompt_tokens(self) -> float:
        """Tokens per prompt on average."""
        return statistics.fmean(self.prompt_tokens)

    def calibrated(self) -> Scores:
        """Remove the model's bias towards some labels, without using the right answers.

        The mean over all prompts is subtracted from each label's log-probability, so a label is
        chosen where it is more likely than on average. This assumes that the labels are about
        equally frequent among the prompts.

        Source: batch calibration, Zhou et al. (2023), https://arxiv.org/abs/2309.17249
        """
        means = [statistics.fmean(column) for column in zip(*self.log_probabilities, strict=True)]
        rows = tuple(
            tuple(value - mean for value, mean in zip(row, means, strict=True))
            for row in self.log_probabilities
        )
        return replace(self, log_probabilities=rows)

    def among(self, keep: Sequence[bool]) -> Scores:
        """Select the prompts whose entry in `keep` is true; `seconds` is unchanged."""

        def some(values: tuple) -> tuple:
            return tuple(v for v, wanted in zip(values, keep, strict=True) if wanted)

        return Scores(
            self.labels,
            some(self.log_probabilities),
            some(self.expected),
            some(self.written),
            some(self.prompt_tokens),
            self.seconds,
        )

    def __str__(self) -> str:
        low, high = self.interval
        return _(
            "{share:.0%} correct ({right} of {of}; 95% interval {low:.0%} to {high:.0%})"
        ).format(share=self.accuracy, right=self.right, of=len(self.expected), low=low, high=high)

    __repr__ = __str__


def score(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[str],
    expected: Sequence[str],
    labels: Sequence[str],
    beginning: str = "",
) -> Scores:
    """Let the model choose a label for each prompt.

    Args:
        model: any causal language model of transformers, with or without a `peft` adapter.
        tokenizer: the model's own.
        prompts: each ends where the label follows, without a space ("… Team:").
        expected: the right label of each prompt.
        labels: the words to choose from; each must be a single token after a space.
        beginning: the prefix of every prompt, prefilled once. End it with a line break, so that
            the text is tokenized the same way with and without it.

    Raises:
        ValueError: if a label isn't one token, or a prompt is empty.
    """
    import torch

    label_ids = token_ids(tokenizer, labels)
    ids = [tokenizer(prompt, add_special_tokens=False)["input_ids"] for prompt in prompts]
    if not all(ids):
        raise ValueError("A prompt is empty.")
    shared = tokenizer(beginning, add_special_tokens=False)["input_ids"] if beginning else []
    likely: list[tuple[float, ...]] = [()] * len(ids)
    written = [""] * len(ids)
    began = time.perf_counter()
    with torch.inference_mode():
        known = _read(model, shared) if shared else None
        for rows in _batches([len(row) for row in ids], len(shared)):
            logits = _last_logits(model, [ids[i] for i in rows], known, len(shared))
            logs = logits.log_softmax(dim=1)
            first = logits.argmax(dim=1).tolist()
            for i, row, token in zip(rows, logs[:, label_ids].tolist(), first, strict=True):
                likely[i] = tuple(row)
                written[i] = str(tokenizer.decode([token])).strip()
    return Scores(
        labels=tuple(labels),
        log_probabilities=tuple(likely),
        expected=tuple(expected),
        written=tuple(written),
        prompt_tokens=tuple(len(shared) + len(row) for row in ids),
        seconds=time.perf_counter() - began,
    )


def last_logits(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, prompts: Sequence[str]
) -> torch.Tensor:
    """Compute the next-token logits of each prompt (prompts × vocabulary).

    Gradients are tracked if they are enabled, so a training loop may call it.
    """
    rows = [tokenizer(prompt, add_special_tokens=False)["input_ids"] for prompt in prompts]
    return _last_logits(model, rows, None, 0)


def token_ids(tokenizer: PreTrainedTokenizerBase, labels: Sequence[str]) -> list[int]:
    """Return the token of each label after a space.

    Raises:
        ValueError: if a label isn't one token.
    """
    return [_only_token(tokenizer, label) for label in labels]


def seconds_per_call(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[str],
    beginning: str = "",
) -> float:
    """Measure the median seconds from a prompt to its label, one at a time, without a cache.

    Args:
        model: any causal language model of transformers.
        tokenizer: the model's own.
        prompts: a few (5 are enough); an extra warm-up pass isn't counted.
        beginning: the prefix of every prompt, prefilled again each time.
    """
    import torch

    ids = [
        tokenizer(beginning + prompt, add_special_tokens=False, return_tensors="pt")["input_ids"]
        for prompt in prompts
    ]
    spent = []
    with torch.inference_mode():
        for row in [ids[0], *ids]:
            began = time.perf_counter()
            model(input_ids=row.to(model.device), logits_to_keep=1, use_cache=False)
            spent.append(time.perf_counter() - began)
    return statistics.median(spent[1:])


def _only_token(tokenizer: PreTrainedTokenizerBase, label: str) -> int:
    ids = tokenizer(" " + label, add_special_tokens=False)["input_ids"]
    if len(ids) != 1:
        raise ValueError(f"{label!r} is {len(ids)} tokens; choose a label that is one.")
    return ids[0]


def _batches(lengths: Sequence[int], shared: int) -> Iterator[list[int]]:
    """Group prompts of similar length, with at most BATCH_TOKENS in total or a single prompt."""
    rows: list[int] = []
    for i in sorted(range(len(lengths)), key=lambda i: lengths[i]):
        if rows and (len(rows) + 1) * (shared + lengths[i]) > BATCH_TOKENS:
            yield rows
            rows = []
        rows.append(i)
    if rows:
        yield rows


def _read(model: PreTrainedModel, shared: list[int]) -> Cache:
    """Prefill the shared prefix, and return its KV cache."""
    import torch

    ids = torch.tensor([shared], device=model.device)
    return model(input_ids=ids, use_cache=True, logits_to_keep=1).past_key_values


def _last_logits(
    model: PreTrainedModel, rows: list[list[int]], known: Cache | None, shared: int
) -> torch.Tensor:
    """Compute the logits (rows × vocabulary) after the last token of each row.

    Rows are padded on the left, so that the last tokens are in the last column; padding is masked,
    and positions continue from the shared prefix as if there were no padding.
    """
    import torch

    device = model.device
    longest = max(len(row) for row in rows)
    ids = torch.zeros(len(rows), longest, dtype=torch.long, device=device)
    mask = torch.zeros_like(ids)
    for i, row in enumerate(rows):
        ids[i, longest - len(row) :] = torch.tensor(row, device=device)
        mask[i, longest - len(row) :] = 1
    positions = (mask.cumsum(dim=1) - 1).clamp(min=0) + shared
    past = None
    if known is not None:
        past = copy.deepcopy(known)  # the forward pass appends to its cache
        past.batch_repeat_interleave(len(rows))
        mask = torch.cat([mask.new_ones(len(rows), shared), mask], dim=1)
    out = model(
        input_ids=ids,
        attention_mask=mask,
        position_ids=positions,
        past_key_values=past,
        use_cache=past is not None,
        logits_to_keep=1,
    )
    return out.logits[:, -1].float()
