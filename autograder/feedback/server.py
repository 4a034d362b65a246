"""Start the fork server of the processes that render pages, where this system has one."""

from __future__ import annotations

import multiprocessing
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import forkserver
from multiprocessing.context import BaseContext


def page_processes() -> BaseContext:
    """Return a context whose processes fork from one that has everything loaded, where possible.

    They don't fork from this process: it has threads (the progress bar's), whose locks would be
    copied.
    """
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["autograder.feedback.page_worker"])
    return context


def start_server() -> None:
    """Start the fork server now, with the privileges that this process has now."""
    page_processes()
    with _short_temporary_folder():
        forkserver.ensure_running()


_LONGEST_FOLDER = 60
"""The most bytes that a temporary folder's path may have: a socket's path may have 107."""


@contextmanager
def _short_temporary_folder() -> Iterator[None]:
    """Let the fork server's socket lie in a folder whose path leaves room for its name."""
    usual = tempfile.tempdir
    if os.name == "posix" and len(os.fsencode(tempfile.gettempdir())) > _LONGEST_FOLDER:
        tempfile.tempdir = "/tmp"
    try:
        yield
    finally:
        tempfile.tempdir = usual
