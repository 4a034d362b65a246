"""Let one process at a time put submissions into a term."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from autograder.config import Course


@contextmanager
def collecting_lock(course: Course) -> Iterator[None]:
    """Wait until no other process collects, and keep others waiting during the block.

    The system unlocks when the process ends.
    """
    import fcntl

    course.term.mkdir(parents=True, exist_ok=True)
    with (course.term / ".collecting").open("wb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield
