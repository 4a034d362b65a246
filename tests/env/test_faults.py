"""Each thing that goes wrong is one sentence: what happened, and what to do."""

from __future__ import annotations

import errno

import pytest

import faults

# Lines that pip printed, or prints, in each case.
PIP = {
    "disk is full": [
        "ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device"
    ],
    "package index did not answer": [
        "WARNING: Retrying (Retry(total=4, connect=None)) after connection broken by "
        "'NewConnectionError('<pip._vendor.urllib3.connection.HTTPSConnection>: Failed to "
        "establish a new connection: [Errno -3] Temporary failure in name resolution')': /simple/",
        "ERROR: Could not find a version that satisfies the requirement jupyterlab (from versions: none)",
        "ERROR: No matching distribution found for jupyterlab",
    ],
    "certificate was refused": [
        "SSLError(SSLCertVerificationError(1, '[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify "
        "failed: unable to get local issuer certificate'))",
        "ERROR: No matching distribution found for torch==2.13.0",
    ],
    "proxy refused": [
        "ProxyError('Cannot connect to proxy.', OSError('Tunnel connection failed: 407 Proxy'))"
    ],
    "not yours": [
        "ERROR: Could not install packages due to an OSError: [Errno 13] Permission denied: 'x'"
    ],
    "memory ran out": ["MemoryError"],
    "damaged": ["ERROR: torch has an invalid wheel, .dist-info directory not found"],
    "no ready-made package torch==2.13.0": [
        "ERROR: Could not find a version that satisfies the requirement torch==2.13.0",
        "ERROR: No matching distribution found for torch==2.13.0",
    ],
    "offered no jupyterlab": [
        "ERROR: Could not find a version that satisfies the requirement jupyterlab (from versions: none)",
        "ERROR: No matching distribution found for jupyterlab",
    ],
    "doesn't offer jupyterlab==4.6.6": [
        "    The user requested jupyterlab",
        "    The user requested (constraint) jupyterlab==4.6.6",
        "ERROR: ResolutionImpossible: for help visit https://pip.pypa.io/en/latest/",
    ],
    "something new": ["Collecting x", "ERROR: something new"],
}


@pytest.mark.parametrize("told", PIP)
def test_pips_failures(told: str) -> None:
    sentence = str(faults.from_pip(PIP[told], 3, "the log"))
    assert told in sentence
    assert "\n" not in sentence


def test_pips_unknown_failure_names_the_log() -> None:
    assert "/course/.cache/install.log" in str(faults.from_pip([], 3, "/course/.cache/install.log"))


@pytest.mark.parametrize(
    ("number", "told"),
    [
        (errno.ENOSPC, "free some space"),
        (errno.EACCES, "folder of your own"),
        (errno.EROFS, "folder of your own"),
        (errno.EIO, "put that right"),
    ],
)
def test_the_systems_failures(number: int, told: str) -> None:
    sentence = str(faults.from_os(OSError(number, "What The System Says", "a/file"), "copying"))
    assert told in sentence
    assert "a/file" in sentence
    assert sentence.count(".") <= 1
