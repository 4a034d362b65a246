"""Show how a text is tokenized, with alternating colors for the tokens.

For readers who can't distinguish the colors, each token also has an edge and its number as a
tooltip, and the same tokens are available as plain text.
"""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass

import ipywidgets

from beyond.lm import tokens
from beyond.locale import _
from beyond.ui.figures import THEME_STYLE, THEMED
from beyond.ui.tables import Table
from beyond.ui.widgets import PlainBox

# Light shades of the figures' colors; black text on each has a contrast of at least 10 : 1.
_SHADES = ("#CFE5F2", "#FBE7BF", "#C9E9DE", "#F6D5C5", "#E3E3E3")

SHOWN = 600
"""The most tokens that are drawn; further ones are only counted."""


@dataclass(frozen=True)
class ColoredTokens:
    """A text with its tokens marked, displayed as the last value of a cell."""

    text: str
    tokenizer: str = "tekken"

    def __str__(self) -> str:
        pieces = tokens.pieces(self.text, self.tokenizer)
        return " | ".join(pieces[:SHOWN]) + (" | …" if len(pieces) > SHOWN else "")

    __repr__ = __str__

    def _repr_html_(self) -> str:
        ids = tokens.encode(self.text, self.tokenizer)
        pieces = tokens.pieces(self.text, self.tokenizer)
        parts = []
        for number, (token, piece) in enumerate(zip(ids, pieces, strict=True)):
            if number == SHOWN:
                parts.append("…")
                break
            shown = html.escape(piece).replace("\n", "↵")
            parts.append(
                f'<span title="{token}" style="background:{_SHADES[number % len(_SHADES)]};'
                f"color:#000;border-left:1px solid #555;padding:1px 2px;margin:1px 0;"
                f'display:inline-block;white-space:pre-wrap">{shown}</span>'
                + ("<br>" if "\n" in piece else "")
            )
        name = tokens.NAMES[self.tokenizer]
        label = html.escape(_("{name}: {count} tokens").format(name=name, count=len(ids)))
        # bdi: each token keeps its own direction, so Arabic tokens are in reading order
        return (
            f"<p style='margin:4px 0'><b>{label}</b></p>"
            f"{THEME_STYLE}<div dir='auto' class='{THEMED}' "
            f"style='color:#000;line-height:1.9;font-family:monospace'>{''.join(parts)}</div>"
        )


def counts(text: str, tokenizers: Sequence[str] | None = None) -> Table:
    """Tabulate the number of tokens of `text` per tokenizer, also per character and byte."""
    letters, size = len(text), len(text.encode())
    rows = []
    for name in tokenizers or tokens.NAMES:
        count = tokens.count(text, name)
        each = f"{letters / count:.2f}" if count else "–"
        rows.append((tokens.NAMES[name], str(count), each))
    caption = _("{letters:,} characters, {bytes:,} bytes").format(letters=letters, bytes=size)
    return Table(caption, (_("tokenizer"), _("tokens"), _("characters per token")), rows)


class TokenViewer(PlainBox):
    """Type a text and see its tokens, with each tokenizer; a table counts them.

    `text` is the field, `tokenizer` the choice, `table` the counts of the current text.
    """

    def __init__(self, text: str, tokenizer: str = "tekken") -> None:
        wide = ipywidgets.Layout(width="98%")
        self.text = ipywidgets.Textarea(
            value=text, description=_("text"), rows=4, layout=wide, continuous_update=True
        )
        self.tokenizer = ipywidgets.ToggleButtons(
            options=[(shown, name) for name, shown in tokens.NAMES.items()],
            value=tokenizer,
            description=_("tokenizer"),
        )
        self._drawn = ipywidgets.HTML()
        self._counted = ipywidgets.HTML()
        for control in (self.text, self.tokenizer):
            control.observe(self._changed, names="value")
        super().__init__(
            [self.text, self.tokenizer, self._drawn, self._counted], lambda: _Plain(self)
        )
        self._changed()

    @property
    def colored(self) -> ColoredTokens:
        """The current text, tokenized by the selected tokenizer."""
        return ColoredTokens(self.text.value, self.tokenizer.value)

    @property
    def table(self) -> Table:
        """The counts of the current text."""
        return counts(self.text.value)

    def _changed(self, change: object = None) -> None:
        self._drawn.value = self.colored._repr_html_()
        self._counted.value = f'<div aria-live="polite">{self.table._repr_html_()}</div>'


class _Plain:
    """The viewer where there are no widgets: the same tokens and the same table."""

    def __init__(self, viewer: TokenViewer) -> None:
        self._viewer = viewer

    def __str__(self) -> str:
        return f"{self._viewer.colored}\n\n{self._viewer.table}"

    def _repr_html_(self) -> str:
        return self._viewer.colored._repr_html_() + self._viewer.table._repr_html_()
