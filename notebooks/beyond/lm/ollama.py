"""Use models in an Ollama that runs on this machine; nothing is downloaded.

Ollama is a separate program that stores models as GGUF files and runs them with llama.cpp behind
an HTTP interface. This module uses its official client, the package `ollama`, and only
connects to this machine, so that no text leaves it.
https://github.com/ollama/ollama/blob/main/docs/api.md
"""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import ollama

from beyond.lm.models import NoModel
from beyond.locale import _
from beyond.old_names import keep_old_arguments, keep_old_attributes

HOST = "http://127.0.0.1:11434"
CLOUD = ("-cloud", ":cloud")
"""The suffix of names of models that run on Ollama's servers."""

_ANSWERS_IN = 2.0  # seconds to find out whether it runs here
_WRITES_IN = 300.0  # seconds for a token; the first one waits until the model is loaded

Message = dict[str, str]
"""A message of a conversation: "role" and "content"."""


class NoOllama(NoModel):
    """Ollama doesn't run here or lacks the model; the message says what to do."""


@dataclass(frozen=True)
class Installed:
    """A model in this machine's Ollama."""

    name: str
    digest: str
    size: int
    """Bytes."""


@keep_old_attributes("beyond.lm.ollama.GenerationStats")
@dataclass(frozen=True)
class GenerationStats:
    """Ollama's statistics of a finished answer."""

    prompt_tokens: int
    new_tokens: int
    first_token_seconds: float
    """Seconds to prefill the prompt, including loading the model if necessary."""
    decode_tokens_per_second: float


def local_address(host: str | None = None) -> str:
    """Return Ollama's address, which must be on this machine.

    Args:
        host: if not given, the environment variable OLLAMA_HOST, else the usual one.

    Raises:
        NoOllama: if it isn't.
    """
    given = host or os.environ.get("OLLAMA_HOST") or HOST
    parts = urlsplit(given if "://" in given else f"http://{given}")
    name = parts.hostname or ""
    try:
        address = ipaddress.ip_address(name)
        here = address.is_loopback or address.is_unspecified
    except ValueError:
        here = name == "localhost"
    if not here or parts.scheme != "http":
        raise NoOllama(
            _("{host} isn't this machine, so the text would leave it; use an Ollama here.").format(
                host=given
            )
        )
    # 0.0.0.0 is an address to listen on, not one to connect to.
    name = "127.0.0.1" if name in ("0.0.0.0", "::") else name
    name = f"[{name}]" if ":" in name else name
    return f"http://{name}:{parts.port or 11434}"


def installed(host: str | None = None) -> tuple[Installed, ...]:
    """List the models that generate text here; those on Ollama's servers are left out.

    Raises:
        NoOllama: if none answers.
    """
    with _one_sentence(host):
        found = _client(host, _ANSWERS_IN).list().models
    return tuple(
        Installed(one.model, one.digest or "", int(one.size or 0))
        for one in found
        if one.model and not one.model.endswith(CLOUD) and _writes(one)
    )


def models(host: str | None = None) -> tuple[str, ...] | None:
    """List the names of the models that a running Ollama has; None if none runs."""
    try:
        return tuple(one.name for one in installed(host))
    except NoOllama:
        return None


def create(name: str, file: Path, host: str | None = None) -> None:
    """Give Ollama a GGUF file under a name.

    Raises:
        NoOllama: if it doesn't run or doesn't take the file.
    """
    client = _client(host, _WRITES_IN)
    with _one_sentence(host):
        client.create(name, files={file.name: client.create_blob(file)})


@keep_old_arguments("beyond.lm.ollama.stream")
def stream(
    asked: str | Sequence[Message],
    model: str,
    tokens: int = 64,
    host: str | None = None,
    on_end: Callable[[GenerationStats], None] | None = None,
) -> Iterator[str]:
    """Generate an answer piece by piece, greedily.

    Args:
        asked: what the user says, or a conversation; Ollama puts it into the model's template.
        model: a name that `models` lists.
        tokens: the most tokens to generate.
        host: Ollama's address on this machine.
        on_end: called with Ollama's own figures when the answer has ended.

    Raises:
        NoOllama: if it doesn't run, or doesn't have the model.
    """
    messages = [{"role": "user", "content": asked}] if isinstance(asked, str) else list(asked)
    options = {"temperature": 0, "seed": 0, "num_predict": tokens}
    client = _client(host, _WRITES_IN)
    with _one_sentence(host):
        for part in client.chat(model, messages, stream=True, options=options):
            if part.message.content:
                yield part.message.content
            if part.done and on_end:
                on_end(_stats(part))


def _writes(model: ollama.ListResponse.Model) -> bool:
    """Return whether a model generates text; one for embeddings would refuse a prompt."""
    family = (model.details and model.details.family) or ""
    return "bert" not in family and "embed" not in (model.model or "")


def _client(host: str | None, seconds: float) -> ollama.Client:
    # No proxy: requests to this machine must not pass through another one.
    return ollama.Client(local_address(host), timeout=seconds, trust_env=False)


@contextmanager
def _one_sentence(host: str | None) -> Iterator[None]:
    """Turn any error of Ollama into a `NoOllama` of one sentence."""
    try:
        yield
    except ollama.ResponseError as problem:
        raise NoOllama(
            _("Ollama refused ({problem}); `ollama list` shows its models.").format(
                problem=(problem.error.strip().splitlines() or ["?"])[0][:200]
            )
        ) from problem
    except (ConnectionError, httpx.HTTPError, ValueError) as problem:
        raise NoOllama(
            _("No Ollama answers at {host}; start it with: ollama serve").format(
                host=local_address(host)
            )
        ) from problem


def _stats(part: ollama.ChatResponse) -> GenerationStats:
    second = 1e9  # Ollama reports nanoseconds
    written, writing = part.eval_count or 0, (part.eval_duration or 0) / second
    return GenerationStats(
        prompt_tokens=part.prompt_eval_count or 0,
        new_tokens=written,
        first_token_seconds=((part.load_duration or 0) + (part.prompt_eval_duration or 0)) / second,
        decode_tokens_per_second=written / writing if writing else 0.0,
    )
