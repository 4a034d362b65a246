"""Hand in through nbgrader's exchange, whole or not at all.

nbgrader's own copies file by file to where submissions are collected from: when the disk fills up
or the server is stopped meanwhile, half a submission lies there and counts.
"""

from __future__ import annotations

import re
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex

from nbgrader.exchange import ExchangeError
from nbgrader.exchange.default import ExchangeSubmit

from autograder.i18n import _

_BESIDE = ".submitting-"
_EVERYBODY = stat.S_IRWXU | stat.S_IRWXG | stat.S_IRWXO
_READABLE = stat.S_IRUSR | stat.S_IWUSR | stat.S_IRGRP | stat.S_IROTH
_ENTERABLE = stat.S_IRWXU | stat.S_IRGRP | stat.S_IXGRP | stat.S_IROTH | stat.S_IXOTH


class NotHandedIn(ExchangeError):
    """Say in one sentence, to the student, why nothing was handed in."""


class SubmitWhole(ExchangeSubmit):
    """Copy beside the submissions first, then put the copy among them in one step."""

    def copy_files(self) -> None:
        """Copy the assignment's folder into the exchange, and to what lists submissions.

        Raises:
            NotHandedIn: the exchange can't be written, or the folder is too large.
        """
        self.init_release()
        self.check_filename_diff()
        secret = token_hex(64)
        inbound = Path(self.inbound_path)
        try:
            with _removed_on_failure(inbound / (_BESIDE + token_hex(8))) as beside:
                self._copy(beside, secret)
                self.set_perms(str(beside), fileperms=_READABLE, dirperms=_ENTERABLE)
                # For the instructor to delete; the name hides it from others.
                beside.chmod(_EVERYBODY)
                beside.rename(inbound / self.assignment_filename)
        except (OSError, RuntimeError) as error:
            raise NotHandedIn(self._reason(error)) from error
        name = self.assignment_filename
        listed = Path(self.cache_path, name.rsplit("+", 1)[0] if self.add_random_string else name)
        try:
            listed.parent.mkdir(parents=True, exist_ok=True)
            with _removed_on_failure(listed):
                self._copy(listed, secret)
        except OSError as error:
            # It is handed in; what goes without it is the list, and Fetch Feedback.
            self.log.warning("%s can't be listed as handed in: %s", name, error)

    def _copy(self, target: Path, secret: str) -> None:
        self.do_copy(self.src_path, str(target))
        target.chmod(target.stat().st_mode | stat.S_IRWXU)
        (target / "timestamp.txt").write_text(self.timestamp)
        (target / "submission_secret.txt").write_text(secret)

    def _reason(self, error: Exception) -> str:
        assignment = self.coursedir.assignment_id
        if isinstance(error, RuntimeError):  # what nbgrader raises for it
            text = _(
                "{assignment} was not handed in, because its folder has more than {limit} MB; move "
                "what doesn't belong to it elsewhere and hand in again."
            )
            return text.format(assignment=assignment, limit=self.coursedir.max_dir_size // 1000)
        text = _(
            "{assignment} was not handed in, because it can't be copied into the exchange "
            "({reason}); your work is where it was: try again later, or tell your instructor."
        )
        return text.format(assignment=assignment, reason=_first_reason(error))


@contextmanager
def _removed_on_failure(folder: Path) -> Iterator[Path]:
    try:
        yield folder
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def _first_reason(error: Exception) -> str:
    """Return the system's words for an error, of the first file where a tree was copied."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    told: object = error.args[0] if error.args else error
    if isinstance(told, list) and told:
        told = told[0][-1]
    found = re.search(r"\[Errno \d+\] ([^:]+)", str(told))
    return found[1] if found else str(told)[:160]
