"""Keep earlier versions of a student's notebooks, so that what isn't handed in yet can be got back.

For each notebook below `work/` there is a folder `work/.history/<its path>/`, with a copy of it
for each time it was saved changed, named after the time in UTC. Older versions are thinned out.
Nothing of it is ever handed in: it lies outside the assignments' folders.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from autograder.config import Course
from autograder.core import notebook_io
from autograder.core.atomic_io import read_file, write_file
from autograder.core.counting import counted
from autograder.core.notebook_io import SIZE_LIMIT
from autograder.core.printable import one_line
from autograder.errors import UserError
from autograder.i18n import _, speaking

WORK = "work"
HISTORY = ".history"
_STAMP = "%Y%m%dT%H%M%S.%fZ"
_SHOWN = "%Y-%m-%dT%H:%M:%S"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

MOST_VERSIONS = 200
"""How many versions of a notebook are kept."""

MOST_BYTES = 50 * 2**20
"""How many bytes the versions of a notebook may take together."""

MOST_BYTES_OF_ALL = 300 * 2**20
"""How many bytes the whole history may take."""

_NEWEST = 20
"""How many versions are kept, whatever their age."""

_PERIODS = (
    (timedelta(days=1), timedelta(minutes=10)),
    (timedelta(days=14), timedelta(hours=2)),
    (timedelta.max, timedelta(days=1)),
)
"""Of the others up to an age, the last one of each period this long."""


@dataclass(frozen=True)
class Version:
    """A notebook as it was saved once.

    Attributes:
        path: its file in the history.
        saved: when.
        size: of the file, in bytes.
    """

    path: Path
    saved: datetime
    size: int

    @property
    def name(self) -> str:
        """The time in this machine's time zone, by which it is asked for."""
        return self.saved.astimezone().strftime(_SHOWN)


def keep_version(course: Course, path: Path, now: datetime | None = None) -> Version | None:
    """Keep a notebook as it is now, unless the newest version is the same.

    Args:
        course: the course whose `work/` the notebook is in; others have no history.
        path: the notebook.
        now: the time; the clock's when None.

    Returns:
        What was kept; None if nothing was.

    Raises:
        EnvironmentFault: the disk is full or the history isn't writable.
        OSError: the notebook can't be read.
    """
    found = _changed(course, path)
    if found is None:
        return None
    folder, content = found
    version = folder / _file_name(now)
    write_file(version, content, mode=0o600)
    _thin_out(course.root / WORK / HISTORY, folder, now or datetime.now(UTC))
    return _version(version)


def keep_replaced(course: Course, path: Path) -> None:
    """Keep a file that is about to be replaced, if another program has changed it since.

    The version is the very file, so that a full disk can't keep it from being kept; this is for
    those who put a new file in its place, and don't write into it.

    Raises:
        OSError: the history isn't writable, or its disk knows no links.
    """
    found = _changed(course, path) if path.is_file() and not path.is_symlink() else None
    if found is not None:
        found[0].mkdir(parents=True, exist_ok=True)
        os.link(path, found[0] / _file_name(None))


def _file_name(now: datetime | None) -> str:
    return (now or datetime.now(UTC)).astimezone(UTC).strftime(_STAMP) + ".ipynb"


def _changed(course: Course, path: Path) -> tuple[Path, bytes] | None:
    """Return a notebook's folder in the history and its content; None if there is nothing new."""
    folder = _folder(course, path)
    if folder is None or path.stat().st_size > SIZE_LIMIT:
        return None
    content = path.read_bytes()
    newest = next(iter(_versions(folder)), None)
    with suppress(OSError):
        if newest is not None and newest.path.read_bytes() == content:
            return None
    return folder, content


def _folder(course: Course, path: Path) -> Path | None:
    """Return where the versions of a notebook are; None if it is none of `work/`."""
    work = (course.root / WORK).resolve()
    try:
        inside = path.resolve().relative_to(work)
    except (ValueError, OSError):
        return None
    if inside.suffix != ".ipynb" or any(part.startswith(".") for part in inside.parts):
        return None
    return work / HISTORY / inside


def _versions(folder: Path) -> list[Version]:
    """Return the versions in a folder of the history, the newest first."""
    with suppress(OSError):
        found = filter(None, map(_version, folder.iterdir()))
        return sorted(found, key=lambda one: one.saved, reverse=True)
    return []


def _version(path: Path) -> Version | None:
    with suppress(ValueError, OSError):
        if path.suffix == ".ipynb":
            # Many times as fast as strptime, for each version at each save.
            saved = datetime.fromisoformat(path.stem)
            if saved.tzinfo:  # else it is none of ours, and can't be compared with them
                return Version(path, saved, path.stat().st_size)
    return None


def _thin_out(history: Path, folder: Path, now: datetime) -> None:
    """Delete what a folder of the history, or all of it, has too much of."""
    versions = _versions(folder)
    kept = list(_bounded(_spaced(versions, now), MOST_BYTES))[:MOST_VERSIONS]
    _delete(set(versions) - set(kept))
    everything = [one for place in _folders(history) for one in _versions(place)]
    everything.sort(key=lambda one: one.saved, reverse=True)
    _delete(set(everything) - set(_bounded(everything, MOST_BYTES_OF_ALL)))


def _spaced(versions: list[Version], now: datetime) -> Iterator[Version]:
    """Yield of versions, the newest first, those that are kept at their age."""
    seen: set[tuple[timedelta, int]] = set()
    for rank, one in enumerate(versions):
        age = now - one.saved
        length = next(length for most, length in _PERIODS if age <= most)
        # By the clock and not by the version before, or none would grow older than the first step.
        period = length, (one.saved - _EPOCH) // length
        if rank < _NEWEST or period not in seen:
            yield one
        seen.add(period)


def _bounded(versions: Iterable[Version], most: int) -> Iterator[Version]:
    """Yield versions until they have too many bytes together; the first one in any case."""
    total = 0
    for one in versions:
        total += one.size
        if total > most and total > one.size:
            return
        yield one


def _delete(versions: Iterable[Version]) -> None:
    for one in versions:
        with suppress(OSError):
            one.path.unlink()


def _folders(history: Path) -> list[Path]:
    """Return the folders of the notebooks that have a history."""
    return sorted(Path(place) for place, _inner, files in os.walk(history) if files)


@dataclass(frozen=True)
class NotebookHistory:
    """The versions of one notebook.

    Attributes:
        path: the notebook, which may be gone.
        shown: the same from the course's folder.
        versions: the newest first.
    """

    path: Path
    shown: str
    versions: list[Version]

    def __str__(self) -> str:
        with speaking(self.language()):
            lines = [_("Saved versions of {path}, newest first:").format(path=self.shown)]
            lines += [f"  {one.name}  {one.size / 1000:,.0f} kB" for one in self.versions]
            text = _("To restore one: autograder history {path} --restore {when}")
            lines.append(text.format(path=self.shown, when=self.versions[0].name))
        return "\n".join(map(one_line, lines))

    def language(self) -> str:
        """Return the language of the newest version; empty if it can't be read."""
        with suppress(UserError, OSError):
            return notebook_io.language_of(notebook_io.read(self.versions[0].path))
        return ""

    def has(self, path: Path) -> bool:
        """Return whether a file is the same as one of the versions."""
        size = path.stat().st_size
        return any(
            one.size == size and one.path.read_bytes() == path.read_bytes() for one in self.versions
        )

    def find(self, when: str) -> Version:
        """Return the version that a time means, or the beginning of one.

        Raises:
            UserError: none or several.
        """
        wanted = when.strip().replace(" ", "T", 1)
        found = [one for one in self.versions if wanted and one.name.startswith(wanted)]
        names = sorted({one.name for one in found})
        if not found:
            raise UserError(
                f"No version of {self.shown} was saved at {one_line(when)}; "
                f"`autograder history {self.shown}` lists those there are."
            )
        if len(names) > 1:
            raise UserError(
                f"{counted(len(names), 'version')} of {self.shown} were saved then "
                f"({', '.join(names[:4])}{' …' if len(names) > 4 else ''}); name one of them."
            )
        return found[0]


@dataclass(frozen=True)
class Restored:
    """Describe what was put back.

    Attributes:
        shown: the notebook, from the course's folder.
        version: what is in it now.
        kept: what it was replaced; None if that was in the history already, or there was none.
        language: the one to say it in.
    """

    shown: str
    version: Version
    kept: Version | None
    language: str

    def __str__(self) -> str:
        with speaking(self.language):
            lines = [
                _("{path} is back to the version saved at {when}.").format(
                    path=self.shown, when=self.version.name
                )
            ]
            if self.kept is not None:
                text = _("The version it replaced was kept as {when}.")
                lines.append(text.format(when=self.kept.name))
            lines.append(_("If it is open in JupyterLab, choose File → Reload Notebook from Disk."))
        return "\n".join(map(one_line, lines))


def histories(course: Course, name: str | None = None) -> list[NotebookHistory]:
    """Return the histories of all notebooks, or of those that a name means.

    Args:
        course: the course.
        name: an assignment's name, or a notebook's, or the path of either.

    Raises:
        UserError: there is no history, or none of that name.
    """
    work = (course.root / WORK).resolve()
    found = []
    for folder in _folders(work / HISTORY):
        inside = folder.relative_to(work / HISTORY)
        if versions := _versions(folder):
            path = work / inside
            found.append(NotebookHistory(path, f"{WORK}/{inside.as_posix()}", versions))
    if not found:
        raise UserError(
            f"There are no earlier versions in {work / HISTORY} yet; JupyterLab keeps one each "
            f"time that you save a notebook in {WORK}/."
        )
    if name is None:
        return found
    meant = [one for one in found if _is_meant(one, name, course.root)]
    if not meant:
        raise UserError(
            f"There are no earlier versions of {one_line(name)}; "
            f"choose one of: {', '.join(one_line(one.shown) for one in found)}."
        )
    return meant


def _is_meant(history: NotebookHistory, name: str, root: Path) -> bool:
    inside = Path(history.shown)
    places = Path(name).resolve(), (root / name).resolve()
    return name in (inside.stem, inside.name, inside.parent.name) or any(
        place in (history.path, history.path.parent) for place in places
    )


def restore(course: Course, name: str, when: str) -> Restored:
    """Put a version back, after keeping what is there now.

    Args:
        course: the course.
        name: as for `histories`.
        when: the version's time as it is listed, or the beginning of it.

    Raises:
        UserError: no such version, or several notebooks have one.
        EnvironmentFault: the disk is full or the place isn't writable; nothing was changed.
    """
    meant = histories(course, name)
    if len(meant) > 1:
        raise UserError(
            f"{one_line(name)} means several notebooks "
            f"({', '.join(one_line(one.shown) for one in meant)}); name one of them."
        )
    history = meant[0]
    version = history.find(when)
    content = read_file(version.path)
    is_lost = history.path.is_file() and not history.has(history.path)
    kept = keep_version(course, history.path) if is_lost else None
    write_file(history.path, content)
    language = history.language()
    return Restored(history.shown, version, kept, language)
