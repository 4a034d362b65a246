"""Add up the course: every student's scores and what they come to."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from autograder.config import Course
from autograder.core.atomic_io import write_file
from autograder.core.term_records import read_extensions
from autograder.errors import UserError
from autograder.report.csv_export import BOM, decimal, escape_formulas
from autograder.report.gradesheet import grade_sheet

TOTAL_FILE = "course-total.csv"


@dataclass
class StudentTotal:
    """Hold what a student has in the whole course.

    Attributes:
        scores: points after penalties by assignment, for what is handed in and graded.
        waiting: the assignments with answers that a person has still to grade.
        missing: the assignments that weren't handed in by their due date, which count 0.
        percent: the total of what counts so far, 0 to 100; None while nothing does.
    """

    student: str
    first_name: str = ""
    last_name: str = ""
    section: str = ""
    scores: dict[str, float] = field(default_factory=dict)
    waiting: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    percent: float | None = None


@dataclass(frozen=True)
class CourseTotal:
    """Hold the class's totals.

    Attributes:
        points: what each released assignment is worth, by name.
        weights: how much each counts.
        students: by section and name.
    """

    points: dict[str, float]
    weights: dict[str, float]
    students: list[StudentTotal]


def course_total(course: Course, section: str | None = None) -> CourseTotal:
    """Add up the scores of everyone in the class.

    An assignment counts for a student once they have handed it in or their time for it is over.
    The total is the weighted mean of the percentages that count. Weights are those of the course's
    settings, and the points that an assignment is worth where it has none there.

    Args:
        course: the course.
        section: only this section's students.

    Raises:
        UserError: nothing is released, the section is unknown, or a weight names no assignment.
        EnvironmentFault: the gradebook can't be used.
    """
    given = dict(course.settings.weights)
    known = course.assignments()
    if unknown := sorted(set(given) - set(known)):
        raise UserError(
            f"weights in [tool.autograder] name {unknown[0]}, which is no assignment; choose one "
            f"of: {', '.join(known)}."
        )
    released = _released(course)
    if not released:
        raise UserError("No assignment is released yet, so there is nothing to add up.")
    points: dict[str, float] = {}
    students: dict[str, StudentTotal] = {}
    for assignment, due in released.items():
        sheet = grade_sheet(course, assignment)
        points[assignment] = sheet.max_score
        extended = _extended(course, assignment)
        collected = set(sheet.collected)
        for row in sheet.rows:
            total = students.setdefault(
                row.student,
                StudentTotal(row.student, row.first_name, row.last_name, row.section),
            )
            if row.submitted:
                total.scores[assignment] = row.score
                total.waiting += [assignment] if row.waiting else []
            elif row.student in collected:
                total.waiting.append(assignment)
            elif _is_over(due, extended.get(row.student)):
                total.missing.append(assignment)
    weights = {name: given.get(name, 0.0) if given else points[name] for name in points}
    chosen = [one for one in students.values() if section is None or one.section == section]
    if section is not None and not chosen:
        sections = sorted({one.section for one in students.values()} - {""})
        raise UserError(
            f"There is no section {section!r}; there are: {', '.join(sections) or 'none'}."
        )
    for one in chosen:
        one.percent = _percent(one, points, weights)
    chosen.sort(key=lambda one: (one.section, one.last_name, one.first_name, one.student))
    return CourseTotal(points, weights, chosen)


def _released(course: Course) -> dict[str, datetime | None]:
    """Return the due dates, in naive UTC, of the assignments in the gradebook, in name order."""
    ours = course.assignments()
    with course.gradebook() as gradebook:
        return {
            one.name: one.duedate
            for one in sorted(gradebook.assignments, key=lambda one: one.name)
            if one.name in ours and one.notebooks
        }


def _extended(course: Course, assignment: str) -> dict[str, datetime]:
    with course.gradebook() as gradebook:
        return read_extensions(gradebook.db, assignment)


def _is_over(due: datetime | None, until: datetime | None) -> bool:
    if due is None:
        return False
    return datetime.now(UTC).replace(tzinfo=None) > max(due, until or due)


def _percent(
    total: StudentTotal, points: Mapping[str, float], weights: Mapping[str, float]
) -> float | None:
    counted = [name for name in (*total.scores, *total.missing) if points[name] > 0]
    whole = sum(weights[name] for name in counted)
    if not whole:
        return None
    parts = (weights[name] * total.scores.get(name, 0.0) / points[name] for name in counted)
    return 100 * sum(parts) / whole


def write_total(course: Course, total: CourseTotal, to: Path | None = None) -> Path:
    """Write the totals as CSV, for a spreadsheet.

    Args:
        course: the course.
        total: what to write.
        to: the file, or the folder for it; `term/reports` by default.

    Raises:
        EnvironmentFault: the disk is full or the folder isn't writable.
    """
    path = Path(to) if to is not None else course.term / "reports"
    if path.is_dir() or to is None:
        path = path / TOTAL_FILE
    names = list(total.points)
    text = io.StringIO(newline="")
    out = csv.writer(text, lineterminator="\r\n")
    head = ["student_id", "first_name", "last_name", "section"]
    out.writerow([*head, *map(escape_formulas, names), "waiting", "missing", "percent"])
    for one in total.students:
        who = [one.student, one.first_name, one.last_name, one.section]
        scores = [decimal(one.scores[name]) if name in one.scores else "" for name in names]
        told = [" ".join(one.waiting), " ".join(one.missing)]
        percent = "" if one.percent is None else decimal(one.percent)
        out.writerow([*map(escape_formulas, who), *scores, *map(escape_formulas, told), percent])
    write_file(path, BOM + text.getvalue().encode("utf-8"))
    return path
