"""What `python3 env hub` checks before it makes anything."""

from __future__ import annotations

import importlib.metadata
import json
import os
import re
import sys
from pathlib import Path

import pytest

import launcher
from environment import Environment
from faults import Fault
from hub import accounts, class_list, files, limits
from hub.layout import Layout

HUB = Path(__file__).resolve().parents[2] / "env" / "hub"
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


def test_servers_have_the_hubs_jupyterhub() -> None:
    hub = pins("requirements.txt")
    assert {name: hub.get(name) for name in pins("singleuser.txt")} == pins("singleuser.txt")


@pytest.mark.parametrize("name", ["postgres.txt", "dask.txt"])
def test_extras_are_what_the_tests_have(name: str) -> None:
    assert {one: importlib.metadata.version(one) for one in pins(name)} == pins(name)


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
        class_list.require_unix_names(["s1", name], "ada")
    with pytest.raises(Fault, match="The instructor's name"):
        class_list.require_unix_names(["s1"], name)


def test_the_instructor_is_no_student() -> None:
    class_list.require_unix_names(["s1", "s-2_x"], "ada")
    with pytest.raises(Fault, match="ada is the instructor and in the class list"):
        class_list.require_unix_names(["s1", "ada"], "ada")


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


def test_a_folder_is_open_only_if_all_above_it_are(tmp_path: Path) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    inner.chmod(0o755)
    tmp_path.chmod(0o700)
    assert not files.readable_by_all(inner)
    inner.chmod(0o750)
    assert not files.readable_by_all(inner)


@as_root
def test_a_folder_that_others_can_replace_is_refused(tmp_path: Path) -> None:
    loose = tmp_path / "loose"
    loose.mkdir()
    loose.chmod(0o777)
    with pytest.raises(Fault, match="can be written by users other than root"):
        files.require_roots(Layout(loose / "hub"))
    loose.chmod(0o700)
    with pytest.raises(Fault, match="can't be entered by students"):
        files.require_roots(Layout(loose / "hub"))


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
