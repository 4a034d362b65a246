"""A runner without a sandbox, for the coordinator's tests: it executes the cells in its own process.

Only for submissions that the tests write themselves. `os._exit` in one ends the worker, which
is what some tests are about. Where the folder named by BEYOND_RUNS exists, each run is noted in
a file there.
"""

import contextlib
import io
import os
import time
from pathlib import Path

from autograder.checks import listening
from autograder.judge.job import CellOutcome, Job, JobOutcome


def execute(cells) -> dict[str, CellOutcome]:
    """What each code cell leaves, executed in order."""
    names = {"__name__": "__main__"}
    found = {}
    for cell in cells:
        outputs = []
        stderr = io.StringIO()
        with listening(_recorder(outputs)), contextlib.redirect_stderr(stderr):
            try:
                exec(compile(cell.source, cell.id, "exec"), names)
            except Exception as error:
                why = (type(error).__name__, str(error))
                outputs.append(
                    {
                        "output_type": "error",
                        "ename": why[0],
                        "evalue": why[1],
                        "traceback": [": ".join(why)],
                    }
                )
        if stderr.getvalue():
            said = stderr.getvalue()
            outputs.append({"output_type": "stream", "name": "stderr", "text": said})
        found[cell.id] = CellOutcome(outputs)
    # Who sets the language in a notebook sets it for this process.
    from beyond.locale import set_language

    set_language("en")
    return found


def _recorder(outputs):
    """Return a listener that adds what a report shows to these outputs."""
    return lambda bundle: outputs.append(
        {"output_type": "display_data", "metadata": {}, "data": bundle}
    )


def run_submission(content: bytes) -> bytes:
    """As `autograder.judge.worker.run_submission`."""
    job = Job.from_bytes(content)
    runs = os.environ.get("BEYOND_RUNS")
    # The preflight's names have a blank, which no student's id has.
    if runs and Path(runs).is_dir() and " " not in job.student:
        note = Path(runs) / f"{job.student}-{os.getpid()}-{time.monotonic_ns()}"
        note.touch()
    return JobOutcome(execute(job.cells)).to_bytes()


def fail_for_z(content: bytes) -> bytes:
    """A runner with a fault of its own for students whose name begins with z."""
    if Job.from_bytes(content).student.startswith("z"):
        raise RuntimeError("a fault in the runner")
    return run_submission(content)


def no_sandbox(content: bytes) -> bytes:
    """A runner on a machine where nothing can run."""
    from autograder.errors import EnvironmentFault

    raise EnvironmentFault("The sandbox can't be set up here; do something.")
