"""Group a graded notebook by question: the answer, how it went, and what explains it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from nbformat import NotebookNode

from autograder.checks import record_in
from autograder.choices import outcome_in_words
from autograder.core.notebook_io import (
    grade_id,
    grader_metadata,
    is_explanation,
    is_solution,
    is_test,
)
from autograder.core.question_titles import headings
from autograder.feedback.grades import CellGrade
from autograder.feedback.outputs import is_student_cell
from autograder.feedback.text import readable
from autograder.i18n import _

MAX_CHECKS = 200
"""The most checks of one test that are shown."""

MAX_OWN_CELLS = 3
"""The most cells of the student's own that are shown with a question; the notebook has them all."""


@dataclass(frozen=True)
class Check:
    """One check of a test.

    Attributes:
        name: what had to hold.
        passed: whether it did.
        call: the call that was compared; "" if the check compared none.
        expected: what it should have returned.
        returned: what it returned.
        raised: the exception that it raised instead.
        message: what else there is to say.
        is_choice: whether it is of a choice question.
    """

    name: str
    passed: bool
    message: str = ""
    call: str = ""
    expected: str = ""
    returned: str = ""
    raised: str = ""
    is_choice: bool = False


def checks_of(output: NotebookNode, explained: bool) -> list[Check]:
    """Return the checks that a test's output records.

    Args:
        output: the output.
        explained: whether the correct option of a choice question may be named.
    """
    record = record_in(output.get("data"))
    return [_check(one, explained) for one in record["checks"][:MAX_CHECKS]] if record else []


def _check(one: Mapping[str, Any], explained: bool) -> Check:
    name = readable(outcome_in_words(one, explained) or _(str(one.get("name", ""))), 300, 2)
    details = one.get("details")
    if one["passed"] or not isinstance(details, Mapping) or not details.get("call"):
        message = readable(one.get("message", ""), 500, 5)
        return Check(name, one["passed"], message, is_choice="choice" in one)
    parts = {
        key: readable(details.get(key, ""), 300, 3)
        for key in ("call", "expected", "returned", "raised", "remark", "hint")
    }
    return Check(
        name,
        one["passed"],
        " ".join(filter(None, [parts["remark"], parts["hint"]])),
        parts["call"],
        parts["expected"],
        parts["returned"],
        parts["raised"],
    )


@dataclass(frozen=True)
class Question:
    """One question and what became of it.

    Attributes:
        name: the grade id.
        title: what its readers call it.
        grade: the points.
        words: in a few words, why it got these points; "" where its checks say so.
        reasons: why points are missing, where no checks say so.
        held: whether its result is withheld.
    """

    name: str
    title: str
    grade: CellGrade
    words: str
    reasons: tuple[str, ...] = ()
    held: bool = False

    @property
    def state(self) -> str:
        """Its CSS class: "held", "waiting", "full", "part" or "none"."""
        if self.held:
            return "held"
        if self.grade.waiting:
            return "waiting"
        if self.grade.points >= self.grade.max_points:
            return "full"
        return "part" if self.grade.points > 0 else "none"

    @property
    def lost(self) -> bool:
        """Whether it lost points."""
        return self.state in ("part", "none")


@dataclass
class QuestionCells:
    """The ids of the cells that belong to a question.

    Attributes:
        task: the prose that asks it.
        answers: the answer, and cells of the student's own beside it.
        test: its test; "" for an answer that a person grades.
        explanations: what explains the answer, once it may be shown.
    """

    task: list[str] = field(default_factory=list)
    answers: list[str] = field(default_factory=list)
    test: str = ""
    explanations: list[str] = field(default_factory=list)


def cells_by_question(nb: NotebookNode) -> dict[str, QuestionCells]:
    """Return the cells of each question by its grade id.

    Answers belong to the next test below the same heading, an explanation to the answer or test
    that it follows.
    """
    found: dict[str, QuestionCells] = {}
    next_one, last = QuestionCells(), QuestionCells()
    own = 0
    for cell in nb.cells:
        if is_explanation(cell):
            (next_one if next_one.answers else last).explanations.append(cell.id)
        elif is_student_cell(cell):
            own += 1
            if cell.source.strip() and own <= MAX_OWN_CELLS:
                next_one.answers.append(cell.id)
        elif is_test(cell) or grader_metadata(cell).get("grade"):
            if is_test(cell):
                next_one.test = cell.id
            else:
                next_one.answers.append(cell.id)
            found[str(grade_id(cell))] = last = next_one
            next_one, own = QuestionCells(), 0
        elif is_solution(cell):
            next_one.answers.append(cell.id)
        elif cell.cell_type == "markdown":
            if headings(cell.source):
                next_one, last, own = QuestionCells(), QuestionCells(), 0
            next_one.task.append(cell.id)
    return found
