"""beyond.lm.own_process: what a module prints in a process of its own comes back, and its errors too."""

import pytest

from beyond.lm.own_process import run_module


def test_the_last_line_is_what_comes_back(tmp_path):
    file = tmp_path / "found.json"
    file.write_text('{"resident_mb": 1.5,\n "steps": [1, 2]}')
    assert run_module("json.tool", "--compact", str(file)) == {"resident_mb": 1.5, "steps": [1, 2]}


def test_a_failure_is_told_by_its_last_line():
    with pytest.raises(RuntimeError, match="No module named beyond.nothing"):
        run_module("beyond.nothing")


def test_the_package_is_found_where_it_is_not_installed(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", "/nowhere")
    with pytest.raises(RuntimeError, match="invalid choice: 'int3'"):
        run_module("beyond.lm.benchmark", "--dtype", "int3")
