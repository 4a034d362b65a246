"""The environment is made when it must be, and nothing half-made is taken for finished."""

from __future__ import annotations

import builtins
import json
import os
import shutil
import sys
import zipfile
from pathlib import Path

import pytest

import environment
from environment import Environment
from faults import Fault

PINS = (*environment.PINS, *environment.TEST_PINS)


class Rehearsal(Environment):
    """An environment whose pip only notes what it was asked for."""

    def __init__(self, root: Path) -> None:
        self.said: list[str] = []
        self.asked: list[str] = []
        self.created = 0
        self.fails_at = ""
        super().__init__(root, self.said.append)

    def _create(self) -> None:
        self.created += 1
        self.scripts.mkdir(parents=True)
        self.python.touch()

    def _pip(self, *arguments: object) -> None:
        line = " ".join(Path(str(one)).name for one in arguments)
        if self.fails_at and self.fails_at in line:
            raise Fault("pip failed.")
        self.asked.append(line)

    def _check_imports(self) -> None:
        pass

    @staticmethod
    def _pytorch_answers() -> bool:
        return False


PROJECTS = ["autograder/pyproject.toml", "pyproject.toml"]


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "env").mkdir()
    for name in PINS:
        (tmp_path / "env" / name).write_text("torch==2.13.0\n")
    (tmp_path / "autograder").mkdir()
    for name in PROJECTS:
        (tmp_path / name).write_text("[project]\n")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: _Disk(free=10**12))
    return tmp_path


class _Disk:
    def __init__(self, free: int) -> None:
        self.free = free


COURSE = [
    "-r requirements.in -c constraints.txt",
    "--no-deps -r models.txt",
    "--no-deps --no-build-isolation -e autograder -e",
]
TEST = "-r requirements-test.in -c constraints.txt"


def asked(rehearsal: Rehearsal, root: Path) -> list[str]:
    """What pip was asked for since the last time."""
    since, rehearsal.asked = rehearsal.asked, []
    return [line.replace(" " + root.name, "") for line in since]


def test_it_is_made_once(root: Path) -> None:
    env = Rehearsal(root)
    assert not env.is_ready()
    env.ensure()
    assert asked(env, root) == COURSE
    assert env.is_ready()
    assert not env.is_ready(test=True)
    env.ensure()
    assert asked(env, root) == []
    assert env.created == 1


def test_it_says_what_it_does(root: Path) -> None:
    env = Rehearsal(root)
    env.ensure()
    assert any("Making" in line for line in env.said)
    assert any("ready" in line for line in env.said)
    env.said.clear()
    env.ensure()
    assert env.said == []


def test_the_test_tools_are_added_to_what_is_there(root: Path) -> None:
    env = Rehearsal(root)
    env.ensure()
    asked(env, root)
    env.ensure(test=True)
    assert asked(env, root) == [TEST]
    env.ensure(test=True)
    env.ensure()
    assert asked(env, root) == []
    assert env.created == 1


@pytest.mark.parametrize("name", [f"env/{name}" for name in environment.PINS] + PROJECTS)
def test_a_changed_pin_installs_again_without_starting_over(root: Path, name: str) -> None:
    env = Rehearsal(root)
    env.ensure(test=True)
    asked(env, root)
    with (root / name).open("a") as file:
        file.write("# another\n")
    assert not env.is_ready()
    env.ensure()
    assert asked(env, root) == COURSE
    assert env.created == 1
    # The course may have moved what the test tools share with it.
    assert not env.is_ready(test=True)


def test_a_changed_test_pin_concerns_the_tests_only(root: Path) -> None:
    env = Rehearsal(root)
    env.ensure(test=True)
    asked(env, root)
    (root / "env" / "requirements-test.in").write_text("pytest\n")
    env.ensure()
    assert asked(env, root) == []
    env.ensure(test=True)
    assert asked(env, root) == [TEST]


def test_line_ends_are_no_change(root: Path) -> None:
    env = Rehearsal(root)
    env.ensure()
    for name in PINS:
        path = root / "env" / name
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert env.is_ready()


@pytest.mark.parametrize("stopped_at", ["requirements.in", "models.txt", "-e"])
def test_what_stopped_halfway_is_made_anew(root: Path, stopped_at: str) -> None:
    env = Rehearsal(root)
    env.fails_at = stopped_at
    with pytest.raises(Fault):
        env.ensure()
    assert not env.is_ready()
    again = Rehearsal(root)
    leftover = again.scripts / "half-written"
    leftover.touch()
    again.ensure()
    assert again.created == 1
    assert not leftover.exists()
    assert asked(again, root) == COURSE
    assert again.is_ready()


def test_a_change_that_stopped_halfway_is_made_anew(root: Path) -> None:
    env = Rehearsal(root)
    env.ensure()
    (root / "pyproject.toml").write_text("[project]\nname = 'x'\n")
    env.fails_at = "-e"
    with pytest.raises(Fault):
        env.ensure()
    # Even when the change is taken back: what is installed now is not known.
    (root / "pyproject.toml").write_text("[project]\n")
    assert not env.is_ready()


def test_killed_between_the_folder_and_the_first_package(root: Path) -> None:
    env = Rehearsal(root)
    env.folder.mkdir()
    env.ensure()
    assert env.is_ready()


@pytest.mark.parametrize("content", ["", "{", "[]", '{"course": 3}'])
def test_a_damaged_stamp_is_no_stamp(root: Path, content: str) -> None:
    env = Rehearsal(root)
    env.ensure()
    (env.folder / "made-by-env.json").write_text(content)
    assert not env.is_ready()


def test_another_python_makes_it_anew(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    env = Rehearsal(root)
    env.ensure()
    monkeypatch.setattr(sys, "version_info", (3, 99, 0, "final", 0))
    assert not env.is_ready()
    env.ensure()
    assert env.created == 2


def test_a_moved_project_makes_it_anew(root: Path) -> None:
    env = Rehearsal(root)
    env.ensure()
    moved = root.parent / "moved"
    shutil.copytree(root, moved)
    assert not Rehearsal(moved).is_ready()


def test_a_python_that_is_gone_makes_it_anew(root: Path) -> None:
    env = Rehearsal(root)
    env.ensure()
    env.python.unlink()
    assert not env.is_ready()


def test_an_environment_of_the_users_own_is_left_alone(root: Path) -> None:
    own = root / ".venv" / "pyvenv.cfg"
    own.parent.mkdir()
    own.write_text("home = /usr/bin\n")
    with pytest.raises(Fault, match="didn't make"):
        Rehearsal(root).ensure()
    assert own.read_text() == "home = /usr/bin\n"


def test_fresh_starts_over(root: Path) -> None:
    env = Rehearsal(root)
    env.ensure()
    env.ensure(fresh=True)
    assert env.created == 2
    assert env.is_ready()


def test_the_stamp_holds_no_secret(root: Path) -> None:
    env = Rehearsal(root)
    env.ensure(test=True)
    stamp = json.loads((env.folder / "made-by-env.json").read_text())
    assert set(stamp) == {"place", "course", "test"}


def test_two_terminals_wait_for_each_other(root: Path) -> None:
    path = root / "lock"
    with path.open("w") as one, path.open("w") as other:
        assert environment._try_lock(one)
        assert not environment._try_lock(other)
    with path.open("w") as other:
        assert environment._try_lock(other)


# What the machine must offer


def test_a_full_disk_is_told_before_anything_is_made(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: _Disk(free=10**9))
    env = Rehearsal(root)
    with pytest.raises(Fault, match=r"1\.0 GB free.*free some space"):
        env.ensure()
    assert env.created == 0


def test_a_folder_that_may_not_be_written(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment.os, "access", lambda path, mode: False)
    with pytest.raises(Fault, match=r"may not be written.*folder of your own"):
        Rehearsal(root).ensure()


def test_a_finished_environment_needs_no_right_to_write(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    env = Rehearsal(root)
    env.ensure()
    monkeypatch.setattr(environment.os, "access", lambda path, mode: False)
    env.ensure()


def test_a_python_without_venv(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *rest: object) -> object:
        if name == "ensurepip":
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(Fault, match=r"sudo apt install python3\.\d+-venv"):
        Rehearsal(root).ensure()


def test_a_32_bit_python(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "maxsize", 2**31 - 1)
    with pytest.raises(Fault, match="64-bit"):
        Rehearsal(root).ensure()


def test_a_mac_that_pytorch_is_not_made_for(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(environment.platform, "machine", lambda: "x86_64")
    with pytest.raises(Fault, match="Apple silicon"):
        Rehearsal(root).ensure()


def test_pytorchs_own_index_is_used_where_it_answers(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Rehearsal, "_has_gpu", staticmethod(lambda: False))
    monkeypatch.setattr(Rehearsal, "_pytorch_answers", staticmethod(lambda: True))
    env = Rehearsal(root)
    env.ensure()
    first = asked(env, root)[0]
    assert first == "--no-deps --index-url cpu torch==2.13.0"


def test_a_machine_with_a_gpu_takes_the_ordinary_wheels(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Rehearsal, "_has_gpu", staticmethod(lambda: True))
    monkeypatch.setattr(Rehearsal, "_pytorch_answers", staticmethod(lambda: True))
    env = Rehearsal(root)
    env.ensure()
    assert asked(env, root) == COURSE


# pip for real, against an index that is not there


def test_no_network_is_told_as_such(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PIP_FIND_LINKS", "PIP_EXTRA_INDEX_URL", "PIP_INDEX_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    env = Environment(tmp_path, lambda line: None)
    env.folder = Path(sys.prefix)
    with pytest.raises(Fault, match="package index did not answer; check the network"):
        env._pip(
            "--retries",
            "1",
            "--timeout",
            "2",
            "--index-url",
            "http://127.0.0.1:9/",
            "a-package-that-is-nowhere",
        )
    assert "a-package-that-is-nowhere" in env.log.read_text()
    assert not (env.cache / "tmp").exists()


HINDERING = """
[global]
require-virtualenv = true
user = true
python = /nonexistent/python
no-index = true
find-links = {links}
[install]
user = true
target = {elsewhere}/target
prefix = {elsewhere}/prefix
root = {elsewhere}/root
no-binary = :all:
require-hashes = true
constraint = {elsewhere}/none.txt
requirement = {elsewhere}/none.txt
dry-run = true
ignore-installed = true
"""


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real environment with nothing but pip, and a wheel beside it."""
    folder = tmp_path_factory.mktemp("bare")
    env = Environment(folder, lambda line: None)
    env._create()
    (folder / "links").mkdir()
    info = "little-1.dist-info"
    with zipfile.ZipFile(folder / "links" / "little-1-py3-none-any.whl", "w") as wheel:
        wheel.writestr("little.py", "")
        wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: little\nVersion: 1\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", "")
    return folder


def test_what_pip_is_told_elsewhere_does_not_hinder(
    bare: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By pip.conf and by variables; the places that packages come from still count."""
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    settings = tmp_path / "pip.conf"
    settings.write_text(HINDERING.format(links=bare / "links", elsewhere=tmp_path / "elsewhere"))
    monkeypatch.setenv("PIP_CONFIG_FILE", str(settings))
    for name, value in {
        "USER": "1",
        "TARGET": str(tmp_path / "elsewhere"),
        "REQUIRE_VIRTUALENV": "1",
        "NO_BINARY": ":all:",
        "PYTHON": "/nonexistent/python",
    }.items():
        monkeypatch.setenv(f"PIP_{name}", value)
    env = Environment(bare, lambda line: None)
    env._pip("little")
    [found] = bare.glob(".venv/lib/python*/site-packages/little.py")
    assert found.is_file() and not (tmp_path / "elsewhere").exists()

    # what is taken over comes from all of the user's files, and is all that pip is told
    settings.write_text(
        "[global]\nindex-url = https://a.example/simple\nproxy = http://p.example:1\n"
        "cert = /c.pem\n[install]\nindex-url = https://b.example/simple\n"
        "extra-index-url = https://x.example\n https://y.example\n"
    )
    monkeypatch.setenv("PIP_PROXY", "http://q.example:1")
    assert {
        "PIP_INDEX_URL": "https://b.example/simple",
        "PIP_EXTRA_INDEX_URL": "\nhttps://x.example\nhttps://y.example".strip(),
        "PIP_PROXY": "http://q.example:1",
        "PIP_CERT": "/c.pem",
        "PIP_CONFIG_FILE": os.devnull,
    }.items() <= env._pip_settings().items()


def test_a_setting_that_keeps_packages_away_is_named(
    bare: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_CONFIG_FILE", str(tmp_path / "pip.conf"))
    (tmp_path / "pip.conf").write_text(f"[global]\nno-index = true\nfind-links = {tmp_path}\n")
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    env = Environment(bare, lambda line: None)
    with pytest.raises(Fault, match=r"^pip's setting no-index keeps it from .* start again\.$"):
        env._pip("a-package-that-is-nowhere")
    (tmp_path / "pip.conf").write_text("[install\nuser")
    with pytest.raises(Fault, match=r"^pip can't read its settings \(.*pip\.conf.* start again\.$"):
        env._pip("little")


def test_settings_that_leave_asserts_out_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """In JupyterLab, whose kernels inherit its variables, no check would check anything."""
    for name in ("PYTHONOPTIMIZE", "PYTHONWARNINGS", "PYTHONIOENCODING", "PYTHONINSPECT"):
        monkeypatch.setenv(name, "1")
    assert not {"PYTHONOPTIMIZE", "PYTHONWARNINGS", "PYTHONIOENCODING", "PYTHONINSPECT"} & set(
        environment.plain_environ()
    )


def test_users_settings_do_not_lead_pip_away(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PYTHONPATH", "PYTHONHOME", "PIP_USER", "PIP_TARGET"):
        monkeypatch.setenv(name, "/elsewhere")
    assert not {"PYTHONPATH", "PYTHONHOME", "PIP_USER", "PIP_TARGET"} & set(
        environment.plain_environ()
    )
