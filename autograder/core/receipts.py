"""Make and check the receipt that a student's zip carries: which files, made when, by whom.

It proves nothing about its maker; it shows that nothing was changed or mixed up on the way.
Reading one uses nothing but the standard library, since that happens in the confined reader.
"""

from __future__ import annotations

import hashlib
import json
import unicodedata
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

RECEIPT = "receipt.json"
"""The name of the file."""

STAMP = "%Y%m%dT%H%M%SZ"
"""How the name of a zip, or of a folder in the exchange, spells a time in UTC."""

_LARGEST = 1024 * 1024


def make_receipt(
    assignment: str, student: str, time: datetime, files: dict[str, bytes]
) -> dict[str, object]:
    """Return the receipt of a submission.

    Args:
        assignment: what it is handed in for.
        student: whose it is.
        time: of handing in, with a time zone.
        files: the submission's contents by name.
    """
    hashes = {name: hashlib.sha256(files[name]).hexdigest() for name in sorted(files)}
    return {
        "version": 1,
        "assignment": assignment,
        "student": student,
        "time": time.astimezone(UTC).isoformat(timespec="seconds"),
        "files": hashes,
        "sha256": hash_of_all(hashes),
    }


def hash_of_all(hashes: dict[str, str]) -> str:
    """Return the SHA-256 of the list of hashes as `sha256sum` prints it, sorted by name."""
    lines = "".join(f"{digest}  {name}\n" for name, digest in sorted(hashes.items()))
    return hashlib.sha256(lines.encode("utf-8", "replace")).hexdigest()


def receipt_problem(
    receipt: dict[str, Any], student: str, assignment: str, digest: Callable[[str], str | None]
) -> str:
    """Say what in a receipt contradicts the submission, as part of a sentence; empty if nothing.

    Args:
        receipt: as `read_receipt` returned it, so anything may be in it.
        student: whose the submission is, as the exchange or LMS says.
        assignment: what it was handed in for.
        digest: the SHA-256 of a file that came with the receipt, by the name it uses; None if
            there is no such file.
    """
    named, of = receipt.get("student"), receipt.get("assignment")
    if not isinstance(named, str) or _folded(named) != _folded(student):
        return f"its receipt names the student {str(named)[:100]!r}"
    if of != assignment:
        return f"its receipt is for the assignment {str(of)[:100]!r}"
    hashes = receipt.get("files")
    if not isinstance(hashes, dict) or not hashes:
        return "its receipt lists no files"
    for name, listed in hashes.items():
        found = digest(unicodedata.normalize("NFC", name))
        if found is None:
            return f"{name[:100]}, which its receipt lists, is missing"
        if found != listed:
            return f"{name[:100]} was changed after its receipt was made"
    if receipt.get("sha256") != hash_of_all(hashes):
        return "its receipt was changed"
    return ""


def read_receipt(content: bytes) -> dict[str, Any] | None:
    """Return the receipt in a file called receipt.json; None if it is something else."""
    if len(content) > _LARGEST:
        return None
    try:
        data = json.loads(content.decode("utf-8-sig"))
    except (UnicodeDecodeError, ValueError, RecursionError, MemoryError):
        return None
    if isinstance(data, dict) and {"student", "files", "sha256"} <= data.keys():
        return data
    return None


def _folded(student: str) -> str:
    return unicodedata.normalize("NFC", student).strip().casefold()
