import math

import pytest
import torch

from beyond import shop
from beyond.edge.agreement import Reference, TeamPrompts, count_right_teams


class Letters:
    """One token a letter, all below 128."""

    def __call__(self, text, return_tensors=None, add_special_tokens=True):
        ids = [ord(letter) % 128 for letter in text]
        return type("Encoded", (), {"input_ids": torch.tensor([ids]) if return_tensors else ids})()


def fixed(seed, scale=1.0):
    table = scale * torch.randn(128, 128, generator=torch.Generator().manual_seed(seed))
    return lambda ids: table[ids]


def test_a_model_agrees_with_itself():
    model = fixed(0)
    near = Reference(model, Letters(), "the text that is read", window=8).of(model)
    assert near.top1_agreement == 1 and near.divergence == pytest.approx(0, abs=1e-6)


def test_a_model_that_knows_nothing():
    reference = Reference(fixed(0), Letters(), "the text that is read", window=8)
    near = reference.of(fixed(0, scale=0.0))
    assert near.perplexity == pytest.approx(128)
    assert 0 < near.divergence < math.log(128)


def test_another_model_agrees_less_the_more_it_differs():
    text = "the text that is read, which is longer this time"
    reference = Reference(fixed(0), Letters(), text)
    close = reference.of(lambda ids: fixed(0)(ids) + 0.1 * fixed(1)(ids))
    far = reference.of(fixed(1))
    assert close.divergence < far.divergence and close.top1_agreement > far.top1_agreement


def test_only_so_many_tokens():
    assert sum(p.shape[1] for p in Reference(fixed(0), Letters(), "x" * 50, 8, 20).pieces) == 20


class KnowsOneTeam:
    """Finds the token of one team the likeliest, whatever it reads."""

    def __init__(self, token):
        self.token = token

    def run(self, ids, past=None):
        logits = torch.zeros(1, 128).numpy()
        logits[0, self.token] = 1
        return logits, {}


def test_right_teams_counts_messages():
    prompts = TeamPrompts.of(Letters())
    assert len(prompts.messages) == len(prompts.expected) == 100
    assert len(TeamPrompts.of(Letters(), every=3).messages) == 34
    # here every label is the token of a space, so name them by hand
    numbered = TeamPrompts(prompts.shared, prompts.messages, list(range(5)), prompts.expected)
    counts = [count_right_teams(KnowsOneTeam(team), numbered) for team in range(5)]
    assert sum(counts) == 100
    assert counts[0] == sum(m.team == shop.teams()[0] for m in shop.held_out())


def test_the_rule_stands_in_each_prompt():
    prompts = TeamPrompts.of(Letters())
    assert all(len(message) > len("Handbook: ") + 20 for message in prompts.messages)
    assert bytes(prompts.messages[0]).startswith(b"Handbook: ")
