"""Formgrader's Autograde button: one submission, graded as `autograder grade` grades it."""

from __future__ import annotations

from nbconvert.exporters.exporter import ResourcesDict
from nbformat import NotebookNode
from nbgrader.preprocessors import NbGraderPreprocessor

from autograder.config import Course
from autograder.grading.coordinator import run_one


class RunInSandbox(NbGraderPreprocessor):
    """The step of nbgrader's Autograde that runs the cells.

    What nbgrader hands over was read by nbgrader; the engine reads the collected submission
    itself, so that both doors take the same files under the same limits.
    """

    def preprocess(
        self, nb: NotebookNode, resources: ResourcesDict
    ) -> tuple[NotebookNode, ResourcesDict]:
        names = resources["nbgrader"]
        results = run_one(Course.of(self.config), names["student"], names["assignment"])
        return results[names["notebook"]], resources
