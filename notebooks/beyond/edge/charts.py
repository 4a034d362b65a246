"""Two figures of forms: speed against quality, and speed against the limit of the memory."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from beyond.locale import _
from beyond.ui.figures import BLUE, GRAY, GREEN, ORANGE, RED, Chart, use_style

# Okabe and Ito's colors as in beyond.ui.figures, and one more; a form of its own for each, too.
_MARKERS = "osD^vP"
_COLORS = (BLUE, ORANGE, GREEN, RED, GRAY, "#CC79A7")


def pareto(points: Sequence[tuple[float, float]]) -> list[int]:
    """Find the (speed, perplexity) points that no other one beats in both.

    Returns:
        Their indices, from slow to fast.
    """
    best = [
        i
        for i, (speed, worse) in enumerate(points)
        if not any(s >= speed and w <= worse and (s, w) != (speed, worse) for s, w in points)
    ]
    return sorted(best, key=lambda i: points[i])


def speed_and_quality(
    names: Sequence[str], speeds: Sequence[float], perplexities: Sequence[float], lost: float
) -> Chart:
    """Draw a Pareto chart: tokens a second to the right, perplexity upwards (so low is good).

    Args:
        names: of the variants.
        speeds: tokens a second while writing.
        perplexities: one for each name.
        lost: a perplexity from which on a form has lost the model; it is drawn as a cross, and
            is no choice, however fast.
    """
    use_style()
    figure = Figure(figsize=(8.4, 4.2))
    axes = figure.subplots()
    kept = [(s, w) for s, w in zip(speeds, perplexities, strict=True) if w < lost]
    front = [kept[i] for i in pareto(kept)]
    axes.plot(
        [speed for speed, _worse in front],
        [worse for _speed, worse in front],
        color=GRAY,
        linestyle="--",
        linewidth=1.4,
        drawstyle="steps-post",
        label=_("no form is better in both"),
    )
    for i, (name, speed, worse) in enumerate(zip(names, speeds, perplexities, strict=True)):
        broken = worse >= lost
        axes.plot(
            speed,
            worse,
            "X" if broken else _MARKERS[i % 6],
            color=_COLORS[i % 6],
            markersize=10,
            linestyle="",
            label=name + (_(" (model lost)") if broken else ""),
        )
    axes.axhline(lost, color=RED, linewidth=1, linestyle=":")
    axes.annotate(
        _("from here on the model is lost"),
        (0, lost),
        xycoords=("axes fraction", "data"),
        xytext=(4, 4),
        textcoords="offset points",
        color=RED,
        fontsize=9,
    )
    axes.set_yscale("log")
    low, high = min(perplexities), max(*perplexities, lost)
    axes.set_ylim(low / (high / low) ** 0.18, high * (high / low) ** 0.14)
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_locator(FixedLocator(_round_ticks(low, high, (1, 1.5, 2, 3, 4, 5, 7))))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _pos: f"{value:g}"))
    axes.set_xlim(0, 1.15 * max(speeds))
    axes.set_xlabel(_("tokens a second while writing (more is better)"))
    axes.set_ylabel(_("perplexity (less is better)"))
    axes.set_title(_("Speed against quality"))
    _name_beside(axes)
    told = [
        _("{name}: {speed:.0f} tokens a second at perplexity {worse:.1f}").format(
            name=name, speed=speed, worse=worse
        )
        + (_(" (model lost)") if worse >= lost else "")
        for name, speed, worse in zip(names, speeds, perplexities, strict=True)
    ]
    return Chart(figure, _("Speed against quality.") + " " + "; ".join(told) + ".")


def limit(
    names: Sequence[str], megabytes: Sequence[float], speeds: Sequence[float], gb_s: float
) -> Chart:
    """Draw tokens a second against the bytes that each token reads, and the memory's limit.

    Args:
        names: of the variants.
        megabytes: read for each token, in 10^6 bytes.
        speeds: tokens a second while writing.
        gb_s: how fast this machine reads memory, in 10^9 bytes a second.
    """
    use_style()
    figure = Figure(figsize=(8.4, 4.2))
    axes = figure.subplots()
    ends = [0.7 * min(megabytes), 1.5 * max(megabytes)]
    axes.plot(
        ends,
        [gb_s * 1e3 / mb for mb in ends],
        color=GRAY,
        linewidth=1.6,
        label=_("limit: {gb:.0f} GB/s ÷ bytes per token").format(gb=gb_s),
    )
    for i, (name, mb, speed) in enumerate(zip(names, megabytes, speeds, strict=True)):
        share = speed * mb / (gb_s * 1e3)
        axes.plot(
            mb,
            speed,
            _MARKERS[i % 6],
            color=_COLORS[i % 6],
            markersize=10,
            linestyle="",
            label=_("{name}, {share:.0%} of it").format(name=name, share=share),
        )
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlim(*ends)
    for axis, values in ((axes.xaxis, megabytes), (axes.yaxis, [*speeds, gb_s * 1e3 / ends[0]])):
        axis.set_minor_locator(NullLocator())
        axis.set_major_locator(FixedLocator(_round_ticks(min(values), max(values))))
        axis.set_major_formatter(FuncFormatter(lambda value, _pos: f"{value:,g}"))
    axes.set_xlabel(_("megabytes read for each token"))
    axes.set_ylabel(_("tokens a second"))
    axes.set_title(_("How near each form comes to what the memory allows"))
    _name_beside(axes)
    told = [
        _("{name}: {speed:.0f} tokens a second, the limit is {most:.0f}").format(
            name=name, speed=speed, most=gb_s * 1e3 / mb
        )
        for name, mb, speed in zip(names, megabytes, speeds, strict=True)
    ]
    start = _("Tokens a second against megabytes read for each token; memory reads {gb:.0f} GB/s.")
    return Chart(figure, start.format(gb=gb_s) + " " + "; ".join(told) + ".")


def _name_beside(axes: Axes) -> None:
    """Put the names beside the chart: at the points they would cover each other."""
    axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), fontsize=9)


def _round_ticks(low: float, high: float, steps: Sequence[float] = (1, 2, 3, 5)) -> list[float]:
    """Return the steps times powers of ten, a little beyond both ends."""
    ticks = [step * 10**power for power in range(-2, 6) for step in steps]
    return [tick for tick in ticks if low / 1.6 <= tick <= high * 1.6]
