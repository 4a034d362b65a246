"""Lesson 6: what its prose says about numbers is what its code and its recorded file say."""

import re
from pathlib import Path
from statistics import mean

import nbformat
import numpy as np
import pytest

from beyond.moe.byte_lm import SHAPES, curves, texts

LESSON = Path(__file__).parents[3] / "notebooks" / "en" / "06-mixture-of-experts-the-layer.ipynb"

SLOW = ("measure-speed", "train-mixture")


@pytest.fixture(scope="module")
def cells():
    return {cell.id: cell for cell in nbformat.read(LESSON, 4).cells}


@pytest.fixture(scope="module")
def names(cells):
    """Every name that sections 1 to 4 and the exercises bind; nothing is trained."""
    bound = {"__name__": "lesson"}
    order = list(cells)
    for name in order[: order.index("does-it-matter")] + order[order.index("exercise-count") :]:
        if cells[name].cell_type == "code" and name not in SLOW:
            exec(compile(cells[name].source, name, "exec"), bound)
    return bound


def solutions(cells):
    code = re.search(r"```python\n(.*?)```", cells["transfer-traffic"].source, re.DOTALL).group(1)
    bound = {}
    exec(code, bound)
    return bound


def test_phi_s_numbers(cells, names):
    prose = cells["read-total"].source
    assert f"{names['total'] / 1e9:.2f} billion" in prose
    assert f"{names['active'] / 1e9:.2f} billion" in prose
    assert f"{2 * names['total'] / 1e9:.1f} GB" in prose
    from transformers import PhimoeConfig

    config = PhimoeConfig()
    assert (names["D"], names["H"], names["LAYERS"], names["EXPERTS"], names["K"]) == (
        config.hidden_size,
        config.intermediate_size,
        config.num_hidden_layers,
        config.num_local_experts,
        config.num_experts_per_tok,
    )
    assert names["KV"] == config.num_key_value_heads * config.hidden_size // 32


def test_the_lesson_s_own_functions_are_the_library_s(names):
    import torch

    from beyond.moe import layer as moe

    logits = torch.randn(50, 8)
    experts = moe.top_k(logits, 2)[1]
    torch.testing.assert_close(names["balance"](logits, experts), moe.balance_loss(logits, experts))
    torch.testing.assert_close(names["z_loss"](logits), moe.z_loss(logits))
    for factor in (0.5, 1.0, 1.25):
        room = moe.capacity(50, 8, 2, factor)
        kept = moe.within_capacity(experts, 8, room)
        assert torch.equal(names["fits"](experts, 8, factor), kept)


def test_a_chosen_only_softmax_reaches_k_of_e(names):
    assert 0.15 < (names["gradient"] != 0).float().mean() <= 0.25


@pytest.mark.parametrize("task", ["moe-parameters", "share-read"])
def test_the_shown_solution_passes_the_visible_checks(cells, names, capsys, task):
    bound = {**names, **solutions(cells)}
    exec(cells[f"{task}-checks"].source, bound)
    shown = capsys.readouterr()
    assert "✗" not in shown.out and not shown.err
    assert "return None  # your code here" in cells[task].source


def test_a_wrong_solution_fails_with_a_hint(cells, names):
    bound = {**names, "share_read": lambda tokens, experts, k: min(1, tokens * k / experts)}
    with pytest.raises(AssertionError, match="choose independently"):
        exec(cells["share-read-checks"].source, bound)


def test_the_answer_to_the_last_transfer_question(cells):
    share = solutions(cells)["share_read"]
    assert share(17, 16, 2) < 0.9 <= share(18, 16, 2)
    assert "$T = 18$" in cells["transfer-traffic"].source


def losses(kind):
    """[seed, report] of the recorded trainings."""
    return np.array([[r.loss for r in c.reports] for c in curves() if c.name == kind])


def test_what_the_curves_show(cells):
    active, total, mixture = (losses(kind) for kind in SHAPES)
    prose = cells["read-curves"].source
    assert "first 200 steps" in prose
    assert (mixture.mean(0) - active.mean(0))[:8].min() > 0  # up to step 175 it leads nowhere
    assert (mixture.mean(0) - active.mean(0))[9:].max() < 0  # from step 225 it does
    # "by more than the span between seeds"
    gap = active[:, -1].mean() - mixture[:, -1].mean()
    assert gap > max(np.ptp(active[:, -1]), np.ptp(mixture[:, -1]))
    assert total[:, -1].max() < mixture[:, -1].min()  # best after equally many steps
    dear = SHAPES["dense, same total"].training_flops() / SHAPES["mixture"].training_flops()
    assert round(dear, 1) == 2.5 and "2.5 times" in prose
    at_equal_computing = int(len(total[0]) / dear)
    assert total[:, at_equal_computing].min() > mixture[:, -1].max() + 0.3  # "far behind"
    size = sum(len(part) for parts in texts().values() for part in parts)
    assert f"{round(size, -3):,} bytes" in prose


def test_what_the_loads_show(cells):
    with_loss, without = (
        [c.reports[-1] for c in curves() if c.name == kind]
        for kind in ("mixture", "mixture, no balance")
    )

    def shares(reports):
        return np.array([np.mean(layer, axis=0) for r in reports for layer in r.loads])

    assert 0.40 < shares(without).max() < 0.50  # "up to nearly half of a layer's load"
    assert shares(without).min() < 0.01 and shares(with_loss).min() > 0.04
    assert mean(r.loss for r in with_loss) < mean(r.loss for r in without)
