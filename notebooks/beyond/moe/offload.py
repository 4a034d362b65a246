"""Keep a mixture's experts in a file, and load them on demand into a small cache.

This is what lets a mixture run on a machine whose fast memory holds only part of it: attention
and router stay in memory, an expert is read when a token needs it, and the least recently used
one makes room. `replay` measures it on a `ByteLM`.
"""

from __future__ import annotations

import os
import time
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from beyond.moe.byte_lm import ByteLM

Expert = tuple[Tensor, Tensor]
"""The weights of one expert: gate and up [2H, D], and down [D, H]."""


class ExpertFile:
    """A file with all experts of a model, one after the other, in float32.

    Args:
        path: the file to write; whoever made the folder removes it.
        model: a mixture.
    """

    def __init__(self, path: Path, model: ByteLM) -> None:
        shape = model.shape
        self._experts = shape.experts
        self._shapes = (2 * shape.hidden, shape.dim), (shape.dim, shape.hidden)
        self.expert_bytes = 4 * 3 * shape.dim * shape.hidden
        """Bytes of one expert."""
        feeds: list[Any] = [block.feed for block in model.blocks]
        with path.open("wb") as file:
            for feed in feeds:
                for gate_up, down in zip(feed.gate_up, feed.down, strict=True):
                    for part in (gate_up, down):
                        file.write(part.detach().contiguous().numpy().tobytes())
        self._file = path.open("rb", buffering=0)

    def __enter__(self) -> ExpertFile:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._file.close()

    def read(self, layer: int, expert: int) -> Expert:
        """Read one expert's weights from the file."""
        raw = bytearray(self.expert_bytes)
        self._file.seek((layer * self._experts + expert) * self.expert_bytes)
        view = memoryview(raw)
        while view:
            count = self._file.readinto(view)
            if not count:
                raise OSError(f"The file of experts ends before expert {expert} of layer {layer}.")
            view = view[count:]
        weights = torch.frombuffer(raw, dtype=torch.float32)
        first = self._shapes[0][0] * self._shapes[0][1]
        return weights[:first].view(self._shapes[0]), weights[first:].view(self._shapes[1])

    def forget(self) -> None:
        """Ask the operating system to drop its own copy of the file, where it can be asked."""
        if hasattr(os, "posix_fadvise"):
            os.fsync(self._file.fileno())
            os.posix_fadvise(self._file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


class ExpertCache:
    """The most recently used experts of one layer, at most `room` of them.

    Args:
        file: where the others are.
        layer: which layer's experts, counted from 0.
        room: how many fit.
    """

    def __init__(self, file: ExpertFile, layer: int, room: int) -> None:
        if room < 1:
            raise ValueError("The cache needs room for at least one expert.")
        self._file, self._layer, self._room = file, layer, room
        self._kept: OrderedDict[int, Expert] = OrderedDict()
        self.hits = self.misses = 0

    def get(self, expert: int) -> Expert:
        """Return an expert's weights, from memory if they are there, else from the file."""
        if expert in self._kept:
            self.hits += 1
            self._kept.move_to_end(expert)
            return self._kept[expert]
        self.misses += 1
        if len(self._kept) == self._room:
            self._kept.popitem(last=False)
        self._kept[expert] = self._file.read(self._layer, expert)
        return self._kept[expert]


@dataclass(frozen=True)
class Replay:
    """What decoding a text cost the feed-forward layers.

    Attributes:
        tokens: how many tokens, each of which passed all layers.
        hits: how many of the experts they chose were in the cache.
        misses: how many had to be read.
        read_bytes: bytes read from the file.
        seconds: time of experts and reading; attention isn't part of it.
    """

    tokens: int
    hits: int
    misses: int
    read_bytes: int
    seconds: float

    @property
    def hit_rate(self) -> float:
        """The fraction of the requested experts that were in the cache, 0 to 1."""
        return self.hits / (self.hits + self.misses)


@dataclass(frozen=True)
class Trace:
    """What reached the feed-forward layers while a model read a text.

    Attributes:
        inputs: [layer], each [T, D].
        weights: [layer], each [T, k].
        experts: [layer], each [T, k].
    """

    inputs: list[Tensor]
    weights: list[Tensor]
    experts: list[Tensor]


@torch.no_grad()
def record_trace(model: ByteLM, letters: Tensor) -> Trace:
    """Run a mixture over windows of bytes [n, context]; return what its experts were asked.

    The model is causal, so each token's input is the one that it would have while decoding.
    """
    trace = Trace([], [], [])

    def remember(_feed: object, args: tuple[Tensor], result: tuple[Tensor, Any]) -> None:
        trace.inputs.append(args[0].reshape(-1, args[0].shape[-1]))
        trace.weights.append(result[1].weights)
        trace.experts.append(result[1].experts)

    hooks = [block.feed.register_forward_hook(remember) for block in model.blocks]  # type: ignore[union-attr]  # a list of Block
    try:
        model(letters)
    finally:
        for hook in hooks:
            hook.remove()
    return trace


@torch.no_grad()
def replay(trace: Trace, file: ExpertFile, room: int) -> tuple[Replay, list[Tensor]]:
    """Pass a trace's tokens through the experts one at a time, as decoding does.

    Args:
        trace: of the model that `file` was written from.
        file: the experts.
        room: how many experts of each layer the cache holds.

    Returns:
        What it cost, and each layer's outputs [T, D].
    """
    caches = [ExpertCache(file, layer, room) for layer in range(len(trace.inputs))]
    outputs = [torch.zeros_like(x) for x in trace.inputs]
    chosen = [experts.tolist() for experts in trace.experts]
    tokens = len(trace.inputs[0])
    file.forget()
    began = time.perf_counter()
    for t in range(tokens):
        for layer, cache in enumerate(caches):
            x, y = trace.inputs[layer][t], outputs[layer][t]
            for weight, expert in zip(trace.weights[layer][t], chosen[layer][t], strict=True):
                gate_up, down = cache.get(expert)
                gate, up = F.linear(x, gate_up).chunk(2)
                y += weight * F.linear(F.silu(gate) * up, down)
    seconds = time.perf_counter() - began
    misses = sum(cache.misses for cache in caches)
    hits = sum(cache.hits for cache in caches)
    return Replay(tokens, hits, misses, misses * file.expert_bytes, seconds), outputs
