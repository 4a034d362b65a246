"""How a cell may end other than well: the names of the error outputs that say so."""

TIMED_OUT = "CellTimeoutError"
"""It ran into the time limit."""

DIED = "KernelDied"
"""It ended the Python process."""

NOT_RUN = "NotRun"
"""It wasn't run, because an earlier cell hung or ended the process."""
