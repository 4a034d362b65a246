"""Return feedback pages through nbgrader's exchange, to those who handed in through it.

nbgrader names a released page by a hash of the secret that `nbgrader submit` made with the
submission, and the student's `nbgrader fetch_feedback` looks for that name. What came in another
way has no secret: its page can't be found there, and stands in nobody's way.
"""

from __future__ import annotations

import glob
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from nbgrader.exchange.default import ExchangeReleaseFeedback
from nbgrader.utils import notebook_hash

from autograder.config import Course
from autograder.core.atomic_io import write_file
from autograder.core.counting import counted
from autograder.errors import UserError
from autograder.intake.nbgrader_files import is_secret, read_small_file
from autograder.intake.upload import SECRET

_FOLDER_MODE = 0o711
"""That of nbgrader: students may open a page whose name they know, but list none."""


@dataclass
class ReleasedFeedback:
    """What was released.

    Attributes:
        folder: where the pages lie in the exchange.
        pages: how many were released.
        not_by_exchange: the students who handed in another way.
    """

    folder: Path
    pages: int = 0
    not_by_exchange: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        said = (
            f"{counted(self.pages, 'page')} in the exchange, for students to fetch: {self.folder}."
        )
        if not self.not_by_exchange:
            return said
        who = ", ".join(self.not_by_exchange[:20])
        more = len(self.not_by_exchange) - 20
        who += f" and {more} more" if more > 0 else ""
        return (
            f"{said} Not handed in through the exchange, so not returned through it: {who}; return "
            "these pages with --pack, or as you received the work."
        )


def release_feedback(course: Course, assignment: str, pages: Iterable[Path]) -> ReleasedFeedback:
    """Copy pages into the exchange.

    Args:
        course: the course.
        assignment: the assignment's name.
        pages: pages in `term/feedback`.

    Raises:
        UserError: there is no exchange.
        EnvironmentFault: the exchange can't be written.
    """
    result = ReleasedFeedback(feedback_folder(course, assignment))
    for page in pages:
        student = page.parts[-3]
        secret = _secret(course, student, assignment)
        if secret is None:
            result.not_by_exchange.append(student)
            continue
        release_page(result.folder, secret, page.stem, page.read_bytes())
        result.pages += 1
    result.not_by_exchange = sorted(set(result.not_by_exchange))
    return result


def feedback_folder(course: Course, assignment: str) -> Path:
    """Return the folder of the exchange for pages, made if need be.

    Raises:
        UserError: there is no exchange.
    """
    base = exchange_folder(course)
    if not base.is_dir():
        raise UserError(
            f"There is no exchange at {base}; release {assignment} with --exchange first, or "
            "return the pages through the LMS with --pack."
        )
    folder = base / "feedback"
    if not folder.is_dir():
        folder.mkdir()
        folder.chmod(_FOLDER_MODE)
    return folder


def release_page(folder: Path, secret: str, notebook: str, content: bytes) -> None:
    """Put a page where its student's `fetch_feedback` looks for it.

    Args:
        folder: the exchange's folder for pages.
        secret: the submission's.
        notebook: the notebook's name, without ending.
        content: the page.

    Raises:
        EnvironmentFault: the exchange can't be written.
    """
    name = notebook_hash(secret=secret, notebook_id=notebook)
    write_file(folder / f"{name}.html", content)


def count_returned(course: Course, assignment: str) -> int:
    """Return how many students' pages of an assignment lie in the exchange."""
    folder = exchange_folder(course) / "feedback"
    returned = set()
    for student in course.students_in("feedback", assignment):
        secret = _secret(course, student, assignment)
        for page in course.place("feedback", student, assignment).glob("*.html"):
            if secret is not None:
                name = notebook_hash(secret=secret, notebook_id=page.stem)
                if (folder / f"{name}.html").is_file():
                    returned.add(student)
    return len(returned)


def exchange_folder(course: Course) -> Path:
    """Return the course's folder in the exchange."""
    return Path(course.nbgrader_config().Exchange.root) / course.id


def _secret(course: Course, student: str, assignment: str) -> str | None:
    """Return the secret of the submission that was graded; None if it has none."""
    content = read_small_file(course.place("autograded", student, assignment) / SECRET)
    return content.decode("ascii") if content and is_secret(content) else None


class ReleaseFeedback(ExchangeReleaseFeedback):
    """Let Formgrader's button and nbgrader's own command do the same."""

    def copy_files(self) -> None:
        """Copy the pages of those who handed in through the exchange, and name the others."""
        excluded = set(filter(None, (self.coursedir.student_id_exclude or "").split(",")))
        found = sorted(glob.glob(str(Path(self.src_path) / "*.html")))
        pages = [page for page in map(Path, found) if page.parts[-3] not in excluded]
        course = Course.of_step(self)
        result = release_feedback(course, self.coursedir.assignment_id, pages)
        self.log.info("%s", result)
