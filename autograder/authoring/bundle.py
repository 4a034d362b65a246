"""Pack what students get into one zip, and nothing else.

An allow-list in the course's settings names it: lessons, releases, whatever else students need
and a README for them. In a git checkout only tracked files are packed, so that stray files
stay out. The same course gives the same bytes.
"""

from __future__ import annotations

import io
import subprocess
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from autograder.authoring.leaks import find_leaks
from autograder.config import Course
from autograder.core import notebook_io
from autograder.core.atomic_io import read_file, write_file
from autograder.errors import UserError

# What programs leave behind. Git ignores these too, but not every course is a git checkout.
_LEFTOVERS = {"__pycache__", ".ipynb_checkpoints", ".venv", ".cache", ".git", "outputs"}
_LEFTOVER_ENDINGS = (".pyc", ".pyo", ".swp", "~", ".orig", ".rej", ".egg-info")

# Made by `build` and possibly not tracked, but students need them.
_COMPILED = ".mo"

_ZIP_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest time that a zip can store


def bundle(course: Course, out: Path | None = None) -> Path:
    """Write the zip for students.

    Args:
        course: the course.
        out: the zip to write, or the folder to write it to; by default
            named by the course's id, in its folder.

    Returns:
        The zip's path.

    Raises:
        UserError: it would contain part of an answer or a hidden test, or something that
            students need isn't built.
        EnvironmentFault: the disk is full or the folder isn't writable.
    """
    packed = contents(course)
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
    write_file(path, _zip(packed, course.id))
    return path


def contents(course: Course) -> dict[str, bytes]:
    """Return the files of the bundle, by their path in it.

    Raises:
        UserError: something that students need isn't built, or one of the files is a link.
    """
    packed = {name: _content(course.root / name) for name in _names(course)}
    _require_built(course, packed)
    if readme := course.settings.bundle_readme:
        packed["README.md"] = read_file(course.root / readme)
    return dict(sorted(packed.items()))


def _names(course: Course) -> Iterator[str]:
    """Yield the paths of the files to pack, from the allow-list."""
    tracked = _tracked(course.root)
    for folder in course.settings.bundle_folders:
        base = course.root / folder
        # Of a folder in which git tracks nothing (a copy of the course, a release not yet added),
        # everything is packed.
        known = tracked if any(name.startswith(f"{folder}/") for name in tracked) else None
        for path in sorted(base.rglob("*")):
            name = path.relative_to(course.root).as_posix()
            if path.is_symlink() and (known is None or name in known):
                raise UserError(
                    f"{name} is a link, which can't be packed; replace it with the file."
                )
            if not path.is_file() or not _is_wanted(name, course.settings.bundle_leaves_out):
                continue
            if known is None or name in known or name.endswith(_COMPILED):
                yield name
    for name in course.settings.bundle_files:
        if (course.root / name).is_file():
            yield name


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


def _require_built(course: Course, packed: dict[str, bytes]) -> None:
    """Require that every assignment is released in every language and every catalog compiled.

    Raises:
        UserError: something isn't; the message names it.
    """
    missing = [
        f"release/{code}/{path.relative_to(course.source(code)).as_posix()}"
        for code in course.languages()
        for path in sorted(course.source(code).glob("*/*.ipynb"))
    ] + [str(PurePosixPath(name).with_suffix(_COMPILED)) for name in packed if name.endswith(".po")]
    for name in missing:
        if name not in packed:
            raise UserError(
                f"{name} isn't there yet, so nothing was packed; run `autograder build` "
                "(and, where git tracks the folder, `git add` what it made)."
            )
    if not any(name.startswith("release/") for name in packed):
        raise UserError(f"There is nothing to pack in {course.root}: it has no releases.")


def _zip(packed: dict[str, bytes], folder: str) -> bytes:
    """Return the zip: fixed order, dates and permissions make it reproducible."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in packed.items():
            entry = zipfile.ZipInfo(f"{folder}/{name}", _ZIP_EPOCH)
            entry.create_system = 3  # Unix, whatever the system is
            entry.external_attr = 0o100644 << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, content, compresslevel=9)
    return buffer.getvalue()
