"""Run one submission twice, from the trusted side.

nbgrader's cell kinds decide where a cell runs: answers and the student's own cells in the
student's process, tests here, read-only cells on both sides.

The visible run has the tests as students have them, and everything that a student may read
comes from it. The hidden run has the whole tests, in a new process that ends right after; of it
only whether each hidden check passed is kept (`runs`). So nothing that is shown was made by
code that could have seen a hidden input.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import time
import traceback
from collections.abc import Callable
from dataclasses import replace

from autograder.core.cell_status import CellStatus
from autograder.core.plain_python import without_settings
from autograder.judge.job import CellOutcome, CodeCell, Job, JobOutcome
from autograder.judge.judge import (
    InstructorFault,
    Judge,
    Output,
    Reference,
    error_output,
    status_output,
)
from autograder.judge.output_limits import TESTS_BYTES, OutputBudget, plain_output
from autograder.judge.rpc import ChildGone
from autograder.judge.runs import combine_runs
from autograder.judge.student_client import Connect, NoProcess, StudentClient, TimeBudget, status_of
from autograder.sandbox import numeric_context

_LONGEST_NUMBER = 100
"""How many characters of an unsealed test's value are kept: its points, or nothing of use."""
_EXECUTION = "NBGRADER_EXECUTION"
_MORE_PROCESSES = 2
"""How many processes a run may have beyond one for each cell."""


def run(job: Job, student: Connect, fresh: Connect, at: Callable[[str], None]) -> JobOutcome:
    """Run every code cell of a submission.

    Args:
        job: its cells have whole tests.
        student: makes a process for the student's code; the one before has ended then.
        fresh: the same for probes that are asked where no student code has run.
        at: told each cell of the instructor's before it runs here, should this process end in it.
    """
    reference = Reference(list(job.about.solution))
    settings = numeric_context.claim()
    try:
        visible = _Run(job, reference, student, fresh, at)
        seen = visible.run(lambda cell: cell.released(), job.run_seconds, job.about.by_use)
        if not any(cell.has_hidden_part for cell in job.cells):
            return JobOutcome(seen, files=visible.files)
        numeric_context.insist([])
        numeric_context.adopt([settings])  # as before the visible run took over the student's
        hidden = _Run(job, reference, student, fresh, at, known=seen)
        whole = hidden.run(lambda cell: cell, job.run_seconds + job.cell_seconds)
        cells = combine_runs(job.cells, seen, whole, job.about.by_use)
        return JobOutcome(cells, files=visible.files)
    except InstructorFault as fault:
        return faulty(job, str(fault))
    except Exception:
        return faulty(job, traceback.format_exc())


def faulty(job: Job, fault: str) -> JobOutcome:
    """Return the outcome of a job that gives no score, for a reason that is not the student's."""
    return JobOutcome({cell.id: CellOutcome() for cell in job.cells}, fault=fault)


class _Run:
    """One run through the cells, with a namespace and processes of its own.

    Args:
        known: what an earlier run found; what ran into the time limit there isn't tried again.
    """

    def __init__(
        self,
        job: Job,
        reference: Reference,
        student: Connect,
        fresh: Connect,
        at: Callable[[str], None],
        known: dict[str, CellOutcome] | None = None,
    ) -> None:
        self._job = job
        self._reference = reference
        self._connect = student
        self._connect_fresh = fresh
        self._at = at
        self._known = known or {}
        self._unsealed = frozenset(job.about.unsealed)
        self._room = OutputBudget()
        self._room_of_tests = OutputBudget(TESTS_BYTES)
        self.files: dict[str, bytes] = {}
        """What the student's code has written, if it was to be kept."""

    def run(
        self,
        form: Callable[[CodeCell], CodeCell],
        seconds: float,
        keep_files: bool = False,
    ) -> dict[str, CellOutcome]:
        """Run the cells, each in the form that this run gives it; return what each left."""
        job, budget = self._job, TimeBudget(seconds)
        most = len(job.cells) + _MORE_PROCESSES
        self._student = StudentClient(self._connect, budget, job.cell_seconds, most)
        fresh = StudentClient(self._connect_fresh, budget, job.cell_seconds, most)
        about = job.about
        self._judge = Judge(
            self._student,
            about.names,
            self._reference,
            fresh if about.fresh_probes else None,
            about.made_files,
            job.contracts,
            about.by_use,
        )
        self._to_adopt = list(about.judged)
        if about.by_use:
            self._say_what_runs()
        found = {}
        deadline = time.monotonic() + job.run_wall_seconds
        for cell in map(form, job.cells):
            try:
                if time.monotonic() > deadline:
                    raise NoProcess
                found[cell.id] = self._cell(cell, deadline)
            except ChildGone as end:
                status = status_of(end)
                found[cell.id] = CellOutcome([status_output(status)], status)
            except NoProcess:
                status = CellStatus.NOT_RUN
                found[cell.id] = CellOutcome([status_output(status)], status)
        if keep_files:
            self.files = self._student.made_files()
        self._student.close()
        fresh.close()
        return found

    def _cell(self, cell: CodeCell, deadline: float) -> CellOutcome:
        if cell.role != "student":
            self._at(cell.id)
        self._adopt_until(cell)
        if cell.role == "read-only" and self._job.about.by_use:
            return self._in_the_students_process(cell, self._students)
        if cell.role == "read-only":
            if self._judge.asks_for_work(cell.source):
                # There first: what it asks for may need what it defines.
                outputs = self._define(cell)
                self._judge.define(cell.id, cell.source, self._job.test_seconds)
                return CellOutcome(outputs)
            # Here first: a fault of the instructor's is told as one, whatever the student did.
            self._judge.define(cell.id, cell.source, self._job.test_seconds)
            return CellOutcome(self._define(cell))
        known = self._known.get(cell.id, CellOutcome())
        if known.status is CellStatus.TIMED_OUT:
            return CellOutcome([status_output(known.status)], known.status)
        if cell.id in self._unsealed:
            return self._in_the_students_process(cell, self._unsealed_test)
        if cell.role == "test":
            if self._job.about.by_use:
                try:
                    cell = replace(cell, source=without_settings(cell.source))
                except SyntaxError as error:
                    return CellOutcome([error_output("SyntaxError", str(error))])
            seconds = min(self._job.test_seconds, deadline - time.monotonic() + 1)
            said, status = self._judge.test(cell.id, cell.source, known.failures, seconds)
            if not self._room_of_tests.take_all(said):
                status = CellStatus.STOPPED
                said = [status_output(status)]
            needs = tuple(sorted(self._judge.needs))
            return CellOutcome(said, status, failures=self._student.failures, needs=needs)
        return self._in_the_students_process(cell, self._students)

    def _in_the_students_process(
        self, cell: CodeCell, run: Callable[[CodeCell], CellOutcome]
    ) -> CellOutcome:
        """Run a cell there alone; what it binds isn't what tests have bound by these names here."""
        try:
            return run(cell)
        finally:
            self._judge.forget(cell.id)

    def _say_what_runs(self) -> None:
        """Set nbgrader's environment variable, which cells may ask whether they are graded."""
        os.environ[_EXECUTION] = "autograde"
        with contextlib.suppress(ChildGone, NoProcess):  # the first cell will tell
            self._student.define(f"__import__('os').environ[{_EXECUTION!r}] = 'autograde'")

    def _adopt_until(self, cell: CodeCell) -> None:
        """Run here what the tests need of this cell and of those before, also of deleted ones."""
        if any(name == cell.id for name, _source in self._to_adopt):
            name = ""
            while name != cell.id:
                name, source = self._to_adopt.pop(0)
                if source:
                    self._judge.adopt(name, source, self._job.cell_seconds)

    def _seed(self, cell: CodeCell) -> int | None:
        """Return where the generators start in a cell; None where they go on, as in a notebook."""
        return None if self._job.about.by_use else cell_seed(self._job.seed, cell.id)

    def _unsealed_test(self, cell: CodeCell) -> CellOutcome:
        """Run a test in the student's process, as nbgrader would; whether it passed is a claim."""
        ran, late = self._student.run(cell.id, cell.source, self._seed(cell))
        status = CellStatus.TIMED_OUT if late else CellStatus.RAN
        said = [status_output(status)] if late else []
        if ran.error and not late:
            said.append(error_output(*ran.error[:2]))
        for claim in [] if ran.error or late else ran.outputs:
            shown = plain_output(claim)
            text = shown["data"].get("text/plain") if shown and "data" in shown else None
            if claim.get("output_type") == "execute_result" and text:
                data = {"text/plain": text[:_LONGEST_NUMBER]}
                said.append({"output_type": "execute_result", "metadata": {}, "data": data})
        return CellOutcome(said, status)

    def _define(self, cell: CodeCell) -> list[Output]:
        """Run a read-only cell in the student's process; what is broken there, tests will tell."""
        try:
            self._student.define(cell.source)
        except (ChildGone, NoProcess):
            raise
        except Exception as error:
            return [error_output(type(error).__name__, str(error))]
        return []

    def _students(self, cell: CodeCell) -> CellOutcome:
        ran, late = self._student.run(cell.id, cell.source, self._seed(cell))
        outputs = [
            kept
            for claim in ran.outputs
            if (output := plain_output(claim)) and (kept := self._room.take(output))
        ]
        if late:
            outputs = [one for one in outputs if one["output_type"] != "error"]
            return CellOutcome(
                [*outputs, status_output(CellStatus.TIMED_OUT)], CellStatus.TIMED_OUT
            )
        if ran.error and not any(one["output_type"] == "error" for one in outputs):
            outputs.append(error_output(*ran.error[:2]))
        return CellOutcome(outputs)


def cell_seed(seed: int, cell: str) -> int:
    """Return the seed of one cell, 32 bits: the same for everyone, in any order of grading."""
    digest = hashlib.sha256(f"{seed}/{cell}".encode()).digest()
    return int.from_bytes(digest[:4], "little")
