"""A model of the course's shape with random weights, in a folder in the hub's layout."""

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def folder(tmp_path_factory) -> Path:
    from beyond.vision.model import MllamaShape, make_model, make_processor, make_tokenizer, save
    from tools.make_mllama import texts_to_spell

    shape = MllamaShape()
    tokenizer = make_tokenizer(texts_to_spell(1_500), shape.vocabulary)
    model = make_model(tokenizer, shape, seed=1).eval()
    for layer in shape.cross_attention:  # a model that hasn't learned anything has closed gates
        block = model.model.language_model.layers[layer]
        block.cross_attn_attn_gate.data.fill_(0.8)
        block.cross_attn_mlp_gate.data.fill_(0.6)
    place = tmp_path_factory.mktemp("models") / "random-mllama"
    save(place, model, make_processor(tokenizer, shape))
    return place


@pytest.fixture
def vision_model(folder, capsys):
    from beyond.vision.load import load

    found = load(folder)
    capsys.readouterr()
    return found
