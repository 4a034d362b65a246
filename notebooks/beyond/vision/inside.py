"""Look inside an Mllama while it answers: attention, occlusion, and gates.

Shapes follow transformers: an image has `tiles` tiles (4, the empty ones masked),
each of `patches` vectors (one for the whole tile, then one for each patch, row by row).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from PIL import Image

from beyond.vision.load import VisionModel

if TYPE_CHECKING:
    from torch import nn
    from transformers import BatchFeature


def inputs_for(vision_model: VisionModel, image: Image.Image, text: str) -> BatchFeature:
    """Return the tensors for one image and a text that already contains the image token."""
    return vision_model.processor(
        images=image, text=text, add_special_tokens=False, return_tensors="pt"
    ).to(vision_model.model.device)


def cross_layers(vision_model: VisionModel) -> list[int]:
    """Return the numbers of the text model's cross-attention layers."""
    config: Any = vision_model.model.config
    return list(config.text_config.cross_attention_layers)


def text_layer(vision_model: VisionModel, number: int) -> nn.Module:
    """Return a layer of the text model."""
    return vision_model.model.model.language_model.layers[number]


def image_features(vision_model: VisionModel, inputs: BatchFeature) -> torch.Tensor:
    """Return the projected features for cross-attention, 1 x (tiles · patches) x width."""
    with torch.inference_mode():
        seen = vision_model.model.model.vision_model(
            pixel_values=inputs["pixel_values"],
            aspect_ratio_ids=inputs["aspect_ratio_ids"],
            aspect_ratio_mask=inputs["aspect_ratio_mask"],
        ).last_hidden_state
        return vision_model.model.model.multi_modal_projector(seen).flatten(1, 3)


@contextmanager
def gates(
    vision_model: VisionModel, value: float | None = None, layers: Sequence[int] | None = None
) -> Iterator:
    """Multiply what cross-attention layers add (tanh of their gates) by `value` inside a block.

    Args:
        vision_model: whose gates are scaled.
        value: 1 or None leaves the model as it is, 0 closes the gates.
        layers: which layers; all cross-attention layers if None.
    """
    chosen = cross_layers(vision_model) if layers is None else list(layers)
    names = ("cross_attn_attn_gate", "cross_attn_mlp_gate")
    parameters = [
        getattr(text_layer(vision_model, number), name) for number in chosen for name in names
    ]
    before = [parameter.detach().clone() for parameter in parameters]
    try:
        if value is not None:
            with torch.no_grad():
                for parameter, old in zip(parameters, before, strict=True):
                    wanted = (old.tanh() * value).clamp(-0.999999, 0.999999)
                    parameter.copy_(old if value == 1 else wanted.atanh())
        yield
    finally:
        with torch.no_grad():
            for parameter, old in zip(parameters, before, strict=True):
                parameter.copy_(old)


@dataclass(frozen=True)
class Attention:
    """The cross-attention of each layer and head while an answer is generated.

    Attributes:
        weights: layers x heads x tokens x tiles x patches; each token's weights sum to 1.
        layers: the layers' numbers.
        tokens: the tokens to be generated.
        tiles: tiles down and across.
        size: width and height, in pixels, of the tiles together.
    """

    weights: np.ndarray
    layers: list[int]
    tokens: list[str]
    tiles: tuple[int, int]
    size: tuple[int, int]

    def map(self, layer: int, head: int | None = None, token: int | None = None) -> np.ndarray:
        """Return the attention on each patch of the image, rows x columns.

        Args:
            layer: a place in `layers`.
            head: one head, or the mean of all if None.
            token: one token, or the mean of all if None.
        """
        weights = self.weights[layer]
        weights = weights.mean(0) if head is None else weights[head]
        weights = weights.mean(0) if token is None else weights[token]
        return lay_out(weights[: self.tiles[0] * self.tiles[1], 1:], self.tiles)

    def by_tile(self, layer: int, head: int | None = None) -> np.ndarray:
        """Return the fraction of the attention that each tile gets, tiles down x tiles across."""
        weights = self.weights[layer].mean(1)
        weights = weights.mean(0) if head is None else weights[head]
        used = self.tiles[0] * self.tiles[1]
        return weights[:used].sum(-1).reshape(self.tiles)


def lay_out(patches: np.ndarray, tiles: tuple[int, int]) -> np.ndarray:
    """Rearrange values per patch, tiles x patches, as in the image: rows x columns."""
    side = round(patches.shape[1] ** 0.5)
    laid = patches.reshape(*tiles, side, side).transpose(0, 2, 1, 3)
    return laid.reshape(tiles[0] * side, tiles[1] * side)


def attention(
    vision_model: VisionModel, image: Image.Image, question: str, answer: str
) -> Attention:
    """Record the attention of the cross-attention layers while the model generates `answer`.

    The library's own weights, from its eager attention; one pass over question and answer.
    """
    prompt = vision_model.prompt_for(question)
    inputs = inputs_for(vision_model, image, prompt + answer)
    first = len(vision_model.processor.tokenizer(prompt, add_special_tokens=False)["input_ids"])
    before = vision_model.model.config._attn_implementation
    vision_model.model.set_attn_implementation("eager")
    try:
        with torch.inference_mode():
            found = vision_model.model(**inputs, output_attentions=True, use_cache=False).attentions
    finally:
        vision_model.model.set_attn_implementation(before)
    layers = cross_layers(vision_model)
    # the attention that predicts a token is that of the token before it
    chosen = torch.stack([found[number][0, :, first - 1 : -1].float() for number in layers])
    tile_number = inputs["pixel_values"].shape[2]
    weights = chosen.reshape(*chosen.shape[:3], tile_number, -1).cpu().numpy()
    tiles = tiles_of(vision_model, inputs)
    config: Any = vision_model.model.config
    side = config.vision_config.image_size
    pieces = vision_model.processor.tokenizer(answer, add_special_tokens=False)["input_ids"]
    tokens = [vision_model.processor.tokenizer.decode([piece]) for piece in pieces]
    return Attention(weights, layers, tokens, tiles, (tiles[1] * side, tiles[0] * side))


def tiles_of(vision_model: VisionModel, inputs: BatchFeature) -> tuple[int, int]:
    """Count the tiles of the image, down and across."""
    config: Any = vision_model.model.config
    ratios = config.vision_config.supported_aspect_ratios
    down, across = ratios[int(inputs["aspect_ratio_ids"][0, 0]) - 1]
    return down, across


def answer_score(vision_model: VisionModel, inputs: BatchFeature, answer_tokens: int) -> float:
    """Compute the log-probability of the text's last `answer_tokens` tokens."""
    with torch.inference_mode():
        logits = vision_model.model(**inputs, use_cache=False).logits[0, -answer_tokens - 1 : -1]
    wanted = inputs["input_ids"][0, -answer_tokens:, None]
    return float(logits.float().log_softmax(-1).gather(1, wanted).sum())


def occlusion(
    vision_model: VisionModel, image: Image.Image, question: str, answer: str, *, at_once: int = 32
) -> np.ndarray:
    """Measure how much less probable the answer becomes when part of the image is covered.

    A square of two by two patches, in the background's color (the median), is moved over the
    image in steps of one patch. A square in another color would look like an additional object.

    Returns:
        Decrease of the answer's log-probability for each patch, rows x columns: the mean over the
        squares that cover the patch; 0 where covering it changes nothing.
    """
    prompt = vision_model.prompt_for(question)
    tokenizer = vision_model.processor.tokenizer
    long = len(tokenizer(answer, add_special_tokens=False)["input_ids"])
    inputs = inputs_for(vision_model, image, prompt + answer)
    whole = answer_score(vision_model, inputs, long)
    config: Any = vision_model.model.config
    patch = config.vision_config.patch_size
    tiles = tiles_of(vision_model, inputs)
    side = config.vision_config.image_size // patch
    rows, columns = tiles[0] * side, tiles[1] * side
    used = inputs["pixel_values"][0, 0, : tiles[0] * tiles[1]]
    background = used.transpose(0, 1).flatten(1).median(1).values
    corners = [(row, column) for row in range(rows - 1) for column in range(columns - 1)]
    scores: list[float] = []
    for start in range(0, len(corners), at_once):
        some = corners[start : start + at_once]
        pixels = inputs["pixel_values"].repeat(len(some), 1, 1, 1, 1, 1)
        for number, (row, column) in enumerate(some):
            for r in (row, row + 1):
                for c in (column, column + 1):
                    tile = (r // side) * tiles[1] + c // side
                    y, x = (r % side) * patch, (c % side) * patch
                    pixels[number, 0, tile, :, y : y + patch, x : x + patch] = background[
                        :, None, None
                    ]
        repeated = {
            name: value.repeat(len(some), *[1] * (value.ndim - 1))
            for name, value in inputs.items()
            if name != "pixel_values"
        }
        with torch.inference_mode():
            logits = vision_model.model(pixel_values=pixels, **repeated, use_cache=False).logits
        logits = logits[:, -long - 1 : -1].float().log_softmax(-1)
        wanted = repeated["input_ids"][:, -long:, None]
        scores += logits.gather(2, wanted).sum((1, 2)).tolist()
    fall, covered = np.zeros((rows, columns)), np.zeros((rows, columns))
    for (row, column), score in zip(corners, scores, strict=True):
        fall[row : row + 2, column : column + 2] += whole - score
        covered[row : row + 2, column : column + 2] += 1
    return fall / covered
