"""How a cell may end other than well: a state that the grader sets, never read from any words."""

from __future__ import annotations

from enum import StrEnum


class CellStatus(StrEnum):
    """What became of one code cell.

    The value is what a graded notebook keeps in the cell's metadata, which only the grader writes.
    """

    RAN = ""
    TIMED_OUT = "timed out"
    DIED = "died"
    NOT_RUN = "not run"
    STOPPED = "no end"

    @property
    def error_name(self) -> str:
        """The name of the error output that goes with the state."""
        return _ERROR_NAMES[self]


_ERROR_NAMES = {
    CellStatus.RAN: "",
    CellStatus.TIMED_OUT: "CellTimeoutError",
    CellStatus.DIED: "KernelDied",
    CellStatus.NOT_RUN: "NotRun",
    CellStatus.STOPPED: "TestStopped",
}
