"""Each thing that goes wrong is one sentence: what happened, and what to do."""

from __future__ import annotations

import errno

import pytest

import faults

CAUSE = "  cause: "
# Lines that uv printed, or prints, in each case.
UV = {
    "disk is full": [
        "error: Failed to install: x.whl",
        CAUSE + "No space left on device (os error 28)",
    ],
    "package index did not answer": [
        "error: Request failed after 3 retries in 3.3s",
        CAUSE + "error sending request for url (http://127.0.0.1:9/simple/pathspec/)",
        CAUSE + "tcp connect error",
        CAUSE + "Connection refused (os error 111)",
    ],
    "certificate was refused": [
        CAUSE + "error sending request for url (https://pypi.org/simple/six/)",
        CAUSE + "invalid peer certificate: UnknownIssuer",
    ],
    "proxy refused": [
        CAUSE + "error sending request for url (https://pypi.org/simple/six/)",
        CAUSE + "tunnel error: failed to create underlying connection",
    ],
    "name and password": [
        CAUSE + "HTTP status client error (401 Unauthorized) for url (https://m)"
    ],
    "not yours": ["error: failed to open file `x`: Permission denied (os error 13)"],
    "memory ran out": ["MemoryError"],
    "pinned to": [
        "error: Failed to download `six==1.17.0`",
        CAUSE + "Hash mismatch for `six==1.17.0`",
    ],
    "no ready-made package torch==2.13.0": [
        "error: No solution found when resolving dependencies",
        CAUSE
        + "Because torch==2.13.0 has no wheels with a matching Python ABI tag (e.g., `cp320`) "
        "and you require torch==2.13.0, we can conclude that your requirements are unsatisfiable.",
    ],
    "doesn't offer jupyterlab==4.6.6": [
        "  × No solution found when resolving dependencies:",
        "  ╰─▶ Because there is no version of jupyterlab==4.6.6 and you require",
        "      jupyterlab==4.6.6, we can conclude that your requirements are unsatisfiable.",
    ],
    "doesn't offer nbgrader": [
        CAUSE + "Because nbgrader was not found in the package registry and you require "
        "nbgrader==0.9.5, we can conclude that your requirements are unsatisfiable.",
    ],
    "needs Python 3.11 or newer": [
        "error: No interpreter found for Python >=3.11, <3.14 in managed installations or search path"
    ],
    "something new": ["Resolved 1 package", "error: something new"],
}


@pytest.mark.parametrize("told", UV)
def test_uvs_failures(told: str) -> None:
    sentence = str(faults.from_uv(UV[told], 3, "the log"))
    assert told in sentence
    assert "\n" not in sentence


def test_uvs_unknown_failure_names_the_log() -> None:
    assert "/course/.cache/install.log" in str(faults.from_uv([], 3, "/course/.cache/install.log"))


@pytest.mark.parametrize(
    ("number", "told"),
    [
        (errno.ENOSPC, "free some space"),
        (errno.EACCES, "folder of your own"),
        (errno.EROFS, "folder of your own"),
        (errno.EIO, "fix that and start again"),
    ],
)
def test_the_systems_failures(number: int, told: str) -> None:
    sentence = str(faults.from_os(OSError(number, "What The System Says", "a/file"), "copying"))
    assert told in sentence
    assert "a/file" in sentence
    assert sentence.count(".") <= 1
