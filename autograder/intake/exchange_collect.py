"""Collect from nbgrader's exchange by Formgrader's button and `nbgrader collect`, too."""

from __future__ import annotations

from nbgrader.exchange.default import ExchangeCollect

from autograder.config import Course
from autograder.errors import UserError
from autograder.intake.collect import collect


class CollectNewest(ExchangeCollect):
    """Do what `autograder collect` does.

    nbgrader's own takes what claims to be another student's with no more than a warning, believes
    the time that a folder's name says, and enrolls renamed students again under their old id.
    """

    def start(self) -> None:
        """Collect the newest submission of each student, and log what became of each.

        Raises:
            ExchangeError: nothing can be collected, or not in the way that was asked for.
        """
        if self.before_duedate or self.coursedir.student_id not in ("", "*"):
            self.fail(
                "This course collects everybody's newest submission, and the late policy says what "
                "it is worth; leave out --before-duedate and --student."
            )
        try:
            result = collect(Course.of_step(self), self.coursedir.assignment_id)
        except UserError as error:
            self.fail(str(error))
        say = self.log.warning if result.refused or result.warnings else self.log.info
        say("%s", result)
