"""Hold what a session of `watch` works with."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from autograder.config import Course
from autograder.grading.coordinator import Runner
from autograder.grading.gradebook_writer import GradebookWriter
from autograder.grading.pool import ClusterWorkers, LocalWorkers
from autograder.grading.prepare import SubmissionPreparer
from autograder.intake.reader import Reader
from autograder.intake.staging import StagingFolder
from autograder.watch.inbox import Inbox
from autograder.watch.summary import WatchSummary
from autograder.watch.wake_ups import WakeUps


@dataclass
class Tools:
    """Hold what a session works with, made once for all submissions.

    Attributes:
        course: the course.
        assignment: the assignment's name.
        writer: of the gradebook.
        preparer: makes jobs of submissions.
        pool: runs them.
        runner: runs one of them on a worker.
        lanes: how many submissions are graded at a time, and how many are run for their visible
            checks.
        reader: opens what students hand in.
        staging: where files are copied first.
        inbox: what lies in the exchange.
        wake_ups: wakes the loop.
        say: tells the instructor a sentence.
        summary: counts what was done.
        stop: is set when all of this is to end.
    """

    course: Course
    assignment: str
    writer: GradebookWriter
    preparer: SubmissionPreparer
    pool: LocalWorkers | ClusterWorkers
    runner: Runner
    lanes: int
    reader: Reader
    staging: StagingFolder
    inbox: Inbox
    wake_ups: WakeUps
    say: Callable[[str], object]
    summary: WatchSummary
    stop: threading.Event = field(default_factory=threading.Event)
