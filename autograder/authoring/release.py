"""Release an assignment: to `release/`, the gradebook and, if asked, the exchange."""

from __future__ import annotations

import re
import stat
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autograder.authoring.build import build
from autograder.config import Course
from autograder.core import notebook_io
from autograder.core.due_record import write_due_record
from autograder.core.release_record import record_release
from autograder.core.released_values import give_values_to_class
from autograder.core.term_records import align_extensions
from autograder.errors import UserError
from autograder.intake.given_before import record_given
from autograder.intake.rebuild import make_release

if TYPE_CHECKING:
    from nbgrader.apps.api import NbGraderAPI

_ERROR = re.compile(r"(?:\w+\.)*\w*(?:Error|Exception)(?::|$)")
"""How the last line of a traceback begins, but for that of SystemExit."""


def release(
    course: Course,
    assignment: str,
    due: datetime | None = None,
    to_exchange: bool = False,
) -> Path:
    """Register an assignment's cells in the gradebook and build what students get.

    Every language is built; all have the same cells, so they share one gradebook.

    Args:
        course: the course.
        assignment: the assignment's name.
        due: the due date, with its time zone; None keeps the one in the gradebook.
        to_exchange: whether to release it through nbgrader's exchange too.

    Returns:
        The folder to distribute, in the course's language.

    Raises:
        UserError: there is no such assignment, or its cells changed after it was submitted.
        EnvironmentFault: the gradebook is in use or can't be reached, or the disk is full.
    """
    course.require_assignment(assignment)
    course.require_free_gradebook()
    give_values_to_class(course, assignment)
    build(course)
    api = course.api()
    result = api.generate_assignment(assignment, force=True, create=True)
    if not result["success"]:
        raise UserError(_reason(assignment, result))
    if due is not None:
        with course.gradebook() as gradebook:
            # nbgrader stores times as naive UTC.
            naive = due.astimezone(UTC).replace(tzinfo=None)
            gradebook.find_assignment(assignment).duedate = naive
            # An extension reaches until a moment, whatever the due date is.
            align_extensions(gradebook.db, assignment)
            gradebook.db.commit()
    build(course)
    if to_exchange:
        _to_exchange(course, api, assignment)
    folder = course.source(course.source_language) / assignment
    language = course.source_language
    sources = {path.stem: notebook_io.read(path) for path in sorted(folder.glob("*.ipynb"))}
    record_release(course, assignment, sources)
    given = {name: make_release(course, assignment, name, language) for name in sources}
    record_given(course, assignment, given)
    write_due_record(course)
    return course.release(course.released_language) / assignment


def _to_exchange(course: Course, api: NbGraderAPI, assignment: str) -> None:
    exchange = Path(course.nbgrader_config().Exchange.root)
    exchange.mkdir(parents=True, exist_ok=True)
    # nbgrader requires that every student can write here; with the sticky bit, students can't
    # remove each other's files.
    if stat.S_IMODE(exchange.stat().st_mode) != 0o1777:
        exchange.chmod(0o1777)
    api.unrelease(assignment)
    result = api.release_assignment(assignment)
    if not result["success"]:
        raise UserError(_reason(assignment, result))
    inbound = exchange / course.id / "inbound"
    if not inbound.stat().st_mode & stat.S_ISVTX:
        inbound.chmod(stat.S_IMODE(inbound.stat().st_mode) | stat.S_ISVTX)


def _reason(assignment: str, result: dict[str, Any]) -> str:
    said = result.get("log", "") + result.get("error", "")
    if "because there are submissions associated" in said or "Cannot modify" in said:
        return (
            f"{assignment} has submissions already, so its cells can't be added or removed; "
            "give the changed assignment a new name."
        )
    return f"{assignment} could not be released ({_cause(said)}); fix that and try again."


def _cause(said: str) -> str:
    """Return the line of nbgrader's log that says what went wrong.

    The log ends by pointing at "the above traceback"; the error itself ends that traceback.
    """
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    telling = [line for line in lines if "above traceback" not in line]
    errors = [line for line in telling if _ERROR.match(line)]
    return (errors or telling or ["no reason given"])[-1]
