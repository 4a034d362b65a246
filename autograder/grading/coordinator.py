"""Grade a class at once.

The coordinator rebuilds each submission (`prepare`), gives it to a worker (`pool`), and writes
each result as it arrives (`result_folder`, `gradebook_writer`). Only a limited number of
submissions are in progress at a time, so a class of thousands takes no more memory than a
class of ten. It can be stopped at any moment, by Ctrl-C or by force; the same command goes on.
"""

from __future__ import annotations

import functools
import json
import sys
import traceback
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autograder.config import Course
from autograder.core.atomic_io import write_file
from autograder.core.printable import printable
from autograder.core.student_id import require_student_id
from autograder.errors import AssignmentChanged, EnvironmentFault, UserError
from autograder.grading.cache_key import CacheKeys
from autograder.grading.pool import ClusterWorkers, LocalWorkers, WorkerDied, executor, run_each
from autograder.grading.preflight import require_preflight
from autograder.grading.result_folder import (
    RECORD_FILE,
    ResultFolder,
    ResultRecord,
    interrupted_folders,
)
from autograder.grading.time_left import TimeLeft
from autograder.judge.job import imports_in, longest_job
from autograder.notebook_metadata import entries
from autograder.sandbox.errors import SandboxUnavailable

if TYPE_CHECKING:
    from nbformat import NotebookNode
    from sqlalchemy.orm import Session

    from autograder.grading.gradebook_writer import GradebookWriter
    from autograder.grading.levels import Levels
    from autograder.grading.prepare import PreparedSubmission, SubmissionPreparer
    from autograder.grading.result import GradedCell, SubmissionResult

# What needs nbgrader or nbformat is imported where it is used: that takes seconds, in which the
# workers, started before, import theirs.

Progress = Callable[[int, int, str], None]
"""Called with (submissions done, submissions in all, the student at work on)."""

Runner = Callable[[bytes], bytes]
"""Runs one job (`judge.job.Job`) and returns its outcome (`judge.job.JobOutcome`)."""

_TICK = 2.0
"""Seconds after which the time left is told again though nothing has ended."""

_WORKER_GRACE = 60.0
"""Seconds beyond a job's own limits before its process counts as hung."""


def submitted_students(course: Course, assignment: str) -> list[str]:
    """Return the students with a collected submission, sorted."""
    return course.students_in("submitted", assignment)


def grade(
    course: Course,
    assignment: str,
    students: list[str] | None = None,
    again: bool = False,
    progress: Progress | None = None,
    workers: int | None = None,
    scheduler: str | None = None,
    time_left: TimeLeft | None = None,
    tell: Callable[[str], None] = lambda _sentence: None,
) -> list[SubmissionResult]:
    """Grade the collected submissions, except those that haven't changed since.

    Args:
        course: the course.
        assignment: the assignment's name.
        students: only these; None for everyone who hasn't left the course.
        again: grade also what hasn't changed.
        progress: is called for each submission.
        workers: processes on this machine; None for one a core.
        scheduler: the address of a Dask scheduler whose workers to use instead.
        time_left: is told what starts and ends.
        tell: is told what the author of an ordinary course should know of its tests.

    Returns:
        A result for every submission asked for, graded now or before.

    Raises:
        UserError: unknown assignment or student, nothing released or collected; or some
            submissions could not be graded, when all others have been.
        EnvironmentFault: the gradebook is in use, the disk is full, or nothing can run here.
    """
    course.require_assignment(assignment)
    course.require_free_gradebook()
    found = submitted_students(course, assignment)
    if not found:
        # Says what is missing, if it is the release, before what else is.
        from autograder.core.release_record import require_released

        require_released(course, assignment)
        raise UserError(
            f"No submission of {assignment} has been collected; "
            f"run `{course.command('collect', assignment)}` first."
        )
    for student in students or []:
        if require_student_id(student) not in found:
            raise UserError(
                f"{student} has no collected {assignment}; collected are: {', '.join(found[:20])}."
            )
    chosen = students or found
    report_progress = progress or (lambda *_told: None)
    runner = _runner()
    with grading_lock(course):
        return _on_workers(
            course,
            assignment,
            chosen,
            again,
            report_progress,
            runner,
            workers,
            scheduler,
            with_dropped=students is not None,
            time_left=time_left or TimeLeft(),
            tell=tell,
        )


def _runner() -> Runner:
    """Return the function that runs a submission on a worker.

    Raises:
        EnvironmentFault: the sandbox around student code needs Linux.
    """
    if sys.platform != "linux":
        raise EnvironmentFault(
            "Grading runs students' code in a sandbox that needs Linux; "
            "grade in the container that env/container describes."
        )
    from autograder.judge.worker import run_submission

    return run_submission


def _on_workers(
    course: Course,
    assignment: str,
    chosen: list[str],
    again: bool,
    report_progress: Progress,
    runner: Runner,
    workers: int | None,
    scheduler: str | None,
    with_dropped: bool,
    time_left: TimeLeft,
    tell: Callable[[str], None],
) -> list[SubmissionResult]:
    with ExitStack() as stack:
        preload = preloader(runner, course, assignment)

        def start(jobs: int) -> LocalWorkers | ClusterWorkers:
            seconds = longest_submission(course, assignment)
            return stack.enter_context(
                executor(workers, scheduler, jobs=jobs, preload=preload, seconds=seconds)
            )

        cache_keys = CacheKeys(course, assignment)
        todo = [
            one for one in chosen if again or not is_graded(course, one, assignment, cache_keys)
        ]
        pool = start(len(todo) + 1) if todo else None
        from autograder.grading.gradebook_writer import GradebookWriter
        from autograder.grading.prepare import SubmissionPreparer

        writer = stack.enter_context(GradebookWriter(course, assignment))
        recover(course, assignment, writer, cache_keys)
        if not with_dropped:
            left = writer.dropped_students()
            chosen = [one for one in chosen if one not in left]
        known = writer.students()
        todo = [
            one
            for one in chosen
            if again or one not in known or not is_graded(course, one, assignment, cache_keys)
        ]
        writer.refresh_lateness(set(chosen) - set(todo))
        coordinator = _Coordinator(course, assignment, writer, report_progress, chosen, time_left)
        coordinator.take_unchanged(set(todo))
        if todo:
            preparer = SubmissionPreparer(course, assignment, writer.notebooks)
            pool = pool or start(len(todo) + 1)
            preparer.start_reader()
            try_first(course, assignment, preparer, pool, runner, tell)
            time_left.begin(
                len(todo), pool.width, longest_submission(course, assignment) - _WORKER_GRACE
            )
            coordinator.run(todo, preparer, pool, runner)
        return coordinator.end()


_FOR_EVERYONE = (EnvironmentFault, SandboxUnavailable, AssignmentChanged)
"""Errors that stop the whole run, since no submission causes them."""


class _Coordinator:
    """Keep the state of one run: who is being graded, who is done, who could not be graded."""

    def __init__(
        self,
        course: Course,
        assignment: str,
        writer: GradebookWriter,
        report_progress: Progress,
        chosen: list[str],
        time_left: TimeLeft,
    ) -> None:
        self._course = course
        self._time_left = time_left
        self._assignment = assignment
        self._writer = writer
        self._report = report_progress
        self._chosen = chosen
        self._results: dict[str, SubmissionResult] = {}
        # Most of a class gets the same few outcomes for a cell: kept once, not once a student.
        self._cells: dict[GradedCell, GradedCell] = {}
        self._failed: dict[str, BaseException] = {}
        self._told = 0

    def take_unchanged(self, todo: set[str]) -> None:
        """Take the results of those that need no grading."""
        for student in self._chosen:
            if student not in todo:
                self._report_student(student)
                try:
                    self._take_result(student)
                except _FOR_EVERYONE:
                    raise
                except Exception as error:
                    self._failed[student] = error

    def run(
        self,
        todo: list[str],
        preparer: SubmissionPreparer,
        pool: LocalWorkers | ClusterWorkers,
        runner: Runner,
    ) -> None:
        """Grade these students, and write each result as it comes."""
        waiting = filter(None, (self._work(preparer, student) for student in todo))
        ready: deque[PreparedSubmission] = deque()
        on_the_way: dict[Future[list[bytes]], PreparedSubmission] = {}
        while True:
            # A cluster may have no workers for a moment, while those that ended are replaced.
            while len(on_the_way) < max(1, pool.ahead * pool.width):
                work = ready.popleft() if ready else next(waiting, None)
                if work is None:
                    break
                on_the_way[pool.submit(run_each, runner, work.jobs)] = work
                self._time_left.submitted(work.student)
            if not on_the_way:
                return
            # Made while the workers are busy, so that none waits for the next.
            if len(ready) < pool.width:
                ready.extend(islice(waiting, 1))
            done = wait(on_the_way, _TICK, return_when=FIRST_COMPLETED).done
            if not done:
                self._time_left.on_tick()
            for work in (on_the_way[future] for future in on_the_way if future in done):
                self._time_left.ended(work.student)
            came = {future: on_the_way[future] for future in on_the_way if future in done}
            # All are safe on disk before the first of them can meet a gradebook in use.
            finished = [self._finished(came[future], future, preparer) for future in came]
            for future, results in zip(came, finished, strict=True):
                work = on_the_way.pop(future)
                self._report_student(work.student)
                if results is not None:
                    self._keep(work, results)
            # Nothing of a submission that is done stays in memory while the next ones run.
            del came, finished, done

    def _folder(self, work: PreparedSubmission) -> ResultFolder:
        return ResultFolder(self._course, work.student, self._assignment)

    def _finished(
        self, work: PreparedSubmission, future: Future[list[bytes]], preparer: SubmissionPreparer
    ) -> dict[str, NotebookNode] | None:
        """Return the result of one submission, complete on disk; None if it could not be graded."""
        try:
            outcomes = future.result()
            results = preparer.results(work, outcomes)
            files = {**work.files, **preparer.made_files(work, outcomes)}
            self._folder(work).finish(results, files, work.record)
        except WorkerDied:
            results = preparer.unscored_results(work)
            self._folder(work).finish(results, work.files, work.record)
        except _FOR_EVERYONE:
            raise
        except Exception as error:
            # Not caused by the submission as far as is known, so it must not become a score.
            self._failed[work.student] = error
            return None
        return results

    def _work(self, preparer: SubmissionPreparer, student: str) -> PreparedSubmission | None:
        """Return a submission ready to run; None if preparing it failed unexpectedly."""
        try:
            return preparer.work(student)
        except _FOR_EVERYONE:
            raise
        except Exception as error:
            self._report_student(student)
            self._time_left.ended(student)
            self._failed[student] = error
            return None

    def _keep(self, work: PreparedSubmission, results: dict[str, NotebookNode]) -> None:
        """Put a result that is complete on disk into the gradebook and in its place."""
        try:
            publish(self._folder(work), results, work.record, self._writer)
            self._take_result(work.student)
        except _FOR_EVERYONE:
            raise
        except Exception as error:
            self._failed[work.student] = error

    def end(self) -> list[SubmissionResult]:
        """Return the results, in the order asked for.

        Raises:
            UserError: some submissions could not be graded.
        """
        self._report(len(self._chosen), len(self._chosen), "")
        if self._failed:
            log = self._course.term / "last-error.log"
            said = [
                f"{student}:\n{''.join(traceback.format_exception(error))}"
                for student, error in self._failed.items()
            ]
            write_file(log, printable("\n".join(said)).encode("utf-8"))
            names = sorted(self._failed)
            more = f" and {len(names) - 10} more" if len(names) > 10 else ""
            raise UserError(
                f"{self._assignment} of {', '.join(names[:10])}{more} could not be graded, "
                f"everyone else was; the details are in {log}; fix the cause and run the same "
                "command again."
            )
        return [self._results[student] for student in self._chosen]

    def _report_student(self, student: str) -> None:
        self._report(self._told, len(self._chosen), student)
        self._told += 1

    def _take_result(self, student: str) -> None:
        from autograder.grading.result import submission_result

        with self._course.plain_gradebook_errors():
            try:
                found = submission_result(
                    self._course, student, self._assignment, self._writer.gradebook
                )
                cells = tuple(self._cells.setdefault(cell, cell) for cell in found.cells)
                self._results[student] = replace(found, cells=cells)
            finally:
                # Else the gradebook would stay open for reading and keep others from writing.
                self._writer.gradebook.db.remove()


def publish(
    folder: ResultFolder,
    results: dict[str, NotebookNode],
    record: ResultRecord,
    writer: GradebookWriter,
    also: Callable[[Session], object] = lambda _session: None,
) -> None:
    """Take a finished result through steps 2 and 3 (see `result_folder`).

    Args:
        folder: where it is.
        results: its notebooks, by name.
        record: what it is the result of.
        writer: of the gradebook.
        also: writes more in the transaction of step 2.
    """
    writer.write(folder.student, results, record.received, lambda: folder.read(folder.place), also)
    folder.install()


def recover(
    course: Course, assignment: str, writer: GradebookWriter, cache_keys: CacheKeys
) -> None:
    """Complete what an earlier run finished and could not put in its place."""
    for folder in interrupted_folders(course, assignment):
        if folder.finished.exists():
            record = ResultRecord.from_file(folder.finished / RECORD_FILE)
            if folder.is_between_places():
                folder.install()
            elif record.graded == cache_keys.of(folder.student):
                publish(folder, folder.read(folder.finished), record, writer)
        folder.discard()


def is_graded(course: Course, student: str, assignment: str, cache_keys: CacheKeys) -> bool:
    """Return whether exactly this submission was graded against exactly this assignment."""
    folder = ResultFolder(course, student, assignment)
    for place in (folder.finished, folder.place):
        record = place / RECORD_FILE
        if record.is_file() and any(place.glob("*.ipynb")):
            return ResultRecord.from_file(record).graded == cache_keys.of(student)
    return False


def longest_submission(course: Course, assignment: str) -> float:
    """Return the longest, in seconds, that a worker may have one submission."""
    seconds = []
    for source in _source_notebooks(course, assignment):
        with suppress(AttributeError):  # what is wrong with it is reported later
            asked = entries(source).get("cell_seconds", 0)
            seconds.append(max(course.cell_seconds, asked if isinstance(asked, int) else 0))
    return sum(map(longest_job, seconds or [course.cell_seconds])) + _WORKER_GRACE


def _source_folder(course: Course, assignment: str) -> Path:
    if course.is_by_nbgrader:
        return course.place("source", ".", assignment)
    return course.source(course.source_language) / assignment


def _source_notebooks(course: Course, assignment: str) -> Iterator[dict[str, Any]]:
    """Yield the source notebooks as they are in their files, read without nbformat."""
    for path in _source_folder(course, assignment).glob("*.ipynb"):
        with suppress(ValueError):
            yield json.loads(path.read_bytes())


def preloader(runner: Runner, course: Course, assignment: str) -> Callable[[], object] | None:
    """Return a function that imports what the assignment imports; None if there is none."""
    warm_up = getattr(sys.modules[runner.__module__], "warm_up", None)
    if warm_up is None:
        return None
    imports = set()
    folder = _source_folder(course, assignment)
    forbidden = course.settings.modules_off_limits(assignment)
    beside = [path.relative_to(folder).as_posix() for path in folder.rglob("*.py")]
    for source in _source_notebooks(course, assignment):
        with suppress(KeyError, TypeError):  # what is wrong with it is reported later
            imports |= imports_in(source, forbidden, beside)
    packages = course.settings.packages
    return functools.partial(warm_up, tuple(sorted(imports)), packages, (str(course.root),))


@contextmanager
def grading_lock(course: Course) -> Iterator[None]:
    """Lock out a second run on the same course; the system unlocks when the process ends.

    Raises:
        EnvironmentFault: another run has the lock.
    """
    import fcntl

    course.term.mkdir(parents=True, exist_ok=True)
    with (course.term / ".grading").open("wb") as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise EnvironmentFault(
                f"Another `autograder grade` or `watch` is at work on {course.root}; "
                "wait until it has finished, or stop it, and try again."
            ) from None
        yield


def try_first(
    course: Course,
    assignment: str,
    preparer: SubmissionPreparer,
    pool: Executor,
    runner: Runner,
    tell: Callable[[str], None],
) -> None:
    """Run the solution and the untouched release before any submission.

    Of a course with conventions of its own they have to get full marks and none. An ordinary one is
    graded as nbgrader would, and its author is told what that means.

    Raises:
        UserError: nobody can be graded.
    """
    if not course.is_by_nbgrader:
        require_preflight(course, assignment, preparer, pool, runner)
        return
    from autograder.grading.levels import settle_levels

    levels = settle_levels(course, assignment, preparer, pool, runner)
    for sentence in levels.sentences():
        tell(sentence)
    if not levels.is_all_sealed:
        tell(f"{assignment}: {levels.summary(course.unsealed_worth)}")


def run_one(
    course: Course,
    student: str,
    assignment: str,
    tell: Callable[[str], None] = lambda _sentence: None,
) -> dict[str, NotebookNode]:
    """Run one collected submission, and write nothing.

    For Formgrader's button, whose own steps write the results.

    Args:
        course: the course.
        student: the student's id.
        assignment: the assignment's name.
        tell: is told what the author of an ordinary course should know of its tests.

    Returns:
        The graded notebooks, by name.

    Raises:
        UserError: the assignment isn't released.
        EnvironmentFault: the gradebook can't be used, or the sandbox can't be set up.
    """
    from autograder.grading.gradebook_writer import GradebookWriter
    from autograder.grading.prepare import SubmissionPreparer

    with GradebookWriter(course, assignment) as writer:
        preparer = SubmissionPreparer(course, assignment, writer.notebooks)
    with executor(1, jobs=1, seconds=longest_submission(course, assignment)) as pool:
        try_first(course, assignment, preparer, pool, _runner(), tell)
        work = preparer.work(student)
        try:
            outcomes = pool.submit(run_each, _runner(), work.jobs).result()
        except WorkerDied:
            return preparer.unscored_results(work)
    return preparer.results(work, outcomes)


class OpenAssignment:
    """Hold what submissions share that are run one after another, each when nbgrader asks for it.

    Args:
        course: the course.
        assignment: the assignment's name.
        tell: is told what the author of an ordinary course should know of its tests.

    Raises:
        UserError: the assignment isn't registered, or can't be run here.
        EnvironmentFault: the gradebook can't be used, or the sandbox can't be set up.
    """

    def __init__(self, course: Course, assignment: str, tell: Callable[[str], None]) -> None:
        from autograder.grading.gradebook_writer import GradebookWriter
        from autograder.grading.prepare import SubmissionPreparer
        from autograder.grading.run_privileges import KINDS
        from autograder.sandbox import root_launcher

        with ExitStack() as stack:
            launcher = root_launcher.running(KINDS, course.settings.packages, [str(course.root)])
            stack.enter_context(launcher)
            with GradebookWriter(course, assignment) as writer:
                self._preparer = SubmissionPreparer(course, assignment, writer.notebooks)
            seconds = longest_submission(course, assignment)
            self._pool = stack.enter_context(executor(1, jobs=2, seconds=seconds))
            try_first(course, assignment, self._preparer, self._pool, _runner(), tell)
            self.close: Callable[[], None] = stack.pop_all().close

    def run(self, student: str, notebook: str) -> tuple[NotebookNode, dict[str, bytes]]:
        """Return one graded notebook of a submission, and the files that its code has written."""
        work = self._preparer.work(student, only=notebook)
        try:
            outcomes = self._pool.submit(run_each, _runner(), work.jobs).result()
        except WorkerDied:
            return self._preparer.unscored_results(work)[notebook], {}
        files = self._preparer.made_files(work, outcomes)
        return self._preparer.results(work, outcomes)[notebook], files


def try_assignment(course: Course, assignment: str) -> Levels:
    """Run an ordinary course's solution and release as submissions; return where its tests run.

    Raises:
        UserError: it isn't generated yet, or can't be run here.
        EnvironmentFault: the gradebook or the sandbox can't be used.
    """
    from autograder.grading.gradebook_writer import GradebookWriter
    from autograder.grading.levels import settle_levels
    from autograder.grading.prepare import SubmissionPreparer

    runner = _runner()
    with GradebookWriter(course, assignment) as writer:
        preparer = SubmissionPreparer(course, assignment, writer.notebooks)
    jobs, seconds = 4 * len(preparer.names), longest_submission(course, assignment)
    preload = preloader(runner, course, assignment)
    with executor(jobs=jobs, preload=preload, seconds=seconds) as pool:
        return settle_levels(course, assignment, preparer, pool, runner)
