"""Formgrader's door to the engine: one submission, graded as `autograder grade` grades it."""

from __future__ import annotations

from nbconvert.exporters.exporter import ResourcesDict
from nbformat import NotebookNode
from nbgrader.preprocessors import NbGraderPreprocessor

from autograder.course import Course
from autograder.grade import run_one
from autograder.grading.privileges import KINDS
from autograder.sandbox import launcher


class RunBehindWalls(NbGraderPreprocessor):
    """The step of nbgrader's Autograde that runs the cells.

    What nbgrader hands over was read by nbgrader; the engine reads the collected submission
    itself, so that both doors take the same files under the same limits.
    """

    def preprocess(
        self, nb: NotebookNode, resources: ResourcesDict
    ) -> tuple[NotebookNode, ResourcesDict]:
        names = resources["nbgrader"]
        with launcher.running(KINDS):
            results = run_one(Course.of(self.config), names["student"], names["assignment"])
        return results[names["notebook"]], resources
