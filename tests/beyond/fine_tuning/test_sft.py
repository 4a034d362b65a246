"""beyond.fine_tuning.sft, regression and lookup: labels, loss, replies, cases and rules."""

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from beyond import shop
from beyond.fine_tuning import sft
from beyond.fine_tuning.lookup import best_rule, pieces
from beyond.fine_tuning.regression import regressions


def small():
    torch.manual_seed(0)
    config = LlamaConfig(
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=1,
        vocab_size=40,
    )
    return LlamaForCausalLM(config)


EXAMPLES = [
    sft.Example([1, 5, 6, 7, 2], [-100, -100, -100, 7, 2]),
    sft.Example([1, 5, 8, 2], [-100, -100, 8, 2]),
]


def test_the_loss_is_that_of_transformers_on_the_labeled_tokens():
    model = small()
    ids, mask, labels = sft.padded(EXAMPLES)
    theirs = model(input_ids=ids, attention_mask=mask, labels=labels).loss
    torch.testing.assert_close(sft.completion_loss(model, EXAMPLES), theirs)


def test_each_epoch_has_every_example_once_in_another_order():
    order = sft.shuffled(EXAMPLES * 3, 2, seed=1)
    assert len(order) == 12
    assert order[:6] != order[6:]
    assert order == sft.shuffled(EXAMPLES * 3, 2, seed=1)


def test_the_gradient_of_the_prompt_is_left_out():
    assert (sft.padded(EXAMPLES)[2] != sft.IGNORED).sum() == 4


def test_replies_count_only_if_they_are_the_name_and_nothing_else():
    said = sft.Replies(("kitchen", "kitchen.", "garden"), ("kitchen",) * 3, (5, 6, 7), (3, 4, 3))
    assert said.right == 1
    assert said.mean_prompt_tokens == 6
    assert said.interval[0] < said.accuracy < said.interval[1]


@pytest.mark.parametrize(
    ("before", "after", "worse"),
    [
        ({"a": True, "b": True}, {"a": True, "b": True}, []),
        ({"b": True, "a": True}, {"a": False, "b": False}, ["a", "b"]),
        ({"a": False}, {"a": True}, []),
        ({"a": True}, {}, ["a"]),
        ({}, {"a": False}, []),
    ],
)
def test_regressions_passed_before_and_not_now(before, after, worse):
    assert regressions(before, after) == worse


def test_the_search_finds_a_rule_by_its_product():
    assert pieces("My fan") == ["_my", "my_", "_fa", "fan", "an_"]
    assert best_rule("The lid of my Nimbus jumps open.", shop.handbook()).topic == "kettle"
