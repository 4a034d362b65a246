"""Export a class's scores as CSV: a full table, and files that Canvas and Moodle import.

All three are UTF-8, quoted as in RFC 4180, with CRLF line endings. Formulas in text that comes
from students are escaped (`escape_formulas`), so that no spreadsheet computes them.

Canvas's layout is the one its gradebook exports and imports: the columns Student, ID,
SIS User ID, SIS Login ID and Section, then a column per assignment, and a second line
"Points Possible" (Canvas, lib/gradebook_importer.rb). Canvas looks a student up by ID (its own
number), then by either SIS column. Moodle lets you choose the columns when you import
(docs.moodle.org, "Grade import"): map `Email address` to the email address, or `ID number` to
the ID number.

Neither gets a line for a student without a submission, so that the LMS's own rule for missing
work applies, nor for one whose written answers aren't graded yet, so that no partial score is
shown.
"""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections.abc import Iterable

from autograder.core.printable import one_line
from autograder.report.gradesheet import GradeSheet, Row

BOM = b"\xef\xbb\xbf"
"""The byte order mark, which makes Excel read a CSV file as UTF-8."""

_FORMULA_START = re.compile(r"(^|[;,])(\s*)([=+\-@＝＋－＠])")


def escape_formulas(text: str) -> str:
    """Return `text` on one line, with an apostrophe before everything a spreadsheet would compute.

    A cell that starts with = + - @ (or their full-width forms) is a formula to Excel,
    LibreOffice and Google Sheets; so is what follows a ; or , where that separates cells. The
    apostrophe makes it text. Source: OWASP, "CSV Injection".
    """
    plain = "".join(
        " " if unicodedata.category(char) in ("Cc", "Zl", "Zp") else char for char in text
    )
    return _FORMULA_START.sub(r"\1\2'\3", one_line(plain))


def decimal(value: float) -> str:
    """Return a number as a decimal: at most four places, no exponent, no trailing zeros."""
    text = f"{value:.4f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def _csv(lines: Iterable[Iterable[str | float]], bom: bool = False) -> bytes:
    """Return the rows as CSV, with numbers as decimals and formulas escaped."""
    buffer = io.StringIO(newline="")
    csv.writer(buffer, lineterminator="\r\n").writerows(
        [escape_formulas(cell) if isinstance(cell, str) else decimal(cell) for cell in line]
        for line in lines
    )
    return (BOM if bom else b"") + buffer.getvalue().encode("utf-8")


def full_csv(sheet: GradeSheet, excel: bool = False) -> bytes:
    """Return the full table, one line per student: status, score, penalty, each question.

    Students without a submission have empty scores. A question that is waiting for manual
    grading has an empty cell, and the score is the one so far (`status` is "waiting").

    Args:
        sheet: the class's results.
        excel: whether to begin with a byte order mark, without which Excel garbles Hangul.
    """
    head = [
        "student_id",
        "first_name",
        "last_name",
        "email",
        "lms_user_id",
        "status",
        "score",
        "max_score",
        "late_seconds",
        "penalty",
    ]
    lines: list[list[str | float]] = [[*head, *(question.name for question in sheet.questions)]]
    for row in sheet.rows:
        who = [row.student, row.first_name, row.last_name, row.email, row.lms_user_id]
        line: list[str | float] = [*who, row.status]
        if row.submitted:
            line += [row.score, sheet.max_score, row.late_seconds, row.penalty]
            line += [
                "" if question.key in row.waiting else row.scores.get(question.key, 0.0)
                for question in sheet.questions
            ]
        else:
            line += ["", sheet.max_score, "", "", *("" for _question in sheet.questions)]
        lines.append(line)
    return _csv(lines, bom=excel)


def _final(sheet: GradeSheet) -> list[Row]:
    """Return the students whose scores are final."""
    return [row for row in sheet.rows if row.status == "graded"]


def _sortable_name(row: Row) -> str:
    names = [name for name in (row.last_name, row.first_name) if name]
    return ", ".join(names) or row.student


def canvas_csv(sheet: GradeSheet) -> bytes:
    """Return the file for Canvas: Gradebook → Import. The column must match the name in Canvas."""
    lines: list[list[str | float]] = [
        ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", sheet.assignment],
        ["    Points Possible", "", "", "", "", sheet.max_score],
    ]
    for row in _final(sheet):
        # Canvas identifies students by its own number, if the gradebook has it.
        own = row.lms_user_id if row.lms_user_id.isdecimal() else ""
        lines.append([_sortable_name(row), own, row.student, row.student, "", row.score])
    return _csv(lines)


def moodle_csv(sheet: GradeSheet) -> bytes:
    """Return the file for Moodle: Grades → Import → CSV file; map email address or ID number."""
    lines: list[list[str | float]] = [["ID number", "Email address", sheet.assignment]]
    for row in _final(sheet):
        key = row.lms_user_id or row.student
        lines.append([key, row.email, row.score])
    return _csv(lines)
