"""Name the ways in which a cell may end; the grader sets them and reads them from no output."""

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
        """Return the name of the error output that goes with the state; empty if there is none."""
        return _ERROR_NAMES[self]


_ERROR_NAMES = {
    CellStatus.RAN: "",
    CellStatus.TIMED_OUT: "CellTimeoutError",
    CellStatus.DIED: "KernelDied",
    CellStatus.NOT_RUN: "NotRun",
    CellStatus.STOPPED: "TestStopped",
}
