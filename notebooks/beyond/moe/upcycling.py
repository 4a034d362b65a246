"""Turn a trained dense model into a mixture: every expert starts as a copy of its feed-forward.

Sparse upcycling (Komatsuzaki and others 2022, arXiv 2212.05055).
"""

from __future__ import annotations

from dataclasses import replace

import torch

from beyond.moe.byte_lm import ByteLM, Dense
from beyond.moe.layer import MoELayer


@torch.no_grad()
def upcycle(dense: ByteLM, experts: int, k: int, seed: int = 0) -> ByteLM:
    """Return a mixture whose experts are copies of a dense model's feed-forward layers.

    All other weights are the dense model's, only the routers are new. The k weights of a token
    sum to 1 and its experts are equal, so the mixture computes what the dense model computes.

    Args:
        dense: the trained model; it stays as it is.
        experts: how many copies each layer gets.
        k: experts per token.
        seed: for the routers.

    Raises:
        ValueError: if the model is a mixture already.
    """
    if dense.shape.experts > 1:
        raise ValueError("Only a dense model can be upcycled; this one has experts already.")
    mixture = ByteLM(replace(dense.shape, experts=experts, k=k), seed)
    shared = {name: value for name, value in dense.state_dict().items() if ".feed." not in name}
    mixture.load_state_dict(shared, strict=False)
    for ours, theirs in zip(mixture.blocks, dense.blocks, strict=True):
        feed, source = ours.feed, theirs.feed
        assert isinstance(feed, MoELayer)
        assert isinstance(source, Dense)
        feed.gate_up.copy_(source.gate_up.expand_as(feed.gate_up))
        feed.down.copy_(source.down.expand_as(feed.down))
    return mixture
