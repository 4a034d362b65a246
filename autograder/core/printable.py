"""Make text of unknown origin safe to show: in a terminal, a CSV, a log or a page.

A terminal obeys escape sequences (some put text into the reader's clipboard), a line break in a
file's name forges a line of a report, a bidirectional override shows `exe.txt` for `txt.exe`, a
zero-width character makes two names look alike, and half a surrogate pair ends the program that
prints it. Whatever is not plain text becomes one visible mark, so that nothing goes unseen.
"""

from __future__ import annotations

import io
import re
from typing import TextIO

MARK = "\N{REPLACEMENT CHARACTER}"
"""What stands where a character was that is not shown."""

# Written out, because asking unicodedata for all of Unicode takes a tenth of a second at start.
_CONTROLS = "\x00-\x08\x0b-\x1f\x7f-\x9f"
_SURROGATES = "\ud800-\udfff"
_SEPARATORS = "\u2028\u2029"
_INVISIBLE = (
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b\u200c\u200e\u200f"
    "\u202a-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff0-\ufffb"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
# A joiner stays where it makes one emoji of two.
_EMOJI = "\u2600-\u27bf\U0001f000-\U0001faff"
_JOINER = f"(?<![\ufe0f{_EMOJI}])\u200d|\u200d(?![{_EMOJI}])"
_BLOCK = re.compile(f"[{_CONTROLS}{_SURROGATES}{_SEPARATORS}{_INVISIBLE}]|{_JOINER}")
_LINE_BREAKS = re.compile("\r\n?|[\n\t\v\f\x85\u2028\u2029]")


def printable(text: object) -> str:
    """Return text of any number of lines with a mark for each character that is not plain.

    Line feeds and tabs stay. Doing it twice changes nothing.
    """
    return _BLOCK.sub(MARK, str(text))


def one_line(text: object) -> str:
    """Return text on one line: a line break or tab becomes a mark as well.

    For every value that stands in a line of ours: a name, a path, somebody else's message.
    """
    return printable(_LINE_BREAKS.sub(MARK, str(text)))


def printable_value(value: object) -> object:
    """Return a template's value with its text printable; HTML stays HTML.

    As `finalize` of a Jinja environment it is passed by everything that a page shows.
    """
    return type(value)(printable(value)) if isinstance(value, str) else value


class PrintableStream(io.TextIOBase):
    """A text stream that lets only printable text through to another.

    Attributes:
        unfiltered: the stream behind it, for a writer that filters by itself.
    """

    def __init__(self, stream: TextIO) -> None:
        super().__init__()
        self.unfiltered = stream

    def write(self, text: str) -> int:
        """Write text with a mark for each character that is not plain.

        Returns:
            The number of characters of `text`.

        Raises:
            TypeError: it isn't text.
        """
        if not isinstance(text, str):
            # click asks by an empty write of bytes whether a stream is a binary one.
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        self.unfiltered.write(printable(text))
        return len(text)

    def flush(self) -> None:
        """Flush the stream behind this one."""
        self.unfiltered.flush()

    def isatty(self) -> bool:
        """Return whether the stream behind this one is a terminal."""
        return self.unfiltered.isatty()

    def fileno(self) -> int:
        """Return the descriptor of the stream behind this one."""
        return self.unfiltered.fileno()

    def writable(self) -> bool:
        """Return True: text can be written here."""
        return True

    @property
    def encoding(self) -> str:  # type: ignore[override]  # typeshed has an attribute here
        """Return the encoding of the stream behind this one."""
        return self.unfiltered.encoding

    @property
    def errors(self) -> str | None:  # type: ignore[override]  # typeshed has an attribute here
        """Return how the stream behind this one treats what it can't encode."""
        return self.unfiltered.errors
