"""The real engine for one attack after another, and what attacks are measured by around it."""

from __future__ import annotations

import json
import multiprocessing
import os
import socket
import time
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from nbformat import NotebookNode

from autograder import notebooks
from autograder.course import Course
from autograder.judge.worker import run_submission
from autograder.intake.notebook_reader import Unreadable, read_notebook, record
from autograder.intake.rebuild import rebuild, recorded, released, template
from autograder.intake.submission import course_cells
from autograder.release import release
from autograder.verdict import cell_verdicts
from tests.attacks import small_course
from tests.one_job import executed, job_for
from tests.attacks.attack import Attack, Place
from tests.attacks.small_course import ASSIGNMENT, RIGHT, WRONG, answered

LEFT_RUNNING = "98765"
"""What attacks that leave a process behind have on its command line."""


@dataclass(frozen=True)
class Graded:
    """What became of a submission.

    Attributes:
        points: by graded cell; None waits for a person.
        shown: everything in the outputs and reasons, as one text.
        notebook: executed.
        ended: why the student's process ended early, if it did.
    """

    points: dict[str, float | None]
    shown: str
    notebook: NotebookNode
    ended: str

    @property
    def tests(self) -> tuple[float | None, float | None]:
        return self.points["double-test"], self.points["parts-test"]


class WorkerLost(Exception):
    """A submission ended more than itself."""


class Grader:
    """The engine in a worker of its own, as the coordinator has it."""

    def __init__(self, course: Course) -> None:
        self.course = course
        parts = (course, ASSIGNMENT, ASSIGNMENT, "en")
        self._base, self.given = template(*parts), released(*parts)
        self._master = notebooks.read(course.source("en") / ASSIGNMENT / f"{ASSIGNMENT}.ipynb")
        self._pool = self._new_pool()

    def _new_pool(self) -> ProcessPoolExecutor:
        return ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn"))

    def close(self) -> None:
        self._pool.shutdown(cancel_futures=True)

    def grade(
        self, content: bytes, files: dict[str, bytes] | None = None, seconds: float = 10.0
    ) -> Graded:
        """What the engine makes of a submitted notebook."""
        cells = course_cells([self._base], [self.given], ["en"])
        try:
            submission = record(read_notebook(content), cells)
        except Unreadable:
            submission = recorded(self._base, self.given, self.given)
        notebook, _notes = rebuild(self._base, self.given, submission)
        job = job_for(
            notebook, self._master, files=files or {}, cell_seconds=seconds, seed=7
        )
        future = self._pool.submit(run_submission, job.to_bytes())
        try:
            outcome = executed(notebook, future.result(240))
        except BrokenProcessPool:
            self._pool = self._new_pool()
            raise WorkerLost("the submission took the worker along") from None
        cells = cell_verdicts(outcome.notebook)
        outputs = [cell.get("outputs", []) for cell in outcome.notebook.cells]
        reasons = [message for cell in cells for message in cell.messages]
        return Graded(
            points={cell.grade_id: cell.points for cell in cells},
            shown=json.dumps(outputs, ensure_ascii=False) + "\n".join(reasons),
            notebook=outcome.notebook,
            ended=outcome.ended,
        )


def release_small_course(root: Path) -> Course:
    """The course with its assignment released and a class's data around it."""
    course = small_course.write_course(root)
    release(course, ASSIGNMENT)
    with course.gradebook() as gradebook:
        gradebook.update_or_create_student("other", first_name="CANARY-GRADEBOOK")
    other = course.submitted / "other" / ASSIGNMENT / f"{ASSIGNMENT}.ipynb"
    other.parent.mkdir(parents=True)
    essay = {**RIGHT, "essay": 'why = "CANARY-OTHER"'}
    given = notebooks.read(course.release("en") / ASSIGNMENT / f"{ASSIGNMENT}.ipynb")
    notebooks.write(other, answered(given, essay))
    return course


class Listeners:
    """Sockets of this machine that no submission may reach, and who did."""

    def __init__(self, folder: Path) -> None:
        self._stack = ExitStack()
        self.unix, self.abstract = folder / "listens", f"attacks-{os.getpid()}"
        places = [
            (socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", 0)),
            (socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.1", 0)),
            (socket.AF_UNIX, socket.SOCK_STREAM, str(self.unix)),
            (socket.AF_UNIX, socket.SOCK_STREAM, "\0" + self.abstract),
        ]
        self._sockets = []
        for family, kind, address in places:
            one = self._stack.enter_context(socket.socket(family, kind))
            one.bind(address)
            one.setblocking(False)
            if kind == socket.SOCK_STREAM:
                one.listen(8)
            self._sockets.append(one)
        self.tcp, self.udp = (one.getsockname()[1] for one in self._sockets[:2])
        self.unix.chmod(0o777)

    def reached(self) -> list[str]:
        """The sockets that somebody reached since this was last asked."""
        found = []
        for one in self._sockets:
            try:
                one.accept() if one.type == socket.SOCK_STREAM else one.recv(1)
            except BlockingIOError:
                continue
            found.append(str(one.getsockname()))
        return found

    def close(self) -> None:
        self._stack.close()


def place_for(course: Course, listeners: Listeners, runtime: Path) -> Place:
    """What attackers may know, with a kernel's connection file to look for."""
    (runtime / "kernel-1.json").write_text('{"key": "CANARY-ENVIRONMENT"}')
    return Place(
        course=course.root,
        runtime=runtime,
        tcp=listeners.tcp,
        udp=listeners.udp,
        unix=listeners.unix,
        abstract=listeners.abstract,
        namespace=os.readlink("/proc/self/ns/pid"),
    )


def submission(attack: Attack, given: NotebookNode, place: Place) -> bytes:
    """The notebook that the attacker hands in, as bytes."""
    work = answered(given, RIGHT if attack.honest else WRONG)
    work = attack.change(work, place) or work
    if isinstance(work, bytes):
        return work
    return json.dumps(work, ensure_ascii=True).encode("ascii")


def left_running() -> int:
    """How many processes of submissions outlive them, given five seconds to end."""
    for _attempt in range(50):
        left = sum(
            _command(process).startswith(f"sleep\0{LEFT_RUNNING}")
            for process in Path("/proc").glob("[0-9]*/cmdline")
        )
        if not left:
            break
        time.sleep(0.1)
    return left


def _command(process: Path) -> str:
    try:
        return process.read_text()
    except OSError:  # it has just ended
        return ""
