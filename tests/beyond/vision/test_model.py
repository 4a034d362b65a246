import pytest
import torch
from safetensors import safe_open
from transformers import AutoProcessor, MllamaForConditionalGeneration, MllamaProcessor

from beyond.vision.model import BEGIN, END_OF_TURN, IMAGE_TOKEN, SPECIAL


def test_the_folder_is_the_hubs_and_holds_no_pickle(folder):
    names = {path.name for path in folder.iterdir()}
    assert {
        "config.json",
        "generation_config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
        "chat_template.jinja",
    } <= names
    assert all(name.endswith((".json", ".safetensors", ".jinja")) for name in names)
    assert (folder / "model.safetensors").stat().st_size < 12e6
    with safe_open(folder / "model.safetensors", framework="pt") as weights:
        names = weights.keys()  # it has no other way to list them
        assert {weights.get_slice(name).get_dtype() for name in names} == {"BF16"}


def test_transformers_own_classes_load_it(folder):
    processor = AutoProcessor.from_pretrained(folder, local_files_only=True)
    assert type(processor) is MllamaProcessor
    model = MllamaForConditionalGeneration.from_pretrained(folder, local_files_only=True)
    assert model.dtype == torch.bfloat16
    vocabulary = model.config.text_config.vocab_size
    assert model.config.image_token_index == vocabulary == len(processor.tokenizer) - 1
    assert model.model.language_model.embed_tokens.num_embeddings == vocabulary + 8
    assert model.lm_head.out_features == vocabulary
    assert model.generation_config.eos_token_id == processor.tokenizer.eos_token_id


@pytest.mark.parametrize(
    "text", ["is there a red circle?", "빨간색 원이 있나요?", "ñ 汉 🙂\n\n  7"]
)
def test_the_tokenizer_spells_anything(folder, text):
    tokenizer = AutoProcessor.from_pretrained(folder, local_files_only=True).tokenizer
    assert tokenizer.decode(tokenizer(text, add_special_tokens=False)["input_ids"]) == text
    assert tokenizer.convert_tokens_to_ids(list(SPECIAL)) == sorted(
        tokenizer.convert_tokens_to_ids(list(SPECIAL))
    )


def test_the_chat_template_puts_the_image_first(folder):
    processor = AutoProcessor.from_pretrained(folder, local_files_only=True)
    talk = [
        {"role": "user", "content": [{"type": "text", "text": " a? "}, {"type": "image"}]},
        {"role": "assistant", "content": "b"},
        {"role": "user", "content": "c?"},
    ]
    text = processor.apply_chat_template(talk, add_generation_prompt=True)
    assert text == f"{IMAGE_TOKEN}{BEGIN}a?{END_OF_TURN}b{END_OF_TURN}c?{END_OF_TURN}"
