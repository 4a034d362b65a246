"""Write the student's start page with the due dates, in this machine's time zone.

`release/due.json` has the dates; `autograder release` writes it. The course's own page stays as it
is, and the new one lies with the student's work, so a newer bundle never finds it changed.
"""

from __future__ import annotations

import json
import os
import re
from datetime import datetime, tzinfo
from pathlib import Path

SOURCE = "notebooks/START.md"
PLACE = "work/START.md"
DUE_RECORD = "release/due.json"

_ASSIGNMENT = re.compile(r"\]\(\.\./work/(?:([a-z]{2,3})/)?([^/)\s]+)/[^)\s]*\)")
"""A link to the student's copy of an assignment: its language and its name."""

_BESIDE = re.compile(r"\]\((?![a-zA-Z][a-zA-Z0-9+.-]*:|\.\./|/|#)")
"""The start of a link to a file beside the course's page or below it."""

_DAYS = {
    "en": ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"),
    "ko": ("월", "화", "수", "목", "금", "토", "일"),
}
_MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]


def write_start_page(root: Path, zone: tzinfo | None = None) -> str | None:
    """Write the start page with the due dates.

    Args:
        root: the folder with the course.
        zone: the reader's time zone; this machine's when None.

    Returns:
        The page's path below `root`; None if there are no dates, or no page to put them into.

    Raises:
        OSError: the page can't be written.
    """
    dues = _due_dates(root / DUE_RECORD)
    try:
        page = (root / SOURCE).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None
    if not dues:
        return None

    def dated(link: re.Match[str]) -> str:
        due = dues.get(link[2])
        return link[0] if due is None else f"{link[0]} · **{in_words(due, link[1] or 'en', zone)}**"

    made = _BESIDE.sub(f"](../{Path(SOURCE).parent.as_posix()}/", _ASSIGNMENT.sub(dated, page))
    target = root / PLACE
    target.parent.mkdir(parents=True, exist_ok=True)
    beside = target.with_name(f".{target.name}.new")
    try:
        beside.write_text(made, encoding="utf-8")
        os.replace(beside, target)
    finally:
        beside.unlink(missing_ok=True)
    return PLACE


def in_words(due: datetime, language: str, zone: tzinfo | None = None) -> str:
    """Return a due date in a language, in the reader's time zone, which it names."""
    local = due.astimezone(zone)
    offset = f"UTC{local:%z}"[:-2] + ":" + f"{local:%z}"[-2:] if local.utcoffset() else "UTC"
    name = local.tzname() or ""
    told = f"{name}, {offset}" if name.isalpha() and name != "UTC" else offset
    day = _DAYS.get(language, _DAYS["en"])[local.weekday()]
    if language == "ko":
        return f"마감 {local.year}년 {local.month}월 {local.day}일({day}) {local:%H:%M} ({told})"
    month = _MONTHS[local.month - 1]
    return f"due {day} {local.day} {month} {local.year}, {local:%H:%M} ({told})"


def _due_dates(path: Path) -> dict[str, datetime]:
    """Return the due date of each assignment that has one; none of a file that isn't a record."""
    try:
        told = json.loads(path.read_text(encoding="utf-8"))["assignments"]
        found = {one["name"]: one["due"] for one in told}
        dates = {name: datetime.fromisoformat(due) for name, due in found.items() if due}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}
    return {name: due for name, due in dates.items() if due.tzinfo is not None}
