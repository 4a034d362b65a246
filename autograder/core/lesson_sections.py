"""Find the section of a lesson that an assignment's cell points to.

A graded cell says in its metadata what to read again where it lost points, as
`{"read": ["04-the-cost-formula#derive"]}`: a lesson's file, and a cell in it by its id. Ids are
the same in all languages, so that each reader gets the headings of the own one.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nbformat import NotebookNode

from autograder.config import Course
from autograder.core.atomic_io import read_file
from autograder.core.notebook_io import SIZE_LIMIT, grade_id
from autograder.core.question_titles import headings
from autograder.errors import UserError
from autograder.notebook_metadata import entries

ENTRY = "read"
"""The entry in a graded cell's metadata."""


@dataclass(frozen=True)
class Section:
    """A section of a lesson.

    Attributes:
        lesson: the lesson's title.
        title: the section's; "" for the lesson as a whole.
    """

    lesson: str
    title: str

    def __str__(self) -> str:
        return f"{self.lesson} → {self.title}" if self.title else self.lesson


def references(cell: NotebookNode) -> list[str]:
    """Return what a cell's metadata name to be read again."""
    found = entries(cell).get(ENTRY)
    found = [found] if isinstance(found, str) else found
    return [one for one in found if isinstance(one, str)] if isinstance(found, list) else []


def readings(course: Course, language: str, source: NotebookNode) -> dict[str, tuple[str, ...]]:
    """Return by grade id what to read again, in words; what isn't found is left out."""
    lessons: dict[str, list[dict[str, Any]]] = {}
    found: dict[str, tuple[str, ...]] = {}
    for cell in source.cells:
        sections = (find_section(course, language, one, lessons) for one in references(cell))
        if (name := grade_id(cell)) and (said := tuple(str(one) for one in sections if one)):
            found[name] = said
    return found


def find_section(
    course: Course, language: str, reference: str, lessons: dict[str, list[dict[str, Any]]]
) -> Section | None:
    """Return the section that a reference names; None if there is none.

    Args:
        course: the course.
        language: the language of the headings.
        reference: as in a cell's metadata.
        lessons: the cells of the lessons read so far, by name; the one read here is added.
    """
    name, _, cell_id = reference.partition("#")
    if name not in lessons:
        lessons[name] = _cells(course.root / course.settings.lessons / language, name)
    lesson = title = ""
    for cell in lessons[name]:
        for level, text in headings(_prose(cell)):
            if level == 1:
                lesson = lesson or text
            else:
                title = text
        if lesson and cell_id in ("", cell.get("id")):
            return Section(lesson, title if cell_id else "")
    return None


def _cells(folder: Path, name: str) -> list[dict[str, Any]]:
    if "/" in name or "\\" in name:
        return []
    try:
        cells = json.loads(read_file(folder / f"{name}.ipynb", SIZE_LIMIT))["cells"]
    except (UserError, ValueError, KeyError, TypeError):
        return []
    return [cell for cell in cells if isinstance(cell, dict)]


def _prose(cell: dict[str, Any]) -> str:
    source = cell.get("source", "") if cell.get("cell_type") == "markdown" else ""
    return "".join(source) if isinstance(source, list) else str(source)
