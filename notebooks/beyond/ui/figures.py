"""Draw the lessons' figures in one style, with a Hangul font and alt text.

A `Chart` is a matplotlib figure with its alt text, displayed as the last value of a cell.
JupyterLab drops the alt text of a PNG output, so a chart is sent as HTML with an `img` that has
it; front ends without HTML get the alt text alone.
"""

from __future__ import annotations

import base64
import html
import importlib.util
import io
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import matplotlib as mpl
from cycler import cycler
from matplotlib import font_manager
from matplotlib.figure import Figure

from beyond.locale import translated

HANGUL_FONT = "NanumGothic"
"""Nanum Gothic, SIL Open Font License 1.1, from the package koreanize-matplotlib."""

# Okabe and Ito's colors: distinguishable with common color vision deficiencies, and in print.
# Orange and red are darker than theirs, for a contrast of 3 : 1 with the page.
BLUE, ORANGE, GREEN, RED, GRAY = "#0072B2", "#C98500", "#009E73", "#B84A00", "#6E6E6E"

THEMED = "beyond-themed"
"""The class of what is drawn for a light page, and turned for a dark one by `THEME_STYLE`."""

# Lightness is inverted and hues stay: white becomes JupyterLab's dark page, black nearly white.
# The selectors are JupyterLab's, VS Code's, Colab's and Sphinx's for a dark theme.
THEME_STYLE = (
    '<style>:is([data-jp-theme-light="false"], .vscode-dark, html[theme="dark"], '
    f'html[data-theme="dark"]) .{THEMED} '
    "{ filter: invert(0.93) hue-rotate(180deg); }</style>"
)
"""What makes themed HTML follow the page's theme; the same style twice does no harm."""

_STYLE: dict[Any, Any] = {
    "figure.figsize": (7.2, 3.8),
    "figure.dpi": 110,
    "figure.constrained_layout.use": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.titlelocation": "left",
    # hinting to whole pixels clips parts of letters
    "text.hinting": "no_hinting",
    "axes.unicode_minus": False,  # many Hangul fonts lack the minus sign U+2212
    "grid.color": "#DDDDDD",
    "lines.linewidth": 2.2,
    "font.size": 11,
    "legend.frameon": False,
    "axes.prop_cycle": cycler(color=[BLUE, ORANGE, GREEN, RED, GRAY]),
}


@cache
def _font_family() -> tuple[str, ...]:
    """Return the fonts to draw with, in order of preference for each character.

    The package that contains the font is only located, never imported: its import needs
    `distutils`, which Python 3.12 no longer has.
    """
    found = importlib.util.find_spec("koreanize_matplotlib")
    if found and found.submodule_search_locations:
        folder = Path(found.submodule_search_locations[0]) / "fonts"
        for name in ("NanumGothic.ttf", "NanumGothicBold.ttf"):
            if (folder / name).is_file():
                font_manager.fontManager.addfont(folder / name)
    here = {font.name for font in font_manager.fontManager.ttflist}
    # The others are fonts of macOS, Windows and Linux desktops.
    choices = (HANGUL_FONT, "Noto Sans CJK KR", "Apple SD Gothic Neo", "Malgun Gothic")
    hangul = [name for name in choices if name in here][:1]
    return (*hangul, "DejaVu Sans")


def use_style() -> None:
    """Draw every figure from now on in the course's style, Hangul included."""
    mpl.rcParams.update(_STYLE | {"font.family": list(_font_family())})


@contextmanager
def style() -> Iterator[None]:
    """Draw in the course's style inside a `with` block, Hangul included."""
    with mpl.rc_context(_STYLE | {"font.family": list(_font_family())}):
        yield


@dataclass(frozen=True)
class Chart:
    """A figure and its alt text, which describes it with its key numbers.

    On a page with a dark theme it is shown dark, unless `keep_colors` is set, as for pictures.

    Raises:
        ValueError: if the alt text is empty.
    """

    figure: Figure
    alt: str
    keep_colors: bool = False

    def __post_init__(self) -> None:
        if not self.alt.strip():
            raise ValueError("A figure needs alt text: say what it shows.")
        pyplot = sys.modules.get("matplotlib.pyplot")
        if pyplot:  # otherwise the figure would be shown again at the end of the cell
            pyplot.close(self.figure)

    def png(self) -> bytes:
        """Return the figure as a PNG file."""
        buffer = io.BytesIO()
        with style():
            # tight: lines in a Hangul font are taller than the layout assumes
            self.figure.savefig(buffer, format="png", bbox_inches="tight", pad_inches=0.12)
        return buffer.getvalue()

    def html(self) -> str:
        """Return the figure as an HTML image with its alt text."""
        data = base64.b64encode(self.png()).decode("ascii")
        image = (
            f'<img src="data:image/png;base64,{data}" alt="{html.escape(self.alt)}" '
            f'class="{"" if self.keep_colors else THEMED}" style="max-width:100%">'
        )
        return image if self.keep_colors else THEME_STYLE + image

    def _repr_mimebundle_(self, include=None, exclude=None) -> dict[str, str]:
        return {"text/plain": self.alt, "text/html": self.html()}


def bars(values: dict[str, Sequence[float]], groups: Sequence[str], unit: str, title: str) -> Chart:
    """Draw bars side by side: a color for each key of `values`, a cluster for each group.

    Each bar is labeled with its value. Labels are translated into the reader's language.
    """
    values, groups = translated(values), translated(list(groups))
    unit, title = translated(unit), translated(title)
    with style():
        figure = Figure()
        axes = figure.subplots()
        height = 0.8 / len(values)
        for i, (name, numbers) in enumerate(values.items()):
            places = [row + i * height for row in range(len(groups))]
            drawn = axes.barh(places, numbers, height * 0.92, label=name)
            axes.bar_label(drawn, fmt="{:,.4g}", padding=3, fontsize=9)
        middle = height * (len(values) - 1) / 2
        axes.set_yticks([row + middle for row in range(len(groups))], groups)
        axes.invert_yaxis()
        axes.grid(axis="y", visible=False)
        axes.margins(x=0.12)
        axes.set_xlabel(unit)
        axes.set_title(title)
        if len(values) > 1:
            axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    rows = [
        f"{group}: " + ", ".join(f"{name} {values[name][i]:,.4g}" for name in values)
        for i, group in enumerate(groups)
    ]
    return Chart(figure, f"{title} ({unit}). " + "; ".join(rows) + ".")
