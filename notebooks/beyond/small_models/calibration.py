"""Quantize one layer with its real input activations: importance matrix, GPTQ, AWQ.

Plain rounding treats every weight alike. A layer's output error weights them by the inputs they
are multiplied with: for weights W, quantized weights Q and inputs X, the error is ‖X(W − Q)ᵀ‖.
The three methods here use a sample of X, the calibration data, to make that error smaller at the
same number of bits. Each is the core of the published method, without its engineering:

- `quantize_by_importance`: an importance matrix, as llama.cpp uses with its K-quants
  (https://github.com/ggml-org/llama.cpp/pull/4861);
- `gptq`: error compensation, column by column (https://arxiv.org/abs/2210.17323);
- `awq`: scaling of the input channels (https://arxiv.org/abs/2306.00978).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from beyond.small_models.quantization import BLOCK, quantize_blocks

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedTokenizerBase

DAMPING = 0.1
"""GPTQ's damping, as a fraction of the Hessian's mean diagonal.

The paper's 0.01 goes with 128 segments of 2,048 tokens. With the thousand tokens of a lesson it
overfits: a larger value gives a smaller error on other text."""

WINDOW = 512
"""Tokens per forward pass when inputs are recorded."""


def layer_inputs(
    model: torch.nn.Module,
    tokenizer: PreTrainedTokenizerBase,
    texts: Sequence[str],
    layer: torch.nn.Linear,
) -> torch.Tensor:
    """Record what `layer` receives while the model reads the texts.

    Returns:
        The input activations, shape (tokens, input features).
    """
    import torch

    seen = []
    hook = layer.register_forward_pre_hook(
        lambda _layer, given: seen.append(given[0].flatten(0, 1))
    )
    try:
        with torch.inference_mode():
            for text in texts:
                ids = tokenizer(text, return_tensors="pt", add_special_tokens=False).input_ids
                for piece in ids.split(WINDOW, dim=1):
                    model(piece)
    finally:
        hook.remove()
    return torch.cat(seen).clone()


def output_error(weights: torch.Tensor, quantized: torch.Tensor, inputs: torch.Tensor) -> float:
    """Return ‖X(W − Q)ᵀ‖ / ‖XWᵀ‖, the relative error of a linear layer's output.

    Args:
        weights: W, shape (output features, input features).
        quantized: Q, of the same shape.
        inputs: X, shape (tokens, input features).
    """
    changed = inputs @ (weights - quantized).T
    return (changed.norm() / (inputs @ weights.T).norm()).item()


def quantize_by_importance(
    weights: torch.Tensor, inputs: torch.Tensor, bits: int, block: int = BLOCK
) -> torch.Tensor:
    """Fit each block's scale and minimum to the weights that matter most.

    Minimizes the sum of E[x²]·(w − q)² over a block, where x is the weight's input activation and
    E[x²] its mean square: the importance matrix. Several scales are tried; for each the codes are
    fixed and scale and minimum follow by weighted least squares.
    """
    import torch

    importance = inputs.square().mean(dim=0).expand_as(weights).reshape(-1, block)
    blocks = weights.reshape(-1, block)
    low, high = blocks.aminmax(dim=1, keepdim=True)
    levels = 2**bits - 1
    best = quantize_blocks(weights, bits, block).reshape(-1, block)
    least = (importance * (best - blocks).square()).sum(dim=1, keepdim=True)
    for shrink in torch.linspace(0.5, 1.1, 25).tolist():
        step = ((high - low) * shrink / levels).clamp_min(1e-12)
        middle = (high + low) / 2
        codes = ((blocks - middle) / step + levels / 2).round().clamp(0, levels)
        scale, minimum = _weighted_line(codes, blocks, importance)
        tried = minimum + scale * codes
        error = (importance * (tried - blocks).square()).sum(dim=1, keepdim=True)
        better = error < least
        best, least = torch.where(better, tried, best), torch.where(better, error, least)
    return best.reshape(weights.shape)


def gptq(
    weights: torch.Tensor, inputs: torch.Tensor, bits: int, block: int = BLOCK
) -> torch.Tensor:
    """Round column by column, and let the columns still to come make up for each error.

    With H = XᵀX, rounding column j with error e changes the output least if each later column k
    is corrected by e·[U]ⱼₖ/[U]ⱼⱼ, where U is the upper Cholesky factor of H⁻¹. Scale and minimum
    of a block are those of its corrected weights.
    """
    import torch

    hessian = inputs.double().T @ inputs.double()
    hessian += DAMPING * hessian.diagonal().mean() * torch.eye(len(hessian), dtype=torch.double)
    inverse = torch.linalg.cholesky(
        torch.cholesky_inverse(torch.linalg.cholesky(hessian)), upper=True
    )
    upper = inverse.to(weights.dtype)
    left, made = weights.clone(), torch.empty_like(weights)
    for start in range(0, weights.shape[1], block):
        inside = left[:, start : start + block]
        low, high = inside.aminmax(dim=1)
        step = ((high - low) / (2**bits - 1)).clamp_min(1e-12)
        errors = torch.empty_like(inside)
        for j in range(start, start + block):
            codes = ((left[:, j] - low) / step).round().clamp(0, 2**bits - 1)
            made[:, j] = low + step * codes
            error = (left[:, j] - made[:, j]) / upper[j, j]
            errors[:, j - start] = error
            left[:, j : start + block] -= error[:, None] * upper[j, j : start + block]
        left[:, start + block :] -= errors @ upper[start : start + block, start + block :]
    return made


def awq(
    weights: torch.Tensor,
    inputs: torch.Tensor,
    bits: int,
    block: int = BLOCK,
    rounding: Callable[[torch.Tensor, int, int], torch.Tensor] = quantize_blocks,
) -> torch.Tensor:
    """Scale the channels with large inputs up before rounding, and down again afterwards.

    A channel's factor is its mean |x| to the power α; of 21 values of α from 0 (plain rounding) to
    1, the one with the smallest output error on `inputs` is used. In a deployed model the division
    moves into the operation before the layer, so it costs nothing.
    """
    import torch

    size = inputs.abs().mean(dim=0).clamp_min(1e-8)
    best, least = weights, float("inf")
    for alpha in torch.linspace(0, 1, 21).tolist():
        factor = size**alpha
        factor = factor / (factor.max() * factor.min()).sqrt()
        tried = rounding(weights * factor, bits, block) / factor
        error = output_error(weights, tried, inputs)
        if error < least:
            best, least = tried, error
    return best


def _weighted_line(
    codes: torch.Tensor, values: torch.Tensor, importance: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the scale and minimum with the smallest weighted squared error, for each row."""
    import torch

    total = importance.sum(dim=1, keepdim=True).clamp_min(1e-30)
    mean_code = (importance * codes).sum(dim=1, keepdim=True) / total
    mean_value = (importance * values).sum(dim=1, keepdim=True) / total
    spread = (importance * (codes - mean_code).square()).sum(dim=1, keepdim=True)
    together = (importance * (codes - mean_code) * (values - mean_value)).sum(dim=1, keepdim=True)
    scale = torch.where(spread > 0, together / spread.clamp_min(1e-30), torch.zeros_like(spread))
    return scale, mean_value - scale * mean_code
