"""What happens to a graded notebook on its way to the student's feedback page."""

from __future__ import annotations

import html
from datetime import UTC, datetime
from pathlib import Path

from beyond.locale import SOURCE_LANGUAGE, _, available
from nbconvert.exporters.exporter import ResourcesDict
from nbformat import NotebookNode
from nbformat.v4 import new_markdown_cell
from nbgrader.api import Gradebook
from nbgrader.preprocessors import ClearHiddenTests, NbGraderPreprocessor
from traitlets import Bool

from autograder import notebooks
from autograder.course import COURSE_ID, Course
from autograder.notebooks import course_metadata, is_test
from autograder.notes import Note, texts
from autograder.release_steps import is_explanation
from autograder.speaking import speaking


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
        if not (self.always or _is_past_due(names["db_url"], names["assignment"])):
            return nb, resources
        course = Course(Path(self.config.CourseDirectory.root))
        folder = course.source(notebooks.language_of(nb)) / names["assignment"]
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


def _is_past_due(database: str, assignment: str) -> bool:
    with Gradebook(database, COURSE_ID) as gradebook:
        due = gradebook.find_assignment(assignment).duedate
    return due is not None and datetime.now(UTC).replace(tzinfo=None) > due


class ShowNotes(NbGraderPreprocessor):
    """Open the page with what was decided about the submission, in its language."""

    def preprocess(
        self, nb: NotebookNode, resources: ResourcesDict
    ) -> tuple[NotebookNode, ResourcesDict]:
        language = notebooks.language_of(nb)
        with speaking(language if language in available() else SOURCE_LANGUAGE):
            said = texts([Note(**entry) for entry in course_metadata(nb).get("notes", [])])
            title = html.escape(_("About your submission"))
        if said:
            # Names of files and cells in here come from the student: they are text, not HTML.
            items = "".join(f"<li>{html.escape(text)}</li>" for text in said)
            nb.cells.insert(0, new_markdown_cell(f"<h2>{title}</h2>\n<ul>{items}</ul>"))
        return nb, resources
