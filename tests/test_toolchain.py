"""The checks that hold the repository's form: format, lint, types, direction of imports.

They are tests, so that `python3 env test` and with it `.ci/run` run them; `.pre-commit-config.yaml`
runs the same before a commit.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
CODE = ("autograder", "notebooks/beyond", "env", "tests", "benchmarks", "tools", "docs")

AMERICAN_WORDS = ROOT / "tests" / "data" / "american.txt"
"""The field's words that codespell's dictionary of British spellings lacks."""

BRITISH_WORDS = (
    "cancelled",  # `concurrent.futures.Future.cancelled`
    "centre",  # "top centre" is an answer that lesson 8's model was trained to give
    "summarise",  # a task that lesson 4 names on the command line
)
BRITISH_FILES = (
    "notebooks/beyond/old_names.py",  # the names that students' notebooks may still use
    "tools/make_shop.py",  # messages on which lesson 1's adapter was trained
)

# A comment that switches a check off for its line, and what follows it.
MARK = re.compile(
    r"#\s*(noqa(?::\s*[A-Z]+[0-9]+(?:[,\s]+[A-Z]+[0-9]+)*)?"
    r"|type:\s*ignore(?:\[[\w, -]+\])?"
    r"|fmt:\s*(?:skip|off)"
    r"|pyright:\s*\S+)(.*)"
)


def test_everything_is_formatted() -> None:
    run("ruff", "format", "--check", "--quiet", ".")


def test_the_linter_finds_nothing() -> None:
    run("ruff", "check", "--quiet", "--output-format", "concise", ".")


def test_the_types_fit() -> None:
    run("mypy", "--no-error-summary")


def test_imports_go_one_way() -> None:
    run("importlinter.cli")


def test_the_code_is_spelled_the_american_way() -> None:
    paths = [path for path in code_files() if path.relative_to(ROOT).parts[0] != "tests"]
    assert paths
    british = british_words(
        *(path for path in paths if path.relative_to(ROOT).as_posix() not in BRITISH_FILES)
    )
    assert not british, british


@pytest.mark.parametrize("word", ["colour", "catalogue", "quantised", "grey", "modelling"])
def test_a_british_word_is_found(tmp_path: Path, word: str) -> None:
    (tmp_path / "code.py").write_text(f"# the {word} of a thing\n")
    assert word in british_words(tmp_path / "code.py")


def test_each_mark_that_silences_a_check_says_why() -> None:
    silent = [place for path in code_files() for place in marks_without_a_reason(path)]
    assert not silent, "without a reason on the same line:\n" + "\n".join(silent)


@pytest.mark.parametrize(
    "line",
    [
        "import a  # noqa: E402",
        "import a  # noqa",
        "import a  # noqa: E402, F401",
        "a = f()  # type: ignore[no-any-return]",
        "a = f()  # type: ignore",
        "a = [1,  2]  # fmt: skip",
        "a = f()  # pyright: ignore[reportAny]",
        "a = f()  # noqa: E731 -",
    ],
)
def test_a_mark_without_a_reason_is_found(tmp_path: Path, line: str) -> None:
    (tmp_path / "bare.py").write_text(line + "\n")
    assert len(list(marks_without_a_reason(tmp_path / "bare.py"))) == 1


@pytest.mark.parametrize(
    "line",
    [
        "import a  # noqa: E402 - the path is set above",
        "a = f()  # type: ignore[no-any-return]  # nbgrader has no types",
        "a = '# noqa'",
        "# what a noqa is",
    ],
)
def test_a_reason_is_seen(tmp_path: Path, line: str) -> None:
    (tmp_path / "said.py").write_text(line + "\n")
    assert not list(marks_without_a_reason(tmp_path / "said.py"))


def test_ci_runs_the_readmes_test_command() -> None:
    command = "python3 env test"
    assert command in (ROOT / "README.md").read_text(encoding="utf-8")
    ci = (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()
    assert ci[-1] == f"exec {command}"
    workflow = (ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8")
    assert re.findall(r"run: (.+)", workflow) == [".ci/run"]


def run(module: str, *arguments: str) -> None:
    """Run a tool of this environment over the repository, and fail with what it printed."""
    start = [sys.executable, "-m", module]
    if module == "importlinter.cli":  # it has no `python -m`
        start = [
            sys.executable,
            "-c",
            "from importlinter.cli import lint_imports_command as run; run()",
        ]
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "notebooks")]),
    }
    done = subprocess.run(
        [*start, *arguments], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{module}:\n{done.stdout}{done.stderr}"


def british_words(*paths: Path) -> str:
    """Return what codespell says of British spellings in these files; "" if there are none."""
    done = subprocess.run(
        [
            *(sys.executable, "-m", "codespell_lib"),
            *("--builtin", "en-GB_to_en-US", "--dictionary", "-", "--dictionary", AMERICAN_WORDS),
            *("--ignore-words-list", ",".join(BRITISH_WORDS)),
            *paths,
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout + done.stderr


def code_files() -> Iterator[Path]:
    """Yield every Python file that is ours and not made by a machine."""
    for folder in CODE:
        for path in sorted((ROOT / folder).rglob("*.py")):
            if "__pycache__" not in path.parts and "tests/data/class" not in path.as_posix():
                yield path


def marks_without_a_reason(path: Path) -> Iterator[str]:
    """Yield the place of each mark that is followed by no word."""
    with tokenize.open(path) as file:
        for token in tokenize.generate_tokens(file.readline):
            found = token.type == tokenize.COMMENT and MARK.search(token.string)
            if found and not re.search(r"[A-Za-z]{3,}", found[2]):
                yield f"{path}:{token.start[0]}: {token.string}"
