"""Render one page in a process of its own, with limits on time and memory.

The process gets plain data and returns HTML. It can't reach the gradebook, and if it was started
as root, it drops its privileges before it parses a student's work. First it sends a reduced page
with points and reasons, then the complete one, so there is a page even if it fails in between.
"""

from __future__ import annotations

import os
import sys
from multiprocessing.connection import Connection
from pathlib import Path

from nbformat.v4 import reads

from autograder import i18n
from autograder.feedback import preload  # noqa: F401 - loads all before privileges are dropped
from autograder.feedback.job import TOO_MUCH, PageJob, plain_page, whole_page
from autograder.notebook_metadata import accept
from autograder.sandbox.limits import private_bytes
from autograder.sandbox.privileges import become

CPU_SECONDS = 8
"""The most CPU time that one page may take, in seconds."""

WALL_SECONDS = 45.0
"""The most wall-clock time that one page may take, in seconds: the machine may be busy."""

MAX_MEMORY_BYTES = 224 * 1024 * 1024
"""The most memory that one page may take beyond what its process starts with."""

MAX_NOTEBOOK_BYTES = 64 * 1024 * 1024
"""The most bytes of a graded notebook; grading writes smaller ones."""

PLAIN, WHOLE, REASON = b"p", b"w", b"r"
"""The first byte of a message: a reduced page, the complete page, or why it failed."""

_NOBODY = 65534


def run(job: PageJob, answers: Connection) -> None:
    """Render a page and send it: the process's main function."""
    _silence_standard_streams()
    try:
        content = job.blank or _content(job.path)
        i18n.use(job.texts)
        for one in job.namespaces:
            accept(one)
        _limit_resources()
        _give_up_rights()
        nb = reads(content.decode("utf-8"))
        del content
        answers.send_bytes(PLAIN + plain_page(job, nb, TOO_MUCH).encode("utf-8"))
        answers.send_bytes(WHOLE + whole_page(job, nb).encode("utf-8"))
    except MemoryError:
        os._exit(1)  # no memory is left to send an error
    except Exception as error:  # whatever goes wrong concerns this page only
        said = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        answers.send_bytes(REASON + said[:200].encode("utf-8", "replace"))


def _content(path: Path) -> bytes:
    with path.open("rb") as file:
        content = file.read(MAX_NOTEBOOK_BYTES + 1)
    if len(content) > MAX_NOTEBOOK_BYTES:
        raise ValueError(f"the graded notebook has more than {MAX_NOTEBOOK_BYTES:,} bytes")
    return content


def _silence_standard_streams() -> None:
    """Discard what a library prints when it ends the process."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(nowhere, number)
    os.close(nowhere)


def _limit_resources() -> None:
    try:
        import resource
    except ImportError:  # Windows; the parent process limits the time
        return
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        most = private_bytes() + MAX_MEMORY_BYTES
        resource.setrlimit(resource.RLIMIT_DATA, (most, most))


def _give_up_rights() -> None:
    if sys.platform == "linux":
        become(_NOBODY)
    elif hasattr(os, "geteuid") and os.geteuid() == 0:
        os.setgroups([])
        os.setgid(_NOBODY)
        os.setuid(_NOBODY)
