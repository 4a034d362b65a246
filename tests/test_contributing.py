"""The recipes of CONTRIBUTING.md, run as they stand in a copy of the repository."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
LEFT_OUT = shutil.ignore_patterns(
    ".git",
    ".venv",
    ".*cache*",
    "__pycache__",
    "term",
    "work",
    "exchange",
    "*.zip",
    "cost-formula",
    "moe-gate",
    "edge-deployment",  # one assignment is enough, and soon checked
)


def recipe(name: str) -> str:
    """Return the commands of all blocks that are marked with this name, in order."""
    found = re.findall(rf"^```bash {name}\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
    assert found, f"CONTRIBUTING.md has no recipe {name}"
    return "".join(found)


@pytest.fixture(scope="module")
def follow(tmp_path_factory: pytest.TempPathFactory):
    """Follow a recipe in the copy; returns what it printed."""
    copy = tmp_path_factory.mktemp("contributing") / "course"
    shutil.copytree(ROOT, copy, ignore=LEFT_OUT, symlinks=True)
    # `check` would miss the assignments that are left out.
    settings = (copy / "pyproject.toml").read_text(encoding="utf-8")
    kept = re.sub(r"^\[tool\.autograder\.off-limits\]\n.*?(?=^\[)", "", settings, flags=re.M | re.S)
    (copy / "pyproject.toml").write_text(kept, encoding="utf-8")
    environment = {
        **os.environ,
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        "PYTHONPATH": os.pathsep.join([str(copy), str(copy / "notebooks")]),
        "BEYOND_COURSE": str(copy),
    }

    def run(name: str) -> str:
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", recipe(name)],
            cwd=copy,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    run.copy = copy
    return run


def test_a_lesson_an_assignment_and_a_check(follow) -> None:
    follow("lesson")
    follow("assignment")
    follow("check")
    assert "No problems." in follow("finish")
    released = follow.copy / "release"
    for language in ("en", "ko"):
        text = (released / language / "retake" / "retake.ipynb").read_text(encoding="utf-8")
        assert "q1-test" in text
        assert "q1 is one letter" not in text
    assert "q1 is one letter" in (follow.copy / "source/ko/retake/retake.ipynb").read_text("utf-8")


def test_an_attack_is_found_by_the_suite(follow) -> None:
    said = follow("attack")
    assert "test_forging[equal-to-everything]" in said
    assert (
        "test_forging[equal-to-everything]"
        not in subprocess.run(
            [
                sys.executable,
                "-m",
                "pytest",
                "tests/attacks/test_forging.py",
                "--collect-only",
                "-q",
            ],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        ).stdout
    )


def test_a_language(follow) -> None:
    assert "release/fr/quiz/quiz.ipynb" in follow("language")
    text = (follow.copy / "release" / "fr" / "quiz" / "quiz.ipynb").read_text(encoding="utf-8")
    assert '\\"fr\\"' in text


def test_every_recipe_is_followed_here() -> None:
    named = set(re.findall(r"^```bash (\S+)$", TEXT, re.MULTILINE))
    assert named == {"lesson", "assignment", "check", "finish", "language", "attack"}


def test_every_link_leads_somewhere() -> None:
    for name in ("CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"):
        text = (ROOT / name).read_text(encoding="utf-8")
        for link in re.findall(r"\]\((?!https?:)([^)#]+)", text):
            assert (ROOT / link).exists(), f"{name}: {link}"
