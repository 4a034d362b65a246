"""A rich console that prints only printable text, whatever it is given.

The filter sits where rich has made text of everything (strings, tables, progress bars) and has
not yet added colors, so no print of the command can forget it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import IO

import rich.console
from rich.segment import Segment

from autograder.core.printable import printable


class Console(rich.console.Console):
    """rich's console, filtered by `printable`."""

    def render(
        self, renderable: object, options: rich.console.ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        for segment in super().render(renderable, options):
            if segment.control:
                yield segment
            else:
                yield Segment(printable(segment.text), segment.style, None)

    def render_str(self, text: str, **options: object) -> object:
        # Also before rich measures it, so that columns keep their width.
        return super().render_str(printable(text), **options)

    @property
    def file(self) -> IO[str]:
        # Colors are escape sequences of our own: they go past the filter of the stream.
        stream = super().file
        return getattr(stream, "unfiltered", stream)

    @file.setter
    def file(self, stream: IO[str]) -> None:
        self._file = stream
