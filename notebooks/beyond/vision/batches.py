"""Turn scenes and questions into the model's input tensors.

`tiles` does what `MllamaImageProcessor` does with an image that needs no resizing, for many
images at once (the tests check that both agree), so that training doesn't wait for the processor.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from transformers import MllamaProcessor
from transformers.models.mllama.image_processing_pil_mllama import get_all_supported_aspect_ratios

from beyond.vision.generate import prompt
from beyond.vision.questions import KINDS, LANGUAGES, Item, ask
from beyond.vision.scenes import (
    COLORS,
    DIGITS,
    PATCH,
    SHAPES,
    TILE,
    Scene,
    draw,
    random_scene,
)

MOST_TILES = 4


@dataclass(frozen=True)
class Texts:
    """Questions with their answers, of similar length."""

    image: torch.Tensor  # texts: the number of the image in the batch
    tokens: torch.Tensor  # texts x tokens
    labels: torch.Tensor  # texts x tokens; -100 where nothing is to be learned


@dataclass(frozen=True)
class Batch:
    """Images, and the texts about them."""

    pixels: torch.Tensor  # images x 1 x tiles x channels x TILE x TILE
    ratio_ids: torch.Tensor  # images x 1
    ratio_mask: torch.Tensor  # images x 1 x tiles
    shows: torch.Tensor  # images x tiles x patches x 4: what each patch shows (`patch_labels`)
    texts: list[Texts]

    def to(self, device: torch.device) -> Batch:
        """Copy the tensors to a device."""
        return Batch(
            pixels=self.pixels.to(device),
            ratio_ids=self.ratio_ids.to(device),
            ratio_mask=self.ratio_mask.to(device),
            shows=self.shows.to(device),
            texts=[
                Texts(*(part.to(device) for part in vars(group).values())) for group in self.texts
            ],
        )


def random_batch(
    rng: np.random.Generator,
    processor: MllamaProcessor,
    digits: Sequence[np.ndarray],
    images: int,
    questions: int,
    most: int,
    often: Sequence[str] = (),
) -> Batch:
    """Generate training data: images with at most `most` things, and questions about each.

    All kinds of questions alternate; those in `often` come twice as often.
    """
    scenes, items = [], []
    for number in range(images):
        scene = random_scene(rng, most=most, needs_digit=rng.random() < 0.3)
        scenes.append(scene)
        kinds = [str(kind) for kind in rng.permutation([*KINDS, *often])]
        asked = 0
        while asked < questions:
            kind = kinds[asked % len(kinds)]
            item = ask(rng, scene, kind, str(rng.choice(LANGUAGES)))
            if item is None:  # no such question applies to this scene
                kinds.remove(kind)
            else:
                items.append((number, item))
                asked += 1
    return make_batch(processor, scenes, items, digits)


def make_batch(
    processor: MllamaProcessor,
    scenes: Sequence[Scene],
    items: Sequence[tuple[int, Item]],
    digits: Sequence[np.ndarray] | None,
) -> Batch:
    """Make the tensors for `scenes` and `items`, each with the number of its scene."""
    pixels, ids, mask = tiles([np.asarray(draw(scene, digits)) for scene in scenes], processor)
    tokenizer = processor.tokenizer
    asked = _encode(tokenizer, [_fast_prompt(processor, item.question) for _, item in items])
    answered = _encode(tokenizer, [item.answer + tokenizer.eos_token for _, item in items])
    rows = [
        (number, question, answer)
        for (number, _), question, answer in zip(items, asked, answered, strict=True)
    ]
    # A few texts, mostly descriptions, are long; a separate group saves padding the others.
    rows.sort(key=lambda row: len(row[1]) + len(row[2]))
    split = len(rows) * 4 // 5
    groups = [_texts(tokenizer, group) for group in (rows[:split], rows[split:]) if group]
    shows = torch.from_numpy(np.stack([patch_labels(scene) for scene in scenes]))
    return Batch(pixels, ids, mask, shows, groups)


def _texts(tokenizer, rows: list[tuple[int, list[int], list[int]]]) -> Texts:
    length = max(len(question) + len(answer) for _, question, answer in rows)
    tokens = torch.full((len(rows), length), tokenizer.pad_token_id)
    labels = torch.full((len(rows), length), -100)
    for row, (_, question, answer) in enumerate(rows):
        end = len(question) + len(answer)
        tokens[row, :end] = torch.tensor(question + answer)
        labels[row, len(question) : end] = torch.tensor(answer)
    return Texts(torch.tensor([number for number, _, _ in rows]), tokens, labels)


LABELS = (len(SHAPES) + len(DIGITS) + 1, len(COLORS) + 1, 4, 4)
"""The number of labels that a patch can have: names, colors, rows, columns; 0 is "nothing"."""


def patch_labels(scene: Scene) -> np.ndarray:
    """Label the content of each patch: tiles x patches x 4 numbers, as in `LABELS`.

    A patch shows a thing if the thing's square covers at least a third of it. Rows and columns
    are those of a three by three grid, in which two rows are the first and the last.
    """
    names, colors = (*SHAPES, *DIGITS), list(COLORS)
    down, across = (-(-side // TILE) for side in (scene.height, scene.width))
    side = TILE // PATCH
    labels = np.zeros((down * side, across * side, 4), dtype=np.int64)
    edges = np.arange(max(labels.shape[:2])) * PATCH

    def overlap(middle: float, size: float, number: int) -> np.ndarray:
        starts = edges[:number]
        low = np.maximum(starts, middle - size / 2)
        return np.clip(np.minimum(starts + PATCH, middle + size / 2) - low, 0, None)

    best = np.full(labels.shape[:2], PATCH * PATCH / 3)
    for thing in scene.things:
        covered = np.outer(
            overlap(thing.y, thing.size, down * side), overlap(thing.x, thing.size, across * side)
        )
        row = thing.row + 1 if scene.rows == 3 else 1 + 2 * thing.row
        column = thing.column + 1 if scene.columns == 3 else 1 + 2 * thing.column
        here = covered >= best
        labels[here] = (names.index(thing.name) + 1, colors.index(thing.color) + 1, row, column)
        best = np.maximum(best, covered)
    cut = labels.reshape(down, side, across, side, 4).transpose(0, 2, 1, 3, 4)
    whole = np.zeros((MOST_TILES, side * side, 4), dtype=np.int64)
    whole[: down * across] = cut.reshape(-1, side * side, 4)
    return whole


def _fast_prompt(processor: MllamaProcessor, question: str) -> str:
    """Return what `prompt` does, with the chat template rendered once for all questions."""
    marker = "\0"
    kept: Any = processor  # the rendered template is reused
    if not hasattr(kept, "beyond_prompt"):
        kept.beyond_prompt = prompt(processor, marker)
    return kept.beyond_prompt.replace(marker, question)


def _encode(tokenizer, texts: list[str]) -> list[list[int]]:
    return tokenizer(texts, add_special_tokens=False)["input_ids"]


def tiles(
    images: Sequence[np.ndarray], processor: MllamaProcessor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return pixel values, aspect ratio ids and mask of images that fit their tiles.

    Args:
        images: height x width x 3, 0 to 255; one side must be a whole number of tiles, and no
            smaller arrangement of tiles may hold the image.
        processor: the model's own, for mean and standard deviation.

    Returns:
        images x 1 x 4 x 3 x TILE x TILE; images x 1; images x 1 x 4.
    """
    settings = processor.image_processor
    mean = np.array(settings.image_mean, dtype=np.float32)
    spread = np.array(settings.image_std, dtype=np.float32)
    ratios = get_all_supported_aspect_ratios(MOST_TILES)
    pixels = np.zeros((len(images), 1, MOST_TILES, 3, TILE, TILE), dtype=np.float32)
    ids = torch.zeros(len(images), 1, dtype=torch.long)
    mask = torch.zeros(len(images), 1, MOST_TILES, dtype=torch.long)
    for n, image in enumerate(images):
        down, across = (-(-side // TILE) for side in image.shape[:2])
        canvas = np.zeros((down * TILE, across * TILE, 3), dtype=np.float32)
        canvas[: image.shape[0], : image.shape[1]] = image
        canvas = (canvas / 255 - mean) / spread
        cut = canvas.reshape(down, TILE, across, TILE, 3).transpose(0, 2, 4, 1, 3)
        pixels[n, 0, : down * across] = cut.reshape(-1, 3, TILE, TILE)
        ids[n, 0] = ratios.index((down, across)) + 1
        mask[n, 0, : down * across] = 1
    return torch.from_numpy(pixels), ids, mask
