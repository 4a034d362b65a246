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
