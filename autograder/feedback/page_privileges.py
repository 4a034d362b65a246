"""Write feedback without being root, where the command was started as root."""

from __future__ import annotations

import sys
from pathlib import Path

from autograder.config import Course
from autograder.feedback.server import start_server
from autograder.sandbox import privileges


def give_up_root(course: Course, *others: Path) -> None:
    """Give root up in this process for good, after starting the fork server of the pages.

    That server has to change its forks' user. What stays here is the right to end them, and the
    rights to the files of a course that isn't all root's own.

    Args:
        course: the course.
        others: other folders that will be written to.
    """
    if sys.platform != "linux":
        return
    kept = (*privileges.ENDING_OTHERS, *privileges.for_files([*course.folders(), *others]))
    privileges.keep((*kept, *privileges.CHANGING_USER))
    start_server()
    privileges.keep(kept)
