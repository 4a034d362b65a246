"""Save what students write in JupyterLab so that nothing is lost when the disk is full.

Jupyter's own manager of files writes into the file itself, after copying it beside: when the disk
fills up, what was saved is cut off, and the next try to save copies that over the good copy.

    "ServerApp": {
        "contents_manager_class": "autograder.student.work_files.WorkFileManager"
    },
    "WorkFileManager": {"unlisted": ["release", "notebooks/library"]}
"""

from __future__ import annotations

import errno
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from secrets import token_hex
from typing import IO, Any

from anyio.to_thread import run_sync
from jupyter_server.services.contents.largefilemanager import AsyncLargeFileManager
from tornado.web import HTTPError
from traitlets import List, Unicode

from autograder.config import Course
from autograder.core import notebook_io
from autograder.i18n import _, language, speaking
from autograder.student.work_history import keep_replaced, keep_version

_BESIDE = ".saving-"
_NO_SPACE = (errno.ENOSPC, errno.EDQUOT)
_NOT_WRITABLE = (errno.EROFS, errno.EACCES, errno.EPERM)


class WorkFileManager(AsyncLargeFileManager):
    """Replace each file in one step, and keep earlier versions of the notebooks in `work/`."""

    unlisted = List(
        Unicode(),
        help="Paths below the root that the file browser doesn't list. Whoever knows one opens it.",
    ).tag(config=True)

    async def _dir_model(self, path: str, content: bool = True) -> Any:
        model = await super()._dir_model(path, content=content)  # type: ignore[no-untyped-call]  # Jupyter has no types here
        if model.get("content"):
            kept = [one for one in model["content"] if one["path"].strip("/") not in self.unlisted]
            model["content"] = kept
        return model

    async def save(self, model: dict[str, Any], path: str = "") -> Any:
        """Save a file; what then fails to be kept of it in the history doesn't make that fail.

        Raises:
            HTTPError: it can't be saved; the file is what it was.
        """
        is_notebook = model.get("type") == "notebook"
        content = model.get("content")
        try:
            saved = await super().save(model, path)  # type: ignore[no-untyped-call]  # Jupyter has no types here
        except HTTPError as error:
            with speaking(_language_of(content) if is_notebook else language()):
                plain = _in_plain_words(error, Path(path).name)
            if plain is None:
                raise
            raise plain from error
        if is_notebook:
            target = Path(self._get_os_path(path.strip("/")))  # type: ignore[no-untyped-call]  # Jupyter has no types here
            try:
                await run_sync(lambda: keep_version(Course.here(), target))
            except Exception as error:
                self.log.warning("%s has no version of %s: %s", "work/.history", path, error)
        return saved

    def check_and_sign(self, nb: Any, path: Any = "", *, _retrying: Any = False) -> None:
        """Sign a notebook that is trusted; one that can't be signed is saved all the same."""
        try:
            super().check_and_sign(nb, path, _retrying=_retrying)  # type: ignore[no-untyped-call]  # Jupyter has no types here
        except (sqlite3.Error, OSError) as error:
            self.log.warning("%s could not be signed: %s", path, error)

    @contextmanager
    def atomic_writing(
        self, os_path: str, text: bool = True, encoding: str = "utf-8", **options: Any
    ) -> Iterator[IO[Any]]:
        """Open a new file that takes the place of a path when the block ends well."""
        target = os.path.realpath(os_path)  # a link stays one
        folder = os.path.dirname(target)
        is_there = os.path.exists(target)
        if (
            not self.use_atomic_writing
            or (is_there and not os.path.isfile(target))
            or (is_there and not os.access(folder, os.W_OK))
        ):
            with super().atomic_writing(os_path, text=text, encoding=encoding, **options) as file:
                yield file
            return
        if text:
            options = {"newline": "\n", **options, "encoding": encoding}
        beside = os.path.join(folder, _BESIDE + token_hex(8))
        with self.perm_to_403(os_path):
            if is_there and not os.access(target, os.W_OK):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), target)
            try:
                with open(beside, "x" if text else "xb", **options) as file:
                    yield file
                    file.flush()
                    os.fsync(file.fileno())
                if is_there:
                    shutil.copymode(target, beside)
                self._replace(beside, target)
            finally:
                with suppress(FileNotFoundError):
                    os.unlink(beside)

    def _replace(self, beside: str, target: str) -> None:
        if os.name == "nt":
            try:
                os.replace(beside, target)
            except PermissionError:  # another program has it open
                shutil.copyfile(beside, target)
            return
        try:
            keep_replaced(Course.here(), Path(target))
        except Exception as error:
            self.log.warning("%s has no version of %s: %s", "work/.history", target, error)
        os.replace(beside, target)


def _language_of(content: Any) -> str:
    """Return the language of a notebook as JupyterLab sends it; else this server's."""
    from nbformat import from_dict

    found = ""
    with suppress(Exception):  # it may be anything
        found = notebook_io.language_of(from_dict(content))
    return found or language()


def _in_plain_words(error: HTTPError, name: str) -> HTTPError | None:
    """Return what a student can do something about; None if the disk isn't to blame."""
    cause = error.__cause__
    number = cause.errno if isinstance(cause, OSError) else None
    if number in _NO_SPACE:
        text = _(
            "The disk is full, so {name} was not saved (the last saved version is intact); keep "
            "this page open, free some space, and save again."
        )
        return HTTPError(507, text.format(name=name))
    if number in _NOT_WRITABLE:
        text = _(
            "{name} can't be written where it is, so it was not saved; keep this page open, and "
            "choose File → Download to keep your work, or make the folder writable and save again."
        )
        return HTTPError(403, text.format(name=name))
    return None
