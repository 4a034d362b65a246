"""What happens to a graded notebook on its way to the student's feedback page."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime

from nbconvert.exporters.exporter import ResourcesDict
from nbformat import NotebookNode
from nbgrader.api import Gradebook
from nbgrader.preprocessors import ClearHiddenTests, NbGraderPreprocessor
from traitlets import Bool

from autograder import notebooks
from autograder.course import COURSE_ID, Course
from autograder.notebooks import is_test
from autograder.release_steps import is_explanation
from autograder.speaking import shown_language

GRADES = "beyond_grades"
"""Where in nbconvert's resources `ReadGrades` leaves a `Grades`."""


@dataclass(frozen=True)
class CellGrade:
    """What the gradebook has on one graded cell.

    Attributes:
        by_hand: whether a person gave the points.
        waiting: whether it waits for a person.
    """

    points: float
    max_points: float
    by_hand: bool
    waiting: bool


@dataclass(frozen=True)
class Grades:
    """What the gradebook has on one notebook of a submission.

    Attributes:
        received: when it came in, in UTC.
        due: the due date in UTC, if there is one.
        late_seconds: how late it came in; 0 when in time.
        penalty: the points taken for that.
        cells: by grade id.
        comments: of graders, by the grade id of the answer they are on.
    """

    received: datetime | None
    due: datetime | None
    late_seconds: float
    penalty: float
    cells: dict[str, CellGrade] = field(default_factory=dict)
    comments: dict[str, str] = field(default_factory=dict)


class ReadGrades(NbGraderPreprocessor):
    """Fetch what the gradebook has, in one go."""

    def preprocess(
        self, nb: NotebookNode, resources: ResourcesDict
    ) -> tuple[NotebookNode, ResourcesDict]:
        names = resources["nbgrader"]
        with Gradebook(names["db_url"], COURSE_ID) as gradebook:
            resources[GRADES] = _grades(
                gradebook, names["notebook"], names["assignment"], names["student"]
            )
        return nb, resources


def _grades(gradebook: Gradebook, notebook: str, assignment: str, student: str) -> Grades:
    found = gradebook.find_submission_notebook(notebook, assignment, student)
    submission = found.assignment
    return Grades(
        received=submission.timestamp,
        due=submission.assignment.duedate,
        late_seconds=max(0.0, submission.total_seconds_late),
        penalty=float(found.late_submission_penalty or 0),
        cells={
            grade.name: CellGrade(
                points=float(grade.score or 0),
                max_points=float(grade.max_score or 0),
                by_hand=grade.manual_score is not None,
                waiting=bool(grade.needs_manual_grade),
            )
            for grade in found.grades
        },
        comments={one.name: one.comment for one in found.comments if one.comment},
    )


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
    return output.output_type == "display_data" and "application/vnd.beyond.checks+json" in output.data


class RevealExplanations(NbGraderPreprocessor):
    """Put the explanations of the answers back, once the due date has passed."""

    always = Bool(
        False, help="Explain the answers whether or not the due date has passed."
    ).tag(config=True)

    def preprocess(
        self, nb: NotebookNode, resources: ResourcesDict
    ) -> tuple[NotebookNode, ResourcesDict]:
        names = resources["nbgrader"]
        due = resources[GRADES].due
        if not (self.always or (due and datetime.now(UTC).replace(tzinfo=None) > due)):
            return nb, resources
        course = Course.of(self.config)
        folder = course.source(shown_language(nb)) / names["assignment"]
        master = notebooks.read(folder / f"{names['notebook']}.ipynb")
        after: dict[str | None, list[NotebookNode]] = {}
        last = None
        for cell in master.cells:
            if is_explanation(cell):
                after.setdefault(last, []).append(cell)
            else:
                last = cell.id
        cells = list(after.get(None, []))
        for cell in nb.cells:
            cells.append(cell)
            cells.extend(after.get(cell.get("id"), []))
        nb.cells = cells
        return nb, resources
