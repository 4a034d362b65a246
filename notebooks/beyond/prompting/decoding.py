"""Generate text token by token: sampled or greedy, free or constrained, many prompts at a time.

transformers' `generate` can do most of this. Here the prefix that all prompts share is prefilled
once, and a constraint is a plain function of the text so far, which a lesson can write itself.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from beyond.locale import _
from beyond.prompting.vocabulary import token_texts

if TYPE_CHECKING:
    import torch
    from transformers import Cache, PreTrainedModel, PreTrainedTokenizerBase

BATCH_TOKENS = 16_000
"""The most tokens in one batch's KV cache, about 0.7 GB for SmolLM2."""


ENDLESS = 60
"""Steps after which a decoding loop is stopped; the lesson's outputs take about 15."""


class Endless(RuntimeError):
    """A decoding loop doesn't end."""

    def __init__(self) -> None:
        super().__init__(
            _(
                "The loop asked for logits {n} times; it should end when no token is allowed."
            ).format(n=ENDLESS)
        )


@dataclass(frozen=True)
class Generated:
    """What a model generated after one prompt."""

    text: str
    """Without the stop text."""
    tokens: int
    """Generated tokens, including those that make up the stop text."""
    allowed_mass: tuple[float, ...] = ()
    """At each step of a constrained generation, the probability that the model gave to all
    allowed tokens together before the others were masked."""


class Continuation:
    """One prompt and what follows it: the next token's logits, and a token to append."""

    def __init__(
        self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, prompt: str
    ) -> None:
        self._model = model
        self._cache: Cache | None = None
        self._asked = 0
        self._read(tokenizer(prompt, add_special_tokens=False)["input_ids"])

    def logits(self) -> list[float]:
        """Return the logit of each token of the vocabulary to come next.

        Raises:
            Endless: if a loop asks again and again.
        """
        self._asked += 1
        if self._asked > ENDLESS:
            raise Endless
        return self._logits.tolist()

    def log_probabilities(self) -> torch.Tensor:
        """Return the log-probability of each token of the vocabulary to come next."""
        return self._logits.log_softmax(dim=0)

    def append(self, token: int) -> None:
        """Continue the text with this token."""
        self._read([int(token)])

    def _read(self, ids: list[int]) -> None:
        import torch

        with torch.inference_mode():
            out = self._model(
                input_ids=torch.tensor([ids], device=self._model.device),
                past_key_values=self._cache,
                use_cache=True,
                logits_to_keep=1,
            )
        self._cache = out.past_key_values
        self._logits = out.logits[0, -1].float().cpu()


class Scripted:
    """A stand-in for `Continuation` whose logits are given in advance.

    Args:
        rows: the logits before the first token, after one token, and so on; the last row stays.
    """

    def __init__(self, rows: Sequence[Sequence[float]]) -> None:
        self._rows = rows
        self._asked = 0
        self.appended: list[int] = []

    def logits(self) -> list[float]:
        """Return the logits after what was appended.

        Raises:
            Endless: if a loop asks again and again.
        """
        self._asked += 1
        if self._asked > ENDLESS:
            raise Endless
        return list(self._rows[min(len(self.appended), len(self._rows) - 1)])

    def append(self, token: int) -> None:
        """Continue with this token."""
        self.appended.append(int(token))


def nucleus(log_probabilities: torch.Tensor, top_p: float) -> torch.Tensor:
    """Mask all tokens but the fewest whose probabilities sum to at least `top_p`.

    Source: Holtzman et al. (2020), https://arxiv.org/abs/1904.09751

    Args:
        log_probabilities: (rows, vocabulary).
        top_p: from 0 to 1; 1 keeps every token.

    Returns:
        The log-probabilities, those of masked tokens −∞, not normalized.
    """
    if top_p >= 1:
        return log_probabilities
    ordered, order = log_probabilities.sort(dim=-1, descending=True)
    # A token stays if what comes before it doesn't reach top_p yet, so the first always stays.
    before = ordered.exp().cumsum(dim=-1) - ordered.exp()
    ordered = ordered.masked_fill(before >= top_p, float("-inf"))
    ordered[..., 0] = log_probabilities.max(dim=-1).values
    return ordered.scatter(-1, order, ordered)


def generate(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[str],
    beginning: str = "",
    *,
    max_new_tokens: int = 16,
    stop: str = "\n",
    temperature: float = 0.0,
    top_p: float = 1.0,
    allowed: Callable[[str], Sequence[int]] | None = None,
    seed: int = 0,
    progress: Callable[[int], object] | None = None,
) -> list[Generated]:
    """Continue each prompt until `stop`, or until nothing more is allowed.

    Args:
        model: any causal language model of transformers.
        tokenizer: the model's own.
        prompts: as they follow `beginning`; none may be empty.
        beginning: the prefix of every prompt, prefilled once. End it with a line break, so that
            the text is tokenized the same way with and without it.
        max_new_tokens: the most tokens to generate for a prompt.
        stop: generation ends where this text, or the end-of-sequence token, appears.
        temperature: divides the logits before sampling; 0 takes the most likely token.
        top_p: sample only from the nucleus of this mass.
        allowed: the ids of the tokens that may follow the generated text so far; an empty list
            ends the text. Without it, every token is allowed.
        seed: of the sampling.
        progress: called with the number of prompts that a batch has finished.

    Raises:
        ValueError: if a prompt is empty.
    """
    import torch

    ids = [tokenizer(prompt, add_special_tokens=False)["input_ids"] for prompt in prompts]
    if not all(ids):
        raise ValueError("A prompt is empty.")
    shared = tokenizer(beginning, add_special_tokens=False)["input_ids"] if beginning else []
    random = torch.Generator().manual_seed(seed)
    texts = token_texts(tokenizer)
    masks: dict[str, list[int]] = {}

    def mask(written: str) -> list[int]:
        if written not in masks:
            masks[written] = [int(token) for token in allowed(written)] if allowed else []
        return masks[written]

    def choose(log_probabilities: torch.Tensor) -> torch.Tensor:
        if temperature == 0:
            return log_probabilities.argmax(dim=-1)
        scaled = (log_probabilities / temperature).log_softmax(dim=-1)
        return torch.multinomial(nucleus(scaled, top_p).exp(), 1, generator=random)[:, 0]

    results: list[Generated | None] = [None] * len(ids)
    with torch.inference_mode():
        prefix = _prefill(model, shared) if shared else None
        for rows in _batches([len(row) + max_new_tokens for row in ids], len(shared)):
            batch = _Batch(model, [ids[i] for i in rows], prefix, len(shared))
            written = [""] * len(rows)
            spent = [0] * len(rows)
            mass: list[list[float]] = [[] for _ in rows]
            live = set(range(len(rows)))
            if allowed:
                live = {row for row in live if mask("")}
            for _step in range(max_new_tokens):
                if not live:
                    break
                log_probabilities = batch.log_probabilities
                if allowed:
                    masked = torch.full_like(log_probabilities, float("-inf"))
                    for row in live:
                        these = mask(written[row])
                        masked[row, these] = log_probabilities[row, these]
                        mass[row].append(masked[row].logsumexp(dim=0).exp().item())
                    for row in set(range(len(rows))) - live:
                        masked[row, 0] = 0.0  # a finished row only pads the batch
                    log_probabilities = masked.log_softmax(dim=-1)
                tokens = choose(log_probabilities)
                for row in sorted(live):
                    token = int(tokens[row])
                    written[row] += texts[token]
                    spent[row] += 1
                    if allowed:
                        ended = not mask(written[row])
                    else:
                        ended = token == tokenizer.eos_token_id or stop in written[row]
                    if ended:
                        live.discard(row)
                if live:
                    batch.append(tokens)
            for row, i in enumerate(rows):
                text = written[row] if allowed else written[row].split(stop, 1)[0]
                results[i] = Generated(text, spent[row], tuple(mass[row]))
            if progress:
                progress(len(rows))
    return [one for one in results if one is not None]


class _Batch:
    """Prompts of one batch with their KV cache, padded on the left."""

    def __init__(
        self, model: PreTrainedModel, rows: list[list[int]], prefix: Cache | None, shared: int
    ) -> None:
        import torch

        self._model, device = model, model.device
        longest = max(len(row) for row in rows)
        ids = torch.zeros(len(rows), longest, dtype=torch.long, device=device)
        mask = torch.zeros_like(ids)
        for i, row in enumerate(rows):
            ids[i, longest - len(row) :] = torch.tensor(row, device=device)
            mask[i, longest - len(row) :] = 1
        positions = (mask.cumsum(dim=1) - 1).clamp(min=0) + shared
        self._cache = None
        if prefix is not None:
            self._cache = copy.deepcopy(prefix)  # the forward pass appends to its cache
            self._cache.batch_repeat_interleave(len(rows))
            mask = torch.cat([mask.new_ones(len(rows), shared), mask], dim=1)
        self._mask, self._position = mask, positions[:, -1:]
        self._read(ids, positions)

    def append(self, tokens: torch.Tensor) -> None:
        import torch

        self._mask = torch.cat([self._mask, self._mask.new_ones(len(tokens), 1)], dim=1)
        self._position = self._position + 1
        self._read(tokens[:, None].to(self._mask.device), self._position)

    def _read(self, ids: torch.Tensor, positions: torch.Tensor) -> None:
        out = self._model(
            input_ids=ids,
            attention_mask=self._mask,
            position_ids=positions,
            past_key_values=self._cache,
            use_cache=True,
            logits_to_keep=1,
        )
        self._cache = out.past_key_values
        self.log_probabilities = out.logits[:, -1].float().log_softmax(dim=-1).cpu()


def _prefill(model: PreTrainedModel, shared: list[int]) -> Cache:
    import torch

    ids = torch.tensor([shared], device=model.device)
    return model(input_ids=ids, use_cache=True, logits_to_keep=1).past_key_values


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
