"""The mixture-of-experts layer is right: against transformers' own, and by its properties."""

import math
from functools import partial

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import MixtralConfig, OlmoeConfig, PhimoeConfig
from transformers.models.mixtral.modeling_mixtral import MixtralSparseMoeBlock
from transformers.models.mixtral.modeling_mixtral import (
    load_balancing_loss_func as transformers_balance_loss,
)
from transformers.models.olmoe.modeling_olmoe import OlmoeSparseMoeBlock
from transformers.models.phimoe.modeling_phimoe import PhimoeSparseMoeBlock

from beyond.moe.layer import (
    MoELayer,
    balance_loss,
    capacity,
    load,
    noisy,
    sparse_mixer,
    top_k,
    within_capacity,
    z_loss,
)

D, H, E = 32, 48, 8

CASES = {
    "Mixtral": (MixtralSparseMoeBlock, MixtralConfig, {"num_local_experts": E}, "gate", {}),
    "OLMoE": (
        OlmoeSparseMoeBlock,
        OlmoeConfig,
        {"num_experts": E, "norm_topk_prob": False},
        "gate",
        {"renormalize": False},
    ),
    "OLMoE, renormalized": (
        OlmoeSparseMoeBlock,
        OlmoeConfig,
        {"num_experts": E, "norm_topk_prob": True},
        "gate",
        {},
    ),
    "Phi-3.5-MoE": (
        PhimoeSparseMoeBlock,
        PhimoeConfig,
        {"num_local_experts": E, "router_jitter_noise": 0.01},
        "router",
        {"choose": partial(sparse_mixer, jitter=0.01)},
    ),
}


def pair(name, k, dtype=torch.float32, seed=0):
    """A block of transformers' and a layer of ours with the same random weights."""
    block_class, config_class, options, router, ours = CASES[name]
    config = config_class(
        hidden_size=D,
        intermediate_size=H,
        num_experts_per_tok=k,
        num_hidden_layers=1,
        num_attention_heads=4,
        num_key_value_heads=2,
        experts_implementation="eager",
        **options,
    )
    torch.manual_seed(seed)
    block, layer = block_class(config).eval(), MoELayer(D, H, E, k, **ours)
    with torch.no_grad():
        getattr(block, router).weight.copy_(layer.router.weight.normal_(0, D**-0.5))
        block.experts.gate_up_proj.copy_(layer.gate_up)
        block.experts.down_proj.copy_(layer.down)
    return block.to(dtype), layer.to(dtype)


@pytest.mark.parametrize("k", [1, 2, 4])
@pytest.mark.parametrize("name", CASES)
def test_same_output_and_logits_as_transformers(name, k):
    if name == "Phi-3.5-MoE" and k != 2:
        pytest.skip("SparseMixer picks two experts")
    block, layer = pair(name, k)
    x = torch.randn(2, 33, D)
    output, routing = layer(x)
    router = getattr(block, CASES[name][3])
    logits, weights, experts = router(x.view(-1, D))
    assert torch.equal(routing.experts, experts)
    torch.testing.assert_close(routing.logits, logits, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(routing.weights, weights.float(), rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(output, block(x), rtol=1e-5, atol=2e-6)


@pytest.mark.parametrize("name", CASES)
def test_same_in_bfloat16(name):
    """Ours scores in float32, theirs in bfloat16: equal but for rounding, 2^-8 of the scale.

    A token whose choice, or whose place in SparseMixer's mask, hangs on less than that rounding
    may go elsewhere; it is left out, and there may be only a few.
    """
    block, layer = pair(name, 2, torch.bfloat16)
    x = torch.randn(1, 256, D, dtype=torch.bfloat16)
    output, routing = layer(x)
    logits, weights, experts = getattr(block, CASES[name][3])(x.view(-1, D))
    rounding = 2**-7 * logits.float().abs().max()
    torch.testing.assert_close(routing.logits, logits.float(), rtol=0, atol=rounding.item())
    near = (routing.weights - weights.float()).abs() < 2**-5
    same = ((routing.experts == experts) & near).all(-1)
    assert same.float().mean() > 0.9
    theirs = block(x)[0].float()
    error = (output[0].float() - theirs)[same].abs().max() / theirs.abs().max()
    assert error < 2**-6
    assert output.dtype == torch.bfloat16


@pytest.mark.parametrize("name", ["Mixtral", "OLMoE"])
def test_same_gradients_as_transformers(name):
    block, layer = pair(name, 2)
    x = torch.randn(1, 40, D)
    ours, theirs = x.clone().requires_grad_(), x.clone().requires_grad_()
    toward = torch.randn_like(x)
    layer(ours)[0].backward(toward)
    block(theirs).backward(toward)
    assert_close = partial(torch.testing.assert_close, rtol=1e-4, atol=1e-5)
    assert_close(ours.grad, theirs.grad)
    assert_close(layer.router.weight.grad, block.gate.weight.grad)
    assert_close(layer.gate_up.grad, block.experts.gate_up_proj.grad)
    assert_close(layer.down.grad, block.experts.down_proj.grad)


def plain(layer, x):
    """What the layer computes, token by token."""
    routing = layer.route(x)
    rows = []
    for t, token in enumerate(x):
        row = torch.zeros_like(token)
        for weight, e in zip(routing.weights[t], routing.experts[t], strict=True):
            gate, up = (layer.gate_up[e] @ token).chunk(2)
            row = row + weight * (layer.down[e] @ (torch.nn.functional.silu(gate) * up))
        rows.append(row)
    return torch.stack(rows)


shapes = st.integers(1, 6).flatmap(
    lambda n: st.tuples(st.integers(1, 12), st.just(n), st.integers(1, n), st.integers(0, 99))
)


@settings(max_examples=40, deadline=None)
@given(shapes, st.booleans())
def test_sorting_changes_nothing(shape, renormalize):
    tokens, n, k, seed = shape
    torch.manual_seed(seed)
    layer = MoELayer(6, 4, n, k, renormalize).double()
    x = torch.randn(tokens, 6, dtype=torch.double)
    torch.testing.assert_close(layer(x)[0], plain(layer, x))


@settings(max_examples=10, deadline=None)
@given(shapes, st.booleans())
def test_gradcheck(shape, renormalize):
    tokens, n, k, seed = shape
    torch.manual_seed(seed)
    layer = MoELayer(4, 3, n, k, renormalize).double()
    x = torch.randn(min(tokens, 4), 4, dtype=torch.double, requires_grad=True)
    parameters = tuple(layer.parameters())
    assert torch.autograd.gradcheck(lambda x, *_: layer(x)[0], (x, *parameters))


def test_all_experts_is_the_full_mixture():
    torch.manual_seed(1)
    layer = MoELayer(D, H, E, k=E)
    x = torch.randn(20, D)
    gate, up = torch.einsum("ehd,td->eth", layer.gate_up, x).chunk(2, dim=-1)
    each = torch.einsum("edh,eth->etd", layer.down, torch.nn.functional.silu(gate) * up)
    probability = layer.route(x).logits.softmax(-1)
    mixture = torch.einsum("te,etd->td", probability, each)
    torch.testing.assert_close(layer(x)[0], mixture, rtol=1e-5, atol=1e-5)


@settings(max_examples=40, deadline=None)
@given(shapes)
def test_weights(shape):
    tokens, n, k, seed = shape
    logits = torch.randn(tokens, n, generator=torch.Generator().manual_seed(seed))
    weights, experts = top_k(logits, k)
    torch.testing.assert_close(weights.sum(-1), torch.ones(tokens))
    kept, same = top_k(logits, k, renormalize=False)
    assert torch.equal(experts, same)
    assert (kept.sum(-1) <= 1 + 1e-6).all()
    torch.testing.assert_close(kept / kept.sum(-1, keepdim=True), weights)
    assert all(len(set(row)) == k for row in experts.tolist())


def test_experts_that_nobody_chose_get_no_gradient():
    torch.manual_seed(2)
    layer = MoELayer(D, H, 16, k=2)
    x = torch.randn(3, D)
    output, routing = layer(x)
    output.sum().backward()
    chosen = set(routing.experts.flatten().tolist())
    for e in range(16):
        some = [w.grad[e].abs().sum() > 0 for w in (layer.gate_up, layer.down)]
        assert some == [e in chosen] * 2


@settings(max_examples=20, deadline=None)
@given(shapes)
def test_permuting_tokens_permutes_outputs(shape):
    tokens, n, k, seed = shape
    torch.manual_seed(seed)
    layer = MoELayer(6, 4, n, k).double()
    x, order = torch.randn(tokens, 6, dtype=torch.double), torch.randperm(tokens)
    torch.testing.assert_close(layer(x[order])[0], layer(x)[0][order])


def test_no_tokens_and_more_axes():
    layer = MoELayer(D, H, E, 2)
    assert layer(torch.randn(0, D))[0].shape == (0, D)
    assert layer(torch.randn(2, 3, 5, D))[0].shape == (2, 3, 5, D)


def test_a_frozen_layer_lets_gradients_through():
    layer = MoELayer(D, H, E, 2).requires_grad_(False)
    x = torch.randn(4, D, requires_grad=True)
    layer(x)[0].sum().backward()
    assert x.grad.abs().sum() > 0


HALVES = pytest.mark.parametrize("half", [torch.bfloat16, torch.float16])


def gradients(layer, x, half=None, half_behind=None):
    """Output, routing and gradients, under autocast if `half` names a dtype; behind it, too."""
    x = x.detach().requires_grad_()
    with torch.autocast("cpu", dtype=half, enabled=half is not None):
        output, routing = layer(x)
    with torch.autocast("cpu", dtype=half_behind, enabled=half_behind is not None):
        output.float().square().sum().backward()
    found = (x.grad, *(one.grad for one in layer.parameters()))
    layer.zero_grad()
    return output, routing, found


@HALVES
@pytest.mark.parametrize("choose", [None, sparse_mixer])
def test_autocast_routes_in_float32(half, choose):
    torch.manual_seed(3)
    layer, x = MoELayer(D, H, E, 2, choose=choose), torch.randn(2, 500, D)
    output, routing, found = gradients(layer, x)
    low, same, low_found = gradients(layer, x, half)
    assert low.dtype == half and low.shape == x.shape
    assert same.logits.dtype == same.weights.dtype == torch.float32
    assert all(torch.equal(*pair) for pair in zip(routing, same, strict=True))
    torch.testing.assert_close(low.float(), output, rtol=0, atol=output.abs().max().item() / 64)
    for one, exact in zip(low_found, found, strict=True):
        assert one.dtype == torch.float32
        torch.testing.assert_close(one, exact, rtol=0, atol=exact.abs().max().item() / 32)


def test_a_backward_call_under_autocast_rounds_none_of_the_experts_gradients():
    torch.manual_seed(3)
    layer, x = MoELayer(D, H, E, 2), torch.randn(20, D)
    *_there, (_x, *exact, _router) = gradients(layer, x)
    *_there, (_x, *found, _router) = gradients(layer, x, half_behind=torch.bfloat16)
    assert all(torch.equal(*pair) for pair in zip(exact, found, strict=True))


@HALVES
def test_weights_of_half_precision(half):
    torch.manual_seed(3)
    layer, x = MoELayer(D, H, E, 2).to(half), torch.randn(20, D, dtype=half)
    for under in (None, torch.bfloat16):  # the second as `nn.Linear`: autocast's dtype wins
        output, routing, found = gradients(layer, x, under)
        assert output.dtype == (under or half)
        assert routing.logits.dtype == torch.float32
        assert all(one.dtype == half and one.isfinite().all() for one in found)


def test_autocast_leaves_double_precision_alone():
    torch.manual_seed(3)
    layer, x = MoELayer(D, H, E, 2).double(), torch.randn(20, D, dtype=torch.double)
    exact, routing, _gradients = gradients(layer, x)
    found, same, _gradients = gradients(layer, x, torch.bfloat16)
    assert torch.equal(found, exact) and torch.equal(routing.logits, same.logits)


@pytest.mark.parametrize("under", [None, torch.bfloat16])
def test_tokens_of_another_type_are_refused_in_a_sentence(under):
    layer, x = MoELayer(D, H, E, 2), torch.randn(20, D, dtype=torch.double)
    with (
        torch.autocast("cpu", dtype=under, enabled=under is not None),
        pytest.raises(TypeError, match=r"float64.*float32; convert"),
    ):
        layer(x)


def test_losses_are_not_rounded_under_autocast():
    logits = torch.randn(50, E)
    experts = top_k(logits, 2)[1]
    exact = balance_loss(logits, experts), z_loss(logits)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert (balance_loss(logits, experts), z_loss(logits)) == exact


@HALVES
def test_compiled_under_autocast(half):
    torch.manual_seed(3)
    layer, x = MoELayer(D, H, E, 2), torch.randn(20, D)
    plain_output, routing, plain_found = gradients(layer, x, half)
    torch._dynamo.reset()
    output, same, found = gradients(torch.compile(layer, backend="aot_eager"), x, half)
    assert output.dtype == plain_output.dtype == half
    torch.testing.assert_close(output, plain_output)
    assert torch.equal(routing.experts, same.experts)
    for one, plainly in zip(found, plain_found, strict=True):  # compiled, it rounds elsewhere
        torch.testing.assert_close(one, plainly, rtol=0, atol=plainly.abs().max().item() / 32)


@pytest.mark.parametrize("k", [0, 9])
def test_impossible_k(k):
    with pytest.raises(ValueError, match="1 to 8 experts"):
        MoELayer(D, H, E, k)


def designed(n, k, tokens):
    """Assignments that are balanced exactly, whatever the logits say."""
    return (torch.arange(tokens * k) % n).view(tokens, k)


@pytest.mark.parametrize("k", [1, 2, 4])
def test_balance_loss_is_1_when_balanced_and_e_over_k_when_collapsed(k):
    n, tokens = 8, 64
    assert balance_loss(torch.zeros(tokens, n), designed(n, k, tokens)).item() == pytest.approx(1)
    logits = torch.full((tokens, n), -50.0)
    logits[:, :k] = 0
    collapsed = torch.arange(k).expand(tokens, k)
    assert balance_loss(logits, collapsed).item() == pytest.approx(n / k)


@settings(max_examples=30, deadline=None)
@given(shapes)
def test_balance_loss_is_that_of_transformers_over_k(shape):
    tokens, n, k, seed = shape
    logits = torch.randn(tokens, n, generator=torch.Generator().manual_seed(seed))
    ours = balance_loss(logits, top_k(logits, k)[1])
    torch.testing.assert_close(ours, transformers_balance_loss((logits,), n, k) / k)


def test_balance_loss_gradient():
    """It flows through the probabilities of all experts, not the chosen ones' weights."""
    logits = torch.randn(16, 6, dtype=torch.double, requires_grad=True)
    experts = top_k(logits, 2)[1].detach()
    assert torch.autograd.gradcheck(lambda x: balance_loss(x, experts), (logits,))
    balance_loss(logits, experts).backward()
    assert (logits.grad != 0).all()


def test_pooling_over_layers_hides_collapse():
    n, tokens = 4, 32
    layers = [
        torch.full((tokens, n), -50.0).index_fill_(1, torch.tensor([e]), 0.0) for e in range(n)
    ]
    pooled = transformers_balance_loss(tuple(layers), n, 1)
    each = [balance_loss(logits, top_k(logits, 1)[1]).item() for logits in layers]
    assert pooled.item() == pytest.approx(1)
    assert each == pytest.approx([n] * n)


def test_z_loss():
    assert z_loss(torch.zeros(5, 8)).item() == pytest.approx(math.log(8) ** 2)
    logits = torch.randn(5, 8, dtype=torch.double, requires_grad=True)
    assert torch.autograd.gradcheck(z_loss, (logits,))


def test_noise_is_softplus_wide():
    generator = torch.Generator().manual_seed(0)
    logits, spread = torch.zeros(20_000, 2), torch.tensor([-3.0, 2.0]).expand(20_000, 2)
    sizes = noisy(logits, spread, generator).std(0)
    torch.testing.assert_close(sizes, torch.nn.functional.softplus(spread[0]), rtol=0.03, atol=0)


@settings(max_examples=40, deadline=None)
@given(shapes, st.integers(0, 8))
def test_capacity_is_kept_and_first_choices_come_first(shape, room):
    tokens, n, k, seed = shape
    logits = torch.randn(tokens, n, generator=torch.Generator().manual_seed(seed))
    experts = top_k(logits, k)[1]
    kept = within_capacity(experts, n, room)
    queue = [(i, t) for i in range(k) for t in range(tokens)]
    free = [room] * n
    for i, t in queue:
        e = experts[t, i]
        assert bool(kept[t, i]) == (free[e] > 0)
        free[e] -= 1


def test_capacity():
    assert capacity(64, 8, 2, 1.0) == 16
    assert capacity(10, 8, 1, 1.25) == 2
    even = designed(8, 2, 64)
    assert within_capacity(even, 8, capacity(64, 8, 2, 1.0)).all()


def test_load_sums_to_1():
    torch.testing.assert_close(load(designed(8, 2, 64), 8), torch.full((8,), 1 / 8))


def test_sparse_mixer_weights_do_not_sum_to_1():
    logits = torch.randn(100, E)
    weights, experts = sparse_mixer(logits)
    assert (weights > 0).all() and (weights <= 1).all()
    assert (weights.sum(-1) > 1).any()
    assert torch.equal(experts, top_k(logits, 2)[1])
