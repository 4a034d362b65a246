"""Check the images that a page may show: PNG and JPEG, of a size that a browser can show.

Pillow isn't used for it: the confined reader, which has the standard library only, imports this
module, and all that is asked is the type and the size in pixels, which the first bytes tell. To
open a hostile image with a decoder written in C would add to what can be attacked.
"""

from __future__ import annotations

import base64
import binascii
import re
import struct

MAX_BYTES = 4 * 1024 * 1024
"""The most bytes of an image."""

MAX_PIXELS = 40_000_000
"""The most pixels of an image: a few bytes can decompress to more than a browser can hold."""

_DATA_URL = re.compile(r"data:(image/(?:png|jpeg));base64,([A-Za-z0-9+/=\s]+)")
_NO_SIZE = {0xD8, *range(0xD0, 0xD8), 0x01}
_SIZES = set(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


def checked(mime: str, encoded: object) -> str | None:
    """Return an image's base64 in canonical form; None if it isn't an image or is too large.

    Args:
        mime: "image/png" or "image/jpeg"; the bytes must match.
        encoded: base64 text, as notebooks and data URLs have it.
    """
    if not isinstance(encoded, str) or len(encoded) > MAX_BYTES * 3 // 2:
        return None
    try:
        content = base64.b64decode("".join(encoded.split()), validate=True)
    except (binascii.Error, ValueError):
        return None
    if len(content) > MAX_BYTES:
        return None
    size = {"image/png": _png_size, "image/jpeg": _jpeg_size}.get(mime, lambda _content: None)(
        content
    )
    if size is None or not 0 < size[0] * size[1] <= MAX_PIXELS:
        return None
    return base64.b64encode(content).decode("ascii")


def checked_url(url: str) -> str | None:
    """Return the data URL of such an image in canonical form; None for every other URL."""
    if len(url) > MAX_BYTES * 3 // 2:
        return None
    found = _DATA_URL.fullmatch(url.strip())
    encoded = checked(found.group(1), found.group(2)) if found else None
    return f"data:{found.group(1)};base64,{encoded}" if found and encoded else None


def _png_size(content: bytes) -> tuple[int, int] | None:
    if content[:8] != b"\x89PNG\r\n\x1a\n" or content[12:16] != b"IHDR" or len(content) < 24:
        return None
    return struct.unpack(">II", content[16:24])


def _jpeg_size(content: bytes) -> tuple[int, int] | None:
    """Return the size in the frame header, skipping the segments before it."""
    if content[:2] != b"\xff\xd8":
        return None
    place = 2
    while place + 9 <= len(content):
        if content[place] != 0xFF:
            return None
        marker = content[place + 1]
        if marker == 0xFF or marker in _NO_SIZE:
            place += 1 if marker == 0xFF else 2
        elif marker in _SIZES:
            height, width = struct.unpack(">HH", content[place + 5 : place + 9])
            return width, height
        elif marker == 0xDA:  # the image data begins, without a size
            return None
        else:
            place += 2 + max(2, struct.unpack(">H", content[place + 2 : place + 4])[0])
    return None
