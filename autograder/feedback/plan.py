"""Read from a source notebook what its feedback page shows, and when."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from nbformat import NotebookNode

from autograder.config import Course
from autograder.core import notebook_io
from autograder.core.lesson_sections import readings
from autograder.core.notebook_io import grade_id, is_explanation
from autograder.notebook_metadata import entries


@dataclass(frozen=True)
class PagePlan:
    """What a page shows, and when.

    Attributes:
        explanations: the cells that explain the answers, each with the id of the cell that it
            follows; None for those before the first cell.
        choices: the grade ids of the choice questions.
        choices_shown: whether their results are shown even before the due date.
        readings: by grade id, the sections of lessons to read again where points were lost.
    """

    explanations: tuple[tuple[str | None, NotebookNode], ...] = ()
    choices: frozenset[str] = frozenset()
    choices_shown: bool = False
    readings: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def page_plan(course: Course, language: str, assignment: str, notebook: str) -> PagePlan:
    """Read the plan of a notebook's page from its source notebook in a language.

    Raises:
        UserError: the file is missing, or isn't a notebook.
    """
    source = notebook_io.read(course.source(language) / assignment / f"{notebook}.ipynb")
    explanations = []
    last = None
    for cell in source.cells:
        if is_explanation(cell):
            explanations.append((last, cell))
        else:
            last = cell.id
    return PagePlan(
        tuple(explanations),
        choices(source),
        entries(source).get("show_choices") is True,
        readings(course, language, source),
    )


def choices(notebook: NotebookNode) -> frozenset[str]:
    """Return the grade ids of the cells that are marked as choice questions."""
    return frozenset(
        name
        for cell in notebook.cells
        if entries(cell).get("choice") is True and (name := grade_id(cell))
    )
