"""Count, over a class's graded notebooks, which options were chosen and which checks failed."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from autograder.checks import record_in
from autograder.config import Course
from autograder.i18n import _
from autograder.report.gradesheet import GradeSheet

MAX_CHECKS = 10
"""The most checks that are listed, those that failed most often."""

MAX_NOTEBOOK_BYTES = 64 * 1024 * 1024
"""The most bytes of a graded notebook that is read; grading writes smaller ones."""


@dataclass
class ChosenOptions:
    """How often each option of a choice question was chosen.

    Attributes:
        title: the question's.
        correct: the correct option.
        answered: the number of submissions that chose one.
        wrong: the wrong options, each with how often it was chosen.
    """

    title: str
    correct: str
    answered: int = 0
    wrong: Counter[str] = field(default_factory=Counter)


@dataclass
class CheckCount:
    """How often one check failed.

    Attributes:
        title: its question's.
        name: the check's, untranslated.
        judged: the number of submissions that answered the question.
        failed: the number of those in which it failed.
    """

    title: str
    name: str
    judged: int = 0
    failed: int = 0

    @property
    def words(self) -> str:
        """The name in the current language."""
        return str(_(self.name))


@dataclass
class AnswerCounts:
    """What a class answered.

    Attributes:
        options: by grade id, for questions that somebody chose a wrong option of.
        checks: those that failed most often first.
    """

    options: dict[str, ChosenOptions] = field(default_factory=dict)
    checks: list[CheckCount] = field(default_factory=list)


def count_answers(course: Course, sheet: GradeSheet) -> AnswerCounts:
    """Count the answers of every graded submission.

    Args:
        course: the course.
        sheet: the class's results; its questions give the order and the titles.
    """
    titles = {question.name: question.title for question in sheet.questions}
    options: dict[str, ChosenOptions] = {}
    checks: dict[tuple[str, str], CheckCount] = {}
    for row in sheet.submitted:
        folder = course.place("autograded", row.student, sheet.assignment)
        for name, record in _records(folder):
            if name not in titles:
                continue
            for one in record["checks"]:
                if isinstance(one.get("choice"), dict):
                    _count_choice(options, name, titles[name], one["choice"])
                elif isinstance(one.get("name"), str) and not one.get("unanswered"):
                    count = checks.setdefault(
                        (name, one["name"]), CheckCount(titles[name], one["name"])
                    )
                    count.judged += 1
                    count.failed += not one["passed"]
    order = {question.name: place for place, question in enumerate(sheet.questions)}
    failed = sorted(
        (
            (name, count)
            for (name, _check), count in checks.items()
            if count.failed and name not in options
        ),
        key=lambda pair: (-pair[1].failed, order[pair[0]]),
    )
    return AnswerCounts(
        {name: options[name] for name in order if name in options and options[name].wrong},
        [count for _name, count in failed[:MAX_CHECKS]],
    )


def _count_choice(
    options: dict[str, ChosenOptions], name: str, title: str, choice: dict[str, Any]
) -> None:
    chosen, correct = choice.get("chosen"), choice.get("correct")
    if not (isinstance(chosen, str) and isinstance(correct, str) and chosen and correct):
        return  # the check of the form, which knows no correct option
    count = options.setdefault(name, ChosenOptions(title, correct))
    count.answered += 1
    if chosen != correct:
        count.wrong[chosen[:1]] += 1


def _records(folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the record of each test in the graded notebooks of a folder, with its grade id."""
    for path in sorted(folder.glob("*.ipynb")):
        try:
            if path.stat().st_size > MAX_NOTEBOOK_BYTES:
                continue
            cells = json.loads(path.read_bytes())["cells"]
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            continue
        for cell in cells if isinstance(cells, list) else ():
            name = ((cell.get("metadata") or {}).get("nbgrader") or {}).get("grade_id")
            found = [record_in(out.get("data")) for out in cell.get("outputs") or ()]
            records = [one for one in found if one is not None]
            if isinstance(name, str) and records:
                yield name, records[-1]
