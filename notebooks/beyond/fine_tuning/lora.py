"""Add LoRA adapters to a model's linear layers, and save and load them in peft's format.

LoRA (Hu et al., 2021, https://arxiv.org/abs/2106.09685) freezes a weight matrix W and trains two
thin matrices next to it: y = x Wᵀ + (α/r) · x Aᵀ Bᵀ. Lesson 3 lets the student write that layer;
the functions here take any layer with the same interface: `kind(base, r, alpha)` with the
parameters `A` (r × inputs) and `B` (outputs × r) and the frozen layer as `base`.
"""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

if TYPE_CHECKING:
    from transformers import PreTrainedModel

ADAPTER = Path(__file__).parent / "adapter"
"""An adapter for SmolLM2, trained on the shop's messages by `tools/make_adapter.py`."""

MATRICES = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
"""The seven linear layers of a transformer layer of SmolLM2."""

LAYERS = tuple(range(15, 30))
"""The upper half of SmolLM2's 30 layers. Backpropagation stops below them, which saves time."""

_PREFIX = "base_model.model."
"""What peft puts before the name of each adapted layer in its files."""


class LoRALinear(nn.Module):
    """A frozen linear layer with a trainable low-rank update."""

    def __init__(self, base: nn.Linear, r: int = 8, alpha: float = 16) -> None:
        super().__init__()
        self.base, self.r, self.alpha = base.requires_grad_(False), r, alpha
        self.A = nn.Parameter(torch.empty(r, base.in_features))
        self.B = nn.Parameter(torch.zeros(base.out_features, r))
        nn.init.kaiming_uniform_(self.A, a=math.sqrt(5))  # as in the authors' code and in peft

    def forward(self, x: Tensor) -> Tensor:
        """Compute x Wᵀ + (α/r) · x Aᵀ Bᵀ, and the base layer's bias if it has one."""
        return self.base(x) + self.alpha / self.r * (x @ self.A.T @ self.B.T)


def is_lora(module: nn.Module) -> bool:
    """Return whether `module` has the interface of `LoRALinear`."""
    parts = (getattr(module, name, None) for name in ("base", "A", "B"))
    return all(isinstance(part, nn.Linear | nn.Parameter) for part in parts)


def works(kind: Callable[..., nn.Module]) -> bool:
    """Return whether `kind` builds a LoRA layer whose output is right on a small example."""
    base = nn.Linear(5, 3)
    x = torch.randn(2, 5)
    try:
        layer = kind(base, 2, 6)
        with torch.no_grad():
            layer.get_parameter("B").normal_()
        update = x @ layer.get_parameter("A").T @ layer.get_parameter("B").T
        right = torch.allclose(layer(x), base(x) + 3 * update, atol=1e-5)
    except Exception:  # a student's unfinished code may fail in any way
        return False
    trained = {name for name, p in layer.named_parameters() if p.requires_grad}
    return is_lora(layer) and right and trained == {"A", "B"}


def with_adapter(
    model: PreTrainedModel,
    kind: Callable[..., nn.Module] = LoRALinear,
    *,
    layers: Sequence[int] = LAYERS,
    matrices: Sequence[str] = MATRICES,
    r: int = 8,
    alpha: float = 16,
    seed: int = 0,
) -> PreTrainedModel:
    """Return the model with an untrained adapter; `model` itself stays as it is.

    Both share the same frozen weights, so the second one takes hardly any memory.

    Args:
        model: a Llama-like model of transformers.
        kind: builds an adapted layer from (base, r, alpha).
        layers: which transformer layers to adapt.
        matrices: which linear layers in them.
        r: the rank.
        alpha: the update is multiplied by alpha / r.
        seed: of A's random numbers.
    """
    torch.manual_seed(seed)
    shared: dict[int, Any] = {id(p): p for p in model.parameters()}
    adapted = copy.deepcopy(model, shared).requires_grad_(False)
    for number in layers:
        layer = adapted.get_submodule(f"model.layers.{number}")
        for parent in (layer.get_submodule("self_attn"), layer.get_submodule("mlp")):
            for name in matrices:
                if hasattr(parent, name):
                    setattr(parent, name, kind(getattr(parent, name), r, alpha))
    return adapted


def adapted_layers(model: nn.Module) -> Iterator[tuple[str, Any]]:
    """Yield the name of each LoRA layer in `model`, and the layer."""
    return ((name, part) for name, part in model.named_modules() if is_lora(part))


def save_adapter(model: nn.Module, folder: Path) -> None:
    """Write A and B of every LoRA layer to `folder` as peft stores them, in fp16."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors, numbers, names = {}, set(), set()
    for name, layer in adapted_layers(model):
        tensors[f"{_PREFIX}{name}.lora_A.weight"] = layer.A.detach().half().contiguous()
        tensors[f"{_PREFIX}{name}.lora_B.weight"] = layer.B.detach().half().contiguous()
        numbers.add(int(name.split(".")[2]))
        names.add(name.rpartition(".")[2])
        r, alpha = layer.r, layer.alpha
    weights = folder / "adapter_model.safetensors"
    save_file(tensors, weights, metadata={"format": "pt"})
    weights.chmod(0o644)  # safetensors makes files that only their owner may read
    config = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": "SmolLM2-135M-Instruct",
        "r": r,
        "lora_alpha": alpha,
        "lora_dropout": 0.0,
        "bias": "none",
        "inference_mode": True,
        "layers_to_transform": sorted(numbers),
        "target_modules": sorted(names),
    }
    text = json.dumps(config, indent=2) + "\n"
    (folder / "adapter_config.json").write_text(text, encoding="utf-8")


def load_adapter(
    model: PreTrainedModel, folder: Path = ADAPTER, kind: Callable[..., nn.Module] = LoRALinear
) -> PreTrainedModel:
    """Return the model with the adapter in `folder`, ready to evaluate; `model` stays as it is."""
    config = json.loads((folder / "adapter_config.json").read_text("utf-8"))
    adapted = with_adapter(
        model,
        kind,
        layers=config["layers_to_transform"],
        matrices=config["target_modules"],
        r=config["r"],
        alpha=config["lora_alpha"],
    )
    tensors = load_file(folder / "adapter_model.safetensors")
    with torch.no_grad():
        for name, layer in adapted_layers(adapted):
            layer.A.copy_(tensors[f"{_PREFIX}{name}.lora_A.weight"])
            layer.B.copy_(tensors[f"{_PREFIX}{name}.lora_B.weight"])
    return adapted.eval()
