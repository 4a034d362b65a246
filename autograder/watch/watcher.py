"""Watch nbgrader's exchange until it is told to stop, whatever goes wrong meanwhile."""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import wait
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path

from autograder.config import SETTINGS_FILE, Course, Settings
from autograder.core.attempt_limits import POINTS, VISIBLE, AttemptLimits
from autograder.core.counting import counted
from autograder.core.release_record import require_released
from autograder.errors import EnvironmentFault, UserError
from autograder.feedback.exchange import feedback_folder
from autograder.grading.cache_key import CacheKeys
from autograder.grading.coordinator import (
    grading_lock,
    longest_submission,
    preloader,
    recover,
)
from autograder.grading.gradebook_writer import GradebookWriter
from autograder.grading.pool import available_cores, executor, run_each
from autograder.grading.preflight import require_preflight
from autograder.grading.prepare import SubmissionPreparer
from autograder.intake.exchange import require_inbound
from autograder.intake.reader import Reader
from autograder.intake.staging import staging_folder
from autograder.judge.worker import run_submission
from autograder.sandbox.errors import SandboxUnavailable
from autograder.watch.inbox import Inbox
from autograder.watch.session import GradingSession
from autograder.watch.summary import WatchSummary
from autograder.watch.tools import Tools
from autograder.watch.wake_ups import WakeUps, notified

SWEEP_SECONDS = 5.0
"""How often it is looked what no notice told: a network's files, changed dates, a new release."""

_TRY_AGAIN_SECONDS = 10.0
_LEAST_LANES = 2  # so that one endless submission holds up nobody else
_LEAST_BETWEEN_LOOKS = 0.05


def watch(
    course: Course,
    assignment: str,
    say: Callable[[str], object],
    poll: float | None = None,
    workers: int | None = None,
) -> WatchSummary:
    """Grade what arrives in the exchange, until Ctrl-C or a signal to end.

    Args:
        course: the course.
        assignment: the assignment's name.
        say: tells the instructor a sentence.
        poll: look every so many seconds, and don't rely on the system's notices.
        workers: how many submissions are graded at a time; one a core, at least two, when None.

    Returns:
        What was done.

    Raises:
        UserError: unknown assignment, nothing released, no exchange, or the assignment can't be
            graded here.
        EnvironmentFault: another `grade` or `watch` is at work, or the gradebook can't be used.
    """
    require_linux()
    course.require_assignment(assignment)
    course.require_free_gradebook()
    require_released(course, assignment)
    inbound = require_inbound(course)
    feedback_folder(course, assignment)
    summary = WatchSummary(assignment)
    wake_ups = WakeUps()
    listening = notified(inbound, wake_ups) if poll is None else nullcontext()
    with grading_lock(course), _told_to_stop(wake_ups) as stop, listening:
        watcher = _Watcher(course, assignment, say, poll, workers, inbound, summary, wake_ups, stop)
        watcher.run()
    return summary


class _Watcher:
    """Run one session after the other, each for one version of the assignment."""

    def __init__(
        self,
        course: Course,
        assignment: str,
        say: Callable[[str], object],
        poll: float | None,
        workers: int | None,
        inbound: Path,
        summary: WatchSummary,
        wake_ups: WakeUps,
        stop: threading.Event,
    ) -> None:
        self._course, self._assignment = course, assignment
        self._say = say
        self._poll = poll
        self._lanes = max(_LEAST_LANES, workers or available_cores())
        self._inbound = inbound
        self._summary = summary
        self._wake_ups = wake_ups
        self._stop = stop
        self._has_begun = False

    def run(self) -> None:
        """Watch until told to stop.

        Raises:
            UserError: it couldn't begin; later, what goes wrong is told and tried again.
        """
        told = ""
        while not self._stop.is_set():
            self._summary.waiting = 0
            try:
                self._one_session()
                told = ""
            except (UserError, SandboxUnavailable, OSError) as error:
                if not self._has_begun:
                    raise
                why = str(error)
                if isinstance(error, OSError):
                    why = f"{error.filename or 'A file'} can't be used ({error.strerror})."
                if why != told:
                    self._say(f"{why} Trying again until that works.")
                told = why
                self._stop.wait(_TRY_AGAIN_SECONDS)

    def _one_session(self) -> None:
        course, assignment = self._course, self._assignment
        # What the instructor allows may have been changed since.
        course = self._course = replace(course, settings=Settings.read(course.root))
        version = _version(course, assignment)
        show = AttemptLimits.of(course, assignment).show
        width = 2 * self._lanes if show == VISIBLE else self._lanes
        with ExitStack() as stack:
            pool = stack.enter_context(
                executor(
                    width,
                    preload=preloader(run_submission, course, assignment),
                    seconds=longest_submission(course, assignment),
                )
            )
            writer = stack.enter_context(GradebookWriter(course, assignment))
            reader = stack.enter_context(Reader())
            staging = stack.enter_context(staging_folder(course))
            recover(course, assignment, writer, CacheKeys(course, assignment))
            preparer = SubmissionPreparer(course, assignment, writer.notebooks, reader)
            require_preflight(course, assignment, preparer, pool, run_submission)
            untouched = preparer.preflights()[-1]
            wait([pool.submit(run_each, run_submission, untouched.jobs) for _ in range(width)])
            session = GradingSession(
                Tools(
                    course=course,
                    assignment=assignment,
                    writer=writer,
                    preparer=preparer,
                    pool=pool,
                    runner=run_submission,
                    lanes=self._lanes,
                    reader=reader,
                    staging=staging,
                    inbox=Inbox(course, assignment, self._inbound),
                    wake_ups=self._wake_ups,
                    say=self._say,
                    summary=self._summary,
                    stop=self._stop,
                )
            )
            stack.callback(session.close)
            self._has_begun = True
            self._say(_greeting(course, assignment, self._inbound, self._poll))
            try:
                self._loop(session, version)
            finally:
                # What is in progress has been taken and is graded at the next start.
                pool.abandon()

    def _loop(self, session: GradingSession, version: object) -> None:
        interval = self._poll or SWEEP_SECONDS
        next_sweep, last_look = 0.0, 0.0
        while not self._stop.is_set():
            now = time.monotonic()
            if now >= next_sweep:
                if _version(self._course, self._assignment) != version:
                    self._say(f"{self._assignment} or the settings were changed; starting again.")
                    return
                self._tell_failure()
                session.look(thoroughly=True)
                next_sweep = time.monotonic() + interval
                last_look = time.monotonic()
            elif now >= last_look + _LEAST_BETWEEN_LOOKS:
                session.look(thoroughly=False)
                last_look = time.monotonic()
            if session.step():
                continue
            waits = [next_sweep - time.monotonic()]
            waits += [one for one in session.seconds_to_next() if one is not None]
            self._wake_ups.wait(min(waits))
            # A notice comes before what it is about is complete.
            self._stop.wait(max(0.0, last_look + _LEAST_BETWEEN_LOOKS - time.monotonic()))

    def _tell_failure(self) -> None:
        if self._wake_ups.failure:
            self._say(
                f"The system gives no notice of changes in the exchange "
                f"({self._wake_ups.failure}), so it is scanned every {SWEEP_SECONDS:g} s; "
                "use --poll SECONDS to scan it more often."
            )
            self._wake_ups.failure = ""


def _greeting(course: Course, assignment: str, inbound: Path, poll: float | None) -> str:
    limits = AttemptLimits.of(course, assignment)
    often = (
        "any number of attempts" if limits.attempts is None else counted(limits.attempts, "attempt")
    )
    pause = f", {limits.pause.total_seconds() / 60:g} min apart" if limits.pause else ""
    shown = {
        VISIBLE: "the results of the visible checks",
        POINTS: "points, including those of hidden checks",
    }.get(limits.show, "the form only")
    by = f", scanned every {poll:g} s," if poll else ""
    return (
        f"Watching {inbound}{by} for {assignment}: {often} per student{pause}; before the "
        f"due date, students see {shown}. Press Ctrl-C to stop."
    )


def _version(course: Course, assignment: str) -> object:
    """Return what changes when the assignment, its release or the settings do."""
    places = [course.root / SETTINGS_FILE]
    # Formgrader's button gives values, and leaves no other record of a release.
    places += [course.term / kept / f"{assignment}.json" for kept in ("released", "values")]
    for code in course.languages():
        places += sorted((course.source(code) / assignment).rglob("*"))
    found = []
    for place in places:
        try:
            status = place.stat()
        except OSError:
            continue
        if not place.is_dir():
            found.append((str(place), status.st_mtime_ns, status.st_size))
    return found


@contextmanager
def _told_to_stop(wake_ups: WakeUps) -> Iterator[threading.Event]:
    """Set an event on Ctrl-C and on a signal to end, instead of ending at once."""
    stop = threading.Event()

    def tell(_number: int, _frame: object) -> None:
        stop.set()
        wake_ups.set()

    before = {one: signal.signal(one, tell) for one in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def require_poll(seconds: float | None) -> None:
    """Make sure that a time between two looks can be used.

    Raises:
        UserError: it can't.
    """
    if seconds is not None and not 0.05 <= seconds <= 3600:
        raise UserError(f"--poll can't be {seconds:g}; write seconds from 0.05 to 3600.")


def require_linux() -> None:
    """Make sure that this system has the sandbox.

    Raises:
        EnvironmentFault: it doesn't.
    """
    if sys.platform != "linux":
        raise EnvironmentFault(
            "Grading runs students' code in a sandbox that needs Linux; "
            "grade in the container that env/container describes."
        )
