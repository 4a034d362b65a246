"""beyond.small_models.calibration: smaller output errors at the same bits, over several draws."""

import pytest
import torch

from beyond.small_models.calibration import (
    awq,
    gptq,
    layer_inputs,
    output_error,
    quantize_by_importance,
)
from beyond.small_models.quantization import quantize_blocks

METHODS = [quantize_by_importance, gptq, awq]
SEEDS = range(5)


def layer(seed, tokens=2_000):
    """Weights, and inputs of correlated channels, a few of which are large."""
    draw = torch.Generator().manual_seed(seed)
    weights = torch.randn(48, 64, generator=draw)
    mixed = torch.randn(64, 64, generator=draw) / 8 + torch.eye(64)
    size = torch.ones(64)
    size[torch.randperm(64, generator=draw)[:6]] = 8.0
    inputs = torch.randn(2 * tokens, 64, generator=draw) @ mixed * size
    return weights, inputs[:tokens], inputs[tokens:]


@pytest.mark.parametrize("bits", [2, 3])
@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.__name__)
def test_the_error_on_new_inputs_is_smaller_than_that_of_plain_rounding(method, bits):
    for seed in SEEDS:
        weights, seen, new = layer(seed)
        plain = output_error(weights, quantize_blocks(weights, bits), new)
        assert output_error(weights, method(weights, seen, bits), new) < plain


def test_few_inputs_are_overfitted():
    for seed in SEEDS:
        weights, seen, new = layer(seed, tokens=60)
        after = gptq(weights, seen, 3)
        assert output_error(weights, after, seen) < output_error(weights, after, new)


@pytest.mark.parametrize("method", [quantize_by_importance, gptq], ids=lambda m: m.__name__)
def test_a_block_has_no_more_levels_than_its_codes(method):
    weights, seen, _new = layer(0)
    for row in method(weights, seen, 2).reshape(-1, 32):
        assert row.unique().numel() <= 4


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.__name__)
def test_the_weights_given_are_not_changed(method):
    weights, seen, _new = layer(0)
    before = weights.clone()
    method(weights, seen, 3)
    assert torch.equal(weights, before)


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.__name__)
def test_equal_weights_and_silent_inputs(method):
    after = method(torch.full((2, 32), 0.25), torch.zeros(8, 32) + 1e-9, 3)
    assert torch.allclose(after, torch.full((2, 32), 0.25), atol=1e-4)


def test_the_error_by_hand():
    weights, after = torch.tensor([[3.0, 4.0]]), torch.tensor([[3.0, 3.0]])
    assert output_error(weights, after, torch.tensor([[0.0, 2.0]])) == pytest.approx(0.25)
    assert output_error(weights, after, torch.tensor([[1.0, 0.0]])) == 0


def test_the_inputs_of_a_layer(llama):
    class Tokenizer:
        def __call__(self, text, **_options):
            ids = torch.tensor([[ord(letter) % 96 for letter in text]])
            return type("Encoded", (), {"input_ids": ids})

    own = llama.model.layers[1].mlp.up_proj
    seen = layer_inputs(llama, Tokenizer(), ["abc", "de"], own)
    assert seen.shape == (5, own.in_features)
    assert not own._forward_pre_hooks
