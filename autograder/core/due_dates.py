"""Look up an assignment's due date where nbgrader keeps it, and say it in words."""

from __future__ import annotations

from datetime import UTC, datetime

from autograder.config import Course
from autograder.core.dates import in_words


def find_due_date(course: Course, assignment: str) -> datetime | None:
    """Return an assignment's due date in UTC; None if it has none."""
    from nbgrader.api import MissingEntry

    with course.gradebook() as gradebook:
        try:
            due = gradebook.find_assignment(assignment).duedate
        except MissingEntry:
            return None
    return due.replace(tzinfo=UTC) if due else None


def describe_due_date(course: Course, assignment: str, typed: datetime | None) -> str:
    """Return a sentence on the due date that the gradebook holds.

    Args:
        course: the course.
        assignment: the assignment's name.
        typed: the date that was just set, whose time zone is used; None if none was.
    """
    due = find_due_date(course, assignment)
    if due is None:
        return f"{assignment} has no due date, so nothing is late; set one with --due."
    zone = typed.tzinfo if typed else course.time_zone
    local = due.astimezone(zone)
    passed = ", which has passed" if due < datetime.now(UTC) else ""
    kept = "" if typed else ", as before"
    in_utc = f" = {due:%Y-%m-%d %H:%M:%S} UTC" if local.utcoffset() else ""
    return f"{assignment} is due {in_words(local)}{in_utc}{passed}{kept}."
