"""A quantized KV cache: sizes, errors within half a step, and perplexity as without one."""

import numpy as np
import pytest

from beyond.edge import export
from beyond.edge.kv_cache import CHANNEL, TOKEN, CacheFormat, cache_bytes, perplexity
from beyond.edge.session import OnnxModel
from beyond.edge.weights import DecoderShape

FULL = CacheFormat(32)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("axis", [TOKEN, CHANNEL])
@pytest.mark.parametrize("bits", [2, 4, 8])
def test_no_number_is_off_by_more_than_half_a_step(seed, axis, bits):
    values = np.random.default_rng(seed).normal(size=(1, 3, 32, 64)).astype(np.float32)
    step = np.ptp(values, axis=axis, keepdims=True) / (2**bits - 1)
    change = np.abs(CacheFormat(bits, axis).apply(values) - values)
    assert (change <= 0.5 * step + 0.01).all()  # scale and minimum are rounded to 16 bits


def test_equal_numbers_stay_as_they_are():
    values = np.full((1, 1, 32, 64), 0.25, np.float32)
    assert np.array_equal(CacheFormat(4).apply(values), values)
    assert FULL.apply(values) is values


def test_bits_and_bytes():
    assert CacheFormat(4).bits_per_number(64) == 4.5
    assert CacheFormat(4, CHANNEL).bits_per_number(64) == 5
    assert CacheFormat(16).bits_per_number(64) == 16
    shape = DecoderShape(30, 576, 9, 3, 64, 1536, 49_152, 8_192, 1e5, 1e-5, tied=True)
    assert cache_bytes(shape, 8_192, FULL, FULL) == 377_487_360


def test_reading_in_chunks_gives_the_perplexity_of_reading_at_once(weights, tmp_path):
    export.write_variant(tmp_path, weights, "fp32")
    model = OnnxModel(tmp_path, threads=1)
    ids = [(5 * i * i + i) % 96 for i in range(61)]
    logits, _past = model.run(ids, wanted=range(60))
    rows = logits.astype(np.float64)
    losses = np.log(np.exp(rows).sum(axis=-1)) - rows[range(60), ids[1:]]
    chunks = []
    found = perplexity(model, ids, FULL, FULL, step=lambda: chunks.append(1))
    assert found == pytest.approx(np.exp(losses.mean()), rel=1e-4)
    assert len(chunks) == 2
    coarse = CacheFormat(2)
    assert perplexity(model, ids, coarse, coarse) != pytest.approx(found, rel=1e-6)
