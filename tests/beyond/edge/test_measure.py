import json
import sys

import pytest

from beyond.edge import export, measure
from beyond.edge.measure import Speed


def test_what_is_computed_from_the_times():
    steps = (0.01,) * 19 + (0.2,)
    speed = Speed(100, 0.5, steps, resident_mb=200, before_mb=60)
    assert speed.reading == 200
    assert speed.writing == pytest.approx(20 / 0.39)
    assert speed.p50 == 0.01
    assert speed.p95 == pytest.approx(0.01 + 0.05 * 0.19, rel=1e-6)


def test_the_command_measures_a_form(weights, tmp_path, monkeypatch, capsys):
    export.write_form(tmp_path, weights, "fp32")
    monkeypatch.setattr(measure, "ORDINARY_IDS", range(1, 96))
    numbers = ["--prompt-tokens", "8", "--new-tokens", "5", "--threads", "1"]
    monkeypatch.setattr(sys, "argv", ["measure", "onnx", str(tmp_path), *numbers])
    assert measure.main() == 0
    found = json.loads(capsys.readouterr().out)
    assert found["prompt_tokens"] == 8 and len(found["steps"]) == 4
    assert found["resident_mb"] > found["before_mb"] > 0


def test_a_process_that_fails_says_why(tmp_path):
    with pytest.raises(RuntimeError, match="model.onnx"):
        measure.measure("onnx", tmp_path)
