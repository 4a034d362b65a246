"""A runner without walls, for the tests of the coordinator: it executes the cells right here.

Only for submissions that the tests write themselves. `os._exit` in one ends the worker, which
is what some tests are about. Where the folder named by BEYOND_RUNS exists, each run is noted in
a file there.
"""

import contextlib
import io
import os
import time
from pathlib import Path

from beyond.checks import listening
from nbformat.v4 import new_output

from autograder.engine.job import Job, Outcome


def execute(notebook) -> None:
    """Execute the code cells in place."""
    names = {"__name__": "__main__"}
    for number, cell in enumerate(notebook.cells, 1):
        if cell.cell_type != "code":
            continue
        cell.execution_count, cell.outputs = number, []
        stderr = io.StringIO()
        shown = lambda bundle, cell=cell: cell.outputs.append(new_output("display_data", bundle))  # noqa: E731
        with listening(shown), contextlib.redirect_stderr(stderr):
            try:
                exec(compile(cell.source, cell.id, "exec"), names)
            except Exception as error:
                why = (type(error).__name__, str(error))
                cell.outputs.append(
                    new_output("error", ename=why[0], evalue=why[1], traceback=[": ".join(why)])
                )
        if stderr.getvalue():
            cell.outputs.append(new_output("stream", name="stderr", text=stderr.getvalue()))
    # Who sets the language in a notebook sets it for this process.
    from beyond.locale import set_language

    set_language("en")


def run_submission(content: bytes) -> bytes:
    """As `autograder.engine.worker.run_submission`."""
    job = Job.from_bytes(content)
    runs = os.environ.get("BEYOND_RUNS")
    if runs and Path(runs).is_dir():
        note = Path(runs) / f"{job.student}-{os.getpid()}-{time.monotonic_ns()}"
        note.touch()
    execute(job.notebook)
    return Outcome(job.student, job.assignment, job.notebook, 0.0).to_bytes()


def fail_for_z(content: bytes) -> bytes:
    """A runner with a fault of its own for students whose name begins with z."""
    if Job.from_bytes(content).student.startswith("z"):
        raise RuntimeError("a fault in the runner")
    return run_submission(content)


def no_walls(content: bytes) -> bytes:
    """A runner on a machine where nothing can run."""
    from autograder.errors import EnvironmentFault

    raise EnvironmentFault("The walls can't be raised here; do something.")
