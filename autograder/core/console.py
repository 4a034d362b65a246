"""Give the command a rich console that prints only printable text.

The filter sits where rich has made text of everything (strings, tables, progress bars) and has
not yet added colors, so no print of the command can forget it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import IO, Any

import rich.console
from rich.console import ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

from autograder.core.printable import PrintableStream, printable


class Console(rich.console.Console):
    """A console of rich's that is filtered by `printable`."""

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        """Yield a renderable's segments, their text printable."""
        for segment in super().render(renderable, options):
            if segment.control:
                yield segment
            else:
                yield Segment(printable(segment.text), segment.style, None)

    def render_str(self, text: str, **options: Any) -> Text:
        """Return a string as rich's text, printable.

        Args:
            text: may have markup of rich's.
            options: those of the method that this extends.
        """
        # Also before rich measures it, so that columns keep their width.
        return super().render_str(printable(text), **options)

    @property
    def file(self) -> IO[str]:
        """Return the stream that rich writes to."""
        # Colors are escape sequences of our own: they go past the filter of the stream.
        stream = super().file
        return stream.unfiltered if isinstance(stream, PrintableStream) else stream

    @file.setter
    def file(self, stream: IO[str]) -> None:
        self._file = stream
