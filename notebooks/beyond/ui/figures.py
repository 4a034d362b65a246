"""Figures for the lessons: one style, a font with Hangul, and alt text on every figure.

A `Chart` is a matplotlib figure together with the words for those who don't see it. As the last
value of a cell it shows itself. JupyterLab drops the alt text of a PNG output, so a chart is
sent as HTML with an `img` that carries it; front ends without HTML get the words.
"""

from __future__ import annotations

import base64
import html
import importlib.util
import io
import math
import sys
from collections.abc import Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import matplotlib as mpl
from matplotlib import font_manager
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter

from beyond.cost.formula import Option, Swing, break_even, dollars
from beyond.locale import _

HANGUL_FONT = "NanumGothic"
"""Nanum Gothic, SIL Open Font License 1.1, as the package koreanize-matplotlib carries it."""

# Okabe and Ito's colours: told apart with every common colour vision, and in print.
BLUE, ORANGE, GREEN, RED, GREY = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#6E6E6E"

_STYLE = {
    "figure.figsize": (7.2, 3.8),
    "figure.dpi": 110,
    "figure.constrained_layout.use": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.titlelocation": "left",
    # letters moved onto whole pixels lose a part of their tails
    "text.hinting": "no_hinting",
    "axes.unicode_minus": False,  # many Hangul fonts lack the minus sign U+2212
    "grid.color": "#DDDDDD",
    "lines.linewidth": 2.2,
    "font.size": 11,
    "legend.frameon": False,
    "axes.prop_cycle": mpl.cycler(color=[BLUE, ORANGE, GREEN, RED, GREY]),
}


@cache
def _font_family() -> tuple[str, ...]:
    """Fonts to draw with, the first that has a letter is used for it.

    The package that carries the font is only located, never imported: its import needs
    `distutils`, which Python 3.12 no longer has.
    """
    found = importlib.util.find_spec("koreanize_matplotlib")
    if found and found.submodule_search_locations:
        folder = Path(found.submodule_search_locations[0]) / "fonts"
        for name in ("NanumGothic.ttf", "NanumGothicBold.ttf"):
            if (folder / name).is_file():
                font_manager.fontManager.addfont(folder / name)
    here = {font.name for font in font_manager.fontManager.ttflist}
    # The others are what macOS, Windows and Linux desktops have.
    choices = (HANGUL_FONT, "Noto Sans CJK KR", "Apple SD Gothic Neo", "Malgun Gothic")
    hangul = [name for name in choices if name in here][:1]
    return (*hangul, "DejaVu Sans")


def use_style() -> None:
    """Draw every figure from now on in the course's style, Hangul included."""
    mpl.rcParams.update(_STYLE | {"font.family": list(_font_family())})


@contextmanager
def _style():
    with mpl.rc_context(_STYLE | {"font.family": list(_font_family())}):
        yield


@dataclass(frozen=True)
class Chart:
    """A figure and its alt text: what it shows, in words, with the numbers that matter.

    Raises:
        ValueError: if the alt text is empty.
    """

    figure: Figure
    alt: str

    def __post_init__(self) -> None:
        if not self.alt.strip():
            raise ValueError("A figure needs alt text: say what it shows.")
        pyplot = sys.modules.get("matplotlib.pyplot")
        if pyplot:  # it would show the figure a second time at the end of the cell
            pyplot.close(self.figure)

    def png(self) -> bytes:
        """The figure as a PNG file."""
        buffer = io.BytesIO()
        with _style():
            # tight: the lines of a Hangul font are taller than the layout reckons with
            self.figure.savefig(buffer, format="png", bbox_inches="tight", pad_inches=0.12)
        return buffer.getvalue()

    def html(self) -> str:
        """The figure as an HTML image with its alt text."""
        data = base64.b64encode(self.png()).decode("ascii")
        return (
            f'<img src="data:image/png;base64,{data}" alt="{html.escape(self.alt)}" '
            'style="max-width:100%">'
        )

    def _repr_mimebundle_(self, include=None, exclude=None) -> dict[str, str]:
        return {"text/plain": self.alt, "text/html": self.html()}


def bars(values: dict[str, Sequence[float]], groups: Sequence[str], unit: str, title: str) -> Chart:
    """Bars side by side: one colour for each key of `values`, one cluster for each group.

    The value stands at each bar, so that nothing has to be read off an axis.
    """
    with _style():
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


def tornado(swings: Sequence[Swing], base: float, unit: str, title: str) -> Chart:
    """A tornado chart: the widest swing on top, each bar from the result at low to that at high.

    Args:
        swings: from `beyond.cost.formula.sensitivity`, already in order, names to be shown to a reader.
        base: the result with every unknown at its base value; the vertical line.
        unit: what the axis counts.
        title: what was varied.

    An infinite result is drawn as a bar that runs off the chart, marked "∞".
    """
    finite = [v for s in swings for v in (s.at_low, s.at_high, base) if math.isfinite(v)]
    left, right = min(finite, default=0.0), max(finite, default=1.0)
    edge = right + 0.15 * ((right - left) or 1.0)
    with _style():
        figure = Figure(figsize=(7.2, 1.6 + 0.5 * len(swings)))
        axes = figure.subplots()
        for row, swing in enumerate(swings):
            for value, given, colour in (
                (swing.at_low, swing.low, BLUE),
                (swing.at_high, swing.high, ORANGE),
            ):
                end = min(value, edge)
                axes.barh(row, end - base, left=base, color=colour, height=0.62)
                beyond_edge = "  ∞" if math.isinf(value) else ""
                axes.annotate(
                    f"{given:,.6g}{beyond_edge}",
                    (end, row),
                    xytext=(4 if end >= base else -4, 0),
                    textcoords="offset points",
                    ha="left" if end >= base else "right",
                    va="center",
                    fontsize=9,
                )
        axes.axvline(base, color="black", linewidth=1)
        axes.set_yticks(range(len(swings)), [swing.name for swing in swings])
        axes.invert_yaxis()
        axes.grid(axis="y", visible=False)
        axes.margins(x=0.16)
        axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _pos: f"{x:,.0f}"))
        axes.set_xlabel(unit)
        axes.set_title(title)
        axes.legend(
            handles=[
                Patch(color=BLUE, label=_("low value")),
                Patch(color=ORANGE, label=_("high value")),
            ],
            loc="lower right",
            fontsize=9,
        )
    rows = [
        _(
            "{name} from {low:,.6g} to {high:,.6g} moves the result from {at_low} to {at_high}"
        ).format(
            name=s.name, low=s.low, high=s.high, at_low=_count(s.at_low), at_high=_count(s.at_high)
        )
        for s in swings
    ]
    start = _("{title}: tornado chart around {base} ({unit}), widest bar first.").format(
        title=title, base=_count(base), unit=unit
    )
    return Chart(figure, f"{start} " + "; ".join(rows) + ".")


def break_even_chart(before: Option, after: Option, calls: float) -> Chart:
    """Dollars a month against calls a month for two options, with N* and today's calls marked.

    Fixed costs are those of a month (hosting and retraining).
    """
    extra = max(after.fixed - before.fixed, 0.0)
    crossing = break_even(extra, before.call, after.call)
    shown = [value for value in (calls, crossing) if math.isfinite(value) and value > 0]
    furthest = 1.6 * max(shown, default=1_000)
    if math.isfinite(crossing) and crossing > 20 * max(calls, 1):
        furthest = 2 * max(calls, 1)  # a crossing far away would squeeze today into a corner
    with _style():
        figure = Figure()
        axes = figure.subplots()
        for option, style in ((before, "-"), (after, "--")):
            ends = [option.monthly(0), option.monthly(furthest)]
            axes.plot([0, furthest], ends, style, label=option.label)
        axes.axvline(calls, color=GREY, linewidth=1.2, linestyle=":")
        # the x in data, the y in the axes: a label at the foot of the line
        place = axes.get_xaxis_transform()
        axes.text(calls, 0.02, " " + _("today"), transform=place, color=GREY, fontsize=10)
        if 0 < crossing <= furthest:
            height = before.monthly(crossing)
            axes.plot([crossing], [height], "o", color="black", markersize=7, zorder=5)
            axes.annotate(
                f"N* = {crossing:,.0f}",
                (crossing, height),
                xytext=(8, -14),
                textcoords="offset points",
            )
        axes.set_xlim(0, furthest)
        axes.set_ylim(bottom=0)
        axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _pos: f"{x:,.0f}"))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _pos: f"${y:,.0f}"))
        axes.set_xlabel(_("calls per month"))
        axes.set_ylabel(_("dollars per month"))
        axes.set_title(_("What a month costs, and where the lines cross"))
        # opaque, so that no line runs through the words
        axes.legend(loc="upper left", frameon=True, framealpha=1, edgecolor="none")
    alt = _(
        "Dollars per month against calls per month. {before} starts at {before_fixed} and rises by "
        "{before_call} per call; {after} starts at {after_fixed} and rises by {after_call} per "
        "call. They cross at {crossing} calls per month; today there are {calls}."
    ).format(
        before=before.label,
        before_fixed=dollars(before.fixed),
        before_call=dollars(before.call),
        after=after.label,
        after_fixed=dollars(after.fixed),
        after_call=dollars(after.call),
        crossing=_count(crossing),
        calls=_count(calls),
    )
    return Chart(figure, alt)


def _count(number: float) -> str:
    return f"{number:,.0f}" if math.isfinite(number) else "∞"
