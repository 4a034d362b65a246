"""Expert parallelism, counted."""

import pytest
import torch

from beyond.moe.parallel import parallel_step, sent_rows

EXPERTS = torch.tensor([[0, 1], [0, 3], [1, 0], [3, 0]])


def test_rows_go_from_the_token_s_device_to_the_expert_s():
    assert sent_rows(EXPERTS, 4, 2).tolist() == [[3, 1], [3, 1]]
    kept = torch.ones(4, 2, dtype=torch.bool)
    kept[2, 1] = False
    assert sent_rows(EXPERTS, 4, 2, kept).tolist() == [[3, 1], [2, 1]]


def test_one_device_sends_nothing():
    assert parallel_step(EXPERTS, 4, 1, 8).sent_bytes == 0


@pytest.mark.parametrize(("tokens", "n", "devices"), [(5, 4, 2), (4, 3, 2)])
def test_an_uneven_split_is_refused(tokens, n, devices):
    with pytest.raises(ValueError, match="can't be split"):
        sent_rows(torch.zeros(tokens, 1, dtype=torch.long), n, devices)


def test_without_capacity_both_directions_are_counted_and_nothing_is_dropped():
    step = parallel_step(EXPERTS, 4, 2, 8)
    assert (step.dropped, step.sent_bytes, step.rows) == (0, 2 * 4 * 8, (6, 2))
    assert step.busiest == 1.5 and step.padding == 0


def test_with_capacity_whole_buffers_are_sent():
    step = parallel_step(EXPERTS, 4, 2, 8, factor=1.0)  # 1 place per expert on each device
    assert step.rows == (4, 4) and step.busiest == 1
    assert step.sent_bytes == 2 * 4 * 8
    # device 0 serves 0, 1 and 3 once each; so does device 1
    assert step.dropped == pytest.approx(2 / 8) and step.padding == pytest.approx(2 / 8)
