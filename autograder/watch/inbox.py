"""See what lies in the exchange, and tell what is complete from what is still being copied.

nbgrader copies a submission file by file, then writes its time and its secret, and last makes the
folder writable for all. A folder in that state is taken at once; any other once nothing in it has
changed for a while. Whatever changes later is another submission, as `collect` has it.
"""

from __future__ import annotations

import os
import stat
import time
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

from autograder.config import Course
from autograder.intake.errors import SubmissionRefused
from autograder.intake.exchange import InboundFolder, inspect
from autograder.intake.upload import SECRET

SETTLED_SECONDS = 2.0
"""How long nothing may change in a folder that isn't as nbgrader leaves it."""

_FIRST_LOOK = 0.02
_LAST_LOOK = 0.5
_FINISHED_MODE = 0o777
_MOST_TRIED_AGAIN = 100
"""How many of the refused are seen again in one thorough look, so that a flood costs little."""


@dataclass
class _Growing:
    """Hold a folder that may still be written.

    Attributes:
        found: as it was last seen.
        since: when it was first seen like that, in seconds of `time.monotonic`.
        wait: the seconds until the next look.
        again: when that is.
    """

    found: InboundFolder
    since: float
    wait: float
    again: float


class Inbox:
    """Keep track of the folders in the exchange that are of one assignment.

    Args:
        course: whose exchange it is.
        assignment: the assignment's name.
        folder: the exchange's folder for what students hand in.
    """

    def __init__(self, course: Course, assignment: str, folder: Path) -> None:
        self._course = course
        self._assignment = assignment
        self._folder = folder
        self._others: set[str] = set()
        self._complete: dict[str, InboundFolder] = {}
        self._growing: dict[str, _Growing] = {}
        self._told: dict[str, str] = {}  # of the refused, by name; whose turn is next comes first
        self.refused: list[str] = []

    def look(self, thoroughly: bool = False) -> dict[str, InboundFolder]:
        """Return the newest complete submission of each student.

        Sentences on what can't be taken are appended to `refused`, once for each folder and reason.

        Args:
            thoroughly: see also whether those that were complete have changed, and whether the
                refused can be taken now: a network's disk or its list of users may have failed.
        """
        looked_at: Counter[str] = Counter()
        now = time.monotonic()
        with os.scandir(self._folder) as entries:
            names = {entry.name for entry in entries}
        for gone in self._complete.keys() - names:
            del self._complete[gone]
        for gone in self._growing.keys() - names:
            del self._growing[gone]
        self._others &= names
        for gone in self._told.keys() - names:
            del self._told[gone]
        for name in names - self._others - self._complete.keys():
            growing = self._growing.get(name)
            if growing is None or growing.again <= now:
                self._see(name, looked_at)
        newest = self._newest()
        if thoroughly:
            again = [
                *list(self._told)[:_MOST_TRIED_AGAIN],
                *(one.place.name for one in newest.values()),
            ]
            for name in again:
                self._see(name, looked_at)
            newest = self._newest()
        return newest

    def seconds_to_next_look(self) -> float | None:
        """Return when a folder that is still being written has to be looked at; None for never."""
        if not self._growing:
            return None
        return max(0.0, min(one.again for one in self._growing.values()) - time.monotonic())

    def _newest(self) -> dict[str, InboundFolder]:
        newest: dict[str, InboundFolder] = {}
        for _name, found in sorted(self._complete.items()):
            if found.is_newer_than(newest.get(found.student)):
                newest[found.student] = found
        return newest

    def _see(self, name: str, looked_at: Counter[str]) -> None:
        place = self._folder / name
        try:
            found = inspect(self._course, self._assignment, place, looked_at)
        except SubmissionRefused as error:
            if not place.exists():  # removed meanwhile
                return
            before = self._told.pop(name, "")
            self._told[name] = str(error)
            if before != str(error):
                self.refused.append(str(error))
            found = None
        else:
            self._told.pop(name, None)
            self._others.discard(name)
        if found is None:
            self._others.add(name)
            self._complete.pop(name, None)
            self._growing.pop(name, None)
            return
        now = time.monotonic()
        known = self._complete.get(name)
        if known is not None and known.changed == found.changed:
            return
        growing = self._growing.get(name)
        if growing is None:
            growing = self._growing[name] = _Growing(found, now, _FIRST_LOOK, now)
        elif growing.found.changed != found.changed:
            growing.found, growing.since = found, now
        else:
            growing.found = replace(found)
        if _is_finished(found.place, found.status) or now >= growing.since + SETTLED_SECONDS:
            self._complete[name] = self._growing.pop(name).found
            return
        growing.again = now + growing.wait
        growing.wait = min(_LAST_LOOK, growing.wait * 1.5)


def _is_finished(place: Path, status: os.stat_result) -> bool:
    """Return whether nbgrader has done the last that it does with a submission."""
    if stat.S_IMODE(status.st_mode) & 0o777 != _FINISHED_MODE:
        return False
    try:
        secret = (place / SECRET).lstat()
    except OSError:
        return False
    return stat.S_ISREG(secret.st_mode) and secret.st_size > 0
