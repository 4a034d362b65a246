"""beyond.small_models.quantization: rounded to few levels, and put back exactly."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import LlamaConfig, LlamaForCausalLM

from beyond.small_models.quantization import (
    bits_per_weight,
    matrices,
    quantize_absmax,
    quantize_blocks,
    quantized,
    yours_or_library,
)


def small_model():
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=64,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        tie_word_embeddings=True,
    )
    return LlamaForCausalLM(config)


@settings(deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 8), st.sampled_from([8, 16, 32]))
def test_levels_and_errors(seed, bits, block):
    weights = torch.randn(4, 64, generator=torch.Generator().manual_seed(seed))
    after = quantize_blocks(weights, bits, block)
    assert after.shape == weights.shape
    for before, now in zip(weights.reshape(-1, block), after.reshape(-1, block), strict=True):
        assert now.unique().numel() <= 2**bits
        step = (before.max() - before.min()) / (2**bits - 1)
        assert (now - before).abs().max() <= step / 2 + 1e-5
        # the ends of a block are levels themselves
        assert torch.isclose(now.min(), before.min(), atol=1e-6)
        assert torch.isclose(now.max(), before.max(), atol=1e-6)


def test_rounding_twice_changes_nothing_more():
    once = quantize_blocks(torch.randn(8, 64), 4)
    assert torch.allclose(quantize_blocks(once, 4), once, atol=1e-6)


def test_a_block_of_equal_weights():
    assert torch.equal(quantize_blocks(torch.full((1, 32), 0.25), 2), torch.full((1, 32), 0.25))


def test_the_weights_given_are_not_changed():
    weights = torch.randn(2, 32)
    before = weights.clone()
    quantize_blocks(weights, 2)
    assert torch.equal(weights, before)


def test_impossible_requests():
    with pytest.raises(ValueError, match="bits is 0"):
        quantize_blocks(torch.ones(1, 32), 0)
    with pytest.raises(ValueError, match="blocks of 32"):
        quantize_blocks(torch.ones(1, 40), 4)


def test_bits_with_scales():
    assert bits_per_weight(4) == 5
    assert bits_per_weight(4, block=64) == 4.5


def test_a_model_is_put_back_exactly():
    model = small_model()
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    with quantized(model, 3):
        changed = {n for n, p in model.named_parameters() if not torch.equal(p, before[n])}
    assert changed == set(matrices(model))
    assert not any("norm" in name for name in changed)
    assert all(torch.equal(p, before[n]) for n, p in model.named_parameters())


def test_a_model_is_put_back_after_an_error():
    model = small_model()
    before = model.model.embed_tokens.weight.detach().clone()
    with pytest.raises(RuntimeError), quantized(model, 2):
        raise RuntimeError
    assert torch.equal(model.model.embed_tokens.weight, before)


def test_some_matrices_only():
    model = small_model()
    before = model.model.embed_tokens.weight.detach().clone()
    with quantized(model, 2, only=lambda name: "embed" not in name):
        assert torch.equal(model.model.embed_tokens.weight, before)
        assert model.model.layers[0].mlp.up_proj.weight[0, :32].unique().numel() <= 4


def test_absmax_hits_the_largest_weight_and_zero():
    after = quantize_absmax(torch.tensor([[-0.7, 0.0, 0.04, 0.31]]), 4, block=4)
    assert torch.allclose(after, torch.tensor([[-0.7, 0.0, 0.0, 0.3]]))
    assert torch.equal(quantize_absmax(torch.zeros(1, 32), 4), torch.zeros(1, 32))
    with pytest.raises(ValueError, match="bits is 1"):
        quantize_absmax(torch.zeros(1, 32), 1)


def test_another_rounding():
    model = small_model()
    weights = model.model.layers[0].mlp.up_proj.weight
    wanted = quantize_absmax(weights.detach(), 3)
    with quantized(model, 3, rounding=quantize_absmax):
        assert torch.equal(weights, wanted)


def raising(weights, bits, block):
    raise RuntimeError


@pytest.mark.parametrize(
    "unfinished", [raising, lambda w, b, k: None, lambda w, b, k: w], ids=["raises", "None", "same"]
)
def test_an_unfinished_function_is_replaced(unfinished, capsys):
    assert yours_or_library(unfinished) is quantize_blocks
    assert "library" in capsys.readouterr().out


def test_a_finished_one_is_used(capsys):
    def mine(weights, bits, block):
        return quantize_absmax(weights, bits, block)

    assert yours_or_library(mine, quantize_absmax) is mine
    assert "your functions" in capsys.readouterr().out
