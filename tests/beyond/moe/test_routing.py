"""The drawings of who goes where, and the widget: every number also in words or a table."""

import pytest
import torch

from beyond.moe.byte_lm import ByteLM, ByteLMShape, Curve, Report
from beyond.moe.layer import Routing
from beyond.moe.routing import (
    RoutingExplorer,
    byte_names,
    colored,
    curves_chart,
    heat_map,
    language_loads,
    loads_over_training,
    table,
)

TEXT = "한 a"
ROUTING = Routing(
    logits=torch.zeros(5, 3),
    weights=torch.tensor([[0.75, 0.25]]).expand(5, 2),
    experts=torch.tensor([[0, 1], [1, 2], [2, 0], [0, 1], [1, 0]]),
)
TINY = ByteLMShape(hidden=16, experts=4, k=2, dim=16, layers=2, heads=2, context=16)


@pytest.fixture(scope="module")
def explorer():
    return RoutingExplorer(ByteLM(TINY), "한글 abc")


def report(step, *shares):
    return Report(step, float(step), {"korean": 2.0, "english": 2.2}, [[list(shares)] * 3])


def test_each_byte_has_a_name():
    assert byte_names(TEXT, 5) == ["한", "한·2", "한·3", "␣", "a"]
    assert byte_names(TEXT, 5, short=True) == ["한", "·2", "·3", "␣", "a"]
    assert byte_names(TEXT, 2) == ["한", "한·2"]


def test_coloured_text():
    shown = colored("한<a", ROUTING)
    assert str(shown) == "한:0 한·2:1 한·3:2 <:0 a:1"
    html = shown._repr_html_()
    assert "0+1+2" in html and "&lt;" in html and "<a" not in html


def test_table_has_each_byte_s_experts():
    rows = table(TEXT, ROUTING).rows
    assert rows[1] == ("한·2", "1: 0.75", "2: 0.25") and len(rows) == 5


def test_heat_map_says_who_was_first():
    chart = heat_map(TEXT, ROUTING, "Layer 1")
    assert "5 bytes and 3 experts" in chart.alt and "expert 0: 2" in chart.alt
    assert chart.png().startswith(b"\x89PNG")


def test_loads_are_said_in_words():
    runs = {"with": [report(0, 0.5, 0.5), report(10, 0.25, 0.75)]}
    assert "25%, 75%" in loads_over_training(runs, 0, "Shares").alt
    alt = language_loads(report(1, 0.1, 0.9), 0, {"ko": "Korean", "en": "English", "py": "P"}).alt
    assert "Korean: 10%, 90%" in alt and "50.0%" in alt


@pytest.mark.parametrize("against", ["flops", "seconds"])
def test_curves(against):
    found = [
        Curve("mixture", seed, TINY, (report(0, 1.0), report(9, 1.0), report(20, 1.0)))
        for seed in (0, 1)
    ]
    chart = curves_chart(found, {"mixture": "M"}, against, ("live", [0, 1], [report(1, 1.0)] * 2))
    assert "M: 2.100 after" in chart.alt and "live: 2.100 after 1.0" in chart.alt
    assert chart.png().startswith(b"\x89PNG")


def test_explorer_follows_its_controls(explorer):
    assert len(explorer.table.rows) == 10 and len(explorer.table.header) == 3
    explorer.controls["k"].value = 4
    assert len(explorer.table.header) == 5
    explorer.controls["layer"].value = 1
    explorer.controls["temperature"].value = 10.0
    weights = [float(cell.split(": ")[1]) for cell in explorer.table.rows[0][1:]]
    assert max(weights) < 0.5
    explorer.controls["text"].value = "<b>"
    assert "<b>" not in explorer._shown.value and len(explorer.table.rows) == 3
    explorer.controls["text"].value = "x"
    assert 'role="status"' in explorer._shown.value
    bundle = explorer._repr_mimebundle_()
    assert "text/plain" in bundle and "<table" in bundle["text/html"]
