"""Decide how much of an upload is read: files, bytes and seconds, of a student and of a class."""

from __future__ import annotations

from dataclasses import dataclass

MIB = 1024 * 1024


@dataclass(frozen=True)
class UploadLimits:
    """Hold the most that is read from a source.

    Attributes:
        members: files.
        member_bytes: bytes of one file, uncompressed.
        total_bytes: bytes of all files together, uncompressed.
    """

    members: int
    member_bytes: int
    total_bytes: int


CLASS_LIMITS = UploadLimits(members=20_000, member_bytes=128 * MIB, total_bytes=8 * 1024 * MIB)
"""For a download of a whole class."""

STUDENT_LIMITS = UploadLimits(members=500, member_bytes=32 * MIB, total_bytes=100 * MIB)
"""For what one student submits: the files and their unpacked contents together."""

MAX_LISTED_FILES = 1_000
"""The most files of one student that are listed at all, of notebooks and of others each."""

MAX_VISITED_ENTRIES = 5_000
"""The most files and folders that are looked at in search of them."""

MAX_DEPTH = 20

SUBMISSION_SECONDS = 9.0
"""The longest that one submission may take here."""

COPYING_SECONDS = 5.0
"""The part of it for bringing its files onto this disk."""


class Budget:
    """Count down the limits that several sources share."""

    def __init__(self, limits: UploadLimits) -> None:
        self.members = limits.members
        self.total_bytes = limits.total_bytes
