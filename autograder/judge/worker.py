"""Run jobs in a worker: two sandboxed zygotes fork each submission's judge and student processes.

`run_submission` is all that a coordinator or a cluster calls. This process runs neither tests
nor student code and reads nothing of a submission: it hands the job to a judge, the judge's
requests for student processes to the sandbox, and the outcome back.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from dataclasses import replace
from multiprocessing.util import Finalize

from autograder.core.cell_status import CellStatus
from autograder.judge.job import CellOutcome, Job, JobOutcome
from autograder.judge.judge import error_output
from autograder.judge.process import DENIED, FRESH, GRANTED, OUTCOME, RUNNING, STUDENT
from autograder.sandbox import wire
from autograder.sandbox.bubblewrap import WHOLE_PACKAGE
from autograder.sandbox.limits import MIB, SandboxLimits
from autograder.sandbox.zygote_client import Child, ZygoteClient, ZygoteDied, ZygoteKind

_ENDED_BY_US = "ended by us"
_NO_END = "the tests did not come to their end"

JUDGE_LIMITS = SandboxLimits(memory_bytes=3072 * MIB)
"""More than a student has: a test may hold its own values beside the student's."""

Names = tuple[str, ...]

STUDENTS = ZygoteKind("autograder.judge.worker:STUDENTS")
JUDGES = ZygoteKind(
    "autograder.judge.worker:JUDGES",
    limits=JUDGE_LIMITS,
    entry="autograder.judge.process",
    modules=WHOLE_PACKAGE,
)

_zygotes: _Zygotes | None = None


class _Zygotes:
    """The two zygotes of this worker: one that judges are forked from, one for students."""

    def __init__(self, imports: Names, packages: Names, hidden: Names) -> None:
        self.imports, self.packages, self.hidden = imports, packages, hidden
        students = STUDENTS.for_course(packages, hidden)
        judges = JUDGES.for_course(packages, hidden)
        self.students = ZygoteClient(imports=imports, kind=students, wait=False)
        self.judges = ZygoteClient(imports=imports, kind=judges, wait=False)
        try:
            self.students.wait_until_ready()
            self.judges.wait_until_ready()
        except BaseException:
            self.close()
            raise
        # What multiprocessing starts runs nothing of atexit at its end.
        Finalize(None, self.close, exitpriority=0)

    @property
    def alive(self) -> bool:
        """Return whether both can still fork."""
        return self.students.alive and self.judges.alive

    def close(self) -> None:
        """End both, with all their children."""
        self.students.close()
        self.judges.close()


def warm_up(imports: Names = (), packages: Names = (), hidden: Names = ()) -> None:
    """Start both zygotes before the first job.

    Args:
        imports: modules to have imported in them.
        packages: that student code may import besides what is installed.
        hidden: folders that must not be in sight.

    Raises:
        SandboxUnavailable: the sandbox can't be set up on this machine.
    """
    _ready(imports, packages, hidden)


def _ready(imports: Names, packages: Names, hidden: Names) -> _Zygotes:
    """Return the zygotes of this worker, with at least these modules imported."""
    global _zygotes
    same = _zygotes is not None and (_zygotes.packages, _zygotes.hidden) == (packages, hidden)
    have = _zygotes.imports if _zygotes is not None and same else ()
    wanted = tuple(sorted({*have, *imports}))
    if _zygotes is None or not _zygotes.alive or not same or wanted != have:
        if _zygotes is not None:
            _zygotes.close()
        _zygotes = _Zygotes(wanted, packages, hidden)
    return _zygotes


def run_submission(content: bytes) -> bytes:
    """Run one job; whatever the submission does, an outcome comes back.

    Args:
        content: `Job.to_bytes`.

    Returns:
        What `JobOutcome.from_bytes` reads.

    Raises:
        SandboxUnavailable: the sandbox can't be set up on this machine.
    """
    job = Job.from_bytes(content)
    began = time.monotonic()
    outcome = _JobRun(job).outcome()
    return replace(outcome, seconds=time.monotonic() - began).to_bytes()


class _JobRun:
    """One job: its judge, and the processes with the student's work that the judge asked for."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._deadline = time.monotonic() + job.seconds
        self._children: dict[str, Child] = {}
        self._causes: list[str] = []
        self._unfit = ""
        self._at = ""

    def outcome(self) -> JobOutcome:
        """Run the job and return its outcome."""
        judge = self._forked(self._judge)
        try:
            wire.send_frame(judge.socket, self._job.without_files().to_bytes(), self._deadline)
            outcome = self._answers(judge)
        except (wire.WireError, ValueError):
            outcome = None
        finally:
            judge.end()
            for child in self._children.values():
                self._end(child)
        if outcome is None or self._unfit:
            return _without_tests(self._job, self._unfit or _NO_END, self._at)
        return replace(outcome, ended=self._causes[0] if self._causes else "")

    def _answers(self, judge: Child) -> JobOutcome:
        """Answer the judge's requests until it tells the outcome.

        Raises:
            WireError: it ended, or took too long.
            ValueError: what it told isn't an outcome.
        """
        while True:
            word, *rest = wire.receive_frame(judge.socket, self._deadline)
            if word == OUTCOME and len(rest) == 1:
                return JobOutcome.from_plain(rest[0])
            if word == RUNNING and len(rest) == 1:
                self._at = rest[0]
                continue
            child = self._new_child(word) if word in (STUDENT, FRESH) else None
            if child is None:
                judge.socket.sendall(DENIED)
            else:
                socket.send_fds(judge.socket, [GRANTED], [child.socket.fileno()])

    def _new_child(self, kind: str) -> Child | None:
        """Return a process in place of the last of its kind; None if its files don't fit."""
        if kind in self._children:
            self._end(self._children.pop(kind))
        try:
            fork = self._student if kind == STUDENT else self._fresh
            child = self._children[kind] = self._forked(fork)
        except ValueError as error:
            self._unfit = str(error)
            return None
        return child

    def _student(self, zygotes: _Zygotes) -> Child:
        job = self._job
        return zygotes.students.fork(job.files, job.seed, job.seconds, job.about.off_limits)

    def _fresh(self, zygotes: _Zygotes) -> Child:
        return zygotes.students.fork(self._job.files, self._job.seed, self._job.seconds)

    def _judge(self, zygotes: _Zygotes) -> Child:
        given = self._job.without_files().files
        return zygotes.judges.fork(given, self._job.seed, self._job.seconds)

    def _forked(self, fork: Callable[[_Zygotes], Child]) -> Child:
        about = self._job.about
        try:
            return fork(_ready(about.imports, about.packages, about.hidden))
        except ZygoteDied:
            return fork(_ready(about.imports, about.packages, about.hidden))

    def _end(self, child: Child) -> None:
        why = child.end()
        if why != _ENDED_BY_US:
            self._causes.append(why)


def _without_tests(job: Job, why: str, at: str) -> JobOutcome:
    """Return an outcome in which no test has one, each saying why.

    Args:
        job: whose cells they are.
        why: the sentence of each error output.
        at: the cell of the instructor's in which the judge ended, if it did.
    """
    cells = {}
    for cell in job.cells:
        status = CellStatus.STOPPED if cell.id == at else CellStatus.NOT_RUN
        cells[cell.id] = CellOutcome([error_output(status.error_name, why)], status)
    return JobOutcome(cells, ended=why)
