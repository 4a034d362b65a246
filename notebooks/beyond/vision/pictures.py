"""Convert any picture to the RGB image that a model takes, or explain why that fails."""

from __future__ import annotations

import io
import os
import warnings
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from beyond.locale import _

MOST_MEGAPIXELS = 100
"""The most pixels of a picture; larger ones are refused before decoding. A million pixels takes
3 MB, and a model that sees a few tiles wouldn't benefit from more."""


class BadPicture(ValueError):
    """The picture can't be shown to the model; the message says why and what to do."""

    def _render_traceback_(self) -> list[str]:
        # A notebook shows this instead of a long traceback.
        return [str(self)]


@dataclass(frozen=True)
class Picture:
    """An RGB image, and a description of how it was converted."""

    image: Image.Image
    notes: list[str] = field(default_factory=list)


def open_picture(source: str | os.PathLike | bytes | Image.Image | np.ndarray) -> Picture:
    """Open a file, its bytes, a PIL image or an array of pixels as an upright 8-bit RGB image.

    Args:
        source: an array is height x width, or height x width x 3 or 4; integers from 0 to 255
            (16-bit ones to 65,535), or fractions from 0 to 1.

    Raises:
        BadPicture: if it isn't a picture, is empty, damaged, or has over 100 million pixels.
    """
    if isinstance(source, np.ndarray):
        image, name = _from_array(source), _("The array")
    elif isinstance(source, Image.Image):
        image, name = source, _("The image")
    else:
        is_bytes = isinstance(source, bytes | bytearray)
        name = _("The image") if is_bytes else Path(os.fsdecode(source)).name
        image = _from_file(source, name)
    _check_size(image.size, name)
    notes: list[str] = []
    frames = getattr(image, "n_frames", 1)
    if frames > 1:
        notes.append(
            _("{name} has {frames} frames; the first one is shown.").format(
                name=name, frames=frames
            )
        )
    try:
        if image.getexif().get(0x0112, 1) != 1:
            notes.append(_("{name} was turned upright, as its file asks.").format(name=name))
            image = ImageOps.exif_transpose(image)
        return Picture(_to_rgb(image, name, notes), notes)
    except (OSError, SyntaxError, ValueError, EOFError) as damage:
        if isinstance(damage, BadPicture):
            raise
        raise BadPicture(
            _("{name} is damaged and can't be read to its end; try another copy.").format(name=name)
        ) from None


def _from_file(source: str | os.PathLike | bytes, name: str) -> Image.Image:
    if not isinstance(source, bytes | bytearray):
        try:
            source = Path(source).read_bytes()
        except OSError:
            raise BadPicture(
                _("There is no readable file {name}; check its name and folder.").format(name=name)
            ) from None
    if not source:
        raise BadPicture(_("{name} is empty: it has no bytes at all.").format(name=name))
    try:
        with warnings.catch_warnings():
            # The size is checked right after this, with our own limit and message.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            return Image.open(io.BytesIO(source))
    except Image.DecompressionBombError:
        raise BadPicture(_too_large(name)) from None
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError):
        raise BadPicture(
            _("{name} isn't in a known image format; use a PNG or JPEG file.").format(name=name)
        ) from None


def _from_array(array: np.ndarray) -> Image.Image:
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (3, 4)):
        raise BadPicture(
            _("An array of shape {shape} is not an image: it takes height × width × 3.").format(
                shape=array.shape
            )
        )
    if 0 in array.shape:
        raise BadPicture(_no_pixels(_("The array")))
    _check_size((array.shape[1], array.shape[0]), _("The array"))
    if array.dtype == np.uint16:
        array = (array >> 8).astype(np.uint8)
    elif np.issubdtype(array.dtype, np.floating):
        if not np.isfinite(array).all() or array.min() < 0 or array.max() > 1:
            raise BadPicture(_("Pixels that are fractions must lie between 0 and 1."))
        array = np.rint(array * 255).astype(np.uint8)
    elif array.dtype == bool:
        array = array.astype(np.uint8) * 255
    elif np.issubdtype(array.dtype, np.integer):
        if array.min() < 0 or array.max() > 255:
            raise BadPicture(_("Pixels that are whole numbers must lie between 0 and 255."))
        array = array.astype(np.uint8)
    else:
        raise BadPicture(_("The array holds no numbers, so it is not an image."))
    return Image.fromarray(array)


def _check_size(size: tuple[int, int], name: str) -> None:
    if 0 in size:
        raise BadPicture(_no_pixels(name))
    if size[0] * size[1] > MOST_MEGAPIXELS * 1_000_000:
        raise BadPicture(_too_large(name))


def _to_rgb(image: Image.Image, name: str, notes: list[str]) -> Image.Image:
    if image.mode in ("I", "I;16", "I;16L", "I;16B", "I;16N", "F"):
        notes.append(
            _("{name} has more than 8 bits a pixel; it was reduced to 8.").format(name=name)
        )
        pixels = np.asarray(image).astype(np.float64)
        scale = 256 if pixels.max() > 255 else 1
        return Image.fromarray(np.clip(pixels / scale, 0, 255).astype(np.uint8)).convert("RGB")
    if image.has_transparency_data:
        notes.append(_("{name} has transparent parts; they are shown white.").format(name=name))
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, (255, 255, 255, 255))
        return Image.alpha_composite(white, image).convert("RGB")
    return image.convert("RGB")


def _no_pixels(name: str) -> str:
    return _("{name} has no pixels: its width or height is 0.").format(name=name)


def _too_large(name: str) -> str:
    return _("{name} has more than {limit} million pixels; make it smaller first.").format(
        name=name, limit=MOST_MEGAPIXELS
    )
