"""Run a notebook in an ordinary Jupyter kernel, for `validate` and `check`; never for points.

This is nbgrader's own execution, extended for kernels that die or hang, so that every cell ends
with an outcome.
"""

from __future__ import annotations

from typing import Any

from nbclient.exceptions import CellTimeoutError, DeadKernelError
from nbconvert.exporters.exporter import ResourcesDict
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_output
from nbgrader.preprocessors import Execute
from nbgrader.preprocessors.execute import UnresponsiveKernelError

from autograder.core.cell_status import CellStatus
from autograder.notebook_metadata import put
from autograder.student.kernel import CourseKernelManager

_TIMEOUTS_ALLOWED = 2
_FORBID = "__import__('autograder.sandbox.off_limits').sandbox.off_limits.forbid({!r})"

TIMED_OUT, DIED, NOT_RUN = (
    one.error_name for one in (CellStatus.TIMED_OUT, CellStatus.DIED, CellStatus.NOT_RUN)
)


class ExecuteSubmission(Execute):
    """Execute every cell; after a dead kernel or a second time-out, skip the rest.

    A cell that wasn't run gets an error output named `NotRun`, so it can't pass for a test
    without complaints.

    Args:
        off_limits: modules that no cell may import.
        options: nbgrader's.
    """

    def __init__(self, off_limits: tuple[str, ...] = (), **options: Any) -> None:
        super().__init__(kernel_manager_class=CourseKernelManager, **options)
        self._off_limits = off_limits

    def preprocess(
        self, nb: NotebookNode, resources: ResourcesDict, km: object = None
    ) -> tuple[NotebookNode, ResourcesDict]:
        """Execute a notebook.

        Args:
            nb: the notebook, which is changed in place.
            resources: nbconvert's.
            km: the kernel manager; a new one when None.
        """
        self._stopped: str | None = None
        self._timeouts = 0
        if self._off_limits:
            # A cell, because what starts a kernel runs nothing of ours.
            nb.cells.insert(0, new_code_cell(_FORBID.format(self._off_limits), id="off-limits"))
        executed: tuple[NotebookNode, ResourcesDict] = super().preprocess(nb, resources, km)
        if self._off_limits:
            del executed[0].cells[0]
        return executed

    def preprocess_cell(
        self, cell: NotebookNode, resources: ResourcesDict, index: int
    ) -> tuple[NotebookNode, ResourcesDict]:
        """Execute one cell, or note why it wasn't run."""
        if cell.cell_type != "code":
            return cell, resources
        if self._stopped:
            cell.outputs = [_error(NOT_RUN, self._stopped)]
            _note(cell, CellStatus.NOT_RUN)
            return cell, resources
        try:
            cell, resources = super().preprocess_cell(cell, resources, index)
        except DeadKernelError:
            self._stopped = "an earlier cell ended the Python process"
            cell.outputs.append(_error(DIED, "this cell ended the Python process"))
            _note(cell, CellStatus.DIED)
        except (UnresponsiveKernelError, CellTimeoutError):
            # nbclient raises the second where the kernel doesn't end the interrupted cell.
            self._stopped = "an earlier cell could not be stopped"
            cell.outputs.append(_error(TIMED_OUT, "this cell could not be stopped"))
        if any(out.output_type == "error" and out.ename == TIMED_OUT for out in cell.outputs):
            self._timeouts += 1
            _note(cell, CellStatus.TIMED_OUT)
            if self._timeouts >= _TIMEOUTS_ALLOWED and not self._stopped:
                self._stopped = "two earlier cells ran into the time limit"
        return cell, resources


def _note(cell: NotebookNode, status: CellStatus) -> None:
    put(cell, status=str(status))


def _error(name: str, value: str) -> NotebookNode:
    output: NotebookNode = new_output(
        "error", ename=name, evalue=value, traceback=[f"{name}: {value}"]
    )
    return output
