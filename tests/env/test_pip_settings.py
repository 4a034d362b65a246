"""Where packages come from is what pip's settings say, and nothing else of them counts."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import pip_settings
from faults import Fault


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home and a system without settings."""
    for name in [name for name in os.environ if name.startswith(("PIP_", "UV_"))]:
        monkeypatch.delenv(name)
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
    for name, folder in {"HOME": "", "XDG_CONFIG_HOME": "own", "XDG_CONFIG_DIRS": "system"}.items():
        monkeypatch.setenv(name, str(tmp_path / folder))
    real = pip_settings.files
    monkeypatch.setattr(
        pip_settings, "files", lambda: [path for path in real() if tmp_path in path.parents]
    )
    return tmp_path


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_without_settings_it_is_pypi(home: Path) -> None:
    assert pip_settings.read() == {}
    assert pip_settings.indexes({}) == ["https://pypi.org/simple"]


def test_a_home_is_written_as_pip_reads_it(home: Path) -> None:
    (home / "wheels").mkdir()
    write(home / ".pip/pip.conf", "[global]\ncert = ~/own.pem\nfind-links = ~/wheels ~/none\n")
    assert pip_settings.read()["cert"] == str(home / "own.pem")
    assert pip_settings.links(pip_settings.read()) == [str(home / "wheels")]


def test_later_files_win_and_a_commands_section_and_variables(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(home / "system/pip/pip.conf", "[install]\nproxy = http://a.example:1\nretries=3\n")
    write(home / ".pip/pip.conf", "[global]\ncert = /old.pem\nproxy = http://b.example:1\n")
    write(home / "own/pip/pip.conf", "[global]\ncert = /own.pem\nINDEX_URL = https://m.example\n")
    named = write(home / "named.conf", "[global]\nindex-url = https://n.example/simple\n")
    assert pip_settings.read() == {
        "proxy": "http://a.example:1",
        "retries": "3",
        "cert": "/own.pem",
        "index-url": "https://m.example",
    }
    monkeypatch.setenv("PIP_CONFIG_FILE", str(named))  # instead of the user's own
    monkeypatch.setenv("PIP_PROXY", "http://q.example:1")
    assert pip_settings.read() == {
        "proxy": "http://q.example:1",
        "retries": "3",
        "index-url": "https://n.example/simple",
    }
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    assert pip_settings.read() == {"proxy": "http://q.example:1"}


def test_pip_reads_the_same(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(home / "system/pip/pip.conf", "[global]\ntimeout = 7\nindex-url = https://s.example\n")
    write(home / ".pip/pip.conf", "[global]\ncert = /old.pem\n")
    write(home / "own/pip/pip.conf", "[global]\ncert = /own.pem\n")
    monkeypatch.setenv("PIP_RETRIES", "4")
    command = [sys.executable, "-m", "pip", "config", "list"]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    theirs = dict(
        line.split(".", 1)[1].split("=", 1) for line in said.replace(":env:", "e").splitlines()
    )
    ours = pip_settings.read()
    assert {"timeout", "index-url", "cert", "retries"} <= set(ours)
    assert ours == {key: theirs[key].strip("'") for key in ours}


def test_what_is_installed_and_where_is_not_pips_to_say(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(home / ".pip/pip.conf", "[global]\nuser = true\nrequire-hashes = true\ntarget = /x\n")
    monkeypatch.setenv("PIP_CONSTRAINT", "/none.txt")
    assert pip_settings.read() == {}


@pytest.mark.parametrize(
    ("value", "counts"), [("1", True), ("true", True), ("0", False), ("", False)]
)
def test_no_index(home: Path, monkeypatch: pytest.MonkeyPatch, value: str, counts: bool) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", value)
    monkeypatch.setenv("UV_DEFAULT_INDEX", "https://u.example")
    settings = pip_settings.read()
    assert pip_settings.indexes(settings) == ([] if counts else ["https://pypi.org/simple"])
    assert ("UV_DEFAULT_INDEX" in pip_settings.for_uv(settings)) is not counts


@pytest.mark.parametrize("text", ["[install\nuser", "no section = 1\n"])
def test_a_file_that_cannot_be_read_is_named(home: Path, text: str) -> None:
    write(home / ".pip/pip.conf", text)
    with pytest.raises(
        Fault, match=r"^pip's settings in .*pip\.conf can't be read .*start again\.$"
    ):
        pip_settings.read()


def test_a_folder_that_is_not_there_is_passed_over(tmp_path: Path) -> None:
    """As pip does; uv would stop."""
    there = [str(tmp_path), tmp_path.as_uri(), "https://x.example/wheels"]
    gone = [str(tmp_path / "gone"), (tmp_path / "gone").as_uri()]
    assert pip_settings.links({"find-links": "\n".join([*gone, *there])}) == there


def test_uv_is_told_the_same(home: Path) -> None:
    told = pip_settings.for_uv(
        {
            "index-url": "https://user:secret@m.example/simple",
            "extra-index-url": "https://x.example\nfile:///disk/simple",
            "trusted-host": "m.example\nx.example:8443",
            "proxy": "http://p.example:1",
            "cert": "/c.pem",
            "client-cert": "/own.pem",
            "default-timeout": "180",
            "retries": "2",
            "cache-dir": "/cache",
        }
    )
    assert {
        "UV_DEFAULT_INDEX": "https://user:secret@m.example/simple",
        "UV_EXTRA_INDEX_URL": "https://x.example file:///disk/simple",
        "UV_INSECURE_HOST": "m.example x.example:8443",
        "HTTPS_PROXY": "http://p.example:1",
        "SSL_CERT_FILE": "/c.pem",
        "SSL_CLIENT_CERT": "/own.pem",
        "UV_HTTP_TIMEOUT": "180",
        "UV_HTTP_RETRIES": "2",
        "UV_CACHE_DIR": "/cache/uv",
        "UV_NO_CONFIG": "1",
    }.items() <= told.items()


def test_what_uv_itself_was_told_wins(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UV_DEFAULT_INDEX", "https://u.example")
    monkeypatch.setenv("UV_REQUIRE_HASHES", "1")
    told = pip_settings.for_uv({"index-url": "https://m.example"})
    assert told["UV_DEFAULT_INDEX"] == "https://u.example"
    assert "UV_REQUIRE_HASHES" not in told
