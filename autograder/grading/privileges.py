"""Grade without being root, where a command was started as root."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from autograder.course import Course
from autograder.sandbox import launcher, privileges

KINDS = (
    "autograder.judge.worker:STUDENTS",
    "autograder.judge.worker:JUDGES",
    "autograder.intake.confined:READER",
    "autograder.workers:NURSERY",
)
"""All that the launcher starts while a class is graded."""


@contextmanager
def without_root(course: Course) -> Iterator[None]:
    """Leave raising walls to a launcher and give root up in this process, for good.

    What stays is ending processes, and the files of a course that isn't all root's own.
    """
    with launcher.running(KINDS):
        privileges.keep((*privileges.ENDING_OTHERS, *privileges.for_files(course.folders())))
        yield
