"""What happens to a graded notebook on its way to the student's feedback page.

Each step works in two places: in nbgrader's own `generate_feedback`, where it looks up what it
needs, and in the process that makes one page (`worker`), where `GRADES` and `PLAN` are in the
resources already, because no gradebook and no other file is in reach.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from nbconvert.exporters.exporter import ResourcesDict
from nbformat import NotebookNode
from nbgrader.api import Gradebook
from nbgrader.preprocessors import ClearHiddenTests, NbGraderPreprocessor
from traitlets import Bool

from autograder.config import COURSE_ID, Course
from autograder.core.notebook_io import copied, grade_id, is_test
from autograder.core.notebook_language import shown_language
from autograder.feedback.grades import CellGrade, Grades, read_grades
from autograder.feedback.plan import PagePlan, choices, page_plan

__all__ = ["GRADES", "HELD", "PLAN", "CellGrade", "Grades", "Withheld"]

GRADES = "beyond_grades"
"""Where in nbconvert's resources the notebook's `Grades` are."""

PLAN = "beyond_plan"
"""Where the notebook's `PagePlan` is."""

HELD = "beyond_held"
"""Where it is said which questions' outcomes are held back, as `Withheld`."""


@dataclass(frozen=True)
class Withheld:
    """Questions whose outcome is held back.

    Attributes:
        names: their grade ids.
        until: when it will be shown, in UTC; None if no time is set.
    """

    names: frozenset[str] = frozenset()
    until: datetime | None = None


class ReadGrades(NbGraderPreprocessor):
    """Fetch what the gradebook has, in one go."""

    def preprocess(
        self, nb: NotebookNode, resources: ResourcesDict
    ) -> tuple[NotebookNode, ResourcesDict]:
        if GRADES not in resources:
            names = resources["nbgrader"]
            with Gradebook(names["db_url"], COURSE_ID) as gradebook:
                found = read_grades(gradebook, names["assignment"], names["student"])
            resources[GRADES] = found[names["student"]][names["notebook"]]
        if PLAN not in resources:
            names = resources["nbgrader"]
            course = Course.of(self.config)
            resources[PLAN] = page_plan(
                course, shown_language(nb), names["assignment"], names["notebook"]
            )
        return nb, resources


class ReduceHiddenTests(ClearHiddenTests):
    """Leave of a test cell what the student knew, and the messages of its checks.

    What student code printed while a test called it goes, and so do tracebacks, which quote the
    hidden lines.
    """

    def preprocess_cell(
        self, cell: NotebookNode, resources: ResourcesDict, cell_index: int
    ) -> tuple[NotebookNode, ResourcesDict]:
        if not is_test(cell):
            return cell, resources
        cell, resources = super().preprocess_cell(cell, resources, cell_index)
        if cell.cell_type == "code":
            cell.outputs = [out for out in cell.outputs if _is_said_to_student(out)]
            for out in cell.outputs:
                if out.output_type == "error":
                    # A traceback quotes the lines around the error, hidden ones too.
                    out.traceback = [f"{out.ename}: {out.evalue}"]
        return cell, resources


def _is_said_to_student(output: NotebookNode) -> bool:
    if output.output_type == "error":
        # What CheckFailed says stands in the record's own output already.
        return output.ename != "CheckFailed"
    return (
        output.output_type == "display_data" and "application/vnd.beyond.checks+json" in output.data
    )


def is_over(due: datetime | None) -> bool:
    """Return whether a due date, in UTC, has passed; without one it hasn't."""
    return due is not None and datetime.now(UTC).replace(tzinfo=None) > due


class HoldChoices(NbGraderPreprocessor):
    """Hold back what became of choice questions until the student's due date has passed.

    With four choices, whoever sees an outcome after each of four hand-ins has the answer.
    Without a due date they stay held back: nothing says that no hand-in follows.
    """

    shown = Bool(
        False, help="Show what became of choice questions before the due date, or without one."
    ).tag(config=True)

    def preprocess(
        self, nb: NotebookNode, resources: ResourcesDict
    ) -> tuple[NotebookNode, ResourcesDict]:
        held = withheld_choices(nb, resources[GRADES], resources[PLAN], shown=self.shown)
        resources[HELD] = held
        for cell in nb.cells:
            # All that a test left behind: a check, an exception and its absence tell the outcome.
            if cell.cell_type == "code" and grade_id(cell) in held.names:
                cell.outputs = []
        return nb, resources


def withheld_choices(
    nb: NotebookNode, grades: Grades, plan: PagePlan, shown: bool = False
) -> Withheld:
    """Return which questions of a graded notebook are held back now."""
    if shown or plan.choices_shown or is_over(grades.due):
        return Withheld()
    # What is marked now, and what was marked when it was graded.
    return Withheld(frozenset((plan.choices | choices(nb)) & set(grades.cells)), grades.due)


class RevealExplanations(NbGraderPreprocessor):
    """Put the explanations of the answers back, once the due date has passed."""

    always = Bool(False, help="Explain the answers whether or not the due date has passed.").tag(
        config=True
    )

    def preprocess(
        self, nb: NotebookNode, resources: ResourcesDict
    ) -> tuple[NotebookNode, ResourcesDict]:
        if not (self.always or is_over(resources[GRADES].due)):
            return nb, resources
        after: dict[str | None, list[NotebookNode]] = {}
        for place, cell in resources[PLAN].explanations:
            after.setdefault(place, []).append(copied(cell))
        cells = list(after.get(None, []))
        for cell in nb.cells:
            cells.append(cell)
            cells.extend(after.get(cell.get("id"), []))
        nb.cells = cells
        return nb, resources
