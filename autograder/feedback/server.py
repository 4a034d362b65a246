"""The server that the processes of pages are forks of, where this system has such."""

from __future__ import annotations

import multiprocessing
from multiprocessing import forkserver
from multiprocessing.context import BaseContext


def page_processes() -> BaseContext:
    """Return a context whose processes are forks of one that has everything loaded.

    Not of this process: it has threads (the progress bar's), and locks of theirs would be copied.
    """
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["autograder.feedback.worker"])
    return context


def start_server() -> None:
    """Start the server now, with the privileges that this process has now."""
    page_processes()
    forkserver.ensure_running()
