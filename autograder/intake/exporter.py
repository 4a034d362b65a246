"""Open a submission for Formgrader's Autograde button with the same protection as `grade`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from nbconvert.exporters import NotebookExporter
from nbformat import NotebookNode, from_dict

from autograder.config import Course
from autograder.intake import nbgrader_files
from autograder.intake.reader import Reader
from autograder.intake.rebuild import SourceNotebooks, require_ours
from autograder.intake.submission import Submission, to_notebook


class SandboxedExporter(NotebookExporter):
    """Export notebooks as nbgrader does, but parse submissions in the sandboxed reader.

    nbgrader itself would parse the file in the server's process, with whatever is in it. What
    can't be read goes on as a notebook without cells; the grading that follows says why.
    """

    def from_filename(
        self, filename: str, resources: dict[str, Any] | None = None, **options: Any
    ) -> tuple[NotebookNode, dict[str, Any]]:
        """Read a notebook; one of a submission is read by the sandboxed reader.

        Args:
            filename: the notebook's path.
            resources: nbconvert's.
            **options: passed on to nbconvert.

        Returns:
            The notebook and nbconvert's resources.
        """
        course = Course.of_step(self)
        path = Path(os.path.abspath(filename))
        about = (resources or {}).get("nbgrader", {})
        assignment = about.get("assignment", path.parent.name)
        student = about.get("student", path.parent.parent.name)
        if path.parent != course.place("submitted", student, assignment):
            return super().from_filename(filename, resources=resources, **options)
        cells = SourceNotebooks(course, assignment).cells(path.stem)
        try:
            descriptor = nbgrader_files.open_plain_file(path)
        except OSError:
            read = None
        else:
            with Reader() as reader:
                read = reader.notebook(descriptor, cells)
            os.close(descriptor)
            require_ours(read, student, path.stem)
        submission = read if isinstance(read, Submission) else Submission()
        exporter: Any = self  # nbconvert's methods have no types
        notebook: NotebookNode = from_dict(to_notebook(submission, cells))
        resources = exporter._init_resources(resources)
        resources["metadata"]["name"] = path.stem
        resources["metadata"]["path"] = str(path.parent)
        exported: tuple[NotebookNode, dict[str, Any]] = exporter.from_notebook_node(
            notebook, resources=resources, **options
        )
        return exported
