"""A worker: one warm parent behind walls, and for each submission a child there and a judge here.

`run_submission` is all that a coordinator or a cluster calls. The judge is a fork of this
process, so that nothing a test leaves can reach the next submission; it never runs student code.
"""

from __future__ import annotations

import importlib
import os
import select
import signal
import sys
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from multiprocessing.util import Finalize

from nbformat import NotebookNode
from nbformat.v4 import new_output

from autograder.engine.door import Door
from autograder.engine.job import Job, Outcome
from autograder.engine.judge import Judge, error_output
from autograder.engine.limits import Limits
from autograder.engine.submission import Budget, run
from autograder.engine.warm import WarmParent, WarmParentDied
from autograder.endings import NO_END, NOT_RUN
from autograder.hidden import has_words, released, retold
from autograder.notebooks import copied

_JUDGE_GRACE = 30.0
"""Seconds beyond the student's own time that the judge may take for its tests."""

_parent: WarmParent | None = None
_imports: tuple[str, ...] = ()


def run_submission(content: bytes) -> bytes:
    """Run one job; whatever the submission does, an outcome comes back.

    Raises:
        WallsFault: the walls can't be raised on this machine.
    """
    job = Job.from_bytes(content)
    began = time.monotonic()
    outcome = _judged(job)
    notebook = outcome.notebook
    if outcome.told and has_words(notebook, outcome.told):
        left = job.submission_seconds - (time.monotonic() - began)
        notebook = retold(notebook, _without_hidden_tests(job, left), outcome.told)
    seconds = time.monotonic() - began
    return replace(outcome, notebook=notebook, seconds=seconds).to_bytes()


def _without_hidden_tests(job: Job, seconds: float) -> NotebookNode | None:
    """The same submission run with the tests as students have them; None if that can't be."""
    if seconds <= 0:
        return None
    outcome = _judged(replace(job, notebook=released(job.notebook), submission_seconds=seconds))
    return None if outcome.ended == NO_END else outcome.notebook


def warm_up(imports: tuple[str, ...] = ()) -> None:
    """Start the warm parent before the first job, with these modules imported on both sides.

    Raises:
        WallsFault: the walls can't be raised on this machine.
    """
    _warm_parent(imports)


def _warm_parent(imports: tuple[str, ...]) -> WarmParent:
    """The warm parent of this worker, with at least these modules imported on both sides."""
    global _parent, _imports
    wanted = tuple(sorted({*_imports, *imports}))
    if _parent is None or not _parent.alive or wanted != _imports:
        if _parent is not None:
            _parent.close()
        with ThreadPoolExecutor(1) as beside:
            # Both sides import the same, so let them do it at the same time. The walls start from
            # this thread: what ends with its parent ends with the thread that started it.
            importing = beside.submit(_import, wanted)
            _parent, _imports = WarmParent(limits=Limits(), imports=wanted), wanted
            importing.result()
        # What multiprocessing starts runs nothing of atexit at its end.
        Finalize(None, _parent.close, exitpriority=0)
    return _parent


def _import(names: tuple[str, ...]) -> None:
    for name in names:
        # A module that is missing fails in the cell that imports it, with its message.
        with suppress(ImportError):
            importlib.import_module(name)
    new_output("stream")  # nbformat works out its checks here once, not in every judge


def _children(job: Job) -> list:
    """The student's process and, where a probe asks for one, a process without student code."""
    wanted = 2 if job.names.fresh_probes else 1
    for attempt in range(2):
        parent = _warm_parent(job.imports())
        children: list = []
        try:
            for _ in range(wanted):
                children.append(parent.fork(files=job.files, seed=job.seed))
            return children
        except WarmParentDied:
            for child in children:
                child.end()
            if attempt:
                raise
    raise AssertionError("unreachable")


def _judged(job: Job) -> Outcome:
    """What one run of a job leaves, with why the student's process ended early."""
    try:
        children = _children(job)
    except ValueError as error:  # its files: a name, or more than fits
        return _without_judge(job, str(error))
    reader, writer = os.pipe()
    judge = os.fork()
    if judge == 0:
        # From here on nothing may return into the worker's own code.
        try:
            os.close(reader)
            os.setsid()
            _judge_process(job, [child.socket for child in children], writer)
        except BrokenPipeError:
            pass  # nobody waits for this outcome any more
        except BaseException:
            # A mistake of ours or of the given cells: the instructor must see it.
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(0)
    os.close(writer)
    try:
        deadline = time.monotonic() + job.submission_seconds + job.cell_seconds + _JUDGE_GRACE
        content = _read_all(reader, deadline)
    finally:
        os.close(reader)
        with suppress(ProcessLookupError):
            os.killpg(judge, signal.SIGKILL)
        with suppress(ProcessLookupError):
            os.kill(judge, signal.SIGKILL)
        os.waitpid(judge, 0)
        causes = [child.end() for child in children]
    if content:
        outcome = Outcome.from_bytes(content)
        return replace(outcome, ended=causes[0] if outcome.ended else "")
    return _without_judge(job, NO_END)


def _judge_process(job: Job, sockets: list, writer: int) -> None:
    """In the judge: run the cells and write the outcome to the pipe."""
    if "torch" in sys.modules:
        # One thread, as behind the walls: more gain nothing here and disturb the other workers.
        sys.modules["torch"].set_num_threads(1)
    doors = [Door(one, job.cell_seconds) for one in sockets]
    fresh = doors[1] if len(doors) > 1 else None
    judge = Judge(doors[0], job.names, job.solution(), fresh, job.made_files())
    notebook = copied(job.notebook)
    budget = Budget(job.cell_seconds, job.submission_seconds)
    ended, told = run(notebook, doors[0], judge, budget, job.seed)
    content = Outcome(job.student, job.assignment, notebook, 0.0, ended, told).to_bytes()
    while content:
        content = content[os.write(writer, content) :]


def _read_all(reader: int, deadline: float) -> bytes:
    """Everything up to the end of the pipe; nothing if that takes too long."""
    parts = []
    while True:
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([reader], [], [], left)[0]:
            return b""
        part = os.read(reader, 1 << 20)
        if not part:
            return b"".join(parts)
        parts.append(part)


def _without_judge(job: Job, why: str) -> Outcome:
    """An outcome in which no test has one, each saying why."""
    result = copied(job.notebook)
    for cell in result.cells:
        if cell.cell_type == "code":
            cell.outputs = [error_output(NOT_RUN, why)]
    return Outcome(job.student, job.assignment, result, 0.0, why)
