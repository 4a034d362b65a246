"""A written graph is the model it was written from."""

import numpy as np
import pytest
import torch
from transformers import LlamaForCausalLM

from beyond.edge import export
from beyond.edge.session import CachedModel, OnnxModel
from beyond.edge.weights import FromModel

IDS = [5, 17, 2, 90, 33, 8, 61]


@pytest.fixture(scope="module")
def forms(weights, tmp_path_factory):
    found = {}
    for name in export.VARIANTS:
        folder = tmp_path_factory.mktemp(name)
        export.write_variant(folder, weights, name)
        found[name] = OnnxModel(folder, threads=1)
    return found


def expected(llama, ids):
    with torch.inference_mode():
        return llama(torch.tensor([ids])).logits[0].numpy()


def test_logits_of_a_whole_text(llama, forms):
    found = forms["fp32"](torch.tensor([IDS, IDS[::-1]])).numpy()
    assert np.abs(found[0] - expected(llama, IDS)).max() < 1e-4
    assert np.abs(found[1] - expected(llama, IDS[::-1])).max() < 1e-4


def test_logits_at_every_step_of_a_generation(llama, forms):
    model = forms["fp32"]
    ids, past = list(IDS), None
    logits, past = model.run(ids)
    for _step in range(20):
        wanted = expected(llama, ids)[-1]
        assert np.abs(logits[0] - wanted).max() < 1e-4
        token = int(logits[0].argmax())
        assert token == wanted.argmax()
        ids.append(token)
        logits, past = model.run([token], past)


def test_a_text_may_be_read_in_pieces(forms):
    model = forms["fp32"]
    whole, _past = model.run(IDS)
    _first, past = model.run(IDS[:3])
    rest, _past = model.run(IDS[3:], past)
    assert np.abs(whole - rest).max() < 1e-4


def test_only_the_wanted_positions(llama, forms):
    logits, _past = forms["fp32"].run(IDS, wanted=[1, 4])
    assert np.abs(logits - expected(llama, IDS)[[1, 4]]).max() < 1e-4


@pytest.mark.parametrize(
    ("name", "likeness"),
    [("int8-blocks", 0.99), ("int4-gguf", 0.6), ("int4-rounded", 0.6), ("int8-tensor", 0.9)],
)
def test_every_form_runs_and_resembles_the_model(llama, forms, name, likeness):
    """Random weights suffer more than learnt ones; this is about gross mistakes."""
    found = forms[name](torch.tensor([IDS]))[0].numpy()
    assert np.corrcoef(found.ravel(), expected(llama, IDS).ravel())[0, 1] > likeness


def test_a_writer_writes_what_the_plain_loop_writes(forms):
    for model in forms.values():
        ids, past, plain = list(IDS), None, []
        for _step in range(12):
            logits, past = model.run(ids, past)
            ids = [int(logits[0].argmax())]
            plain += ids
        writer = CachedModel(model, capacity=32)
        assert list(writer.generate(IDS, 12)) == plain
        writer.reset_cache()
        assert list(writer.generate(IDS, 12)) == plain  # what it read before has left no trace


def test_a_model_with_a_head_of_its_own(llama, tmp_path):
    config = type(llama.config)(**llama.config.to_dict() | {"tie_word_embeddings": False})
    torch.manual_seed(1)
    model = LlamaForCausalLM(config).eval()
    export.write_variant(tmp_path, FromModel(model), "fp32")
    found = OnnxModel(tmp_path, threads=1)(torch.tensor([IDS]))[0].numpy()
    assert np.abs(found - expected(model, IDS)).max() < 1e-4


def test_an_embedding_lies_in_the_file_once(weights, forms, tmp_path):
    export.write_variant(tmp_path, weights, "fp32")
    matrices = 4 * 96 * 64 + sum(4 * weights[n].size for n in weights._state if "layers" in n)
    assert (tmp_path / "model.data").stat().st_size < matrices + 40 * 4096  # padding, no copy
