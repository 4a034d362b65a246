"""Release to nbgrader's exchange with the due dates, by Formgrader's button too."""

from __future__ import annotations

from nbgrader.exchange.default import ExchangeReleaseAssignment

from autograder.config import Course
from autograder.core.due_record import write_due_record


class ReleaseAssignment(ExchangeReleaseAssignment):
    """Tell students, beside the assignments, when each is due."""

    def copy_files(self) -> None:
        """Copy the release, then write the due dates that the gradebook holds."""
        super().copy_files()
        write_due_record(Course.of_step(self))
