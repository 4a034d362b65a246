"""Compute a transformer's parameter count and memory from its dimensions.

The dimensions are those in a published config.json. All models in the lessons are of one kind: an
embedding, layers of attention (with fewer key and value heads than query heads) and of a gated
feed-forward network or several of them as experts, and an output head. Some newer models have a
few more vectors (norms of queries and keys, biases of experts, attention sinks); they make up
less than 0.1% and are left out.
"""

from __future__ import annotations

from dataclasses import dataclass

FORMATS = {"fp32": 32.0, "bf16": 16.0, "int8": 8.5, "int4": 5.0}
"""Bits per weight. int8 is GGUF's Q8_0 (a scale of 16 bits for 32 weights), int4 its
Q4_1 (a scale and a minimum, 32 bits for 32 weights)."""


@dataclass(frozen=True)
class TransformerShape:
    """The dimensions of a decoder-only transformer."""

    layers: int
    hidden: int
    intermediate: int
    """Width of the feed-forward network, or of one expert."""
    heads: int
    kv_heads: int
    head_dim: int
    vocabulary: int
    tied: bool = False
    """Whether the output head shares the embedding's weights."""
    experts: int = 1
    active_experts: int = 1
    """Experts per token."""
    local_layers: int = 0
    """Layers with sliding-window attention, which cache only the last `window` tokens."""
    window: int = 0
    attention_bias: bool = False
    norm_bias: bool = False
    head_bias: bool = False

    def parameters(self) -> int:
        """Count all parameters."""
        return self._count(self.experts)

    def active_parameters(self) -> int:
        """Count the active parameters of a token: with experts, only the selected ones.

        The whole embedding is counted, as publishers do, although a token reads one row of it.
        """
        return self._count(self.active_experts)

    def cache_bytes(self, tokens: int, bits: float = 16) -> float:
        """Return the size of the KV cache after `tokens` tokens, in bytes.

        A key and a value per layer and KV head; a layer with a sliding window keeps no more
        tokens than that.
        """
        kept = (self.layers - self.local_layers) * tokens
        kept += self.local_layers * min(tokens, self.window)
        return 2 * kept * self.kv_heads * self.head_dim * bits / 8

    def _count(self, experts: int) -> int:
        queries, keys = self.heads * self.head_dim, self.kv_heads * self.head_dim
        attention = 2 * self.hidden * queries + 2 * self.hidden * keys
        if self.attention_bias:
            attention += queries + 2 * keys + self.hidden
        network = 3 * self.hidden * self.intermediate  # gate, up, down
        router = self.hidden * self.experts if self.experts > 1 else 0
        norm = self.hidden * (2 if self.norm_bias else 1)
        layer = attention + experts * network + router + 2 * norm
        tables = self.vocabulary * self.hidden * (1 if self.tied else 2)
        return self.layers * layer + norm + tables + (self.vocabulary if self.head_bias else 0)


def weight_bytes(parameters: float, bits: float) -> float:
    """Return the bytes of so many weights in a format."""
    return parameters * bits / 8
