"""Say how a student stands with each assignment, by what lies in the student's own folders.

Nothing is asked of the gradebook, which students can't read. The signs are:

- when it is due: `release/due.json`
- begun: a code cell of `work/<language>/<assignment>/` has been run, and that was saved
- packed: `autograder submit` has left a zip in that folder; whether anybody uploaded it, nobody
  here knows
- submitted: nbgrader's own record of what this user submitted through the exchange
- feedback can be fetched: there is a page in the exchange for that submission
- feedback is there: there is a page in the folder's `feedback/`
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from autograder.config import Course
from autograder.core.dates import UnreadableTime, read_recorded
from autograder.core.due_record import DUE_RECORD
from autograder.core.receipts import STAMP
from autograder.errors import UserError

WORK = "work"
"""The folder of a student's copies, below the course's."""

FEEDBACK = "feedback"
"""The folder of an assignment that nbgrader fetches feedback to."""


@dataclass(frozen=True)
class Standing:
    """How one assignment stands.

    Attributes:
        name: the assignment's.
        due: when it is due; None without a date.
        begun: a code cell of a copy has been run and saved.
        packed: when it was last packed for uploading; None if it never was.
        submitted: when it was last submitted through the exchange; None if it never was.
        waiting: feedback can be fetched that isn't there yet.
        pages: the pages of the newest feedback that was fetched.
    """

    name: str
    due: datetime | None = None
    begun: bool = False
    packed: datetime | None = None
    submitted: datetime | None = None
    waiting: bool = False
    pages: tuple[Path, ...] = ()

    @property
    def handed_in(self) -> bool:
        """Return whether the student has done what can be seen here to submit it."""
        return bool(self.packed or self.submitted or self.pages)


@dataclass
class _Submitted:
    """What the exchange says of an assignment."""

    time: datetime | None = None
    feedback: set[str] = field(default_factory=set)
    """The timestamps of submissions whose feedback lies in the exchange."""
    current: set[str] = field(default_factory=set)
    """Those whose feedback has been fetched as it lies there now."""


def standings(course: Course, names: Iterable[str]) -> dict[str, Standing]:
    """Return how the assignments stand, by name; nothing that is unreadable stops it."""
    names = list(names)
    dues = due_dates(course)
    listed = _listed(course)
    found = {}
    for name in names:
        told = listed.get(name, _Submitted())
        folders = _folders(course, name)
        found[name] = Standing(
            name=name,
            due=dues.get(name),
            begun=any(has_run(path) for folder in folders for path in folder.glob("*.ipynb")),
            packed=max(_packed(folders, name), default=None),
            submitted=told.time,
            waiting=bool(told.feedback - told.current),
            pages=_newest_pages(folders),
        )
    return found


def due_dates(course: Course) -> dict[str, datetime]:
    """Return the due date of each assignment that has one; none where the record is unreadable."""
    try:
        told = json.loads((course.root / DUE_RECORD).read_text(encoding="utf-8"))["assignments"]
        found = {one["name"]: one["due"] for one in told}
        dates = {name: datetime.fromisoformat(due) for name, due in found.items() if due}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return {}
    return {name: due for name, due in dates.items() if due.tzinfo is not None}


def saved_cells(path: Path) -> list[dict[str, Any]] | None:
    """Return a saved notebook's cells as they lie there; None of a file that isn't a notebook."""
    try:
        cells = json.loads(path.read_bytes())["cells"]
        return [one for one in cells if isinstance(one, dict)]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


def has_run(path: Path) -> bool:
    """Return whether a code cell of a notebook has been run, as it was saved."""
    return any(is_run(one) for one in saved_cells(path) or ())


def is_run(cell: dict[str, Any]) -> bool:
    """Return whether a saved cell was run."""
    return cell.get("cell_type") == "code" and type(cell.get("execution_count")) is int


def _folders(course: Course, name: str) -> list[Path]:
    """Return the student's folders of an assignment, one a language."""
    return [path for path in sorted((course.root / WORK).glob(f"*/{name}")) if path.is_dir()]


def _packed(folders: list[Path], name: str) -> Iterator[datetime]:
    for folder in folders:
        for path in folder.glob(f"{name}-*.zip"):
            with suppress(ValueError):
                stamp = re.sub(r"^.*-", "", path.stem)
                yield datetime.strptime(stamp, STAMP).replace(tzinfo=UTC)


def _newest_pages(folders: list[Path]) -> tuple[Path, ...]:
    """Return the pages below `feedback/<time of the submission>/`, of the latest such time."""
    pages: dict[str, list[Path]] = {}
    for folder in folders:
        for path in sorted(folder.glob(f"{FEEDBACK}/*/*.html")):
            pages.setdefault(path.parent.name, []).append(path)
    return tuple(pages[max(pages)]) if pages else ()


def _listed(course: Course) -> dict[str, _Submitted]:
    """Return by assignment what nbgrader's list of this user's submissions says."""
    from nbgrader.auth import Authenticator
    from nbgrader.coursedir import CourseDirectory
    from nbgrader.exchange import ExchangeFactory

    found: dict[str, _Submitted] = {}
    try:
        if not Path(course.nbgrader_config().Exchange.root).is_dir():
            return found
    except UserError:  # nbgrader can't work in this folder, so nothing was submitted with it
        return found
    for folder in sorted((course.root / WORK).glob("[!.]*")):
        if not folder.is_dir():
            continue
        config = course.nbgrader_config()
        config.Exchange.assignment_dir = str(folder)
        config.ExchangeList.cached = True
        try:
            lister = ExchangeFactory(config=config).List(
                coursedir=CourseDirectory(config=config),
                authenticator=Authenticator(config=config),
                config=config,
            )
            lister.init_dest()  # `start` would log what it finds
            for one in lister.parse_assignments():
                name = one["assignment_id"]
                _take(found.setdefault(name, _Submitted()), one["submissions"])
        except (OSError, RuntimeError, KeyError, TypeError):
            continue
    return found


def _take(told: _Submitted, submissions: list[dict[str, Any]]) -> None:
    for one in submissions:
        time = str(one["timestamp"])
        with suppress(UnreadableTime):
            moment = read_recorded(time)
            told.time = max(told.time or moment, moment)
        if one["has_exchange_feedback"]:
            told.feedback.add(time)
        if one["has_local_feedback"] and not one["feedback_updated"]:
            told.current.add(time)
