"""Build everything that is made from the source notebooks: translations, releases, catalogs.

`planned_files` returns what the files should contain without writing anything; `build` writes
those that differ, and `check` compares. Before that, `build` gives ids to the source's cells that
have none. The gradebook isn't touched: `release` does that.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

from nbformat import NotebookNode
from nbgrader.nbgraderformat.common import ValidationError

from autograder.authoring import catalogs, sync
from autograder.authoring.cell_ids import sources_with_ids
from autograder.config import RELEASE_STEPS, Course
from autograder.core import notebook_io
from autograder.core.atomic_io import plain_disk_errors, write_file
from autograder.core.due_record import DUE_RECORD
from autograder.core.preprocessing import apply_preprocessors
from autograder.core.released_values import released_file
from autograder.core.value_declarations import declaration_file
from autograder.errors import UserError

_NEEDING_THE_GRADEBOOK = (".SaveCells", ".GiveValues")
_IGNORED = {".ipynb_checkpoints", "__pycache__", ".DS_Store"}


def handout_files(folder: Path) -> list[Path]:
    """Return the files of an assignment's folder that students get unchanged: all but notebooks."""
    return sorted(
        path
        for path in folder.rglob("*")
        if path.is_file()
        and path.suffix != ".ipynb"
        and not _IGNORED & set(path.relative_to(folder).parts)
    )


def source_notebooks(course: Course) -> Iterator[tuple[str, Path]]:
    """Yield every English source notebook.

    Yields:
        The top folder, "notebooks" (lessons) or "source" (assignments), and the path below its
        language's folder.
    """
    for folder in (course.settings.lessons, "source"):
        base = course.root / folder / course.source_language
        for path in sorted(base.rglob("*.ipynb")) if base.is_dir() else []:
            if not _IGNORED & set(path.relative_to(base).parts):
                yield folder, path.relative_to(base)


def translations(course: Course, relative: Path) -> list[str]:
    """Return the languages that a source notebook is translated to, or has to be.

    Args:
        course: the course.
        relative: the notebook's path below its language's folder.
    """
    return [code for code in course.translations() if course.is_translated(relative, code)]


def translated_notebook(course: Course, folder: str, relative: Path, code: str) -> NotebookNode:
    """Return a translated notebook, synchronized with its English source notebook.

    Args:
        course: the course.
        folder: "notebooks" or "source".
        relative: the notebook's path below its language's folder.
        code: the language of the translation.
    """
    english = notebook_io.read(course.root / folder / course.source_language / relative)
    path = course.root / folder / code / relative
    own = notebook_io.read(path) if path.exists() else None
    return sync.synchronized(english, own, code, course.language_cell(code))


def released_notebook(course: Course, notebook: NotebookNode, assignment: str) -> NotebookNode:
    """Return what students get: no solutions, hidden tests, explanations or outputs.

    Raises:
        UserError: nbgrader refuses the notebook.
    """
    steps = tuple(step for step in RELEASE_STEPS if not step.endswith(_NEEDING_THE_GRADEBOOK))
    try:
        return apply_preprocessors(course, notebook, assignment, steps)
    except (RuntimeError, ValidationError) as error:
        raise UserError(
            f"{assignment} can't be released ({str(error).splitlines()[0]}); "
            "`autograder check` names the cells."
        ) from error


def planned_files(course: Course) -> dict[Path, bytes]:
    """Return every file that `build` makes, with the bytes it should have.

    Raises:
        UserError: a source notebook can't be read or released; the message names it.
    """
    files: dict[Path, bytes] = {}
    synchronized: dict[tuple[str, str, Path], NotebookNode] = {}
    for folder, relative in source_notebooks(course):
        english = notebook_io.read(course.root / folder / course.source_language / relative)
        synchronized[folder, course.source_language, relative] = english
        for code in translations(course, relative):
            own = translated_notebook(course, folder, relative, code)
            synchronized[folder, code, relative] = own
            files[course.root / folder / code / relative] = notebook_io.to_bytes(own)
    for (folder, code, relative), notebook in synchronized.items():
        if folder == "source":
            released = released_notebook(course, notebook, relative.parts[0])
            files[course.release(code) / relative] = notebook_io.to_bytes(released)
    for name in course.assignments():
        assignment = course.source(course.source_language) / name
        for path in handout_files(assignment):
            relative = path.relative_to(course.source(course.source_language))
            content = for_students = path.read_bytes()
            if path == declaration_file(course, name):
                for_students = released_file(course, name, content)
            files[course.release(course.source_language) / relative] = for_students
            for code in translations(course, Path(name)):
                files[course.source(code) / relative] = content
                files[course.release(code) / relative] = for_students
    files.update(catalogs.planned(course))
    return files


def stale_files(course: Course, files: dict[Path, bytes]) -> list[Path]:
    """Return the files in release/ that no source notebook builds any more."""
    base = course.root / "release"
    return [
        path
        for path in sorted(base.rglob("*"))
        if path.is_file()
        and path not in files
        and path.name != "README.md"
        and path != course.root / DUE_RECORD
        and not _IGNORED & set(path.relative_to(base).parts)
    ]


def build(course: Course) -> list[Path]:
    """Write every built file that is missing or out of date; the same bytes each time.

    Returns:
        The files that were written or removed.

    Raises:
        UserError: there are no assignments, or a source notebook can't be read or released.
        EnvironmentFault: the disk is full or a folder isn't writable.
    """
    if not course.assignments():
        raise UserError(
            f"There is nothing to build in {course.root}: it has no sources; "
            "run this in the course's own repository, not in a student's bundle."
        )
    changed = []
    with_ids = sources_with_ids(course, source_notebooks(course), course.translations())
    for path, content in with_ids.items():
        write_file(path, content)
        changed.append(path)
    files = planned_files(course)
    for path, content in files.items():
        if not path.exists() or path.read_bytes() != content:
            write_file(path, content)
            if path not in with_ids:
                changed.append(path)
    for path in stale_files(course, files):
        with plain_disk_errors(path):
            path.unlink()
        changed.append(path)
    for folder in sorted((course.root / "release").glob("*/*")):
        if folder.is_dir() and not any(folder.rglob("*.ipynb")):
            shutil.rmtree(folder)
    return changed
