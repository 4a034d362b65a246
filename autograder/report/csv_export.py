"""The class's scores as CSV: a full table, and what Canvas and Moodle import.

All three are UTF-8, quoted as RFC 4180 says, with CRLF at the end of each line. Text that
comes from students is escape_formulas (`escape_formulas`), so that no spreadsheet takes it for a formula.

Canvas's layout is the one its gradebook exports and imports: the columns Student, ID,
SIS User ID, SIS Login ID and Section, then a column an assignment, and a second line
"Points Possible" (Canvas, lib/gradebook_importer.rb). Canvas looks a student up by ID (its own
number), then by either SIS column. Moodle lets you choose the columns when you import
(docs.moodle.org, "Grade import"): map `Email address` to the email address, or `ID number` to
the ID number.

Neither gets a line for a student who handed nothing in, so the LMS's own rule for missing
work applies, nor for one whose written answers still wait, so that no half score is shown.
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
"""What makes Excel read a CSV as UTF-8."""

_FORMULA_START = re.compile(r"(^|[;,])(\s*)([=+\-@＝＋－＠])")


def escape_formulas(text: str) -> str:
    """`text` on one line, with an apostrophe before whatever a spreadsheet would compute.

    A cell that starts with = + - @ (or their full-width forms) is a formula to Excel,
    LibreOffice and Google Sheets; so is what follows a ; or , where that separates cells. The
    apostrophe makes it text. Source: OWASP, "CSV Injection".
    """
    plain = "".join(
        " " if unicodedata.category(char) in ("Cc", "Zl", "Zp") else char for char in text
    )
    return _FORMULA_START.sub(r"\1\2'\3", one_line(plain))


def decimal(value: float) -> str:
    """A score as a plain decimal: at most four places, no exponent, no trailing zeros."""
    text = f"{value:.4f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def _csv(lines: Iterable[Iterable[str | float]], bom: bool = False) -> bytes:
    """Return the rows as CSV: every number as `decimal` has it, every text escape_formulas."""
    buffer = io.StringIO(newline="")
    csv.writer(buffer, lineterminator="\r\n").writerows(
        [escape_formulas(cell) if isinstance(cell, str) else decimal(cell) for cell in line]
        for line in lines
    )
    return (BOM if bom else b"") + buffer.getvalue().encode("utf-8")


def full_csv(sheet: GradeSheet, excel: bool = False) -> bytes:
    """Everything, a line a student: who, status, score, lateness, penalty, each question.

    Students without a submission have empty scores. A question that waits for a person has an
    empty cell, and the score is what there is so far (`status` says "waiting").

    Args:
        excel: begin with a byte order mark, so that Excel shows Hangul as Hangul.
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
    lines = [head + [question.name for question in sheet.questions]]
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
            line += ["", sheet.max_score, "", ""] + [""] * len(sheet.questions)
        lines.append(line)
    return _csv(lines, bom=excel)


def _final(sheet: GradeSheet) -> list[Row]:
    """The students whose score can stand in an LMS."""
    return [row for row in sheet.rows if row.status == "graded"]


def _sortable_name(row: Row) -> str:
    names = [name for name in (row.last_name, row.first_name) if name]
    return ", ".join(names) or row.student


def canvas_csv(sheet: GradeSheet) -> bytes:
    """For Canvas: Gradebook → Import. The column takes the assignment's name in Canvas."""
    lines = [
        ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", sheet.assignment],
        ["    Points Possible", "", "", "", "", sheet.max_score],
    ]
    for row in _final(sheet):
        # Canvas tells students apart by its own number, where the gradebook has it.
        own = row.lms_user_id if row.lms_user_id.isdecimal() else ""
        lines.append([_sortable_name(row), own, row.student, row.student, "", row.score])
    return _csv(lines)


def moodle_csv(sheet: GradeSheet) -> bytes:
    """For Moodle: Grades → Import → CSV file; map the email address or the ID number."""
    lines = [["ID number", "Email address", sheet.assignment]]
    for row in _final(sheet):
        key = row.lms_user_id or row.student
        lines.append([key, row.email, row.score])
    return _csv(lines)
