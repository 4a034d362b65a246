"""Read what a class answered, and what it was given, for comparison."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

from autograder.config import Course
from autograder.core import notebook_io
from autograder.core.notebook_io import grade_id, grader_metadata, is_solution
from autograder.core.question_titles import question_titles
from autograder.errors import UserError
from autograder.intake import nbgrader_files
from autograder.intake.reader import Reader
from autograder.intake.rebuild import SourceNotebooks
from autograder.intake.submission import Submission
from autograder.similarity.compare import CODE, PROSE, Answer

OWN_CELLS = ""
"""Stands for the id of the answer cell where the student's own cells are meant."""

_MAX_GIVEN_BYTES = 2 * 1024 * 1024
"""The most bytes of a file of the course that is read as given; code and prose are smaller."""


def read_answers(course: Course, assignment: str, students: Iterable[str]) -> list[Answer]:
    """Return what students answered, as the confined reader finds it in their notebooks.

    All own cells of a notebook are one answer: code is easily moved from one to another.

    Args:
        course: the course.
        assignment: the assignment's name.
        students: their ids.

    Raises:
        SandboxUnavailable: the reader's sandbox can't be set up.
    """
    sources = SourceNotebooks(course, assignment)
    names = notebook_names(course, assignment)
    answer_cells = {
        name: frozenset(cell.id for cell in sources.get(name).released.cells if is_solution(cell))
        for name in names
    }
    found: list[Answer] = []
    with Reader() as reader:
        for student in students:
            folder = course.place("submitted", student, assignment)
            for name in names:
                try:
                    opened = nbgrader_files.open_plain_file(folder / f"{name}.ipynb")
                except OSError:
                    continue
                try:
                    read = reader.notebook(opened, sources.cells(name))
                finally:
                    os.close(opened)
                if isinstance(read, Submission):
                    found += _answers(student, name, read, answer_cells[name])
    return found


def students_with_submissions(course: Course, assignment: str) -> list[str]:
    """Return the ids of the students of whom a submission was collected, sorted."""
    return course.students_in("submitted", assignment)


def notebook_names(course: Course, assignment: str) -> list[str]:
    """Return the names of an assignment's notebooks, without ending."""
    folder = course.source(course.source_language) / assignment
    if course.is_by_nbgrader:
        folder = course.place("source", ".", assignment)
    return sorted(path.stem for path in folder.glob("*.ipynb"))


def _answers(
    student: str, notebook: str, submission: Submission, answer_cells: frozenset[str]
) -> Iterator[Answer]:
    texts: dict[tuple[str, str], list[str]] = defaultdict(list)
    for cell in submission.cells:
        is_student = cell.cell_id is None or cell.cell_id in answer_cells
        if is_student and cell.kind in (CODE, PROSE) and cell.source.strip():
            texts[cell.cell_id or OWN_CELLS, cell.kind].append(cell.source)
    for (where, kind), parts in texts.items():
        yield Answer(student, (notebook, where), kind, "\n\n".join(parts))


def given_texts(course: Course, assignment: str) -> dict[str, list[str]]:
    """Return by kind every text that students were given: release, lessons, the course's code.

    Args:
        course: the course.
        assignment: the assignment's name; others may be quoted, too, so all are read.
    """
    texts: dict[str, list[str]] = {CODE: [], PROSE: []}
    sources = SourceNotebooks(course, assignment)
    for code in course.languages():
        for name in notebook_names(course, assignment):
            for cell in sources.get(name, code).released.cells:
                _add(texts, cell.cell_type, cell.source)
    lessons = course.root / course.settings.lessons
    folders = [lessons, *course.package_folders()]
    folders += [course.root / one for one in course.settings.code_folders]
    for path in sorted({path for folder in folders for path in _given_files(folder)}):
        try:
            if path.suffix == ".ipynb":
                for cell in notebook_io.read(path).cells:
                    _add(texts, cell.cell_type, cell.source)
            else:
                kind = CODE if path.suffix == ".py" else PROSE
                _add(texts, kind, path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, UserError):
            continue  # what can't be read can't have been quoted
    return texts


def _given_files(folder: Path) -> Iterator[Path]:
    for path in folder.rglob("*"):
        if path.suffix not in (".ipynb", ".py", ".md") or ".ipynb_checkpoints" in path.parts:
            continue
        if path.is_file() and path.stat().st_size <= _MAX_GIVEN_BYTES:
            yield path


def _add(texts: dict[str, list[str]], kind: str, text: str) -> None:
    if kind in texts and text:
        texts[kind].append(text)


def place_titles(course: Course, assignment: str, language: str) -> dict[tuple[str, str], str]:
    """Return what people call each answer cell, by the notebook's name and the cell's id.

    It is the title of the question that the cell's answer is graded by.

    Args:
        course: the course.
        assignment: the assignment's name.
        language: that of the titles.
    """
    sources = SourceNotebooks(course, assignment)
    found: dict[tuple[str, str], str] = {}
    for name in notebook_names(course, assignment):
        released = sources.get(name, language).released
        titles = question_titles(released)
        waiting: list[str] = []
        for cell in released.cells:
            if is_solution(cell):
                waiting.append(cell.id)
            if grader_metadata(cell).get("grade"):
                title = titles.get(grade_id(cell) or "", "")
                found |= {(name, one): title for one in waiting}
                waiting = []
        found |= {(name, one): one for one in waiting}
    return found
