"""Everything that is made from the masters: translated notebooks, releases, catalogues.

`planned_files` says what the files should be, as bytes, without writing anything; `build` writes
what isn't so yet, and `check` compares. The gradebook isn't touched: `release` does that.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

from nbformat import NotebookNode
from nbgrader.nbgraderformat.common import ValidationError

from autograder.authoring import catalogs, sync
from autograder.config import MASTER_LANGUAGE, RELEASE_STEPS, Course
from autograder.core import notebook_io
from autograder.core.atomic_io import plain_disk_errors, write_file
from autograder.core.preprocessing import apply_preprocessors
from autograder.errors import UserError

_IGNORED = {".ipynb_checkpoints", "__pycache__", ".DS_Store"}


def handout_files(folder: Path) -> list[Path]:
    """The files of an assignment's folder besides its notebooks: students get them as they are."""
    return sorted(
        path
        for path in folder.rglob("*")
        if path.is_file()
        and path.suffix != ".ipynb"
        and not _IGNORED & set(path.relative_to(folder).parts)
    )


def source_notebooks(course: Course) -> Iterator[tuple[str, Path]]:
    """Every English master with its path below the language's folder: ("lesson" or "source")."""
    for folder in ("notebooks", "source"):
        base = course.root / folder / MASTER_LANGUAGE
        for path in sorted(base.rglob("*.ipynb")) if base.is_dir() else []:
            if not _IGNORED & set(path.relative_to(base).parts):
                yield folder, path.relative_to(base)


def other_languages(course: Course) -> list[str]:
    """Every language but English that there is a folder of lessons or assignments for."""
    found = set()
    for folder in ("notebooks", "source"):
        base = course.root / folder
        if base.is_dir():
            found |= {path.name for path in base.iterdir() if _is_language(path)}
    return sorted(found - {MASTER_LANGUAGE})


def _is_language(path: Path) -> bool:
    return path.is_dir() and len(path.name) in (2, 3) and path.name.isalpha()


def translated_notebook(course: Course, folder: str, relative: Path, code: str) -> NotebookNode:
    """The notebook in another language, brought in step with its English master."""
    english = notebook_io.read(course.root / folder / MASTER_LANGUAGE / relative)
    place = course.root / folder / code / relative
    own = notebook_io.read(place) if place.exists() else None
    return sync.synchronized(english, own, code)


def released_notebook(course: Course, notebook: NotebookNode, assignment: str) -> NotebookNode:
    """What students get of a master: no solutions, hidden tests, explanations or outputs."""
    steps = tuple(step for step in RELEASE_STEPS if not step.endswith(".SaveCells"))
    try:
        return apply_preprocessors(course, notebook, assignment, steps)
    except (RuntimeError, ValidationError) as error:
        raise UserError(
            f"{assignment} can't be released ({str(error).splitlines()[0]}); "
            "`autograder check` names the cells."
        ) from error


def planned_files(course: Course) -> dict[Path, bytes]:
    """Every built file and the bytes it should have.

    Raises:
        UserError: a master can't be read or released; the message names it.
    """
    files: dict[Path, bytes] = {}
    in_step: dict[tuple[str, str, Path], NotebookNode] = {}
    for folder, relative in source_notebooks(course):
        english = notebook_io.read(course.root / folder / MASTER_LANGUAGE / relative)
        in_step[folder, MASTER_LANGUAGE, relative] = english
        for code in other_languages(course):
            own = translated_notebook(course, folder, relative, code)
            in_step[folder, code, relative] = own
            files[course.root / folder / code / relative] = notebook_io.to_bytes(own)
    for (folder, code, relative), notebook in in_step.items():
        if folder == "source":
            released = released_notebook(course, notebook, relative.parts[0])
            files[course.release(code) / relative] = notebook_io.to_bytes(released)
    for name in course.assignments():
        master = course.source(MASTER_LANGUAGE) / name
        for given in handout_files(master):
            relative = given.relative_to(course.source(MASTER_LANGUAGE))
            content = given.read_bytes()
            files[course.release(MASTER_LANGUAGE) / relative] = content
            for code in other_languages(course):
                files[course.source(code) / relative] = content
                files[course.release(code) / relative] = content
    files.update(catalogs.planned(course))
    return files


def stale_files(course: Course, files: dict[Path, bytes]) -> list[Path]:
    """Files in release/ that no master builds any more."""
    base = course.root / "release"
    return [
        path
        for path in sorted(base.rglob("*"))
        if path.is_file()
        and path not in files
        and path.name != "README.md"
        and not _IGNORED & set(path.relative_to(base).parts)
    ]


def build(course: Course) -> list[Path]:
    """Write every built file that isn't what its master builds; the same bytes each time.

    Returns:
        The files that were written or removed.
    """
    if not course.assignments():
        raise UserError(
            f"There is nothing to build in {course.root}: it has no source/{MASTER_LANGUAGE}; "
            "run this in the course's own repository, not in a student's bundle."
        )
    files = planned_files(course)
    changed = []
    for path, content in files.items():
        if not path.exists() or path.read_bytes() != content:
            write_file(path, content)
            changed.append(path)
    for path in stale_files(course, files):
        with plain_disk_errors(path):
            path.unlink()
        changed.append(path)
    for folder in sorted((course.root / "release").glob("*/*")):
        if folder.is_dir() and not any(folder.rglob("*.ipynb")):
            shutil.rmtree(folder)
    return changed
