"""Let one process at a time change a part of a term; the system unlocks when a process ends."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from autograder.config import Course

_BETWEEN_TRIES = 0.1


@contextmanager
def collecting_lock(course: Course, stop: threading.Event | None = None) -> Iterator[bool]:
    """Wait until no other process collects, and keep others waiting during the block.

    Args:
        course: whose submissions are taken in.
        stop: ends the waiting when it is set, for whoever handles Ctrl-C by such an event.

    Yields:
        Whether the lock is held; False only after `stop`.
    """
    with _lock(course, ".collecting", stop) as held:
        yield held


@contextmanager
def values_lock(course: Course) -> Iterator[None]:
    """Wait until no other process changes who has which values, and keep others waiting."""
    with _lock(course, ".values"):
        yield


@contextmanager
def _lock(course: Course, name: str, stop: threading.Event | None = None) -> Iterator[bool]:
    try:
        import fcntl
    except ImportError:  # Windows, where assignments are written and released, but not graded
        yield True
        return
    course.term.mkdir(parents=True, exist_ok=True)
    with (course.term / name).open("wb") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | (fcntl.LOCK_NB if stop else 0))
            except BlockingIOError:
                if stop is not None and stop.wait(_BETWEEN_TRIES):
                    yield False
                    return
            else:
                yield True
                return
