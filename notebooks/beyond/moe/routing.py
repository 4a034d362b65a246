"""Show which tokens go to which expert: colored text, heat maps, loads over training, a widget.

This module only displays what `layer` and `byte_lm` computed.
"""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import ipywidgets
import numpy as np
from matplotlib.figure import Figure

from beyond.locale import _, translated
from beyond.moe.byte_lm import ByteLM, Curve, Report, route
from beyond.moe.layer import Routing
from beyond.ui.figures import (
    BLUE,
    GRAY,
    GREEN,
    ORANGE,
    RED,
    THEME_STYLE,
    THEMED,
    Chart,
    use_style,
)
from beyond.ui.tables import Table
from beyond.ui.widgets import PlainBox, Still

# Light enough for black text; wherever they appear, numbers do, too.
COLORS = (
    "#F2A3A3",
    "#F8CF95",
    "#FBF1A0",
    "#BCE3B0",
    "#A6DDDE",
    "#A8C3F5",
    "#D4B6F0",
    "#DADADA",
)


def byte_names(text: str, n: int, short: bool = False) -> list[str]:
    """Name each of the first n bytes: the character; for its later bytes "한·2", "한·3".

    Args:
        text: whose UTF-8 bytes are named.
        n: how many bytes.
        short: omit the character in the names of later bytes, for a narrow axis.
    """
    names: list[str] = []
    for letter in text:
        shown = {" ": "␣", "\n": "↵", "\t": "⇥"}.get(letter, letter)
        later = "" if short else shown
        names += [shown, *(f"{later}·{i}" for i in range(2, len(letter.encode()) + 1))]
    return names[:n]


@dataclass(frozen=True)
class ColoredText:
    """A text, each byte's background in the color of its first expert.

    A character of several bytes has one stripe per byte. Plain text shows the experts' numbers.
    """

    text: str
    experts: Sequence[int]  # the first choice of each byte

    def __str__(self) -> str:
        pairs = zip(byte_names(self.text, len(self.experts)), self.experts, strict=False)
        return " ".join(f"{name}:{expert}" for name, expert in pairs)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        spans, at = [], 0
        for letter in self.text:
            size = len(letter.encode())
            own = list(self.experts[at : at + size])
            at += size
            if not own:
                break
            stops = [
                f"{COLORS[e % len(COLORS)]} {100 * i / len(own):.0f}% "
                f"{100 * (i + 1) / len(own):.0f}%"
                for i, e in enumerate(own)
            ]
            shown = html.escape(letter).replace("\n", "↵\n")
            spans.append(
                f'<span title="{"+".join(map(str, own))}" style="color:black;'
                f'background:linear-gradient(to right,{",".join(stops)})">{shown}</span>'
            )
        key = " ".join(
            f'<span style="color:black;background:{COLORS[e % len(COLORS)]}">&nbsp;{e}&nbsp;</span>'
            for e in sorted(set(self.experts))
        )
        label = html.escape(_("First expert of each byte:"))
        return (
            f'{THEME_STYLE}<div><p>{label} <span class="{THEMED}">{key}</span></p>'
            f'<p class="{THEMED}" style="font-family:monospace;white-space:pre-wrap;'
            f'font-size:1.2em;line-height:1.7">{"".join(spans)}</p></div>'
        )


def colored(text: str, routing: Routing) -> ColoredText:
    """Show the text in the colors of its bytes' first experts."""
    return ColoredText(text, routing.experts[:, 0].tolist())


def table(text: str, routing: Routing) -> Table:
    """Tabulate each byte with its experts and their weights, the first choice first."""
    k = routing.experts.shape[1]
    header = [_("byte"), *(_("choice {n}").format(n=i + 1) for i in range(k))]
    rows = []
    for name, experts, weights in zip(
        byte_names(text, len(routing.experts)),
        routing.experts.tolist(),
        routing.weights.tolist(),
        strict=False,
    ):
        cells = [f"{e}: {w:.2f}" for e, w in zip(experts, weights, strict=True)]
        rows.append((name, *cells))
    return Table(_("Experts and their weights, byte by byte"), header, rows)


def heat_map(text: str, routing: Routing, title: str) -> Chart:
    """Draw bytes from left to right, experts from top to bottom, darker for larger weights."""
    title = translated(title)
    use_style()
    tokens, n = routing.logits.shape
    grid = np.zeros((n, tokens))
    experts, weights = routing.experts.cpu().numpy(), routing.weights.detach().cpu().numpy()
    np.put_along_axis(grid.T, experts, weights, axis=1)
    figure = Figure(figsize=(max(4.0, 1.8 + 0.22 * tokens), 0.9 + 0.28 * n))
    axes = figure.subplots()
    shown = axes.imshow(grid, aspect="auto", cmap="Blues", vmin=0, vmax=1)
    axes.set_xticks(range(tokens), byte_names(text, tokens, short=True), fontsize=9)
    axes.set_yticks(range(n))
    axes.set_ylabel(_("expert"))
    axes.set_title(title)
    axes.grid(visible=False)
    figure.colorbar(shown, ax=axes, label=_("weight"), pad=0.01)
    first = np.bincount(experts[:, 0], minlength=n)
    alt = _("{title}: a heat map of {tokens} bytes and {n} experts. First choices: {counts}.")
    counts = ", ".join(
        _("expert {e}: {count}").format(e=e, count=c) for e, c in enumerate(first) if c
    )
    return Chart(figure, alt.format(title=title, tokens=tokens, n=n, counts=counts))


def layer_loads(report: Report) -> np.ndarray:
    """Return the fraction of all assignments that each expert got, [layer, expert]."""
    return np.array(report.loads).mean(axis=1)


def overlap(report: Report, layer: int, one: str, other: str) -> float:
    """Return the fraction of the load that two languages have in common, 0 to 1.

    Args:
        report: of a mixture.
        layer: counted from 0.
        one: a language, as in `report.losses`.
        other: another one.
    """
    loads = dict(zip(report.losses, report.loads[layer], strict=True))
    return float(np.minimum(loads[one], loads[other]).sum())


def language_loads(report: Report, layer: int, names: Mapping[str, str]) -> Chart:
    """Draw the fraction of each language's bytes that each expert gets, in one layer."""
    shown = translated(list(names.values()))
    use_style()
    loads = np.array(report.loads[layer])  # [language, expert]
    figure = Figure(figsize=(7.2, 2.6))
    axes = figure.subplots()
    width = 0.8 / len(loads)
    for i, (row, name, color) in enumerate(zip(loads, shown, (BLUE, ORANGE, GREEN), strict=True)):
        axes.bar(np.arange(len(row)) + i * width, 100 * row, width * 0.9, label=name, color=color)
    even = 100 / loads.shape[1]
    axes.axhline(even, color=GRAY, linewidth=1, linestyle=":")
    axes.set_xticks(np.arange(loads.shape[1]) + width, map(str, range(loads.shape[1])))
    axes.set_xlabel(_("expert"))
    axes.set_ylabel(_("load, % of assignments"))
    title = _("Load by language, layer {layer}").format(layer=layer + 1)
    axes.set_title(title)
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    axes.grid(axis="x", visible=False)
    parts = [
        f"{name}: " + ", ".join(f"{100 * share:.0f}%" for share in row)
        for name, row in zip(shown, loads, strict=True)
    ]
    even_text = _("uniform would be {even:.1f}%").format(even=even)
    return Chart(figure, f"{title} ({even_text}). " + "; ".join(parts) + ".")


def loads_over_training(runs: Mapping[str, Sequence[Report]], layer: int, title: str) -> Chart:
    """Draw a panel for each run: the experts' fractions of all assignments over the steps."""
    runs, title = translated(runs), translated(title)
    use_style()
    figure = Figure(figsize=(7.6, 3.0))
    panels = figure.subplots(1, len(runs), sharey=True, squeeze=False)[0]
    ends = []
    for axes, (name, reports) in zip(panels, runs.items(), strict=True):
        steps = [report.step for report in reports]
        shares = 100 * np.array([np.mean(report.loads[layer], axis=0) for report in reports])
        colors = [COLORS[e % len(COLORS)] for e in range(shares.shape[1])]
        axes.stackplot(steps, shares.T, colors=colors, edgecolor="#333333", linewidth=0.8)
        axes.set_title(name, fontsize=11)
        axes.set_xlabel(_("training step"))
        axes.set_xlim(steps[0], steps[-1])
        axes.set_ylim(0, 100)
        bottom = 0.0
        for expert, share in enumerate(shares[-1]):
            if share > 6:  # the expert's number, if the band is thick enough
                axes.text(
                    steps[-1] * 0.985,
                    bottom + share / 2,
                    str(expert),
                    ha="right",
                    va="center",
                    fontsize=9,
                )
            bottom += share
        last = ", ".join(f"{share:.0f}%" for share in shares[-1])
        ends.append(_("{name}: at the end {shares}").format(name=name, shares=last))
    panels[0].set_ylabel(_("load, % of assignments"))
    figure.suptitle(title, x=0.01, ha="left")
    return Chart(figure, f"{title}. " + "; ".join(ends) + ".")


LINES = {"dense, same active": "-", "dense, same total": "--", "mixture": "-."}


def curves_chart(
    curves: Sequence[Curve],
    names: Mapping[str, str],
    against: str = "flops",
    live: tuple[str, Sequence[float], Sequence[Report]] | None = None,
) -> Chart:
    """Draw held-out loss: for each kind of model the mean of its seeds, and their range.

    Args:
        curves: training runs read from the file.
        names: which kinds to draw, with the name to show.
        against: "flops" for training compute, "seconds" for CPU time.
        live: a run of the current session, as points: a label, its x values, its reports.
    """
    names = {kind: translated(name) for kind, name in names.items()}
    use_style()
    figure = Figure(figsize=(7.2, 3.8))
    axes = figure.subplots()
    words = []
    for (kind, name), color in zip(names.items(), (GRAY, BLUE, RED, GREEN), strict=False):
        own = [curve for curve in curves if curve.name == kind]
        y = np.array([[report.loss for report in curve.reports] for curve in own])
        if against == "flops":
            x = np.array(own[0].flops()) / 1e12
        else:  # the load on the machine varied, so take the fastest of the seeds
            x = np.min([[r.seconds for r in curve.reports] for curve in own], axis=0)
        mean = y.mean(axis=0)
        axes.plot(x, mean, LINES.get(kind, ":"), color=color, label=name)
        axes.fill_between(x, y.min(axis=0), y.max(axis=0), color=color, alpha=0.2, linewidth=0)
        words.append(
            _("{name}: {last:.3f} after {x:,.1f}").format(name=name, last=mean[-1], x=x[-1])
        )
    if live:
        label, places, reports = translated(live[0]), *live[1:]
        axes.plot(places, [r.loss for r in reports], "o", color="black", markersize=4, label=label)
        words.append(
            _("{name}: {last:.3f} after {x:,.1f}").format(
                name=label, last=reports[-1].loss, x=places[-1]
            )
        )
    highest = max(c.reports[min(2, len(c.reports) - 1)].loss for c in curves)
    axes.set_ylim(top=highest)
    axes.set_xlim(left=0)
    unit = (
        _("training compute, trillion operations")
        if against == "flops"
        else _("processor time of one thread, seconds")
    )
    axes.set_xlabel(unit)
    axes.set_ylabel(_("held-out loss, nats per byte"))
    title = (
        _("Loss against training compute")
        if against == "flops"
        else _("Loss against training time")
    )
    axes.set_title(title)
    axes.legend()
    return Chart(figure, f"{title} ({unit}). " + "; ".join(words) + ".")


class RoutingExplorer(PlainBox):
    """Type a text, pick a layer, k and a temperature: see each byte's experts and weights.

    Args:
        model: a mixture.
        text: what to start with.

    `controls` are the widgets by name; `table` is the table for their present values.
    """

    def __init__(self, model: ByteLM, text: str) -> None:
        self.model = model
        style = {"description_width": "9em"}
        wide = ipywidgets.Layout(width="98%")
        layers = [(str(i + 1), i) for i in range(model.shape.layers)]
        self.controls: dict[str, ipywidgets.Widget] = {
            "text": ipywidgets.Text(value=text, description=_("text"), continuous_update=False),
            "layer": ipywidgets.ToggleButtons(options=layers, description=_("layer")),
            "k": ipywidgets.IntSlider(
                value=model.shape.k, min=1, max=model.shape.experts, description="k"
            ),
            "temperature": ipywidgets.FloatLogSlider(
                value=1.0, min=-1, max=1, step=0.1, description=_("temperature")
            ),
        }
        for control in self.controls.values():
            control.style.description_width = style["description_width"]
            control.layout = wide
            control.tooltip = control.description
            if hasattr(control, "continuous_update"):
                control.continuous_update = False
            control.observe(self._changed, names="value")
        self._shown = ipywidgets.HTML()
        super().__init__(
            [*self.controls.values(), self._shown],
            lambda: Still(str(self.table), self._drawn),
        )
        self._changed()

    @property
    def table(self) -> Table:
        """Each byte's experts and weights, for the controls' current values."""
        return table(self._text, self._routings[self.controls["layer"].value])

    def _changed(self, change: object = None) -> None:
        value = {name: control.value for name, control in self.controls.items()}
        text = value["text"]
        if len(text.encode()) < 2:
            message = html.escape(_("Type at least two letters."))
            self._shown.value = f'<p role="status">{message}</p>'
            return
        self._text = text
        self._routings, loss = route(self.model, text, value["k"], value["temperature"])
        routing = self._routings[value["layer"]]
        title = _("Layer {layer}, k = {k}, temperature {t:.2g}").format(
            layer=value["layer"] + 1, k=value["k"], t=value["temperature"]
        )
        said = _("Loss on this text: {loss:.2f} nats per byte.").format(loss=loss)
        parts = [
            f'<p role="status">{html.escape(said)}</p>',
            colored(text, routing)._repr_html_(),
            heat_map(text, routing, title).html(),
            f"<details><summary>{html.escape(_('The same as a table'))}</summary>"
            f"{self.table._repr_html_()}</details>",
        ]
        self._shown.value = self._drawn = "".join(parts)
