"""Decide whether a model runs on a laptop, with a widget to explore it.

The memory that a model needs while it generates:

    weights      parameters × bits / 8
    KV cache     2 × layers × KV heads × head size × tokens × 2 bytes
    the program  about 1 GB for the runtime and activations

There are three verdicts, which are independent of each other: whether that fits in memory next to
the system and the open programs; whether decoding can be fast enough, as its throughput is bounded
by memory bandwidth (each new token reads the active weights and the cache once); and whether the
publisher lists the languages. Whether the model is good enough, only a measurement tells.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import ipywidgets

from beyond.lm.families import Family, families
from beyond.lm.model_size import FORMATS, weight_bytes
from beyond.locale import _
from beyond.ui.tables import Table
from beyond.ui.widgets import PlainBox

PROGRAM_GB = 1.0
"""An assumption: memory for the runtime and activations."""

KEPT_GB = 4.0
"""An assumption: memory used by the system, a browser and an editor."""

MEMORY_READ_GB_S = 30.0
"""Approximate memory bandwidth of the machine on which the lessons were timed (lesson 0)."""


ENOUGH_TOKENS_PER_SECOND = 5.0
"""An assumption: about as fast as a person reads English, 220 words a minute."""


@dataclass(frozen=True)
class Verdict:
    """What `will_it_run` found about one model, in 10^9 bytes."""

    name: str
    weights_gb: float
    cache_gb: float
    room_gb: float
    tokens_per_second: float
    """An upper bound, not a forecast."""
    fits: bool
    """Whether weights, cache and program fit in the memory that is left."""
    fast_enough: bool
    """Whether the bound allows the throughput that is wanted; the real one may still be lower."""
    listed: bool
    """Whether the publisher lists all the languages."""
    problems: tuple[str, ...]
    """Reasons to rule the model out; empty if there are none."""
    notes: tuple[str, ...] = ()
    """Remarks on a model that runs."""

    @property
    def needed_gb(self) -> float:
        """Weights, cache and program together."""
        return self.weights_gb + self.cache_gb + PROGRAM_GB

    @property
    def runs(self) -> bool:
        """Whether there is no reason to rule it out."""
        return not self.problems

    def __str__(self) -> str:
        said = _("runs")
        if not self.runs:
            said = _("no: {problems}").format(problems=", ".join(self.problems))
        text = _(
            "{name}: {weights:.1f} GB of weights + {cache:.1f} GB of cache + {program:.0f} GB = "
            "{needed:.1f} GB of {room:.1f} GB, at most {speed} tokens a second: {said}"
        ).format(
            name=self.name,
            weights=self.weights_gb,
            cache=self.cache_gb,
            program=PROGRAM_GB,
            needed=self.needed_gb,
            room=self.room_gb,
            speed=_pace(self.tokens_per_second),
            said=said,
        )
        return "; ".join([text, *self.notes])


def will_it_run(
    model: Family,
    memory_gb: float = 16.0,
    bits: float = FORMATS["int4"],
    context: int = 4096,
    languages: Sequence[str] = (),
    bandwidth_gb_s: float = MEMORY_READ_GB_S,
    kept_gb: float = KEPT_GB,
    tokens_per_second: float = ENOUGH_TOKENS_PER_SECOND,
) -> Verdict:
    """Decide whether `model` runs on a machine, with the reasons to rule it out.

    Args:
        model: from `beyond.lm.families`.
        memory_gb: the machine's memory, in 10^9 bytes.
        bits: per weight; `FORMATS` names the usual ones.
        context: tokens of prompt and answer together.
        languages: ISO 639-1 codes that the publisher must list.
        bandwidth_gb_s: the machine's memory bandwidth, in 10^9 bytes per second.
        kept_gb: memory used by other programs, in 10^9 bytes.
        tokens_per_second: the decode throughput that is wanted.

    Raises:
        ValueError: if a number isn't positive.
    """
    for name, value in (
        ("memory_gb", memory_gb),
        ("bits", bits),
        ("context", context),
        ("bandwidth_gb_s", bandwidth_gb_s),
    ):
        if not value > 0:
            raise ValueError(f"{name} is {value}; it must be more than 0.")
    weights = weight_bytes(model.shape.parameters(), bits) / 1e9
    cache = model.shape.cache_bytes(context) / 1e9
    room = max(memory_gb - kept_gb, 0.0)
    read = weight_bytes(model.shape.active_parameters(), bits) / 1e9 + cache
    fits = weights + cache + PROGRAM_GB <= room
    fast_enough = bandwidth_gb_s / read >= tokens_per_second
    problems, notes = [], []
    if not fits:
        problems.append(_("too large"))
    if not fast_enough:
        problems.append(_("too slow"))
    if context > model.context:
        problems.append(_("reads {context:,} tokens at most").format(context=model.context))
    missing = [code for code in languages if code not in model.languages]
    if missing:
        problems.append(_("does not list {languages}").format(languages=", ".join(missing)))
    if not model.free:
        notes.append(_("read the license first: {license}").format(license=model.license))
    return Verdict(
        name=model.name,
        weights_gb=weights,
        cache_gb=cache,
        room_gb=room,
        tokens_per_second=bandwidth_gb_s / read,
        fits=fits,
        fast_enough=fast_enough,
        listed=not missing,
        problems=tuple(problems),
        notes=tuple(notes),
    )


def verdicts(
    memory_gb: float = 16.0,
    bits: float = FORMATS["int4"],
    context: int = 4096,
    languages: Sequence[str] = (),
    bandwidth_gb_s: float = MEMORY_READ_GB_S,
    tokens_per_second: float = ENOUGH_TOKENS_PER_SECOND,
) -> Table:
    """Tabulate the three verdicts of `will_it_run` for every model of the data file."""
    rows = []
    for model in families():
        found = will_it_run(
            model,
            memory_gb,
            bits,
            context,
            languages,
            bandwidth_gb_s,
            tokens_per_second=tokens_per_second,
        )
        needed = f"{found.needed_gb:.1f}"
        if context > model.context:
            needed += " " + _("(context {context:,} at most)").format(context=model.context)
        if not model.dimensions_confirmed:
            needed += " " + _("(dimensions not confirmed)")
        rows.append(
            (
                found.name,
                needed,
                _mark(found.fits),
                _pace(found.tokens_per_second),
                _mark(found.fast_enough),
                _mark(found.listed),
                model.license,
            )
        )
    caption = _(
        "{bits:g} bits per weight, {context:,} tokens of context; {room:.0f} GB free, "
        "{bandwidth:.0f} GB/s, {wanted:g} tokens per second wanted; languages: {languages}"
    ).format(
        bits=bits,
        context=context,
        room=max(memory_gb - KEPT_GB, 0),
        bandwidth=bandwidth_gb_s,
        wanted=tokens_per_second,
        languages=", ".join(languages) or "–",
    )
    header = (
        _("model"),
        _("GB needed"),
        _("fits in memory"),
        _("tokens per second, at most"),
        _("can be fast enough"),
        _("lists the languages"),
        _("license"),
    )
    return Table(caption, header, rows)


def _mark(holds: bool) -> str:
    return "✓" if holds else "✗"


def _pace(tokens_per_second: float) -> str:
    """Format a throughput for display, with one decimal below 10."""
    return f"{tokens_per_second:,.{0 if tokens_per_second >= 10 else 1}f}"


class LaptopCheck(PlainBox):
    """Set a machine and a use case; a table shows the three verdicts on each model.

    `controls` are the widgets by name, `table` the result for their current values.
    """

    def __init__(self, memory_gb: float = 16, bandwidth_gb_s: float = MEMORY_READ_GB_S) -> None:
        bits_of = _("{name}: {bits:g} bits")
        formats = [(bits_of.format(name=n, bits=b), b) for n, b in FORMATS.items()]
        self.controls: dict[str, ipywidgets.Widget] = {
            "memory": ipywidgets.IntSlider(
                value=round(memory_gb), min=4, max=128, step=4, description=_("memory, GB")
            ),
            "bits": ipywidgets.Dropdown(
                options=formats, value=FORMATS["int4"], description=_("weights as")
            ),
            "context": ipywidgets.Dropdown(
                options=[(f"{n:,}", n) for n in (2**k for k in range(10, 19))],
                value=4096,
                description=_("context, tokens"),
            ),
            "languages": ipywidgets.Text(
                value="en ko", description=_("languages"), placeholder="en ko ja"
            ),
            "bandwidth": ipywidgets.IntSlider(
                value=round(bandwidth_gb_s),
                min=5,
                max=800,
                step=5,
                description=_("memory reads, GB/s"),
            ),
        }
        for control in self.controls.values():
            control.continuous_update = False
            control.style.description_width = "11em"
            control.layout.width = "98%"
            control.observe(self._changed, names="value")
        self._answer = ipywidgets.HTML()
        super().__init__([*self.controls.values(), self._answer], lambda: self.table)
        self._changed()

    @property
    def table(self) -> Table:
        """The result for the controls' current values."""
        value = {name: control.value for name, control in self.controls.items()}
        codes = value["languages"].lower().replace(",", " ").split()
        return verdicts(value["memory"], value["bits"], value["context"], codes, value["bandwidth"])

    def _changed(self, change: object = None) -> None:
        table = self.table
        # polite: a screen reader reads the new table once the control stops moving
        self._answer.value = f'<div aria-live="polite">{table._repr_html_()}</div>'
