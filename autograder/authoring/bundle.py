"""Pack what students get into one zip, and nothing else.

An allow-list in the course's settings names it: lessons, releases, whatever else students need
and a README for them. Where a course has no settings of its own, what they name lies beside them,
all but the releases. In a git checkout only tracked files are packed, so that stray files
stay out. The same course gives the same bytes.
"""

from __future__ import annotations

import io
import re
import subprocess
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path, PurePosixPath

from autograder.authoring.leaks import find_leaks
from autograder.config import Course
from autograder.core import notebook_io
from autograder.core.atomic_io import read_file, write_file
from autograder.core.due_record import DUE_RECORD, due_record
from autograder.core.release_record import released_assignments
from autograder.errors import UserError

# What programs leave behind. Git ignores these too, but not every course is a git checkout.
_LEFTOVERS = {"__pycache__", ".ipynb_checkpoints", ".history", ".venv", ".cache", ".git", "outputs"}
_LEFTOVER_ENDINGS = (".pyc", ".pyo", ".swp", "~", ".orig", ".rej", ".egg-info")

# Made by `build` and possibly not tracked, but students need them.
_COMPILED = ".mo"

_ZIP_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest time that a zip can store


_RELEASES = "release"
_ROW_LINK = re.compile(r"\]\((?:\.\./)*work/([^)\s]*)\)")
"""A link to a student's copy of an assignment, in a page of the lessons."""


def bundle(
    course: Course, out: Path | None = None, assignments: Iterable[str] | None = None
) -> Path:
    """Write the zip for students.

    Args:
        course: the course.
        out: the zip to write, or the folder to write it to; by default
            named by the course's id, in its folder.
        assignments: which to pack; by default what `assignments_to_pack` returns.

    Returns:
        The zip's path.

    Raises:
        UserError: it would contain part of an answer or a hidden test, or something that
            students need isn't built.
        EnvironmentFault: the disk is full or the folder isn't writable.
    """
    packed = contents(course, assignments)
    leaks = find_leaks(course, packed)
    if leaks:
        more = f" (and {len(leaks) - 1} more)" if len(leaks) > 1 else ""
        raise UserError(
            f"Nothing was packed, because {leaks[0]}{more}; remove it, "
            "run `autograder build`, then verify with `autograder check`."
        )
    path = Path(out) if out is not None else course.root / f"{course.id}.zip"
    if path.is_dir():
        path = path / f"{course.id}.zip"
    write_file(path, zip_of(packed, course.id))
    return path


def assignments_to_pack(course: Course, names: Sequence[str] = ()) -> list[str]:
    """Return the assignments that the bundle gets: those released, or the named ones of these.

    Where none is released yet, all that are built.

    Args:
        course: the course.
        names: the assignments; all when empty.

    Raises:
        UserError: a name isn't an assignment, or not a released one.
        EnvironmentFault: the gradebook can't be used.
    """
    for name in names:
        course.require_assignment(name)
    released = [one for one in released_assignments(course) or () if one in course.assignments()]
    for name in names:
        if released and name not in released:
            raise UserError(
                f"{name} isn't released yet, so nothing was packed; "
                f"run `autograder release {name}` first."
            )
    return sorted(set(names)) if names else released or course.assignments()


def contents(course: Course, assignments: Iterable[str] | None = None) -> dict[str, bytes]:
    """Return the files of the bundle, by their path in it.

    Args:
        course: the course.
        assignments: which to pack; by default what `assignments_to_pack` returns.

    Raises:
        UserError: something that students need isn't built, or one of the files is a link.
    """
    chosen = frozenset(assignments_to_pack(course) if assignments is None else assignments)
    packed = {
        name: _content(path)
        for name, path in _files(course)
        if _assignment_of(course, name) in (None, *chosen)
    }
    _require_built(course, packed, chosen)
    for name in packed:
        if name.startswith(f"{course.settings.lessons}/") and name.endswith(".md"):
            packed[name] = _without_dead_links(packed[name], course, chosen)
    if released_assignments(course):
        packed[DUE_RECORD] = due_record(course, chosen)
    if readme := course.settings.bundle_readme:
        packed["README.md"] = read_file(_lies_in(course, readme) / readme)
    return dict(sorted(packed.items()))


def _lies_in(course: Course, name: str) -> Path:
    """Return the folder that a file or folder of the allow-list lies in."""
    if name == _RELEASES or (course.root / name).exists():
        return course.root
    return course.settings_folder


def _assignment_of(course: Course, name: str) -> str | None:
    """Return the assignment that a file of the bundle belongs to; None for all others."""
    parts = PurePosixPath(name).parts
    place = 2 if course.source_language else 1
    return parts[place] if parts[0] == _RELEASES and len(parts) > place + 1 else None


def _without_dead_links(content: bytes, course: Course, packed: frozenset[str]) -> bytes:
    """Return a page without the rows of tables that lead to assignments left out."""
    place = 1 if course.source_language else 0

    def is_dead(line: str) -> bool:
        linked = [PurePosixPath(one).parts for one in _ROW_LINK.findall(line)]
        names = {parts[place] for parts in linked if len(parts) > place}
        return line.startswith("|") and bool(names) and not names & packed

    lines = content.decode("utf-8").splitlines(keepends=True)
    return "".join(line for line in lines if not is_dead(line)).encode("utf-8")


def _files(course: Course) -> Iterator[tuple[str, Path]]:
    """Yield the files to pack, by their path in the bundle, from the allow-list."""
    for folder in course.settings.bundle_folders:
        yield from folder_files(course, folder)
    for name in course.settings.bundle_files:
        path = _lies_in(course, name) / name
        if path.is_file():
            yield name, path


def folder_files(course: Course, folder: str) -> Iterator[tuple[str, Path]]:
    """Yield what git tracks of a folder, or all of it where git tracks nothing, by path.

    Raises:
        UserError: one of the files is a link.
    """
    root = _lies_in(course, folder)
    tracked = _tracked(root)
    # Of a folder in which git tracks nothing (a copy of the course, a release not yet added),
    # everything is packed.
    known = tracked if any(name.startswith(f"{folder}/") for name in tracked) else None
    for path in sorted((root / folder).rglob("*")):
        name = path.relative_to(root).as_posix()
        if path.is_symlink() and (known is None or name in known):
            raise UserError(f"{name} is a link, which can't be packed; replace it with the file.")
        if not path.is_file() or not _is_wanted(name, course.settings.bundle_leaves_out):
            continue
        if known is None or name in known or name.endswith(_COMPILED):
            yield name, path


def _is_wanted(name: str, left_out: tuple[str, ...]) -> bool:
    parts = PurePosixPath(name).parts
    return not (
        _LEFTOVERS & set(parts)
        or any(part.startswith(".") or part.endswith(_LEFTOVER_ENDINGS) for part in parts)
        or any(name == left or name.startswith(f"{left}/") for left in left_out)
    )


def _tracked(root: Path) -> set[str]:
    """Return the files that git tracks below `root`; none without git or a checkout."""
    try:
        listed = subprocess.run(
            ["git", "-C", str(root), "ls-files", "-z", "--", "."],
            capture_output=True,
            check=True,
            timeout=60,
        )
    except (OSError, subprocess.SubprocessError):
        return set()
    return {name.decode("utf-8") for name in listed.stdout.split(b"\0") if name}


def _content(path: Path) -> bytes:
    """Return a file's bytes; those of an executed notebook without its outputs."""
    content = path.read_bytes()
    if path.suffix != ".ipynb":
        return content
    notebook = notebook_io.parse(content, path.name)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    if not any(cell.outputs or cell.execution_count is not None for cell in code):
        return content
    for cell in code:
        cell.outputs, cell.execution_count = [], None
    return notebook_io.to_bytes(notebook)


def _require_built(course: Course, packed: dict[str, bytes], chosen: frozenset[str]) -> None:
    """Require that every assignment is released in every language and every catalog compiled.

    Raises:
        UserError: something isn't; the message names it.
    """
    missing = [
        (
            PurePosixPath(_RELEASES, code) / path.relative_to(course.source(code)).as_posix()
        ).as_posix()
        for code in course.languages()
        for path in sorted(course.source(code).glob("*/*.ipynb"))
        if path.parent.name in chosen
    ] + [str(PurePosixPath(name).with_suffix(_COMPILED)) for name in packed if name.endswith(".po")]
    for name in missing:
        if name not in packed:
            raise UserError(
                f"{name} isn't there yet, so nothing was packed; run `autograder build` "
                "(and, where git tracks the folder, `git add` what it made)."
            )
    if not any(name.startswith(f"{_RELEASES}/") for name in packed):
        raise UserError(f"There is nothing to pack in {course.root}: it has no releases.")


def zip_of(packed: dict[str, bytes], folder: str) -> bytes:
    """Return files as a zip with one folder; fixed dates and permissions make it reproducible."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in packed.items():
            entry = zipfile.ZipInfo(f"{folder}/{name}", _ZIP_EPOCH)
            entry.create_system = 3  # Unix, whatever the system is
            entry.external_attr = 0o100644 << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, content, compresslevel=9)
    return buffer.getvalue()
