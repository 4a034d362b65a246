"""Check an ordinary nbgrader course: what nbgrader would refuse, and how each test is run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from autograder.authoring.check import Problem
from autograder.authoring.level_advice import levels_of_tests
from autograder.authoring.source_rules import metadata_problem, unbalanced_marks
from autograder.config import Course
from autograder.core import notebook_io
from autograder.core.notebook_io import grade_id
from autograder.errors import UserError
from autograder.grading.coordinator import try_assignment


@dataclass
class OrdinaryCheck:
    """Hold what was found.

    Attributes:
        problems: what has to be mended.
        remarks: what is good to know of the tests, a sentence each.
    """

    problems: list[Problem] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)


def check_ordinary(
    course: Course, progress: Callable[[str], None], only: str | None = None
) -> OrdinaryCheck:
    """Return what is wrong with a course's assignments, and what is to be known of their tests.

    Each solution and each untouched release is run as a submission would be.

    Args:
        course: one that nbgrader's own configuration describes.
        progress: called with the name of each assignment before it is tried.
        only: the one assignment to check; then the level of each of its tests is told. All when
            None.

    Raises:
        UserError: there is nothing to check, or no such assignment.
    """
    names = [name for name in course.assignments() if _notebooks(course, name)]
    if not names:
        raise UserError(f"There are no assignments in {course.source('')} to check.")
    if only is not None:
        names = [course.require_assignment(only)]
    found = OrdinaryCheck()
    for name in names:
        progress(name)
        for path in _notebooks(course, name):
            found.problems.extend(_problems(course, path))
        try:
            levels = try_assignment(course, name)
        except UserError as error:
            place = course.place("source", ".", name).relative_to(course.root).as_posix()
            found.problems.append(Problem(place, None, f"could not be tried: {error}"))
            continue
        told = levels.sentences()
        if only is not None:
            told = [*map(str, levels_of_tests(course, name, levels)), *levels.remarks]
        found.remarks += [f"{name}/{one}" for one in told]
        found.remarks.append(f"{name}: {levels.summary(course.unsealed_worth)}")
    return found


def _notebooks(course: Course, assignment: str) -> list[Path]:
    return sorted(course.place("source", ".", assignment).glob("*.ipynb"))


def _problems(course: Course, path: Path) -> Iterator[Problem]:
    file = path.relative_to(course.root).as_posix()
    notebook = notebook_io.read(path)
    names = Counter(name for cell in notebook.cells if (name := grade_id(cell)))
    for name, count in names.items():
        if count > 1:
            yield Problem(file, name, f"is the grade id of {count} cells")
    for cell in notebook.cells:
        if grade_id(cell) is not None:
            for text in (*metadata_problem(cell), *unbalanced_marks(cell)):
                yield Problem(file, grade_id(cell), text)
