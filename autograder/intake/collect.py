"""Collect submissions from nbgrader's exchange or from an LMS's bulk download.

| Question | Decision |
|---|---|
| Whose is it? | The exchange's owner or the LMS's naming, looked up in the class list. |
| A receipt that names another student, or doesn't fit its files | Refused; the rest goes on. |
| When did it come in? | The exchange's record; the download's entry or file time; `received=`. |
| Canvas's LATE mark | Decides whether it is late; the archive's time only says how much. |
| Times inside a submission | Never looked at. |
| Which file is the notebook? | `autograder.intake.identify`; the student is told. |
| Nothing readable | The release is graded as a placeholder: 0 points, and the reason. |
| Other files | Kept if the assignment asks for them, else left out and named. |
| Newer than the one collected before | Replaces it; the older one stays in `term/collected`. |
| Older, or collected before | Changes nothing. |
| In the exchange, of who has no attempt left (`watch`) | Not taken; the last attempt counts. |

Every file is written unaltered to `term/collected/<student>/<assignment>/<time>/`, what is
graded to `term/submitted/<student>/<assignment>/`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from autograder.config import Course
from autograder.core.atomic_io import plain_disk_errors
from autograder.core.attempt_limits import AttemptLimits
from autograder.core.attempt_records import count_attempts
from autograder.core.due_dates import find_due_date
from autograder.core.term_locks import collecting_lock
from autograder.errors import UserError
from autograder.intake.accept import accept
from autograder.intake.collect_result import CollectResult
from autograder.intake.errors import SubmissionRefused
from autograder.intake.exchange import exchange_arrivals, inbound_folders
from autograder.intake.identify import assignment_specs
from autograder.intake.lms_download import download_arrivals
from autograder.intake.looked_at import last_changes, record_looked_at
from autograder.intake.reader import Reader
from autograder.intake.roster import enroll
from autograder.intake.roster_file import Roster, read_roster
from autograder.intake.staging import staging_folder


def collect(
    course: Course,
    assignment: str,
    origin: Path | None = None,
    roster: Path | None = None,
    received: datetime | None = None,
    before_enrolling: Callable[[Roster], None] | None = None,
) -> CollectResult:
    """Collect the submissions of an assignment.

    Args:
        course: the course to collect into.
        assignment: the assignment's name.
        origin: a folder or zip of LMS downloads; nbgrader's exchange when None.
        roster: a CSV of the class, written into the gradebook first (`read_roster`).
        received: when these came in, with its time zone, where the download can't know.
        before_enrolling: is called with what was read of the roster, before anything is written;
            what it raises stops all.

    Raises:
        UserError: unknown assignment, nothing at `origin`, an unusable archive or roster.
        EnvironmentFault: the disk is full or the gradebook in use; what was collected before that
            stays collected, and the same command goes on from there.
    """
    course.require_assignment(assignment)
    course.require_free_gradebook()
    if received is not None and received.tzinfo is None:
        received = received.astimezone()
    known = assignment_specs(course)
    if assignment not in known:
        raise UserError(
            f"{assignment} has no notebook {assignment}.ipynb in source/ or release/; "
            "add it and run `autograder build`."
        )
    if roster is not None:
        found = read_roster(roster)
        if before_enrolling is not None:
            before_enrolling(found)
        enroll(course, found.people)
    result = CollectResult(assignment)
    due = find_due_date(course, assignment)
    now, untimed = datetime.now(UTC), dict[str, bool]()
    changes: dict[str, int] = {}
    with collecting_lock(course), Reader() as reader, staging_folder(course) as staging:
        if origin is None:
            used_up = _used_up(course, assignment)
            changes = last_changes(inbound_folders(course, assignment))
            arrivals = exchange_arrivals(course, assignment, staging, result, used_up)
        else:
            arrivals = download_arrivals(
                course, assignment, Path(origin), received, reader, staging, result
            )
        for arrival in arrivals:
            if received is not None:
                arrival = replace(
                    arrival, arrived=received.astimezone(UTC), late=None, stamp="", time_given=True
                )
            try:
                with plain_disk_errors(course.term):
                    taken = accept(course, known[assignment], known, arrival, due, reader, staging)
            except SubmissionRefused as error:
                result.refused.append(str(error))
                continue
            if taken is None:
                result.unchanged.append(arrival.student)
            else:
                result.taken.append(taken)
                if arrival.untimed:
                    untimed[arrival.student] = arrival.late is None and bool(due and due < now)
                if arrival.has_only_entries:
                    result.warnings.append(
                        f"{arrival.student} handed in no file but what was entered in the LMS "
                        f"itself ({', '.join(arrival.entries[:3])}), which isn't graded; the "
                        "student is told on the feedback page."
                    )
    if origin is None:
        record_looked_at(course, assignment, changes)
    result.warnings += _about_times(untimed)
    # A student who submitted twice is listed once.
    now_taken = {one.student for one in result.taken}
    result.unchanged = sorted(set(result.unchanged) - now_taken)
    result.taken = list({one.student: one for one in result.taken}.values())
    return result


def _used_up(course: Course, assignment: str) -> set[str]:
    """Return the students who have no attempt left of those that `watch` grades."""
    limits = AttemptLimits.of(course, assignment)
    with course.gradebook() as gradebook:
        counted = count_attempts(gradebook.db, assignment)
    return {student for student, used in counted.items() if limits.is_used_up(used)}


def _about_times(untimed: dict[str, bool]) -> list[str]:
    """Return what to say of the students whose time of handing in is unknown.

    Args:
        untimed: by student, whether it counts as late for that reason.
    """
    said = []
    for is_late in (True, False):
        students = sorted(student for student, late in untimed.items() if late == is_late)
        if students:
            late = " and so as late" if is_late else ""
            said.append(
                f"{', '.join(students)}: the download doesn't say when it came in, or says a time "
                f"that can't be right, so it counts as received now{late}; collect again with "
                "--received to say when."
            )
    return said
