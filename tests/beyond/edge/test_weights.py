import numpy as np
import pytest
from gguf import GGMLQuantizationType, quants
from hypothesis import given
from hypothesis import strategies as st
from transformers import LlamaConfig, MistralConfig

from beyond.edge.weights import (
    BLOCK,
    Blocks,
    DecoderShape,
    FromModel,
    NotALlama,
    _halves,
    _q4_1,
    _q8_0,
    gguf_name,
    to_blocks,
)


def test_the_shape_of_a_llama(llama):
    shape = DecoderShape.of(llama.config)
    assert (shape.layers, shape.heads, shape.kv_heads, shape.head_size) == (2, 4, 2, 16)
    assert shape.tied and shape.context == 64


@pytest.mark.parametrize(
    "config",
    [
        MistralConfig(),
        LlamaConfig(attention_bias=True),
        LlamaConfig(hidden_act="gelu"),
        LlamaConfig(rope_parameters={"rope_type": "linear", "factor": 2.0, "rope_theta": 1e4}),
    ],
)
def test_what_the_graph_would_compute_wrongly_is_refused(config):
    with pytest.raises(NotALlama, match=r"torch\.onnx\.export"):
        DecoderShape.of(config)


def test_weights_in_memory(llama):
    weights = FromModel(llama)
    table = weights["model.embed_tokens.weight"]
    assert np.array_equal(table, llama.model.embed_tokens.weight.detach().numpy())


@pytest.mark.parametrize(("kind", "read"), [("Q4_1", _q4_1), ("Q8_0", _q8_0)])
def test_ggufs_blocks_are_read_as_its_own_package_reads_them(kind, read):
    matrix = np.random.default_rng(0).normal(size=(6, 3 * BLOCK)).astype(np.float32)
    packed = quants.quantize(matrix, GGMLQuantizationType[kind])
    expected = quants.dequantize(packed, GGMLQuantizationType[kind])
    assert np.allclose(read(packed).numbers(), expected, atol=1e-6)


def test_rows_of_queries_return_to_transformers_order():
    order = _halves(heads=2, size=6)
    # GGUF keeps 0 3 1 4 2 5: numbers that turn together stand side by side
    ours = np.arange(12)
    ggufs = ours.reshape(2, 2, 3).swapaxes(1, 2).ravel()
    assert np.array_equal(ggufs[order], ours)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("model.embed_tokens.weight", "token_embd.weight"),
        ("model.norm.weight", "output_norm.weight"),
        ("lm_head.weight", "output.weight"),
        ("model.layers.7.self_attn.o_proj.weight", "blk.7.attn_output.weight"),
        ("model.layers.0.post_attention_layernorm.weight", "blk.0.ffn_norm.weight"),
    ],
)
def test_ggufs_names(name, expected):
    assert gguf_name(name) == expected


@given(st.integers(0, 2**32 - 1), st.sampled_from([4, 8]), st.booleans(), st.floats(1e-3, 1e3))
def test_rounding_moves_no_weight_by_more_than_a_step(seed, bits, offset, size):
    matrix = size * np.random.default_rng(seed).normal(size=(3, 2 * BLOCK))
    blocks = to_blocks(matrix, bits, offset=offset)
    assert blocks.q.max() < 2**bits
    steps = np.repeat(np.abs(blocks.d), BLOCK, axis=1)
    # without an offset the end opposite to the largest weight has one level less
    assert (np.abs(blocks.numbers() - matrix) <= 1.001 * steps).all()
    if offset:
        assert (np.abs(blocks.numbers() - matrix) <= 0.501 * steps).all()


def test_a_block_of_equal_weights():
    for value in (0.0, 2.5):
        matrix = np.full((1, BLOCK), value, np.float32)
        assert np.allclose(to_blocks(matrix, 4, offset=True).numbers(), value)
    assert np.allclose(to_blocks(np.zeros((1, BLOCK)), 4).numbers(), 0)


def test_rows_in_another_order():
    blocks = to_blocks(np.random.default_rng(0).normal(size=(4, BLOCK)), 4, offset=True)
    order = np.array([2, 0, 3, 1])
    assert np.array_equal(blocks.rows(order).numbers(), blocks.numbers()[order])
    assert isinstance(blocks.rows(order), Blocks)
