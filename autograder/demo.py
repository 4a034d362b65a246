"""Run a whole term in a folder of its own, with the small class that ships as test data.

The end-to-end test calls the same function. The instructor's own course isn't changed: only its
`source/` and the test data are read.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from autograder.authoring.build import build
from autograder.authoring.release import release
from autograder.config import Course
from autograder.core.atomic_io import plain_disk_errors
from autograder.core.counting import counted
from autograder.errors import UserError
from autograder.feedback.feedback import feedback
from autograder.grading.coordinator import grade
from autograder.grading.result import SubmissionResult
from autograder.intake.collect import collect
from autograder.intake.collect_result import CollectResult

CELL_SECONDS = 5
"""The time limit of a cell: the class has an endless loop that should not take long."""

DELIVERIES = "deliveries.json"
"""What came in for each assignment, in the folder of the class.

A folder doesn't record when its files were submitted (copying changes their times), so that is
given there.
"""


def play(
    folder: Path, course: Course, say: Callable[[str], None] = print
) -> list[SubmissionResult]:
    """Build, release, collect, grade and write feedback, all below `folder`.

    Args:
        folder: an empty folder, or one that doesn't exist yet.
        course: the course whose `source/` and test data are read.
        say: called with a line of text for each step.

    Returns:
        The result of every submission, by assignment and student.

    Raises:
        UserError: there is no test data (as in a bundle), or the folder isn't empty.
        EnvironmentFault: the disk is full.
    """
    own, collected = prepare(Path(folder), course, say)
    results: list[SubmissionResult] = []
    for assignment in collected:
        say(f"grading {assignment}")
        results += grade(own, assignment, progress=_progress_printer(say))
        written = feedback(own, assignment)
        say(f"wrote {counted(len(written), 'page')} of feedback below {own.feedback}")
    return results


def prepare(
    folder: Path, course: Course, say: Callable[[str], None] = print
) -> tuple[Course, dict[str, list[CollectResult]]]:
    """Run the term up to grading: a course of its own in `folder`, released and collected.

    Args:
        folder: an empty folder, or one that doesn't exist yet.
        course: the course whose `source/` and test data are read.
        say: called with a line of text for each step.

    Returns:
        The new course, and what each collection took in, by assignment.

    Raises:
        UserError: there is no test data (as in a bundle), or the folder isn't empty.
        EnvironmentFault: the disk is full.
    """
    data = course.root / course.settings.demo_class
    if not (data / DELIVERIES).is_file() or not course.assignments():
        raise UserError(
            f"The demo needs the course's own repository: {data} or source/ is missing; "
            "a student's bundle doesn't have them."
        )
    if folder.exists() and any(folder.iterdir()):
        raise UserError(f"{folder} isn't empty; name a new folder for the demo.")
    with plain_disk_errors(folder):
        shutil.copytree(
            course.root / "source",
            folder / "source",
            ignore=shutil.ignore_patterns(".ipynb_checkpoints", "__pycache__"),
        )
    # With an exchange of its own, even if the environment names one.
    own = Course(
        folder.resolve(),
        cell_seconds=CELL_SECONDS,
        exchange=folder / "exchange",
        settings=course.settings,
    )
    say(f"built {counted(len(build(own)), 'file')} in {own.root}")
    due = datetime.fromisoformat(
        json.loads((data / "expected.json").read_text(encoding="utf-8"))["due"]
    )
    collected: dict[str, list[CollectResult]] = {}
    everything = json.loads((data / DELIVERIES).read_text(encoding="utf-8"))
    for assignment, deliveries in everything.items():
        release(own, assignment, due=due)
        say(f"released {assignment}, due {due:%Y-%m-%d %H:%M} UTC")
        for delivery in deliveries:
            name, said = delivery["file"], delivery.get("received")
            received = datetime.fromisoformat(said) if said else None
            result = collect(
                own, assignment, data / name, roster=data / "roster.csv", received=received
            )
            collected.setdefault(assignment, []).append(result)
            say(f"collected {name}: {len(result.taken)} accepted, {len(result.refused)} refused")
            for sentence in result.refused:
                say(f"  {sentence}")
    return own, collected


def _progress_printer(say: Callable[[str], None]) -> Callable[[int, int, str], None]:
    def tell(done: int, of: int, student: str) -> None:
        if student:
            say(f"  {done + 1}/{of} {student}")

    return tell
