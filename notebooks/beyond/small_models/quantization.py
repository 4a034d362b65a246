"""Quantize a model's weights in place, and restore them afterwards.

Each row of a matrix is split into blocks. A block of weights w stores its minimum m and a scale
d, and each weight becomes the nearest of 2^bits levels:

    d = (max w − min w) / (2^bits − 1),    w ≈ m + d · q,    q in 0 … 2^bits − 1

This is GGUF's Q4_1 format, with 4 bits and blocks of 32 (the layouts of GGUF's blocks are in
https://github.com/ggml-org/ggml/blob/master/src/ggml-common.h). The weights stay floats, so a
quantized model is neither smaller nor faster here; only its outputs change. Lesson 9 covers
formats that actually save memory and time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from beyond.locale import _

if TYPE_CHECKING:
    import torch

SCALE_BITS = 32
"""Bits that a block stores in addition to its weights: d and m, 16 each."""

Rounding = Callable[["torch.Tensor", int, int], "torch.Tensor"]
"""Takes weights, bits and the block's size, and returns the weights quantized and dequantized."""

BLOCK = 32


def quantize_blocks(weights: torch.Tensor, bits: int, block: int = BLOCK) -> torch.Tensor:
    """Round each block of `weights` to 2^bits levels from its smallest to its largest value.

    Args:
        weights: any shape; the blocks lie along the last axis.
        bits: 1 to 16.
        block: weights per block; the last axis must be a multiple of it.

    Raises:
        ValueError: if bits or block don't fit.
    """
    if not 1 <= bits <= 16:
        raise ValueError(f"bits is {bits}; it must be from 1 to 16.")
    blocks = _blocks(weights, block)
    low, high = blocks.aminmax(dim=1, keepdim=True)
    step = (high - low) / (2**bits - 1)
    # a block of equal weights has scale 0; any other works, since all its levels are 0
    step = step.where(step > 0, 1)
    levels = ((blocks - low) / step).round_()
    return levels.mul_(step).add_(low).reshape(weights.shape)


def quantize_absmax(weights: torch.Tensor, bits: int, block: int = BLOCK) -> torch.Tensor:
    """Round each block of `weights` to whole multiples of one scale, symmetric about 0.

    The scale is max |w| / (2^(bits − 1) − 1), so the codes run from −(2^(bits − 1) − 1) to
    2^(bits − 1) − 1.

    Args:
        weights: any shape; the blocks lie along the last axis.
        bits: 2 to 16.
        block: weights per block; the last axis must be a multiple of it.

    Raises:
        ValueError: if bits or block don't fit.
    """
    if not 2 <= bits <= 16:
        raise ValueError(f"bits is {bits}; it must be from 2 to 16.")
    blocks = _blocks(weights, block)
    scale = blocks.abs().amax(dim=1, keepdim=True) / (2 ** (bits - 1) - 1)
    scale = scale.where(scale > 0, 1)
    return (blocks / scale).round_().mul_(scale).reshape(weights.shape)


def yours_or_library(
    yours: Rounding, library: Rounding = quantize_blocks, method: str = ""
) -> Rounding:
    """Return the learner's function if it does what the library's does, else the library's.

    Says which one it is, so that the rest of the lesson works before the exercise is solved.

    Args:
        yours: the learner's.
        library: what it must agree with.
        method: what to call it; empty where there is only one.
    """
    import torch

    sample = torch.linspace(-1, 2, 4 * BLOCK).square().reshape(2, -1)
    try:
        fits = all(
            torch.allclose(yours(sample, bits, BLOCK), library(sample, bits, BLOCK), atol=1e-5)
            for bits in (2, 4)
        )
    except Exception:  # whatever an unfinished function raises
        fits = False
    if method:
        text = (
            _("{method}: what follows uses your functions.")
            if fits
            else _(
                "{method}: what follows uses the library's version, as yours doesn't give the "
                "same results yet."
            )
        )
        print(text.format(method=_(method)))
    elif fits:
        print(_("What follows uses your functions."))
    else:
        print(
            _(
                "What follows uses the library's version, as yours doesn't give the same "
                "results yet."
            )
        )
    return yours if fits else library


def _blocks(weights: torch.Tensor, block: int) -> torch.Tensor:
    if block < 2 or weights.shape[-1] % block:
        row = weights.shape[-1]
        raise ValueError(f"Rows of {row} weights can't be cut into blocks of {block}.")
    return weights.reshape(-1, block)


def bits_per_weight(bits: float, block: int = BLOCK) -> float:
    """Return the bits per weight on disk, including the block's d and m."""
    return bits + SCALE_BITS / block


def matrices(model: torch.nn.Module) -> dict[str, torch.nn.Parameter]:
    """Return the parameters that are quantized: all matrices, a tied one once.

    Vectors (the norms) are few and stay unquantized, as in all common formats.
    """
    return {name: p for name, p in model.named_parameters() if p.ndim >= 2}


@contextmanager
def quantized(
    model: torch.nn.Module,
    bits: int,
    block: int = BLOCK,
    only: Callable[[str], bool] | None = None,
    rounding: Rounding = quantize_blocks,
) -> Iterator[torch.nn.Module]:
    """Quantize the model's weights inside a `with` block, and restore them exactly afterwards.

    Args:
        model: changed in place; a copy of the changed matrices is kept meanwhile.
        bits: as in `quantize_blocks`.
        block: as in `quantize_blocks`.
        only: whether to quantize a matrix of this name; all if not given.
        rounding: how to quantize a matrix.
    """
    import torch

    chosen = {n: p for n, p in matrices(model).items() if only is None or only(n)}
    kept = {name: parameter.detach().clone() for name, parameter in chosen.items()}
    try:
        with torch.no_grad():
            for parameter in chosen.values():
                parameter.copy_(rounding(parameter.detach(), bits, block))
        yield model
    finally:
        with torch.no_grad():
            for name, parameter in chosen.items():
                parameter.copy_(kept[name])
