"""Draw lines over a range, and proportions with their intervals."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from beyond.locale import _, translated
from beyond.ui.figures import GRAY, Chart, use_style


def lines(
    series: dict[str, Sequence[float]],
    x: Sequence[float],
    x_label: str,
    y_label: str,
    title: str,
    *,
    log_x: bool = False,
    log_y: bool = False,
    backwards: bool = False,
    limits: dict[str, float] | None = None,
    show_values: bool = False,
) -> Chart:
    """Draw a line with a marker at each point for each entry of `series`, named in a legend.

    Args:
        series: name to values, one for each `x`.
        x: the common x values.
        x_label: name and unit of the x axis.
        y_label: name and unit of the y axis.
        title: of the chart.
        log_x: whether the x axis is logarithmic.
        log_y: whether the y axis is logarithmic.
        backwards: whether the largest `x` is on the left.
        limits: name to height of dashed horizontal reference lines.
        show_values: whether to label each point with its value.

    Labels are translated into the reader's language.
    """
    series, limits = translated(series), translated(limits or {})
    x_label, y_label, title = translated((x_label, y_label, title))
    use_style()
    figure = Figure()
    axes = figure.subplots()
    for (name, values), marker in zip(series.items(), "osD^vP" * len(series), strict=False):
        axes.plot(x, values, marker=marker, markersize=6, label=name)
        for place, value in zip(x, values, strict=True) if show_values else ():
            axes.annotate(
                f"{value:,.0f}" if value >= 1_000 else f"{value:.3g}",
                (place, value),
                xytext=(-8, 7),
                textcoords="offset points",
                ha="center",
                fontsize=9,
            )
    for name, height in limits.items():
        axes.axhline(height, color=GRAY, linestyle="--", linewidth=1.2)
        axes.annotate(
            name,
            (0, height),
            xycoords=("axes fraction", "data"),
            xytext=(6, -4),
            textcoords="offset points",
            ha="left",
            va="top",
            fontsize=9,
            color="#333333",
        )
    if log_x:
        axes.set_xscale("log")
    if log_y:
        axes.set_yscale("log")
    plain = FuncFormatter(lambda value, _pos: f"{value:,.10g}")
    axes.yaxis.set_major_formatter(plain)
    axes.xaxis.set_major_locator(FixedLocator(list(x)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(plain)
    if backwards:
        axes.invert_xaxis()
    axes.margins(y=0.14)  # room for the labels at the lowest and the highest line
    axes.set_xlabel(x_label)
    axes.set_ylabel(y_label)
    axes.set_title(title)
    if len(series) > 1:
        axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    told = [
        f"{name}: " + ", ".join(f"{a:,.6g} → {b:,.4g}" for a, b in zip(x, values, strict=True))
        for name, values in series.items()
    ]
    told += [f"{name}: {height:,.4g}" for name, height in limits.items()]
    return Chart(figure, f"{title} ({x_label}; {y_label}). " + "; ".join(told) + ".")


def shares(
    groups: Sequence[str],
    right: Sequence[int],
    of: Sequence[int],
    intervals: Sequence[tuple[float, float]],
    title: str,
    chance: float | None = None,
) -> Chart:
    """Draw accuracies as points with intervals, and a dashed line for chance.

    Args:
        groups: their names.
        right: correct answers in each group.
        of: questions in each group.
        intervals: (low, high) of each proportion, e.g. from `beyond.lm.classification.wilson`.
        title: of the chart.
        chance: the fraction that random guessing gets right.

    Labels are translated into the reader's language.
    """
    groups, title = translated(list(groups)), translated(title)
    use_style()
    figure = Figure(figsize=(7.2, 1.3 + 0.55 * len(groups)))
    axes = figure.subplots()
    for row, (hits, count, (low, high)) in enumerate(zip(right, of, intervals, strict=True)):
        share = hits / count
        axes.errorbar(
            100 * share,
            row,
            xerr=[[100 * (share - low)], [100 * (high - share)]],
            fmt="o",
            color="C0",
            markersize=8,
            capsize=5,
            linewidth=2,
        )
        axes.annotate(
            f"{share:.0%}",
            (100 * share, row),
            xytext=(0, 9),
            textcoords="offset points",
            ha="center",
            fontsize=9,
        )
    if chance is not None:
        axes.axvline(100 * chance, color=GRAY, linestyle="--", linewidth=1.2)
        axes.annotate(
            _("chance"),
            (100 * chance, len(groups) - 0.45),
            xytext=(4, 0),
            textcoords="offset points",
            fontsize=9,
            color="#333333",
        )
    axes.set_yticks(range(len(groups)), groups)
    axes.set_ylim(len(groups) - 0.4, -0.6)
    axes.set_xlim(0, 100)
    axes.grid(axis="y", visible=False)
    axes.set_xlabel(_("correct answers, % (with 95% interval)"))
    axes.set_title(title)
    told = [
        _("{group}: {right} of {of}, interval {low:.0%} to {high:.0%}").format(
            group=group, right=hits, of=count, low=low, high=high
        )
        for group, hits, count, (low, high) in zip(groups, right, of, intervals, strict=True)
    ]
    if chance is not None:
        told.append(_("chance is {chance:.0%}").format(chance=chance))
    return Chart(figure, f"{title}. " + "; ".join(told) + ".")
