"""Draw an image's tiles and patches, and maps over the image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from PIL import Image

from beyond.locale import _, translated
from beyond.ui.figures import ORANGE, Chart, use_style

TINT = "#CC79A7"
"""The color of a map; the things in the pictures have others."""


def tile_chart(
    image: Image.Image, tiles: tuple[int, int], side: int, patch: int | None = None
) -> Chart:
    """Draw the image as the processor cuts it: orange lines between tiles, gray between patches.

    Args:
        image: resized as the processor resizes it, and no larger than the tiles together.
        tiles: down and across.
        side: of a tile, in pixels.
        patch: side of a patch in pixels; None draws no patches.
    """
    height, width = tiles[0] * side, tiles[1] * side
    canvas = np.zeros((height, width, 3), np.uint8)
    pixels = np.asarray(image)
    canvas[: pixels.shape[0], : pixels.shape[1]] = pixels
    use_style()
    figure = Figure(figsize=(1.7 * tiles[1] + 0.4, 1.7 * tiles[0] + 0.4))
    axes = figure.subplots()
    axes.imshow(canvas, interpolation="nearest", extent=(0, width, height, 0))
    _bare(axes)
    if patch:
        for place in range(0, max(width, height), patch):
            axes.axvline(place, color="#999999", linewidth=0.6)
            axes.axhline(place, color="#999999", linewidth=0.6)
    for number in range(tiles[0] * tiles[1]):
        row, column = divmod(number, tiles[1])
        box = (column * side, row * side)
        axes.add_patch(_frame(*box, side))
        axes.text(
            box[0] + 2,
            box[1] + 2,
            str(number + 1),
            color="white",
            fontsize=12,
            va="top",
            bbox={"facecolor": "black", "edgecolor": ORANGE, "pad": 2},
        )
    axes.set_xlim(-1, width + 1)
    axes.set_ylim(height + 1, -1)
    alt = _(
        "The image, {width} × {height} pixels, on {number} tiles of {side} × {side}: {down} down "
        "and {across} across, numbered row by row. What the image leaves free is black."
    ).format(
        width=image.width,
        height=image.height,
        number=tiles[0] * tiles[1],
        side=side,
        down=tiles[0],
        across=tiles[1],
    )
    return Chart(figure, alt, keep_colors=True)


def map_chart(
    image: Image.Image, maps: Mapping[str, np.ndarray], size: tuple[int, int] | None = None
) -> Chart:
    """Draw the image, and beside it once more with each map, through which it stays visible.

    A patch is tinted the more the larger its value is, and a line encloses the patches that have
    at least half of the largest value.

    Args:
        image: the image that the model was shown.
        maps: by title; rows x columns of patches over the whole canvas of tiles.
        size: width and height of that canvas in pixels of the image; the image's own if None.
    """
    width, height = size or image.size
    number = len(maps) + 1
    use_style()
    figure = Figure(figsize=(2.7 * number, 2.7 * max(0.5, min(height / width, 1.6)) + 0.5))
    axes = figure.subplots(1, number)
    for each in axes:
        each.imshow(image, extent=(0, image.width, image.height, 0), interpolation="nearest")
        each.set_facecolor("black")  # what the image leaves free of its tiles
        each.set_xlim(0, width)
        each.set_ylim(height, 0)
        _bare(each)
    axes[0].set_title(_("original image"), fontsize=10)
    for each, (title, values) in zip(axes[1:], maps.items(), strict=True):
        shown = np.clip(values, 0, None) / max(float(values.max()), 1e-6)
        tint = np.empty((*shown.shape, 4))
        tint[..., :3] = to_rgb(TINT)
        tint[..., 3] = 0.6 * shown
        each.imshow(tint, extent=(0, width, height, 0), interpolation="nearest")
        _enclose(each, shown >= 0.5, width / shown.shape[1], height / shown.shape[0])
        each.set_title(title, fontsize=10)
    parts = [
        _("{title}: strongest {where}").format(title=title, where=strongest(values))
        for title, values in maps.items()
    ]
    told = _("The image, alone and with maps over it. ") + "; ".join(parts) + "."
    return Chart(figure, told, keep_colors=True)


def _enclose(axes: Axes, inside: np.ndarray, width: float, height: float) -> None:
    """Draw a line along the border of the patches that are `inside`."""
    framed = np.pad(inside, 1)
    lines = [
        [(column * width, row * height), ((column + 1) * width, row * height)]
        for row, column in np.argwhere(framed[1:, 1:-1] != framed[:-1, 1:-1])
    ]
    lines += [
        [(column * width, row * height), (column * width, (row + 1) * height)]
        for row, column in np.argwhere(framed[1:-1, 1:] != framed[1:-1, :-1])
    ]
    for color, thickness in (("black", 4.0), ("white", 1.8)):
        axes.add_collection(
            LineCollection(
                lines, colors=color, linewidths=thickness, capstyle="projecting", clip_on=False
            )
        )


def strongest(values: np.ndarray) -> str:
    """Describe where a map has its maximum: "row 2 of 8, column 7 of 8"."""
    if values.max() <= 1e-6:
        return _("nowhere")
    row, column = np.unravel_index(int(values.argmax()), values.shape)
    return _("in row {row} of {rows}, column {column} of {columns}").format(
        row=row + 1, rows=values.shape[0], column=column + 1, columns=values.shape[1]
    )


def overlap(one: np.ndarray, other: np.ndarray) -> float:
    """Compute the cosine similarity of two maps: 1 if proportional, 0 if they don't overlap."""
    one, other = np.clip(one, 0, None), np.clip(other, 0, None)
    if one.sum() <= 0 or other.sum() <= 0:
        return 0.0
    return float(np.minimum(one / one.sum(), other / other.sum()).sum())


def picture_row(images: Sequence[Image.Image], titles: Sequence[str], alt: str) -> Chart:
    """Draw pictures side by side, each with its title, at the same height."""
    titles, alt = translated(list(titles)), translated(alt)
    use_style()
    figure = Figure(figsize=(1.9 * len(images) + 0.3, 2.4))
    for axes, image, title in zip(
        figure.subplots(1, len(images), squeeze=False)[0], images, titles, strict=True
    ):
        axes.imshow(image, interpolation="nearest")
        axes.set_title(title, fontsize=9)
        _bare(axes)
    return Chart(figure, alt, keep_colors=True)


def _bare(axes) -> None:
    axes.set_xticks([])
    axes.set_yticks([])
    axes.grid(visible=False)
    for spine in axes.spines.values():
        spine.set_visible(False)


def _frame(x: float, y: float, side: float):
    from matplotlib.patches import Rectangle

    return Rectangle((x, y), side, side, fill=False, edgecolor=ORANGE, linewidth=2.5)
