"""beyond.lm.benchmark: a measurement in a process of its own, with a tiny model. No times are asserted."""

import pytest
import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from beyond.lm.benchmark import Speed, measure
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
    found = measure("bfloat16", folder, prompt_tokens=16, new_tokens=4, threads=1)
    assert (found.dtype, found.threads) == ("bfloat16", 1)
    assert (found.prompt_tokens, found.new_tokens) == (16, 4)
    assert found.first_token_seconds > 0 and found.seconds_per_token > 0
    assert found.resident_mb > found.before_mb > 50


def test_what_follows_from_it():
    speed = Speed("float32", 2, 128, 48, 0.5, 0.1, 400.0, 1000.0)
    assert speed.tokens_per_second == 10
    assert speed.model_mb == 600


def test_a_model_that_is_not_there(tmp_path):
    with pytest.raises(NoModel, match="folder with a config.json"):
        measure("float32", tmp_path / "nothing")
