"""Count what `watch` has done, for its last line."""

from __future__ import annotations

from dataclasses import dataclass, field

from autograder.core.counting import counted


@dataclass
class WatchSummary:
    """Count what was done.

    Attributes:
        assignment: the assignment's name.
        taken: the student of each attempt that was taken.
        graded: how many results were written.
        refused: how many submissions were not taken.
        waiting: how many attempts the next start has still to grade.
    """

    assignment: str
    taken: list[str] = field(default_factory=list)
    graded: int = 0
    refused: int = 0
    waiting: int = 0

    def __str__(self) -> str:
        left = f"; {self.waiting} will be graded at the next start" if self.waiting else ""
        return (
            f"{self.assignment}: {counted(len(self.taken), 'attempt')} of "
            f"{counted(len(set(self.taken)), 'student')} taken, {self.graded} graded, "
            f"{counted(self.refused, 'submission')} not taken{left}."
        )
