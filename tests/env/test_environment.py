"""The environment is made when it must be, and nothing half-made is taken for finished."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import environment
import pip_settings
import uv
from environment import Environment
from faults import Fault

PINS = (*environment.PINS, *environment.TEST_PINS)


class Rehearsal(Environment):
    """An environment whose uv only notes what it was asked for."""

    def __init__(self, root: Path) -> None:
        self.said: list[str] = []
        self.asked: list[str] = []
        self.created = 0
        self.fails_at = ""
        super().__init__(root, self.said.append)

    def _uv(self, *arguments: object, links: tuple[str, ...] = ()) -> None:
        line = " ".join(str(one).replace(str(self.root), "ROOT") for one in (*arguments, *links))
        if self.fails_at and self.fails_at in line:
            raise Fault("uv failed.")
        if arguments[0] == "venv":
            self.created += 1
            self.scripts.mkdir(parents=True)
            self.python.touch()
        elif "--dry-run" not in arguments:
            self.asked.append(line)

    def _start(self, code: str) -> subprocess.Popen[str]:
        return subprocess.Popen([sys.executable, "-c", ""], stdout=subprocess.PIPE, text=True)

    def _pytorch_answers(self) -> bool:
        return False


PROJECTS = ["autograder/pyproject.toml", "pyproject.toml"]


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "env" / "lock").mkdir(parents=True)
    for name in PINS:
        (tmp_path / "env" / name).write_text("torch==2.13.0\n")
    (tmp_path / "autograder").mkdir()
    for name in PROJECTS:
        (tmp_path / name).write_text("[project]\n")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: _Disk(free=10**12))
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(Rehearsal, "_has_gpu", staticmethod(lambda: False))
    return tmp_path


class _Disk:
    def __init__(self, free: int) -> None:
        self.free = free


STRICT = "pip install --no-deps --require-hashes --no-build -r ROOT/env/lock"
OWN = "pip install --no-deps --no-build-isolation --offline -e ROOT/autograder -e ROOT"
COURSE = [f"{STRICT}/course.txt -r ROOT/env/lock/torch-cpu.txt", OWN]
TEST = f"{STRICT}/test.txt"


def asked(rehearsal: Rehearsal, root: Path) -> list[str]:
    """What uv was asked for since the last time."""
    since, rehearsal.asked = rehearsal.asked, []
    return since


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
    (root / "env" / "lock" / "test.txt").write_text("pytest\n")
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


@pytest.mark.parametrize("stopped_at", ["venv", "course.txt", "-e"])
def test_what_stopped_halfway_is_made_anew(root: Path, stopped_at: str) -> None:
    env = Rehearsal(root)
    env.fails_at = stopped_at
    with pytest.raises(Fault):
        env.ensure()
    assert not env.is_ready()
    again = Rehearsal(root)
    leftover = again.folder / "half-written"
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
    with pytest.raises(Fault, match=r"isn't writable.*folder of your own"):
        Rehearsal(root).ensure()


def test_a_finished_environment_needs_no_right_to_write(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    env = Rehearsal(root)
    env.ensure()
    monkeypatch.setattr(environment.os, "access", lambda path, mode: False)
    env.ensure()


def test_a_python_without_venv(tmp_path: Path) -> None:
    """Debian's: uv needs neither of the two."""
    code = "import sys; sys.modules.update(venv=None, ensurepip=None); import environment, launcher"
    command = [sys.executable, "-c", code]
    env_folder = str(Path(environment.__file__).parent)
    subprocess.run(command, check=True, env=os.environ | {"PYTHONPATH": env_folder})


def test_a_python_that_is_too_old_for_the_course(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """macOS comes with 3.9, which runs the launcher: uv brings another, and that is said."""
    made: list[object] = []
    monkeypatch.setattr(sys, "version_info", (3, 9, 6, "final", 0))
    monkeypatch.setattr(environment.platform, "python_version", lambda: "3.9.6")
    env = Rehearsal(root)
    monkeypatch.setattr(env, "_uv", lambda *arguments: made.extend(arguments))
    env._create()
    assert made[made.index("--python") + 1] == ">=3.11,<3.14"
    assert "Python 3.9.6, too old for the course, so uv takes another" in env.said[0]


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
    monkeypatch.setattr(Rehearsal, "_pytorch_answers", lambda self: True)
    env = Rehearsal(root)
    env.ensure()
    assert asked(env, root)[0] == COURSE[0] + " https://download.pytorch.org/whl/cpu/torch/"


def usual(line: str) -> str:
    return line.replace("torch-cpu.txt", "torch.txt")


def test_a_machine_with_a_gpu_takes_the_usual_wheels(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Rehearsal, "_has_gpu", staticmethod(lambda: True))
    monkeypatch.setattr(Rehearsal, "_pytorch_answers", lambda self: True)
    env = Rehearsal(root)
    env.ensure()
    assert asked(env, root)[0] == usual(COURSE[0])


def test_where_no_place_has_cpu_wheels_the_usual_ones_are_taken(root: Path) -> None:
    env = Rehearsal(root)
    env.fails_at = "--dry-run"
    env.ensure()
    assert asked(env, root)[0] == usual(COURSE[0])
    assert any("usual ones take several GB" in line for line in env.said)


def test_what_does_not_start_is_not_finished(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: Environment, code: str) -> subprocess.Popen[str]:
        fails = "raise SystemExit('libgomp is missing')" if "torch" in code else ""
        pipe = subprocess.PIPE
        command = [sys.executable, "-c", fails]
        return subprocess.Popen(command, stdout=pipe, stderr=subprocess.STDOUT, text=True)

    monkeypatch.setattr(Rehearsal, "_start", broken)
    env = Rehearsal(root)
    with pytest.raises(Fault, match=r"doesn't start \(libgomp is missing\)"):
        env.ensure()
    assert not env.is_ready()


# Bytecode


def test_bytecode_is_made_once_and_waited_for_only_if_asked(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    began: list[list[str]] = []

    class Noted:
        def __init__(self, command: list[str], **more: object) -> None:
            began.append(command)

        def wait(self) -> None:
            (env.folder / "compiled").touch()

    env = Rehearsal(root)
    env.ensure()
    shutil.rmtree(env.cache)  # to make room, say
    monkeypatch.setattr(environment.subprocess, "Popen", Noted)
    env.compile(wait=False)
    env.compile(wait=True)  # the other one is gone without having finished
    env.compile(wait=True)
    env.compile(wait=False)
    assert len(began) == 2


def test_the_code_that_compiles_compiles(tmp_path: Path) -> None:
    code = environment._COMPILE.format(done=str(tmp_path / "compiled"), nice=19)
    code = code.replace('sysconfig.get_path("purelib")', repr(str(tmp_path)))
    (tmp_path / "one.py").write_text("x = 1\n")
    (tmp_path / "template.py").write_text("no Python\n")  # such things come in packages
    subprocess.run([sys.executable, "-c", code], check=True)
    assert list(tmp_path.glob("__pycache__/one.*.pyc"))
    assert (tmp_path / "compiled").exists()


# uv for real, with an index that is not there, or a folder


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


def make_wheel(folder: Path, name: str, files: dict[str, str]) -> Path:
    info = f"{name}-1.dist-info"
    path = folder / f"{name}-1-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        for file, content in files.items():
            wheel.writestr(file, content)
        wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", "")
    return path


@pytest.fixture(scope="module")
def fetched(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A real uv, fetched the way a student's machine fetches it."""
    root = Path(environment.__file__).parents[1]
    settings = pip_settings.read()
    places = pip_settings.links(settings)
    return uv.find(root / "env" / "lock" / "uv.txt", root / ".cache", settings, places)


@pytest.fixture
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith(("PIP_", "UV_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)


@pytest.fixture
def bare(
    tmp_path: Path, fetched: str, no_settings: None, monkeypatch: pytest.MonkeyPatch
) -> Environment:
    """A real environment with nothing in it, and a wheel beside it."""
    monkeypatch.setattr(uv, "find", lambda *rest: fetched)
    (tmp_path / "links").mkdir()
    make_wheel(tmp_path / "links", "little", {"little.py": ""})
    env = Environment(tmp_path, lambda line: None)
    env._create()
    return env


def test_a_home_that_cannot_be_written_is_no_obstacle(
    bare: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    (bare.root / "file").touch()
    monkeypatch.setenv("HOME", str(bare.root / "file"))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(bare.root / "links"))
    bare._uv("pip", "install", "little")
    assert (bare.root / ".cache" / "uv").is_dir()


SPY = """#!{python}
import os, sys
with open({seen!r}, "a") as out:
    print(sys.argv, file=out)
os.execv({real!r}, [{real!r}, *sys.argv[1:]])
"""


@pytest.mark.skipif(os.name == "nt", reason="a script in uv's place")
def test_a_password_is_on_no_command_line_and_in_no_log(
    bare: Environment, tmp_path: Path, fetched: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every user of the machine can read a command line; packages are found all the same."""
    secret = "open,sesame"
    (tmp_path / "more, yes").mkdir()
    make_wheel(tmp_path / "more, yes", "larger", {"larger.py": ""})
    settings = tmp_path / "pip.conf"
    more = (tmp_path / "more, yes").as_uri()
    settings.write_text(
        "[global]\nretries = 0\nindex-url = http://me:open%2Csesame@127.0.0.1:9/simple\n"
        "extra-index-url = http://me:open%2Csesame@127.0.0.1:9/other\n"
        f"find-links = http://me:{secret}@127.0.0.1:9/wheels {tmp_path / 'links'} {more}\n"
    )
    monkeypatch.setenv("PIP_CONFIG_FILE", str(settings))
    spy = tmp_path / "uv-spy"
    spy.write_text(SPY.format(python=sys.executable, seen=str(tmp_path / "seen"), real=fetched))
    spy.chmod(0o755)
    monkeypatch.setattr(uv, "find", lambda *rest: str(spy))
    with pytest.raises(Fault) as refused:  # of this server, which isn't there
        bare._uv("pip", "install", "little")
    assert "sesame" not in str(refused.value)
    seen = (tmp_path / "seen").read_text()
    assert "install" in seen and "127.0.0.1" not in seen and "sesame" not in seen
    assert "sesame" not in bare.log.read_text()
    settings.write_text(f"[global]\nno-index = 1\nfind-links = {tmp_path / 'links'} {more}\n")
    bare._uv("pip", "install", "little", "larger")
    assert len(list(tmp_path.glob(".venv/lib/python*/site-packages/la*r.py"))) == 1


def test_no_network_is_told_as_such(bare: Environment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/")
    monkeypatch.setenv("PIP_RETRIES", "0")
    with pytest.raises(Fault, match="package index did not answer; check the network"):
        bare._uv("pip", "install", "a-package-that-is-nowhere")
    assert "a-package-that-is-nowhere" in bare.log.read_text()


def test_what_pip_is_told_elsewhere_does_not_hinder(
    bare: Environment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By pip.conf and by variables; the places that packages come from still count."""
    settings = tmp_path / "pip.conf"
    settings.write_text(
        HINDERING.format(links=tmp_path / "links", elsewhere=tmp_path / "elsewhere")
    )
    monkeypatch.setenv("PIP_CONFIG_FILE", str(settings))
    for name, value in {
        "USER": "1",
        "TARGET": str(tmp_path / "elsewhere"),
        "REQUIRE_VIRTUALENV": "1",
        "NO_BINARY": ":all:",
        "PYTHON": "/nonexistent/python",
    }.items():
        monkeypatch.setenv(f"PIP_{name}", value)
    for name, value in {"REQUIRE_HASHES": "1", "SYSTEM_PYTHON": "1", "PYTHON": "3.2"}.items():
        monkeypatch.setenv(f"UV_{name}", value)
    bare._uv("pip", "install", "little")
    [found] = tmp_path.glob(".venv/lib/python*/site-packages/little.py")
    assert found.is_file() and not (tmp_path / "elsewhere").exists()


def test_a_setting_that_keeps_packages_away_is_named(
    bare: Environment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_CONFIG_FILE", str(tmp_path / "pip.conf"))
    (tmp_path / "pip.conf").write_text(f"[global]\nno-index = true\nfind-links = {tmp_path}\n")
    with pytest.raises(Fault, match=r"^pip's setting no-index rules out .* start again\.$"):
        bare._uv("pip", "install", "a-package-that-is-nowhere")


def test_another_file_than_the_pinned_one_is_refused(bare: Environment, tmp_path: Path) -> None:
    lock = tmp_path / "lock.txt"
    lock.write_text(f"little==1 --hash=sha256:{'0' * 64}\n")
    bare.offline = tmp_path / "links"
    with pytest.raises(Fault, match="isn't the one that this course is pinned to"):
        bare._install(lock)


def test_a_folder_that_lacks_a_package_is_named(bare: Environment, tmp_path: Path) -> None:
    bare.offline = tmp_path / "links"
    with pytest.raises(
        Fault, match=r"The folder .*/links has no elsewhere.* env pack on a machine"
    ):
        bare._uv("pip", "install", "elsewhere==1")


def test_no_python_and_no_way_to_one(bare: Environment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UV_PYTHON_DOWNLOADS", "never")
    with pytest.raises(
        Fault, match=r"needs Python 3\.11 or newer, which this machine doesn't have"
    ):
        bare._uv("venv", "--python", "==3.99.*", bare.root / "other")


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
