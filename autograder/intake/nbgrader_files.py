"""Read the two files that nbgrader keeps next to a submission.

Through nbgrader's own `collect` or `zip_collect` they come from the student: a link, a pipe, a
huge or a binary one is as if there were none.
"""

from __future__ import annotations

import os
import re
import stat
from datetime import UTC, datetime, tzinfo
from pathlib import Path

from autograder.core.dates import UnreadableTime, read_recorded
from autograder.intake.upload import SECRET, TIMESTAMP

_SECRET = re.compile(rb"[\x20-\x7e]{1,500}\n?")
_LARGEST = 1_000


def open_plain_file(path: Path) -> int:
    """Open a plain file, never what a link in its place leads to.

    Returns:
        A descriptor, which the caller closes.

    Raises:
        OSError: there is no plain file, or it can't be read.
    """
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    descriptor = os.open(path, flags | getattr(os, "O_CLOEXEC", 0))
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(f"{path} isn't a plain file")
    return descriptor


def read_small_file(path: Path) -> bytes | None:
    """Return the bytes of a plain file of at most 1,000 bytes; None if it is anything else."""
    try:
        descriptor = open_plain_file(path)
    except (OSError, ValueError):
        return None
    with os.fdopen(descriptor, "rb") as stream:
        try:
            content = stream.read(_LARGEST + 1)
        except OSError:
            return None
    return content if len(content) <= _LARGEST else None


def read_timestamp(path: Path, zone: tzinfo | None = None) -> datetime | None:
    """Return the time in a timestamp file, in UTC without a zone, as nbgrader has it.

    Args:
        path: the file.
        zone: the course's time zone; this machine's when None.

    Returns:
        The time; None if there is none that can be read.
    """
    content = read_small_file(path)
    try:
        text = content.decode("ascii").strip() if content else ""
        return read_recorded(text, zone).replace(tzinfo=None)
    except (UnicodeDecodeError, UnreadableTime):
        return None


def is_misread(stamp: str, moment: datetime) -> bool:
    """Return whether nbgrader itself takes a time that it wrote for another one.

    It takes `-03` for three seconds, `+0900` for fifteen minutes, and no `KST` at all.

    Args:
        stamp: the time as it was written.
        moment: what it says, with its zone.
    """
    from nbgrader.utils import parse_utc

    try:
        return bool(parse_utc(stamp) != moment.astimezone(UTC).replace(tzinfo=None))
    except (ValueError, OverflowError, TypeError, AttributeError):
        return True


def is_secret(content: bytes) -> bool:
    """Return whether this can be nbgrader's key to a feedback page."""
    return _SECRET.fullmatch(content) is not None


def read_bookkeeping(folder: Path) -> dict[str, bytes]:
    """Return those of the two files that are as nbgrader writes them, by name."""
    found = {}
    if read_timestamp(folder / TIMESTAMP) is not None:
        found[TIMESTAMP] = read_small_file(folder / TIMESTAMP) or b""
    secret = read_small_file(folder / SECRET)
    if secret and is_secret(secret):
        found[SECRET] = secret
    return found
