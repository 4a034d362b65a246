"""The widgets of the lessons: cost explorer, self-check, lesson clock.

Everything a widget shows also comes from a plain function, and each widget carries a plain
version of itself (text and HTML) in its output: a front end that can't render widgets shows
that one instead, and nothing depends on it. All controls work by keyboard: Tab moves between
them, arrow keys move a slider or a choice, and a slider's number can be typed over.
"""

from __future__ import annotations

import html
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import ipywidgets

from beyond.ui import figures
from beyond.cost.formula import Option, Price, break_even, call_cost, catalogue, dollars, payback_months
from beyond.locale import _
from beyond.ui.self_check import Question
from beyond.ui.tables import Table


class Plain(Protocol):
    """Something that reads well without widgets."""

    def __str__(self) -> str: ...

    def _repr_html_(self) -> str: ...


class PlainBox(ipywidgets.VBox):
    """A column of widgets that a front end without widgets shows as text or HTML."""

    def __init__(self, children: Sequence[ipywidgets.Widget], plain: Callable[[], Plain]) -> None:
        self._plain = plain
        super().__init__(children)

    def _repr_mimebundle_(self, **options: Any) -> dict[str, Any]:
        bundle = dict(super()._repr_mimebundle_(**options) or {})
        plain = self._plain()
        return bundle | {"text/plain": str(plain), "text/html": plain._repr_html_()}


def compare(before: Option, after: Option, calls: float) -> Table:
    """Two options side by side: the call, the month, and from when the second one pays.

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
            _("fixed per month: hosting and retraining"),
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
        before: where the sliders start for the way the task is done now.
        after: where they start for the way it could be done.
        calls: calls a month to start with.
        prices: the prices to choose from; the lessons' catalogue if none are given.

    `table` is the table for the sliders' present values, `controls` the widgets by name.
    """

    def __init__(
        self,
        before: Option,
        after: Option,
        calls: float = 100_000,
        prices: Sequence[Price] | None = None,
    ) -> None:
        self._labels = (before.label, after.label)
        known = list(prices if prices is not None else catalogue())
        known += [p for p in (before.price, after.price) if p not in known]
        choices = [(_price_label(p), p) for p in known]
        # log scales: the interesting numbers lie between tens and millions
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
                control.continuous_update = False  # draw once, when the slider comes to rest
            control.observe(self._changed, names="value")
        self._figure = ipywidgets.HTML()
        self._numbers = ipywidgets.HTML()
        super().__init__([*self._columns(), self._figure, self._numbers], lambda: self.table)
        self._changed()

    @property
    def options(self) -> tuple[Option, Option]:
        """Both ways, as the controls stand now."""
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
        )
        return before, after

    @property
    def table(self) -> Table:
        """The numbers of the chart, for the controls' present values."""
        return compare(*self.options, self.controls["calls"].value)

    def _changed(self, change: object = None) -> None:
        chart = figures.break_even_chart(*self.options, self.controls["calls"].value)
        self._figure.value = chart.html()
        # polite: a screen reader reads the new numbers when the slider has come to rest
        self._numbers.value = f'<div aria-live="polite">{self.table._repr_html_()}</div>'

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
            # the whole name, for whoever doesn't see in which column a control stands
            control.tooltip = f"{options[which]}: {labels[what]}" if which else labels[what]
            control.style.description_width = "11em"
            control.layout.width = "98%"

    def _columns(self) -> list[ipywidgets.Widget]:
        """The calls on top, below them a column for each way; on a narrow page they wrap."""
        columns = []
        for which, label in zip(("before", "after"), self._labels, strict=True):
            title = ipywidgets.HTML(f"<b>{html.escape(label)}</b>")
            own = [c for name, c in self.controls.items() if name.endswith(f"_{which}")]
            columns.append(ipywidgets.VBox([title, *own]))
        side_by_side = ipywidgets.Layout(
            width="100%", grid_template_columns="repeat(auto-fit, minmax(24em, 1fr))"
        )
        return [self.controls["calls"], ipywidgets.GridBox(columns, layout=side_by_side)]


class SelfCheck(PlainBox):
    """Questions with choices; a button says whether the choice is right, and why.

    `choices` are the radio buttons, `buttons` the buttons, `answers` the texts that appear, one
    of each for a question.
    """

    def __init__(self, questions: Sequence[Question]) -> None:
        self.questions = list(questions)
        self.choices: list[ipywidgets.RadioButtons] = []
        self.buttons: list[ipywidgets.Button] = []
        self.answers: list[ipywidgets.HTML] = []
        rows: list[ipywidgets.Widget] = []
        for number, question in enumerate(self.questions, start=1):
            title = ipywidgets.HTML(f"<p><b>{number}. {html.escape(question.text)}</b></p>")
            choice = ipywidgets.RadioButtons(
                options=[(c.text, i) for i, c in enumerate(question.choices)],
                value=None,
                tooltip=question.text,
                layout=ipywidgets.Layout(width="100%"),
            )
            button = ipywidgets.Button(
                description=_("Check"),
                tooltip=_("Check question {number}").format(number=number),
            )
            answer = ipywidgets.HTML()
            button.on_click(lambda _button, i=number - 1: self.answer(i))
            self.choices.append(choice)
            self.buttons.append(button)
            self.answers.append(answer)
            rows += [title, choice, button, answer]
        super().__init__(rows, lambda: _PlainQuestions(self.questions))

    def answer(self, index: int) -> None:
        """Say whether the choice made for question `index`, counted from 0, is right, and why."""
        chosen = self.choices[index].value
        if chosen is None:
            text = _("Choose an answer first.")
        else:
            choice = self.questions[index].choices[chosen]
            text = f"{_verdict(choice.right)} {choice.why}"
        self.answers[index].value = f'<p role="status">{html.escape(text)}</p>'

    def explained(self) -> str:
        """Every choice with its explanation, as text."""
        lines = []
        for number, question in enumerate(self.questions, start=1):
            lines.append(f"{number}. {question.text}")
            for letter, choice in zip("ABCDEFGH", question.choices, strict=False):
                lines.append(f"   {letter}. {_verdict(choice.right)} {choice.why}")
        return "\n".join(lines)


class Clock(PlainBox):
    """The lesson clock: starts at 00:00 when its button is pressed, and can be paused.

    Args:
        minutes: how long the lesson takes, as its opening says.

    It counts in the browser, so it goes on while a cell runs.
    """

    def __init__(self, minutes: int) -> None:
        self.minutes = minutes
        self.play = ipywidgets.Play(
            interval=1_000, min=0, max=24 * 3_600, value=0, show_repeat=False
        )
        self.play.tooltip = _("Lesson clock: start, pause, reset")
        self.bar = ipywidgets.IntProgress(
            min=0, max=minutes * 60, description="", layout=ipywidgets.Layout(width="12em")
        )
        self.face = ipywidgets.HTML()
        ipywidgets.jslink((self.play, "value"), (self.bar, "value"))
        self.play.observe(self._tick, names="value")
        self._tick()
        super().__init__(
            [ipywidgets.HBox([self.play, self.face, self.bar])], lambda: _Text(self.text)
        )

    @property
    def text(self) -> str:
        """Minutes and seconds, and the planned minutes."""
        minutes, seconds = divmod(int(self.play.value), 60)
        return _("{minutes:02d}:{seconds:02d} of about {planned} minutes").format(
            minutes=minutes, seconds=seconds, planned=self.minutes
        )

    def _tick(self, change: object = None) -> None:
        # role=timer isn't announced every second, which is what a reader wants of a clock
        self.face.value = f'<span role="timer">{html.escape(self.text)}</span>'


class _Text(str):
    def _repr_html_(self) -> str:
        return f"<p>{html.escape(self)}</p>"


class _PlainQuestions:
    """Questions without widgets; in HTML the answers open by click or Enter."""

    def __init__(self, questions: Sequence[Question]) -> None:
        self._questions = questions

    def __str__(self) -> str:
        lines = []
        for number, question in enumerate(self._questions, start=1):
            lines.append(f"{number}. {question.text}")
            for letter, choice in zip("ABCDEFGH", question.choices, strict=False):
                lines.append(f"   {letter}. {choice.text}")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        show = html.escape(_("Show the answers"))
        parts = []
        for number, question in enumerate(self._questions, start=1):
            choices = "".join(f"<li>{html.escape(c.text)}</li>" for c in question.choices)
            why = "".join(
                f"<li>{html.escape(f'{_verdict(c.right)} {c.why}')}</li>" for c in question.choices
            )
            parts.append(
                f"<p><b>{number}. {html.escape(question.text)}</b></p>"
                f'<ol type="A">{choices}</ol>'
                f"<details><summary>{show}</summary>"
                f'<ol type="A">{why}</ol></details>'
            )
        return "".join(parts)


def _verdict(right: bool) -> str:
    return "✓ " + _("Right.") if right else "✗ " + _("Not this one.")


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
