"""Grading everyone at once.

The coordinator: it rebuilds each submission (`jobs`), hands it to a worker (`workers`), and
writes what comes back as it comes (`graded_folder`, `gradebook_writer`). Only so many
submissions are on their way at a time, so a class of thousands takes no more memory than a
class of ten. It can be stopped at any moment, by Ctrl-C or by force; the same command goes on.
"""

from __future__ import annotations

import json
import sys
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from autograder.course import Course, require_student_id
from autograder.errors import EnvironmentFault, UserError
from autograder.files import write_file
from autograder.fingerprints import Fingerprints
from autograder.graded_folder import MARK, GradedFolder, Mark, interrupted
from autograder.workers import WorkerDied, executor, run_each

if TYPE_CHECKING:
    from autograder.gradebook_writer import GradebookWriter
    from autograder.jobs import Work, WorkMaker
    from autograder.verdict import Verdict

# What needs nbgrader is imported where it is used: that takes seconds, in which the workers,
# started before, become warm.

Progress = Callable[[int, int, str], None]
"""Called with (submissions done, submissions in all, the student at work on)."""

Runner = Callable[[bytes], bytes]
"""Runs one job (`engine.job.Job`) and returns its outcome (`engine.job.Outcome`)."""

_AHEAD = 2
"""Submissions on their way for each worker: one that runs and one that waits for it to end."""

_WORKER_GRACE = 240.0
"""Seconds beyond a job's own limits before its process counts as hung."""

_SUBMISSION_SECONDS = 300.0


def submitted_students(course: Course, assignment: str) -> list[str]:
    """The students with a collected submission, sorted."""
    return sorted(path.parent.name for path in course.submitted.glob(f"*/{assignment}"))


def grade(
    course: Course,
    assignment: str,
    students: list[str] | None = None,
    again: bool = False,
    progress: Progress | None = None,
    workers: int | None = None,
    scheduler: str | None = None,
) -> list[Verdict]:
    """Grade the collected submissions; those that haven't changed since are left alone.

    Args:
        students: only these; None for everyone.
        again: grade also what hasn't changed.
        workers: processes on this machine; None for one a core.
        scheduler: the address of a Dask scheduler whose workers to use instead.

    Returns:
        A verdict for every submission asked for, graded now or before.

    Raises:
        UserError: unknown assignment or student, nothing released or collected; or some
            submissions could not be graded, when all others have been.
        EnvironmentFault: the gradebook is in use, the disk is full, or nothing can run here.
    """
    course.require_assignment(assignment)
    course.require_free_gradebook()
    found = submitted_students(course, assignment)
    runner = _runner()
    if runner is None or not found:
        # Says what is missing, if it is the release, before what else is.
        from autograder.release import require_released

        require_released(course, assignment)
    if not found:
        raise UserError(
            f"No submission of {assignment} has been collected; "
            f"run `autograder collect {assignment}` first."
        )
    for student in students or []:
        if require_student_id(student) not in found:
            raise UserError(
                f"{student} has no collected {assignment}; collected are: {', '.join(found[:20])}."
            )
    chosen = students or found
    tell = progress or (lambda *_told: None)
    if runner is None:
        return _in_this_process(course, assignment, chosen, again, tell)
    with _alone(course):
        return _on_workers(course, assignment, chosen, again, tell, runner, workers, scheduler)


def _runner() -> Runner | None:
    """What runs a submission on a worker; None: nbgrader's own pipeline does, in this process."""
    return None


def _on_workers(
    course: Course,
    assignment: str,
    chosen: list[str],
    again: bool,
    tell: Progress,
    runner: Runner,
    workers: int | None,
    scheduler: str | None,
) -> list[Verdict]:
    with ExitStack() as stack:

        def start(jobs: int) -> object:
            seconds = _SUBMISSION_SECONDS + course.cell_seconds + _WORKER_GRACE
            return stack.enter_context(
                executor(workers, scheduler, jobs=jobs, warm=_warm_up(runner), seconds=seconds)
            )

        prints = Fingerprints(course, assignment)
        todo = [one for one in chosen if again or not _is_graded(course, one, assignment, prints)]
        pool = start(len(todo)) if todo else None
        from autograder.gradebook_writer import GradebookWriter
        from autograder.jobs import WorkMaker

        writer = stack.enter_context(GradebookWriter(course, assignment))
        _recover(course, assignment, writer, prints)
        known = writer.students()
        todo = [
            one
            for one in chosen
            if again or one not in known or not _is_graded(course, one, assignment, prints)
        ]
        coordinator = _Coordinator(course, assignment, writer, tell, chosen)
        coordinator.tell_untouched(set(todo))
        if todo:
            maker = WorkMaker(course, assignment, writer.notebooks)
            coordinator.run(todo, maker, pool or start(len(todo)), runner)
        return coordinator.end()


class _Coordinator:
    """The state of one run: who is on the way, who is done, who could not be graded."""

    def __init__(
        self,
        course: Course,
        assignment: str,
        writer: GradebookWriter,
        tell: Progress,
        chosen: list[str],
    ) -> None:
        self._course = course
        self._assignment = assignment
        self._writer = writer
        self._tell = tell
        self._chosen = chosen
        self._verdicts: dict[str, Verdict] = {}
        self._failed: dict[str, BaseException] = {}

    def tell_untouched(self, todo: set[str]) -> None:
        """Take the verdicts of those that need no grading."""
        for student in self._chosen:
            if student not in todo:
                self._tell(self._done(), len(self._chosen), student)
                self._take_verdict(student)

    def run(self, todo: list[str], maker: WorkMaker, pool: object, runner: Runner) -> None:
        """Grade these, writing each as it comes."""
        waiting = iter(todo)
        on_the_way: dict[Future, Work] = {}
        while True:
            while len(on_the_way) < _AHEAD * pool.width:
                student = next(waiting, None)
                if student is None:
                    break
                work = maker.work(student)
                on_the_way[pool.submit(run_each, runner, work.jobs)] = work
            if not on_the_way:
                return
            for future in wait(on_the_way, return_when=FIRST_COMPLETED).done:
                self._settle(on_the_way.pop(future), future, maker)

    def _settle(self, work: Work, future: Future, maker: WorkMaker) -> None:
        self._tell(self._done(), len(self._chosen), work.student)
        try:
            results = maker.results(work, future.result())
        except WorkerDied:
            results = maker.given_up(work)
        except UserError:
            raise
        except Exception as error:
            # Not the submission's doing as far as one can tell: no score may come of it.
            self._failed[work.student] = error
            return
        folder = GradedFolder(self._course, work.student, self._assignment)
        folder.finish(results, work.files, work.mark)
        _into_gradebook(folder, work.mark, self._writer)
        self._take_verdict(work.student)

    def end(self) -> list[Verdict]:
        """The verdicts, in the order asked for.

        Raises:
            UserError: somebody could not be graded.
        """
        self._tell(len(self._chosen), len(self._chosen), "")
        if self._failed:
            log = self._course.term / "last-error.log"
            said = [
                f"{student}:\n{''.join(traceback.format_exception(error))}"
                for student, error in self._failed.items()
            ]
            write_file(log, "\n".join(said).encode("utf-8", "replace"))
            names = sorted(self._failed)
            more = f" and {len(names) - 10} more" if len(names) > 10 else ""
            raise UserError(
                f"{self._assignment} of {', '.join(names[:10])}{more} could not be graded, "
                f"everyone else was; the details are in {log}; mend the cause and run the same "
                "command again."
            )
        return [self._verdicts[student] for student in self._chosen]

    def _done(self) -> int:
        return len(self._verdicts) + len(self._failed)

    def _take_verdict(self, student: str) -> None:
        from autograder.verdict import verdict

        with self._course.plain_gradebook_errors():
            try:
                self._verdicts[student] = verdict(
                    self._course, student, self._assignment, self._writer.gradebook
                )
            finally:
                # Else the gradebook would stay open for reading and keep others from writing.
                self._writer.gradebook.db.remove()


def _into_gradebook(folder: GradedFolder, mark: Mark, writer: GradebookWriter) -> None:
    """Steps 2 and 3 of a finished result (see `graded_folder`)."""
    writer.write(
        folder.student, folder.read(folder.finished), mark.received, folder.read(folder.place)
    )
    folder.put()


def _recover(
    course: Course, assignment: str, writer: GradebookWriter, prints: Fingerprints
) -> None:
    """Bring to its end what an earlier run finished and could not put in its place."""
    for folder in interrupted(course, assignment):
        if folder.finished.exists():
            mark = Mark.from_file(folder.finished / MARK)
            if folder.is_between_places():
                folder.put()
            elif mark.graded == prints.of(folder.student):
                _into_gradebook(folder, mark, writer)
        folder.discard()


def _is_graded(course: Course, student: str, assignment: str, prints: Fingerprints) -> bool:
    """Whether exactly this submission was graded against exactly this assignment."""
    folder = GradedFolder(course, student, assignment)
    for place in (folder.finished, folder.place):
        mark = place / MARK
        if mark.is_file() and any(place.glob("*.ipynb")):
            return Mark.from_file(mark).graded == prints.of(student)
    return False


def _warm_up(runner: Runner) -> Callable[[], object] | None:
    """What a worker can do before its first job: the runner's module may have a `warm_up`."""
    return getattr(sys.modules[runner.__module__], "warm_up", None)


@contextmanager
def _alone(course: Course) -> Iterator[None]:
    """Keep a second run on the same course out; the system ends this with the process.

    Raises:
        EnvironmentFault: one is under way.
    """
    import fcntl

    course.term.mkdir(parents=True, exist_ok=True)
    with (course.term / ".grading").open("wb") as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise EnvironmentFault(
                f"Another `autograder grade` is at work on {course.root}; "
                "wait until it has finished and try again."
            ) from None
        yield


def _in_this_process(
    course: Course, assignment: str, chosen: list[str], again: bool, tell: Progress
) -> list[Verdict]:
    """Grade through nbgrader's own pipeline, one after the other."""
    from autograder.verdict import verdict

    prints = Fingerprints(course, assignment)
    results = []
    for number, student in enumerate(chosen):
        tell(number, len(chosen), student)
        if again or not _is_graded(course, student, assignment, prints):
            _grade_one(course, student, assignment)
        results.append(verdict(course, student, assignment))
    tell(len(chosen), len(chosen), "")
    return results


def _grade_one(course: Course, student: str, assignment: str) -> None:
    """Grade one submission; what can't be read is graded as an untouched notebook, with a note."""
    from autograder import notebooks
    from autograder.stand_in import stand_in

    for path in sorted((course.submitted / student / assignment).glob("*.ipynb")):
        try:
            notebooks.read(path)
        except UserError as error:
            stand_in(course, student, assignment, path, str(error))
    result = course.api().autograde(assignment, student, force=True)
    if not result["success"]:
        raise _fault(course, student, assignment, result)
    mark = {"graded": Fingerprints(course, assignment).of(student)}
    write_file(
        course.autograded / student / assignment / MARK, json.dumps(mark).encode("ascii")
    )


def _fault(course: Course, student: str, assignment: str, result: dict) -> UserError:
    said = result.get("error", "") + result.get("log", "")
    if "database is locked" in said:
        return EnvironmentFault(
            f"The gradebook {course.term / 'gradebook.db'} came into use by another program while "
            f"{student} was graded; close it and run the same command again to go on."
        )
    if "No space left" in said or "disk is full" in said:
        return EnvironmentFault(
            f"The disk is full, so {student} wasn't graded; "
            "free some space and run the same command again to go on."
        )
    log = course.term / "last-error.log"
    write_file(log, said.encode("utf-8", "replace"))
    return UserError(
        f"{assignment} of {student} could not be graded; the details are in {log}; "
        "mend the cause and run the same command again to go on."
    )
