"""Merge a low-rank update with peft, to compare one's own merge with."""

from __future__ import annotations

import warnings

import torch
from torch import Tensor, nn


def peft_merge(W: Tensor, A: Tensor, B: Tensor, alpha: float) -> Tensor:
    """Return W with the update merged, as the library peft computes it.

    Args:
        W: outputs × inputs.
        A: r × inputs.
        B: outputs × r.
        alpha: the update is multiplied by alpha / r.
    """
    from peft import LoraConfig, get_peft_model

    model = nn.Sequential(nn.Linear(W.shape[1], W.shape[0], bias=False))
    config = LoraConfig(r=A.shape[0], lora_alpha=int(alpha), target_modules=["0"])
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # about names that will change in a later version
        model[0].get_parameter("weight").copy_(W)
        adapted = get_peft_model(model, config)
        for name, factor in (("lora_A", A), ("lora_B", B)):
            adapted.get_parameter(f"base_model.model.0.{name}.default.weight").copy_(factor)
        merged = adapted.merge_and_unload()
    return merged.get_parameter("0.weight").detach()
