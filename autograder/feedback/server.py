"""Start the fork server of the processes that render pages, where this system has one."""

from __future__ import annotations

import multiprocessing
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
    forkserver.ensure_running()
