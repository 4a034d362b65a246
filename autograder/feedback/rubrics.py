"""How a written answer is read, beside the answer, for the person who reads it in Formgrader.

The explanation behind a manually graded cell says what earns points. Students get it with their
feedback after the due date; a grader needs it before.
"""

from __future__ import annotations

from nbconvert.exporters.exporter import ResourcesDict
from nbconvert.preprocessors import Preprocessor
from nbformat import NotebookNode
from nbformat.v4 import new_markdown_cell

from autograder.config import Course
from autograder.core import notebook_io
from autograder.core.notebook_io import grader_metadata, is_explanation
from autograder.core.notebook_language import shown_language
from autograder.errors import UserError


class ShowRubrics(Preprocessor):
    """Put behind each written answer what its master says of how it is read.

    For Formgrader's page only, which instructors alone can open.
    """

    def __init__(self, **settings: object) -> None:
        super().__init__(**settings)
        self.enabled = True

    def preprocess(
        self, nb: NotebookNode, resources: ResourcesDict
    ) -> tuple[NotebookNode, ResourcesDict]:
        rubrics = self._rubrics(nb, resources)
        cells = []
        for cell in nb.cells:
            cells.append(cell)
            if is_manually_graded(cell):
                cells += [new_markdown_cell(text) for text in rubrics.get(cell.get("id"), ())]
        nb.cells = cells
        return nb, resources

    def _rubrics(self, nb: NotebookNode, resources: ResourcesDict) -> dict[str, list[str]]:
        """The explanations of a notebook by the id of the cell that each follows."""
        assignment, notebook = resources.get("assignment_id"), resources.get("notebook_id")
        if not assignment or not notebook:
            return {}
        folder = Course.of(self.config).source(shown_language(nb)) / assignment
        try:
            master = notebook_io.read(folder / f"{notebook}.ipynb")
        except UserError:  # the page without rubrics is better than none
            return {}
        found: dict[str, list[str]] = {}
        last = ""
        for cell in master.cells:
            if is_explanation(cell):
                found.setdefault(last, []).append(cell.source)
            else:
                last = cell.id
        return found


def is_manually_graded(cell: NotebookNode) -> bool:
    """Whether a person reads a cell's answer."""
    metadata = grader_metadata(cell)
    return bool(metadata.get("grade") and metadata.get("solution") and cell.cell_type == "markdown")
