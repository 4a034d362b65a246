"""Show what five seeds gave when `tools/make_adapter.py` ran, recorded and not measured live."""

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
    """Return a row for each recorded seed."""
    rows = [
        (
            str(row["seed"]),
            f"{row['held_out_right']}%",
            f"{row['distilled_right']}%" if "distilled_right" in row else "–",
            f"{row['later_right']} / 25",
            f"{row['general_right']} / 16",
            f"{row['perplexity']:.1f}",
        )
        for row in record()["seeds"]
    ]
    return Table(
        _("Recorded on {date} with five seeds, not measured just now").format(
            date=record()["date"]
        ),
        (
            _("seed"),
            _("tuned on gold labels"),
            _("distilled"),
            _("new rules"),
            _("general questions"),
            _("perplexity of prose"),
        ),
        rows,
    )
