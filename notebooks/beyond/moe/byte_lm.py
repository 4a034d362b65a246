"""Train a byte-level language model that is small enough for a lesson.

It needs no tokenizer: its vocabulary is the 256 bytes, so Korean, English and Python code are
treated alike. Its feed-forward layers are dense or mixtures of experts; everything else is the
same, which makes the comparison in lesson 7 fair.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from beyond.moe.layer import MoELayer, Routing, balance_loss, load, top_k

FOLDER = Path(__file__).parent / "bytes"
"""The texts; its README says where they come from and under which licenses."""

LANGUAGES = ("korean", "english", "python")

CURVES = Path(__file__).parent / "training_curves.json"
"""Curves of earlier training runs, written by `tools/make_training_curves.py`."""

WINDOWS = 33
"""Windows of text per training step: 11 for each language."""

BLOCK = 1024
"""Every tenth block of this many bytes is held out for validation."""


@dataclass(frozen=True)
class ByteLMShape:
    """The dimensions of a model.

    With one expert the feed-forward layer is dense, and `hidden` is its width.
    """

    hidden: int
    experts: int = 1
    k: int = 1
    dim: int = 128
    layers: int = 3
    heads: int = 4
    context: int = 128
    vocabulary: int = 256

    def parameters(self, active: bool = False) -> int:
        """Count the parameters; with `active`, those that one token uses."""
        attention = 4 * self.dim**2
        experts = (self.k if active else self.experts) * 3 * self.dim * self.hidden
        router = self.experts * self.dim if self.experts > 1 else 0
        norms = 2 * self.dim
        tables = (self.vocabulary + self.context) * self.dim + self.dim
        return self.layers * (attention + experts + router + norms) + tables

    def training_flops(self) -> float:
        """Return the floating-point operations of training on one byte: 3 × the forward pass."""
        matrices = self.layers * (
            4 * self.dim**2
            + self.k * 3 * self.dim * self.hidden
            + (self.experts * self.dim if self.experts > 1 else 0)
            + self.context
            * self.dim  # attention scores and weighted sum, over half of the context on average
        )
        return 3 * 2.0 * (matrices + self.vocabulary * self.dim)


SHAPES = {
    "dense, same active": ByteLMShape(hidden=256),
    "dense, same total": ByteLMShape(hidden=1024),
    "mixture": ByteLMShape(hidden=128, experts=8, k=2),
}
"""The three models that lesson 7 compares: 256 = 2 × 128 and 1,024 = 8 × 128."""


class Dense(nn.Module):
    """A SwiGLU feed-forward layer, the same as one expert of `MoELayer`."""

    def __init__(self, dim: int, hidden: int) -> None:
        super().__init__()
        self.gate_up = nn.Parameter(torch.randn(2 * hidden, dim) * dim**-0.5)
        self.down = nn.Parameter(torch.randn(dim, hidden) * hidden**-0.5)

    def forward(self, x: Tensor) -> tuple[Tensor, None]:
        """Return the output, and None because nothing is routed."""
        gate, up = F.linear(x, self.gate_up).chunk(2, dim=-1)
        return F.linear(F.silu(gate) * up, self.down), None


class Block(nn.Module):
    """Attention, then the feed-forward layer, each with a residual connection."""

    def __init__(self, shape: ByteLMShape) -> None:
        super().__init__()
        self.heads = shape.heads
        self.norm_attention, self.norm_feed = nn.RMSNorm(shape.dim), nn.RMSNorm(shape.dim)
        self.qkv = nn.Linear(shape.dim, 3 * shape.dim, bias=False)
        self.out = nn.Linear(shape.dim, shape.dim, bias=False)
        if shape.experts > 1:
            self.feed: nn.Module = MoELayer(shape.dim, shape.hidden, shape.experts, shape.k)
        else:
            self.feed = Dense(shape.dim, shape.hidden)

    def forward(self, x: Tensor) -> tuple[Tensor, Routing | None]:
        """Return the block's output, and the routing of a mixture."""
        batch, length, dim = x.shape
        split = self.qkv(self.norm_attention(x)).view(batch, length, 3, self.heads, -1)
        q, k, v = split.permute(2, 0, 3, 1, 4)
        seen = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.out(seen.transpose(1, 2).reshape(batch, length, dim))
        added, routing = self.feed(self.norm_feed(x))
        return x + added, routing


class ByteLM(nn.Module):
    """The model; `seed` sets its random weights."""

    def __init__(self, shape: ByteLMShape, seed: int = 0) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.shape = shape
        self.letters = nn.Embedding(shape.vocabulary, shape.dim)
        self.places = nn.Embedding(shape.context, shape.dim)
        self.blocks = nn.ModuleList(Block(shape) for _i in range(shape.layers))
        self.norm = nn.RMSNorm(shape.dim)
        nn.init.normal_(self.letters.weight, std=shape.dim**-0.5)
        nn.init.normal_(self.places.weight, std=shape.dim**-0.5)

    def forward(self, letters: Tensor) -> tuple[Tensor, list[Routing]]:
        """Return logits for the next byte [batch, length, 256], and the routing by layer."""
        x = self.letters(letters) + self.places.weight[: letters.shape[1]]
        routings = []
        for block in self.blocks:
            x, routing = block(x)
            if routing is not None:
                routings.append(routing)
        return F.linear(self.norm(x), self.letters.weight), routings


@cache
def texts() -> dict[str, tuple[Tensor, Tensor]]:
    """Return each language's training bytes and held-out bytes."""
    split = {}
    for language in LANGUAGES:
        raw = (FOLDER / f"{language}.txt").read_bytes()
        blocks = [raw[i : i + BLOCK] for i in range(0, len(raw), BLOCK)]
        held_out = b"".join(blocks[9::10])
        train = b"".join(block for i, block in enumerate(blocks) if i % 10 != 9)
        learned, kept = (
            torch.frombuffer(bytearray(part), dtype=torch.uint8).long()
            for part in (train, held_out)
        )
        split[language] = learned, kept
    return split


def windows(part: Tensor, context: int) -> tuple[Tensor, Tensor]:
    """Split held-out bytes into windows [n, context], each with the bytes that follow."""
    n = (len(part) - 1) // context
    return part[: n * context].view(n, context), part[1 : n * context + 1].view(n, context)


def batch(shape: ByteLMShape, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Sample windows at random places, the languages in turn, with the bytes that follow."""
    rows = []
    for i in range(WINDOWS):
        part = texts()[LANGUAGES[i % len(LANGUAGES)]][0]
        start = int(torch.randint(len(part) - shape.context, (), generator=generator))
        rows.append(part[start : start + shape.context + 1])
    both = torch.stack(rows)
    return both[:, :-1], both[:, 1:]


@dataclass
class Report:
    """The state of a training run: held-out losses in nats per byte, by language.

    Attributes:
        step: steps done.
        seconds: processor time of this process so far, summed over its threads.
        losses: held-out loss of each language.
        loads: the fraction of the assignments that each expert got, [layer][language][expert].
    """

    step: int
    seconds: float
    losses: dict[str, float]
    loads: list[list[list[float]]] = field(default_factory=list)

    @property
    def loss(self) -> float:
        """The mean over the languages."""
        return sum(self.losses.values()) / len(self.losses)


@torch.no_grad()
def evaluate(model: ByteLM, step: int = 0, seconds: float = 0.0) -> Report:
    """Measure the model on all held-out text."""
    losses, loads = {}, []
    for language in LANGUAGES:
        letters, following = windows(texts()[language][1], model.shape.context)
        scores, routings = model(letters)
        losses[language] = F.cross_entropy(scores.flatten(0, 1), following.flatten()).item()
        loads.append([load(r.experts, r.logits.shape[1]).tolist() for r in routings])
    by_layer = [list(layer) for layer in zip(*loads, strict=True)]
    return Report(step, seconds, losses, by_layer)


def train(
    shape: ByteLMShape,
    steps: int,
    seed: int = 0,
    balance: float = 0.01,
    rate: float = 3e-3,
    every: int = 25,
) -> Iterator[tuple[ByteLM, Report]]:
    """Train a new model; yield it with a report before the first step and every `every` steps.

    Args:
        shape: the model's.
        steps: the number of training steps.
        seed: for the weights and for the order of the texts, which is the same for all shapes.
        balance: weight of the load-balancing loss, the mean over layers; 0 for none.
        rate: AdamW's learning rate, after 50 steps of warm-up; it doesn't decay, so a short
            run equals the beginning of a long one.
        every: steps between two reports.
    """
    yield from train_model(ByteLM(shape, seed), steps, seed, balance, rate, every)


def train_model(
    model: ByteLM,
    steps: int,
    seed: int = 0,
    balance: float = 0.01,
    rate: float = 3e-3,
    every: int = 25,
) -> Iterator[tuple[ByteLM, Report]]:
    """Train a model that exists, in place; arguments and reports as in `train`."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=rate, betas=(0.9, 0.95), weight_decay=0.1)
    warming = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: min(1, (step + 1) / 50))
    generator = torch.Generator().manual_seed(seed)
    seconds = 0.0
    yield model, evaluate(model)
    for step in range(1, steps + 1):
        began = time.process_time()
        letters, following = batch(model.shape, generator)
        scores, routings = model(letters)
        loss = F.cross_entropy(scores.flatten(0, 1), following.flatten())
        if routings and balance:
            loss = loss + balance * sum(balance_loss(r.logits, r.experts) for r in routings) / len(
                routings
            )
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        warming.step()
        seconds += time.process_time() - began
        if step % every == 0 or step == steps:
            yield model, evaluate(model, step, seconds)


@dataclass(frozen=True)
class Curve:
    """The curve of an earlier training run.

    Attributes:
        name: which of `SHAPES`; "mixture, no balance" was trained without the balance loss.
        seed: its seed.
        shape: the model's.
        reports: in order of their steps.
    """

    name: str
    seed: int
    shape: ByteLMShape
    reports: tuple[Report, ...]

    def flops(self) -> list[float]:
        """Return the floating-point operations spent on training up to each report."""
        each = WINDOWS * self.shape.context * self.shape.training_flops()
        return [report.step * each for report in self.reports]


def curves() -> list[Curve]:
    """Read the training curves in `CURVES`; nothing is trained."""
    runs = json.loads(CURVES.read_text("utf-8"))["runs"]
    return [
        Curve(
            run["name"],
            run["seed"],
            ByteLMShape(**run["shape"]),
            tuple(Report(**report) for report in run["reports"]),
        )
        for run in runs
    ]


def route(
    model: ByteLM, text: str, k: int | None = None, temperature: float = 1.0
) -> tuple[list[Routing], float]:
    """Route the bytes of `text` through a mixture; return the routing by layer, and the loss.

    Args:
        model: a mixture.
        text: at least two bytes; text beyond the model's context is truncated.
        k: experts for each byte; the model's own k if None.
        temperature: the router's logits are divided by it; above 1 the weights become more
            equal, below 1 the first choice gets more. The selected experts stay the same in
            the first layer; in later ones they may change, because the input does.

    Returns:
        The routings, and the loss in nats per byte.
    """
    raw = torch.frombuffer(bytearray(text.encode()), dtype=torch.uint8).long()
    raw = raw[: model.shape.context]
    if len(raw) < 2:
        raise ValueError("A text needs at least two bytes: type some more.")
    layers: list[Any] = [block.feed for block in model.blocks]
    usual = [layer.choose for layer in layers]
    try:
        for layer in layers:
            layer.choose = lambda logits: top_k(logits / temperature, k or model.shape.k)
        with torch.no_grad():
            scores, routings = model(raw[None])
    finally:
        for layer, choose in zip(layers, usual, strict=True):
            layer.choose = choose
    return routings, F.cross_entropy(scores[0, :-1], raw[1:]).item()
