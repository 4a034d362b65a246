"""Make text readable: without control characters, and shortened if it is too long.

A remark in the current language says where text was left out.
"""

from __future__ import annotations

import re

from autograder.i18n import _

MAX_LINES = 200
"""The most lines of one text; a longer one is shortened in the middle."""

MAX_LINE_CHARS = 2_000
"""The most characters of one line."""

MAX_TEXT_CHARS = 20_000
"""The most characters of one text."""

_ESCAPES = re.compile(
    r"\x1b(?:\[[0-9;?]*[ -/]*[@-~]|\][^\x07\x1b]{0,200}(?:\x07|\x1b\\)|[@-Z\\-_])"
)
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def plain(text: object) -> str:
    """Return text without terminal escapes and control characters; lone surrogates become `?`.

    Of a line that was overwritten, as progress bars do, only the last version is kept.
    """
    text = "".join(map(str, text)) if isinstance(text, list) else str(text)
    text = _ESCAPES.sub("", text).replace("\r\n", "\n")
    if "\r" in text:
        text = "\n".join(_last_written(line) for line in text.split("\n"))
    return _CONTROLS.sub("", text).encode("utf-8", "replace").decode("utf-8")


def _last_written(line: str) -> str:
    return next((part for part in reversed(line.split("\r")) if part), "")


def shortened(text: str, most: int = MAX_TEXT_CHARS, lines: int = MAX_LINES) -> str:
    """Shorten text in the middle, with a remark on how much is left out.

    Args:
        text: the text.
        most: the most characters, not counting the remark.
        lines: the most lines.
    """
    found = text.split("\n")
    if len(found) > lines:
        head = max(1, lines * 2 // 3)
        tail = lines - head
        said = _("… {count:,} lines left out here …").format(count=len(found) - lines)
        found = [*found[:head], said, *found[len(found) - tail :]]
    kept = [_cut(line, MAX_LINE_CHARS) for line in found]
    return _cut("\n".join(kept), most)


def _cut(text: str, most: int) -> str:
    if len(text) <= most + 100:  # the remark is about as long
        return text
    head = most * 2 // 3
    gone = len(text) - most
    said = _(" … {count:,} characters left out here … ").format(count=gone)
    return text[:head] + said + text[len(text) - (most - head) :]


def readable(text: object, most: int = MAX_TEXT_CHARS, lines: int = MAX_LINES) -> str:
    """Return text without control characters, and shortened if it is too long.

    Args:
        text: a string, or a list of lines as notebooks have it.
        most: the most characters, not counting a remark on what is left out.
        lines: the most lines.
    """
    return shortened(plain(text), most, lines)
