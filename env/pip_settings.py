"""What pip's settings say of where packages come from and how they are reached."""

from __future__ import annotations

import configparser
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from faults import Fault

ASKED = (
    *("index-url", "pypi-url", "extra-index-url", "find-links", "no-index", "trusted-host"),
    *("proxy", "cert", "client-cert", "timeout", "default-timeout", "retries"),
    *("cache-dir", "no-cache-dir", "keyring-provider"),
)
"""All others (user, target, require-hashes, constraint, …) decide what is installed and where to,
which is the course's to say: with `user = true` in pip.conf, for one, nothing could be."""

_OF_UV = (
    *("DEFAULT_INDEX", "INDEX", "INDEX_URL", "EXTRA_INDEX_URL", "FIND_LINKS", "INSECURE_HOST"),
    *("CACHE_DIR", "NO_CACHE", "KEYRING_PROVIDER", "HTTP_TIMEOUT", "HTTP_RETRIES", "LINK_MODE"),
    *("PYTHON_INSTALL_MIRROR", "PYTHON_INSTALL_DIR", "PYTHON_DOWNLOADS", "NATIVE_TLS"),
    *("SYSTEM_CERTS", "CONCURRENT_DOWNLOADS", "CONCURRENT_INSTALLS"),
)


def files() -> list[Path]:
    """Return the files that pip would read, those that win last."""
    named = os.environ.get("PIP_CONFIG_FILE", "")
    if named == os.devnull:
        return []
    home, name = Path.home(), "pip.ini" if os.name == "nt" else "pip.conf"
    if os.name == "nt":
        every = [Path(os.environ.get("PROGRAMDATA", "C:/ProgramData"), "pip")]
        own = [home / "pip", Path(os.environ.get("APPDATA", home), "pip")]
    else:
        system = os.environ.get("XDG_CONFIG_DIRS") or "/etc/xdg"
        every = [Path(one, "pip") for one in system.split(os.pathsep)] + [Path("/etc")]
        own = [home / ".pip", Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config", "pip")]
    if sys.platform == "darwin":
        library = Path("Library", "Application Support", "pip")
        every, own = ["/" / library], [*own, home / library]
    if named and Path(named).exists():
        own = []
    found = [folder / name for folder in (*every, *own, Path(sys.prefix))]
    return found + ([Path(named)] if named else [])


def read() -> dict[str, str]:
    """Return the settings that count here, from files and from variables.

    Raises:
        Fault: a file of settings can't be understood.
    """
    sections: dict[str, dict[str, str]] = {"global": {}, "install": {}}
    for path in files():
        parser = configparser.RawConfigParser()
        try:
            parser.read_string(path.read_text(encoding="utf-8-sig"), str(path))
        except OSError:
            continue  # not there, or not ours to read: pip goes on, too
        except (configparser.Error, UnicodeDecodeError) as error:
            reason = " ".join(str(error).split()).rstrip(".")
            raise Fault(
                f"pip's settings in {path} can't be read ({reason[:200]}); "
                "correct that file and start again."
            ) from error
        for section in sections:
            if parser.has_section(section):
                sections[section].update(parser.items(section))
    variables = {name[4:]: os.environ[name] for name in os.environ if name.startswith("PIP_")}
    found = {}
    for told in (sections["global"], sections["install"], variables):
        found.update({key.lower().replace("_", "-"): told[key] for key in told if told[key]})
    for key in ("no-index", "no-cache-dir"):
        if found.get(key, "").lower() in ("0", "n", "no", "f", "false", "off"):
            del found[key]
    for key in ("cert", "client-cert", "cache-dir"):
        if key in found:
            found[key] = os.path.expanduser(found[key])
    return {key: found[key] for key in found if key in ASKED}


def indexes(settings: dict[str, str]) -> list[str]:
    """Return the addresses of the package indexes."""
    if "no-index" in settings:
        return []
    first = settings.get("index-url") or settings.get("pypi-url") or "https://pypi.org/simple"
    return [first, *settings.get("extra-index-url", "").split()]


def links(settings: dict[str, str]) -> list[str]:
    """Return the folders and pages of find-links; pip passes over a folder that isn't there."""
    return [
        place
        for place in map(os.path.expanduser, settings.get("find-links", "").split())
        if ("://" in place and not place.startswith("file:"))
        or Path(url2pathname(urlsplit(place).path) if "://" in place else place).exists()
    ]


def for_pip(settings: dict[str, str]) -> dict[str, str]:
    """Return the settings as variables for pip, which reads no files then."""
    variables = {"PIP_" + key.upper().replace("-", "_"): settings[key] for key in settings}
    return {**variables, "PIP_CONFIG_FILE": os.devnull}


def for_uv(settings: dict[str, str], places: Sequence[str | Path] = ()) -> dict[str, str]:
    """Return the settings as variables for uv; what uv itself was told of the same wins.

    Every user of the machine can read a command line, but not another user's variables, and an
    address may hold a password.

    Args:
        settings: pip's.
        places: the folders and pages that packages are taken from besides the indexes; these win.
    """
    told = {
        "UV_INSECURE_HOST": " ".join(settings.get("trusted-host", "").split()),
        "UV_HTTP_TIMEOUT": settings.get("timeout") or settings.get("default-timeout"),
        "UV_HTTP_RETRIES": settings.get("retries"),
        "UV_NO_CACHE": "1" if "no-cache-dir" in settings else None,
        "UV_CACHE_DIR": settings["cache-dir"] + "/uv" if "cache-dir" in settings else None,
        "SSL_CERT_FILE": settings.get("cert") or os.environ.get("REQUESTS_CA_BUNDLE"),
        "SSL_CLIENT_CERT": settings.get("client-cert"),
    }
    if "no-index" not in settings:
        told["UV_DEFAULT_INDEX"] = settings.get("index-url") or settings.get("pypi-url")
        told["UV_EXTRA_INDEX_URL"] = " ".join(settings.get("extra-index-url", "").split())
    provider = settings.get("keyring-provider", "disabled")
    if provider == "subprocess" or (provider != "disabled" and shutil.which("keyring")):
        told["UV_KEYRING_PROVIDER"] = "subprocess"
    if "proxy" in settings:
        told.update(dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"), settings["proxy"]))
    variables = {name: value for name, value in told.items() if value}
    for name in _OF_UV:
        if "UV_" + name in os.environ and not ("INDEX" in name and "no-index" in settings):
            variables["UV_" + name] = os.environ["UV_" + name]
    if places:
        variables["UV_FIND_LINKS"] = ",".join(map(_without_comma, places))
    # Like pip: the system's certificates, and the best of all indexes.
    variables.setdefault("UV_SYSTEM_CERTS", "1")
    return {"UV_NO_CONFIG": "1", "UV_INDEX_STRATEGY": "unsafe-best-match", **variables}


def _without_comma(place: str | Path) -> str:
    """Return a place as uv's list takes it, in which a comma ends an entry."""
    name = str(place)
    if "," in name and "://" not in name:
        name = Path(name).absolute().as_uri()
    return name.replace(",", "%2C")
