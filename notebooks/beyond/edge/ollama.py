"""The same prompt through Ollama, where it runs. Detected, never assumed, and nothing is fetched.

Ollama is a program of its own that keeps models as GGUF files and runs them with llama.cpp behind
an HTTP interface. This module talks to it through its own client, the package `ollama`.
https://github.com/ollama/ollama/blob/main/docs/api.md
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import httpx
import ollama

from beyond.locale import _

PATIENCE = 1.0  # seconds to find out whether it runs here


class NoOllama(RuntimeError):
    """Ollama doesn't run here or lacks the model; the message says what to do."""

    def _render_traceback_(self) -> list[str]:
        return [str(self)]


@dataclass(frozen=True)
class Told:
    """What Ollama says about an answer when it has ended."""

    prompt_tokens: int
    new_tokens: int
    first_token: float
    """Seconds to read the prompt, a model that had to be loaded included."""
    writing: float
    """Tokens a second."""


def models(host: str | None = None) -> tuple[str, ...] | None:
    """The models that a running Ollama has, by name; None if none runs.

    Args:
        host: its address; if not given, the environment variable OLLAMA_HOST or this machine.
    """
    try:
        found = ollama.Client(host, timeout=PATIENCE, trust_env=False).list()
    except (ConnectionError, ollama.ResponseError, httpx.HTTPError):
        return None
    return tuple(each.model for each in found.models if each.model)


def stream(
    prompt: str,
    model: str,
    tokens: int = 64,
    host: str | None = None,
    ended: Callable[[Told], None] | None = None,
) -> Iterator[str]:
    """An answer piece by piece, greedily.

    Args:
        prompt: what the user says; Ollama puts it into the model's own chat template.
        model: a name that `models` lists.
        tokens: the most that are written.
        ended: called with Ollama's own figures when the answer has ended.

    Raises:
        NoOllama: if it doesn't run, or doesn't have the model.
    """
    client = ollama.Client(host, timeout=300, trust_env=False)
    options = {"temperature": 0, "seed": 0, "num_predict": tokens}
    message = {"role": "user", "content": prompt}
    try:
        for part in client.chat(model, [message], stream=True, options=options):
            if part.message.content:
                yield part.message.content
            if part.done and ended:
                ended(_told(part))
    except (ConnectionError, httpx.HTTPError) as problem:
        raise NoOllama(
            _("Ollama isn't running here; start it with `ollama serve`, or leave this out.")
        ) from problem
    except ollama.ResponseError as problem:
        raise NoOllama(
            _("Ollama refused: {problem}. Its models are: {models}").format(
                problem=problem.error, models=", ".join(models(host) or ()) or "–"
            )
        ) from problem


def _told(part: ollama.ChatResponse) -> Told:
    second = 1e9  # Ollama counts nanoseconds
    written, writing = part.eval_count or 0, (part.eval_duration or 0) / second
    return Told(
        prompt_tokens=part.prompt_eval_count or 0,
        new_tokens=written,
        first_token=((part.load_duration or 0) + (part.prompt_eval_duration or 0)) / second,
        writing=written / writing if writing else 0.0,
    )
