"""Show the rubric of a written answer next to it in Formgrader.

The explanation that follows a manually graded cell says what earns points. Students get it with
their feedback after the due date; a grader needs it before.
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
    """Insert the rubric of each written answer after it.

    For Formgrader only, which only instructors can open.
    """

    def __init__(self, **settings: object) -> None:
        super().__init__(**settings)  # type: ignore[no-untyped-call]  # nbconvert has no annotations
        self.enabled = True

    def preprocess(
        self, nb: NotebookNode, resources: ResourcesDict
    ) -> tuple[NotebookNode, ResourcesDict]:
        """Insert the rubrics, in place."""
        rubrics = self._rubrics(nb, resources)
        cells = []
        for cell in nb.cells:
            cells.append(cell)
            if is_manually_graded(cell):
                cells += [new_markdown_cell(text) for text in rubrics.get(cell.get("id"), ())]
        nb.cells = cells
        return nb, resources

    def _rubrics(self, nb: NotebookNode, resources: ResourcesDict) -> dict[str, list[str]]:
        """Return the explanations in a source notebook, by the id of the cell that they follow."""
        assignment, notebook = resources.get("assignment_id"), resources.get("notebook_id")
        if not assignment or not notebook:
            return {}
        folder = Course.of_step(self).source(shown_language(nb)) / assignment
        try:
            source = notebook_io.read(folder / f"{notebook}.ipynb")
        except UserError:  # a page without rubrics is better than no page
            return {}
        found: dict[str, list[str]] = {}
        last = ""
        for cell in source.cells:
            if is_explanation(cell):
                found.setdefault(last, []).append(cell.source)
            else:
                last = cell.id
        return found


def is_manually_graded(cell: NotebookNode) -> bool:
    """Return whether a cell is an answer that is graded manually."""
    metadata = grader_metadata(cell)
    return bool(metadata.get("grade") and metadata.get("solution") and cell.cell_type == "markdown")
