import numpy as np
import pytest
import torch
from PIL import Image

from beyond.vision import inside
from beyond.vision.scenes import draw, random_scene

WIDE = Image.effect_noise((64, 32), 80).convert("RGB")


def test_attention_sums_to_one_and_leaves_out_tiles_that_are_not_there(vision_model):
    found = inside.attention(vision_model, WIDE, "what is in the image?", "left: red circle")
    assert found.layers == [1, 3, 5] and found.tiles == (1, 2) and found.size == (64, 32)
    assert found.weights.shape == (3, 4, len(found.tokens), 4, 17)
    assert "".join(found.tokens) == "left: red circle"
    np.testing.assert_allclose(found.weights.sum((-1, -2)), 1, atol=1e-5)
    assert found.weights[..., 2:, :].max() == 0
    assert found.map(0).shape == (4, 8) and found.by_tile(2, head=1).shape == (1, 2)
    assert found.by_tile(0).sum() == pytest.approx(1, abs=1e-5)


def test_patches_are_laid_out_as_in_the_image():
    numbers = np.arange(2 * 2 * 4).reshape(4, 4)
    wanted = [[0, 1, 4, 5], [2, 3, 6, 7], [8, 9, 12, 13], [10, 11, 14, 15]]
    assert inside.lay_out(numbers, (2, 2)).tolist() == wanted


def logits(vision_model, inputs) -> torch.Tensor:
    with torch.inference_mode():
        return vision_model.model(**inputs, use_cache=False).logits


def test_closed_gates_are_exactly_the_text_model_and_come_back(vision_model):
    inputs = inside.inputs_for(
        vision_model, WIDE, vision_model.prompt_for("is there a red circle?")
    )
    open_ = logits(vision_model, inputs)
    text = {name: inputs[name] for name in ("input_ids", "attention_mask")}
    with inside.gates(vision_model, 0):
        assert torch.equal(logits(vision_model, inputs), logits(vision_model, text))
    assert torch.equal(logits(vision_model, inputs), open_)
    assert not torch.allclose(open_, logits(vision_model, text))
    with inside.gates(vision_model, 0.5, layers=[5]):
        assert not torch.equal(logits(vision_model, inputs), open_)


def test_gates_come_back_after_an_error(vision_model):
    inputs = inside.inputs_for(vision_model, WIDE, vision_model.prompt_for("?"))
    before = logits(vision_model, inputs)
    with pytest.raises(ZeroDivisionError), inside.gates(vision_model, 0):
        raise ZeroDivisionError
    assert torch.equal(logits(vision_model, inputs), before)


def test_occlusion_finds_nothing_where_nothing_counts(vision_model):
    image = draw(random_scene(np.random.default_rng(3)))
    found = inside.occlusion(vision_model, image, "is there a red circle?", "yes")
    down, across = inside.tiles_of(
        vision_model, inside.inputs_for(vision_model, image, vision_model.prompt_for("?"))
    )
    assert found.shape == (4 * down, 4 * across) and np.isfinite(found).all()
    with inside.gates(vision_model, 0):
        blind = inside.occlusion(vision_model, image, "is there a red circle?", "yes")
    np.testing.assert_allclose(blind, 0, atol=1e-5)


def test_image_features_are_what_the_model_itself_uses(vision_model):
    inputs = inside.inputs_for(vision_model, WIDE, vision_model.prompt_for("?"))
    features = inside.image_features(vision_model, inputs)
    assert features.shape == (1, 4 * 17, 128)
    with torch.inference_mode():
        mine = vision_model.model(
            input_ids=inputs["input_ids"],
            cross_attention_states=features,
            cross_attention_mask=inputs["cross_attention_mask"],
            use_cache=False,
        ).logits
    torch.testing.assert_close(mine, logits(vision_model, inputs))
