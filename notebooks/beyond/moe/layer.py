"""Mixture of experts: the layer that lesson 6 arrives at, and the losses that train its router.

A router scores each expert for each token, the k best experts compute, and their outputs are
summed with the router's weights. `MoELayer` sorts the assignments by expert, so that each expert
needs one matrix product. Shapes are written with T tokens, E experts, k experts per token, D the
width of a token and H that of an expert.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from beyond.old_names import keep_old_arguments

Choice = Callable[[Tensor], tuple[Tensor, Tensor]]
"""Turns logits [T, E] into weights [T, k] and the numbers of the chosen experts [T, k]."""


class Routing(NamedTuple):
    """What the router decided about T tokens."""

    logits: Tensor  # [T, E], float32: the scores
    weights: Tensor  # [T, k], float32: how much each chosen expert counts
    experts: Tensor  # [T, k], the chosen experts' numbers, the best first


@keep_old_arguments("beyond.moe.layer.top_k")
def top_k(logits: Tensor, k: int, renormalize: bool = True) -> tuple[Tensor, Tensor]:
    """Return the k most probable experts of each token, and their weights.

    Args:
        logits: [T, E].
        k: experts for each token, 1 to E.
        renormalize: divide the k probabilities by their sum, so that they add up to 1 (Mixtral);
            otherwise they stay what the softmax over all experts gave (OLMoE, Switch).
    """
    weights, experts = logits.softmax(-1).topk(k, dim=-1)
    if renormalize:
        weights = weights / weights.sum(-1, keepdim=True)
    return weights, experts


def sparse_mixer(logits: Tensor, jitter: float = 0.01) -> tuple[Tensor, Tensor]:
    """Choose two experts as Phi-3.5-MoE does in evaluation: the best, then the next.

    Each weight is a softmax over only those experts that come close to the best one still there,
    by 2·jitter of its size, so the two weights do not add up to 1. (arXiv 2409.12136 says how the
    choice is trained; transformers' `sparsemixer` is the form of Phi-3.5-MoE.)
    """
    weights, experts, left = [], [], logits
    for _first_then_second in range(2):
        best, expert = left.max(-1, keepdim=True)
        far = (best - logits) / logits.abs().clamp(min=best) > 2 * jitter
        weights.append(left.masked_fill(far, -math.inf).softmax(-1).gather(-1, expert))
        experts.append(expert)
        left = left.scatter(-1, expert, -math.inf)
    return torch.cat(weights, -1), torch.cat(experts, -1)


class MoELayer(nn.Module):
    """A feed-forward layer of which each token uses k experts out of E.

    Each expert is a SwiGLU network, down(silu(gate(x)) * up(x)); gate and up are one matrix.

    Args:
        dim: width of a token, D.
        hidden: width inside an expert, H.
        experts: how many there are, E.
        k: how many each token uses.
        renormalize: whether a token's weights add up to 1; see `top_k`.
        choose: another way to pick experts, from logits [T, E]; replaces `top_k`.
    """

    @keep_old_arguments("beyond.moe.layer.MoELayer")
    def __init__(
        self,
        dim: int,
        hidden: int,
        experts: int,
        k: int,
        renormalize: bool = True,
        choose: Choice | None = None,
    ) -> None:
        super().__init__()
        if not 1 <= k <= experts:
            raise ValueError(f"A token uses 1 to {experts} experts, not {k}.")
        self.choose = choose or partial(top_k, k=k, renormalize=renormalize)
        self.router = nn.Linear(dim, experts, bias=False)
        self.gate_up = nn.Parameter(torch.randn(experts, 2 * hidden, dim) * dim**-0.5)
        self.down = nn.Parameter(torch.randn(experts, dim, hidden) * hidden**-0.5)

    def forward(self, x: Tensor) -> tuple[Tensor, Routing]:
        """Return the layer's output, in the shape of `x` [..., D], and the routing.

        Under `torch.autocast` the experts compute in its dtype, and so the output is in it.
        """
        tokens = x.reshape(-1, x.shape[-1])
        dtype = self._experts_dtype(tokens)
        routing = self.route(tokens)
        k = routing.experts.shape[1]

        assigned = routing.experts.flatten()  # row t·k + i: the i-th choice of token t
        order = assigned.argsort(stable=True)  # the same rows, sorted by expert
        counts = assigned.bincount(minlength=len(self.gate_up)).tolist()

        rows = tokens.to(dtype).index_select(0, order // k)  # dispatch: each token k times
        gate_up, down = self.gate_up.to(dtype), self.down.to(dtype)
        outputs = _Experts.apply(rows, gate_up, down, counts, torch.is_grad_enabled())
        place = torch.empty_like(order)
        place[order] = torch.arange(len(order), device=order.device)  # where row t·k + i went
        # combine: gather a token's k rows, weight them and sum them, in one call
        combined = F.embedding_bag(
            place.view(-1, k), outputs, per_sample_weights=routing.weights.to(dtype), mode="sum"
        )
        return combined.view(x.shape), routing

    def route(self, tokens: Tensor) -> Routing:
        """Score and choose experts for tokens [T, D].

        In float32 at least, under `torch.autocast` too: near ties, rounding would choose
        (Switch Transformer, section 2.4).
        """
        exact = torch.promote_types(tokens.dtype, torch.float32)
        with _without_autocast(tokens.device):
            logits = F.linear(tokens.to(exact), self.router.weight.to(exact))
            return Routing(logits, *self.choose(logits))

    def _experts_dtype(self, tokens: Tensor) -> torch.dtype:
        """Return the dtype that the experts compute in, which is the one `nn.Linear` would take.

        Raises:
            TypeError: the tokens' dtype isn't the weights', and no autocast makes them one.
        """
        own, kind = self.down.dtype, tokens.device.type
        autocast = torch.amp.is_autocast_available(kind) and torch.is_autocast_enabled(kind)
        if autocast and torch.float64 not in (tokens.dtype, own):  # which autocast leaves alone
            return torch.get_autocast_dtype(kind)
        if tokens.dtype != own:
            raise TypeError(
                f"The tokens are {tokens.dtype} and the layer's weights {own}; "
                "convert one of them with .to()."
            )
        return own


def _without_autocast(device: torch.device) -> AbstractContextManager[object]:
    """Return a context in which autocast leaves operations on this device as they are written."""
    if not torch.amp.is_autocast_available(device.type):
        return nullcontext()
    return torch.autocast(device.type, enabled=False)


class _Experts(torch.autograd.Function):
    """SwiGLU experts on rows that are sorted by expert: the first counts[0] rows are expert 0's.

    The backward pass is written out, because autograd would make a gradient for each expert and
    then copy them all into one; here each expert writes into its own part of the one gradient.
    """

    @staticmethod
    def forward(
        ctx, rows: Tensor, gate_up: Tensor, down: Tensor, counts: list[int], training: bool
    ) -> Tensor:
        used = [e for e, n in enumerate(counts) if n]
        sizes = [counts[e] for e in used]
        outputs, hidden = torch.empty_like(rows), []
        for e, x, y in zip(used, rows.split(sizes), outputs.split(sizes), strict=True):
            h = x @ gate_up[e].T
            gate, up = h.chunk(2, dim=-1)
            torch.mm(F.silu(gate).mul_(up), down[e].T, out=y)
            if training:
                hidden.append(h)
        ctx.save_for_backward(rows, gate_up, down, *hidden)
        ctx.used, ctx.sizes = used, sizes
        return outputs

    @staticmethod
    def backward(ctx, d_outputs: Tensor):
        rows, gate_up, down, *hidden = ctx.saved_tensors
        # if every expert was chosen, each gradient is written below; otherwise start from zeros
        fresh = torch.empty_like if len(ctx.used) == len(down) else torch.zeros_like
        d_rows, d_gate_up, d_down = torch.empty_like(rows), fresh(gate_up), fresh(down)
        parts = (tensor.split(ctx.sizes) for tensor in (rows, d_rows, d_outputs))
        # gradients are computed in the forward pass's dtype, wherever backward() is called
        with _without_autocast(rows.device):
            for e, h, x, d_x, d_y in zip(ctx.used, hidden, *parts, strict=True):
                gate, up = h.chunk(2, dim=-1)
                active, d_gated, d_h = F.silu(gate), d_y @ down[e], torch.empty_like(h)
                d_gate, d_up = d_h.chunk(2, dim=-1)
                torch.mul(d_gated, active, out=d_up)
                torch.ops.aten.silu_backward.grad_input(d_gated * up, gate, grad_input=d_gate)
                torch.mm(d_y.T, active.mul_(up), out=d_down[e])
                torch.mm(d_h.T, x, out=d_gate_up[e])
                torch.mm(d_h, gate_up[e], out=d_x)
        return d_rows, d_gate_up, d_down, None, None


def balance_loss(logits: Tensor, experts: Tensor) -> Tensor:
    """Compute one layer's load-balancing loss: 1 for a uniform load, at most E / k.

    E · Σ f·P with f the fraction of all T·k assignments that an expert got, and P its mean
    probability under the softmax over *all* experts; f is a count, so only P has a gradient.
    An uneven load can have a value below 1, so the value alone doesn't prove balance.
    Switch Transformer (arXiv 2101.03961), equations 4 to 6, with f over all k choices.

    Args:
        logits: [T, E] of one layer; layers pooled together hide what each does.
        experts: [T, k], the chosen ones.
    """
    probability = logits.softmax(-1).mean(0)
    # not a matrix product, which autocast would round
    return logits.shape[-1] * (load(experts, logits.shape[-1]) * probability).sum()


def load(experts: Tensor, n: int) -> Tensor:
    """Return the fraction of all assignments that each of n experts got, [n], summing to 1."""
    return experts.flatten().bincount(minlength=n) / max(experts.numel(), 1)


def z_loss(logits: Tensor) -> Tensor:
    """Compute the mean square of log Σ exp(logits): it keeps logits small, where rounding is finer.

    ST-MoE (arXiv 2202.08906), equation 5.
    """
    return logits.logsumexp(-1).square().mean()


def noisy(logits: Tensor, spread: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """Add noise of a learned size, softplus(spread), to the logits, so that runners-up are chosen.

    Shazeer and others 2017 (arXiv 1701.06538), equation 4; for training only.
    """
    noise = torch.randn(logits.shape, generator=generator, dtype=logits.dtype, device=logits.device)
    return logits + noise * F.softplus(spread)


def capacity(tokens: int, experts: int, k: int, factor: float) -> int:
    """Return how many assignments an expert accepts: `factor` times the mean load, rounded up.

    Switch Transformer, equation 3, with k assignments for each token.
    """
    return math.ceil(factor * tokens * k / experts)


def within_capacity(experts: Tensor, n: int, room: int) -> Tensor:
    """Mark the assignments [T, k] that are served when each of n experts accepts `room`.

    First choices go before second choices, and earlier tokens before later ones (GShard,
    arXiv 2006.16668, algorithm 1).
    """
    asked = F.one_hot(experts.T.flatten(), n)  # [k·T, n], all first choices on top
    place = (asked.cumsum(0) * asked).sum(-1)  # 1 for the first in an expert's queue
    return (place <= room).view(experts.T.shape).T
