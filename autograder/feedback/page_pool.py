"""Render many pages at a time, each in a process of its own."""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess

from autograder.core.printable import one_line
from autograder.feedback import page_worker
from autograder.feedback.job import NOT_READABLE, TOO_MUCH, PageJob, plain_page
from autograder.feedback.page_worker import PLAIN, REASON, WHOLE
from autograder.feedback.server import page_processes

MAX_PAGE_BYTES = 64 * 1024 * 1024
"""The most bytes that are received from a page's process."""


@dataclass(frozen=True)
class RenderedPage:
    """The result of a job.

    Attributes:
        job: what the page was made from.
        html: the page, complete or reduced.
        why: why it is reduced, for the instructor; "" if it is complete.
    """

    job: PageJob
    html: bytes
    why: str = ""


def render_pages(jobs: Iterable[PageJob], width: int | None = None) -> Iterator[RenderedPage]:
    """Yield the page of each job, in the order in which they are done.

    Args:
        jobs: what the pages are made from.
        width: how many are rendered at a time; one per core by default.
    """
    waiting = iter(jobs)
    running: list[_Running] = []
    context = page_processes()
    try:
        while True:
            while len(running) < (width or _cores()) and (job := next(waiting, None)):
                running.append(_Running(context, job))
            if not running:
                return
            wait([one.answers for one in running], max(0.0, min(one.left() for one in running)))
            for one in list(running):
                made = one.look()
                if made is not None:
                    running.remove(one)
                    yield made
    finally:
        for one in running:
            one.end()


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class _Running:
    """A page that is being rendered."""

    def __init__(self, context: multiprocessing.context.BaseContext, job: PageJob) -> None:
        self.answers: Connection
        self.answers, theirs = context.Pipe(duplex=False)
        self._job = job
        self._plain: bytes | None = None
        self._process: BaseProcess = context.Process(  # type: ignore[attr-defined]  # only subclasses have it
            target=page_worker.run, args=(job, theirs), daemon=True
        )
        self._process.start()
        theirs.close()
        self._until = time.monotonic() + page_worker.WALL_SECONDS

    def left(self) -> float:
        """Return the seconds until this page's time is up."""
        return self._until - time.monotonic()

    def look(self) -> RenderedPage | None:
        """Receive what has arrived; return the page once it is finished."""
        try:
            if not self.answers.poll():
                return self._given_up("it took too long") if self.left() <= 0 else None
            message = self.answers.recv_bytes(MAX_PAGE_BYTES)
        except EOFError:
            return self._given_up("it took more time or memory than allowed")
        except OSError:
            return self._given_up("the page is too large")
        kind, content = message[:1], message[1:]
        if kind == PLAIN:
            self._plain = content
            return None
        if kind == WHOLE:
            self.end()
            return RenderedPage(self._job, content)
        said = "its process sent an invalid message"
        if kind == REASON:
            said = content.decode("utf-8", "replace")
        return self._given_up(one_line(said), NOT_READABLE)

    def _given_up(self, why: str, remark: str = TOO_MUCH) -> RenderedPage:
        self.end()
        html = self._plain
        if html is None:
            html = plain_page(self._job, None, remark).encode("utf-8")
        return RenderedPage(self._job, html, why)

    def end(self) -> None:
        self.answers.close()
        if self._process.is_alive():
            self._process.kill()
        self._process.join()
        self._process.close()
