"""Pack feedback pages as an LMS takes files back, each under the name it was downloaded with.

* Moodle, "Upload multiple feedback files in a zip": a folder for each student, named as in the
  download, `Minjun Kim_98_assignsubmission_file_/quiz.html`, or the same flat
  (mod/assign/feedback/file/importziplib.php: the number says whose it is).
* Canvas, "Upload Submissions": flat, named as in the download, `kimminjun_123_4567_quiz.html`
  (`infer_comment_context_from_filename`: the two numbers say whose it is; the file becomes a
  comment's attachment).

The names come from what collecting recorded.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from autograder.config import Course
from autograder.core.atomic_io import write_file
from autograder.core.collection_receipt import find_receipt
from autograder.core.counting import counted
from autograder.errors import UserError
from autograder.intake.lms_filenames import name_to_return

LMS = {"canvas": "Canvas", "moodle": "Moodle"}
"""What a pack can be made for, and what people call it."""

_WHEN = (1980, 1, 1, 0, 0, 0)
"""The time of every entry, so that the same pages make the same zip."""


@dataclass
class PackedFeedback:
    """What was packed.

    Attributes:
        path: the zip.
        lms: what it is for.
        pages: how many pages are in it.
        left_out: the students whose work didn't come from there.
    """

    path: Path
    lms: str
    pages: int = 0
    left_out: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        where = {
            "canvas": "in Canvas, upload it on the assignment's page with Upload Submissions",
            "moodle": "in Moodle, upload it under Submissions with Upload multiple feedback files "
            "in a zip",
        }[self.lms]
        pages = counted(self.pages, "page")
        said = f"{pages} {'is' if self.pages == 1 else 'are'} in {self.path}; {where}."
        if self.left_out:
            who = ", ".join(self.left_out[:20])
            more = len(self.left_out) - 20
            who += f" and {more} more" if more > 0 else ""
            said += f" Not collected from {LMS[self.lms]}, so not in it: {who}."
        return said


def pack_feedback(
    course: Course, assignment: str, lms: str, pages: Iterable[Path]
) -> PackedFeedback:
    """Write the zip that returns pages through an LMS, `term/returns/<assignment>-<lms>.zip`.

    Args:
        course: the course.
        assignment: the assignment's name.
        lms: a key of `LMS`.
        pages: pages in `term/feedback`.

    Raises:
        UserError: it is no such LMS, or nothing was collected from it.
        EnvironmentFault: the disk is full.
    """
    if lms not in LMS:
        raise UserError(f"--pack knows no {lms!r}; choose one of: {', '.join(LMS)}.")
    result = PackedFeedback(course.term / "returns" / f"{assignment}-{lms}.zip", lms)
    buffer = io.BytesIO()
    used: set[str] = set()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as pack:
        for page in pages:
            student = page.parts[-3]
            receipt = find_receipt(course, student, assignment)
            name = (
                name_to_return(lms, receipt.name, page.name)
                if receipt is not None and receipt.origin == lms
                else None
            )
            if name is None or name.casefold() in used:
                result.left_out.append(student)
                continue
            used.add(name.casefold())
            entry = zipfile.ZipInfo(name, _WHEN)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            pack.writestr(entry, page.read_bytes())
            result.pages += 1
    if not result.pages:
        raise UserError(
            f"No submission of {assignment} was collected from a download of {LMS[lms]}, so the "
            f"names under which {LMS[lms]} takes files back aren't known; collect from its zip, or "
            "return the pages as you received the work."
        )
    result.left_out = sorted(set(result.left_out))
    write_file(result.path, buffer.getvalue())
    return result
