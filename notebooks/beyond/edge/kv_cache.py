"""Quantize a KV cache, and measure what that saves and what it costs.

As in `beyond.small_models.quantization`, a group of numbers shares a scale and a minimum of 16
bits each. What differs is the group. Cached keys and values have the shape (1, KV heads, tokens,
head size), so a group can be one head's vector for one token, or one channel of a head over
several tokens. Keys tend to have a few channels with large values, which the second grouping
keeps apart from the others (KIVI, https://arxiv.org/abs/2402.02750).

The numbers are dequantized at once, so nothing gets smaller or faster here: only the effect on
the output is measured.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from beyond.edge.session import OnnxModel
from beyond.edge.weights import DecoderShape

TOKEN, CHANNEL = 3, 2
"""The axes of a cache along which a group lies."""

CHUNK = 32
"""Tokens that are read per pass, and that share a group if the group lies along the tokens."""

SCALE_BITS = 32
"""Bits that a group stores besides its codes: scale and minimum, 16 each."""


@dataclass(frozen=True)
class CacheFormat:
    """How keys or values are stored.

    Attributes:
        bits: of a code; 16 and 32 are floating-point numbers without groups.
        axis: `TOKEN` or `CHANNEL`.
    """

    bits: int = 32
    axis: int = TOKEN

    def bits_per_number(self, head_size: int) -> float:
        """Return the bits of one number, with its part of what the group stores."""
        group = head_size if self.axis == TOKEN else CHUNK
        return self.bits + (SCALE_BITS / group if self.bits < 16 else 0)

    def apply(self, values: np.ndarray) -> np.ndarray:
        """Quantize and dequantize numbers of shape (1, KV heads, tokens, head size)."""
        if self.bits == 32:
            return values
        if self.bits == 16:
            return values.astype(np.float16).astype(np.float32)
        low = values.min(axis=self.axis, keepdims=True)
        scale = (values.max(axis=self.axis, keepdims=True) - low) / (2**self.bits - 1)
        # stored with 16 bits each
        low, scale = (each.astype(np.float16).astype(np.float32) for each in (low, scale))
        scale = np.where(scale > 0, scale, 1)
        codes = np.rint((values - low) / scale).clip(0, 2**self.bits - 1)
        return (codes * scale + low).astype(np.float32)


def cache_bytes(shape: DecoderShape, tokens: int, keys: CacheFormat, values: CacheFormat) -> float:
    """Return the bytes that the cache takes for so many tokens."""
    numbers = shape.layers * shape.kv_heads * shape.head_size * tokens
    bits = sum(each.bits_per_number(shape.head_size) for each in (keys, values))
    return numbers * bits / 8


def perplexity(
    model: OnnxModel,
    ids: Sequence[int],
    keys: CacheFormat,
    values: CacheFormat,
    window: int = 512,
    step: Callable[[], object] = lambda: None,
) -> float:
    """Compute the perplexity of a text that is read in chunks, with the cache quantized.

    A token sees the tokens of its own chunk unquantized and all earlier ones quantized, as in a
    runtime that keeps the newest part of the cache in full precision.

    Args:
        model: an exported model.
        ids: the text's tokens.
        keys: how the keys are stored.
        values: how the values are stored.
        window: the text is split into windows of this many tokens.
        step: called after each chunk.
    """
    losses: list[float] = []
    for first in range(0, len(ids) - 1, window):
        text = ids[first : first + window]
        past = model.empty_cache()
        for start in range(0, len(text) - 1, CHUNK):
            chunk = text[start : start + CHUNK]
            logits, past = model.run(chunk, past, range(len(chunk)))
            following = text[start + 1 : start + len(chunk) + 1]
            rows = logits[: len(following)].astype(np.float64)
            top = rows.max(axis=-1, keepdims=True)
            normalizer = top[:, 0] + np.log(np.exp(rows - top).sum(axis=-1))
            losses += list(normalizer - rows[range(len(following)), following])
            past = {
                name: _with_newest(cached, start, keys if name.endswith("key") else values)
                for name, cached in past.items()
            }
            step()
    return float(np.exp(np.mean(losses)))


def _with_newest(cached: np.ndarray, start: int, form: CacheFormat) -> np.ndarray:
    """Return a cache in which the tokens from `start` on are quantized."""
    if form.bits == 32:
        return cached
    return np.concatenate([cached[:, :, :start], form.apply(cached[:, :, start:])], axis=2)
