"""Speculative decoding gives plain decoding's tokens, in fewer passes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beyond.edge import export, speculative
from beyond.edge.session import OnnxModel
from beyond.edge.speculative import Songbook, accept, lookup, plain, run, speculate

TOKENS = st.integers(0, 3)
TEXTS = st.lists(TOKENS, min_size=1, max_size=40)


@given(TEXTS, st.integers(1, 3), st.integers(1, 9))
def test_a_draft_followed_the_same_tokens_before(ids, size, most):
    draft = lookup(ids, size, most)
    assert len(draft) <= most
    places = [i for i in range(len(ids) - size) if ids[i : i + size] == ids[-size:]]
    assert bool(draft) == bool(places)
    if places:
        assert draft == ids[places[-1] + size :][:most]


@given(st.lists(TOKENS, max_size=8), st.data())
def test_accepting_is_what_plain_decoding_would_have_given(draft, data):
    size = len(draft) + 1
    predicted = data.draw(st.lists(TOKENS, min_size=size, max_size=size))
    kept = accept(draft, predicted)
    assert kept == predicted[: len(kept)]
    assert kept[:-1] == draft[: len(kept) - 1]
    assert len(kept) == size or kept[-1] != draft[len(kept) - 1]


@given(st.lists(TOKENS, min_size=4, max_size=60), st.data())
def test_a_song_comes_out_whole(song, data):
    begun = data.draw(st.integers(1, len(song) - 2))
    tokens = data.draw(st.integers(1, len(song) - begun))
    model = Songbook(song)
    assert speculate(model, song[:begun], tokens) == song[begun : begun + tokens]
    assert model.passes <= tokens
    assert plain(Songbook(song), song[:begun], tokens) == song[begun : begun + tokens]


def without_cache(model, prompt, tokens):
    text = list(prompt)
    while len(text) < len(prompt) + tokens:
        draft = lookup(text)
        text += accept(draft, model.predict(text[model.cached :] + draft, len(draft) + 1))
        model.truncate(0)
    return text[len(prompt) :][:tokens]


def test_an_empty_cache_has_the_toy_model_process_tokens_again():
    song = [5, 6, 7, 8, 5, 6, 7, 9] * 2
    kept, emptied = Songbook(song), Songbook(song)
    assert speculate(kept, song[:6], 9) == without_cache(emptied, song[:6], 9)
    assert kept.fed < emptied.fed


def test_an_empty_cache_rejects_no_more_than_was_drafted(weights, tmp_path):
    export.write_variant(tmp_path, weights, "fp32")
    measured = run(OnnxModel(tmp_path, threads=1), [1, 2, 3] * 4, 12, without_cache)
    assert 0 <= measured.accepted <= measured.drafted


@pytest.mark.parametrize("seed", range(5))
def test_the_same_tokens_in_onnx_runtime(weights, tmp_path, seed):
    export.write_variant(tmp_path, weights, "fp32")
    model = OnnxModel(tmp_path, threads=1)
    prompt = [(7 * seed + 3 * i * i) % 96 for i in range(12)] * 2
    slow, fast = run(model, prompt, 30), run(model, prompt, 30, speculate)
    assert fast.ids == slow.ids
    assert slow.passes == 30 and slow.drafted == slow.accepted == 0
    assert fast.passes <= 30 and fast.accepted <= fast.drafted
    assert fast.drafted and 0 <= fast.acceptance <= 1


def test_a_loop_that_adds_nothing_ends():
    model = Songbook([1, 2, 3])
    with pytest.raises(RuntimeError, match="never end"):
        while True:
            model.predict([], 1)


def test_yours_is_used_only_if_it_works(capsys):
    assert speculative.yours_or_library(lambda model, prompt, tokens: None) is speculate
    assert "library's version" in capsys.readouterr().out
    assert speculative.yours_or_library(plain) is speculate  # the same tokens, but no faster
    assert "the same tokens but" in capsys.readouterr().out
    assert speculative.yours_or_library(without_cache) is speculate
    assert "the same tokens but" in capsys.readouterr().out

    def mine(model, prompt, tokens):
        return speculate(model, prompt, tokens)

    assert speculative.yours_or_library(mine) is mine
