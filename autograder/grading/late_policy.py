"""Take points for lateness as the course's settings say, through nbgrader's plugin.

`Course.nbgrader_config` names this class where the course has a late policy, so Formgrader's
Autograde button and `autograder grade` ask the same one.
"""

from __future__ import annotations

import math

from nbgrader.plugins import LateSubmissionPlugin
from traitlets import Float

_DAY = 24 * 60 * 60


class LatePolicy(LateSubmissionPlugin):
    """Take a part of the points that were earned, for each day that has begun."""

    per_day = Float(0.0, min=0, max=100, help="Percent of the earned points, a day.").tag(
        config=True
    )
    grace_minutes = Float(0.0, min=0, help="Minutes after the due date that cost nothing.").tag(
        config=True
    )
    cap = Float(100.0, min=0, max=100, help="The most percent that lateness costs.").tag(
        config=True
    )

    def late_submission_penalty(
        self, student_id: str, score: float, total_seconds_late: float
    ) -> float | None:
        """Return the points to take from a notebook; None if it costs nothing.

        Days are counted from the due date, whether or not there is a grace period.

        Args:
            student_id: the student's id; the policy is the same for all.
            score: the points that the notebook earned.
            total_seconds_late: seconds after the due date with the student's extension.
        """
        if total_seconds_late <= self.grace_minutes * 60:
            return None
        percent = min(self.cap, self.per_day * math.ceil(total_seconds_late / _DAY))
        return score * percent / 100 if percent else None
