"""Pack the notebooks with solutions for teaching assistants, out of students' reach.

Assistants grade by hand: they get the solutions and what a written answer is graded by (rubrics and
explanations). Hidden tests stay behind, since a sentence of theirs could give one away.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from nbformat import NotebookNode
from nbformat.v4 import new_markdown_cell

from autograder.authoring.bundle import folder_files, zip_of
from autograder.config import Course
from autograder.core import notebook_io
from autograder.core.atomic_io import write_file
from autograder.core.preprocessing import apply_preprocessors
from autograder.errors import UserError

_STEPS = ("nbgrader.preprocessors.ClearOutput", "nbgrader.preprocessors.ClearHiddenTests")
_MODE = 0o600
"""Only who packed it may read it."""

BANNER = (
    "**With solutions, for teaching assistants only. Don't pass it on to students, and don't put "
    "it where they can get at it.**"
)


def bundle_for_assistants(
    course: Course, out: Path | None = None, names: Sequence[str] = ()
) -> Path:
    """Write the zip for assistants, named so that nobody takes it for the students'.

    Args:
        course: the course.
        out: the zip to write, or the folder to write it to; the course's folder by default.
        names: the assignments; all when empty.

    Returns:
        The zip's path.

    Raises:
        UserError: there is no such assignment, or students can reach the place.
        EnvironmentFault: the disk is full or the folder isn't writable.
    """
    for name in names:
        course.require_assignment(name)
    folder = f"{course.id}-WITH-SOLUTIONS-for-assistants"
    path = Path(out) if out is not None else course.root
    if path.is_dir():
        path = path / f"{folder}.zip"
    _require_out_of_reach(course, path)
    packed = _contents(course, names or course.assignments())
    if not packed:
        raise UserError(f"There is nothing to pack in {course.root}: it has no sources.")
    packed["README.md"] = _readme(course).encode("utf-8")
    write_file(path, zip_of(dict(sorted(packed.items())), folder), _MODE)
    return path


def _contents(course: Course, names: Sequence[str]) -> dict[str, bytes]:
    packed: dict[str, bytes] = {}
    for code in course.languages():
        for name in names:
            for path in sorted((course.source(code) / name).glob("*.ipynb")):
                place = path.relative_to(course.root / "source").as_posix()
                notebook = _for_assistants(course, notebook_io.read(path), name)
                packed[f"assignments/{place}"] = notebook_io.to_bytes(notebook)
    for folder in course.settings.assistants_folders if packed else ():
        packed |= {name: path.read_bytes() for name, path in folder_files(course, folder)}
    return packed


def _for_assistants(course: Course, source: NotebookNode, assignment: str) -> NotebookNode:
    """Return a source notebook without hidden tests, saying at its top what it is."""
    made = apply_preprocessors(course, source, assignment, _STEPS)
    made.cells.insert(0, new_markdown_cell(BANNER, id="for-assistants"))
    return made


def _readme(course: Course) -> str:
    return (
        f"# {course.title}: for teaching assistants\n\n{BANNER}\n\n"
        "`assignments/` holds the notebooks with solutions, and with the rubrics and explanations "
        "that students see after the due date. Hidden tests aren't in them.\n"
    )


def _require_out_of_reach(course: Course, path: Path) -> None:
    """Require that a file won't lie in a folder that students can reach.

    Raises:
        UserError: it would.
    """
    place = path.resolve()
    exchange = Path(course.nbgrader_config().Exchange.root)
    reachable = [exchange, course.root / "work", course.root / "release", course.feedback]
    for name in (*course.settings.bundle_folders, course.settings.lessons):
        reachable += [course.root / name, course.settings_folder / name]
    for folder in reachable:
        if place.is_relative_to(folder.resolve()):
            raise UserError(
                f"Students can get at files in {folder}, so nothing was packed; "
                "name another folder with --to."
            )
    if place.name == f"{course.id}.zip":
        raise UserError(
            f"{place.name} is what the students' bundle is called, so nothing was packed; "
            "give the zip another name, or name a folder with --to."
        )
