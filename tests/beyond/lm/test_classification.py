"""beyond.lm.classification: shares with intervals, and label scoring with and without a shared beginning."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, pre_tokenizers
from tokenizers.models import BPE
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from beyond.lm import classification as scoring


@pytest.fixture(scope="module")
def tiny():
    """A byte-level tokenizer whose labels are single tokens, and a small random model for it."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    merges, words = [], []
    for word in ("Ġyes", "Ġnot"):
        known = word[0]
        for letter in word[1:]:
            merges.append((known, letter))
            known += letter
            words.append(known)
    vocabulary = {token: i for i, token in enumerate([*alphabet, *dict.fromkeys(words)])}
    cut = Tokenizer(BPE(vocab=vocabulary, merges=merges))
    cut.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    cut.decoder = decoders.ByteLevel()
    torch.manual_seed(1)
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(vocabulary),
            hidden_size=32,
            intermediate_size=32,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            initializer_range=0.3,
        )
    ).eval()
    return model, PreTrainedTokenizerFast(tokenizer_object=cut)


PROMPTS = ["Is it?", "A much longer question, is it?", "Or not at all:", "x"]
EXPECTED = ["yes", "not", "yes", "not"]
LABELS = ("yes", "not")


def test_wilson_agrees_with_its_source():
    """The closed form of the score interval, solved for p: |p̂ − p| = z·sqrt(p(1−p)/n)."""
    low, high = scoring.wilson(7, 10)
    for p in (low, high):
        distance = scoring.Z_95 * math.sqrt(p * (1 - p) / 10)
        assert math.isclose(abs(0.7 - p), distance, rel_tol=1e-9)


@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_holds_the_share_and_stays_within_its_bounds(counts):
    right, of = counts
    low, high = scoring.wilson(right, of)
    assert 0 <= low <= right / of + 1e-12
    assert right / of <= high + 1e-12
    assert high <= 1
    assert high > low


@given(st.integers(0, 50), st.integers(2, 9))
def test_more_tries_narrow_it(right, times):
    narrow = scoring.wilson(right * times, 50 * times)
    wide = scoring.wilson(right, 50)
    assert narrow[1] - narrow[0] < wide[1] - wide[0]


@pytest.mark.parametrize(("right", "of"), [(1, 0), (2, 1), (-1, 3)])
def test_wilson_refuses_what_is_no_share(right, of):
    with pytest.raises(ValueError, match="not a proportion"):
        scoring.wilson(right, of)


def test_a_score_is_the_models_own_logits(tiny):
    model, tokenizer = tiny
    scores = scoring.score(model, tokenizer, PROMPTS, EXPECTED, LABELS)
    ids = [tokenizer(" " + label)["input_ids"][0] for label in LABELS]
    for prompt, row, written in zip(PROMPTS, scores.log_probabilities, scores.written, strict=True):
        with torch.no_grad():
            logits = model(**_plain(tokenizer, prompt)).logits[0, -1].log_softmax(0)
        assert torch.allclose(logits[ids], torch.tensor(row), atol=1e-5)
        assert tokenizer.decode(logits.argmax()).strip() == written


@pytest.mark.parametrize("batch_tokens", [1, 60, 10_000])
def test_a_shared_beginning_changes_nothing_but_the_time(tiny, batch_tokens, monkeypatch):
    monkeypatch.setattr(scoring, "BATCH_TOKENS", batch_tokens)
    model, tokenizer = tiny
    beginning = "You answer questions.\n\n"
    whole = [beginning + prompt for prompt in PROMPTS]
    plain = scoring.score(model, tokenizer, whole, EXPECTED, LABELS)
    shared = scoring.score(model, tokenizer, PROMPTS, EXPECTED, LABELS, beginning)
    assert torch.allclose(
        torch.tensor(plain.log_probabilities), torch.tensor(shared.log_probabilities), atol=1e-4
    )
    assert shared.prompt_tokens == plain.prompt_tokens
    assert shared.chosen == plain.chosen


def _plain(tokenizer, prompt):
    return {"input_ids": tokenizer(prompt, return_tensors="pt")["input_ids"]}


def make(chosen, expected, written=None):
    rows = tuple((0.0, -1.0) if label == "yes" else (-1.0, 0.0) for label in chosen)
    return scoring.Scores(
        LABELS, rows, tuple(expected), tuple(written or chosen), (3,) * len(rows), 1.0
    )


def test_what_scores_say():
    scores = make(["yes", "yes", "not", "not"], EXPECTED, ["yes", "Dear", "not", "not"])
    assert scores.chosen == ("yes", "yes", "not", "not")
    assert scores.hits == (True, False, False, True)
    assert scores.right == 2
    assert scores.accuracy == 0.5
    assert scores.obeyed == 0.75
    assert scores.interval == scoring.wilson(2, 4)
    assert str(scores) == "50% correct (2 of 4; 95% interval 15% to 85%)"


def test_calibration_takes_the_leaning_out():
    rows = ((-1.0, -3.0), (-1.0, -2.0), (-1.0, -5.0), (-1.0, -1.5))
    scores = scoring.Scores(LABELS, rows, ("not",) * 4, ("Dear",) * 4, (3,) * 4, 1.0)
    assert scores.chosen == ("yes",) * 4
    calibrated = scores.calibrated()
    assert calibrated.chosen == ("yes", "not", "yes", "not")
    assert calibrated.calibrated().chosen == calibrated.chosen
    assert calibrated.written == scores.written


def test_some_of_the_scores():
    some = make(["yes", "yes", "not", "not"], EXPECTED).among([True, False, False, True])
    assert (some.right, len(some.expected)) == (2, 2)
    with pytest.raises(ValueError, match=r"shorter|longer"):
        make(["yes"], ["yes"]).among([True, False])


def test_a_label_of_two_tokens_is_refused(tiny):
    with pytest.raises(ValueError, match="'perhaps' is 8 tokens"):
        scoring.score(*tiny, PROMPTS, EXPECTED, ("yes", "perhaps"))


def test_an_empty_prompt_is_refused(tiny):
    with pytest.raises(ValueError, match="empty"):
        scoring.score(*tiny, [""], ["yes"], LABELS)


def test_a_call_takes_time(tiny):
    assert 0 < scoring.seconds_per_call(*tiny, PROMPTS[:2], "Begin.\n") < 60


def test_last_logits_carry_gradients(tiny):
    model, tokenizer = tiny
    logits = scoring.last_logits(model, tokenizer, PROMPTS)
    scores = scoring.score(model, tokenizer, PROMPTS, EXPECTED, LABELS)
    ids = scoring.token_ids(tokenizer, LABELS)
    expected = torch.tensor(scores.log_probabilities)
    assert torch.allclose(logits.log_softmax(dim=1)[:, ids], expected, atol=1e-5)
    assert logits.requires_grad
