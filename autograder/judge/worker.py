"""A worker: two zygotes behind walls, and for each submission a judge in one and a child in the other.

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
from autograder.engine import wire
from autograder.engine.judge import error_output
from autograder.engine.limits import MIB, Limits
from autograder.engine.walls import WHOLE_PACKAGE
from autograder.engine.warm import Child, WarmParent, WarmParentDied, ZygoteKind
from autograder.judge.job import CellOutcome, Job, Outcome
from autograder.judge.process import AT, FRESH, HERE, NONE, OUTCOME, STUDENT

_ENDED_BY_US = "ended by us"
_NO_END = "the tests did not come to their end"

JUDGE_LIMITS = Limits(memory_bytes=3072 * MIB)
"""More than a student has: a test may hold its own values beside the student's."""

STUDENTS = ZygoteKind("autograder.judge.worker:STUDENTS")
JUDGES = ZygoteKind(
    "autograder.judge.worker:JUDGES",
    limits=JUDGE_LIMITS,
    entry="autograder.judge.process",
    modules=WHOLE_PACKAGE,
)

_zygotes: _Zygotes | None = None


class _Zygotes:
    """The two warm processes of this worker: one that judges are forks of, one for students."""

    def __init__(self, imports: tuple[str, ...]) -> None:
        self.imports = imports
        self.students = WarmParent(imports=imports, kind=STUDENTS, wait=False)
        self.judges = WarmParent(imports=imports, kind=JUDGES, wait=False)
        try:
            self.students.wait_until_warm()
            self.judges.wait_until_warm()
        except BaseException:
            self.close()
            raise
        # What multiprocessing starts runs nothing of atexit at its end.
        Finalize(None, self.close, exitpriority=0)

    @property
    def alive(self) -> bool:
        return self.students.alive and self.judges.alive

    def close(self) -> None:
        self.students.close()
        self.judges.close()


def warm_up(imports: tuple[str, ...] = ()) -> None:
    """Start both zygotes before the first job, with these modules imported in them.

    Raises:
        WallsFault: the walls can't be raised on this machine.
    """
    _ready(imports)


def _ready(imports: tuple[str, ...]) -> _Zygotes:
    """Return the zygotes of this worker, with at least these modules imported."""
    global _zygotes
    have = _zygotes.imports if _zygotes else ()
    wanted = tuple(sorted({*have, *imports}))
    if _zygotes is None or not _zygotes.alive or wanted != have:
        if _zygotes is not None:
            _zygotes.close()
        _zygotes = _Zygotes(wanted)
    return _zygotes


def run_submission(content: bytes) -> bytes:
    """Run one job; whatever the submission does, an outcome comes back.

    Raises:
        WallsFault: the walls can't be raised on this machine.
    """
    job = Job.from_bytes(content)
    began = time.monotonic()
    outcome = _Run(job).outcome()
    return replace(outcome, seconds=time.monotonic() - began).to_bytes()


class _Run:
    """One job: its judge, and the processes with the student's work that the judge asked for."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._deadline = time.monotonic() + job.seconds
        self._children: dict[str, Child] = {}
        self._causes: list[str] = []
        self._unfit = ""
        self._at = ""

    def outcome(self) -> Outcome:
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

    def _answers(self, judge: Child) -> Outcome:
        """Answer the judge's requests until it tells the outcome.

        Raises:
            WireError: it ended, or took too long.
            ValueError: what it told isn't an outcome.
        """
        while True:
            word, *rest = wire.receive_frame(judge.socket, self._deadline)
            if word == OUTCOME and len(rest) == 1:
                return Outcome.from_plain(rest[0])
            if word == AT and len(rest) == 1:
                self._at = rest[0]
                continue
            child = self._new_child(word) if word in (STUDENT, FRESH) else None
            if child is None:
                judge.socket.sendall(NONE)
            else:
                socket.send_fds(judge.socket, [HERE], [child.socket.fileno()])

    def _new_child(self, kind: str) -> Child | None:
        """Return a process in place of the last of its kind; None if its files don't fit."""
        if kind in self._children:
            self._end(self._children.pop(kind))
        try:
            child = self._children[kind] = self._forked(self._student)
        except ValueError as error:
            self._unfit = str(error)
            return None
        return child

    def _student(self, zygotes: _Zygotes) -> Child:
        return zygotes.students.fork(self._job.files, self._job.seed, self._job.seconds)

    def _judge(self, zygotes: _Zygotes) -> Child:
        given = self._job.without_files().files
        return zygotes.judges.fork(given, self._job.seed, self._job.seconds)

    def _forked(self, fork: Callable[[_Zygotes], Child]) -> Child:
        try:
            return fork(_ready(self._job.about.imports))
        except WarmParentDied:
            return fork(_ready(self._job.about.imports))

    def _end(self, child: Child) -> None:
        why = child.end()
        if why != _ENDED_BY_US:
            self._causes.append(why)


def _without_tests(job: Job, why: str, at: str) -> Outcome:
    """An outcome in which no test has one, each saying why.

    Args:
        at: the cell of the instructor's in which the judge ended, if it did.
    """
    cells = {}
    for cell in job.cells:
        status = CellStatus.TOLD_NOTHING if cell.id == at else CellStatus.NOT_RUN
        cells[cell.id] = CellOutcome([error_output(status.error_name, why)], status)
    return Outcome(cells, ended=why)
