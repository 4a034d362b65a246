"""Explain in one sentence what went wrong while creating or starting the environment."""

from __future__ import annotations

import errno
import re
from collections.abc import Iterable

USAGE = 2  # the command line can't be used
SURROUNDINGS = 3  # the machine, the disk, the network or another program is in the way
NOT_FOUND = 127  # no such command, as shells say it
INTERRUPTED = 130  # Ctrl-C


class Fault(Exception):
    """A problem that the user can fix; the message says what happened and what to do.

    Attributes:
        exit_code: what the launcher ends with.
    """

    def __init__(self, sentence: str, exit_code: int = SURROUNDINGS) -> None:
        super().__init__(sentence)
        self.exit_code = exit_code


NO_NETWORK = (
    "The packages could not be downloaded because the package index did not answer; check the "
    "network (and the proxy, if you are behind one) and start again. Later starts need none."
)

# The first pattern that uv's output matches decides; the order matters, since a full disk or a
# refused certificate also ends in a general sentence.
_UV_SAYS = (
    (
        r"No space left on device|os error 28\b|not enough space on the disk|Disk quota",
        "The disk is full, so the environment could not be finished; "
        "free some space (it needs about {gigabytes} GB) and start again.",
    ),
    (
        r"hash mismatch",
        "A downloaded package isn't the one that this course is pinned to, so nothing of it was "
        "installed; start again, and if that doesn't help, ask whoever runs your package index.",
    ),
    (
        r"invalid peer certificate|UnknownIssuer|CERTIFICATE_VERIFY_FAILED",
        "The package index could not be trusted because its certificate was refused; check this "
        "machine's clock, and ask whoever runs your network for its certificate, then start again.",
    ),
    (
        r"407 Proxy|proxy authentication|tunnel error|Tunnel connection failed|unsuccessful tunnel",
        "The proxy refused to fetch packages; check the HTTPS_PROXY setting and start again.",
    ),
    (
        r"40[13] (Unauthorized|Forbidden)|HTTP Error 40[13]",
        "The package index wants a name and password, or refused yours; put the right ones where "
        "pip's settings name it (index-url, or .netrc) and start again.",
    ),
    (
        r"error sending request|dns error|tcp connect error|operation timed out|Connection re(set|"
        r"fused)|connection closed|Network is unreachable|Failed to (download|fetch) `?https?:|"
        r"Network connectivity is disabled|HTTP status (server|client) error",
        NO_NETWORK,
    ),
    (
        r"Permission denied|os error 13\b|Read-only file system|os error 30\b",
        "The environment could not be written because a file in it is not yours; check who owns "
        "the folder .venv, or delete it, and start again.",
    ),
    (
        r"MemoryError|Cannot allocate memory|os error 12\b|memory allocation of",
        "The memory ran out while packages were installed; close other programs and start again.",
    ),
    (
        r"invalid wheel|Failed to extract|zip (archive|file)|Failed to read metadata",
        "A downloaded package was damaged; start again, and if that doesn't help, empty uv's "
        "cache first (the folder ~/.cache/uv).",
    ),
)
_NO_PYTHON = (
    "The course needs Python 3.11 or newer, which this machine doesn't have and uv could not get "
    "(no network, or none is made for this system); install one (python.org, or your system's "
    "packages) and start again."
)


def from_uv(lines: Iterable[str], gigabytes: int, log: str, offline: str = "") -> Fault:
    """Explain why uv failed, from its output.

    Args:
        lines: uv's output.
        gigabytes: the space that the environment needs.
        log: the file with the whole output, for unknown errors.
        offline: the folder that packages come from, or "pip" where its setting no-index says so.
    """
    text = "\n".join(lines)
    if re.search(r"No interpreter found|python-build-standalone|Failed to inspect Python", text):
        return Fault(_NO_PYTHON)
    # uv breaks its sentences into lines
    sentence = " ".join(re.sub(r"[^\S ]|[├╰│─▶×]", " ", text).split())
    missing = re.search(
        r"(?:Because (?:there is no version of )?|Because only )([\w.-]+)(==[\w.+!]+)?"
        r"(?= was not found| has no| and you require| is available|<| needs)",
        sentence,
    )
    package = (missing[1] + (missing[2] or "")) if missing else ""
    if missing and offline == "pip":
        return Fault(
            f"pip's setting no-index rules out the package index, and {package} is in none "
            "of the places that find-links names; remove no-index (pip.conf, PIP_NO_INDEX), or add "
            "the package there, and start again."
        )
    if missing and offline:
        return Fault(
            f"The folder {offline} has no {package} for this Python and system; pack it with "
            "python3 env pack on a machine with the same system and Python, and start again."
        )
    for pattern, told in _UV_SAYS:
        if re.search(pattern, text, re.IGNORECASE):
            return Fault(told.format(gigabytes=gigabytes))
    if missing and re.search(r"matching Python|matching platform|compatible with|wheels are", text):
        return Fault(
            f"There is no ready-made package {package} for this Python and system; "
            "start with Python 3.11, 3.12 or 3.13 on 64-bit Linux, Windows or a Mac of this decade."
        )
    if missing:
        return Fault(
            f"The package index doesn't offer {package}, which the course is pinned to: it "
            "is a mirror that lacks it (ask whoever runs it), or it did not answer (check the "
            "network); then start again."
        )
    errors = [line for line in text.splitlines() if line.strip(" ╰├│─▶×")]
    reason = errors[-1].strip(" ╰├│─▶×").removeprefix("error: ") if errors else "it gave no reason"
    return Fault(
        f"uv could not install the packages ({reason[:160]}); see {log} for the full output."
    )


def from_os(error: OSError, doing: str) -> Fault:
    """Explain in a sentence an operating system error while `doing` something."""
    where = f" ({error.filename})" if error.filename else ""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return Fault(
            f"The disk is full, so {doing} failed{where}; free some space and start again."
        )
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return Fault(
            f"This folder isn't writable, so {doing} failed{where}; "
            "move the course to a folder of your own and start again."
        )
    reason = (error.strerror or str(error)).rstrip(".").lower()
    return Fault(f"{doing.capitalize()} failed{where}: {reason}; fix that and start again.")
