"""An untouched notebook in place of one that can't be read, so that it ends with 0 and a reason."""

from __future__ import annotations

from pathlib import Path

from autograder.course import MASTER_LANGUAGE, Course
from autograder.errors import UserError
from autograder.files import write_file
from autograder.notes import N_, Receipt, find_receipt, note, record_receipt

UNREADABLE = N_("Your notebook couldn't be read, so nothing could be graded: {reason}")


def stand_in(course: Course, student: str, assignment: str, path: Path, reason: str) -> None:
    """Replace `path` in `term/submitted` by the released notebook, and note why.

    The unreadable file moves to `term/collected`, so nothing is lost.
    """
    blank = course.release(MASTER_LANGUAGE) / assignment / path.name
    if not blank.is_file():
        raise UserError(f"{path} can't be read ({reason}) and no release has its name; remove it.")
    kept = course.collected / student / assignment / "unreadable" / path.name
    write_file(kept, path.read_bytes())
    write_file(path, blank.read_bytes())
    before = find_receipt(course, student, assignment)
    receipt = before or Receipt(received="", origin="exchange", name=path.name)
    said = note(UNREADABLE, reason=reason)
    if said not in receipt.notes:
        receipt.notes.append(said)
    record_receipt(course, student, assignment, receipt)
