"""One submission from its rebuilt notebook to the executed one, on the trusted side.

nbgrader's cell kinds decide where a cell runs: answers and the student's own cells behind the
walls, tests here, given cells on both sides. Once the child has ended nothing further runs, and
each remaining cell says so, so that no test passes for want of a child.
"""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass

from nbformat import NotebookNode
from nbformat.v4 import new_output

from autograder.engine import door as door_module
from autograder.engine.door import ChildGone, Door
from autograder.engine.judge import Judge, error_output
from autograder.endings import (
    AFTER_BREAK,
    AFTER_END,
    AFTER_LIMIT,
    AT_LIMIT,
    BROKE_PROCESS,
    DIED,
    ENDED_PROCESS,
    NOT_RUN,
    TIMED_OUT,
)
from autograder.notebooks import is_solution, is_test

OWN = "own-"
"""How `rebuild` begins the id of a student's own cell."""


@dataclass(frozen=True)
class Budget:
    """How long things may take, in seconds.

    Attributes:
        cell: one of the student's cells.
        submission: all of them together.
    """

    cell: float = 30.0
    submission: float = 300.0


def is_students(cell: NotebookNode) -> bool:
    """Whether a cell's source comes from the student."""
    return is_solution(cell) or cell.id.startswith(OWN)


def run(
    notebook: NotebookNode, door: Door, judge: Judge, budget: Budget, seed: int
) -> tuple[str, str]:
    """Run every code cell of a rebuilt notebook in place.

    Returns:
        Why the child had ended before the last cell, empty if it had not; and the id of the first
        cell in which a hidden test called the student's code, empty if there is none.
    """
    gone = told = ""
    spent = 0.0
    for number, cell in enumerate(notebook.cells, 1):
        if cell.cell_type != "code":
            continue
        if not gone and spent > budget.submission:
            gone = door_module.TIMED_OUT
        if gone:
            cell.outputs = [error_output(NOT_RUN, _NOT_RUN_BECAUSE[gone])]
            continue
        cell.execution_count = number
        try:
            if is_students(cell):
                spent += _run_students(cell, door, budget, cell_seed(seed, cell.id))
            elif is_test(cell):
                cell.outputs = judge.test(cell)
            else:
                _define(cell, door, judge)
        except ChildGone as end:
            gone = str(end)
            cell.outputs = [error_output(*_ENDED_BECAUSE[gone])]
        if judge.told and not told:
            told = cell.id
    return gone, told


def _define(cell: NotebookNode, door: Door, judge: Judge) -> None:
    """Run a given cell on both sides; where student code has broken its own side, tests will tell."""
    judge.define(cell)
    try:
        door.define(cell.source)
    except ChildGone:
        raise
    except Exception as error:
        cell.outputs = [error_output(type(error).__name__, str(error))]


_ENDED_BECAUSE = {
    door_module.TIMED_OUT: (TIMED_OUT, AT_LIMIT),
    door_module.ENDED: (DIED, ENDED_PROCESS),
    door_module.BROKE_FORM: (DIED, BROKE_PROCESS),
}
_NOT_RUN_BECAUSE = {
    door_module.TIMED_OUT: AFTER_LIMIT,
    door_module.ENDED: AFTER_END,
    door_module.BROKE_FORM: AFTER_BREAK,
}


def cell_seed(seed: int, cell: str) -> int:
    """The seed of one cell: the same for everyone, in any order of grading."""
    digest = hashlib.sha256(f"{seed}/{cell}".encode()).digest()
    return int.from_bytes(digest[:4], "little")


def _run_students(cell: NotebookNode, door: Door, budget: Budget, seed: int) -> float:
    """Run a cell of the student's; returns the seconds it may have taken at most."""
    began = time.monotonic()
    ran = door.run(cell.id, cell.source, budget.cell, seed)
    cell.outputs = [output for claim in ran.outputs if (output := _plain_output(claim))]
    if ran.error and not any(one.output_type == "error" for one in cell.outputs):
        cell.outputs.append(error_output(*ran.error))
    if ran.late:
        _name_limit(cell)
    return time.monotonic() - began


def _name_limit(cell: NotebookNode) -> None:
    """Say that the time limit ended the cell, in place of the exception that it was ended with."""
    for output in cell.outputs:
        if output.output_type == "error":
            output.ename = TIMED_OUT


def _plain_output(claim: dict) -> NotebookNode | None:
    """A notebook output from what the child claims to have shown; None if it has no such form."""
    kind = claim.get("output_type")
    text = {key: value for key, value in claim.items() if isinstance(value, str)}
    if kind == "stream" and text.get("name") in ("stdout", "stderr"):
        return new_output("stream", name=text["name"], text=text.get("text", ""))
    if kind == "error":
        lines = claim.get("traceback")
        output = error_output(text.get("ename", "Exception"), text.get("evalue", ""))
        if isinstance(lines, list) and all(isinstance(line, str) for line in lines):
            output.traceback = lines
        return output
    data = claim.get("data")
    if kind in ("display_data", "execute_result") and isinstance(data, dict):
        # Only what a page can show as text, HTML or a picture; a check's record from a
        # student's cell would be a forgery.
        shown = {
            mime: value
            for mime, value in data.items()
            if mime in _SHOWN and isinstance(value, str)
        }
        return new_output("display_data", data=shown) if shown else None
    return None


_SHOWN = ("text/plain", "text/html", "text/markdown", "text/latex", "image/png", "image/jpeg")
