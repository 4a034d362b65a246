import json
import shutil

import pytest
from PIL import Image
from transformers import MllamaConfig

from beyond.lm.models import NoModel
from beyond.vision import load as loading
from beyond.vision.asking import BadPrompt, ask, check_prompt, complete
from beyond.vision.pictures import BadPicture

PICTURE = Image.new("RGB", (64, 64), (10, 10, 10))


def test_a_local_folder_answers_and_is_named(folder, capsys):
    vision_model = loading.load(folder)
    said = capsys.readouterr().out
    assert "not licensed to people and companies in the EU" in said
    assert "0.00 billion parameters" in said and "free" in said
    found = ask(vision_model, PICTURE, "what is in the image?")
    assert found.by == "random-mllama" and isinstance(found.text, str)
    assert "[answered by random-mllama]" in str(found)


def test_the_environment_variable_names_the_model(folder, monkeypatch, capsys):
    monkeypatch.setenv(loading.VARIABLE, str(folder))
    assert loading.load().name == "random-mllama"


@pytest.mark.parametrize(
    "name",
    ["config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"],
)
def test_a_missing_file_is_named(folder, tmp_path, name):
    place = tmp_path / "broken"
    shutil.copytree(folder, place)
    (place / name).unlink()
    with pytest.raises(NoModel, match=name):
        loading.load(place)


def test_a_missing_shard_and_a_missing_processor_are_named(folder, tmp_path):
    place = tmp_path / "shards"
    shutil.copytree(folder, place)
    (place / "processor_config.json").unlink()
    (place / "model.safetensors").unlink()
    index = {"weight_map": {"a": "model-00001-of-00002.safetensors"}}
    (place / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(NoModel, match=r"preprocessor_config\.json, model-00001-of-00002"):
        loading.load(place)


def test_another_kind_of_model_and_a_broken_config(folder, tmp_path):
    place = tmp_path / "other"
    shutil.copytree(folder, place)
    (place / "config.json").write_text('{"model_type": "llava"}')
    with pytest.raises(NoModel, match="llava"):
        loading.load(place)
    (place / "config.json").write_text("{")
    with pytest.raises(NoModel, match="can't be read"):
        loading.load(place)


def test_neither_folder_nor_hub_id():
    for name in ("/no/such/folder", "nowhere", "./x/y", "~/none"):
        with pytest.raises(NoModel, match="no folder"):
            loading.load(name)


def test_a_hub_id_without_a_hub_gets_a_sentence(monkeypatch, capsys):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(NoModel, match="can't be loaded") as caught:
        loading.load("meta-llama/Llama-3.2-11B-Vision-Instruct")
    assert "\n" not in str(caught.value)
    assert "acceptable-use policy" in capsys.readouterr().out, "the licence comes first"


def test_memory_is_checked_and_said_before_anything_is_loaded(folder, monkeypatch, capsys):
    monkeypatch.setattr(loading, "_free_memory", lambda: 1_000_000)
    monkeypatch.setattr(loading, "_load", lambda *_a: pytest.fail("it was loaded"))
    with pytest.raises(NoModel, match="endpoint"):
        loading.load(folder)
    assert "0.0 GB are free" in capsys.readouterr().out
    monkeypatch.setattr(loading, "_free_memory", lambda: 3_000_000)
    with pytest.raises(NoModel, match="four_bit"):
        loading.load(folder)


def test_four_bits_need_a_library_and_a_gpu(folder, monkeypatch):
    monkeypatch.setattr(loading.importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(NoModel, match="bitsandbytes"):
        loading.load(folder, four_bit=True)


def test_the_11b_has_the_published_size():
    assert loading.count_parameters(MllamaConfig()) == pytest.approx(10.64e9, rel=0.005)


def test_questions_that_can_not_be_asked(vision_model):
    with pytest.raises(BadPrompt, match="empty"):
        ask(vision_model, PICTURE, "  ")
    with pytest.raises(BadPrompt, match="put in for you"):
        ask(vision_model, PICTURE, "<|image|>what?")
    with pytest.raises(BadPicture):
        ask(vision_model, b"no picture", "what?")


def test_a_prompt_needs_one_image_token(vision_model):
    with pytest.raises(BadPrompt, match="would not look"):
        complete(vision_model, PICTURE, "what is in the image?")
    with pytest.raises(BadPrompt, match="2 times"):
        check_prompt("<|image|><|image|>")
    prompt = vision_model.prompt_for("what is in the image?")
    assert complete(vision_model, PICTURE, prompt) == ask(
        vision_model, PICTURE, "what is in the image?"
    )
