"""Compare the costs of two ways of doing a task, with a slider for each input."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Any

import ipywidgets

from beyond.cost.charts import break_even_alt, break_even_chart
from beyond.cost.formula import (
    Option,
    Price,
    break_even,
    call_cost,
    catalog,
    dollars,
    payback_months,
)
from beyond.locale import _
from beyond.ui.tables import Table
from beyond.ui.widgets import PlainBox, Still

DESCRIPTION = "application/vnd.beyond.cost-explorer+json"
"""The type of `Explorer.description` in a notebook's output; the course site draws from it."""


def compare(before: Option, after: Option, calls: float) -> Table:
    """Compare two options: cost per call, cost per month, and the break-even point.

    Args:
        before: how the task is done now.
        after: how it could be done; its first training run is paid once.
        calls: calls a month.
    """
    costs = [call_cost(o.input_tokens, o.output_tokens, o.price) for o in (before, after)]
    months = [before.monthly(calls), after.monthly(calls)]
    extra = max(after.fixed - before.fixed, 0.0)
    crossing = break_even(extra, before.call, after.call)
    once = payback_months(after.training, *months)
    nothing = "–"
    rows = [
        (_("input per call"), *(dollars(c.input) for c in costs)),
        (_("output per call"), *(dollars(c.output) for c in costs)),
        (_("one call"), *(dollars(c.total) for c in costs)),
        (
            _("fixed per month: hosting, retraining, reserve"),
            *(dollars(o.fixed) for o in (before, after)),
        ),
        (
            _("one month with {calls:,.0f} calls").format(calls=calls),
            *(dollars(month) for month in months),
        ),
        (_("N*: calls per month from which the second pays"), nothing, _calls(crossing)),
        (_("first training run, paid once"), nothing, dollars(after.training)),
        (_("months until that is earned back"), nothing, _months(once)),
    ]
    caption = _("What each way costs, in US dollars")
    return Table(caption, ("", before.label, after.label), rows)


class Explorer(PlainBox):
    """Move tokens, calls, prices and fixed costs; the chart and the table follow.

    Args:
        before: initial values for the current way of doing the task.
        after: initial values for the alternative.
        calls: calls a month to start with.
        prices: the prices to choose from; the lessons' catalog if none are given.

    `table` is the table for the sliders' current values, `controls` the widgets by name.
    """

    def __init__(
        self,
        before: Option,
        after: Option,
        calls: float = 100_000,
        prices: Sequence[Price] | None = None,
    ) -> None:
        self._labels = (before.label, after.label)
        self._reserve = after.reserve
        known = list(prices if prices is not None else catalog())
        known += [p for p in (before.price, after.price) if p not in known]
        choices = [(_price_label(p), p) for p in known]
        # log scales, because useful values range from tens to millions
        self.controls: dict[str, ipywidgets.Widget] = {
            "calls": ipywidgets.FloatLogSlider(
                value=calls, min=2, max=8, step=0.05, readout_format=",.0f"
            ),
            "price_before": ipywidgets.Dropdown(options=choices, value=before.price),
            "input_before": _whole(before.input_tokens, 2_000, 10),
            "output_before": _whole(before.output_tokens, 500, 2),
            "price_after": ipywidgets.Dropdown(options=choices, value=after.price),
            "input_after": _whole(after.input_tokens, 2_000, 10),
            "output_after": _whole(after.output_tokens, 500, 2),
            "hosting_after": _whole(after.hosting, 1_000, 5),
            "training_after": _whole(after.training, 5_000, 50),
            "trainings_after": _whole(after.trainings_per_year, 52, 1),
        }
        self._name_controls()
        for control in self.controls.values():
            if not isinstance(control, ipywidgets.Dropdown):
                control.continuous_update = False  # draw once, when the slider stops moving
            control.observe(self._changed, names="value")
        self._figure = ipywidgets.HTML()
        self._numbers = ipywidgets.HTML()
        super().__init__([*self._columns(), self._figure, self._numbers], self._still)
        self._changed()

    @property
    def options(self) -> tuple[Option, Option]:
        """Both options, with the current values of the controls."""
        value = {name: control.value for name, control in self.controls.items()}
        before = Option(
            value["price_before"],
            value["input_before"],
            value["output_before"],
            label=self._labels[0],
        )
        after = Option(
            value["price_after"],
            value["input_after"],
            value["output_after"],
            hosting=value["hosting_after"],
            training=value["training_after"],
            trainings_per_year=value["trainings_after"],
            label=self._labels[1],
            reserve=self._reserve,
        )
        return before, after

    @property
    def table(self) -> Table:
        """The chart's numbers for the controls' current values."""
        return compare(*self.options, self.controls["calls"].value)

    @property
    def description(self) -> dict[str, Any]:
        """All that a page without Python needs to do the same: controls, prices and texts."""
        controls = []  # a list, because a notebook file sorts keys
        for name, control in self.controls.items():
            told: dict[str, Any] = {"name": name, "label": control.description}
            if isinstance(control, ipywidgets.Dropdown):
                prices = [(label, price) for label, price in control.options]
                told["choices"] = [
                    {"label": label, "input": price.input, "output": price.output}
                    for label, price in prices
                ]
                told["value"] = control.index
            else:
                told |= {key: getattr(control, key) for key in ("value", "min", "max", "step")}
                told["log"] = isinstance(control, ipywidgets.FloatLogSlider)
            controls.append(told)
        texts = {
            "alt": break_even_alt(),
            "calls": _("calls per month"),
            "dollars": _("dollars per month"),
            "month": _("one month with {calls:,.0f} calls"),
            "never": _("never"),
            "today": _("today"),
        }
        labels = dict(zip(("before", "after"), self._labels, strict=True))
        return {"controls": controls, "labels": labels, "reserve": self._reserve, "texts": texts}

    def _repr_mimebundle_(self, **options: Any) -> dict[str, Any]:
        return super()._repr_mimebundle_(**options) | {DESCRIPTION: self.description}

    def _changed(self, change: object = None) -> None:
        chart = break_even_chart(*self.options, self.controls["calls"].value)
        self._figure.value = chart.html()
        # polite: a screen reader reads the new numbers once the slider stops moving
        self._numbers.value = f'<div aria-live="polite">{self.table._repr_html_()}</div>'

    def _still(self) -> Still:
        table = self.table
        return Still(str(table), self._figure.value + table._repr_html_())

    def _name_controls(self) -> None:
        labels = {
            "calls": _("calls per month"),
            "price": _("$ per million tokens"),
            "input": _("input tokens"),
            "output": _("output tokens"),
            "hosting": _("hosting, $ a month"),
            "training": _("one training run, $"),
            "trainings": _("retrainings a year"),
        }
        options = dict(zip(("before", "after"), self._labels, strict=True))
        for name, control in self.controls.items():
            what, _underscore, which = name.partition("_")
            control.description = labels[what]
            # the full name, for screen readers, which don't convey the column
            control.tooltip = f"{options[which]}: {labels[what]}" if which else labels[what]
            control.style.description_width = "11em"
            control.layout.width = "98%"

    def _columns(self) -> list[ipywidgets.Widget]:
        """Place the calls on top and a column for each way below; on a narrow page they wrap."""
        columns = []
        for which, label in zip(("before", "after"), self._labels, strict=True):
            title = ipywidgets.HTML(f"<b>{html.escape(label)}</b>")
            own = [c for name, c in self.controls.items() if name.endswith(f"_{which}")]
            columns.append(ipywidgets.VBox([title, *own]))
        side_by_side = ipywidgets.Layout(
            width="100%", grid_template_columns="repeat(auto-fit, minmax(min(24em, 100%), 1fr))"
        )
        return [self.controls["calls"], ipywidgets.GridBox(columns, layout=side_by_side)]


def _whole(value: float, highest: int, step: int) -> ipywidgets.IntSlider:
    start = round(value)
    return ipywidgets.IntSlider(
        value=start, min=0, max=max(highest, 4 * start), step=step, readout_format=",d"
    )


def _price_label(price: Price) -> str:
    return _("{model}: {input:g} in, {output:g} out").format(
        model=price.label or price.model or _("your own price"),
        input=price.input,
        output=price.output,
    )


def _calls(number: float) -> str:
    return f"{number:,.0f}" if number != float("inf") else _("never")


def _months(number: float) -> str:
    return f"{number:,.1f}" if number != float("inf") else _("never")
