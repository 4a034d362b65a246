"""One rebuilt notebook through the real engine, for tests that need no coordinator."""

from __future__ import annotations

from dataclasses import dataclass

from nbformat import NotebookNode

from autograder.config import Course
from autograder.judge.job import Assignment, Job, JobOutcome, code_cells


@dataclass(frozen=True)
class Executed:
    """What a job left: the executed notebook, why the process ended early, a fault of ours."""

    notebook: NotebookNode
    ended: str
    fault: str


def job_for(notebook: NotebookNode, source: NotebookNode, **more: object) -> Job:
    """A job for a rebuilt notebook; `more` are other fields of `Job`."""
    fields = {"student": "x", "assignment": "a", **more}
    off_limits = Course.here().settings.modules_off_limits(fields["assignment"])
    about = Assignment.of(source, ("beyond",), off_limits=off_limits)
    return Job(cells=code_cells(notebook), about=about, **fields)


def execute(notebook: NotebookNode, source: NotebookNode, **more: object) -> Executed:
    """Run it in this process's own worker."""
    from autograder.judge.worker import run_submission

    content = run_submission(job_for(notebook, source, **more).to_bytes())
    return executed(notebook, content)


def executed(notebook: NotebookNode, content: bytes) -> Executed:
    """What a worker's outcome makes of the notebook."""
    outcome = JobOutcome.from_bytes(content)
    assert not outcome.fault, outcome.fault
    return Executed(outcome.applied_to(notebook), outcome.ended, outcome.fault)
