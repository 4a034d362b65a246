"""uv is the machine's own or the pinned one, from where pip's settings say, checked by its hash."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import http.server
import io
import json
import os
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import environment
import uv
from faults import Fault

NAME = "uv-9.9.9-py3-none-manylinux_2_17_x86_64.manylinux2014_x86_64.whl"
OTHERS = (
    "uv-9.9.9-py3-none-musllinux_1_1_x86_64.whl",
    "uv-9.9.8-py3-none-manylinux_2_17_x86_64.manylinux2014_x86_64.whl",
    "uv-9.9.9-py3-none-manylinux_2_17_aarch64.manylinux2014_aarch64.whl",
    "uv-9.9.9.tar.gz",
)


def wheel() -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("uv-9.9.9.data/scripts/uv", "#!/bin/sh\necho uv 9.9.9\n")
    return content.getvalue()


WHEEL = wheel()


@pytest.fixture(autouse=True)
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """x86-64 Linux with glibc, without a uv, and nobody's passwords."""
    monkeypatch.setattr(uv.sys, "platform", "linux")
    monkeypatch.setattr(uv.platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(uv.platform, "libc_ver", lambda: ("glibc", "2.36"))
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    monkeypatch.setattr(uv.shutil, "which", lambda name: None)
    monkeypatch.setenv("HOME", str(tmp_path))


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    path = tmp_path / "uv.txt"
    digest = hashlib.sha256(WHEEL).hexdigest()
    path.write_text(f"uv==9.9.9 \\\n    --hash=sha256:{'0' * 64} \\\n    --hash=sha256:{digest}\n")
    return path


class Index(http.server.BaseHTTPRequestHandler):
    """A package index: HTML, or JSON where the path says so; /closed wants a password."""

    def do_GET(self) -> None:
        kind, content = "text/html", b""
        names = [*OTHERS, NAME]
        files = "/closed/files" if "all-closed" in self.path else "/files"
        user = base64.b64encode(b"ada:se cret").decode()
        self.server.asked.append((self.path, self.headers.get("Authorization")))
        if "closed" in self.path and self.headers.get("Authorization") != f"Basic {user}":
            self.send_error(401)
            return
        if self.server.elsewhere and self.path.endswith((".whl", "/moved")):
            self.send_response(302)
            self.send_header("Location", self.server.elsewhere + self.path.removesuffix("moved"))
            self.end_headers()
            return
        if self.path.endswith("/json/uv/"):
            kind = "application/vnd.pypi.simple.v1+json"
            files = [{"filename": name, "url": f"../../files/{name}"} for name in names]
            content = json.dumps({"files": files}).encode()
        elif self.path.endswith("/uv/") and "empty" not in self.path:
            content = "".join(
                f'<a href="{files}/{name}#sha256=x">{name}</a><br>' for name in names
            ).encode()
        elif self.path.endswith("/files/" + NAME):
            kind, content = "application/octet-stream", WHEEL
        else:
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *rest: object) -> None:
        pass


class Server(http.server.ThreadingHTTPServer):
    """Remember what was asked with which password, and send wheels on to another server."""

    def __init__(self, elsewhere: str = "") -> None:
        super().__init__(("127.0.0.1", 0), Index)
        self.asked: list[tuple[str, str | None]] = []
        self.elsewhere = elsewhere

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


@contextmanager
def serving(elsewhere: str = "") -> Iterator[Server]:
    with Server(elsewhere) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture(scope="module")
def index() -> Iterator[str]:
    with serving() as server:
        yield server.url


def test_it_is_fetched_once(tmp_path: Path, lock: Path, index: str) -> None:
    settings = {"index-url": f"{index}/html"}
    found = uv.find(lock, tmp_path / "cache", settings, [])
    assert Path(found).read_text().startswith("#!/bin/sh") and os.access(found, os.X_OK)
    assert uv.find(lock, tmp_path / "cache", {"no-index": "1"}, []) == found


@pytest.mark.parametrize(
    "settings",
    [
        {"index-url": "{index}/json/"},
        {"index-url": "{index}/empty", "extra-index-url": "{index}/html"},
        {"index-url": "http://ada:se%20cret@{host}/closed"},
        {"index-url": "http://index.example/html", "proxy": "{index}"},
    ],
)
def test_the_ways_of_an_index(index: str, settings: dict[str, str]) -> None:
    host = index.removeprefix("http://")
    there = {key: settings[key].format(index=index, host=host) for key in settings}
    assert uv.fetch("9.9.9", {hashlib.sha256(WHEEL).hexdigest()}, there, []) == WHEEL


def test_the_password_of_an_index_is_its_files_too(index: str) -> None:
    there = {"index-url": f"http://ada:se%20cret@{index.removeprefix('http://')}/all-closed"}
    assert uv.fetch("9.9.9", {hashlib.sha256(WHEEL).hexdigest()}, there, []) == WHEEL


def test_another_server_is_told_no_password() -> None:
    with serving() as files, serving(elsewhere=files.url) as index:
        secret = f"http://ada:se%20cret@127.0.0.1:{index.server_port}"
        there = {"index-url": f"{secret}/all-closed"}
        # That server has no such folder; this is about what it is asked with.
        with contextlib.suppress(Fault):
            uv.fetch("9.9.9", {hashlib.sha256(WHEEL).hexdigest()}, there, [])
        assert index.asked[-1][1] is not None
        assert files.asked
        assert {password for _path, password in files.asked} == {None}


def test_a_server_that_sends_on_to_itself_is_told_the_password_again() -> None:
    with serving() as server:
        server.elsewhere = server.url
        address = f"http://ada:se%20cret@127.0.0.1:{server.server_port}/closed/uv/moved"
        assert NAME.encode() in uv.download(address, {})[0]


def test_a_password_from_netrc(tmp_path: Path, index: str) -> None:
    (tmp_path / ".netrc").write_text('machine 127.0.0.1 login ada password "se cret"\n')
    (tmp_path / ".netrc").chmod(0o600)
    there = {"index-url": f"{index}/closed"}
    assert uv.fetch("9.9.9", {hashlib.sha256(WHEEL).hexdigest()}, there, []) == WHEEL


def test_a_folder_a_page_and_an_index_on_a_disk(tmp_path: Path) -> None:
    links, simple = tmp_path / "some links", tmp_path / "simple" / "uv"
    for folder in (links, simple):
        folder.mkdir(parents=True)
    for name in OTHERS:
        (links / name).write_bytes(b"another")
    (links / NAME).write_bytes(WHEEL)
    (simple / "index.html").write_text(f'<a href="../../some%20links/{NAME}">uv</a>')
    hashes = {hashlib.sha256(WHEEL).hexdigest()}
    none = {"no-index": "1"}
    assert uv.fetch("9.9.9", hashes, none, [links]) == WHEEL
    assert uv.fetch("9.9.9", hashes, none, [links.as_uri()]) == WHEEL
    assert uv.fetch("9.9.9", hashes, none, [simple / "index.html"]) == WHEEL
    assert uv.fetch("9.9.9", hashes, {"index-url": simple.parent.as_uri()}, []) == WHEEL
    empty = {
        "index-url": (tmp_path / "nowhere").as_uri(),
        "extra-index-url": simple.parent.as_uri(),
    }
    assert uv.fetch("9.9.9", hashes, empty, []) == WHEEL


def test_another_file_than_the_pinned_one_is_refused(
    index: str, lock: Path, tmp_path: Path
) -> None:
    lock.write_text(f"uv==9.9.9 --hash=sha256:{'0' * 64}\n")
    with pytest.raises(Fault, match="isn't the one that this course is pinned to"):
        uv.find(lock, tmp_path / "cache", {"index-url": f"{index}/html"}, [])
    assert not list((tmp_path / "cache").rglob("uv"))


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("http://127.0.0.1:9/simple", "package index did not answer"),
        ("{index}/closed", "wants a name and password"),
        ("{index}/empty", "is in none of the places that pip's settings name"),
    ],
)
def test_why_it_cannot_be_fetched(index: str, address: str, told: str) -> None:
    settings = {"index-url": address.format(index=index)}
    with pytest.raises(Fault, match=told) as stop:
        uv.fetch("9.9.9", set(), settings, [])
    assert "\n" not in str(stop.value)


@pytest.mark.parametrize("key", ["cert", "client-cert"])
def test_a_certificate_that_is_not_there(index: str, key: str) -> None:
    with pytest.raises(Fault, match="There is no certificate /nowhere, which pip's settings"):
        uv.fetch("9.9.9", set(), {"index-url": f"{index}/html", key: "/nowhere"}, [])


def test_no_password_is_told(index: str) -> None:
    settings = {"index-url": f"http://ada:secret@{index.removeprefix('http://')}/empty"}
    with pytest.raises(Fault) as stop:
        uv.fetch("9.9.9", set(), settings, [])
    assert "secret" not in str(stop.value)


@pytest.mark.parametrize(("release", "taken"), [("9.1.0", True), ("0.1.2", False), ("", False)])
def test_the_machines_own_is_taken_if_it_is_new_enough(
    tmp_path: Path,
    lock: Path,
    index: str,
    monkeypatch: pytest.MonkeyPatch,
    release: str,
    taken: bool,
) -> None:
    own = tmp_path / "bin" / "uv"
    own.parent.mkdir()
    own.write_text(f"#!/bin/sh\n[ -n '{release}' ] && echo uv {release}\n")
    own.chmod(0o755)
    monkeypatch.setattr(uv.shutil, "which", lambda name: str(own))
    found = uv.find(lock, tmp_path / "cache", {"index-url": f"{index}/html"}, [])
    assert (found == str(own)) is taken


def test_the_pinned_release_has_a_hash_for_each_system() -> None:
    pins = (Path(environment.__file__).parent / "lock" / "uv.txt").read_text()
    assert pins.count("sha256:") > 10
