"""What the instructor's version of a notebook says about its feedback page."""

from __future__ import annotations

from dataclasses import dataclass

from nbformat import NotebookNode

from autograder.config import Course
from autograder.core import notebook_io
from autograder.core.notebook_io import course_metadata, grade_id, is_explanation


@dataclass(frozen=True)
class PagePlan:
    """What a page may tell, and when.

    Attributes:
        explanations: the cells that explain the answers, each with the id of the cell that it
            follows; None for what stands before every other cell.
        choices: the grade ids of the choice questions.
        choices_shown: whether what became of them is shown before the due date too.
    """

    explanations: tuple[tuple[str | None, NotebookNode], ...] = ()
    choices: frozenset[str] = frozenset()
    choices_shown: bool = False


def page_plan(course: Course, language: str, assignment: str, notebook: str) -> PagePlan:
    """Read the plan of a notebook's page from the instructor's version in a language.

    Raises:
        UserError: it isn't there, or isn't a notebook.
    """
    master = notebook_io.read(course.source(language) / assignment / f"{notebook}.ipynb")
    explanations = []
    last = None
    for cell in master.cells:
        if is_explanation(cell):
            explanations.append((last, cell))
        else:
            last = cell.id
    return PagePlan(
        tuple(explanations), choices(master), course_metadata(master).get("show_choices") is True
    )


def choices(notebook: NotebookNode) -> frozenset[str]:
    """Return the grade ids of the cells that are marked as choice questions."""
    return frozenset(
        name
        for cell in notebook.cells
        if course_metadata(cell).get("choice") is True and (name := grade_id(cell))
    )
