"""Modules off limits: neither imported nor read, whatever a student's code tries."""

import subprocess
import sys

import pytest

from autograder.sandbox import off_limits
from autograder.sandbox.namespaces import _shadowed_places
from autograder.sandbox.zygote_client import ZygoteClient
from tests.autograder.sandbox.conftest import LIMITS, Talk

SAYS = "has what this assignment asks for, so it can't be imported: write your own."


@pytest.fixture(scope="module")
def zygote(bubblewrap):
    with ZygoteClient(LIMITS, packages=("beyond",)) as one:
        yield one


@pytest.fixture
def student(zygote):
    with zygote.fork(off_limits=["beyond.moe", "beyond.cost.formula", "json.tool"]) as child:
        yield Talk(child)


@pytest.mark.parametrize(
    "code",
    [
        "import beyond.moe",
        "from beyond import moe",
        "from beyond.moe import MoELayer",
        "from beyond.moe.layer import MoELayer",
        "from beyond.routing import routing_of",  # by the name that it had before
        "__import__('beyond.moe.layer')",
        "import importlib; importlib.import_module('beyond.moe')",
        "from beyond.cost import formula",
        "from beyond.cost.formula import catalog",
        "import json.tool",
    ],
)
def test_an_import_fails_with_a_sentence(student, code):
    error, _outputs = student.run(code)
    assert error[:2] == ["OffLimits", error[1]]
    assert error[1].startswith(("beyond.", "json.tool")) and error[1].endswith(SAYS)


def test_whatever_is_beside_them_can_be_imported(student):
    assert student.run("import json\nfrom beyond.checks import check")[0] is None
    assert student.run("from beyond.lm import tokens")[0] is None


@pytest.mark.parametrize(
    "way",
    [
        "sys.meta_path[:] = [f for f in sys.meta_path if 'off_limits' not in type(f).__module__]",
        "sys.meta_path.clear(); sys.meta_path.append(importlib.machinery.PathFinder)",
        "type(sys.meta_path[0]).find_spec = lambda *_: None",
        "importlib.invalidate_caches(); sys.meta_path.pop(0)",
    ],
)
def test_without_the_finder_there_is_still_nothing_to_import(student, way):
    student.run(f"import sys, importlib, importlib.machinery\n{way}")
    for code in ("from beyond.moe import MoELayer", "from beyond.cost.formula import catalog"):
        assert student.run(code)[0][0] in ("ImportError", "ModuleNotFoundError", "OffLimits")


def test_their_files_can_not_be_read(student):
    found = student.text(
        "import os, glob\n"
        "print(os.listdir('/course/beyond/moe'))\n"
        "print(os.path.getsize('/course/beyond/cost/formula.py'))\n"
        "print(sum(len(open(f, 'rb').read()) for f in\n"
        "          glob.glob('/course/beyond/cost/__pycache__/formula.*')))\n"
        "print(os.path.getsize('/course/beyond/cost/charts.py') > 0)"
    )
    assert found.splitlines() == ["[]", "0", "0", "True"]


def test_the_next_process_has_them_again(zygote):
    with zygote.fork() as child:
        assert Talk(child).text("import beyond.moe; print(beyond.moe.__name__)") == "beyond.moe\n"


def test_what_was_imported_before_is_taken_away(bubblewrap):
    with (
        ZygoteClient(LIMITS, imports=("json.tool",)) as zygote,
        zygote.fork(off_limits=["json.tool"]) as child,
    ):
        talk = Talk(child)
        assert talk.fails("import json.tool") == "OffLimits"
        assert talk.text("import json; print(hasattr(json, 'tool'))") == "False\n"


def test_more_modules_than_a_request_holds_are_refused(zygote):
    with pytest.raises(ValueError, match="too many modules"):
        zygote.fork(off_limits=[f"package.module{number}" for number in range(300)])


@pytest.mark.parametrize("name", ["", "..", "../x", "a/b", "beyond..moe", "*"])
def test_odd_names_are_no_files(tmp_path, name):
    (tmp_path / "x").mkdir()
    assert list(off_limits.files_of([name], [str(tmp_path)])) == []


def test_files_of_a_module(tmp_path):
    for name in ("p/m.py", "p/m.cpython-311.so", "p/__pycache__/m.cpython-311.pyc", "p/mm.py"):
        place = tmp_path / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.touch()
    found = off_limits.files_of(["p.m", "p.other"], [str(tmp_path), str(tmp_path), ""])
    assert sorted(one[len(str(tmp_path)) + 1 :] for one in found) == [
        "p/__pycache__/m.cpython-311.pyc",
        "p/m.cpython-311.so",
        "p/m.py",
    ]


def test_the_sentence_is_korean_where_the_notebook_is():
    code = (
        "from beyond.locale import set_language; set_language('ko')\n"
        "from autograder.sandbox.off_limits import forbid; forbid(['json.tool'])\n"
        "import json.tool"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "json.tool" in done.stderr and "직접" in done.stderr


def test_what_is_bound_aside_for_a_childs_own_tmp_is_covered_too():
    places = ["/tmp/env/lib/p/m.py", "/course/p/m.py"]
    assert _shadowed_places(places, ["/opt/env", "/tmp/env"]) == ["/shadowed/1/lib/p/m.py"]
