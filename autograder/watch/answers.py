"""Put what a student is told where the student can fetch it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from nbformat import NotebookNode

from autograder.core import notebook_io
from autograder.core.attempt_limits import AttemptLimits
from autograder.core.attempt_records import Attempt
from autograder.core.messages import Note
from autograder.core.notebook_language import shown_language
from autograder.errors import UserError
from autograder.feedback.exchange import feedback_folder, release_feedback, release_page
from autograder.feedback.feedback import FeedbackRun
from autograder.feedback.grades import read_grades
from autograder.feedback.job import PageJob
from autograder.feedback.page_pool import RenderedPage
from autograder.grading.prepare import PreparedSubmission
from autograder.intake.errors import BadArchive
from autograder.intake.exchange import InboundFolder
from autograder.intake.folders import FolderSource
from autograder.intake.nbgrader_files import is_secret
from autograder.intake.rebuild import SourceNotebooks
from autograder.intake.upload import SECRET
from autograder.watch import reply
from autograder.watch.attempts import AttemptBook
from autograder.watch.tools import Tools

_LONGEST_SECRET = 1_000


class Answers:
    """Make and release pages, and record how much a student has been told.

    Args:
        tools: what the session works with.
        limits: of the assignment.
        book: the attempts.
    """

    def __init__(self, tools: Tools, limits: AttemptLimits, book: AttemptBook) -> None:
        self._tools = tools
        self._course, self._assignment = tools.course, tools.assignment
        self._limits = limits
        self._book = book
        self._sources = SourceNotebooks(tools.course, tools.assignment)
        self._pages = FeedbackRun(tools.course, tools.assignment, False, False)
        self._folder = feedback_folder(tools.course, tools.assignment)

    def notice(self, student: str, found: InboundFolder, said: Sequence[Note]) -> None:
        """Release a page on a submission that isn't taken, found by the secret in it."""
        secret = _secret_in(found)
        if secret is None:
            return
        language = self._language_of(student)
        for name in self._tools.writer.notebooks:
            released = self._sources.get(name, language).released
            page = reply.notice_page(student, released, language, said)
            release_page(self._folder, secret, name, page)

    def _language_of(self, student: str) -> str:
        folder = self._course.autograded / student / self._assignment
        for path in sorted(folder.glob("*.ipynb")):
            return shown_language(notebook_io.read_graded(path))
        return self._course.released_language

    def tell(
        self,
        student: str,
        attempt: Attempt,
        work: PreparedSubmission,
        notebooks: dict[str, NotebookNode],
        told: str,
    ) -> None:
        """Release what may be told before the due date.

        Args:
            student: the student's id.
            attempt: the attempt.
            work: the submission.
            notebooks: its notebooks as rebuilt, or as the visible run left them, by name.
            told: how much is told, `FORM` or `VISIBLE`.

        Raises:
            EnvironmentFault: the exchange or the gradebook can't be written.
        """
        secret = work.files.get(SECRET, b"")
        if is_secret(secret):
            zone, due = self._course.time_zone, self._book.due(student)
            said = reply.attempt_notes(self._limits, attempt.number, attempt.taken, zone)
            is_over = self._book.is_over(student)
            said += reply.shown_notes(told, self._limits.show, due, is_over, zone)
            for name, notebook in notebooks.items():
                page = reply.reply_page(student, notebook, said, told)
                release_page(self._folder, secret.decode("ascii"), name, page)
        self._book.update(student, attempt.number, told=told)

    def page_jobs(self, student: str, attempt: Attempt) -> list[PageJob]:
        """Return what a graded attempt's pages are made from.

        Raises:
            EnvironmentFault: the gradebook can't be read.
        """
        with self._course.plain_gradebook_errors():
            gradebook = self._tools.writer.gradebook
            try:
                grades = read_grades(gradebook, self._assignment, student).get(student, {})
            finally:
                gradebook.db.remove()
        zone = self._course.time_zone
        said = reply.attempt_notes(self._limits, attempt.number, attempt.taken, zone)
        return list(self._pages.jobs(student, grades, said))

    def release(self, student: str, number: int, made: list[RenderedPage], told: str) -> None:
        """Release the pages of a graded attempt.

        Args:
            student: the student's id.
            number: the attempt's.
            made: the pages.
            told: how much they show.

        Raises:
            EnvironmentFault: the exchange or the gradebook can't be written.
            UserError: a page couldn't be written.
        """
        result = self._pages.result
        before = len(result.pages)
        for one in made:
            self._pages.write(one)
        # Where one couldn't be written, the page of an earlier attempt may still stand.
        pages = result.pages[before:]
        release_feedback(self._course, self._assignment, pages)
        failed = list(result.failed.values())
        result.failed.clear()
        if len(pages) < len(made):
            raise UserError(" ".join(failed))
        for why in failed:
            self._tools.say(why)
        self._book.update(student, number, told=told)


def _secret_in(found: InboundFolder) -> str | None:
    """Return the secret in a folder of the exchange, which nothing has judged yet."""
    try:
        source = FolderSource.of_student(found.place, found.status)
        for member in source.members:
            if isinstance(member.key, Path) and member.key == found.place / SECRET:
                content = _first_bytes(source.open(member))
                return content.decode("ascii") if is_secret(content) else None
    except (BadArchive, OSError, UnicodeDecodeError):
        pass
    return None


def _first_bytes(descriptor: int) -> bytes:
    with open(descriptor, "rb") as stream:
        return stream.read(_LONGEST_SECRET)
