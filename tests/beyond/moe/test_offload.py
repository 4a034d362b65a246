"""Experts in a file: the same results as in memory, whatever the cache holds."""

import pytest
import torch

from beyond.moe.byte_lm import ByteLM, ByteLMShape
from beyond.moe.offload import ExpertCache, ExpertFile, record_trace, replay

TINY = ByteLMShape(hidden=16, experts=4, k=2, dim=16, layers=2, heads=2, context=16)


@pytest.fixture
def model():
    return ByteLM(TINY)


@pytest.mark.parametrize("room", [1, 3, 4])
def test_results_don_t_depend_on_the_cache(tmp_path, model, room):
    trace = record_trace(model, torch.randint(256, (3, 16)))
    with ExpertFile(tmp_path / "experts", model) as file:
        cost, outputs = replay(trace, file, room)
    for block, x, y in zip(model.blocks, trace.inputs, outputs, strict=True):
        torch.testing.assert_close(y, block.feed(x)[0], rtol=1e-4, atol=1e-5)
    assert cost.tokens == 48 and cost.hits + cost.misses == 48 * 2 * 2
    assert cost.read_bytes == cost.misses * 4 * 3 * 16 * 16
    if room == 4:  # each expert is read once at most
        assert cost.misses <= 2 * 4


def test_the_least_recently_used_expert_goes_first(tmp_path, model):
    with ExpertFile(tmp_path / "experts", model) as file:
        cache = ExpertCache(file, 1, 2)
        for expert in (0, 1, 0, 2, 0, 1):
            gate_up, down = cache.get(expert)
            assert torch.equal(gate_up, model.blocks[1].feed.gate_up[expert])
            assert torch.equal(down, model.blocks[1].feed.down[expert])
    assert (cache.hits, cache.misses) == (2, 4)  # 2 pushed 1 out, not 0


def test_a_cache_needs_room(tmp_path, model):
    with ExpertFile(tmp_path / "e", model) as file, pytest.raises(ValueError, match="room"):
        ExpertCache(file, 0, 0)


def test_a_file_that_ends_early_is_an_error_in_a_sentence(tmp_path, model):
    path = tmp_path / "experts"
    with ExpertFile(path, model) as file:
        path.write_bytes(path.read_bytes()[:-10])
        with pytest.raises(OSError, match="ends before expert 3 of layer 1"):
            file.read(1, 3)


def test_a_trace_leaves_no_hook_behind(model):
    record_trace(model, torch.randint(256, (1, 16)))
    assert not any(block.feed._forward_hooks for block in model.blocks)
