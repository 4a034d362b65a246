"""Compare two ways to bring image patches into a decoder: cross-attention, and as tokens.

Both designs start from random weights, with the same small vision model and the same captioned
pictures of one tile, so that a comparison takes seconds.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from matplotlib.figure import Figure
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode
from tqdm.auto import tqdm

from beyond.locale import _
from beyond.ui.figures import BLUE, ORANGE, Chart, use_style
from beyond.vision.scenes import COLORS, PATCH, SHAPES, TILE, Scene, draw, place

CROSS, TOKENS = "cross-attention", "patches as tokens"
"""The two designs."""

CURVES = Path(__file__).parent / "fusion_curves.json"
"""Earlier runs with other seeds, written by `tools/make_fusion_curves.py`."""

IMAGE, END = "<image>", "<end>"
IGNORED = -100
"""The label of a position that the loss leaves out."""

CELLS = ((0, 0), (0, 1), (1, 0), (1, 1))
PATCHES = (TILE // PATCH) ** 2
PATCH_NUMBERS = 3 * PATCH**2
"""Patches of a picture, and numbers in a patch."""


QUESTION = ("describe", "the", "picture", ":")
NOTHING = "none"


@cache
def vocabulary() -> tuple[str, ...]:
    """Return the words of question and captions, the special ones first."""
    return (IMAGE, END, *QUESTION, NOTHING, *COLORS)


@dataclass(frozen=True)
class Captions:
    """Pictures with their captions, as tensors.

    Attributes:
        patches: pictures x PATCHES x PATCH_NUMBERS, from -1 to 1.
        tokens: pictures x tokens; the image token comes first.
        labels: pictures x tokens; `IGNORED` except at the caption.
    """

    patches: Tensor
    tokens: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.patches)


def random_picture(rng: np.random.Generator) -> Scene:
    """Draw a random scene of one tile: up to four shapes, each in its own quarter."""
    things = [
        place(
            rng,
            (TILE, TILE),
            (2, 2),
            cell,
            str(rng.choice(SHAPES)),
            str(rng.choice(list(COLORS))),
        )
        for cell in CELLS
        if rng.random() < 0.7
    ]
    background = int(rng.integers(0, 45) if rng.random() < 0.5 else rng.integers(215, 256))
    return Scene(TILE, TILE, 2, 2, background, tuple(things))


def caption(scene: Scene) -> list[str]:
    """Return a word for each quarter, row by row: the color of its shape, or `NOTHING`."""
    there = {(thing.row, thing.column): thing.color for thing in scene.things}
    return [there.get(cell, NOTHING) for cell in CELLS]


def captions(pictures: int, seed: int = 0) -> Captions:
    """Draw random pictures and caption them.

    Args:
        pictures: how many.
        seed: of the scenes.
    """
    rng = np.random.default_rng(seed)
    number = {word: place for place, word in enumerate(vocabulary())}
    scenes = [random_picture(rng) for _picture in range(pictures)]
    tokens = torch.tensor(
        [[number[w] for w in (IMAGE, *QUESTION, *caption(scene), END)] for scene in scenes]
    )
    labels = tokens.clone()
    labels[:, : 1 + len(QUESTION)] = IGNORED
    pixels = torch.from_numpy(np.stack([np.asarray(draw(scene)) for scene in scenes]))
    side = TILE // PATCH
    cut = pixels.float().div(127.5).sub(1).reshape(pictures, side, PATCH, side, PATCH, 3)
    patches = cut.permute(0, 1, 3, 5, 2, 4).reshape(pictures, PATCHES, PATCH_NUMBERS)
    return Captions(patches, tokens, labels)


def design_name(design: str) -> str:
    """Return the name of a design in the reader's language."""
    return {CROSS: _("cross-attention"), TOKENS: _("patches as tokens")}[design]


def project(patches: Tensor, first: Tensor, second: Tensor) -> Tensor:
    """Bring the patches' vectors to the decoder's width: two matrices with a GELU in between."""
    return F.gelu(patches @ first.T) @ second.T


def join(text: Tensor, image: Tensor, place: int) -> Tensor:
    """Put the image's vectors where the image token is: batch x positions x width."""
    return torch.cat([text[:, :place], image, text[:, place + 1 :]], dim=1)


def join_labels(labels: Tensor, patches: int, place: int) -> Tensor:
    """Give the image's positions labels that the loss leaves out: batch x positions."""
    ignored = labels.new_full((len(labels), patches), IGNORED)
    return torch.cat([labels[:, :place], ignored, labels[:, place + 1 :]], dim=1)


def may_attend(before: int, patches: int, after: int) -> Tensor:
    """Return which position may attend to which: text to earlier ones, patches to each other."""
    length = before + patches + after
    allowed = torch.ones(length, length, dtype=torch.bool).tril()
    image = slice(before, before + patches)
    allowed[image, image] = True
    return allowed


@dataclass(frozen=True)
class Steps:
    """The functions that make patches into tokens: the library's, or the learner's."""

    project: Callable[[Tensor, Tensor, Tensor], Tensor] = project
    join: Callable[[Tensor, Tensor, int], Tensor] = join
    join_labels: Callable[[Tensor, int, int], Tensor] = join_labels
    may_attend: Callable[[int, int, int], Tensor] = may_attend


LONGEST = 2 + len(QUESTION) + len(CELLS)
"""Tokens of a text."""


def chosen_steps(*functions: Callable) -> tuple[Steps, list[str]]:
    """Return the learner's functions where they work, and the names of the library's elsewhere.

    Args:
        functions: named as the library's; one works if it returns what the library's returns,
            for several texts and positions, and in a type that training can use.
    """
    x = torch.arange(24.0).reshape(2, 3, 4)
    labels = torch.tensor([[1, 2, 3], [4, 5, 6]])
    calls: dict[str, list[tuple]] = {
        "project": [(x - 9, torch.linspace(-1, 1, 20).reshape(5, 4), torch.ones(3, 5))],
        "join": [(x, -x, 1), (x, -x, 0)],
        "join_labels": [(labels, 2, 1), (labels, 3, 0), (labels[:1], 2, 2)],
        "may_attend": [(1, 3, 2), (0, 4, 3)],
    }
    own, replaced = {}, []
    for function in functions:
        name = function.__name__
        library = getattr(Steps(), name)
        try:
            works = all(_agree(function(*call), library(*call)) for call in calls[name])
        except Exception:
            works = False
        if works:
            own[name] = function
        else:
            replaced.append(name)
    return replace(Steps(), **own), replaced


def _agree(found: object, wanted: Tensor) -> bool:
    """Return whether a learner's result can stand for the library's; a mask may also be a table."""
    if wanted.dtype == torch.bool:
        found = torch.as_tensor(found)
    elif not isinstance(found, Tensor) or found.dtype != wanted.dtype:
        return False
    return found.shape == wanted.shape and torch.allclose(found.to(wanted), wanted)


class _Attention(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.RMSNorm(width)
        self.q = nn.Linear(width, width, bias=False)
        self.kv = nn.Linear(width, 2 * width, bias=False)
        self.out = nn.Linear(width, width, bias=False)

    def forward(self, x: Tensor, y: Tensor | None = None, mask: Tensor | None = None) -> Tensor:
        x = self.norm(x)
        q, (k, v) = self.q(x), self.kv(x if y is None else y).chunk(2, dim=-1)
        q, k, v = (one.unflatten(-1, (self.heads, -1)).transpose(1, 2) for one in (q, k, v))
        mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        return self.out(mixed.transpose(1, 2).flatten(2))


def _mlp(width: int) -> nn.Sequential:
    return nn.Sequential(
        nn.RMSNorm(width), nn.Linear(width, 3 * width), nn.GELU(), nn.Linear(3 * width, width)
    )


class _SelfLayer(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.attention, self.mlp = _Attention(width, heads), _mlp(width)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        x = x + self.attention(x, mask=mask)
        return x + self.mlp(x)


class _CrossLayer(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.attention, self.mlp = _Attention(width, heads), _mlp(width)
        self.norm = nn.RMSNorm(width)  # as self-attention has one for patches in the sequence
        self.gates = nn.Parameter(torch.zeros(2))

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        x = x + self.gates[0].tanh() * self.attention(x, self.norm(y))
        return x + self.gates[1].tanh() * self.mlp(x)


class Reader(nn.Module):
    """A small vision model, and a small decoder that gets its output by one of the two designs.

    Args:
        design: `CROSS` or `TOKENS`.
        steps: how patches become tokens.
        width: of both models.
        layers: of self-attention in the decoder; with `CROSS`, a cross-attention layer comes
            before each of them.
        heads: of each attention.
        patches: how many patches an input has, and how many numbers a patch.
        text: how many words there are, and how many tokens a text has.
    """

    def __init__(
        self,
        design: str,
        steps: Steps | None = None,
        *,
        width: int = 64,
        layers: int = 2,
        heads: int = 4,
        patches: tuple[int, int] = (PATCHES, PATCH_NUMBERS),
        text: tuple[int, int] | None = None,
    ) -> None:
        super().__init__()
        known, longest = text or (len(vocabulary()), LONGEST)
        self.design, self.steps = design, steps or Steps()
        self.cut = nn.Linear(patches[1], width)
        self.places = nn.Parameter(torch.randn(patches[0], width) * 0.2)
        self.vision = _SelfLayer(width, heads)
        self.first = nn.Parameter(torch.randn(2 * width, width) * width**-0.5)
        self.second = nn.Parameter(torch.randn(width, 2 * width) * width**-0.5)
        self.embed = nn.Embedding(known, width)
        nn.init.normal_(self.embed.weight, std=0.2)
        self.positions = nn.Parameter(torch.randn(longest, width) * 0.2)
        self.layers = nn.ModuleList(_SelfLayer(width, heads) for _layer in range(layers))
        self.cross = nn.ModuleList(
            _CrossLayer(width, heads) for _layer in range(layers if design == CROSS else 0)
        )
        self.norm = nn.RMSNorm(width)

    def forward(self, tokens: Tensor, patches: Tensor) -> Tensor:
        """Return the scores of the next word at each position.

        Args:
            tokens: batch x tokens, with the image token first.
            patches: batch x PATCHES x PATCH_NUMBERS.
        """
        seen = self.vision(self.cut(patches) + self.places)
        image = self.steps.project(seen, self.first, self.second)
        x = self.embed(tokens) + self.positions[: tokens.shape[1]]
        if self.design == TOKENS:
            x = self.steps.join(x, image, 0)
            mask = torch.as_tensor(
                self.steps.may_attend(0, image.shape[1], tokens.shape[1] - 1), dtype=torch.bool
            )
        else:
            mask = may_attend(tokens.shape[1], 0, 0)
        for number, layer in enumerate(self.layers):
            if self.design == CROSS:
                x = self.cross[number](x, image)
            x = layer(x, mask)
        return self.norm(x) @ self.embed.weight.T

    def loss(self, tokens: Tensor, labels: Tensor, patches: Tensor) -> Tensor:
        """Return the mean cross-entropy of the answers' words."""
        scores = self(tokens, patches)
        if self.design == TOKENS:
            labels = self.steps.join_labels(labels, patches.shape[1], 0)
        return F.cross_entropy(
            scores[:, :-1].flatten(0, 1), labels[:, 1:].flatten(), ignore_index=IGNORED
        )


def accuracy(model: Reader, data: Captions) -> float:
    """Return the fraction of quarters whose word is the most probable one.

    Each word is predicted from the correct words before it.
    """
    with torch.inference_mode():
        scores = model(data.tokens, data.patches)[:, -LONGEST:]
    start = 1 + len(QUESTION)
    said = scores.argmax(-1)[:, start - 1 : -2]
    return float((said == data.tokens[:, start:-1]).float().mean())


BUDGET = 1.5e11
"""Floating-point operations of a training run in the lesson."""

BATCH = 32
"""Pictures per training step."""


@cache
def step_flops(design: str, patches: int = PATCHES) -> int:
    """Count the floating-point operations of one training step, as PyTorch counts them.

    Args:
        design: `CROSS` or `TOKENS`.
        patches: of each picture.
    """
    model = Reader(design, patches=(patches, PATCH_NUMBERS))
    tokens = torch.zeros(BATCH, LONGEST, dtype=torch.long)
    with FlopCounterMode(display=False) as counter:
        model.loss(tokens, tokens, torch.zeros(BATCH, patches, PATCH_NUMBERS)).backward()
    return counter.get_total_flops()


@dataclass
class Run:
    """A training run: what the held-out accuracy was, and after how many operations.

    Attributes:
        design: `CROSS` or `TOKENS`.
        seed: of the weights and of the order of the pictures.
        steps: at each measurement.
        flops: of the training up to each measurement.
        accuracy: at each measurement, on held-out pictures.
    """

    design: str
    seed: int
    steps: list[int] = field(default_factory=list)
    flops: list[float] = field(default_factory=list)
    accuracy: list[float] = field(default_factory=list)


def make_optimizer(model: Reader, rate: float) -> torch.optim.AdamW:
    """Make AdamW; the gates, single numbers that start at 0, move faster than the rest."""
    gates = [value for name, value in model.named_parameters() if name.endswith("gates")]
    others = [value for name, value in model.named_parameters() if not name.endswith("gates")]
    groups = [{"params": others, "lr": rate}, {"params": gates, "lr": 5 * rate}]
    return torch.optim.AdamW(
        [group for group in groups if group["params"]], betas=(0.9, 0.98), weight_decay=0.01
    )


def train(
    design: str,
    data: Captions,
    held_out: Captions,
    budget: float,
    *,
    seed: int = 0,
    steps: Steps | None = None,
    measurements: int = 8,
    rate: float = 3e-3,
) -> tuple[Reader, Run]:
    """Train a reader until a budget of floating-point operations is used up.

    Args:
        design: `CROSS` or `TOKENS`.
        data: to train on.
        held_out: to measure on.
        budget: operations of the training steps, without those of the measurements.
        seed: of the weights and of the order of the pictures.
        steps: how patches become tokens.
        measurements: how often to measure, at even distances.
        rate: the peak learning rate.
    """
    torch.manual_seed(seed)
    model = Reader(design, steps)
    optimizer = make_optimizer(model, rate)
    peaks = [group["lr"] for group in optimizer.param_groups]
    each = step_flops(design)
    number = int(budget // each)
    run = Run(design, seed)
    order = torch.Generator().manual_seed(seed)
    for step in tqdm(range(number), desc=design_name(design), leave=False):
        share = min((step + 1) / 50, 1.0) * (0.5 + 0.5 * np.cos(np.pi * step / number))
        for group, peak in zip(optimizer.param_groups, peaks, strict=True):
            group["lr"] = peak * share
        chosen = torch.randint(len(data), (BATCH,), generator=order)
        loss = model.loss(data.tokens[chosen], data.labels[chosen], data.patches[chosen])
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        if (step + 1) * measurements // number > step * measurements // number:
            run.steps.append(step + 1)
            run.flops.append((step + 1) * each)
            run.accuracy.append(accuracy(model, held_out))
    return model, run


@cache
def recorded() -> tuple[Run, ...]:
    """Return the runs that `tools/make_fusion_curves.py` recorded."""
    return tuple(Run(**one) for one in json.loads(CURVES.read_text(encoding="utf-8"))["runs"])


def spread(runs: Sequence[Run], design: str) -> tuple[float, float, float]:
    """Return the lowest, the mean and the highest accuracy at the end of a design's runs."""
    last = [run.accuracy[-1] for run in runs if run.design == design]
    return min(last), sum(last) / len(last), max(last)


TIE = 0.05
"""How far apart the accuracies of two designs may be that count as equal."""


def outcome(runs: Sequence[Run]) -> str:
    """Return which of two designs is ahead at the end: "cross", "tokens", or "equal".

    Args:
        runs: one of each design.
    """
    end = {run.design: run.accuracy[-1] for run in runs}
    ahead = end[TOKENS] - end[CROSS]
    if abs(ahead) <= TIE + 1e-9:
        return "equal"
    return "tokens" if ahead > 0 else "cross"


def curves_chart(runs: Sequence[Run], live: Sequence[Run]) -> Chart:
    """Draw accuracy over training operations: recorded runs thin, the learner's own thick."""
    colors = {CROSS: BLUE, TOKENS: ORANGE}
    use_style()
    figure = Figure()
    axes = figure.subplots()
    told = []
    for run in (*runs, *live):
        own = run in live
        label = _("{design} (your run)") if own else _("{design} (recorded)")
        name = label.format(design=design_name(run.design))
        seen = axes.get_legend_handles_labels()[1]
        axes.plot(
            [flops / 1e9 for flops in run.flops],
            [100 * value for value in run.accuracy],
            color=colors[run.design],
            linewidth=3.2 if own else 1.0,
            linestyle="-" if run.design == CROSS else "--",
            marker="o" if own else None,
            label=None if name in seen else name,
        )
        told.append(f"{name}: {run.accuracy[-1]:.0%}")
    axes.set_ylim(0, 104)
    axes.set_xlabel(_("training operations, billions"))
    axes.set_ylabel(_("quarters correct on new images, %"))
    axes.set_title(_("Two designs at equal compute"))
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    start = _("Accuracy over training operations for both designs; at the end: ")
    return Chart(figure, start + "; ".join(told) + ".")
