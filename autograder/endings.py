"""How a cell may end other than well: the names of the error outputs that say so."""

TIMED_OUT = "CellTimeoutError"
"""It ran into the time limit."""

DIED = "KernelDied"
"""It ended the Python process."""

NOT_RUN = "NotRun"
"""It wasn't run, because an earlier cell hung or ended the process."""

AT_LIMIT = "this cell ran into the time limit and had to be ended"
ENDED_PROCESS = "this cell ended the Python process"
BROKE_PROCESS = "this cell broke the Python process"
AFTER_LIMIT = "the time limit was used up"
AFTER_END = "an earlier cell ended the Python process"
AFTER_BREAK = "an earlier cell broke the Python process"
NO_END = "the tests did not come to their end"

_SENTENCES = {
    TIMED_OUT: {AT_LIMIT},
    DIED: {ENDED_PROCESS, BROKE_PROCESS},
    NOT_RUN: {AFTER_LIMIT, AFTER_END, AFTER_BREAK, NO_END},
}


def is_ours(name: str, message: str, traceback: list[str]) -> bool:
    """Whether an error output is word for word one of these, so that no student code wrote it."""
    return message in _SENTENCES.get(name, ()) and traceback == [f"{name}: {message}"]
