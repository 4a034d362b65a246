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

import time
import traceback
from collections.abc import Collection, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from nbformat import NotebookNode
from sqlalchemy.orm import Session

from autograder.core.atomic_io import write_file
from autograder.core.attempt_limits import FORM, POINTS, VISIBLE, AttemptLimits
from autograder.core.attempt_records import Attempt
from autograder.core.printable import printable
from autograder.errors import AssignmentChanged, EnvironmentFault, UserError
from autograder.feedback.job import PageJob
from autograder.feedback.page_pool import RenderedPage, render_pages
from autograder.grading.cache_key import CacheKeys
from autograder.grading.coordinator import is_graded, publish
from autograder.grading.pool import WorkerDied, run_each
from autograder.grading.prepare import PreparedSubmission
from autograder.grading.result import submission_result
from autograder.grading.result_folder import ResultFolder
from autograder.sandbox.errors import SandboxUnavailable
from autograder.watch.answers import Answers
from autograder.watch.attempts import AttemptBook
from autograder.watch.door import Door
from autograder.watch.tools import Tools
from autograder.watch.turns import Turns
from autograder.watch.visible_run import visible_job

FEEDBACK = "feedback"
"""What is shown after the due date."""

_MOST_KEPT_BYTES = 2 * 1024 * 1024
_PAGES_AT_A_TIME = 2
_TRY_AGAIN_SECONDS = 600.0
_FOR_EVERYONE = (EnvironmentFault, SandboxUnavailable, AssignmentChanged)


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
        self._answers = Answers(tools, self._limits, self._book)
        self._door = Door(tools, self._limits, self._book, self._answers)
        self._cache_keys = CacheKeys(tools.course, tools.assignment)
        self._to_run: Turns[int] = Turns()
        self._to_grade: Turns[int] = Turns()
        self._to_show: Turns[int] = Turns()
        self._overdue: Turns[int] = Turns()
        self._visible: dict[Future[list[bytes]], _Running] = {}
        self._grading: dict[Future[list[bytes]], _Running] = {}
        self._rendering: dict[Future[list[RenderedPage]], tuple[str, int, str]] = {}
        self._prepared: dict[str, tuple[int, PreparedSubmission]] = {}
        self._failed: dict[tuple[str, int, str], float] = {}
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
            for student in self._book.students:
                self._owe(student)
        self._door.look(thoroughly)

    def step(self) -> bool:
        """Do what can be done now; return whether there is more to do at once."""
        self._settle()
        taken = self._door.take_next()
        if taken is not None:
            student, attempt = taken
            if attempt.told == "":
                self._tell_form(student, attempt)
            self._owe(student)
        self._fill_lanes()
        return self._door.has_more

    def seconds_to_next(self) -> Iterator[float | None]:
        """Yield when something has to be looked at again, in seconds; None for never."""
        return self._door.seconds_to_next()

    # What is owed to a student.

    def _level(self, student: str) -> str:
        return FEEDBACK if self._book.is_over(student) else self._limits.show

    def _owe(self, student: str) -> None:
        """Queue what has still to be done for a student's last attempt."""
        attempt = self._book.last(student)
        if attempt is None:
            return
        level, number = self._level(student), attempt.number
        has_left = student in self._book.dropped
        is_untold = attempt.told == "" or (level == VISIBLE and attempt.told == FORM)
        is_waiting = not attempt.graded and not has_left and self._may_try(student, number, "grade")
        if is_waiting and not _has(self._grading, student, number):
            self._to_grade.put(student, number)
        is_untold = is_untold and self._may_try(student, number, "run")
        if is_untold and not _has(self._visible, student, number):
            self._to_run.put(student, number)
        if not self._may_try(student, number, "show"):
            return
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
            if attempt is not self._book.last(student):
                continue
            if attempt.told == "":
                self._tell_form(student, attempt)
            if self._level(student) != VISIBLE:
                continue
            work = self._tried(student, number, "run")
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
            work = self._tried(student, number, "grade")
            if work is not None:
                future = pool.submit(run_each, runner, work.jobs)
                self._grading[future] = _Running(student, number, work)
                future.add_done_callback(self._tools.wake_ups.set)
        self._fill_renderer()

    def _is_graded(self, student: str) -> bool:
        """Return whether `grade` did it, or a run that was interrupted before it said so."""
        if ResultFolder(self._course, student, self._assignment).finished.exists():
            return False  # complete on disk, but the gradebook didn't take it
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
            attempt = self._book.of(student)[number - 1]
            if level not in (POINTS, FEEDBACK) or attempt is not self._book.last(student):
                continue
            jobs = self._answers.page_jobs(student, attempt)
            future = self._renderer.submit(_rendered, jobs)
            self._rendering[future] = (student, number, level)
            future.add_done_callback(self._tools.wake_ups.set)

    def _tried(self, student: str, number: int, what: str) -> PreparedSubmission | None:
        """Return a submission ready to run; None if preparing it failed unexpectedly."""
        try:
            return self._work(student, number)
        except _FOR_EVERYONE:
            raise
        except Exception as error:
            self._fail(student, number, what, error)
            return None

    def _fail(self, student: str, number: int, what: str, error: BaseException) -> None:
        """Note a fault of ours: nobody gets a score for it, and it is tried again later."""
        self._failed[student, number, what] = time.monotonic() + _TRY_AGAIN_SECONDS
        log = self._course.term / "last-error.log"
        said = "".join(traceback.format_exception(error))
        write_file(log, printable(f"{student}:\n{said}").encode("utf-8"))
        doing = {"run": "run for its visible checks", "grade": "graded", "show": "shown"}[what]
        self._tools.say(
            f"{student}: attempt {number} could not be {doing}; the details are in {log}. "
            f"It will be tried again in {_TRY_AGAIN_SECONDS / 60:g} minutes."
        )

    def _may_try(self, student: str, number: int, what: str) -> bool:
        """Return whether this hasn't just failed."""
        return time.monotonic() >= self._failed.get((student, number, what), 0.0)

    # Telling a student.

    def _tell_form(self, student: str, attempt: Attempt) -> None:
        work = self._tried(student, attempt.number, "run")
        if work is None:
            return
        self._keep_prepared(student, attempt.number, work)
        self._answers.tell(student, attempt, work, work.rebuilt, FORM)
        self._tools.say(f"{student}: attempt {attempt.number} was taken.")
        self._tools.summary.taken.append(student)

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
        notebooks = self._results(done, future, "run")
        if notebooks is not None and self._level(done.student) == VISIBLE:
            self._answers.tell(done.student, attempt, done.work, notebooks, VISIBLE)

    def _settle_graded(self, done: _Running, future: Future[list[bytes]]) -> None:
        results = self._results(done, future, "grade")
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
            self._fail(student, number, "grade", error)
            return
        self._owe(student)

    def _results(
        self, done: _Running, future: Future[list[bytes]], what: str
    ) -> dict[str, NotebookNode] | None:
        try:
            return self._tools.preparer.results(done.work, future.result())
        except WorkerDied:
            return self._tools.preparer.unscored_results(done.work)
        except _FOR_EVERYONE:
            raise
        except Exception as error:
            self._fail(done.student, done.number, what, error)
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
            self._fail(student, number, "show", error)
            return
        self._book.refresh()
        if self._level(student) != level:  # the due date was moved while the page was made
            return
        try:
            self._answers.release(student, number, made, level)
        except _FOR_EVERYONE:
            raise
        except UserError as error:
            self._fail(student, number, "show", error)
            return
        self._owe(student)


def _rendered(jobs: list[PageJob]) -> list[RenderedPage]:
    return list(render_pages(jobs, width=1))


def _has(running: dict[Future[list[bytes]], _Running], student: str, number: int) -> bool:
    return any((one.student, one.number) == (student, number) for one in running.values())


def _whose(running: dict[Future[list[bytes]], _Running]) -> Collection[str]:
    return {one.student for one in running.values()}
