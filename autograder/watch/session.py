"""Take, run, grade and answer what arrives, with everything that makes it fast kept ready.

Two kinds of work go on side by side, each with one submission a student at a time:

* what a student is told before the due date: at once where it is the form, after a run of the
  visible tests otherwise;
* grading, whose result goes into the gradebook, and on a page once points may be shown.

The first never waits for the second, for how long grading takes depends on hidden tests. A newer
submission takes the place of one that waits to be graded; both count as attempts, because which of
them was graded would tell how long the first one took.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from nbformat import NotebookNode
from sqlalchemy.orm import Session

from autograder.config import Course
from autograder.core import notebook_io
from autograder.core.atomic_io import plain_disk_errors, write_file
from autograder.core.attempt_limits import FORM, POINTS, VISIBLE, AttemptLimits
from autograder.core.attempt_records import Attempt, Seen
from autograder.core.messages import Note, note
from autograder.core.notebook_language import shown_language
from autograder.core.printable import printable
from autograder.errors import AssignmentChanged, EnvironmentFault
from autograder.feedback.exchange import feedback_folder, release_feedback, release_page
from autograder.feedback.feedback import FeedbackRun
from autograder.feedback.grades import read_grades
from autograder.feedback.job import PageJob
from autograder.feedback.page_pool import RenderedPage, render_pages
from autograder.grading.cache_key import CacheKeys
from autograder.grading.coordinator import Runner, is_graded, publish
from autograder.grading.gradebook_writer import GradebookWriter
from autograder.grading.pool import ClusterWorkers, LocalWorkers, WorkerDied, run_each
from autograder.grading.prepare import PreparedSubmission, SubmissionPreparer
from autograder.grading.result import submission_result
from autograder.grading.result_folder import ResultFolder
from autograder.intake.accept import accept
from autograder.intake.collecting_lock import collecting_lock
from autograder.intake.errors import BadArchive, SubmissionRefused
from autograder.intake.exchange import InboundFolder, copy_out, doubt_about_time, enroll_owner
from autograder.intake.folders import FolderSource
from autograder.intake.history import read_history
from autograder.intake.identify import assignment_specs
from autograder.intake.nbgrader_files import is_secret
from autograder.intake.reader import Reader
from autograder.intake.rebuild import SourceNotebooks
from autograder.intake.staging import StagingFolder
from autograder.intake.upload import SECRET
from autograder.sandbox.errors import SandboxUnavailable
from autograder.watch import reply
from autograder.watch.attempts import AttemptBook
from autograder.watch.inbox import Inbox
from autograder.watch.summary import WatchSummary
from autograder.watch.turns import Turns
from autograder.watch.visible_run import visible_job
from autograder.watch.wake_ups import WakeUps

FEEDBACK = "feedback"
"""What is shown after the due date."""

TAKEN, REFUSED, UNUSABLE = "taken", "refused", "unusable"

_MOST_KEPT_BYTES = 2 * 1024 * 1024
_PAGES_AT_A_TIME = 2
_LONGEST_SECRET = 1_000
_FOR_EVERYONE = (EnvironmentFault, SandboxUnavailable, AssignmentChanged)


@dataclass
class Tools:
    """Hold what a session works with, made once for all submissions.

    Attributes:
        course: the course.
        assignment: the assignment's name.
        writer: of the gradebook.
        preparer: makes jobs of submissions.
        pool: runs them.
        runner: runs one of them on a worker.
        lanes: how many submissions are graded at a time, and how many are run for their visible
            checks.
        reader: opens what students hand in.
        staging: where files are copied first.
        inbox: what lies in the exchange.
        wake_ups: wakes the loop.
        say: tells the instructor a sentence.
        summary: counts what was done.
    """

    course: Course
    assignment: str
    writer: GradebookWriter
    preparer: SubmissionPreparer
    pool: LocalWorkers | ClusterWorkers
    runner: Runner
    lanes: int
    reader: Reader
    staging: StagingFolder
    inbox: Inbox
    wake_ups: WakeUps
    say: Callable[[str], object]
    summary: WatchSummary


@dataclass(frozen=True)
class _Running:
    """Hold what a worker has: whose, which attempt, and the submission."""

    student: str
    number: int
    work: PreparedSubmission


class GradingSession:
    """Do the work of `watch` for one version of an assignment.

    Args:
        tools: what it works with.
    """

    def __init__(self, tools: Tools) -> None:
        self._tools = tools
        self._course, self._assignment = tools.course, tools.assignment
        self._limits = AttemptLimits.of(tools.course, tools.assignment)
        self._book = AttemptBook(tools.writer)
        self._known = assignment_specs(tools.course)
        self._sources = SourceNotebooks(tools.course, tools.assignment)
        self._cache_keys = CacheKeys(tools.course, tools.assignment)
        self._pages = FeedbackRun(tools.course, tools.assignment, False, False)
        self._folder = feedback_folder(tools.course, tools.assignment)
        self._arrivals: Turns[InboundFolder] = Turns()
        self._to_run: Turns[int] = Turns()
        self._to_grade: Turns[int] = Turns()
        self._to_show: Turns[int] = Turns()
        self._overdue: Turns[int] = Turns()
        self._visible: dict[Future[list[bytes]], _Running] = {}
        self._grading: dict[Future[list[bytes]], _Running] = {}
        self._rendering: dict[Future[list[RenderedPage]], tuple[str, int, str]] = {}
        self._prepared: dict[str, tuple[int, PreparedSubmission]] = {}
        self._held: dict[str, tuple[str, datetime, datetime]] = {}
        self._failed: set[tuple[str, int]] = set()
        self._renderer = ThreadPoolExecutor(_PAGES_AT_A_TIME)
        for student in self._book.students:
            self._owe(student)

    def close(self) -> None:
        """Wait for pages that are being made; leave everything else as it is."""
        self._renderer.shutdown(cancel_futures=True)
        for attempts in map(self._book.of, self._book.students):
            waits = [one for one in attempts[-1:] if not one.graded]
            self._tools.summary.waiting += len(waits)

    def look(self, thoroughly: bool) -> None:
        """See what has arrived.

        Args:
            thoroughly: see also what has changed, in the exchange and in the gradebook.
        """
        if thoroughly:
            self._book.refresh()
            self._failed.clear()
            for student in self._book.students:
                self._owe(student)
        newest = self._tools.inbox.look(thoroughly)
        now = datetime.now(UTC)
        self._held = {who: held for who, held in self._held.items() if held[2] > now}
        while self._tools.inbox.refused:
            self._tools.say(self._tools.inbox.refused.pop(0))
        for student, found in newest.items():
            if student not in self._book.dropped and not self._is_dealt_with(student, found):
                self._arrivals.put(student, found)

    def _is_dealt_with(self, student: str, found: InboundFolder) -> bool:
        held = self._held.get(student)
        if held is not None and held[:2] == (found.place.name, found.changed):
            return True
        seen = self._book.seen.get(student)
        if seen is None or (seen.name, seen.changed) != (found.place.name, found.changed):
            return False
        used = len(self._book.of(student))
        return seen.outcome != REFUSED or self._limits.is_used_up(used)

    def step(self) -> bool:
        """Do what can be done now; return whether there is more to do at once."""
        self._settle()
        turn = self._arrivals.take()
        if turn is not None:
            self._take_in(*turn)
        self._fill_lanes()
        return bool(self._arrivals)

    def seconds_to_next(self) -> Iterator[float | None]:
        """Yield when something has to be looked at again, in seconds; None for never."""
        yield self._tools.inbox.seconds_to_next_look()
        now = datetime.now(UTC)
        for _name, _changed, until in self._held.values():
            yield max(0.0, (until - now).total_seconds())

    # Taking a submission in.

    def _take_in(self, student: str, found: InboundFolder) -> None:
        attempts = self._book.of(student)
        if self._limits.is_used_up(len(attempts)):
            self._refuse(student, found)
            return
        last = self._book.last(student)
        until = self._limits.held_until(last.taken if last else None, datetime.now(UTC))
        if until is not None:
            self._hold(student, found, until)
            return
        self._held.pop(student, None)
        seen = Seen(found.place.name, found.changed, TAKEN)
        try:
            with collecting_lock(self._course):
                self._collect(student, found)
        except (SubmissionRefused, BadArchive) as error:
            self._unusable(student, found, str(error))
            return
        except EnvironmentFault:
            raise
        except OSError as error:
            self._unusable(student, found, f"{found.place.name} can't be read ({error.strerror})")
            return
        history = read_history(self._course, student, self._assignment)
        attempt = self._book.take(student, history[-1].folder, seen)
        self._tools.summary.taken.append(student)
        self._book.refresh()
        self._tell_form(student, attempt)
        self._owe(student)

    def _collect(self, student: str, found: InboundFolder) -> None:
        arrival = copy_out(found, self._tools.staging)
        if doubt := doubt_about_time(found, arrival):
            self._tools.say(doubt)
        if student not in self._book.enrolled and enroll_owner(self._course, student):
            self._tools.say(f"{student} wasn't in the class list and was added to it.")
        spec, due = self._known[self._assignment], self._book.due(student)
        reader, staging = self._tools.reader, self._tools.staging
        with plain_disk_errors(self._course.term):
            accept(self._course, spec, self._known, arrival, due, reader, staging)

    def _refuse(self, student: str, found: InboundFolder) -> None:
        self._notice(student, found, [note(reply.NONE_LEFT, most=self._limits.attempts)])
        self._book.note_seen(student, Seen(found.place.name, found.changed, REFUSED))
        self._tools.summary.refused += 1
        self._tools.say(
            f"{student}: not taken, because all {self._limits.attempts} attempts were used before."
        )

    def _hold(self, student: str, found: InboundFolder, until: datetime) -> None:
        self._held[student] = (found.place.name, found.changed, until)
        time_told = reply.local_time(until, self._course.time_zone)
        self._notice(student, found, [note(reply.HELD, time=time_told)])
        self._tools.say(f"{student}: held until {time_told}, when the pause between attempts ends.")

    def _unusable(self, student: str, found: InboundFolder, why: str) -> None:
        self._notice(student, found, [note(reply.UNUSABLE)])
        self._book.note_seen(student, Seen(found.place.name, found.changed, UNUSABLE))
        self._tools.summary.refused += 1
        self._tools.say(f"{student}: not taken: {why}")

    def _notice(self, student: str, found: InboundFolder, said: list[Note]) -> None:
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

    # What is owed to a student.

    def _level(self, student: str) -> str:
        return FEEDBACK if self._book.is_over(student) else self._limits.show

    def _owe(self, student: str) -> None:
        """Queue what has still to be done for a student's last attempt."""
        attempt = self._book.last(student)
        if attempt is None or (student, attempt.number) in self._failed:
            return
        level, number = self._level(student), attempt.number
        has_left = student in self._book.dropped
        is_untold = attempt.told == "" or (level == VISIBLE and attempt.told == FORM)
        if not attempt.graded and not has_left and not _has(self._grading, student, number):
            self._to_grade.put(student, number)
        if is_untold and not _has(self._visible, student, number):
            self._to_run.put(student, number)
        if attempt.graded and level in (POINTS, FEEDBACK) and attempt.told not in (level, FEEDBACK):
            due = self._book.due(student)
            # When an assignment falls due, whoever hands in then need not wait for everyone's page.
            is_old = level == FEEDBACK and due is not None and attempt.taken <= due
            if (student, number, level) not in self._rendering.values():
                (self._overdue if is_old else self._to_show).put(student, number)

    def _work(self, student: str, number: int) -> PreparedSubmission:
        kept = self._prepared.pop(student, None)
        if kept is not None and kept[0] == number:
            return kept[1]
        return self._tools.preparer.work(student)

    def _keep_prepared(self, student: str, number: int, work: PreparedSubmission) -> None:
        if sum(map(len, work.jobs)) + sum(map(len, work.files.values())) <= _MOST_KEPT_BYTES:
            self._prepared[student] = (number, work)

    def _fill_lanes(self) -> None:
        lanes, pool, runner = self._tools.lanes, self._tools.pool, self._tools.runner
        while len(self._visible) < lanes and (turn := self._to_run.take(_whose(self._visible))):
            student, number = turn
            attempt = self._book.of(student)[number - 1]
            if attempt.told == "":
                self._tell_form(student, attempt)
            if self._level(student) != VISIBLE:
                continue
            work = self._tried(student, number)
            if work is not None:
                self._keep_prepared(student, number, work)
                jobs = [visible_job(job) for job in work.jobs]
                future = pool.submit(run_each, runner, jobs)
                self._visible[future] = _Running(student, number, work)
                future.add_done_callback(self._tools.wake_ups.set)
        busy = {*_whose(self._grading), *(one[0] for one in self._rendering.values())}
        while len(self._grading) < lanes and (turn := self._to_grade.take(busy)):
            student, number = turn
            busy.add(student)
            if self._is_graded(student):
                self._book.update(student, number, graded=True)
                self._owe(student)
                continue
            work = self._tried(student, number)
            if work is not None:
                future = pool.submit(run_each, runner, work.jobs)
                self._grading[future] = _Running(student, number, work)
                future.add_done_callback(self._tools.wake_ups.set)
        self._fill_renderer()

    def _is_graded(self, student: str) -> bool:
        """Return whether `grade` did it, or a run that was interrupted before it said so."""
        graded = is_graded(self._course, student, self._assignment, self._cache_keys)
        return graded and student in self._tools.writer.students()

    def _fill_renderer(self) -> None:
        while len(self._rendering) < _PAGES_AT_A_TIME:
            busy = {*_whose(self._grading), *(one[0] for one in self._rendering.values())}
            turn = self._to_show.take(busy) or self._overdue.take(busy)
            if turn is None:
                return
            student, number = turn
            self._book.refresh()  # a due date that has just been moved counts
            level = self._level(student)
            if level not in (POINTS, FEEDBACK):
                continue
            jobs = self._page_jobs(student, self._book.of(student)[number - 1])
            future = self._renderer.submit(_rendered, jobs)
            self._rendering[future] = (student, number, level)
            future.add_done_callback(self._tools.wake_ups.set)

    def _page_jobs(self, student: str, attempt: Attempt) -> list[PageJob]:
        with self._course.plain_gradebook_errors():
            gradebook = self._tools.writer.gradebook
            try:
                grades = read_grades(gradebook, self._assignment, student).get(student, {})
            finally:
                gradebook.db.remove()
        zone = self._course.time_zone
        said = reply.attempt_notes(self._limits, attempt.number, attempt.taken, zone)
        return list(self._pages.jobs(student, grades, said))

    def _tried(self, student: str, number: int) -> PreparedSubmission | None:
        """Return a submission ready to run; None if preparing it failed unexpectedly."""
        try:
            return self._work(student, number)
        except _FOR_EVERYONE:
            raise
        except Exception as error:
            self._fail(student, number, error)
            return None

    def _fail(self, student: str, number: int, error: BaseException) -> None:
        """Note a fault of ours: nobody gets a score for it, and it is tried again later."""
        self._failed.add((student, number))
        log = self._course.term / "last-error.log"
        said = "".join(traceback.format_exception(error))
        write_file(log, printable(f"{student}:\n{said}").encode("utf-8"))
        self._tools.say(
            f"{student}: attempt {number} could not be graded; the details are in {log}, and it "
            "is tried again."
        )

    # Telling a student.

    def _tell_form(self, student: str, attempt: Attempt) -> None:
        work = self._tried(student, attempt.number)
        if work is None:
            return
        self._keep_prepared(student, attempt.number, work)
        self._tell(student, attempt, work, work.rebuilt, FORM)
        self._tools.say(f"{student}: attempt {attempt.number} was taken.")

    def _tell(
        self,
        student: str,
        attempt: Attempt,
        work: PreparedSubmission,
        notebooks: dict[str, NotebookNode],
        told: str,
    ) -> None:
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

    # What has ended.

    def _settle(self) -> None:
        for future in [one for one in self._visible if one.done()]:
            self._settle_visible(self._visible.pop(future), future)
        for future in [one for one in self._grading if one.done()]:
            self._settle_graded(self._grading.pop(future), future)
        for rendered in [one for one in self._rendering if one.done()]:
            self._settle_page(*self._rendering.pop(rendered), rendered)

    def _settle_visible(self, done: _Running, future: Future[list[bytes]]) -> None:
        attempt = self._book.of(done.student)[done.number - 1]
        if attempt is not self._book.last(done.student) or attempt.told not in ("", FORM):
            return
        notebooks = self._results(done, future)
        if notebooks is not None and self._level(done.student) == VISIBLE:
            self._tell(done.student, attempt, done.work, notebooks, VISIBLE)

    def _settle_graded(self, done: _Running, future: Future[list[bytes]]) -> None:
        results = self._results(done, future)
        if results is None:
            return
        student, number = done.student, done.number
        folder = ResultFolder(self._course, student, self._assignment)

        def mark(session: Session) -> None:
            self._book.write_update(session, student, number, graded=True)

        try:
            folder.finish(results, done.work.files, done.work.record)
            publish(folder, results, done.work.record, self._tools.writer, mark)
            self._book.keep_update(student, number, graded=True)
            self._say_result(student, number)
        except _FOR_EVERYONE:
            raise
        except Exception as error:
            self._fail(student, number, error)
            return
        self._owe(student)

    def _results(
        self, done: _Running, future: Future[list[bytes]]
    ) -> dict[str, NotebookNode] | None:
        try:
            return self._tools.preparer.results(done.work, future.result())
        except WorkerDied:
            return self._tools.preparer.unscored_results(done.work)
        except _FOR_EVERYONE:
            raise
        except Exception as error:
            self._fail(done.student, done.number, error)
            return None

    def _say_result(self, student: str, number: int) -> None:
        with self._course.plain_gradebook_errors():
            gradebook = self._tools.writer.gradebook
            try:
                found = submission_result(self._course, student, self._assignment, gradebook)
            finally:
                # Else the gradebook would stay open for reading and keep others from writing.
                gradebook.db.remove()
        self._tools.summary.graded += 1
        late = (
            f", handed in late by {found.late_seconds / 3600:.1f} h" if found.late_seconds else ""
        )
        points = f"{round(found.score, 2):g} of {found.max_score:g} points"
        self._tools.say(f"{student}: attempt {number} was graded: {points}{late}.")

    def _settle_page(
        self, student: str, number: int, level: str, future: Future[list[RenderedPage]]
    ) -> None:
        try:
            made = future.result()
        except Exception as error:
            self._fail(student, number, error)
            return
        self._book.refresh()
        if self._level(student) not in (POINTS, FEEDBACK):
            return
        for one in made:
            self._pages.write(one)
        folder = self._course.feedback / student / self._assignment
        pages = [folder / f"{one.job.notebook}.html" for one in made]
        release_feedback(self._course, self._assignment, [one for one in pages if one.is_file()])
        for student_told, why in self._pages.result.failed.items():
            self._tools.say(f"{student_told}: {why}")
        self._pages.result.failed.clear()
        self._book.update(student, number, told=level)
        self._owe(student)


def _rendered(jobs: list[PageJob]) -> list[RenderedPage]:
    return list(render_pages(jobs, width=1))


def _has(running: dict[Future[list[bytes]], _Running], student: str, number: int) -> bool:
    return any((one.student, one.number) == (student, number) for one in running.values())


def _whose(running: dict[Future[list[bytes]], _Running]) -> Collection[str]:
    return {one.student for one in running.values()}


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
