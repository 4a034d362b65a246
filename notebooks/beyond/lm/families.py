"""Describe the small models in the lessons: size, context, license, languages, dimensions.

The data are in `families.json`, with a date and a source for each model.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from beyond.lm.model_size import FORMATS, TransformerShape, weight_bytes
from beyond.locale import _
from beyond.old_names import keep_old_attributes
from beyond.ui.tables import Table

_FILE = Path(__file__).parent / "families.json"


@keep_old_attributes(f"{__name__}.Family")
@dataclass(frozen=True)
class Family:
    """A model as its publisher describes it."""

    name: str
    released: str
    """Year and month."""
    parameters: float
    """As stated by the publisher, rounded; `shape.parameters()` is the exact count."""
    context: int
    """Tokens."""
    license: str
    free: bool
    """Whether the license is an open-source one, which allows anyone any use."""
    tokenizer: str
    languages: tuple[str, ...]
    """ISO 639-1 codes, as listed by the publisher."""
    shape: TransformerShape
    source: str
    claimed_languages: int = 0
    """How many languages the publisher counts, where it names fewer of them."""
    remark: str = ""
    challenge: bool = False
    """Whether it is in the challenge's catalog of fall 2024."""
    dimensions_confirmed: bool = True
    """Whether the dimensions were compared with what the publisher states."""


@cache
def families() -> tuple[Family, ...]:
    """Return all models, smallest first."""
    found = []
    for entry in _read()["models"]:
        fields = dict(entry)
        fields["shape"] = TransformerShape(**fields["shape"])
        fields["languages"] = tuple(fields["languages"])
        # renamed in the file, because a challenge asks for the tokenizer under its name
        fields["tokenizer"] = fields.pop("text_cut_by")
        found.append(Family(**fields))
    return tuple(sorted(found, key=lambda family: family.parameters))


def family(name: str) -> Family:
    """Return the model of that name.

    Raises:
        LookupError: if the file has none.
    """
    for each in families():
        if each.name == name:
            return each
    known = ", ".join(each.name for each in families())
    raise LookupError(f"There is no model {name!r} in {_FILE.name}; there are: {known}.")


def as_of() -> str:
    """Return the date on which the data were retrieved."""
    return _read()["as_of"]


def table() -> Table:
    """Tabulate size, context, license, languages and memory of every model."""
    rows = []
    for each in families():
        exact, active = each.shape.parameters(), each.shape.active_parameters()
        size = f"{exact / 1e9:.3g}B"
        if active != exact:
            size += " " + _("({active:.3g}B active)").format(active=active / 1e9)
        if not each.dimensions_confirmed:
            size += " " + _("(dimensions not confirmed)")
        rows.append(
            (
                each.name,
                each.released,
                size,
                f"{each.context // 1024}k",
                each.license,
                _languages(each),
                f"{weight_bytes(exact, FORMATS['bf16']) / 1e9:.1f}",
                f"{weight_bytes(exact, FORMATS['int4']) / 1e9:.1f}",
            )
        )
    header = (
        _("model"),
        _("released"),
        _("parameters"),
        _("context"),
        _("license"),
        _("languages"),
        _("GB, bf16"),
        _("GB, int4"),
    )
    return Table(_("Small models, as of {date}").format(date=as_of()), header, rows)


def _languages(model: Family) -> str:
    count = max(len(model.languages), model.claimed_languages)
    return _("{count}, Korean").format(count=count) if "ko" in model.languages else str(count)


@cache
def _read() -> dict:
    return json.loads(_FILE.read_text("utf-8"))
