"""Say how much of a class's scores stands at each level of trust (`judge.contract.Level`)."""

from __future__ import annotations

from dataclasses import dataclass

from autograder.config import Course
from autograder.grading.levels import levels_on_record
from autograder.i18n import _
from autograder.judge.contract import Level
from autograder.report import statistics
from autograder.report.gradesheet import GradeSheet, Question


@dataclass(frozen=True)
class LevelLine:
    """What the tests of one level come to.

    Attributes:
        points: what the tests are worth together.
        mean: the mean of the points earned there; None if nobody is graded.
        titles: what people call the tests.
    """

    level: Level
    points: float
    mean: float | None
    titles: tuple[str, ...]


@dataclass(frozen=True)
class LevelTable:
    """How much of the scores stands at each level.

    Attributes:
        lines: a line for each level that there are tests of, the safest first.
        worth: the fraction of its points that an unsealed test counts for.
        earned: the points that each student has at each of these levels.
    """

    lines: list[LevelLine]
    worth: float
    earned: dict[str, tuple[float, ...]]

    @property
    def is_all_sealed(self) -> bool:
        """Whether there is nothing to tell apart."""
        return all(line.level is Level.SEALED for line in self.lines)


def level_table(course: Course, sheet: GradeSheet) -> LevelTable | None:
    """Return how much of an assignment's scores stands at each level; None if that isn't known.

    Args:
        course: the course.
        sheet: the class's results.
    """
    levels = levels_on_record(course, sheet.assignment)
    if levels is None:
        return None
    tests: dict[Level, list[Question]] = {}
    for question in sheet.questions:
        if not question.manual and question.name in levels.points.get(question.notebook, {}):
            tests.setdefault(levels.of(question.notebook, question.name), []).append(question)
    there = [level for level in Level if level in tests]
    earned = {
        row.student: tuple(
            sum(row.scores.get(question.key, 0.0) for question in tests[level]) for level in there
        )
        for row in sheet.submitted
    }
    lines = [
        LevelLine(
            level,
            sum(question.points for question in tests[level]),
            statistics.mean([points[place] for points in earned.values()]),
            tuple(question.title for question in tests[level]),
        )
        for place, level in enumerate(there)
    ]
    return LevelTable(lines, course.unsealed_worth, earned) if lines else None


def level_words() -> dict[Level, tuple[str, str]]:
    """Return the name of each level and what it means, in the current language."""
    return {
        Level.SEALED: (
            _("sealed"),
            _("the test compared plain values outside the student's process"),
        ),
        Level.BY_HANDLE: (
            _("by handle"),
            _("the test ran outside, but took the word of objects in the student's process"),
        ),
        Level.UNSEALED: (
            _("unsealed"),
            _("the test ran in the student's process, where its result could be forged"),
        ),
    }
