"""Embeddings: from the package's own files, offline, and from a model's hidden states."""

import importlib.util
import logging
import socket
import sys

import numpy as np
import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from beyond.retrieval import embeddings

needs_wordllama = pytest.mark.skipif(
    importlib.util.find_spec("wordllama") is None, reason="wordllama has no wheel for this machine"
)


@needs_wordllama
def test_it_loads_without_a_network_and_without_importing_the_package(monkeypatch):
    def refuse(*_address):
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    before = logging.getLogger().level
    embeddings.wordllama.cache_clear()
    table, tokenizer = embeddings.wordllama()
    assert table.shape == (32_000, 256)
    assert table.dtype == np.float32
    assert tokenizer.get_vocab_size() == 32_000
    assert "wordllama" not in sys.modules
    assert logging.getLogger().level == before


@needs_wordllama
def test_texts_with_the_same_meaning_are_near():
    near, far = embeddings.static(["a noise of 74 decibels", "a price of 74 dollars"])
    (query,) = embeddings.static(["Is it loud?"])
    assert query @ near > query @ far + 0.2
    assert np.linalg.norm(query) == pytest.approx(1, abs=1e-5)


@needs_wordllama
def test_an_empty_text_is_zero_and_near_nothing():
    assert not embeddings.static([""]).any()


def test_a_missing_package_is_said_in_one_sentence(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    embeddings.wordllama.cache_clear()
    with pytest.raises(ModuleNotFoundError, match="wordllama isn't installed"):
        embeddings.wordllama()


class Letters:
    """A tokenizer whose tokens are letters."""

    def __call__(self, text, add_special_tokens=True):
        return {"input_ids": [ord(letter) - 96 for letter in text]}


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=30,
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
    )
    return LlamaForCausalLM(config).eval()


def test_padding_changes_no_vector(model):
    texts = ["abc", "abcdefgh", "z"]
    together = embeddings.mean_pooled(model, Letters(), texts)
    alone = np.concatenate([embeddings.mean_pooled(model, Letters(), [t]) for t in texts])
    assert np.allclose(together, alone, atol=1e-5)
    with torch.inference_mode():
        states = model.model(input_ids=torch.tensor([[1, 2, 3]])).last_hidden_state[0]
    mean = states.mean(dim=0).numpy()
    assert np.allclose(together[0], mean / np.linalg.norm(mean), atol=1e-5)


def test_rankings_are_by_cosine():
    texts = embeddings.unit(np.array([[1.0, 0.0], [0.0, 2.0], [1.0, 1.0]]))
    assert embeddings.rankings(np.array([[0.6, 0.8]]), texts) == [[2, 1, 0]]
