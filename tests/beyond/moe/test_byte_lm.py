"""The byte-level language model: what it is made of, what it reads, and that it learns."""

import pytest
import torch

from beyond.moe import byte_lm
from beyond.moe.byte_lm import (
    LANGUAGES,
    SHAPES,
    WINDOWS,
    ByteLM,
    ByteLMShape,
    batch,
    curves,
    evaluate,
    route,
    texts,
    train,
    windows,
)

TINY = ByteLMShape(hidden=16, experts=4, k=2, dim=16, layers=2, heads=2, context=16)


@pytest.fixture(autouse=True)
def little_held_out(monkeypatch):
    """Evaluate on little text: the tests are about what is measured, not how well."""
    few = {name: (train[:5000], held_out[:200]) for name, (train, held_out) in texts().items()}
    monkeypatch.setattr(byte_lm, "texts", lambda: few)


@pytest.mark.parametrize("shape", [*SHAPES.values(), TINY])
def test_parameters_are_counted_right(shape):
    model = ByteLM(shape)
    assert shape.parameters() == sum(p.numel() for p in model.parameters())
    assert (shape.parameters(active=True) < shape.parameters()) == (shape.experts > 1)


def test_the_comparison_is_fair():
    active, total, mixture = SHAPES.values()
    assert mixture.k * mixture.hidden == active.hidden
    assert mixture.experts * mixture.hidden == total.hidden
    assert mixture.parameters() == pytest.approx(total.parameters(), rel=0.01)
    assert mixture.parameters(active=True) == pytest.approx(active.parameters(), rel=0.01)
    assert mixture.training_flops() == pytest.approx(active.training_flops(), rel=0.01)


def test_texts_are_of_one_size_and_split():
    for language in LANGUAGES:
        kept, held_out = texts()[language]
        assert len(kept) + len(held_out) > 100_000
        assert 0.08 < len(held_out) / (len(kept) + len(held_out)) < 0.12
    assert bytes(texts()["korean"][0][:300].tolist()).decode(errors="ignore").count("다") > 1


def test_windows_are_followed_by_their_next_bytes():
    letters, following = windows(torch.arange(100), 16)
    assert letters.shape == following.shape == (6, 16)
    assert torch.equal(letters + 1, following)


def test_batches_hold_all_languages_and_repeat_with_the_seed():
    one, two = (batch(TINY, torch.Generator().manual_seed(3)) for _i in range(2))
    assert one[0].shape == (WINDOWS, 16) and WINDOWS % len(LANGUAGES) == 0
    assert torch.equal(one[0], two[0]) and torch.equal(one[0][:, 1:], one[1][:, :-1])


def test_nothing_sees_the_future():
    model = ByteLM(TINY).eval()
    letters = torch.randint(256, (1, 12))
    changed = letters.clone()
    changed[0, -1] = (changed[0, -1] + 1) % 256
    with torch.no_grad():
        torch.testing.assert_close(model(letters)[0][0, :-1], model(changed)[0][0, :-1])


def test_training_learns_and_reports():
    reports = [report for _model, report in train(TINY, 30, every=15)]
    assert [report.step for report in reports] == [0, 15, 30]
    assert reports[-1].loss < reports[0].loss - 0.5
    loads = torch.tensor(reports[-1].loads)
    assert loads.shape == (2, 3, 4)
    torch.testing.assert_close(loads.sum(-1), torch.ones(2, 3))


def test_a_short_training_is_the_beginning_of_a_long_one():
    short = [report.loss for _model, report in train(TINY, 4, every=2)]
    longer = [report.loss for _model, report in train(TINY, 6, every=2)]
    assert short == longer[:3]


def test_routing_a_text():
    model = ByteLM(TINY)
    routings, loss = route(model, "가 b")
    assert [r.experts.shape for r in routings] == [(5, 2)] * 2 and loss > 0
    sharp, flat = (route(model, "가 b", k=4, temperature=t)[0][0] for t in (0.1, 10))
    assert torch.equal(sharp.experts, flat.experts)  # in layer 1 only the weights change
    assert (sharp.weights[:, 0] >= flat.weights[:, 0]).all()
    again, _loss = route(model, "가 b")
    assert torch.equal(again[0].weights, routings[0].weights)  # it left the model as it was
    assert len(route(model, "x" * 100)[0][0].experts) == TINY.context
    with pytest.raises(ValueError, match="at least two bytes"):
        route(model, "x")


def test_evaluation_of_a_dense_model_has_no_loads():
    assert (
        evaluate(ByteLM(ByteLMShape(hidden=16, dim=16, layers=1, heads=2, context=16))).loads == []
    )


def test_the_recorded_curves_belong_to_these_models():
    found = curves()
    assert {curve.name for curve in found} <= {*SHAPES, "mixture, no balance"}
    for curve in found:
        assert curve.shape == SHAPES[curve.name.removesuffix(", no balance")]
        assert [report.step for report in curve.reports] == list(range(0, 401, 25))
        assert curve.flops()[-1] == 400 * WINDOWS * 128 * curve.shape.training_flops()
        assert curve.reports[-1].loss < 1.8 < 5.5 < curve.reports[0].loss
