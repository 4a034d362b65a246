"""beyond.fine_tuning.lora: the layer, what it is put around, and the files it makes."""

import json

import pytest
import torch
from torch import nn
from transformers import LlamaConfig, LlamaForCausalLM

from beyond.fine_tuning import lora
from beyond.fine_tuning.reference import peft_merge

SMALL = {"layers": (1,), "r": 2, "alpha": 4}


@pytest.fixture
def model():
    torch.manual_seed(0)
    config = LlamaConfig(
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        vocab_size=40,
    )
    return LlamaForCausalLM(config).eval()


def logits(model):
    with torch.inference_mode():
        return model(torch.arange(8).unsqueeze(0)).logits


def filled(adapted):
    """The same model with factors that do change something."""
    with torch.no_grad():
        for _name, layer in lora.adapted_layers(adapted):
            layer.B.normal_()
    return adapted


def test_step_0_is_the_base_model_bit_for_bit(model):
    adapted = lora.with_adapter(model, **SMALL)
    assert torch.equal(logits(adapted), logits(model))
    assert not torch.equal(logits(filled(adapted)), logits(model))


def test_the_model_stays_as_it_is_and_shares_its_weights(model):
    before = logits(model)
    adapted = filled(lora.with_adapter(model, **SMALL))
    assert torch.equal(logits(model), before)
    assert not any(lora.is_lora(part) for part in model.modules())
    assert adapted.get_parameter("model.embed_tokens.weight") is model.get_parameter(
        "model.embed_tokens.weight"
    )


def test_seven_matrices_of_each_layer_are_trained_and_nothing_else(model):
    adapted = lora.with_adapter(model, **SMALL)
    names = {n for n, p in adapted.named_parameters() if p.requires_grad}
    assert len(names) == 2 * 7
    assert all(name.startswith("model.layers.1.") for name in names)


def test_a_saved_adapter_is_loaded_as_it_was_and_opens_in_peft(model, tmp_path):
    peft = pytest.importorskip("peft")
    adapted = filled(lora.with_adapter(model, **SMALL))
    lora.save_adapter(adapted, tmp_path)
    assert (tmp_path / "adapter_model.safetensors").stat().st_mode & 0o777 == 0o644
    again = lora.load_adapter(model, tmp_path)
    torch.testing.assert_close(logits(again), logits(adapted), atol=2e-3, rtol=0)  # fp16 file
    theirs = peft.PeftModel.from_pretrained(model, tmp_path).eval()
    torch.testing.assert_close(logits(theirs), logits(again), atol=1e-5, rtol=0)


def test_the_merge_of_peft_is_the_formula():
    torch.manual_seed(0)
    W, A, B = torch.randn(5, 3), torch.randn(2, 3), torch.randn(5, 2)
    torch.testing.assert_close(peft_merge(W, A, B, 8), W + 4 * B @ A, atol=1e-5, rtol=0)


def test_a_layer_that_is_not_finished_does_not_work():
    class NothingYet(nn.Module):
        def __init__(self, base, r=8, alpha=16):
            super().__init__()

        def forward(self, x):
            return None

    class Unfrozen(lora.LoRALinear):
        def __init__(self, base, r=8, alpha=16):
            super().__init__(base, r, alpha)
            self.base.requires_grad_(True)

    class Unscaled(lora.LoRALinear):
        def forward(self, x):
            return self.base(x) + x @ self.A.T @ self.B.T

    assert lora.works(lora.LoRALinear)
    assert not any(map(lora.works, (NothingYet, Unfrozen, Unscaled)))


def test_the_shipped_adapter_says_what_it_is():
    config = json.loads((lora.ADAPTER / "adapter_config.json").read_text("utf-8"))
    assert config["layers_to_transform"] == list(lora.LAYERS)
    assert set(config["target_modules"]) == set(lora.MATRICES)
