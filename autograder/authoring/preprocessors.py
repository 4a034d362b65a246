"""The nbgrader preprocessors that this package adds to a release."""

from __future__ import annotations

from nbconvert.exporters.exporter import ResourcesDict
from nbformat import NotebookNode
from nbgrader.preprocessors import NbGraderPreprocessor

from autograder.core.notebook_io import is_explanation
from autograder.notebook_metadata import remove


class DropExplanations(NbGraderPreprocessor):
    """Remove the cells that explain the answers; feedback shows them after the due date."""

    def preprocess(
        self, nb: NotebookNode, resources: ResourcesDict
    ) -> tuple[NotebookNode, ResourcesDict]:
        """Remove the explanations of a notebook, in place."""
        nb.cells = [cell for cell in nb.cells if not is_explanation(cell)]
        for cell in nb.cells:
            # Which English text a translation is of concerns authors only.
            remove(cell, "translates")
        return nb, resources
