"""Write files and folders so that each is either the old or the new one, never half of one."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from autograder.errors import EnvironmentFault, UserError


@contextmanager
def plain_disk_errors(path: Path) -> Iterator[None]:
    """Turn the operating system's errors about writing `path` into one sentence."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise EnvironmentFault(
                f"The disk is full, so {path} was left as it was; free some space and try again."
            ) from error
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise EnvironmentFault(
                f"{path} may not be written, so nothing was changed; "
                "make its folder writable for you and try again."
            ) from error
        raise


def write_file(path: Path, content: bytes, mode: int = 0o644) -> None:
    """Write `content` beside `path`, then put it in its place in one step.

    Args:
        path: the file.
        content: all of it.
        mode: its permissions; until it is in its place, only its owner has any. In a folder that
            a group shares, whatever others may read, the group may change.

    Raises:
        EnvironmentFault: the disk is full or the place isn't writable; `path` is unchanged.
    """
    path = Path(path)
    with plain_disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name[:40]}.", dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as beside:
                beside.write(content)
                beside.flush()
                if mode & 0o004 and is_shared(path.parent):
                    mode |= 0o060
                # By descriptor: in a folder of somebody else's, the name may be a link by now.
                os.chmod(beside.fileno() if os.chmod in os.supports_fd else name, mode)
                os.fsync(beside.fileno())
            os.replace(name, path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise


@contextmanager
def replaced_folder(path: Path) -> Iterator[Path]:
    """Yield a new, empty folder that takes the place of `path` when the block ends well.

    When the block raises, `path` stays as it was and the new folder goes.

    Raises:
        EnvironmentFault: the disk is full or the place isn't writable; `path` is unchanged.
    """
    path = Path(path)
    with plain_disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = Path(tempfile.mkdtemp(prefix=f".{path.name[:40]}.", dir=path.parent))
        os.chmod(beside, 0o2775 if is_shared(path.parent) else 0o755)
        try:
            yield beside
            _swap(beside, path)
        finally:
            if beside.exists():
                shutil.rmtree(beside)


def _swap(new: Path, place: Path) -> None:
    """Put `new` where `place` is. The old folder goes only once the new one stands."""
    if not place.exists():
        os.rename(new, place)
        return
    old = Path(tempfile.mkdtemp(prefix=f".{place.name[:40]}.old.", dir=place.parent))
    os.rename(place, old / "was")
    try:
        os.rename(new, place)
    except BaseException:
        os.rename(old / "was", place)
        old.rmdir()
        raise
    make_deletable(old)
    shutil.rmtree(old)


def make_deletable(folder: Path) -> None:
    """Give back the write permission that nbgrader takes from graded files."""
    for parent, _, _ in os.walk(folder):
        if not os.access(parent, os.W_OK | os.X_OK):  # else it may be a colleague's to change
            os.chmod(parent, 0o755)


def is_shared(folder: Path) -> bool:
    """Return whether a folder is one that the members of its group work in together.

    What is made in it belongs to the group (setgid), and the group may write there.
    """
    wanted = stat.S_ISGID | stat.S_IWGRP
    try:
        return folder.stat().st_mode & wanted == wanted
    except OSError:
        return False


def read_file(path: Path, limit: int | None = None) -> bytes:
    """Return the bytes of a regular file.

    Args:
        path: the file; a link to one counts as one.
        limit: the most bytes the file may have; None for any number.

    Raises:
        UserError: no such file, not a plain file, not readable, or over the limit.
    """
    path = Path(path)
    if not path.exists():
        raise UserError(f"{path} doesn't exist; check the name and the folder.")
    if not path.is_file():
        raise UserError(f"{path} isn't a file; name a file.")
    if limit is not None and path.stat().st_size > limit:
        raise UserError(
            f"{path} has {path.stat().st_size:,} bytes, more than the {limit:,} allowed; "
            "clear its outputs and try again."
        )
    try:
        return path.read_bytes()
    except PermissionError:
        raise UserError(f"{path} may not be read; change its permissions and try again.") from None
