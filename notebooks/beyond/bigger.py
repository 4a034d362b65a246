"""A bigger model, where this machine has one: through a local Ollama, or on a graphics card.

Nothing is fetched. `look` says what is here; `ask` puts a prompt to a model that Ollama already
has; a model in a folder (or, if you ask for it, from a hub) is loaded with `beyond.models.load`
and put on the graphics card with `on_device`.
"""

from __future__ import annotations

import json
import os
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from beyond.locale import _

if TYPE_CHECKING:
    import torch

OLLAMA = "http://127.0.0.1:11434"
"""Where Ollama listens unless the environment variable OLLAMA_HOST says otherwise."""


@dataclass(frozen=True)
class Here:
    """What this machine has."""

    ollama: tuple[str, ...]
    """The models that a running Ollama has and that write text, by name; empty if none runs."""
    gpu: str
    """The graphics card's name, empty if PyTorch sees none."""

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


@dataclass(frozen=True)
class Reply:
    """What a model answered through Ollama, and how long it took."""

    text: str
    prompt_tokens: int
    new_tokens: int
    prompt_seconds: float
    """Reading the prompt: the latency of the first token, if the model was loaded already."""
    writing_seconds: float

    @property
    def tokens_per_second(self) -> float:
        """While writing."""
        return self.new_tokens / self.writing_seconds if self.writing_seconds else 0.0


class NoReply(RuntimeError):
    """Ollama didn't answer; the message says what to do."""

    def _render_traceback_(self) -> list[str]:
        return [str(self)]


def look() -> Here:
    """What is here; takes a second at most, and never goes beyond this machine's Ollama."""
    try:
        found = _call("/api/tags", None, timeout=1.0)
    except NoReply:
        found = {}
    writers = filter(_writes, found.get("models") or [])
    names = (str(model.get("name", "")) for model in writers)
    return Here(tuple(filter(None, names)), _gpu_name())


def ask(prompt: str, model: str, new_tokens: int = 64) -> Reply:
    """Let a model of Ollama's answer, greedily.

    Raises:
        NoReply: if Ollama doesn't run, or doesn't have the model.
    """
    told = _call(
        "/api/generate",
        {
            "model": model, "prompt": prompt, "stream": False,
            "options": {"temperature": 0, "seed": 0, "num_predict": new_tokens},
        },
        timeout=300.0,
    )  # fmt: skip
    nanoseconds = 1e-9
    return Reply(
        text=str(told.get("response", "")).strip(),
        prompt_tokens=int(told.get("prompt_eval_count", 0)),
        new_tokens=int(told.get("eval_count", 0)),
        prompt_seconds=told.get("prompt_eval_duration", 0) * nanoseconds,
        writing_seconds=told.get("eval_duration", 0) * nanoseconds,
    )


def on_device(model: torch.nn.Module) -> Callable[[torch.Tensor], torch.Tensor]:
    """The model on the graphics card if there is one, as a function from ids to logits.

    Ids and logits stay on the processor, so `beyond.quality` takes it like any other model.
    """
    device = _device()
    model = model.to(device)
    return lambda ids: model(ids.to(device)).logits.float().cpu()


def _writes(model: dict) -> bool:
    """Whether a model in Ollama's list writes text; one for embeddings would refuse a prompt."""
    family = str((model.get("details") or {}).get("family", ""))
    return "bert" not in family and "embed" not in str(model.get("name", ""))


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


def _address() -> str:
    host = os.environ.get("OLLAMA_HOST", "").strip().rstrip("/")
    if not host:
        return OLLAMA
    if "://" not in host:
        host = f"http://{host}"
    # a server told to listen everywhere (0.0.0.0) is asked on this machine
    return host.replace("//0.0.0.0", "//127.0.0.1")


def _call(path: str, body: dict | None, timeout: float) -> dict:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(
        _address() + path, data=data, headers={"Content-Type": "application/json"}
    )
    # no proxy: a local server is asked directly
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=timeout) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as problem:
        raise NoReply(
            _("Ollama refused ({problem}); does `ollama list` name the model?").format(
                problem=problem
            )
        ) from problem
    except (OSError, ValueError) as problem:
        raise NoReply(
            _("Ollama doesn't answer at {address}; start it with `ollama serve`.").format(
                address=_address()
            )
        ) from problem
