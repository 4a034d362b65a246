"""beyond.prompting.decoding: generation in batches is what one prompt alone would get."""

from __future__ import annotations

import math

import pytest
import torch
from tokenizers import Tokenizer, decoders, pre_tokenizers
from tokenizers.models import BPE
from transformers import PreTrainedTokenizerFast

from beyond.prompting.decoding import (
    ENDLESS,
    Continuation,
    Endless,
    Scripted,
    generate,
    nucleus,
)
from beyond.prompting.vocabulary import token_texts

END = "<|end|>"


@pytest.fixture(scope="module")
def tokenizer():
    """Byte-level, with a token for each printable ASCII character; a space is written as Ġ."""
    letters = [*map(chr, range(0x21, 0x7F)), "Ġ"]
    vocabulary = {END: 0} | {letter: i for i, letter in enumerate(letters, start=1)}
    made = Tokenizer(BPE(vocabulary, []))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(tokenizer_object=made, eos_token=END)


PROMPTS = ("abc", "a", "bcdefgh", "zz")


def test_a_batch_generates_what_each_prompt_generates_alone(llama, tokenizer):
    together = generate(llama, tokenizer, PROMPTS, "begin:", max_new_tokens=6, stop="\n")
    for prompt, one in zip(PROMPTS, together, strict=True):
        ids = tokenizer("begin:" + prompt, return_tensors="pt")["input_ids"]
        for _step in range(one.tokens):
            with torch.inference_mode():
                token = llama(ids).logits[:, -1].argmax(dim=-1)
            ids = torch.cat([ids, token[:, None]], dim=1)
        assert one.text == tokenizer.decode(ids[0, len("begin:" + prompt) :]).replace(END, "")


def test_a_continuation_reads_like_a_batch(llama, tokenizer):
    state, written = Continuation(llama, tokenizer, "begin:abc"), ""
    texts = token_texts(tokenizer)
    for _step in range(4):
        logits = state.logits()
        token = max(range(len(logits)), key=logits.__getitem__)
        state.append(token)
        written += texts[token]
    assert written == generate(llama, tokenizer, ["begin:abc"], max_new_tokens=4, stop="\n")[0].text
    assert state.log_probabilities().exp().sum().item() == pytest.approx(1, abs=1e-5)


def test_a_mask_is_followed_and_its_mass_is_kept(llama, tokenizer):
    texts = token_texts(tokenizer)
    goals = ("xay", "xbz")

    def allowed(written):
        return [
            i for i, t in enumerate(texts) if t and any(g.startswith(written + t) for g in goals)
        ]

    for options in ({}, {"temperature": 1.0, "seed": 3}):
        made = generate(llama, tokenizer, PROMPTS, "begin:", allowed=allowed, **options)
        assert {one.text for one in made} <= set(goals)
        assert all(one.tokens == 3 == len(one.allowed_mass) for one in made)
        assert all(0 < mass < 1 for one in made for mass in one.allowed_mass)
    state = Continuation(llama, tokenizer, "begin:abc")
    first = state.log_probabilities()[allowed("")].exp().sum().item()
    assert made[0].allowed_mass[0] == pytest.approx(first, abs=1e-4)


def test_nothing_allowed_ends_at_once(llama, tokenizer):
    (one,) = generate(llama, tokenizer, ["abc"], allowed=lambda _written: [])
    assert (one.text, one.tokens) == ("", 0)


def test_generation_ends_at_the_stop_text(llama, tokenizer):
    whole = generate(llama, tokenizer, ["abc"], max_new_tokens=8, stop="\n")[0].text
    stop = whole[3]
    (cut,) = generate(llama, tokenizer, ["abc"], max_new_tokens=8, stop=stop)
    assert cut.text == whole.split(stop)[0]
    assert cut.tokens == len(cut.text) + 1


def test_sampling_repeats_with_its_seed_and_differs_without(llama, tokenizer):
    def sample(seed):
        return [
            one.text
            for one in generate(llama, tokenizer, PROMPTS, temperature=1.0, seed=seed, stop="\n")
        ]

    assert sample(1) == sample(1) != sample(2)


def test_an_empty_prompt_is_refused(llama, tokenizer):
    with pytest.raises(ValueError, match="empty"):
        generate(llama, tokenizer, ["a", ""])


@pytest.mark.parametrize(("top_p", "kept"), [(0.0, 1), (0.5, 1), (0.6, 2), (0.85, 3), (1.0, 4)])
def test_the_nucleus_is_the_smallest_set_that_reaches_its_mass(top_p, kept):
    log_p = torch.tensor([0.1, 0.5, 0.15, 0.25]).log()
    masked = nucleus(log_p, top_p)
    assert int(torch.isfinite(masked).sum()) == kept
    assert masked.argmax() == 1
    assert all(m == o for m, o in zip(masked, log_p, strict=True) if math.isfinite(m))


def test_an_endless_loop_is_stopped(llama, tokenizer):
    for state in (Scripted([[0.0]]), Continuation(llama, tokenizer, "abc")):
        with pytest.raises(Endless, match=str(ENDLESS)):
            while True:
                state.logits()


def test_scripted_logits_follow_what_is_appended():
    state = Scripted([[1.0], [2.0]])
    assert state.logits() == state.logits() == [1.0]
    state.append(0)
    state.append(0)
    assert state.logits() == [2.0]
    assert state.appended == [0, 0]


def test_token_texts_are_what_tokens_add(tokenizer):
    texts = token_texts(tokenizer)
    assert len(texts) == len(tokenizer)
    assert texts[0] == ""
    text = "begin: abc"
    assert "".join(texts[i] for i in tokenizer(text)["input_ids"]) == text
