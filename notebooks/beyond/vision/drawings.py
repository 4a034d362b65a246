"""Draw an image's tiles and patches, and maps over the image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from beyond.locale import _, translated
from beyond.ui.figures import ORANGE, Chart, use_style


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
        "The picture, {width} × {height} pixels, on {number} tiles of {side} × {side}: {down} down "
        "and {across} across, numbered row by row. What the picture leaves free is black."
    ).format(
        width=image.width,
        height=image.height,
        number=tiles[0] * tiles[1],
        side=side,
        down=tiles[0],
        across=tiles[1],
    )
    return Chart(figure, alt)


def map_chart(
    image: Image.Image, maps: Mapping[str, np.ndarray], size: tuple[int, int] | None = None
) -> Chart:
    """Draw the image, and each map over it; brighter patches have larger values.

    Args:
        image: the image that the model was shown.
        maps: by title; rows x columns of patches over the whole canvas of tiles.
        size: width and height of that canvas in pixels of the image; the image's own if None.
    """
    width, height = size or image.size
    gray = np.zeros((height, width), np.float32)
    pixels = np.asarray(image.convert("L"), np.float32) / 255
    gray[: pixels.shape[0], : pixels.shape[1]] = pixels
    number = len(maps) + 1
    use_style()
    figure = Figure(figsize=(2.5 * number, 2.5 * max(0.5, min(height / width, 1.6)) + 0.5))
    axes = figure.subplots(1, number)
    axes[0].imshow(image, extent=(0, image.width, image.height, 0), interpolation="nearest")
    axes[0].set_xlim(0, width)
    axes[0].set_ylim(height, 0)
    axes[0].set_title(_("the picture"), fontsize=10)
    for each, (title, values) in zip(axes[1:], maps.items(), strict=True):
        extent = (0, width, height, 0)
        each.imshow(gray, cmap="gray", extent=extent, interpolation="nearest", vmin=0, vmax=1)
        shown = np.clip(values, 0, None)
        each.imshow(
            shown,
            cmap="inferno",
            alpha=0.72,
            extent=extent,
            interpolation="nearest",
            vmin=0,
            vmax=max(float(shown.max()), 1e-6),
        )
        each.set_title(title, fontsize=10)
    for each in axes:
        _bare(each)
    parts = [
        _("{title}: strongest {where}").format(title=title, where=strongest(values))
        for title, values in maps.items()
    ]
    return Chart(figure, _("The picture, and maps over it. ") + "; ".join(parts) + ".")


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
    return Chart(figure, alt)


def _bare(axes) -> None:
    axes.set_xticks([])
    axes.set_yticks([])
    axes.grid(visible=False)
    for spine in axes.spines.values():
        spine.set_visible(False)


def _frame(x: float, y: float, side: float):
    from matplotlib.patches import Rectangle

    return Rectangle((x, y), side, side, fill=False, edgecolor=ORANGE, linewidth=2.5)
