"""Keep what couldn't be read of a submission, while a placeholder is graded in its place."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from autograder.core.messages import N_
from autograder.intake.upload_limits import STUDENT_LIMITS

UNREADABLE = N_("Your notebook couldn't be read, so nothing could be graded: {reason}")

_CHUNK_BYTES = 256 * 1024


def keep_unreadable(descriptor: int, folder: Path, name: str) -> None:
    """Copy a file that couldn't be read, up to the size limit of a submission's file.

    A copy that can't be made must not keep the others from being graded, so nothing is raised.

    Args:
        descriptor: of the file, open for reading.
        folder: the submission's own in `term/collected`.
        name: the copy's file name.
    """
    place = folder / "unreadable" / name
    with suppress(OSError):
        place.parent.mkdir(parents=True, exist_ok=True)
        with place.open("wb") as target:
            at = 0
            while at < STUDENT_LIMITS.member_bytes and (
                piece := os.pread(descriptor, _CHUNK_BYTES, at)
            ):
                target.write(piece)
                at += len(piece)
