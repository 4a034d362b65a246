"""Lessons 6 and 7 and their appendix: exercises accept the shown solutions and explain likely
mistakes, and what the prose says about numbers holds for at least five seeds."""

import math
import re
from functools import cache, partial
from pathlib import Path

import nbformat
import numpy as np
import pytest
import torch

from beyond.lm.families import family
from beyond.moe import layer as moe
from beyond.moe import self_check
from beyond.moe.byte_lm import (
    SHAPES,
    ByteLM,
    ByteLMShape,
    curves,
    evaluate,
    texts,
    train,
    train_model,
)
from beyond.moe.offload import ExpertFile, record_trace, replay
from beyond.moe.parallel import parallel_step, sent_rows
from beyond.moe.routing import layer_loads, overlap
from beyond.moe.upcycling import upcycle

ENGLISH = Path(__file__).parents[3] / "notebooks" / "en"
LAYER = "06-mixture-of-experts-the-layer"
BALANCE = "07-mixture-of-experts-balance-and-training"
APPENDIX = "appendix-mixture-of-experts"


@cache
def cells(lesson):
    return {cell.id: cell.source for cell in nbformat.read(ENGLISH / f"{lesson}.ipynb", 4).cells}


def run(lesson, bound, *names):
    for name in names:
        exec(compile(cells(lesson)[name], name, "exec"), bound)
    return bound


def solution(lesson, task):
    return re.search(r"```python\n(.*?)```", cells(lesson)[f"{task}-solution"], re.DOTALL)[1]


FIRST = {LAYER: ("phi-shapes", "phi-total", "moe-parameters-checks", "gate", "gate-checks",
                 "top-k-checks", "dispatch-checks", "combine-checks"),
         BALANCE: ("balance-loss", "balance-loss-checks")}  # fmt: skip  # a row a line
"""Cells that bind what later check cells use; none of them needs an answer."""

TASKS = [
    (LAYER, "moe-parameters"),
    (LAYER, "gate"),
    (LAYER, "top-k"),
    (LAYER, "dispatch"),
    (LAYER, "combine"),
    (LAYER, "fraction-read"),
    (BALANCE, "balance-loss"),
    (BALANCE, "within-capacity"),
    (BALANCE, "bytes-sent"),
]


def stubs(lesson):
    bound = {"__name__": "lesson", "guess_total": None}
    for where, task in TASKS:
        if where == lesson:
            exec(cells(lesson)[task], bound)
    return run(lesson, bound, *FIRST[lesson])


def outcome(capsys, lesson, task, code):
    """What a learner reads after writing `code` in a task's cell."""
    bound = stubs(lesson)
    exec(compile(code, task, "exec"), bound)
    capsys.readouterr()
    run(lesson, bound, f"{task}-checks")
    shown = capsys.readouterr()
    return " ".join((shown.out + shown.err).split())


@pytest.mark.parametrize(("lesson", "task"), TASKS)
def test_the_shown_solution_passes(capsys, lesson, task):
    assert "return None  # your code here" in cells(lesson)[task]
    shown = outcome(capsys, lesson, task, solution(lesson, task))
    assert "✓" in shown and "✗" not in shown


@pytest.mark.parametrize(("lesson", "task"), TASKS)
def test_an_untouched_stub_is_not_a_mistake(capsys, lesson, task):
    optional = task in ("moe-parameters", "fraction-read")
    said = "optional, not done" if optional else "no answer yet"
    assert said in outcome(capsys, lesson, task, cells(lesson)[task])


@pytest.mark.parametrize("task", ["gate", "top-k", "dispatch", "combine"])
def test_the_four_steps_together_are_a_mixtral_block(capsys, task):
    bound = stubs(LAYER)
    for one in ("gate", "top-k", "dispatch", "combine"):
        exec(solution(LAYER, one), bound)
    capsys.readouterr()
    run(LAYER, bound, "mixture", "mixture-checks")
    shown = capsys.readouterr().out
    assert "✓" in shown and "✗" not in shown
    exec(cells(LAYER)[task], bound)  # with one step missing it is not answered, and no error
    capsys.readouterr()
    run(LAYER, bound, "mixture-checks")
    assert "no answer yet" in capsys.readouterr().out


MISTAKES = [
    (LAYER, "moe-parameters", ("return count(experts), count(k)", "return count(experts), count(1)"),
     "Count k experts"),
    (LAYER, "moe-parameters", ("2 * vocabulary", "vocabulary"), "two matrices"),
    (LAYER, "moe-parameters", ("attention + router +", "attention +"), "has a router, too"),
    (LAYER, "moe-parameters", ("3 * width * hidden", "2 * width * hidden"), "three matrices"),
    (LAYER, "moe-parameters", ("count(experts), count(k)", "count(k), count(experts)"),
     "First the total"),
    (LAYER, "moe-parameters", ("count(experts), count(k)", "count(experts)"),
     "Return two numbers"),
    (LAYER, "gate", (".softmax(dim=-1)", ""), "apply the softmax"),
    (LAYER, "gate", ("dim=-1", "dim=0"), "row must sum to 1"),
    (LAYER, "gate", ("(x.float() @ router.float().T)", "(x @ router.T).float()"), "no 257"),
    (LAYER, "top-k", ("if renormalize:", "if False:"), "Divide each token's weights"),
    (LAYER, "top-k", ("weights / weights.sum(dim=-1, keepdim=True)", "weights.softmax(dim=-1)"),
     "second softmax"),
    (LAYER, "top-k", ("weights.sum(dim=-1, keepdim=True)", "weights.sum(dim=0)"),
     "last axis"),
    (LAYER, "top-k", (", keepdim=True", ""), "a sum of its own"),
    (LAYER, "top-k", ("if renormalize:", "if True:"), "renormalize is False"),
    (LAYER, "dispatch", ("minlength=n", "minlength=0"), "still needs a count"),
    (LAYER, "dispatch", ("order // k", "order % 3"), "a // k"),
    (LAYER, "dispatch", ("order // k", "order // 2"), "isn't always 2"),
    (LAYER, "combine", ("restored[order] = outputs", "restored = outputs[order]"),
     "write to it"),
    (LAYER, "combine", ("restored[order] = outputs", "restored = outputs"), "still sorted"),
    (LAYER, "combine", (" * weights[..., None]", ""), "Multiply the outputs"),
    (LAYER, "fraction-read", ("1 - (1", "(1"), "not read"),
    (LAYER, "fraction-read", ("1 - (1 - k / experts) ** tokens", "min(1.0, tokens * k / experts)"),
     "same expert"),
    (LAYER, "fraction-read", ("1 - (1 - k / experts) ** tokens", "k"), "divide by how many"),
    (BALANCE, "balance-loss", ("n * (f", "(f"), "Multiply by the number"),
    (BALANCE, "balance-loss", ("experts.numel()", "len(experts)"), "sums to 1"),
    (BALANCE, "balance-loss", (".mean(dim=0)", ".sum(dim=0)"), "not a sum"),
    (BALANCE, "balance-loss", ("softmax(dim=-1)", "softmax(dim=0)"), "the last axis"),
    (BALANCE, "balance-loss", ("experts.flatten()", "experts[:, :1].flatten()"), None),
    (BALANCE, "balance-loss",
     ("logits.softmax(dim=-1)",
      "torch.zeros_like(logits).scatter(1, experts, logits.gather(1, experts).softmax(-1))"),
     "not from the chosen ones only"),
    (BALANCE, "within-capacity", ("place <= room", "place < room"), "last place"),
    (BALANCE, "within-capacity", ("place <= room", "place > room"), "marks the dropped"),
    (BALANCE, "within-capacity",
     ("queue = experts.T.flatten()", "queue = experts.flatten()"), None),
    (BALANCE, "bytes-sent", ("sent[sender][receiver]", "sent[receiver][sender]"),
     "sender is the row"),
    (BALANCE, "bytes-sent", (" and sender != receiver", ""), "isn't sent"),
    (BALANCE, "bytes-sent", ("+= row_bytes", "+= 1"), "row_bytes bytes"),
    (BALANCE, "bytes-sent", ("[[0] * devices for _sender in range(devices)]",
                             "[[0] * devices] * devices"), "inside a comprehension"),
    (BALANCE, "within-capacity", (".view(experts.T.shape).T", ".view(experts.shape)"),
     "then transpose"),
    (BALANCE, "balance-loss", ("logits.softmax(dim=-1).mean", "logits.mean"), "apply the softmax"),
    (LAYER, "moe-parameters", ("2 * width * width + 2 * width * key_value", "4 * width * width"),
     "a width of their own"),
    (LAYER, "moe-parameters", ("return count(experts), count(k)",
                               "return count(experts) / 1e9, count(k) / 1e9"), "not billions"),
    (LAYER, "top-k", ("return weights, experts", "return experts, weights"), "First the weights"),
    (LAYER, "fraction-read", ("(1 - k / experts) ** tokens", "(1 - 1 / experts) ** (tokens * k)"),
     "k experts differ"),
    (BALANCE, "bytes-sent", ("kept[token, choice] and ", ""), "look at kept"),
]  # fmt: skip  # a row a line


@pytest.mark.parametrize(("lesson", "task", "change", "hint"), MISTAKES)
def test_a_likely_mistake_is_explained(capsys, lesson, task, change, hint):
    right = solution(lesson, task)
    assert right.count(change[0]) == 1
    shown = outcome(capsys, lesson, task, right.replace(*change))
    assert "✗" in shown and "returned" in shown
    if hint:
        assert hint in shown
    else:  # a mistake without an explanation of its own gets none that doesn't fit
        assert "Hint" not in shown


@pytest.mark.parametrize(
    ("lesson", "task", "change", "said"),
    [
        (LAYER, "gate", (".softmax(dim=-1)", ".softmax(dim=-1).to(x.dtype)"), "stay in float32"),
        (LAYER, "dispatch", (".tolist()", ""), "counts must be a list"),
        (LAYER, "combine", (".view(tokens, k, -1)", ".view(-1, 2, 1)"), "from the shapes"),
        (BALANCE, "balance-loss", ("minlength=n", "minlength=0"), "needs minlength"),
        (BALANCE, "balance-loss", ("(f * P).sum()", "(f * P).sum().item()"), "cut the gradient"),
        (BALANCE, "balance-loss", ("logits.softmax", "logits.detach().softmax"),
         "cut the gradient"),
    ],
)  # fmt: skip  # a row a line
def test_right_numbers_of_the_wrong_kind_don_t_pass(capsys, lesson, task, change, said):
    right = solution(lesson, task)
    assert right.count(change[0]) == 1
    shown = outcome(capsys, lesson, task, right.replace(*change))
    assert "✗" in shown and said in shown


@pytest.mark.parametrize(
    ("lesson", "task", "change", "hint", "checks"),
    [
        (LAYER, "combine", ("weights[..., None]", "weights"), "`weights[..., None]`", 2),
        (LAYER, "dispatch", ("x[order // k]", "x[order]"), "assignments, not tokens", 1),
        (LAYER, "gate", ("router.float().T", "router.float()"), "x @ router.T", 1),
        (LAYER, "fraction-read", ("(1 - k / experts) ** tokens",
                                  "(1 - 1 / experts) ** (tokens * k)"), "k experts differ", 2),
        (BALANCE, "balance-loss", ("minlength=n", "minlength=0"), "needs minlength", 2),
        (BALANCE, "bytes-sent", ("token // (len(experts) // devices)", "token // devices"),
         "T // devices", 2),
        (BALANCE, "bytes-sent", ("expert // (n // devices)", "expert // devices"),
         "n // devices", 2),
    ],
)  # fmt: skip  # a row a line
def test_each_check_that_a_mistake_breaks_explains_it(capsys, lesson, task, change, hint, checks):
    right = solution(lesson, task)
    assert right.count(change[0]) == 1
    shown = outcome(capsys, lesson, task, right.replace(*change))
    assert shown.count("✗") >= checks
    assert shown.count(hint) == shown.count("Hint") == checks


@pytest.mark.parametrize(("guess", "said"), [(1, "at least 1"), (1.5, "at least 1"),
                                             (0.9, "close"), (None, "not guessed")])  # fmt: skip  # a case a line
def test_a_guess_on_the_other_side_of_one_isn_t_close(capsys, guess, said):
    run(BALANCE, {"torch": torch, "guess_below": guess}, "below-one")
    shown = " ".join(capsys.readouterr().out.split())
    assert said in shown and ("close" in shown) == (said == "close")


@pytest.mark.parametrize("seed", range(5))
def test_which_rows_of_the_router_get_a_gradient_from_the_task(seed):
    """With renormalized weights those of the chosen experts, otherwise all."""
    torch.manual_seed(seed)
    router, x, answers = (torch.randn(*shape).double() for shape in ((6, 4), (1, 4), (6,)))
    router.requires_grad_()
    for renormalize in (True, False):
        router.grad = None
        weights, chosen = (x @ router.T).softmax(-1).topk(2)
        if renormalize:
            weights = weights / weights.sum(-1, keepdim=True)
        (weights * answers[chosen]).sum().backward()
        rows = set((router.grad.abs().sum(1) > 1e-10).nonzero().flatten().tolist())
        assert rows == (set(chosen.flatten().tolist()) if renormalize else set(range(6)))


def test_the_four_together_point_to_the_checks_before(capsys):
    bound = stubs(LAYER)
    for one in ("gate", "top-k", "dispatch", "combine"):
        exec(solution(LAYER, one), bound)
    exec(
        solution(LAYER, "combine").replace("restored[order] = outputs", "restored = outputs"), bound
    )
    run(LAYER, bound, "mixture")
    capsys.readouterr()
    run(LAYER, bound, "mixture-checks")
    assert "get their checks to pass first" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    ("task", "code", "hint"),
    [
        ("balance-loss", (("experts.flatten()", "experts[:, 0]"),
                          ("/ experts.numel()", "/ len(experts)")), "GShard"),
        ("within-capacity", (("experts.T.flatten()", "experts.flatten()"),
                             (".view(experts.T.shape).T", ".view(experts.shape)")),
         "first choices before"),
    ],
)  # fmt: skip  # a row a line
def test_another_definition_is_recognized(capsys, task, code, hint):
    changed = solution(BALANCE, task)
    for one in code:
        changed = changed.replace(*one)
    assert hint in outcome(capsys, BALANCE, task, changed)


@pytest.mark.parametrize(
    ("lesson", "task", "code"),
    [
        (LAYER, "top-k", "from beyond.moe.layer import top_k as theirs\n"
         "def top_k(probabilities, k, renormalize=True):\n"
         "    return theirs(probabilities.log(), k, renormalize)"),
        (BALANCE, "balance-loss", "import beyond.moe.layer as library\n"
         "def balance_loss(logits, experts):\n"
         "    return library.balance_loss(logits, experts)"),
        (BALANCE, "balance-loss", "from beyond.moe.layer import balance_loss"),
    ],
)  # fmt: skip  # a row a line
def test_the_library_s_version_doesn_t_count(capsys, lesson, task, code):
    shown = outcome(capsys, lesson, task, code)
    assert "✗" in shown and "write it yourself" in shown


def test_the_build_s_functions_are_the_library_s():
    bound = {"torch": torch, "F": torch.nn.functional}
    for task in ("balance-loss", "within-capacity", "bytes-sent"):
        exec(solution(BALANCE, task), bound)
    for seed in range(5):
        torch.manual_seed(seed)
        logits = torch.randn(48, 8)
        experts = moe.top_k(logits, 2)[1]
        ours = bound["balance_loss"](logits, experts)
        torch.testing.assert_close(ours, moe.balance_loss(logits, experts))
        kept = bound["within_capacity"](experts, 8, 12)
        assert torch.equal(kept, moe.within_capacity(experts, 8, 12))
        sent = sent_rows(experts, 8, 4, kept)
        sent = 512 * (sent - sent.diagonal().diag())
        assert bound["bytes_sent"](experts, kept, 8, 4, 512) == sent.tolist()


def test_what_the_guess_of_phi_s_total_builds_on():
    mini = family("Phi-3.5-mini").shape
    networks = 3 * mini.hidden * mini.intermediate * mini.layers
    assert f"about {networks / mini.parameters():.0%} of that" in cells(LAYER)["predict-total"]


def test_phi_s_numbers():
    from transformers import PhimoeConfig

    names = stubs(LAYER)
    prose = cells(LAYER)["read-total"] + cells(LAYER)["take-away"]
    assert f"{names['total'] / 1e9:.2f} billion" in prose
    assert f"{names['active'] / 1e9:.2f} billion" in prose
    assert f"{2 * names['total'] / 1e9:.1f} GB" in prose
    config = PhimoeConfig()
    assert (names["WIDTH"], names["HIDDEN"], names["LAYERS"], names["EXPERTS"], names["K"]) == (
        config.hidden_size,
        config.intermediate_size,
        config.num_hidden_layers,
        config.num_local_experts,
        config.num_experts_per_tok,
    )
    assert names["KEY_VALUE"] == config.num_key_value_heads * config.hidden_size // 32


def test_a_bfloat16_router_changes_near_ties_only():
    """ "Few tokens, and all of them are near-ties", whose logits are usually about 0.1 apart."""
    for seed in range(6):
        torch.manual_seed(seed)
        layer, x = moe.MoELayer(dim=256, hidden=64, experts=16, k=2), torch.randn(4096, 256)
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
            exact, rounded = layer.route(x), layer.router(x).float()
        pairs = exact.experts.sort(-1).values, rounded.topk(2).indices.sort(-1).values
        changed = (pairs[0] != pairs[1]).any(-1)
        second, third = exact.logits.topk(3).values[:, 1:].unbind(-1)
        assert 0 < changed.float().mean() < 0.02
        assert (second - third).median() == pytest.approx(0.1, abs=0.05)
        assert (second - third)[changed].max() < (second - third).median() / 5


def test_transformers_mixtral_computes_logits_in_the_model_s_dtype():
    from transformers import MixtralConfig
    from transformers.models.mixtral.modeling_mixtral import MixtralSparseMoeBlock

    config = MixtralConfig(hidden_size=16, intermediate_size=16, num_local_experts=4)
    block = MixtralSparseMoeBlock(config).to(torch.bfloat16)
    logits, weights, _experts = block.gate(torch.randn(3, 16, dtype=torch.bfloat16))
    assert (logits.dtype, weights.dtype) == (torch.bfloat16, torch.float32)


def test_the_batch_that_reads_nine_tenths():
    bound = {}
    exec(solution(LAYER, "fraction-read"), bound)
    read = bound["fraction_read"]
    assert read(17, 16, 2) < 0.9 <= read(18, 16, 2)
    assert "$T = 18$" in cells(LAYER)["fraction-read-solution"]
    assert f"\\approx {read(18, 16, 2):.2f}$" in cells(LAYER)["fraction-read-solution"]


def test_the_balance_loss_can_be_below_one():
    p = torch.tensor([[0.51, 0.49], [0.51, 0.49], [0.01, 0.99]])
    value = moe.balance_loss(p.log(), p.topk(1).indices).item()
    assert f"the loss is {value:.3f}" in cells(BALANCE)["read-below"]


def test_z_loss_and_load_are_different_things():
    names = run(
        BALANCE,
        {"torch": torch, "F": torch.nn.functional, "moe": moe, "Table": list},
    )
    source = cells(BALANCE)["z-loss-table"].split("Table(")[0]
    exec(source, names)
    timid, bold = names["timid"], names["bold"]
    assert moe.load(timid.topk(1).indices, 8).max() == 1
    assert moe.load(bold.topk(1).indices, 8).max() == pytest.approx(1 / 8)
    assert moe.z_loss(timid) < moe.z_loss(bold)


def losses(kind):
    """[seed, report] of the recorded training runs."""
    return np.array([[r.loss for r in c.reports] for c in curves() if c.name == kind])


def test_what_the_recorded_curves_show():
    active, total, mixture = (losses(kind) for kind in SHAPES)
    prose = cells(BALANCE)["read-curves"]
    assert "first 150 of its 400 steps" in prose
    assert (mixture.mean(0) - active.mean(0))[1:7].min() > 0  # up to step 150 it is no better
    assert (mixture.mean(0) - active.mean(0))[8:].max() < 0  # from step 200 it is
    gap = active[:, -1].mean() - mixture[:, -1].mean()
    assert gap > max(np.ptp(active[:, -1]), np.ptp(mixture[:, -1]))
    assert total[:, -1].max() < mixture[:, -1].min()
    cost = SHAPES["dense, same total"].training_flops() / SHAPES["mixture"].training_flops()
    assert f"{cost:.1f} times" in prose
    at_equal_compute = int(len(total[0]) / cost)
    assert total[:, at_equal_compute].min() > mixture[:, -1].max() + 0.3
    size = sum(len(part) for parts in texts().values() for part in parts)
    assert f"{round(size, -3):,} bytes" in prose


def test_what_the_recorded_loads_show():
    """ "The ranges don't overlap", and the loss is lower with the balance loss for each seed."""
    balanced, without = (
        {c.seed: c.reports[-1] for c in curves() if c.name == kind}
        for kind in ("mixture", "mixture, no balance")
    )
    assert balanced.keys() == without.keys() and len(balanced) >= 5
    most, least = (
        [[pick(layer_loads(one)) for one in runs.values()] for runs in (balanced, without)]
        for pick in (np.max, np.min)
    )
    assert min(most[1]) > max(most[0]) + 0.05
    assert max(least[1]) < min(least[0]) - 0.02
    assert all(balanced[seed].loss < without[seed].loss - 0.005 for seed in balanced)


def test_english_shares_more_with_python_than_with_korean():
    """In the last layer, when the lesson's own run ends, and long before and after."""
    steps = int(re.search(r"STEPS, live = (\d+)", cells(BALANCE)["train-mixture"])[1])
    found = [c.reports for c in curves() if c.name == "mixture"]
    assert len(found) >= 5
    for report in (one for reports in found for one in reports if abs(one.step - steps) <= 50):
        python, korean = (overlap(report, 2, "english", other) for other in ("python", "korean"))
        assert python > korean + 0.2


def test_imbalance_costs_time_or_assignments():
    for seed in range(5):
        generator = torch.Generator().manual_seed(seed)
        uniform = torch.rand(3072, 8, generator=generator).topk(2).indices
        collapsed = torch.tensor([0, 1]).expand(3072, 2)
        assert parallel_step(uniform, 8, 4, 512).busiest < 1.1
        assert parallel_step(collapsed, 8, 4, 512).busiest == 4
        for factor in (1.0, 2.0):
            even, uneven = (parallel_step(one, 8, 4, 512, factor) for one in (uniform, collapsed))
            assert even.busiest == uneven.busiest == 1
            assert uneven.dropped > even.dropped and uneven.padding > even.padding


SMALL = ByteLMShape(hidden=32, experts=8, k=2, dim=32, layers=2, heads=2, context=32)


def last(runs):
    *_earlier, (model, report) = runs
    return model, report


@pytest.fixture
def little_text(monkeypatch):
    few = {name: (learned, held_out[:1000]) for name, (learned, held_out) in texts().items()}
    monkeypatch.setattr("beyond.moe.byte_lm.texts", lambda: few)


@pytest.mark.parametrize("seed", range(5))
def test_what_a_trained_mixture_does_with_few_and_with_all_experts(tmp_path, little_text, seed):
    model, _report = last(train(SMALL, 100, seed, every=100))
    letters = texts()["english"][1][:256].view(8, 32)
    with ExpertFile(tmp_path / "experts", model) as file:
        cost, _outputs = replay(record_trace(model, letters), file, 4)
    assert cost.hit_rate > 0.55  # half of the experts serve more than half of the requests
    loss = {}
    for k in (1, 2, 8):
        for block in model.blocks:
            block.feed.choose = partial(moe.top_k, k=k)
        loss[k] = evaluate(model).loss
    assert loss[1] > loss[2] + 0.03 and loss[8] > loss[2] + 0.03


@pytest.mark.parametrize("seed", range(5))
def test_upcycling_starts_where_the_dense_model_stopped_and_leads(little_text, seed):
    shape = ByteLMShape(hidden=32, dim=32, layers=2, heads=2, context=32)
    dense, before = last(train(shape, 60, seed, every=60))
    mixture = upcycle(dense, 8, 2, seed)
    *_reports, (_model, up) = list(train_model(mixture, 30, seed + 50, every=30))
    fresh = ByteLM(mixture.shape, seed + 100)
    *_reports, (_model, scratch) = list(train_model(fresh, 30, seed + 50, every=30))
    assert up.loss < before.loss - 0.05 and before.loss < scratch.loss - 0.3


def test_deepseek_s_combinations():
    assert math.comb(32, 8) > 100_000 * math.comb(8, 2)  # "far more combinations"


def test_the_bias_alone_balances():
    for seed in range(6):
        torch.manual_seed(seed)
        scores = (torch.randn(512, 8) + 1.5 * torch.randn(8)).sigmoid()
        bias, loads = torch.zeros(8), []
        for _update in range(200):
            chosen = (scores + bias).topk(2, dim=-1).indices
            loads.append(moe.load(chosen, 8))
            bias += 0.01 * (1 / 8 - loads[-1]).sign()
        assert loads[0].max() > 1 / 3 and (loads[-1] - 1 / 8).abs().max() < 0.02


def test_sparse_mixer_s_weights():
    weights = moe.sparse_mixer(torch.tensor([[2.0, 1.0, 0.5, 0.0], [2.0, 1.99, 1.98, 0.0]]))[0]
    assert weights[0].tolist() == [1, 1] and weights[1].sum() < 1


@pytest.mark.parametrize("questions", [self_check.layer_questions, self_check.balance_questions])
def test_the_correct_choice_isn_t_known_by_its_length(questions):
    asked = questions()
    assert 4 <= len(asked) <= 6
    longest = 0
    for question in asked:
        lengths = [len(choice.text) for choice in question.choices]
        assert max(lengths) < 2 * min(lengths)
        assert all(choice.why for choice in question.choices)
        longest += next(c.text for c in question.choices if c.right) == max(
            (c.text for c in question.choices), key=len
        )
    assert longest <= len(asked) / 2
