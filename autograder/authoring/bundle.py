"""Packing what students may have, and nothing else.

Packed is what an allow-list names: lessons and library, releases, environment, this package,
licences and a README for students. Of these, in a git checkout, only what git tracks, so that
nothing lying around comes along. The same course gives the same bytes.
"""

from __future__ import annotations

import io
import subprocess
import zipfile
from collections.abc import Iterator
from importlib.resources import files as package_files
from pathlib import Path, PurePosixPath

from autograder.authoring.leaks import PUBLIC_FOLDERS, find_leaks
from autograder.config import Course
from autograder.core import notebook_io
from autograder.core.atomic_io import write_file
from autograder.errors import UserError

NAME = "beyond-prompting"
"""The folder that the zip unpacks to."""

SINGLE_FILES = ("pyproject.toml", "LICENSE", "LICENSE-prose")

LEFT_OUT = ("env/jupyter/instructor", "env/hub", "env/container")
"""Below the packed folders: what only an instructor or a teaching engineer needs."""

# Never packed, wherever it lies: what programs leave behind. Git ignores these too, but there
# isn't always a git.
_LEFTOVERS = {"__pycache__", ".ipynb_checkpoints", ".venv", ".cache", ".git", "outputs"}
_LEFTOVER_ENDINGS = (".pyc", ".pyo", ".swp", "~", ".orig", ".rej", ".egg-info")

# Made by `build` and perhaps not tracked, but students need them.
_COMPILED = ".mo"

_ZIP_EPOCH = (1980, 1, 1, 0, 0, 0)  # the first moment that a zip can hold


def bundle(course: Course, out: Path | None = None) -> Path:
    """Write the students' zip.

    Args:
        out: the zip to write; `beyond-prompting.zip` in the course's folder by default.

    Returns:
        Its path.

    Raises:
        UserError: something of an answer or a hidden test would go with it, or something that
            students need isn't built.
        EnvironmentFault: the disk is full or the place not writable.
    """
    packed = contents(course)
    leaks = find_leaks(course, packed)
    if leaks:
        more = f" (and {len(leaks) - 1} more)" if len(leaks) > 1 else ""
        raise UserError(
            f"Nothing was packed, because {leaks[0]}{more}; take that out, "
            "run `autograder build`, and look with `autograder check`."
        )
    place = Path(out) if out is not None else course.root / f"{NAME}.zip"
    if place.is_dir():
        place = place / f"{NAME}.zip"
    write_file(place, _zip(packed))
    return place


def contents(course: Course) -> dict[str, bytes]:
    """What the bundle holds: files by their path in it.

    Raises:
        UserError: something that students need isn't built, or a link lies among the files.
    """
    packed = {name: _content(course.root / name) for name in _names(course)}
    readme = package_files("autograder.authoring").joinpath("templates/bundle-readme.md")
    packed["README.md"] = readme.read_bytes()
    _require_built(course, packed)
    return dict(sorted(packed.items()))


def _names(course: Course) -> Iterator[str]:
    """The paths of the files to pack, from the allow-list."""
    tracked = _tracked(course.root)
    for folder in PUBLIC_FOLDERS:
        base = course.root / folder
        # A folder that git knows nothing of (a copy of the course, a release not yet added) is
        # taken by rule.
        known = tracked if any(name.startswith(f"{folder}/") for name in tracked) else None
        for path in sorted(base.rglob("*")):
            name = path.relative_to(course.root).as_posix()
            if path.is_symlink() and (known is None or name in known):
                raise UserError(f"{name} is a link, which can't be packed; put the file there.")
            if not path.is_file() or not _is_wanted(name):
                continue
            if known is None or name in known or name.endswith(_COMPILED):
                yield name
    for name in SINGLE_FILES:
        if (course.root / name).is_file():
            yield name


def _is_wanted(name: str) -> bool:
    parts = PurePosixPath(name).parts
    return not (
        _LEFTOVERS & set(parts)
        or any(part.startswith(".") or part.endswith(_LEFTOVER_ENDINGS) for part in parts)
        or any(name == left or name.startswith(f"{left}/") for left in LEFT_OUT)
    )


def _tracked(root: Path) -> set[str]:
    """What git tracks below `root`; empty where there is no git or no checkout."""
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
    """A file's bytes; of a notebook that was run, without its outputs."""
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
    """Nothing, if every assignment is released in every language and every catalogue compiled."""
    lacking = [
        f"release/{code}/{path.relative_to(course.source(code)).as_posix()}"
        for code in course.languages()
        for path in sorted(course.source(code).glob("*/*.ipynb"))
    ] + [str(PurePosixPath(name).with_suffix(_COMPILED)) for name in packed if name.endswith(".po")]
    for name in lacking:
        if name not in packed:
            raise UserError(
                f"{name} isn't there yet, so nothing was packed; run `autograder build` "
                "(and, where git tracks the folder, `git add` what it made)."
            )
    if not any(name.startswith("release/") for name in packed):
        raise UserError(f"There is nothing to pack in {course.root}: it has no releases.")


def _zip(packed: dict[str, bytes]) -> bytes:
    """The zip: sorted names, one date, plain permissions, so that the same files give it again."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in packed.items():
            entry = zipfile.ZipInfo(f"{NAME}/{name}", _ZIP_EPOCH)
            entry.create_system = 3  # Unix, whatever this machine is
            entry.external_attr = 0o100644 << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, content, compresslevel=9)
    return buffer.getvalue()
