"""List a class's students for the report: score, lateness, state, feedback page, course total."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from autograder.config import Course
from autograder.i18n import _
from autograder.report.gradesheet import GradeSheet, grade_sheet


@dataclass(frozen=True)
class StudentLine:
    """One line of the table.

    Attributes:
        name: "Family, Given", or the id.
        score: the points; None without a graded submission.
        late: how late it came in, in words; "" if in time.
        state: one of the keys of `state_words`.
        pages: the addresses of the feedback pages, relative to the report.
        total: the points in the whole course so far.
    """

    student: str
    name: str
    score: float | None
    late: str
    state: str
    pages: tuple[str, ...]
    total: float


@dataclass(frozen=True)
class StudentTable:
    """The table, and what its last column counts.

    Attributes:
        assignments: those whose scores are in the course total.
        most: the points that these are worth together.
    """

    lines: list[StudentLine]
    assignments: tuple[str, ...]
    most: float


def student_table(course: Course, sheet: GradeSheet, folder: Path) -> StudentTable:
    """Return the table of an assignment's students.

    Args:
        course: the course.
        sheet: the class's results for the assignment.
        folder: where the report lies, for the links.
    """
    sheets = [sheet, *_others(course, sheet)]
    totals: dict[str, float] = {}
    for one in sheets:
        for row in one.submitted:
            totals[row.student] = totals.get(row.student, 0.0) + row.score
    collected = set(sheet.collected)
    lines = []
    for row in sheet.rows:
        names = ", ".join(filter(None, (row.last_name, row.first_name)))
        pages = sorted(course.place("feedback", row.student, sheet.assignment).glob("*.html"))
        state = "collected" if row.student in collected else row.status
        lines.append(
            StudentLine(
                row.student,
                names or row.student,
                row.score if row.submitted else None,
                _duration(row.late_seconds) if row.late_seconds > 0 else "",
                state,
                tuple(quote(Path(os.path.relpath(page, folder)).as_posix()) for page in pages),
                totals.get(row.student, 0.0),
            )
        )
    return StudentTable(
        lines,
        tuple(sorted(one.assignment for one in sheets)),
        sum(one.max_score for one in sheets),
    )


def _others(course: Course, sheet: GradeSheet) -> list[GradeSheet]:
    """Return the results of the other assignments of which something has been graded."""
    from nbgrader.api import Assignment
    from sqlalchemy import select

    with course.gradebook() as gradebook:
        names = sorted(gradebook.db.execute(select(Assignment.name)).scalars())
    others = (grade_sheet(course, name) for name in names if name != sheet.assignment)
    return [one for one in others if one.submitted]


def state_words() -> dict[str, str]:
    """Return the states in words, in the current language."""
    return {
        "graded": _("graded"),
        "waiting": _("waiting for manual grading"),
        "missing": _("nothing handed in"),
        "collected": _("collected, not graded yet"),
    }


def _duration(seconds: float) -> str:
    hours, minutes = divmod(max(1, round(seconds / 60)), 60)
    return str(_("{hours} h {minutes} min").format(hours=hours, minutes=minutes))
