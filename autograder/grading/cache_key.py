"""Compute the key that tells whether a submission has to be graded again."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from autograder.config import Course
from autograder.core.collection_receipt import receipt_file
from autograder.core.released_values import released_values
from autograder.intake.errors import BadArchive
from autograder.intake.folders import FolderSource
from autograder.intake.sources import Member
from autograder.intake.upload_limits import STUDENT_LIMITS


class CacheKeys:
    """Compute the cache keys of an assignment's submissions; the assignment is read once.

    Args:
        course: the course.
        assignment: the assignment's name.
    """

    def __init__(self, course: Course, assignment: str) -> None:
        self._course = course
        self._assignment = assignment
        if course.is_by_nbgrader:
            self._instructors = _contents(course.place("source", ".", assignment))
            # A header that the release got, and what the gradebook was told.
            self._instructors += _contents(course.place("release", ".", assignment))
        else:
            self._instructors = _contents(course.source(course.source_language) / assignment)
        off_limits = course.settings.modules_off_limits(assignment)
        self._instructors += "\0".join(off_limits).encode()
        if (worth := course.unsealed_worth) != 1:
            self._instructors += f"\0{worth}".encode()
        self._values = released_values(course, assignment)

    def of(self, student: str) -> str:
        """Return the SHA-256 over a submission, its receipt and the instructor's files."""
        submitted = _submitted(self._course.place("submitted", student, self._assignment))
        receipt = receipt_file(self._course, student, self._assignment)
        noted = receipt.read_bytes() if receipt.is_file() else b""
        if self._values is not None:
            noted += self._values.key_of(student)
        return hashlib.sha256(submitted + self._instructors + noted).hexdigest()


def _submitted(folder: Path) -> bytes:
    """Hash as much of a student's folder as may be taken, whatever is in it."""
    seen = hashlib.sha256()
    left = STUDENT_LIMITS.total_bytes
    try:
        source = FolderSource.of_student(folder)
    except OSError:
        return seen.digest()
    for member in sorted(source.members, key=lambda member: _place(folder, member)):
        assert isinstance(member.key, Path)
        name = str(member.key.relative_to(folder)).encode("utf-8", "surrogateescape")
        try:
            descriptor = source.open(member)
        except BadArchive:
            continue
        with os.fdopen(descriptor, "rb") as stream:
            size = os.fstat(stream.fileno()).st_size
            seen.update(name + f"\0{size}\0".encode())
            if size <= min(left, STUDENT_LIMITS.member_bytes):
                left -= size
                while part := stream.read(1 << 20):
                    seen.update(part)
    return seen.digest()


def _place(folder: Path, member: Member) -> tuple[int, list[tuple[bool, str]]]:
    """Return where a file comes in the key: the same for ever, or every term is graded again."""
    assert isinstance(member.key, Path)
    parts = member.key.relative_to(folder).parts
    return len(parts), [(".ipynb" not in part.casefold(), part) for part in parts]


def _contents(folder: Path) -> bytes:
    """Hash every plain file below a folder; links aren't followed."""
    seen = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_symlink() or not path.is_file():
            continue
        name = str(path.relative_to(folder)).encode("utf-8", "surrogateescape")
        seen.update(name + f"\0{path.stat().st_size}\0".encode())
        with path.open("rb") as stream:
            while part := stream.read(1 << 20):
                seen.update(part)
    return seen.digest()
