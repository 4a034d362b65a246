"""Send a notebook through nbgrader's preprocessors, outside nbgrader's own applications."""

from __future__ import annotations

from nbformat import NotebookNode
from traitlets.utils.importstring import import_item

from autograder.config import Course
from autograder.core import notebook_io


def apply_preprocessors(
    course: Course, notebook: NotebookNode, assignment: str, names: tuple[str, ...]
) -> NotebookNode:
    """Return a copy of a notebook after some preprocessors, none of which needs a gradebook.

    Args:
        course: whose configuration of nbgrader they get.
        notebook: stays as it is.
        assignment: nbgrader's name of the assignment, and of the notebook.
        names: the preprocessors' classes in their order, each with its module.
    """
    result = notebook_io.copied(notebook)
    config = course.nbgrader_config()
    resources = {"nbgrader": {"assignment": assignment, "notebook": assignment, "student": "."}}
    for name in names:
        result, resources = import_item(name)(config=config).preprocess(result, resources)
    return result
