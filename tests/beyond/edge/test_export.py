import pytest

from beyond.edge import export
from beyond.edge.session import OnnxModel
from beyond.edge.weights import FromFolder
from beyond.lm.models import NoModel


@pytest.fixture
def folder(llama, tmp_path, monkeypatch):
    monkeypatch.setenv("BEYOND_CACHE", str(tmp_path / "cache"))
    place = tmp_path / "tiny"
    llama.save_pretrained(place)
    return place


def test_a_form_is_made_once_and_kept(folder):
    first = export.variant_folder("fp32", folder)
    stamp = (first / "model.onnx").stat().st_mtime_ns
    assert export.variant_folder("fp32", folder) == first
    assert (first / "model.onnx").stat().st_mtime_ns == stamp
    assert OnnxModel(first, threads=1).vocabulary == 96
    assert export.size(first) == sum(p.stat().st_size for p in first.iterdir())


def test_other_weights_are_another_form_and_the_old_one_goes(folder, llama):
    first = export.variant_folder("int8-blocks", folder)
    other = export.variant_folder("fp32", folder)
    state = {name: 2 * value for name, value in llama.state_dict().items()}
    llama.save_pretrained(folder, state_dict=state)
    second = export.variant_folder("int8-blocks", folder)
    assert second != first and not first.exists() and other.exists()


def test_blocks_of_a_gguf_need_a_gguf(folder):
    with pytest.raises(NoModel, match="GGUF"):
        export.variant_folder("int4-gguf", folder)


def test_weights_of_a_folder(folder, llama):
    weights = FromFolder(folder)
    norm = llama.model.norm.weight.detach().numpy()
    assert (weights["model.norm.weight"] == norm).all()
