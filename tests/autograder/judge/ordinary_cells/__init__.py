"""Ordinary nbgrader cells, made up after what such cells ask for, and two ways to run them.

A file holds cases: a line `=== name`, then cells that each begin with `# %%` and their kind. In a
solution cell the usual markers tell what the release leaves out.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import nbformat.v4 as v4
from nbformat import NotebookNode

from autograder.core.notebook_io import is_test
from autograder.grading.result import graded_cells
from autograder.judge.job import Assignment, Job, JobOutcome, code_cells

FOLDER = Path(__file__).parent
_SOLVED = re.compile(r"^([ \t]*)### BEGIN SOLUTION\n.*?### END SOLUTION[ \t]*\n?", re.S | re.M)


@dataclass(frozen=True)
class Case:
    """One notebook's worth of cells.

    Attributes:
        cells: the kind and source of each, in order.
        files: what lies beside the notebook.
    """

    name: str
    cells: tuple[tuple[str, str], ...]
    files: dict[str, bytes] = field(default_factory=dict)

    def notebook(self, solved: bool = True, changed: dict[str, str] | None = None) -> NotebookNode:
        """The instructor's notebook, or an untouched release with whole tests."""
        made = []
        for number, (kind, source) in enumerate(self.cells):
            word, *rest = kind.split()
            name = f"{word}-{number}"
            points = float(rest[1]) if rest else 1.0
            marks = {"schema_version": 3, "grade_id": name, "locked": word != "solution"}
            marks |= {"solution": word == "solution", "grade": word == "test", "task": False}
            if word == "test":
                marks["points"] = points
            if word == "solution" and not solved:
                source = _SOLVED.sub(r"\1# YOUR CODE HERE\n\1raise NotImplementedError()\n", source)
            source = (changed or {}).get(name, source)
            made.append(v4.new_code_cell(source, id=name, metadata={"nbgrader": marks}))
        return v4.new_notebook(cells=made)


def cases(file: str) -> list[Case]:
    """The cases of one file."""
    found = []
    for block in re.split(r"^=== ", (FOLDER / file).read_text(encoding="utf-8"), flags=re.M)[1:]:
        name, _, body = block.partition("\n")
        cells, files = [], {}
        for part in re.split(r"^# %% ", body, flags=re.M)[1:]:
            kind, _, source = part.partition("\n")
            if kind.startswith("file "):
                files[kind[5:]] = source.encode("utf-8")
            else:
                cells.append((kind, source.strip("\n")))
        found.append(Case(name, tuple(cells), files))
    return found


def job(case: Case, work: NotebookNode, contracts: dict | None = None) -> Job:
    """The job for a worker."""
    return Job(
        student="x",
        assignment="a",
        cells=code_cells(work),
        about=Assignment.of(case.notebook()),
        files=case.files,
        given_files=tuple(case.files),
        cell_seconds=10.0,
        contracts=contracts or {},
    )


@dataclass(frozen=True)
class Verdict:
    """Points by test cell, and what was said."""

    points: dict[str, float]
    said: dict[str, str]
    needs: dict[str, tuple[str, ...]] = field(default_factory=dict)


def judged(case: Case, work: NotebookNode, contracts: dict | None = None) -> Verdict:
    """What the engine says of a notebook."""
    from autograder.judge.worker import run_submission

    outcome = JobOutcome.from_bytes(run_submission(job(case, work, contracts).to_bytes()))
    if outcome.fault:
        return Verdict({}, {"fault": outcome.fault})
    graded = graded_cells(outcome.applied_to(work))
    return Verdict(
        {cell.grade_id: cell.points for cell in graded},
        {cell.grade_id: "; ".join(cell.messages) for cell in graded},
        {name: cell.needs for name, cell in outcome.cells.items() if cell.needs},
    )


def dry_run(case: Case) -> tuple[Verdict, dict[str, tuple[str, ...]]]:
    """What the engine says of the solution, and what its tests may do by that."""
    from autograder.judge.contract import find_contracts
    from autograder.judge.worker import run_submission

    work = case.notebook()

    def run(contracts):
        return JobOutcome.from_bytes(run_submission(job(case, work, contracts).to_bytes()))

    def failing(outcome):
        if outcome.fault:
            return set()
        graded = graded_cells(outcome.applied_to(work))
        return {c.grade_id for c in graded if c.points is not None and c.points < c.max_points}

    contracts = find_contracts(run, failing, lambda one, cell: one.cells[cell].needs)
    return judged(case, work, contracts), contracts


STOCK = """
import builtins, io, json, os, sys, tempfile, traceback
import matplotlib
matplotlib.use("agg")
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()
shell.colors = "nocolor"
out = sys.stdout
for line in sys.stdin:
    sys.stdout = io.StringIO()
    job = json.loads(line)
    shell.reset(new_session=True)
    main = sys.modules["__main__"]
    folder = tempfile.mkdtemp()
    os.chdir(folder)
    for name, text in job["files"].items():
        open(name, "w").write(text)
    sys.path.insert(0, folder)
    sys.modules.pop("helpers", None)
    found = []
    for source in job["cells"]:
        result = shell.run_cell(source, store_history=True)
        found.append([result.success, repr(result.result)])
    sys.path.remove(folder)
    out.write(json.dumps(found) + "\\n")
    out.flush()
"""


def stock(works: list[tuple[Case, NotebookNode]]) -> list[dict[str, float]]:
    """What nbgrader says: every cell in one namespace, a test that fails gives nothing."""
    lines = [
        json.dumps(
            {
                "files": {name: one.decode() for name, one in case.files.items()},
                "cells": [cell.source for cell in work.cells],
            }
        )
        for case, work in works
    ]
    ran = subprocess.run(
        [sys.executable, "-c", STOCK],
        input="\n".join(lines) + "\n",
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    found = []
    for (_case, work), line in zip(works, ran.stdout.splitlines(), strict=True):
        points = {}
        for cell, (fine, shown) in zip(work.cells, json.loads(line), strict=True):
            if is_test(cell):
                most = cell.metadata.nbgrader.points
                try:
                    number = float(shown)
                except ValueError:
                    number = most
                points[cell.id] = number if fine else 0.0
        found.append(points)
    return found
