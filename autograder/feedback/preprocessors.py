"""The nbconvert preprocessors that turn a graded notebook into what its feedback page shows.

Each works in two places: in nbgrader's own `generate_feedback`, where it looks up what it needs,
and in the process that renders one page (`worker`), where `GRADES` and `PLAN` are already in the
resources, because that process can reach neither the gradebook nor other files.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from nbconvert.exporters.exporter import ResourcesDict
from nbformat import NotebookNode
from nbgrader.api import Gradebook
from nbgrader.preprocessors import ClearHiddenTests, NbGraderPreprocessor
from traitlets import Bool

from autograder.checks import is_shown
from autograder.config import Course
from autograder.core.notebook_io import copied, grade_id, is_test
from autograder.core.notebook_language import shown_language
from autograder.feedback.grades import CellGrade, Grades, read_grades
from autograder.feedback.plan import PagePlan, choices, page_plan

__all__ = [
    "ABSENT",
    "EXPLAINED",
    "GRADES",
    "HELD",
    "PLAN",
    "REMARKS",
    "ZONE",
    "CellGrade",
    "Grades",
    "Withheld",
]

GRADES = "autograder_grades"
"""The key of the notebook's `Grades` in nbconvert's resources."""

PLAN = "autograder_plan"
"""The key of the notebook's `PagePlan`."""

HELD = "autograder_held"
"""The key of the questions whose results are withheld, a `Withheld`."""

EXPLAINED = "autograder_explained"
"""The key of whether the page explains the answers, and so may name the correct ones."""


ZONE = "autograder_zone"
"""The key of the course's time zone; None there for this machine's."""


REMARKS = "autograder_remarks"
"""The key of what else is said about the submission, a sequence of `Note`."""


ABSENT = "autograder_absent"
"""The key of whether the student handed nothing in."""


@dataclass(frozen=True)
class Withheld:
    """Questions whose results are withheld.

    Attributes:
        names: their grade ids.
        until: when they will be shown, in naive UTC; None if there is no due date.
    """

    names: frozenset[str] = frozenset()
    until: datetime | None = None


class ReadGrades(NbGraderPreprocessor):
    """Put the grades and the page's plan into the resources."""

    def preprocess(
        self, nb: NotebookNode, resources: ResourcesDict
    ) -> tuple[NotebookNode, ResourcesDict]:
        """Read the grades and the plan if the resources don't have them yet."""
        if GRADES not in resources:
            names = resources["nbgrader"]
            with Gradebook(names["db_url"], self.config.CourseDirectory.course_id) as gradebook:
                found = read_grades(gradebook, names["assignment"], names["student"])
            resources[GRADES] = found[names["student"]][names["notebook"]]
        if ZONE not in resources:
            resources[ZONE] = Course.of_step(self).time_zone
        if PLAN not in resources:
            names = resources["nbgrader"]
            course = Course.of_step(self)
            resources[PLAN] = page_plan(
                course, shown_language(nb), names["assignment"], names["notebook"]
            )
        return nb, resources


class ReduceHiddenTests(ClearHiddenTests):
    """Reduce test cells to their visible part and the messages of their checks.

    What student code printed when a test called it is removed, and so are tracebacks, which
    quote hidden lines.
    """

    def preprocess_cell(
        self, cell: NotebookNode, resources: ResourcesDict, cell_index: int
    ) -> tuple[NotebookNode, ResourcesDict]:
        """Reduce a cell if it is a test."""
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
        # The record of checks already says what CheckFailed says.
        return bool(output.ename != "CheckFailed")
    return output.output_type == "display_data" and is_shown(output.data)


def is_over(due: datetime | None) -> bool:
    """Return whether a due date, in naive UTC, has passed; without one it never has."""
    return due is not None and datetime.now(UTC).replace(tzinfo=None) > due


class HoldChoices(NbGraderPreprocessor):
    """Withhold the results of choice questions until the student's due date has passed.

    With four choices, a student who sees the result of each submission needs at most four.
    Without a due date the results stay withheld: another submission may follow.
    """

    shown = Bool(
        False, help="Show the results of choice questions before the due date, or without one."
    ).tag(config=True)

    def preprocess(
        self, nb: NotebookNode, resources: ResourcesDict
    ) -> tuple[NotebookNode, ResourcesDict]:
        """Remove the outputs of the tests whose results are withheld, in place."""
        held = withheld_choices(nb, resources[GRADES], resources[PLAN], shown=self.shown)
        resources[HELD] = held
        for cell in nb.cells:
            # Everything that a test left: checks, an exception, or no exception reveal the result.
            if cell.cell_type == "code" and grade_id(cell) in held.names:
                cell.outputs = []
        return nb, resources


def withheld_choices(
    nb: NotebookNode, grades: Grades, plan: PagePlan, shown: bool = False
) -> Withheld:
    """Return the questions of a graded notebook whose results are withheld now.

    Args:
        nb: the graded notebook.
        grades: its grades.
        plan: the plan of its page.
        shown: whether the instructor shows choice questions' results anyway.
    """
    if shown or plan.choices_shown or is_over(grades.due):
        return Withheld()
    # Those marked in the source now, and those marked when it was graded.
    return Withheld(frozenset((plan.choices | choices(nb)) & set(grades.cells)), grades.due)


class RevealExplanations(NbGraderPreprocessor):
    """Insert the explanations of the answers once the due date has passed."""

    always = Bool(False, help="Explain the answers whether or not the due date has passed.").tag(
        config=True
    )

    def preprocess(
        self, nb: NotebookNode, resources: ResourcesDict
    ) -> tuple[NotebookNode, ResourcesDict]:
        """Insert the explanations, in place, if they may be shown."""
        resources[EXPLAINED] = self.always or is_over(resources[GRADES].due)
        if not resources[EXPLAINED]:
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
