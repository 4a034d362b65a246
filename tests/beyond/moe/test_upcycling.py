"""A dense model becomes a mixture that computes the same."""

import pytest
import torch

from beyond.moe.byte_lm import ByteLM, ByteLMShape
from beyond.moe.upcycling import upcycle

DENSE = ByteLMShape(hidden=16, dim=16, layers=2, heads=2, context=16)


@pytest.mark.parametrize("k", [1, 2, 4])
def test_it_computes_what_the_dense_model_computes(k):
    dense = ByteLM(DENSE, seed=3)
    before = {name: value.clone() for name, value in dense.state_dict().items()}
    mixture, letters = upcycle(dense, experts=4, k=k), torch.randint(256, (2, 16))
    torch.testing.assert_close(mixture(letters)[0], dense(letters)[0], rtol=1e-4, atol=1e-4)
    assert mixture.shape.experts == 4 and mixture.shape.k == k
    assert all(torch.equal(value, before[name]) for name, value in dense.state_dict().items())


def test_its_experts_are_copies_of_their_own():
    dense = ByteLM(DENSE)
    mixture = upcycle(dense, experts=2, k=1)
    with torch.no_grad():
        mixture.blocks[0].feed.down[0].add_(1)
    assert not torch.equal(mixture.blocks[0].feed.down[0], mixture.blocks[0].feed.down[1])
    assert torch.equal(mixture.blocks[0].feed.down[1], dense.blocks[0].feed.down)


def test_a_mixture_is_refused():
    with pytest.raises(ValueError, match="experts already"):
        upcycle(ByteLM(ByteLMShape(hidden=8, experts=2, k=1, dim=16, heads=2)), 4, 2)
