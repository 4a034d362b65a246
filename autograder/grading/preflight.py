"""Grade the solution and the untouched release first, the same way as the class.

On this machine, through the same workers: full marks for the one, zero for the other. So
the instructor hears of a fault in the assignment or the environment before it can cost students
points or give points away.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterable, Mapping
from concurrent.futures import Executor
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autograder.config import Course
from autograder.core.atomic_io import write_file
from autograder.core.cell_status import CellStatus
from autograder.core.notebook_io import grade_id, is_solution
from autograder.errors import UserError
from autograder.grading.pool import WorkerDied, run_each
from autograder.judge.contract import find_contracts
from autograder.judge.job import Job, JobOutcome

if TYPE_CHECKING:
    from nbformat import NotebookNode

    from autograder.grading.coordinator import Runner
    from autograder.grading.prepare import SubmissionPreparer

Contracts = Mapping[str, tuple[str, ...] | None]

_MOST_REASONS = 4
_RECORD = ".preflight.json"
_CONTRACTS = ".contracts.json"


def require_preflight(
    course: Course, assignment: str, preparer: SubmissionPreparer, pool: Executor, runner: Runner
) -> None:
    """Require that the solution earns full marks here and the untouched release none.

    What has passed is not tried again until the assignment, this package or the environment
    changes.

    Args:
        course: the course.
        assignment: the assignment's name.
        preparer: makes the two submissions.
        pool: runs them.
        runner: runs one job on a worker.

    Raises:
        UserError: one of them doesn't; the message says which cell and why.
    """
    key = assignment_key(course, assignment)
    passed = _read(course, _RECORD)
    kept = _read(course, _CONTRACTS)
    if passed.get(assignment) == key:
        found = kept.get(assignment, {})
        preparer.contracts = {
            name: {cell: tuple(lines) for cell, lines in cells.items()}
            for name, cells in found.items()
        }
        return
    problems = list(_problems(preparer, pool, runner))
    needs_more = any(one.is_of_the_solutions_points for one in problems)
    if needs_more and _learn(preparer, pool, runner):
        problems = list(_problems(preparer, pool, runner))
    if problems:
        shown = "; ".join(one.text for one in problems[:_MOST_REASONS])
        more = (
            f"; and {len(problems) - _MOST_REASONS} more" if len(problems) > _MOST_REASONS else ""
        )
        raise UserError(
            f"{assignment} can't be graded on this machine: {shown}{more}; nobody was graded, so "
            "fix the assignment or the environment and run the same command again."
        )
    if preparer.contracts or assignment in kept:
        _write(course, _CONTRACTS, {**kept, assignment: preparer.contracts})
    _write(course, _RECORD, {**passed, assignment: key})


def _learn(preparer: SubmissionPreparer, pool: Executor, runner: Runner) -> bool:
    """Find out what the solution needs beyond plain values; return whether it is anything."""
    from autograder.grading.result import graded_cells

    for work in preparer.preflights():
        if not work.is_solution:
            continue
        (name,) = work.rebuilt
        job = Job.from_bytes(work.jobs[0])

        def run(contracts: Contracts, job: Job = job) -> JobOutcome:
            content = replace(job, contracts=contracts).to_bytes()
            return JobOutcome.from_bytes(pool.submit(run_each, runner, [content]).result()[0])

        def failing(outcome: JobOutcome, sent: NotebookNode = work.rebuilt[name]) -> set[str]:
            if outcome.fault:
                return set()
            ids = {grade_id(cell): cell.id for cell in sent.cells}
            return {
                ids[cell.grade_id]
                for cell in graded_cells(outcome.applied_to(sent))
                if cell.points is not None and cell.points != cell.max_points
            }

        with suppress(WorkerDied):
            contracts = find_contracts(run, failing, lambda one, cell: one.cells[cell].needs)
            if contracts:
                preparer.contracts = {**preparer.contracts, name: contracts}
    return bool(preparer.contracts)


@dataclass(frozen=True)
class _Problem:
    """What is wrong, and whether it may be that a test needs more than plain values."""

    text: str
    is_of_the_solutions_points: bool = False


def _problems(preparer: SubmissionPreparer, pool: Executor, runner: Runner) -> Iterable[_Problem]:
    from autograder.grading.prepare import GraderFault
    from autograder.grading.result import graded_cells
    from autograder.grading.scoring import status_of

    works = preparer.preflights()
    futures = [pool.submit(run_each, runner, work.jobs) for work in works]
    for work, future in zip(works, futures, strict=True):
        try:
            graded = preparer.results(work, future.result())
        except GraderFault as fault:
            yield _Problem(fault_sentence(str(fault)))
            return
        except WorkerDied as error:
            yield _Problem(f"{work.student} ended the process that graded it ({error})")
            return
        for notebook in graded.values():
            ended = [
                cell.id
                for cell in notebook.cells
                if status_of(cell) is CellStatus.STOPPED and not is_solution(cell)
            ]
            if ended:
                yield _Problem(f"the cell {ended[0]} ended the process that runs the tests")
                return
            for cell in graded_cells(notebook):
                wanted = cell.max_points if work.is_solution else 0.0
                if cell.points is not None and cell.points != wanted:
                    why = f" ({'; '.join(cell.messages)})" if cell.messages else ""
                    text = (
                        f"{cell.grade_id} gives {work.student} {cell.points:g} of "
                        f"{cell.max_points:g} points{why}"
                    )
                    yield _Problem(text, work.is_solution)


def fault_sentence(fault: str) -> str:
    """Return the cell that failed and the last line of its traceback, in words."""
    lines = [line.strip() for line in fault.strip().splitlines() if line.strip()]
    where = lines[0].rstrip(":") if lines[0].startswith("the cell ") else "grading itself"
    return f"{where} fails with {lines[-1][:200]}"


def _write(course: Course, name: str, content: dict[str, Any]) -> None:
    text = json.dumps(content, indent=1) + "\n"
    write_file(course.term / name, text.encode("ascii"))


def _read(course: Course, name: str) -> dict[str, Any]:
    try:
        found = json.loads((course.term / name).read_text(encoding="ascii"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def assignment_key(course: Course, assignment: str) -> str:
    """Return a hash of the assignment, this package and what it runs on."""
    seen = hashlib.sha256(f"{sys.version}\0{sys.flags}\0{course.cell_seconds}".encode())
    folders = [course.source(code) / assignment for code in course.languages()]
    if course.is_by_nbgrader:
        folders = [course.place("source", ".", assignment)]
    folders += [*course.package_folders(), Path(__file__).parents[1]]
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            if path.is_file() and "__pycache__" not in path.relative_to(folder).parts:
                seen.update(f"{path.relative_to(folder)}\0".encode())
                seen.update(hashlib.sha256(path.read_bytes()).digest())
    for place in sys.path:
        # Changes when a package is installed or removed.
        if place.endswith(("site-packages", "dist-packages")) and Path(place).is_dir():
            seen.update(f"{place}\0{Path(place).stat().st_mtime_ns}".encode())
    return seen.hexdigest()
