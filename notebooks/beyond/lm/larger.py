"""Use a larger model where this machine has one: through a local Ollama, or on a GPU.

Nothing is downloaded. `find_larger_models` lists the available ones; `ask` prompts one that
Ollama already has; a model in a folder (or, if you ask for it, from a hub) is loaded with
`beyond.lm.models.load` and moved to the GPU with `on_device`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from beyond.lm import ollama
from beyond.locale import _

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class LargerModels:
    """The larger models and the GPU of this machine."""

    ollama: tuple[str, ...]
    """Names of the models in a running Ollama that generate text; empty if none runs."""
    gpu: str
    """The GPU's name, empty if PyTorch finds none."""

    def __str__(self) -> str:
        if self.ollama:
            first = _("Ollama is running here with: {models}.").format(
                models=", ".join(self.ollama)
            )
        else:
            first = _(
                "No Ollama with a model is running here. If you have it, run `ollama pull "
                "llama3.2:3b` in a terminal and run this cell again."
            )
        if self.gpu:
            second = _("PyTorch sees a graphics card: {name}.").format(name=self.gpu)
        else:
            second = _("PyTorch sees no graphics card, so models run on the processor.")
        return f"{first}\n{second}"


def find_larger_models() -> LargerModels:
    """Look for larger models and a GPU, in two seconds at most, on this machine only."""
    return LargerModels(ollama.models() or (), _gpu_name())


def ask(prompt: str, model: str, new_tokens: int = 64) -> str:
    """Ask a model of Ollama's, and return its greedy answer.

    Raises:
        NoOllama: if Ollama doesn't run here, or doesn't have the model.
    """
    return "".join(ollama.stream(prompt, model, new_tokens)).strip()


def on_device(model: torch.nn.Module) -> Callable[[torch.Tensor], torch.Tensor]:
    """Move the model to the GPU if there is one, and return a function from ids to logits.

    Ids and logits stay on the CPU, so `beyond.lm.perplexity` takes it like any other model.
    """
    device = _device()
    model = model.to(device)
    return lambda ids: model(ids.to(device)).logits.float().cpu()


def _device() -> str:
    import torch

    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def _gpu_name() -> str:
    import torch

    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    return "Apple GPU" if torch.backends.mps.is_available() else ""
