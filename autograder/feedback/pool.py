"""Make many pages at a time, each in a process that can only harm itself."""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess

from autograder.core.printable import one_line
from autograder.feedback import worker
from autograder.feedback.server import page_processes
from autograder.feedback.worker import NOT_READABLE, PLAIN, REASON, TOO_MUCH, WHOLE, PageJob

LARGEST_PAGE = 64 * 1024 * 1024
"""The most bytes that are taken from a page's process."""


@dataclass(frozen=True)
class MadePage:
    """What came of a job.

    Attributes:
        html: the page, whole or plain.
        why: why it is only a plain one, for the instructor; "" if it is whole.
    """

    job: PageJob
    html: bytes
    why: str = ""


def make_pages(jobs: Iterable[PageJob], width: int | None = None) -> Iterator[MadePage]:
    """Yield the page of each job, as it comes.

    Args:
        width: how many are made at a time; one a core by default.
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
    """A page in the making."""

    def __init__(self, context: multiprocessing.context.BaseContext, job: PageJob) -> None:
        self.answers: Connection
        self.answers, theirs = context.Pipe(duplex=False)
        self._job = job
        self._plain: bytes | None = None
        self._process: BaseProcess = context.Process(
            target=worker.run, args=(job, theirs), daemon=True
        )
        self._process.start()
        theirs.close()
        self._until = time.monotonic() + worker.WALL_SECONDS

    def left(self) -> float:
        """Seconds until this page's time is up."""
        return self._until - time.monotonic()

    def look(self) -> MadePage | None:
        """Take what has come; return the page if that was all."""
        try:
            if not self.answers.poll():
                return self._given_up("it took too long") if self.left() <= 0 else None
            message = self.answers.recv_bytes(LARGEST_PAGE)
        except EOFError:
            return self._given_up("it took more time or memory than a page may")
        except OSError:
            return self._given_up("the page became too large")
        kind, content = message[:1], message[1:]
        if kind == PLAIN:
            self._plain = content
            return None
        if kind == WHOLE:
            self.end()
            return MadePage(self._job, content)
        said = content.decode("utf-8", "replace") if kind == REASON else "its process said nonsense"
        return self._given_up(one_line(said), NOT_READABLE)

    def _given_up(self, why: str, told: str = TOO_MUCH) -> MadePage:
        self.end()
        html = self._plain
        if html is None:
            html = worker.plain_page(self._job, None, told).encode("utf-8")
        return MadePage(self._job, html, why)

    def end(self) -> None:
        self.answers.close()
        if self._process.is_alive():
            self._process.kill()
        self._process.join()
        self._process.close()
