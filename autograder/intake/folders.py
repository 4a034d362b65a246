"""Read folders on disk without trusting anything in them."""

from __future__ import annotations

import errno
import heapq
import os
import stat
import unicodedata
from collections import deque
from pathlib import Path

from autograder.intake.errors import BadArchive
from autograder.intake.member_names import composed, is_ignored
from autograder.intake.sources import Member, Source, plausible_time
from autograder.intake.upload import BOOKKEEPING
from autograder.intake.upload_limits import (
    MAX_DEPTH,
    MAX_LISTED_FILES,
    MAX_VISITED_ENTRIES,
    STUDENT_LIMITS,
    UploadLimits,
)

_MAX_NAMED = 10


class FolderSource(Source):
    """List and read a folder on disk. Links and devices are never followed.

    Args:
        folder: its path.
        limits: the most that is read from it.
        of_class: whether each folder in it is one student's (or, if there is only one, each folder
            in that), of which no more is listed than one student may submit.
        seen: the folder's status when its owner was checked; if another folder has replaced it
            since, its files can't be read.

    Raises:
        BadArchive: too many files, unless `of_class`.
    """

    def __init__(
        self,
        folder: Path,
        limits: UploadLimits,
        of_class: bool = False,
        seen: os.stat_result | None = None,
    ) -> None:
        super().__init__(folder.name or str(folder), limits, of_class=of_class)
        self.folder = Path(folder)
        self._seen = seen
        if of_class:
            self._walk_class(self.folder, "")
            self.members.sort(key=lambda member: Path(str(member.key)).parts)
        else:
            self._walk(self.folder, "")

    @classmethod
    def of_student(cls, folder: Path, seen: os.stat_result | None = None) -> FolderSource:
        """Return one student's folder, of which no more is listed than a student may submit.

        Args:
            folder: its path.
            seen: the folder's status when its owner was checked.
        """
        found = cls.__new__(cls)
        Source.__init__(found, folder.name, STUDENT_LIMITS, of_class=True)
        found.folder = folder
        found._seen = seen
        found._walk_student(folder, "")
        return found

    def _walk(self, folder: Path, prefix: str) -> None:
        with os.scandir(folder) as found:
            entries = sorted(found, key=lambda entry: entry.name)
        for entry in entries:
            if inner := self._visit(entry, prefix):
                self._walk(*inner)

    def _walk_class(self, folder: Path, prefix: str) -> None:
        with os.scandir(folder) as found:
            entries = [entry for entry in found if not is_ignored(composed(entry.name))]
        only_folder = len(entries) == 1 and prefix.count("/") < MAX_DEPTH
        for entry in sorted(entries, key=lambda entry: entry.name):
            if inner := self._visit(entry, prefix):
                (self._walk_class if only_folder else self._walk_student)(*inner)

    def _walk_student(self, folder: Path, prefix: str) -> None:
        """List a student's folder, the outermost folders first, until there is too much of it."""
        waiting = deque([(folder, prefix)])
        seen, unlisted = 0, []
        while waiting and seen < MAX_VISITED_ENTRIES:
            folder, prefix = waiting.popleft()
            try:
                found, more = self._listed(folder, prefix)
            except OSError:  # not readable by the instructor, or replaced meanwhile
                self.left_out.append(composed(prefix))
                continue
            seen += 1 + len(found)
            unlisted += [composed(prefix + name) for name in more]
            waiting.extend(filter(None, found))
        unlisted += [composed(prefix) for _folder, prefix in waiting]
        self.unlisted += unlisted[:_MAX_NAMED]

    def _listed(self, folder: Path, prefix: str) -> tuple[list[tuple[Path, str] | None], list[str]]:
        """Take the first entries of a folder; what a link in its place leads to isn't named."""
        if os.scandir not in os.supports_fd:
            entries, more = _first_entries(folder)
            return [self._visit(entry, prefix) for entry in entries], more
        handle = _folder_beneath(self.folder, folder.relative_to(self.folder).parts, self._seen)
        try:
            entries, more = _first_entries(handle)
            return [self._visit(entry, prefix) for entry in entries], more
        finally:
            os.close(handle)

    def _visit(self, entry: os.DirEntry[str], prefix: str) -> tuple[Path, str] | None:
        """Take one entry; return the folder and its prefix if there is one to go on with."""
        raw = prefix + entry.name
        name = composed(raw)
        if is_ignored(name):
            return None
        if entry.is_dir(follow_symlinks=False):
            if raw.count("/") < MAX_DEPTH:
                return self.folder / raw, raw + "/"
            self.left_out.append(name)  # nested too deep to be anybody's work
        elif entry.is_file(follow_symlinks=False):
            modified = plausible_time(entry.stat(follow_symlinks=False).st_mtime)
            self._add(Member(name, modified, self.folder / raw))
        else:
            self.left_out.append(name)
        return None

    def open(self, member: Member) -> int:
        """Open a file, if it is a plain one.

        Args:
            member: one of `members`.

        Returns:
            A descriptor, which the caller closes.

        Raises:
            BadArchive: the file can't be read, or has been replaced by something else.
        """
        assert isinstance(member.key, Path)
        try:
            name = member.key.relative_to(self.folder)
            handle = _opened_beneath(self.folder, name, self._seen)
        except OSError as error:
            raise BadArchive(
                f"{member.name} can't be read ({error.strerror}); check its permissions."
            ) from None
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            os.close(handle)
            raise BadArchive(f"{member.name} isn't a plain file; hand in the file itself.")
        return handle

    def _read(self, member: Member, limit: int) -> bytes:
        with os.fdopen(self.open(member), "rb") as stream:
            return stream.read(limit)


def _may_be_notebook(name: str) -> bool:
    return ".ipynb" in name.casefold()


def _first_entries(folder: Path | int) -> tuple[list[os.DirEntry[str]], list[str]]:
    """Return the first notebooks and other files in a folder, and the names of a few more."""
    with os.scandir(folder) as found:
        kept = heapq.nsmallest(MAX_LISTED_FILES + _MAX_NAMED, found, key=_notebooks_first)
    return kept[:MAX_LISTED_FILES], [entry.name for entry in kept[MAX_LISTED_FILES:]]


def _notebooks_first(entry: os.DirEntry[str]) -> tuple[bool, bool, str]:
    return entry.name not in BOOKKEEPING, not _may_be_notebook(entry.name), entry.name


def _opened_beneath(folder: Path, name: Path, seen: os.stat_result | None = None) -> int:
    """Open a file without following a link anywhere below `folder`, and without waiting.

    A student may swap a file or folder for a link or a pipe after it was listed; so each part
    of the path is opened from the one before.
    """
    nofollow = getattr(os, "O_NOFOLLOW", 0)
    flags = os.O_RDONLY | nofollow | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    if os.open not in os.supports_dir_fd:
        return os.open(folder / name, flags)
    at = _folder_beneath(folder, name.parts[:-1], seen)
    try:
        return os.open(name.parts[-1], flags, dir_fd=at)
    finally:
        os.close(at)


def _folder_beneath(
    folder: Path, parts: tuple[str, ...], seen: os.stat_result | None = None
) -> int:
    """Open a folder likewise."""
    at = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        if seen is not None and not os.path.samestat(os.fstat(at), seen):
            raise OSError(errno.ESTALE, "another folder has taken its place")
        for part in parts:
            inner = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=at)
            os.close(at)
            at = inner
    except BaseException:
        os.close(at)
        raise
    return at


class FileSource(FolderSource):
    """List and read a single file on disk, as if it were alone in its folder.

    Args:
        path: the file.
        limits: the most that is read from it.
    """

    def __init__(self, path: Path, limits: UploadLimits) -> None:
        Source.__init__(self, path.name, limits)
        self._seen = None
        self.folder = path.parent
        modified = plausible_time(path.lstat().st_mtime)
        self._add(Member(unicodedata.normalize("NFC", path.name), modified, path))
