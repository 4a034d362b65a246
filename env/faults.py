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


DISK_FULL = (
    "The disk is full, so the environment could not be finished; "
    "free some space (it needs about {gigabytes} GB) and start again."
)
NO_NETWORK = (
    "The packages could not be downloaded because the package index did not answer; check the "
    "network (and the proxy, if you are behind one) and start again. Later starts need none."
)

# The first pattern that a line of pip's output matches decides; the order matters, since a full
# disk or a refused certificate also ends in pip's general "could not find a version".
_PIP_SAYS = (
    (r"No space left on device|Errno 28\b|not enough space on the disk|Disk quota", DISK_FULL),
    (
        r"CERTIFICATE_VERIFY_FAILED|SSLCertVerificationError",
        "The package index could not be trusted because its certificate was refused; check this "
        "machine's clock, and ask whoever runs your network for its certificate, then start again.",
    ),
    (
        r"ProxyError|407 Proxy",
        "The proxy refused to fetch packages; check the HTTPS_PROXY setting and start again.",
    ),
    (
        r"NewConnectionError|NameResolutionError|name resolution|Failed to establish a new "
        r"connection|Network is unreachable|ConnectTimeout|Read timed out|ReadTimeoutError|"
        r"RemoteDisconnected|ConnectionResetError|IncompleteRead|getaddrinfo failed|"
        r"nodename nor servname|Connection refused|No route to host",
        NO_NETWORK,
    ),
    (
        r"Permission denied|Errno 13\b|Read-only file system|Errno 30\b",
        "The environment could not be written because a file in it is not yours; check who owns "
        "the folder .venv, or delete it, and start again.",
    ),
    (
        r"MemoryError|Cannot allocate memory|Errno 12\b",
        "The memory ran out while packages were installed; close other programs and start again.",
    ),
    (
        r"THESE PACKAGES DO NOT MATCH THE HASHES|invalid wheel|BadZipFile|is not a zip file",
        "A downloaded package was damaged; start again, and if that doesn't help, empty pip's "
        "cache first with: python3 -m pip cache purge",
    ),
)


def from_pip(lines: Iterable[str], gigabytes: int, log: str) -> Fault:
    """Explain why pip failed, from its output.

    Args:
        lines: pip's output.
        gigabytes: the space that the environment needs.
        log: the file with the whole output, for unknown errors.
    """
    text = "\n".join(lines)
    for pattern, sentence in _PIP_SAYS:
        if re.search(pattern, text, re.IGNORECASE):
            return Fault(sentence.format(gigabytes=gigabytes))
    missing = re.search(r"No matching distribution found for (\S+)", text)
    if missing and "pip was told no-index" in text:
        return Fault(
            f"pip's setting no-index keeps it from the package index, and {missing[1]} is in none "
            "of the places that find-links names; remove no-index (pip.conf, PIP_NO_INDEX), or add "
            "the package there, and start again."
        )
    if missing and "(from versions: none)" in text:
        # What pip says without retries when nothing answers, and for a system without any wheel.
        return Fault(
            f"The package index offered no {missing[1]}: either it did not answer (check the "
            "network), or the package isn't made for this Python and system (use Python 3.11, 3.12 "
            "or 3.13 on 64-bit Linux, Windows or a Mac of this decade); then start again."
        )
    if missing:
        return Fault(
            f"There is no ready-made package {missing[1]} for this Python and system; "
            "start with Python 3.11, 3.12 or 3.13 on 64-bit Linux, Windows or a Mac of this decade."
        )
    pinned = re.search(r"The user requested \(constraint\) (\S+)", text)
    if pinned and "ResolutionImpossible" in text:
        return Fault(
            f"The package index doesn't offer {pinned[1]}, which the course is pinned to: either "
            "it did not answer (check the network), or it is a mirror that lacks it (ask whoever "
            "runs it); then start again."
        )
    if "onfiguration file" in text and ("could not be loaded" in text or "invalid" in text):
        # pip prints the file's name on the lines below
        reason = " ".join(text.removeprefix("ERROR:").split()).rstrip(".")
        return Fault(
            f"pip can't read its settings ({reason[:400]}); correct that file and start again."
        )
    errors = [line for line in text.splitlines() if line.startswith("ERROR:")]
    reason = errors[-1].removeprefix("ERROR:").strip() if errors else "it gave no reason"
    return Fault(f"pip could not install the packages ({reason[:160]}); all it said is in {log}.")


def from_os(error: OSError, doing: str) -> Fault:
    """Explain in a sentence an operating system error while `doing` something."""
    where = f" ({error.filename})" if error.filename else ""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return Fault(
            f"The disk is full, so {doing} failed{where}; free some space and start again."
        )
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return Fault(
            f"This folder may not be written, so {doing} failed{where}; "
            "move the course to a folder of your own and start again."
        )
    reason = (error.strerror or str(error)).rstrip(".").lower()
    return Fault(f"{doing.capitalize()} failed{where}: {reason}; put that right and start again.")
