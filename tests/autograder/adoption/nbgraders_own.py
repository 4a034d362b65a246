"""Run the tests that nbgrader ships in its wheel, with this grader or without.

Nothing of nbgrader's is changed: with this grader there is a folder with an `nbgrader_config.py` of
two lines among those in which Jupyter looks for configuration, and that is all.
"""

from __future__ import annotations

import getpass
import importlib.util
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

ROOT = Path(__file__).resolve().parents[3]
EXPECTED = Path(__file__).with_name("nbgraders_own_tests.json")
"""What these tests come to with nbgrader alone; `benchmarks/nbgraders_own_tests.py` writes it."""

PASSED = "passed"
_PACKAGE = "nbgrader.tests.apps"
_CONFIGURATION = """\
import autograder

c = get_config()
autograder.configure(c)
"""


@dataclass(frozen=True)
class Expected:
    """What nbgrader alone gives.

    Attributes:
        version: nbgrader's.
        passed: how many tests pass, by module.
        others: how the others end, by test, by module.
    """

    version: str
    passed: dict[str, int]
    others: dict[str, dict[str, str]]

    @classmethod
    def read(cls) -> Expected:
        """Return what was recorded."""
        return cls(**json.loads(EXPECTED.read_text()))


def modules() -> list[str]:
    """Return the names of the modules with such tests."""
    return sorted(path.stem for path in _folder().glob("test_*.py"))


def graders() -> list[str]:
    """Return the names of those modules whose tests grade something."""
    texts = {name: (_folder() / f"{name}.py").read_text(encoding="utf-8") for name in modules()}
    return [name for name, text in texts.items() if "autograde" in text]


def outcomes(module: str, place: Path, with_this_grader: bool = True) -> dict[str, str]:
    """Run a module's tests, and return how each ended.

    Args:
        module: its name.
        place: an empty folder to run in.
        with_this_grader: whether to configure it.
    """
    for name in ("home", "config", "work"):
        (place / name).mkdir()
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PYTEST_", "JUPYTER_", "AUTOGRADER_", "PYTHONPATH"))
    }
    environment |= {"HOME": str(place / "home"), "JUPYTER_CONFIG_PATH": str(place / "config")}
    environment.setdefault("USER", getpass.getuser())  # one of them asks for it by that name
    if with_this_grader:
        environment["PYTHONPATH"] = str(ROOT)
        (place / "config/nbgrader_config.py").write_text(_CONFIGURATION)
    report = place / "report.xml"
    plain = ("-c", os.devnull, "--rootdir", ".", "-p", "no:cacheprovider", "-p", "no:xdist")
    words = ("-q", f"--junitxml={report}", "--pyargs", f"{_PACKAGE}.{module}")
    done = subprocess.run(
        (sys.executable, "-m", "pytest", *plain, *words),
        cwd=place / "work",
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if not report.is_file():
        raise AssertionError(done.stdout + done.stderr)
    return dict(_ends(ElementTree.parse(report).getroot()))


def _ends(report: ElementTree.Element):
    """Yield each test and how it ended."""
    for one in report.iter("testcase"):
        bad = [part.tag for part in one if part.tag in ("failure", "error", "skipped")]
        group = one.get("classname", "").rsplit(".", 1)[-1]
        yield f"{group}::{one.get('name')}", bad[0] if bad else PASSED


def _folder() -> Path:
    found = importlib.util.find_spec(_PACKAGE)
    assert found is not None and found.origin is not None, "nbgrader's wheel has no tests any more"
    return Path(found.origin).parent
