"""Show plain tables: as HTML in a notebook, as text in a terminal."""

from __future__ import annotations

import html
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from beyond.locale import translated

_LEFT = ' style="text-align:left"'


@dataclass(frozen=True)
class Table:
    """A table with a caption; the first column has the row's name, the others its values.

    A notebook shows it as HTML with real header cells, which a screen reader announces;
    `print` shows aligned text. Words are translated into the reader's language.
    """

    caption: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]

    def __post_init__(self) -> None:
        for name in ("caption", "header"):
            object.__setattr__(self, name, translated(getattr(self, name)))
        object.__setattr__(self, "rows", [translated(tuple(row)) for row in self.rows])
        for row in self.rows:
            if len(row) != len(self.header):
                raise ValueError(f"A row has {len(row)} cells, the header {len(self.header)}.")

    def __str__(self) -> str:
        lines = [list(self.header), *[list(row) for row in self.rows]]
        widths = [max(_width(line[i]) for line in lines) for i in range(len(self.header))]
        text = [_line(line, widths) for line in lines]
        text.insert(1, "  ".join("-" * width for width in widths))
        return "\n".join([self.caption, *text])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        # JupyterLab right-aligns every cell, which suits numbers but not names.
        head = "".join(
            f'<th scope="col"{_LEFT if i == 0 else ""}>{html.escape(name)}</th>'
            if name
            else "<td></td>"  # a header cell without a name heads nothing
            for i, name in enumerate(self.header)
        )
        body = "".join(
            f'<tr><th scope="row"{_LEFT}>{html.escape(row[0])}</th>'
            + "".join(f"<td>{html.escape(cell)}</td>" for cell in row[1:])
            + "</tr>"
            for row in self.rows
        )
        return (
            f"<table><caption{_LEFT}>{html.escape(self.caption)}</caption>"
            f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
        )


def _width(text: str) -> int:
    """Return the width in terminal columns, two per Hangul syllable."""
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text)


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    first, *others = zip(cells, widths, strict=True)
    name = first[0] + " " * (first[1] - _width(first[0]))
    return "  ".join([name, *(" " * (w - _width(cell)) + cell for cell, w in others)]).rstrip()
