import numpy as np
import pytest
import torch

from beyond.vision.batches import make_batch, patch_labels, prompt, random_batch, tiles
from beyond.vision.model import IMAGE_TOKEN, MllamaShape, make_processor, make_tokenizer
from beyond.vision.questions import KINDS, ask
from beyond.vision.scenes import DIGITS, SHAPES, draw, held_out_digits, random_scene

RNG = np.random.default_rng


@pytest.fixture(scope="module")
def processor():
    rng, texts = RNG(0), []
    for n in range(600):
        item = ask(rng, random_scene(rng), KINDS[n % 6], ("en", "ko")[n % 2])
        texts += [item.question, item.answer] if item else []
    shape = MllamaShape()
    return make_processor(make_tokenizer(texts, shape.vocabulary), shape)


@pytest.mark.parametrize("seed", range(60))
def test_tiles_are_what_the_processor_makes(processor, seed):
    image = draw(random_scene(RNG(seed)))
    pixels, ids, mask = tiles([np.asarray(image)], processor)
    wanted = processor(images=image, text=IMAGE_TOKEN, return_tensors="pt")
    torch.testing.assert_close(pixels, wanted["pixel_values"], atol=1e-5, rtol=0)
    assert torch.equal(ids, wanted["aspect_ratio_ids"])
    assert torch.equal(mask, wanted["aspect_ratio_mask"])


def test_only_answers_are_learned_and_the_image_comes_first(processor):
    scenes = [random_scene(RNG(n)) for n in range(3)]
    items = [(n, ask(RNG(n), scene, "describe", "en")) for n, scene in enumerate(scenes)]
    batch = make_batch(processor, scenes, items, None)
    tokenizer = processor.tokenizer
    image = tokenizer.convert_tokens_to_ids(IMAGE_TOKEN)
    seen = 0
    for texts in batch.texts:
        for number, tokens, labels in zip(texts.image, texts.tokens, texts.labels, strict=True):
            item = items[int(number)][1]
            assert tokens[0] == image and image not in tokens[1:]
            assert tokenizer.decode(labels[labels >= 0]) == item.answer + tokenizer.eos_token
            text = prompt(processor, item.question) + item.answer + tokenizer.eos_token
            kept = tokens[tokens != tokenizer.pad_token_id]
            assert kept.tolist() == tokenizer(text, add_special_tokens=False)["input_ids"]
            seen += 1
    assert seen == 3


def test_the_same_numbers_give_the_same_batch(processor):
    one, other = (
        random_batch(RNG([5, 3]), processor, held_out_digits(), 4, 3, 4) for _ in range(2)
    )
    assert torch.equal(one.pixels, other.pixels)
    assert all(torch.equal(a.tokens, b.tokens) for a, b in zip(one.texts, other.texts, strict=True))


@pytest.mark.parametrize("seed", range(20))
def test_patches_are_named_after_the_thing_they_show(seed):
    scene = random_scene(RNG(seed))
    labels = patch_labels(scene)
    names = {0, *((*SHAPES, *DIGITS).index(t.name) + 1 for t in scene.things)}
    assert set(np.unique(labels[..., 0])) == names
    assert ((labels == 0).all(-1) == (labels[..., 0] == 0)).all()


def test_a_kind_asked_often_comes_twice_as_often(processor):
    counts = []
    for often in ((), ("exists",)):
        texts = random_batch(RNG(1), processor, held_out_digits(), 60, 4, 4, often).texts
        asked = [processor.tokenizer.decode(row) for group in texts for row in group.tokens]
        assert len(asked) == 60 * 4
        counts.append(sum("is there a " in one for one in asked))
    assert 1.4 < counts[1] / counts[0] < 2.6
