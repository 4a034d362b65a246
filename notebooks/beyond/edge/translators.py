"""Generate text with local models through one interface; no text leaves this machine.

A model's name is one of these:

- `SMOLLM2`, the course's own, run in ONNX Runtime (`beyond.edge.export.FAST`);
- a folder that `beyond.edge.export` wrote, with a tokenizer's files next to `model.onnx`;
- a folder in transformers' format, run by PyTorch;
- "ollama:NAME", a model in a running Ollama; or a GGUF file, which is first imported into Ollama.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from beyond.lm import models, ollama
from beyond.lm.hardware import free_memory
from beyond.lm.models import NoModel
from beyond.lm.ollama import Message
from beyond.locale import _

OLLAMA = "ollama:"

_ROOM = 2048  # tokens of prompt and answer in ONNX Runtime


class Translator(Protocol):
    """A model that generates text.

    Attributes:
        name: as the user gave it.
        identity: differs for different weights; measurements are stored under it.
    """

    name: str
    identity: str

    def stream(self, messages: Sequence[Message], tokens: int) -> Iterator[str]:
        """Generate the answer greedily, piece by piece, at most `tokens` tokens."""


@dataclass(frozen=True)
class Found:
    """A model on this machine.

    Attributes:
        name: as `open_translator` takes it.
        size: bytes of its weights.
        fits: whether that much memory is free now.
    """

    name: str
    size: int
    fits: bool


def open_translator(name: str | Path = models.SMOLLM2, host: str | None = None) -> Translator:
    """Open the model of that name, ready to generate.

    Args:
        name: of the model, as the module's docstring lists them.
        host: Ollama's address on this machine; else OLLAMA_HOST, else the usual one.

    Raises:
        NoModel: if it isn't on this machine, doesn't fit in memory, or would run elsewhere.
    """
    text = str(name)
    if text.startswith(OLLAMA):
        return OllamaModel(text.removeprefix(OLLAMA), host)
    if text in models.PINNED:
        return _course_model(text)
    place = Path(text).expanduser()
    if place.suffix.lower() == ".gguf" and place.is_file():
        return OllamaModel.of_file(place, host)
    if (place / "model.onnx").is_file():
        return OnnxFolder(place, place, text)
    if (place / "config.json").is_file():
        return TransformersFolder(place)
    raise NoModel(
        _(
            "There is no model {name}; name a folder with model.onnx or config.json, a .gguf file, "
            "ollama:NAME, or {known}."
        ).format(name=text, known=", ".join(models.PINNED))
    )


def found_here(host: str | None = None) -> list[Found]:
    """List the course's model and those that Ollama has, the largest first."""
    listed = []
    try:
        for one in ollama.installed(host):
            if one.size:
                listed.append(Found(OLLAMA + one.name, one.size, one.size < free_memory()))
    except ollama.NoOllama:
        pass
    try:
        size = models.gguf_file().stat().st_size
        listed.append(Found(models.SMOLLM2, size, size < free_memory()))
    except NoModel:
        pass
    return sorted(listed, key=lambda one: -one.size)


def _course_model(name: str) -> OnnxFolder:
    from beyond.edge import export

    return OnnxFolder(export.variant_folder(export.FAST, name), models.folder(name), name)


class OnnxFolder:
    """A model in ONNX Runtime.

    Args:
        place: the folder with model.onnx.
        texts: the folder with the tokenizer's files.
    """

    def __init__(self, place: Path, texts: Path, name: str) -> None:
        from beyond.edge.session import OnnxModel

        self.name = name
        self.identity = _identity(place)
        _check_memory(name, sum(path.stat().st_size for path in place.iterdir() if path.is_file()))
        self._words = _Words(texts)
        try:
            self._model = OnnxModel(place)
        except Exception as problem:  # ONNX Runtime's errors have no common base class
            raise NoModel(
                _(
                    "{name} isn't a language model that beyond.edge.export wrote ({problem})."
                ).format(name=name, problem=_first_line(problem))
            ) from problem

    def stream(self, messages: Sequence[Message], tokens: int) -> Iterator[str]:
        """Generate the answer greedily, piece by piece."""
        from beyond.edge.session import CachedModel

        ids = self._words.ids(messages)
        room = len(ids) + tokens
        if room > _ROOM:
            raise ValueError(_too_long(len(ids), tokens, _ROOM))
        model = CachedModel(self._model, room)
        return pieces(model.generate(ids, tokens, self._words.stop), self._words.decode)


class TransformersFolder:
    """A model in transformers' format, run by PyTorch."""

    def __init__(self, place: Path) -> None:
        self.name = str(place)
        self.identity = _identity(place)
        self._model, _tokenizer = models.load(place)
        self._words = _Words(place)

    def stream(self, messages: Sequence[Message], tokens: int) -> Iterator[str]:
        """Generate the answer greedily, piece by piece."""
        ids = self._words.ids(messages)
        longest = getattr(self._model.config, "max_position_embeddings", None)
        if longest is not None and len(ids) + tokens > longest:
            raise ValueError(_too_long(len(ids), tokens, longest))
        return pieces(self._write(ids, tokens), self._words.decode)

    def _write(self, ids: list[int], tokens: int) -> Iterator[int]:
        import torch

        past, new = None, torch.tensor([ids])
        for _written in range(tokens):
            with torch.inference_mode():
                out = self._model(input_ids=new, past_key_values=past, use_cache=True)
            past, token = out.past_key_values, int(out.logits[0, -1].argmax())
            if token in self._words.stop:
                return
            yield token
            new = torch.tensor([[token]])


class _Words:
    """The tokenizer of a folder: a conversation to token ids, and back."""

    def __init__(self, place: Path) -> None:
        from transformers import AutoTokenizer

        try:
            self._tokenizer = AutoTokenizer.from_pretrained(place, local_files_only=True)
        except (OSError, ValueError) as problem:
            raise NoModel(
                _("{name} has no tokenizer; put its files beside the model.").format(name=place)
            ) from problem
        self.stop = {self._tokenizer.eos_token_id} - {None}

    def ids(self, messages: Sequence[Message]) -> list[int]:
        """Tokenize the conversation by the model's chat template, ready for its answer."""
        if self._tokenizer.chat_template:
            text = self._tokenizer.apply_chat_template(
                list(messages), tokenize=False, add_generation_prompt=True
            )
        else:
            text = "\n\n".join(message["content"] for message in messages) + "\n\n"
        return self._tokenizer(text, add_special_tokens=False)["input_ids"]

    def decode(self, ids: list[int]) -> str:
        return str(self._tokenizer.decode(ids, skip_special_tokens=True))


class OllamaModel:
    """A model that a running Ollama has, on this machine.

    Raises:
        NoModel: if no Ollama answers, it has no such model, or the model runs elsewhere.
    """

    def __init__(self, name: str, host: str | None = None) -> None:
        self.name = OLLAMA + name
        self._model, self._host = name, host
        if name.endswith(ollama.CLOUD):
            raise NoModel(
                _("{name} runs on Ollama's servers, so the text would leave this machine.").format(
                    name=self.name
                )
            )
        digests = {one.name: one.digest for one in ollama.installed(host)}
        full = name if ":" in name else f"{name}:latest"
        if full not in digests:
            raise NoModel(
                _("Ollama has no {name}; it has: {names}. Get it with: ollama pull {name}").format(
                    name=name, names=", ".join(sorted(digests)) or _("nothing")
                )
            )
        self.identity = f"ollama-{digests[full][:16]}"

    @classmethod
    def of_file(cls, file: Path, host: str | None = None) -> OllamaModel:
        """Open a GGUF file with Ollama, importing it under its own name if necessary."""
        with file.open("rb") as stream:
            name = f"beyond-{hashlib.file_digest(stream, 'sha256').hexdigest()[:12]}"
        if f"{name}:latest" not in (one.name for one in ollama.installed(host)):
            ollama.create(name, file, host)
        return cls(name, host)

    def stream(self, messages: Sequence[Message], tokens: int) -> Iterator[str]:
        """Generate the answer greedily, piece by piece."""
        return ollama.stream(messages, self._model, tokens, self._host)


def pieces(tokens: Iterator[int], decode: Callable[[list[int]], str]) -> Iterator[str]:
    """Decode tokens to text, holding a character back until all of its bytes have arrived."""
    ids: list[int] = []
    shown = ""
    for token in tokens:
        ids.append(token)
        text = decode(ids)
        if text.endswith("\ufffd") or len(text) <= len(shown):
            continue
        yield text[len(shown) :]
        shown = text
    # An incomplete character at the end is dropped: the answer was truncated there.
    rest = decode(ids)[len(shown) :].rstrip("\ufffd") if ids else ""
    if rest:
        yield rest


def _check_memory(name: str, needed: int) -> None:
    free = free_memory()
    if needed > free:
        raise NoModel(
            _("{name} needs {needed:.1f} GB of memory and {free:.1f} GB are free.").format(
                name=name, needed=needed / 1e9, free=free / 1e9
            )
        )


def _identity(place: Path) -> str:
    """Hash the names, sizes and times of a folder's files, which differ for other weights."""
    seen = hashlib.sha256()
    for path in sorted(one for one in place.iterdir() if one.is_file()):
        facts = path.stat()
        seen.update(f"{path.name}\0{facts.st_size}\0{facts.st_mtime_ns}\0".encode())
    return f"folder-{seen.hexdigest()[:16]}"


def _too_long(prompt: int, tokens: int, longest: int) -> str:
    return _(
        "The text takes {prompt} tokens and {tokens} are kept for the answer, but the model reads "
        "{longest} at most; translate it in parts."
    ).format(prompt=prompt, tokens=tokens, longest=longest)


def _first_line(problem: BaseException) -> str:
    return (str(problem).strip().splitlines() or [type(problem).__name__])[0][:200]
