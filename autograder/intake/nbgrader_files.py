"""Read the two files that nbgrader keeps next to a submission.

Through nbgrader's own `collect` or `zip_collect` they come from the student: a link, a pipe, a
huge or a binary one is as if there were none.
"""

from __future__ import annotations

import os
import re
import stat
from datetime import datetime
from pathlib import Path

from autograder.intake.upload import SECRET, TIMESTAMP

_TIME = re.compile(
    r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(?:\.\d{1,6})?(?: ?[A-Za-z]{1,5}| ?[+-]\d\d:?\d\d)?"
)
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


def parse_time(text: str) -> datetime | None:
    """Parse a time that nbgrader wrote.

    Returns:
        The time in UTC without a zone, as nbgrader has it; None if the text is anything else.
    """
    from nbgrader.utils import parse_utc

    if not _TIME.fullmatch(text):
        return None
    try:
        parsed: datetime = parse_utc(text)
        return parsed
    except (ValueError, OverflowError, TypeError, AttributeError):
        return None


def read_timestamp(path: Path) -> datetime | None:
    """Return the time in a timestamp file; None if there is none that can be read."""
    content = read_small_file(path)
    try:
        return parse_time(content.decode("ascii").strip()) if content else None
    except UnicodeDecodeError:
        return None


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
