"""Keep every file of a submission unaltered in `term/collected`."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import PurePosixPath

from autograder.config import Course
from autograder.core.atomic_io import replaced_folder
from autograder.core.printable import one_line
from autograder.core.receipts import STAMP
from autograder.intake.arrival import Arrival
from autograder.intake.history import HistoryEntry


def keep_originals(
    course: Course, arrival: Arrival, assignment: str, history: list[HistoryEntry]
) -> str:
    """Move every file of a submission, unaltered, to `term/collected`.

    Args:
        course: the course whose term it goes into.
        arrival: the submission.
        assignment: the assignment's name.
        history: what was collected before; their folders are taken.

    Returns:
        The name of the new folder.

    Raises:
        EnvironmentFault: the disk is full or can't be written.
    """
    base = course.collected / arrival.student / assignment
    stamp = arrival.arrived.strftime(STAMP)
    taken = {entry.folder for entry in history}
    folder, number = stamp, 1
    while folder in taken:
        number += 1
        folder = f"{stamp}-{number}"
    used: set[str] = set()
    with replaced_folder(base / folder) as beside:
        for one in arrival.files:
            place = beside / storable_path(one.name, used)
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.move(one.place, place)
    return folder


_LONGEST_PART = 200

_LONGEST_PATH = 800


def storable_path(name: str, used: set[str]) -> str:
    """Return `name` as a path that a disk can hold and that clashes with no other file here.

    Args:
        name: as the student named the file.
        used: the paths taken so far, in lower case; the new one is added.
    """
    parts = [_shortened(part) for part in one_line(name).split("/")]
    path = "/".join(parts)
    if len(path.encode("utf-8", "replace")) > _LONGEST_PATH:
        parts = [_shortened("~".join(parts))]
        path = parts[0]
    number = 1
    # Distinct even without case, so that the folder can be copied to any system.
    while not _is_free(path.casefold(), used):
        number += 1
        path = _shortened(f"{number}~" + "~".join(parts))
    above = [str(parent).casefold() for parent in PurePosixPath(path).parents][:-1]
    used.add(path.casefold())
    used.update(parent + "/" for parent in above)
    return path


def _shortened(part: str) -> str:
    content = part.encode("utf-8", "replace")
    if len(content) <= _LONGEST_PART:
        return content.decode("utf-8")
    mark = hashlib.sha256(content).hexdigest()[:8]
    return f"{part[:40]}~{mark}{PurePosixPath(part[-20:]).suffix}"


def _is_free(path: str, used: set[str]) -> bool:
    above = [str(parent) for parent in PurePosixPath(path).parents][:-1]
    return path not in used and path + "/" not in used and not used.intersection(above)
