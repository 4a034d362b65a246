"""Use models in an Ollama that runs on this machine; nothing is downloaded.

Ollama is a separate program that stores models as GGUF files and runs them with llama.cpp behind
an HTTP interface. This module uses its official client, the package `ollama`, and only
connects to this machine, so that no text leaves it.
https://github.com/ollama/ollama/blob/main/docs/api.md
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import ollama

from beyond.lm.models import NoModel
from beyond.lm.this_machine import is_this_machine
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

    An address is read as Ollama's own client reads it, defaults included:
    https://github.com/ollama/ollama/blob/main/envconfig/config.go

    Args:
        host: if not given, the environment variable OLLAMA_HOST, else the usual one.

    Raises:
        NoOllama: if it isn't.
    """
    given = (host or os.environ.get("OLLAMA_HOST") or HOST).strip().strip("\"'").strip()
    scheme, separator, rest = given.partition("://")
    if not separator:
        scheme, rest = "http", given
    scheme = scheme.lower()
    usual = _PORTS.get(scheme, _PORT) if separator else _PORT
    authority, _slash, path = rest.partition("/")
    name, port = _host_and_port(authority, usual)
    if scheme not in _PORTS or not is_this_machine(name):
        raise NoOllama(
            _("{host} isn't this machine, so the text would leave it; use an Ollama here.").format(
                host=given
            )
        )
    # 0.0.0.0 and :: are addresses to listen on, not to connect to.
    name = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(name, name)
    name = f"[{name}]" if ":" in name else name
    path = path.strip("/")
    return f"{scheme}://{name}:{port}" + (f"/{path}" if path else "")


_PORT = 11434
_PORTS = {"http": 80, "https": 443}
"""Where no port is named, if the scheme is."""


def _host_and_port(authority: str, usual: int) -> tuple[str, int]:
    """Split "host:port", either of which may be missing; a port that is none is the usual one."""
    bracketed = re.fullmatch(r"\[([^\[\]]*)\]:([^:]*)", authority)
    plain = re.fullmatch(r"([^:\[\]]*):([^:]*)", authority)
    if found := bracketed or plain:
        name, port = found.groups()
        number = int(port) if re.fullmatch(r"[0-9]{1,5}", port) else usual
        return name or "127.0.0.1", number if number <= 65535 else usual
    return authority.strip("[]") or "127.0.0.1", usual


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
    with _one_sentence(host):
        client = _client(host, _WRITES_IN)
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
    with _one_sentence(host):
        client = _client(host, _WRITES_IN)
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
    # No proxy, no redirect: requests to this machine must not pass through another one.
    address = local_address(host)
    return ollama.Client(address, timeout=seconds, trust_env=False, follow_redirects=False)


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
    except (ConnectionError, httpx.HTTPError, httpx.InvalidURL, ValueError) as problem:
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
