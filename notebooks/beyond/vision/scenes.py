"""Generate scenes for the course's small vision model: colored shapes and handwritten digits.

They are on a plain background, and all their properties are known, so that questions have one
right answer.

A scene is a few `Thing`s on a grid of cells; a thing is placed at random within its cell. `draw`
turns a scene into an image at any scale. Image sizes are chosen so that the processor splits them
into one, two, three or four tiles of 32 pixels.

The digits are real handwriting: scikit-learn's copy of the UCI data set "Optical Recognition of
Handwritten Digits" (https://doi.org/10.24432/C50P49, CC BY 4.0), 8 x 8 pixels. 36 of each digit
are held out from training and shipped with the course.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image

TILE = 32
"""The side of a tile in pixels; Llama 3.2 11B has 560."""
PATCH = 8
"""The side of a patch, which the vision model takes in as one vector; Llama 3.2 11B has 14."""

COLORS = {
    "red": (214, 40, 40),
    "green": (30, 150, 60),
    "blue": (40, 90, 230),
    "yellow": (235, 185, 0),
    "purple": (150, 50, 180),
}
SHAPES = ("circle", "square", "triangle", "cross")
DIGITS = tuple("0123456789")

CANVASES = {
    (1, 1): 0.22,
    (1, 2): 0.17,
    (2, 1): 0.17,
    (2, 2): 0.28,
    (1, 3): 0.05,
    (3, 1): 0.05,
    (1, 4): 0.03,
    (4, 1): 0.03,
}
"""Tiles (down, across) of a scene's image, and how often training draws each."""

HELD_OUT_SHEET = Path(__file__).parent / "digits-held-out.png"
HELD_OUT = 36
"""Held-out images of each digit: the sheet has a row for each digit and a column for each image."""


@dataclass(frozen=True)
class Thing:
    """A shape or a digit in a scene; places and sizes are in pixels of the image at scale 1."""

    name: str  # one of SHAPES or DIGITS
    color: str
    row: int
    column: int
    x: float  # the middle
    y: float
    size: float  # the side of the square that it fills
    rgb: tuple[int, int, int]
    tilt: float = 0.0  # of a digit, in radians
    sample: int = 0  # which of the images of this digit

    @property
    def is_digit(self) -> bool:
        """Whether it is a digit, not a shape."""
        return self.name in DIGITS


@dataclass(frozen=True)
class Scene:
    """Things on a plain background; `rows` x `columns` cells fill the image."""

    height: int
    width: int
    rows: int
    columns: int
    background: int  # gray, 0 to 255
    things: tuple[Thing, ...]  # row by row, left to right

    @property
    def key(self) -> str:
        """The scene's content, regardless of exact places, sizes and shades."""
        things = " ".join(f"{t.color} {t.name} {t.row} {t.column}," for t in self.things)
        return f"{self.rows}x{self.columns}: {things}"

    @property
    def is_held_out(self) -> bool:
        """Whether this scene is for testing: one in ten, by its key, so no key is in both."""
        return hashlib.sha256(self.key.encode()).digest()[0] % 10 == 0


def grid(canvas: tuple[int, int]) -> tuple[int, int]:
    """Return rows and columns of cells on a canvas of (down, across) tiles: 2 in one, else 3."""
    down, across = (2 if tiles == 1 else 3 for tiles in canvas)
    return down, across


def random_scene(
    rng: np.random.Generator,
    *,
    held_out: bool = False,
    most: int = 4,
    needs_digit: bool = False,
) -> Scene:
    """Draw a random scene from the held-out tenth, or from the rest.

    Args:
        rng: the source of randomness.
        held_out: whether to draw from the held-out tenth.
        most: the largest number of things.
        needs_digit: put at least one digit into it.
    """
    samples = HELD_OUT if held_out else 1_000_000  # training takes it modulo its own number
    while True:
        scene = _any_scene(rng, most, samples)
        if needs_digit and not any(thing.is_digit for thing in scene.things):
            continue
        if scene.is_held_out == held_out:
            return scene


def _any_scene(rng: np.random.Generator, most: int, samples: int) -> Scene:
    canvases, weights = list(CANVASES), np.array(list(CANVASES.values()))
    canvas = canvases[rng.choice(len(canvases), p=weights / weights.sum())]
    height, width = (TILE * tiles for tiles in canvas)
    # Half of the images don't fill their tiles. One side always does, or the processor would
    # enlarge the image.
    if rng.random() < 0.5:
        if rng.random() < 0.5:
            height -= int(rng.integers(0, 5 * canvas[0]))
        else:
            width -= int(rng.integers(0, 5 * canvas[1]))
    background = int(rng.integers(0, 45) if rng.random() < 0.5 else rng.integers(215, 256))
    rows, columns = grid(canvas)
    number = int(rng.integers(1, most + 1))
    cells = sorted(rng.choice(rows * columns, size=number, replace=False).tolist())
    things = []
    for cell in cells:
        name = str(rng.choice(DIGITS)) if rng.random() < 0.45 else str(rng.choice(SHAPES))
        color = str(rng.choice(list(COLORS)))
        things.append(
            place(
                rng,
                (height, width),
                (rows, columns),
                divmod(cell, columns),
                name,
                color,
                sample=int(rng.integers(samples)),
            )
        )
    return Scene(height, width, rows, columns, background, tuple(things))


def place(
    rng: np.random.Generator,
    image: tuple[int, int],
    cells: tuple[int, int],
    cell: tuple[int, int],
    name: str,
    color: str,
    *,
    sample: int = 0,
) -> Thing:
    """Place a thing somewhere in a cell, in a random size and a slightly random shade.

    Args:
        rng: decides size, shade and place in the cell.
        image: height and width of the image, in pixels.
        cells: rows and columns of the grid.
        cell: the row and the column to put it into, from 0.
        name: a key of `SHAPES`, or a digit.
        color: a key of `COLORS`.
        sample: which handwriting of the digit.
    """
    cell_height, cell_width = image[0] / cells[0], image[1] / cells[1]
    room = min(cell_height, cell_width, 22)
    smallest = 0.75 if name in DIGITS else 0.62
    size = room * rng.uniform(smallest, 0.96)
    x = (cell[1] + 0.5) * cell_width + rng.uniform(-0.5, 0.5) * (cell_width - size)
    y = (cell[0] + 0.5) * cell_height + rng.uniform(-0.5, 0.5) * (cell_height - size)
    red, green, blue = (int(np.clip(c + rng.integers(-14, 15), 0, 255)) for c in COLORS[color])
    tilt = float(rng.uniform(-0.2, 0.2)) if name in DIGITS else 0.0
    return Thing(
        name,
        color,
        cell[0],
        cell[1],
        float(x),
        float(y),
        float(size),
        (red, green, blue),
        tilt,
        sample,
    )


def shrunk(scene: Scene, factor: float) -> Scene:
    """Return the scene with every thing smaller by a factor, in the same place."""
    things = tuple(replace(thing, size=thing.size * factor) for thing in scene.things)
    return replace(scene, things=things)


PLACES = {
    f"{row} {column}".replace("middle centre", "centre")
    .replace("middle ", "")
    .replace(" centre", ""): (row_number, column_number)
    for row_number, row in enumerate(("top", "middle", "bottom"))
    for column_number, column in enumerate(("left", "centre", "right"))
}
"""Names of places, by row and column of a three by three grid."""


def compose(
    things: Mapping[str, str], canvas: tuple[int, int] = (2, 2), *, dark: bool = True, seed: int = 0
) -> Scene:
    """Compose a scene from a description.

    Args:
        things: what to put where, such as {"top left": "red circle", "right": "blue 7"}.
        canvas: tiles of 32 pixels down and across; a side of one tile has no middle.
        dark: the background.
        seed: decides exact places, sizes and which handwriting.

    Raises:
        ValueError: for an unknown place, color or name.
    """
    rng = np.random.default_rng(seed)
    rows, columns = grid(canvas)
    image = (TILE * canvas[0], TILE * canvas[1])
    placed = []
    for where, what in things.items():
        color, _space, name = what.partition(" ")
        if color not in COLORS or name not in (*SHAPES, *DIGITS):
            colors, names = ", ".join(COLORS), ", ".join((*SHAPES, *DIGITS))
            raise ValueError(f"{what!r}: the colors are {colors}, the names {names}.")
        if where not in PLACES:
            raise ValueError(f"{where!r} is none of the places {', '.join(PLACES)}.")
        cell = []
        for number, count in zip(PLACES[where], (rows, columns), strict=True):
            if count == 2 and number == 1:
                raise ValueError(f"A side of one tile has two places, so there is no {where!r}.")
            cell.append(min(number, count - 1))
        placed.append(
            place(
                rng,
                image,
                (rows, columns),
                (cell[0], cell[1]),
                name,
                color,
                sample=int(rng.integers(HELD_OUT)),
            )
        )
    placed.sort(key=lambda thing: (thing.row, thing.column))
    return Scene(*image, rows, columns, 20 if dark else 240, tuple(placed))


def draw(scene: Scene, digits: Sequence[np.ndarray] | None = None, scale: float = 1) -> Image.Image:
    """Draw the scene as an RGB image.

    Args:
        scene: the scene to draw.
        digits: for each digit its images, numbers x 8 x 8 from 0 to 1; the held-out ones if None.
        scale: pixels of the image for each pixel of the scene.
    """
    digits = held_out_digits() if digits is None else digits
    height, width = round(scene.height * scale), round(scene.width * scale)
    canvas = np.full((height, width, 3), scene.background, dtype=np.float32)
    for thing in scene.things:
        _paint(canvas, thing, digits, scale)
    return Image.fromarray(np.rint(canvas).astype(np.uint8))


_FINE = 4  # sub-pixels for each pixel and direction, so that edges are smooth


def _paint(canvas: np.ndarray, thing: Thing, digits: Sequence[np.ndarray], scale: float) -> None:
    size, x, y = thing.size * scale, thing.x * scale, thing.y * scale
    top, left = max(int(y - size / 2) - 1, 0), max(int(x - size / 2) - 1, 0)
    patch = canvas[top : int(y + size / 2) + 2, left : int(x + size / 2) + 2]
    height, width = patch.shape[:2]
    # u and v run from -1 to 1 over the thing
    v = ((np.arange(height * _FINE) + 0.5) / _FINE + top - y)[:, None] * (2 / size)
    u = ((np.arange(width * _FINE) + 0.5) / _FINE + left - x)[None, :] * (2 / size)
    if thing.is_digit:
        images = digits[int(thing.name)]
        ink = _handwriting(images[thing.sample % len(images)], u, v, thing.tilt)
    else:
        ink = _OUTLINES[thing.name](u, v).astype(np.float32)
    cover = ink.reshape(height, _FINE, width, _FINE).mean((1, 3))[:, :, None]
    patch += cover * (np.array(thing.rgb, dtype=np.float32) - patch)


_OUTLINES = {
    "circle": lambda u, v: u * u + v * v <= 1,
    "square": lambda u, v: np.maximum(abs(u), abs(v)) <= 0.86,
    "triangle": lambda u, v: (v <= 0.9) & (abs(u) <= (v + 1) / 1.9),
    "cross": lambda u, v: (np.minimum(abs(u), abs(v)) <= 0.3) & (np.maximum(abs(u), abs(v)) <= 1),
}


def _handwriting(image: np.ndarray, u: np.ndarray, v: np.ndarray, tilt: float) -> np.ndarray:
    """Sample the 8 x 8 image at places from -1 to 1, turned by `tilt`, bilinear between pixels."""
    cos, sin = np.cos(tilt), np.sin(tilt)
    across = (cos * u + sin * v) * 4 + 3.5 + 1  # the image has a border of one empty pixel
    down = (cos * v - sin * u) * 4 + 3.5 + 1
    framed = np.pad(image, 1).astype(np.float32)
    across, down = np.clip(across, 0, 8.999), np.clip(down, 0, 8.999)
    i, j = down.astype(int), across.astype(int)
    a, b = down - i, across - j
    ink = (framed[i, j] * (1 - a) + framed[i + 1, j] * a) * (1 - b)
    ink += (framed[i, j + 1] * (1 - a) + framed[i + 1, j + 1] * a) * b
    return np.minimum(ink * 1.3, 1)  # the scans are pale


@cache
def held_out_digits() -> tuple[np.ndarray, ...]:
    """Return each digit's held-out images, 36 x 8 x 8 from 0 to 1, as they come with the course."""
    with Image.open(HELD_OUT_SHEET) as sheet:
        pixels = np.asarray(sheet.convert("L"), dtype=np.float32) / 255
    return tuple(
        np.stack([pixels[8 * d : 8 * d + 8, 8 * n : 8 * n + 8] for n in range(HELD_OUT)])
        for d in range(10)
    )


@cache
def all_digits() -> tuple[tuple[np.ndarray, ...], tuple[np.ndarray, ...]]:
    """Return the training and the held-out digits: for each digit numbers x 8 x 8, 0 to 1.

    Raises:
        RuntimeError: if scikit-learn, which carries the images, isn't installed.
    """
    try:
        from sklearn.datasets import load_digits
    except ImportError:
        raise RuntimeError(
            "Training needs scikit-learn, which carries the handwritten digits; install it with "
            "`pip install -c env/constraints.txt scikit-learn`."
        ) from None
    data = load_digits()
    training, held_out = [], []
    for digit in range(10):
        images = (data.images[data.target == digit] / 16).astype(np.float32)
        # Neighbors in the data set are often by the same writer: the last ones are held out
        # together, so that few writers are on both sides.
        training.append(images[:-HELD_OUT])
        held_out.append(images[-HELD_OUT:])
    return tuple(training), tuple(held_out)


def varied(
    digits: Sequence[np.ndarray], rng: np.random.Generator, copies: int = 15
) -> tuple[np.ndarray, ...]:
    """Augment the digits with copies as other writers might have written them.

    The copies are slightly narrower or lower, slanted, shifted, with a finer or broader pen. A
    model soon memorizes 1,400 images, and then generalizes less well to new handwriting.

    Args:
        digits: for each digit numbers x 8 x 8, 0 to 1.
        rng: decides how the copies differ.
        copies: how many to add of each image.
    """
    from scipy.ndimage import affine_transform

    def another(image: np.ndarray) -> np.ndarray:
        stretch = np.diag(np.exp(abs(rng.normal(0, 0.08, 2))))  # never out of the frame
        slant = np.array([[1, rng.normal(0, 0.04)], [rng.normal(0, 0.08), 1]])
        turn = stretch @ slant
        middle = (np.array(image.shape) - 1) / 2
        offset = middle - turn @ middle + rng.normal(0, 0.15, 2)
        ink = affine_transform(image, turn, offset, order=3, mode="grid-constant").clip(0, 1)
        return (ink ** np.exp(rng.normal(0, 0.2))).astype(np.float32)

    return tuple(
        np.concatenate([images, *(np.stack([*map(another, images)]) for _copy in range(copies))])
        for images in digits
    )


def write_held_out_sheet(path: Path = HELD_OUT_SHEET) -> None:
    """Save the held-out digits as a picture: a row for each digit."""
    rows = [np.concatenate(list(images), axis=1) for images in all_digits()[1]]
    sheet = np.rint(np.concatenate(rows) * 255).astype(np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(sheet).save(path, optimize=True)
