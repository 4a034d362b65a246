"""Grade one submission for Formgrader's Autograde button, as `autograder grade` does."""

from __future__ import annotations

import weakref
from pathlib import Path, PurePosixPath
from typing import ClassVar

from nbconvert.exporters.exporter import ResourcesDict
from nbformat import NotebookNode
from nbgrader.preprocessors import NbGraderPreprocessor

from autograder.config import Course
from autograder.grading.coordinator import OpenAssignment, run_one
from autograder.grading.run_privileges import KINDS
from autograder.sandbox import root_launcher


def _fitting(files: dict[str, bytes], folder: Path) -> dict[str, bytes]:
    """Return those files that can be written; those of an earlier run make room for theirs."""
    fitting = {}
    for name, content in files.items():
        path = folder / name
        above = [folder / one for one in PurePosixPath(name).parents]
        if path.is_dir() or any(one.is_symlink() or one.is_file() for one in above):
            continue
        path.unlink(missing_ok=True)
        fitting[name] = content
    return fitting


class RunInSandbox(NbGraderPreprocessor):
    """Run the cells as a step of nbgrader's Autograde.

    What nbgrader passes in was read by nbgrader; the grader reads the collected submission itself,
    so that the button and the command take the same files under the same limits.
    """

    _told: ClassVar[set[str]] = set()

    def _tell(self, sentence: str) -> None:
        """Log a sentence, once in a run over a class."""
        if sentence not in self._told:
            self._told.add(sentence)
            self.log.warning("%s", sentence)

    def preprocess(
        self, nb: NotebookNode, resources: ResourcesDict
    ) -> tuple[NotebookNode, ResourcesDict]:
        """Return the graded notebook of the submission named in `resources`."""
        names = resources["nbgrader"]
        course = Course.of_step(self)
        if self.config.Execute.get("enabled") is False:
            self._tell(
                "--no-execute has no effect: outputs that a student stored prove nothing, so every "
                "cell is run."
            )
        if course.is_by_nbgrader:
            opened = self._opened(course, names["assignment"])
            graded, files = opened.run(names["student"], names["notebook"])
            place = course.place("autograded", names["student"], names["assignment"])
            # nbconvert's writer puts them beside the notebook.
            resources["outputs"] = {**(resources.get("outputs") or {}), **_fitting(files, place)}
            return graded, resources
        with root_launcher.running(KINDS, course.settings.packages, [str(course.root)]):
            results = run_one(course, names["student"], names["assignment"])
        return results[names["notebook"]], resources

    def _opened(self, course: Course, assignment: str) -> OpenAssignment:
        """Return what all submissions share that this run of nbgrader's converter grades."""
        converter = getattr(self.parent, "parent", None) or self
        kept = converter.__dict__.setdefault("_autograder_opened", {})
        if assignment not in kept:
            kept[assignment] = OpenAssignment(course, assignment, self._tell)
            weakref.finalize(converter, kept[assignment].close)
        opened: OpenAssignment = kept[assignment]
        return opened
