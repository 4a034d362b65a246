"""A benchmark says before it measures what an environment lacks."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "benchmarks"))

from needs import missing, require  # noqa: E402 - benchmarks/ is no package


@pytest.fixture
def bare(tmp_path: Path) -> str:
    """A Python that has the standard library only."""
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" -I -S "$@"\n')
    python.chmod(0o755)
    return str(python)


def test_what_is_missing_in_each_environment_is_told(bare: str) -> None:
    assert missing(sys.executable, ["numpy", "psutil"]) == []
    assert missing(bare, ["json", "psutil", "no.such.module"]) == ["psutil", "no.such.module"]
    with pytest.raises(SystemExit) as stop:
        require({sys.executable: ["numpy"], bare: ["psutil"]})
    assert str(stop.value).startswith("Nothing was measured.")
    assert f"{bare} lacks psutil; install: {bare} -m pip install psutil" in str(stop.value)
    assert sys.executable + " lacks" not in str(stop.value)


def test_a_python_that_is_not_there_is_a_sentence() -> None:
    with pytest.raises(SystemExit, match="can't be started"):
        missing("/no/such/python", ["json"])


def test_edge_measures_nothing_if_llamas_environment_lacks_something(bare: str) -> None:
    done = run("edge.py", "--llama-python", bare, "--rounds", "1")
    assert done.returncode == 1
    assert "lacks llama_cpp, numpy" in done.stderr
    assert "quality:" not in done.stderr


@pytest.mark.parametrize(
    "name",
    sorted(path.name for path in (ROOT / "benchmarks").glob("*.py") if path.name != "needs.py"),
)
def test_each_starts_without_an_activated_environment(name: str) -> None:
    if name == "fuzz_reader.py":  # atheris is installed by whoever fuzzes
        assert "atheris" in (ROOT / "benchmarks" / "README.md").read_text(encoding="utf-8")
        return
    assert run(name, "--help").returncode == 0


def run(name: str, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ,
        "PATH": os.pathsep.join(["/usr/bin", "/bin"]),
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "notebooks")]),
    }
    return subprocess.run(
        [sys.executable, str(ROOT / "benchmarks" / name), *words],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
