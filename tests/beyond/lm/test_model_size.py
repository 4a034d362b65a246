"""beyond.lm.model_size: parameter counts against transformers' own classes, cache sizes by hand."""

import pytest
import torch
import transformers
from transformers import LlamaConfig, LlamaForCausalLM, PhimoeConfig, PhimoeForCausalLM

from beyond.lm.families import families, family
from beyond.lm.model_size import FORMATS, TransformerShape, weight_bytes


def _transformers_count(shape):
    """The parameters of transformers' model of that shape, made without memory."""
    sizes = {
        "vocab_size": shape.vocabulary,
        "hidden_size": shape.hidden,
        "intermediate_size": shape.intermediate,
        "num_hidden_layers": shape.layers,
        "num_attention_heads": shape.heads,
        "num_key_value_heads": shape.kv_heads,
        "tie_word_embeddings": shape.tied,
        "attention_bias": shape.attention_bias,
    }
    if shape.experts > 1:
        config = PhimoeConfig(
            **sizes,
            num_local_experts=shape.experts,
            num_experts_per_tok=shape.active_experts,
            lm_head_bias=shape.head_bias,
        )
        kind = PhimoeForCausalLM
    else:
        config, kind = LlamaConfig(**sizes, head_dim=shape.head_dim), LlamaForCausalLM
    with torch.device("meta"):
        model = kind(config)
    return sum(p.numel() for p in {id(p): p for p in model.parameters()}.values())


OWN_CLASSES = {
    "EXAONE 4.0 1.2B": ("Exaone4Config", {"layer_types": ["full_attention"] * 30}),
    "HyperCLOVA X SEED 1.5B": ("LlamaConfig", {}),
    # Llama's config refuses heads that aren't as wide together as the hidden size
    "Kanana 1.5 2.1B": ("MistralConfig", {"sliding_window": None}),
    "Gemma 3 4B": ("Gemma3TextConfig", {}),
    "Qwen3 4B 2507": ("Qwen3Config", {}),
    "gpt-oss-20b": ("GptOssConfig", {"num_local_experts": 32}),
}
"""Models whose architecture has a few vectors more than Llama's: transformers' own config."""


@pytest.mark.parametrize(
    "model",
    [one for one in families() if one.name not in OWN_CLASSES],
    ids=lambda model: model.name,
)
def test_the_count_is_transformers_count(model):
    assert model.shape.parameters() == _transformers_count(model.shape)


@pytest.mark.parametrize("name", OWN_CLASSES)
def test_what_the_count_leaves_out_is_less_than_a_thousandth(name):
    shape = family(name).shape
    kind, more = OWN_CLASSES[name]
    config = getattr(transformers, kind)(
        vocab_size=shape.vocabulary,
        hidden_size=shape.hidden,
        intermediate_size=shape.intermediate,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.kv_heads,
        head_dim=shape.head_dim,
        tie_word_embeddings=shape.tied,
        **more,
    )
    with torch.device("meta"):
        model = transformers.AutoModelForCausalLM.from_config(config)
    count = sum(p.numel() for p in {id(p): p for p in model.parameters()}.values())
    assert shape.parameters() == pytest.approx(count, rel=1e-3)
    local = [kind for kind in getattr(config, "layer_types", None) or () if "sliding" in kind]
    assert shape.local_layers == len(local)


ROUNDED_DOWN = {"HyperCLOVA X SEED 1.5B": 0.06}
"""Where the publisher gives fewer digits: the relative difference that its rounding explains."""


@pytest.mark.parametrize("model", families(), ids=lambda model: model.name)
def test_the_count_agrees_with_the_publisher(model):
    rounding = ROUNDED_DOWN.get(model.name, 0.025)
    assert model.shape.parameters() == pytest.approx(model.parameters, rel=rounding)


def test_the_counts_that_lessons_quote():
    moe = family("Phi-3.5-MoE").shape
    assert round(moe.parameters() / 1e9, 2) == 41.87
    assert round(moe.active_parameters() / 1e9, 2) == 6.64
    assert round(weight_bytes(moe.parameters(), FORMATS["bf16"]) / 1e9, 1) == 83.7
    assert family("SmolLM2-135M").shape.parameters() == 134_515_008
    assert round(family("Mistral NeMo").shape.parameters() / 1e9, 2) == 12.25


def test_a_dense_model_is_active_as_a_whole():
    for model in families():
        if model.shape.experts == 1:
            assert model.shape.active_parameters() == model.shape.parameters()


def test_the_cache_by_hand():
    shape = TransformerShape(2, 8, 16, 4, 2, 2, 10)
    assert shape.cache_bytes(3) == 2 * 2 * 2 * 2 * 3 * 2
    assert shape.cache_bytes(3, bits=8) == shape.cache_bytes(3) / 2
    assert shape.cache_bytes(0) == 0


def test_a_sliding_window_caches_no_more_than_that():
    shape = TransformerShape(2, 8, 16, 4, 2, 2, 10, local_layers=1, window=4)
    everywhere = TransformerShape(2, 8, 16, 4, 2, 2, 10)
    assert shape.cache_bytes(4) == everywhere.cache_bytes(4)
    assert shape.cache_bytes(100) == everywhere.cache_bytes(100 / 2 + 4 / 2)
