"""Draw cost charts: sensitivity, break-even point, and accuracy against cost."""

from __future__ import annotations

import math
from collections.abc import Sequence

from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, LogLocator

from beyond.cost.formula import Option, Swing, break_even, dollars
from beyond.locale import _, translated
from beyond.ui.figures import BLUE, GRAY, ORANGE, Chart, style, use_style


def quality_and_cost(
    names: Sequence[str],
    costs: Sequence[float],
    right: Sequence[float],
    intervals: Sequence[tuple[float, float]],
    title: str,
    chance: float | None = None,
) -> Chart:
    """Draw the accuracy of each way of doing a task, with its interval, against its cost.

    Args:
        names: of the ways.
        costs: dollars for 1,000 calls, all above 0; the axis is logarithmic.
        right: fraction of correct answers.
        intervals: (low, high) of each fraction.
        title: of the chart.
        chance: the fraction that random guessing gets right.

    Labels are translated into the reader's language.
    """
    names, title = translated(list(names)), translated(title)
    use_style()
    figure = Figure(figsize=(7.2, 4.2))
    axes = figure.subplots()
    for i, (name, cost, share, (low, high)) in enumerate(
        zip(names, costs, right, intervals, strict=True)
    ):
        axes.errorbar(
            cost,
            100 * share,
            yerr=[[100 * (share - low)], [100 * (high - share)]],
            fmt="osD^vP"[i % 6],
            color=f"C{i % 5}",
            markersize=9,
            capsize=5,
            linewidth=2,
        )
        axes.annotate(
            name, (cost, 100 * share), xytext=(9, 3), textcoords="offset points", fontsize=10
        )
    if chance is not None:
        axes.axhline(100 * chance, color=GRAY, linestyle="--", linewidth=1.2)
        axes.annotate(
            _("chance"),
            (1, 100 * chance),
            xycoords=("axes fraction", "data"),
            xytext=(0, 3),
            textcoords="offset points",
            ha="right",
            fontsize=9,
            color="#333333",
        )
    axes.set_xscale("log")
    axes.set_xlim(min(costs) / 2, max(costs) * 4)  # room for the names on the right
    axes.set_ylim(0, 104)
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _pos: f"${value:,.4g}"))
    axes.xaxis.set_minor_formatter(FuncFormatter(lambda value, _pos: ""))
    axes.set_xlabel(_("dollars for 1,000 calls"))
    axes.set_ylabel(_("correct answers, % (with 95% interval)"))
    axes.set_title(title)
    told = [
        _("{name}: {share:.0%} correct ({low:.0%} to {high:.0%}) for {cost}").format(
            name=name, share=share, low=low, high=high, cost=dollars(cost)
        )
        for name, cost, share, (low, high) in zip(names, costs, right, intervals, strict=True)
    ]
    start = _("{title}: correct answers against dollars for 1,000 calls.").format(title=title)
    return Chart(figure, f"{start} " + "; ".join(told) + ".")


def cascade_chart(points: Sequence[tuple[float, float, float, float]], title: str) -> Chart:
    """Draw the accuracy of a cascade against its cost, a point for each threshold.

    Args:
        points: (threshold, fraction escalated, accuracy, dollars per message), by threshold.
        title: of the chart.

    Labels are translated into the reader's language.
    """
    title = translated(title)
    with style():
        figure = Figure()
        axes = figure.subplots()
        xs = [1_000 * dollars_each for *_rest, dollars_each in points]
        ys = [100 * accuracy for _t, _e, accuracy, _d in points]
        axes.plot(xs, ys, "-o", markersize=6)
        for i, ((threshold, *_rest), x, y) in enumerate(zip(points, xs, ys, strict=True)):
            # alternately below and above the line, so that neighbors don't collide
            below = i % 2 == 0
            axes.annotate(
                f"{threshold:g}",
                (x, y),
                xytext=(6, -14) if below else (-4, 8),
                textcoords="offset points",
                ha="left" if below else "right",
                fontsize=9,
            )
        axes.margins(x=0.08, y=0.15)
        axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _pos: f"${x:,.2f}"))
        axes.set_xlabel(_("dollars per 1,000 messages"))
        axes.set_ylabel(_("correct answers, %"))
        axes.set_title(title)
    told = [
        _("threshold {threshold:g}: {accuracy:.1%} correct for {cost}").format(
            threshold=threshold, accuracy=accuracy, cost=dollars(1_000 * each)
        )
        for threshold, _escalated, accuracy, each in points
    ]
    start = _("{title}: correct answers against dollars for 1,000 messages.").format(title=title)
    return Chart(figure, f"{start} " + "; ".join(told) + ".")


def tornado(swings: Sequence[Swing], base: float, unit: str, title: str) -> Chart:
    """Draw a tornado chart: a bar from the result at low to that at high, the widest on top.

    Args:
        swings: from `beyond.cost.formula.sensitivity`, in its order, with display names.
        base: the result with every unknown at its base value; the vertical line.
        unit: what the axis counts.
        title: what was varied.

    An infinite result is drawn as a bar that runs off the chart, marked "∞". Labels are translated
    into the reader's language.
    """
    unit, title = translated((unit, title))
    finite = [v for s in swings for v in (s.at_low, s.at_high, base) if math.isfinite(v)]
    left, right = min(finite, default=0.0), max(finite, default=1.0)
    edge = right + 0.15 * ((right - left) or 1.0)
    with style():
        figure = Figure(figsize=(7.2, 1.6 + 0.5 * len(swings)))
        axes = figure.subplots()
        for row, swing in enumerate(swings):
            for value, given, color in (
                (swing.at_low, swing.low, BLUE),
                (swing.at_high, swing.high, ORANGE),
            ):
                end = min(value, edge)
                axes.barh(row, end - base, left=base, color=color, height=0.62)
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
        axes.set_yticks(range(len(swings)), [_(swing.name) for swing in swings])
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
            name=_(s.name),
            low=s.low,
            high=s.high,
            at_low=_count(s.at_low),
            at_high=_count(s.at_high),
        )
        for s in swings
    ]
    start = _("{title}: tornado chart around {base} ({unit}), widest bar first.").format(
        title=title, base=_count(base), unit=unit
    )
    return Chart(figure, f"{start} " + "; ".join(rows) + ".")


def break_even_chart(before: Option, after: Option, calls: float) -> Chart:
    """Draw dollars against calls a month for two options, with N* and today's calls marked.

    Fixed costs are those of a month (hosting and retraining).
    """
    extra = max(after.fixed - before.fixed, 0.0)
    crossing = break_even(extra, before.call, after.call)
    shown = [value for value in (calls, crossing) if math.isfinite(value) and value > 0]
    furthest = 1.6 * max(shown, default=1_000)
    if math.isfinite(crossing) and crossing > 20 * max(calls, 1):
        furthest = 2 * max(calls, 1)  # a distant break-even point would squeeze today into a corner
    with style():
        figure = Figure()
        axes = figure.subplots()
        for option, line in ((before, "-"), (after, "--")):
            ends = [option.monthly(0), option.monthly(furthest)]
            axes.plot([0, furthest], ends, line, label=option.label)
        axes.axvline(calls, color=GRAY, linewidth=1.2, linestyle=":")
        # the x in data, the y in the axes: a label at the foot of the line
        place = axes.get_xaxis_transform()
        axes.text(calls, 0.02, " " + _("today"), transform=place, color=GRAY, fontsize=10)
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
    alt = break_even_alt().format(
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


def break_even_alt() -> str:
    """Return the alt text of the break-even chart, with a field for each number."""
    return _(
        "Dollars per month against calls per month. {before} starts at {before_fixed} and rises by "
        "{before_call} per call; {after} starts at {after_fixed} and rises by {after_call} per "
        "call. They cross at {crossing} calls per month; today there are {calls}."
    )


def _count(number: float) -> str:
    return f"{number:,.0f}" if math.isfinite(number) else "∞"
