"""beyond.lm.larger: what is here; its Ollama speaks as `edge/test_ollama.py` has it."""

import pytest
import torch

from beyond.lm import larger as bigger
from beyond.lm import ollama


def test_what_is_here(monkeypatch):
    monkeypatch.setattr(ollama, "models", lambda: ("tiny:1b", "other:2b"))
    monkeypatch.setattr(bigger, "_gpu_name", lambda: "H100")
    here = bigger.find_larger_models()
    assert here == bigger.LargerModels(("tiny:1b", "other:2b"), "H100")
    assert "tiny:1b, other:2b" in str(here) and "H100" in str(here)


def test_nothing_is_here(monkeypatch):
    monkeypatch.setattr(ollama, "models", lambda: None)
    monkeypatch.setattr(bigger, "_gpu_name", lambda: "")
    here = bigger.find_larger_models()
    assert here == bigger.LargerModels((), "")
    assert "ollama pull" in str(here) and "no graphics card" in str(here)


def test_an_ollama_elsewhere_is_never_asked(monkeypatch):
    monkeypatch.setenv("OLLAMA_HOST", "http://192.0.2.1:11434")
    assert bigger.find_larger_models().ollama == ()
    with pytest.raises(ollama.NoOllama, match="isn't this machine"):
        bigger.ask("Why?", "tiny:1b")


def test_an_answer_is_one_text(monkeypatch):
    asked = []
    monkeypatch.setattr(ollama, "stream", lambda *a: asked.append(a) or iter([" Blue", ". "]))
    assert bigger.ask("What colour is the sky?", "tiny:1b", 6) == "Blue."
    assert asked == [("What colour is the sky?", "tiny:1b", 6)]


def test_a_model_on_the_device_is_a_function():
    class Twice(torch.nn.Module):
        def forward(self, ids):
            return type("Answer", (), {"logits": 2 * ids.half()})

    ids = torch.ones(1, 3)
    assert torch.equal(bigger.on_device(Twice())(ids), 2 * ids)
