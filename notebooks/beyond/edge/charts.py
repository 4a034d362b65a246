"""Draw variants: speed against quality, and speed against the memory bandwidth limit."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from beyond.locale import _
from beyond.ui.figures import BLUE, GRAY, GREEN, ORANGE, RED, Chart, use_style

# Okabe and Ito's colors as in beyond.ui.figures, and one more; each has its own marker, too.
_MARKERS = "osD^vP"
_COLORS = (BLUE, ORANGE, GREEN, RED, GRAY, "#CC79A7")


def pareto(points: Sequence[tuple[float, float]]) -> list[int]:
    """Find the Pareto-optimal (speed, perplexity) points: none is better in both.

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
        speeds: decode throughput, in tokens per second.
        perplexities: one for each name.
        lost: the perplexity above which a variant is unusable; it is drawn as a cross and left out
            of the Pareto front, however fast it is.
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
        label=_("no variant is better in both"),
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
            label=name + (_(" (unusable)") if broken else ""),
        )
    axes.axhline(lost, color=RED, linewidth=1, linestyle=":")
    axes.annotate(
        _("unusable above this line"),
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
    axes.set_xlabel(_("decode, tokens per second (higher is better)"))
    axes.set_ylabel(_("perplexity (lower is better)"))
    axes.set_title(_("Speed against quality"))
    _name_beside(axes)
    told = [
        _("{name}: {speed:.0f} tokens per second at perplexity {worse:.1f}").format(
            name=name, speed=speed, worse=worse
        )
        + (_(" (unusable)") if worse >= lost else "")
        for name, speed, worse in zip(names, speeds, perplexities, strict=True)
    ]
    return Chart(figure, _("Speed against quality.") + " " + "; ".join(told) + ".")


def limit(
    names: Sequence[str], megabytes: Sequence[float], speeds: Sequence[float], gb_s: float
) -> Chart:
    """Draw decode throughput against the bytes read per token, with the bandwidth limit.

    Args:
        names: of the variants.
        megabytes: read for each token, in 10^6 bytes.
        speeds: decode throughput, in tokens per second.
        gb_s: this machine's memory bandwidth, in 10^9 bytes per second.
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
        label=_("bound: {gb:.0f} GB/s ÷ bytes per token").format(gb=gb_s),
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
    axes.set_xlabel(_("megabytes read per token"))
    axes.set_ylabel(_("decode, tokens per second"))
    axes.set_title(_("How close each variant comes to its bound"))
    _name_beside(axes)
    told = [
        _("{name}: {speed:.0f} tokens per second, the bound is {most:.0f}").format(
            name=name, speed=speed, most=gb_s * 1e3 / mb
        )
        for name, mb, speed in zip(names, megabytes, speeds, strict=True)
    ]
    start = _("Tokens per second against megabytes read per token; the memory reads {gb:.0f} GB/s.")
    return Chart(figure, start.format(gb=gb_s) + " " + "; ".join(told) + ".")


def _name_beside(axes: Axes) -> None:
    """Put the names next to the chart, because labels at the points would overlap."""
    axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), fontsize=9)


def _round_ticks(low: float, high: float, steps: Sequence[float] = (1, 2, 3, 5)) -> list[float]:
    """Return the ticks: the steps times powers of ten, slightly beyond both ends."""
    ticks = [step * 10**power for power in range(-2, 6) for step in steps]
    return [tick for tick in ticks if low / 1.6 <= tick <= high * 1.6]
