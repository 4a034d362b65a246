"""beyond.old_names: what notebooks in students' hands import and use is still there.

`data/notebook_imports.json` holds every import of the library, and every name asked of an imported
module, in the lessons and assignments as they were before the library moved into folders.
"""

import importlib
import inspect
import json
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

OLD = json.loads((Path(__file__).parent / "data" / "notebook_imports.json").read_text("utf-8"))


@pytest.mark.parametrize("statement", OLD["imports"])
def test_an_import_of_before_works(statement):
    names = {}
    exec(statement, names)
    assert len(names) > 1


@pytest.mark.parametrize("dotted", OLD["attributes"])
def test_a_name_of_before_is_there(dotted):
    found = importlib.import_module("beyond")
    reached = "beyond"
    for part in dotted.split(".")[1:]:
        reached = f"{reached}.{part}"
        if not hasattr(found, part):
            importlib.import_module(reached)
        found = getattr(found, part)


def test_a_class_under_its_old_name_is_the_same_class():
    from beyond import moe
    from beyond.moe import MoELayer
    from beyond.moe.layer import MoELayer as new

    assert MoELayer is moe.MoELayer is new
    assert pickle.loads(pickle.dumps(MoELayer)) is new
    assert "def forward" in inspect.getsource(MoELayer.forward)
    assert pickle.loads(b"cbeyond.tables\nTable\n.").__module__ == "beyond.ui.tables"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("beyond.byte_lm.Shape", "beyond.moe.byte_lm.ByteLMShape"),
        ("beyond.edge.weights.Shape", "beyond.edge.weights.DecoderShape"),
        ("beyond.shapes.Shape", "beyond.lm.model_size.TransformerShape"),
        ("beyond.vision.model.Shape", "beyond.vision.model.MllamaShape"),
    ],
)
def test_each_class_that_was_called_shape_is_found_under_that_name(old, new):
    def found(dotted):
        module, name = dotted.rsplit(".", 1)
        return getattr(importlib.import_module(module), name)

    assert found(old) is found(new)


def test_a_name_that_never_was_is_an_error():
    import beyond.speed

    with pytest.raises(AttributeError, match=r"module 'beyond\.speed' has no attribute 'nothing'"):
        _ = beyond.speed.nothing
    with pytest.raises(ImportError, match="cannot import name 'nothing'"):
        exec("from beyond.moe import nothing")
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("beyond.nothing")


def test_a_command_runs_under_its_old_name():
    run = [sys.executable, "-m", "beyond.model_selection", "--help"]
    assert "--task" in subprocess.run(run, check=True, capture_output=True, text=True).stdout


def test_nothing_heavy_is_loaded_before_a_name_is_asked_for():
    heavy = "{'torch', 'transformers', 'matplotlib', 'ipywidgets', 'onnx', 'psutil', 'ollama'}"
    code = (
        "import sys, beyond, beyond.moe, beyond.cost, beyond.speed, beyond.figures, beyond.routing\n"
        "from beyond import widgets, machine, models\n"
        f"assert not {heavy} & set(sys.modules), {heavy} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_old_calls_of_a_measurement_work(monkeypatch):
    from beyond.edge.measure import measure

    from beyond import old_measure, speed

    monkeypatch.setattr(old_measure, "measure", lambda *args, **options: (args, options))
    assert speed.measure("bfloat16", "folder") == (("torch", "folder"), {"dtype": "bfloat16"})
    assert measure("torch", "float32", new_tokens=9) == (
        ("torch",),
        {"dtype": "float32", "new_tokens": 9},
    )
    assert measure("onnx", "folder") == (("onnx", "folder"), {})


def test_old_attributes_are_there():
    from beyond import old_names

    for dotted, renamed in old_names.ATTRIBUTES.items():
        place, name = dotted.rsplit(".", 1)
        cls = getattr(importlib.import_module(place), name)
        fields = set(getattr(cls, "__dataclass_fields__", ()))
        for old, new in renamed.items():
            assert hasattr(cls, old), (dotted, old)
            assert hasattr(cls, new) or new in fields or new == "capacity", (dotted, new)


def test_an_old_argument_is_taken(monkeypatch):
    from beyond.old_names import ARGUMENTS, keep_old_arguments

    monkeypatch.setitem(ARGUMENTS, "somewhere.function", {"old": "new"})
    function = keep_old_arguments("somewhere.function")(lambda *, new: new)
    assert function(old=1) == function(new=1) == 1
