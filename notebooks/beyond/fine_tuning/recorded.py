"""Show what several seeds gave when `tools/make_adapter.py` ran, recorded and not measured live."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

from beyond.locale import _
from beyond.ui.tables import Table


@cache
def record() -> dict:
    """Return the recorded figures."""
    return json.loads((Path(__file__).parent / "seeds.json").read_text("utf-8"))


def seeds_table() -> Table:
    """Return a row for each recorded seed, and one for the base model."""
    base = record()["base"]
    rows = [(_("base model"), "–", f"{base['general_right']} / 16", _ppl(base))]
    rows += [
        (
            str(row["seed"]),
            f"{row['held_out_right']} / 100",
            f"{row['general_right']} / 16",
            _ppl(row),
        )
        for row in record()["seeds"]
    ]
    return Table(
        _caption(),
        (
            _("seed"),
            _("held-out messages"),
            _("general questions"),
            _("perplexity of prose"),
        ),
        rows,
    )


def later_table() -> Table:
    """Return what each recorded seed's adapter said to the messages about changed rules."""
    rows = [
        (str(row["seed"]), f"{row['later_right']} / 25", f"{row['kettle_to_office']} / 5")
        for row in record()["seeds"]
    ]
    header = (_("seed"), _("correct"), _("kettle messages sent to the old team"))
    return Table(_caption(), header, rows)


def _caption() -> str:
    return _("Recorded on {date}, not measured just now").format(date=record()["date"])


def _ppl(row: dict) -> str:
    return f"{row['perplexity']:.1f}"
