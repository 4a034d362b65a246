"""beyond.lm.perplexity: perplexity and choices, on models whose answers are known."""

import math
from types import SimpleNamespace

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from beyond.lm.perplexity import (
    ChoiceQuestion,
    choose,
    log_likelihoods,
    perplexity,
    prose,
    questions_by_difficulty,
)

VOCABULARY = 128


class Letters:
    """A tokenizer of ASCII letters, called as transformers' are."""

    def __call__(self, text, return_tensors=None, add_special_tokens=True):
        assert not add_special_tokens
        ids = [ord(letter) % VOCABULARY for letter in text]
        return SimpleNamespace(input_ids=torch.tensor([ids]) if return_tensors else ids)


def even(ids):
    """Guesses evenly among all tokens."""
    return torch.zeros(*ids.shape, VOCABULARY)


def next_letter(ids):
    """Is nearly sure that each letter is followed by the next one of the alphabet."""
    return 50.0 * torch.nn.functional.one_hot((ids + 1) % VOCABULARY, VOCABULARY)


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        initializer_range=0.3,
    )
    return LlamaForCausalLM(config).eval()


@pytest.mark.parametrize("window", [2, 3, 512])
def test_guessing_evenly_has_the_vocabularys_perplexity(window):
    found = perplexity(even, Letters(), "any text at all", window=window)
    assert found == pytest.approx(VOCABULARY, rel=1e-5)


def test_being_sure_and_right_is_1_and_wrong_is_huge():
    assert perplexity(next_letter, Letters(), "abcdefgh") == pytest.approx(1.0)
    assert perplexity(next_letter, Letters(), "azazaz") > 1e20


def test_perplexity_is_transformers_loss(model):
    text = "the model reads this text"
    ids = Letters()(text, return_tensors="pt", add_special_tokens=False).input_ids
    with torch.inference_mode():
        loss = model(ids, labels=ids).loss.item()
    assert perplexity(model, Letters(), text) == pytest.approx(math.exp(loss), rel=1e-5)


def test_a_limit_reads_the_beginning_only(model):
    whole, start = "abcdefghij" * 5, "abcdefghij"
    assert perplexity(model, Letters(), whole, limit=10) == perplexity(model, Letters(), start)


def test_nothing_to_predict():
    with pytest.raises(ValueError, match="fewer than 2 tokens"):
        perplexity(even, Letters(), "a")


def test_batching_and_padding_change_nothing(model):
    pairs = [("one", " two"), ("a much longer beginning", " x"), ("one", " twenty-one"), ("b", "c")]
    together = log_likelihoods(model, Letters(), pairs, batch=4)
    alone = [log_likelihoods(model, Letters(), [pair])[0] for pair in pairs]
    assert together == pytest.approx(alone, abs=1e-4)


def test_a_log_likelihood_by_hand(model):
    ids = torch.tensor([[ord("a"), ord("b"), ord("c")]])
    with torch.inference_mode():
        logs = model(ids).logits.log_softmax(-1)[0]
    wanted = (logs[0, ord("b")] + logs[1, ord("c")]).item()
    assert log_likelihoods(model, Letters(), [("a", "bc")])[0] == pytest.approx(wanted, abs=1e-4)


def test_an_empty_beginning():
    with pytest.raises(ValueError, match="beginning is empty"):
        log_likelihoods(even, Letters(), [("", "x")])


def test_the_likelier_choice_is_chosen():
    question = ChoiceQuestion("", "", ("zz", "bc", "x"))
    # after the template's last letter " " comes "!", then letters follow the alphabet
    assert choose(next_letter, Letters(), [question], template="{question}a") == [1]


def test_a_short_choice_does_not_win_for_being_short():
    question = ChoiceQuestion("", "?", ("a" * 20, "b"))
    chosen = choose(even, Letters(), [question] * 3)
    # evenly guessed, the log-likelihood is proportional to the length with its space
    assert len(set(chosen)) == 1


def test_the_prose_is_long_and_mixed():
    text = prose()
    assert 1_800 < len(text.split()) < 3_000
    assert "ferry" in text and "onion" in text


def test_the_questions_are_complete():
    questions = questions_by_difficulty()
    levels = [q.level for q in questions]
    assert len(questions) == 80
    assert {levels.count(level) for level in levels} == {20}
    assert len({q.question for q in questions}) == 80
    assert all(len(set(q.choices)) == 4 for q in questions)
