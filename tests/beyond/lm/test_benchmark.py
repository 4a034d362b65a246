"""beyond.lm.benchmark: measurements of a tiny model, in a new process. No times are asserted."""

import json
import sys

import pytest
import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from beyond.edge import export
from beyond.lm import benchmark
from beyond.lm.benchmark import BenchmarkResult, measure
from beyond.lm.models import NoModel


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("model")
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=200,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=1,
        num_attention_heads=4,
        num_key_value_heads=2,
    )
    LlamaForCausalLM(config).save_pretrained(place)
    words = Tokenizer(WordLevel({"a": 0, "[UNK]": 1}, unk_token="[UNK]"))
    PreTrainedTokenizerFast(tokenizer_object=words, unk_token="[UNK]").save_pretrained(place)
    return place


def test_a_measurement(folder):
    found = measure("torch", folder, dtype="bfloat16", prompt_tokens=16, new_tokens=4, threads=1)
    assert (found.threads, found.prompt_tokens, found.new_tokens) == (1, 16, 4)
    assert found.first_token_seconds > 0 and found.seconds_per_token > 0
    assert found.resident_mb > found.before_mb > 50


def test_what_is_computed_from_the_times():
    steps = (0.01,) * 19 + (0.2,)
    found = BenchmarkResult(100, 0.5, steps, threads=2, before_mb=60, resident_mb=200)
    assert found.prefill_tokens_per_second == 200
    assert found.decode_tokens_per_second == pytest.approx(20 / 0.39)
    assert found.p50_seconds == 0.01
    assert found.p95_seconds == pytest.approx(0.01 + 0.05 * 0.19, rel=1e-6)
    assert found.new_tokens == 21
    assert found.model_mb == 140


def test_the_command_measures_a_variant(weights, tmp_path, monkeypatch, capsys):
    export.write_variant(tmp_path, weights, "fp32")
    numbers = ["--prompt-tokens", "8", "--new-tokens", "5", "--threads", "1"]
    monkeypatch.setattr(sys, "argv", ["benchmark", "onnx", str(tmp_path), *numbers])
    assert benchmark.main() == 0
    found = json.loads(capsys.readouterr().out)
    assert found["prompt_tokens"] == 8 and len(found["step_seconds"]) == 4
    assert found["resident_mb"] > found["before_mb"] > 0


def test_a_model_that_is_not_there(tmp_path):
    with pytest.raises(NoModel, match=r"folder with a config\.json"):
        measure("torch", tmp_path / "nothing")


def test_a_process_that_fails_says_why(tmp_path):
    with pytest.raises(RuntimeError, match=r"model\.onnx"):
        measure("onnx", tmp_path)


def test_the_package_is_found_where_it_is_not_installed(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", "/nowhere")
    with pytest.raises(NoModel, match="invalid choice: 'int3'"):
        measure("torch", dtype="int3")
