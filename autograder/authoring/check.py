"""Check everything that must hold before an assignment or lesson is released.

Each check is in a module of its own; this one runs them and names file and cell.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from autograder.authoring import (
    build,
    catalogs,
    dry_run,
    glossary,
    leaks,
    lint,
    reader_rules,
    source_rules,
    sync,
    value_rules,
)
from autograder.authoring.problem import CellProblem
from autograder.config import SETTINGS_FILE, Course
from autograder.core import notebook_io
from autograder.core.lesson_sections import find_section, references
from autograder.core.value_declarations import declaration_file
from autograder.errors import UserError


@dataclass(frozen=True)
class Problem:
    """One problem to fix.

    Attributes:
        file: the file's path, relative to the course.
        cell: the cell's id; None if the problem isn't in one.
        text: what is wrong, as the rest of a sentence that begins with the file and cell.
    """

    file: str
    cell: str | None
    text: str

    def __str__(self) -> str:
        return f"{self.file}: {f'{self.cell} ' if self.cell else ''}{self.text}"


def check(
    course: Course, progress: Callable[[str], None] | None = None, only: str | None = None
) -> list[Problem]:
    """Return every problem in the source notebooks and in what is built from them.

    Args:
        course: the course.
        progress: called with the name of each step before it runs.
        only: the one assignment whose problems are asked for; all of the course when None.

    Raises:
        UserError: there is nothing to check, or a source notebook can't be read.
    """
    if not course.assignments():
        raise UserError(f"There are no sources in {course.root} to check.")
    if only is not None:
        course.require_assignment(only)
    found: list[Problem] = []
    for title, step in STEPS.items():
        if progress:
            progress(title)
        try:
            new = step(course) if only is None else _of_one(step, course, only)
            found.extend(new)
        except UserError as error:
            # The problems found so far name the cell; later steps need source notebooks that build.
            if not found:
                raise
            found.append(Problem("the rest", None, f"could not be checked: {error}"))
            break
    return found


def _of_one(step: Callable[..., Iterator[Problem]], course: Course, name: str) -> Iterator[Problem]:
    """Yield a step's problems with one assignment."""
    if step is dry_run_problems:  # the one that takes long
        yield from step(course, name)
        return
    yield from (one for one in step(course) if name in PurePosixPath(one.file).parts)


def _name(course: Course, path: Path) -> str:
    return path.relative_to(course.root).as_posix()


def _problems(course: Course, path: Path, problems: list[CellProblem]) -> Iterator[Problem]:
    for problem in problems:
        yield Problem(_name(course, path), problem.cell, problem.text)


def source_problems(course: Course) -> Iterator[Problem]:
    """Yield problems with the ids, outputs and metadata of every notebook in every language."""
    others = course.translations()
    for folder, relative in build.source_notebooks(course):
        for code in (course.source_language, *others):
            path = course.root / folder / code / relative
            if path.exists():
                cell = course.language_cell(code) if others else None
                yield from _problems(course, path, source_rules.file_problems(path, code, cell))


def translation_problems(course: Course) -> Iterator[Problem]:
    """Yield translations that are missing, stale, or differ where they must not."""
    for folder, relative in build.source_notebooks(course):
        english = notebook_io.read(course.root / folder / course.source_language / relative)
        for code in build.translations(course, relative):
            path = course.root / folder / code / relative
            if not path.exists():
                yield Problem(_name(course, path), None, f"is missing; translate it to {code}")
                continue
            own = notebook_io.read(path)
            yield from _problems(
                course, path, sync.differences(english, own, code, course.language_cell(code))
            )
    for path, texts in catalogs.untranslated(course).items():
        for text in texts:
            yield Problem(_name(course, path), None, f"has no translation of {text[:70]!r}")
    yield from _partial_language_problems(course)


def glossary_problems(course: Course) -> Iterator[Problem]:
    """Yield prose that doesn't keep to the terms of the glossary, and faults of its pages."""
    for path, problem in glossary.problems(course):
        if isinstance(problem, CellProblem):
            yield Problem(_name(course, path), problem.cell, problem.text)
        else:
            yield Problem(_name(course, path), None, problem)


def built_problems(course: Course) -> Iterator[Problem]:
    """Yield built files that are missing, out of date, or left over."""
    files = build.planned_files(course)
    for path, content in files.items():
        if not path.exists():
            yield Problem(_name(course, path), None, "isn't built yet; run `autograder build`")
        elif path.read_bytes() != content:
            cell = _first_difference(path, content)
            yield Problem(_name(course, path), cell, "is out of date; run `autograder build`")
    for path in build.stale_files(course, files):
        yield Problem(_name(course, path), None, "has no source any more; run `autograder build`")


def _first_difference(path: Path, content: bytes) -> str | None:
    """Return the id of the first cell in which a built notebook is out of date."""
    if path.suffix != ".ipynb":
        return None
    try:
        here = notebook_io.read(path)
    except UserError:
        return None
    wanted = {cell.id: cell for cell in notebook_io.parse(content, path.name).cells}
    for cell in here.cells:
        if wanted.get(cell.id) != cell:
            return str(cell.id)
    return None


def shown_problems(course: Course) -> Iterator[Problem]:
    """Yield lessons that no page links to, pictures without alt text, labels in one language."""
    for path in reader_rules.unlinked_lessons(course):
        yield Problem(_name(course, path), None, "is a lesson that no page links to")
    for folder, relative in build.source_notebooks(course):
        for code in (course.source_language, *build.translations(course, relative)):
            path = course.root / folder / code / relative
            if path.exists():
                notebook = notebook_io.read(path)
                problems = reader_rules.pictures_without_alt_text(notebook)
                yield from _problems(course, path, problems)
    if course.translations():
        yield from _label_problems(course)


def _label_problems(course: Course) -> Iterator[Problem]:
    for folder, relative in build.source_notebooks(course):
        path = course.root / folder / course.source_language / relative
        for cell in notebook_io.read(path).cells:
            if cell.cell_type == "code":
                for text in reader_rules.labels_in_one_language(cell.source):
                    yield Problem(_name(course, path), cell.id, text)
    for folder in course.settings.code_folders:
        for path in sorted((course.root / folder).rglob("*.py")):
            for text in reader_rules.labels_in_one_language(path.read_text(encoding="utf-8")):
                yield Problem(_name(course, path), None, text)


def boundary_problems(course: Course) -> Iterator[Problem]:
    """Yield tests that rely on what can't cross the trust boundary."""
    sources = course.source(course.source_language)
    for path in sorted(sources.rglob("*.ipynb")):
        if ".ipynb_checkpoints" not in path.relative_to(sources).parts:
            off_limits = course.settings.modules_off_limits(path.parent.name)
            yield from _problems(course, path, lint.lint(notebook_io.read(path), off_limits))
    own = (course.root / SETTINGS_FILE).is_file()  # else they are those of another course
    for name, _modules in course.settings.off_limits if own else ():
        if name not in course.assignments():
            text = f"names {name} in off-limits, which isn't an assignment"
            yield Problem(SETTINGS_FILE, None, text)


def _partial_language_problems(course: Course) -> Iterator[Problem]:
    """Yield what a partial language is said to have and the source language hasn't."""
    notebooks = [relative for _folder, relative in build.source_notebooks(course)]
    known = {name for one in notebooks for name in (one.stem, one.parts[0])}
    for code, names in course.settings.partial_languages:
        for name in names:
            if name not in known:
                text = f"says that {code} has {name}, which is no lesson or assignment"
                yield Problem(SETTINGS_FILE, None, text)


def reading_problems(course: Course) -> Iterator[Problem]:
    """Yield what a graded cell names to be read again and no lesson has, in every language."""
    for code in course.languages():
        lessons: dict[str, list[dict[str, Any]]] = {}
        if not (course.root / course.settings.lessons / code).is_dir():
            continue  # a course that has none here, as a demo's
        for path in sorted(course.source(code).glob("*/*.ipynb")):
            for cell in notebook_io.read(path).cells:
                for reference in references(cell):
                    if find_section(course, code, reference, lessons) is None:
                        text = f"says to read {reference!r} again, which no lesson has"
                        yield Problem(_name(course, path), cell.id, text)


def value_problems(course: Course) -> Iterator[Problem]:
    """Yield declarations of students' own values that can't be used, and wrong uses of them."""
    for assignment in course.assignments():
        declared, texts = value_rules.declaration_problems(course, assignment)
        file = _name(course, declaration_file(course, assignment))
        yield from (Problem(file, None, text) for text in texts)
        for path in sorted((course.source(course.source_language) / assignment).glob("*.ipynb")):
            found = value_rules.notebook_problems(notebook_io.read(path), declared)
            yield from _problems(course, path, list(found))


def leak_problems(course: Course) -> Iterator[Problem]:
    """Yield solutions, hidden tests and explanations that students would find."""
    for leak in leaks.find_leaks(course):
        yield Problem(leak.file, leak.cell, leak.text)


def dry_run_problems(course: Course, only: str | None = None) -> Iterator[Problem]:
    """Yield solutions without full marks, and stubs that earn points or stop Run All."""
    for assignment in course.assignments() if only is None else [only]:
        for path in sorted((course.source(course.source_language) / assignment).glob("*.ipynb")):
            found = dry_run.cached_problems(course, assignment, path.stem)
            yield from _problems(course, path, found)


STEPS: dict[str, Callable[[Course], Iterator[Problem]]] = {
    "ids, outputs and metadata": source_problems,
    "translations": translation_problems,
    "terms": glossary_problems,
    "built files": built_problems,
    "the trust boundary": boundary_problems,
    "sections to read again": reading_problems,
    "links, pictures and labels": shown_problems,
    "students' own values": value_problems,
    "leaks": leak_problems,
    "solutions and stubs, run": dry_run_problems,
}
