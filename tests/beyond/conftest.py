"""A tiny Llama with random weights, which every test of the edge package shares."""

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from beyond.edge.weights import FromModel


@pytest.fixture(scope="session")
def llama():
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=96,
        hidden_size=64,
        intermediate_size=96,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=16,
        max_position_embeddings=64,
        tie_word_embeddings=True,
        initializer_range=0.3,
    )
    return LlamaForCausalLM(config).eval()


@pytest.fixture(scope="session")
def weights(llama):
    return FromModel(llama)
