"""Round a model's weights to fewer bits, in place, and put them back afterwards.

Each row of a matrix is cut into blocks. A block of weights w keeps its smallest value m and a
step d, and each weight becomes the nearest of 2^bits levels:

    d = (max w − min w) / (2^bits − 1),    w ≈ m + d · q,    q in 0 … 2^bits − 1

That is the form of GGUF's Q4_1 (there with 4 bits and blocks of 32). The weights stay floats, so
a rounded model is neither smaller nor faster here: only its answers change. Formats that are
really small and fast are the subject of lesson 6.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

SCALE_BITS = 32
"""Bits that a block keeps beside its weights: d and m, 16 each."""

BLOCK = 32


def quantize_blocks(weights: torch.Tensor, bits: int, block: int = BLOCK) -> torch.Tensor:
    """Round each block of `weights` to 2^bits levels from its smallest to its largest value.

    Args:
        weights: any shape; the blocks lie along the last axis.
        bits: 1 to 16.
        block: weights in a block; the last axis must be a multiple of it.

    Raises:
        ValueError: if bits or block don't fit.
    """
    if not 1 <= bits <= 16:
        raise ValueError(f"bits is {bits}; it must be from 1 to 16.")
    if block < 2 or weights.shape[-1] % block:
        row = weights.shape[-1]
        raise ValueError(f"Rows of {row} weights can't be cut into blocks of {block}.")
    blocks = weights.reshape(-1, block)
    low, high = blocks.aminmax(dim=1, keepdim=True)
    step = (high - low) / (2**bits - 1)
    # a block of equal weights has no step; any will do, since all its weights are the lowest
    step = step.where(step > 0, 1)
    levels = ((blocks - low) / step).round_()
    return levels.mul_(step).add_(low).reshape(weights.shape)


def bits_per_weight(bits: float, block: int = BLOCK) -> float:
    """Return the bits that a weight takes on disk, its share of the block's d and m included."""
    return bits + SCALE_BITS / block


def matrices(model: torch.nn.Module) -> dict[str, torch.nn.Parameter]:
    """Return the parameters that are quantized: all matrices, a tied one once.

    Vectors (the norms) stay as they are, as in all common formats: they are few.
    """
    return {name: p for name, p in model.named_parameters() if p.ndim >= 2}


@contextmanager
def quantized(
    model: torch.nn.Module,
    bits: int,
    block: int = BLOCK,
    only: Callable[[str], bool] | None = None,
) -> Iterator[torch.nn.Module]:
    """Quantize the model's weights inside a `with` block, and restore them exactly afterwards.

    Args:
        model: changed in place; a copy of the changed matrices is kept meanwhile.
        bits: as in `quantize_blocks`.
        block: as in `quantize_blocks`.
        only: whether a matrix of this name is rounded; every one if not given.
    """
    import torch

    chosen = {n: p for n, p in matrices(model).items() if only is None or only(n)}
    kept = {name: parameter.detach().clone() for name, parameter in chosen.items()}
    try:
        with torch.no_grad():
            for parameter in chosen.values():
                parameter.copy_(quantize_blocks(parameter, bits, block))
        yield model
    finally:
        with torch.no_grad():
            for name, parameter in chosen.items():
                parameter.copy_(kept[name])
