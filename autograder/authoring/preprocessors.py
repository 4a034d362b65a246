"""The nbgrader preprocessors that this package adds to a release."""

from __future__ import annotations

from nbconvert.exporters.exporter import ResourcesDict
from nbformat import NotebookNode
from nbgrader.preprocessors import NbGraderPreprocessor

from autograder.config import Course
from autograder.core.atomic_io import write_file
from autograder.core.notebook_io import is_explanation
from autograder.core.released_values import give_values_to_class, released_file
from autograder.core.value_declarations import declaration_file
from autograder.notebook_metadata import remove


class GiveValues(NbGraderPreprocessor):
    """Give the class its values in what nbgrader releases, by Formgrader's button too.

    nbgrader has copied the declaration to the release by then.
    """

    def preprocess(
        self, nb: NotebookNode, resources: ResourcesDict
    ) -> tuple[NotebookNode, ResourcesDict]:
        """Record the values and write the release's table; the notebook stays as it is."""
        course = Course.of_step(self)
        assignment = resources["nbgrader"]["assignment"]
        declared = declaration_file(course, assignment)
        if declared.is_file():
            give_values_to_class(course, assignment)
            place = course.release(course.released_language) / assignment / declared.name
            write_file(place, released_file(course, assignment, declared.read_bytes()))
        return nb, resources


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
