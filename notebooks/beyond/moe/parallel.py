"""Simulate expert parallelism: experts spread over devices, tokens sent to them and back.

Nothing runs in parallel here. The functions count what a real run would send and compute, from
the router's choices alone, so that a lesson can show what balance and capacity are worth.
Shapes are written with T tokens, E experts, k experts per token and N devices.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from beyond.moe.layer import capacity, within_capacity


def sent_rows(experts: Tensor, n: int, devices: int, kept: Tensor | None = None) -> Tensor:
    """Count the rows that each device sends to each device during dispatch, [N, N].

    Tokens and experts are split evenly and in order: device 0 holds the first T / N tokens and
    the first E / N experts. Entry [i, j] counts the assignments of device i's tokens to device
    j's experts; the diagonal stays on its device. Combine sends the same rows back.

    Args:
        experts: [T, k], the chosen experts' numbers.
        n: how many experts there are; a multiple of `devices`.
        devices: N; the number of tokens is a multiple of it.
        kept: [T, k], False for assignments that capacity dropped; None for all kept.

    Raises:
        ValueError: if tokens or experts can't be split evenly.
    """
    tokens, k = experts.shape
    if tokens % devices or n % devices:
        raise ValueError(f"{tokens} tokens and {n} experts can't be split over {devices} devices.")
    source = (torch.arange(tokens) // (tokens // devices))[:, None].expand(tokens, k)
    target = experts // (n // devices)
    pair = source * devices + target
    pair = pair.flatten() if kept is None else pair[kept]
    return pair.bincount(minlength=devices**2).view(devices, devices)


@dataclass(frozen=True)
class ParallelStep:
    """What one expert-parallel layer does with a batch.

    Attributes:
        dropped: fraction of the assignments that capacity dropped, 0 to 1.
        sent_bytes: bytes that cross between devices, dispatch and combine together.
        rows: rows that each device's experts compute, padding included.
        padding: fraction of those rows that are empty buffer places, 0 to 1.
    """

    dropped: float
    sent_bytes: int
    rows: tuple[int, ...]
    padding: float

    @property
    def busiest(self) -> float:
        """The busiest device's rows over the mean, at least 1: how much longer the step takes."""
        return max(self.rows) * len(self.rows) / max(sum(self.rows), 1)


def parallel_step(
    experts: Tensor, n: int, devices: int, row_bytes: int, factor: float | None = None
) -> ParallelStep:
    """Count what a layer sends and computes when its experts are spread over devices.

    Args:
        experts: [T, k], the chosen experts' numbers.
        n: how many experts there are.
        devices: how many devices share them.
        row_bytes: bytes of one token's vector.
        factor: capacity factor; each expert then has a buffer of that size, which is sent and
            computed whole, as in GShard and the Switch Transformer. None drops and pads nothing.
    """
    tokens, k = experts.shape
    if factor is None:
        sent = sent_rows(experts, n, devices)
        crossing = int(sent.sum() - sent.diagonal().sum())
        return ParallelStep(0.0, 2 * crossing * row_bytes, tuple(sent.sum(0).tolist()), 0.0)
    # every device has its own buffer for every expert, so the queue is per device, too
    parts = experts.view(devices, tokens // devices, k)
    room = capacity(tokens // devices, n, k, factor)
    kept = torch.cat([within_capacity(part, n, room) for part in parts])
    places = devices * n * room  # each device's buffer for each expert
    per_device = places // devices
    crossing = places * (devices - 1) // devices
    used = int(kept.sum())
    return ParallelStep(
        1 - used / kept.numel(),
        2 * crossing * row_bytes,
        (per_device,) * devices,
        1 - used / places,
    )
