"""A course with an exchange, students who hand in by the real command, and the real `watch`."""

from __future__ import annotations

import html
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from nbgrader.utils import notebook_hash

from autograder.authoring.release import release
from autograder.config import Course
from autograder.core import notebook_io
from autograder.core.attempt_records import Attempt, read_attempts

WAIT = 90.0


def settings(**table: object) -> str:
    """Return a pyproject.toml with this table `watch`, without a pause if it names none.

    What is None is left out.
    """
    table = {"pause_minutes": 0, **table}
    given = {key: value for key, value in table.items() if value is not None}
    lines = [f"{key.replace('_', '-')} = {json.dumps(value)}" for key, value in given.items()]
    return "\n".join(
        [
            "[tool.autograder]",
            'source-language = "en"',
            'namespace = "beyond"',
            'packages = ["beyond"]',
            "[tool.autograder.watch]",
            *lines,
            "",
        ]
    )


class Place:
    """A course with `mini` in the exchange, and what happens there."""

    def __init__(self, root: Path, folder: Path) -> None:
        self.folder = folder
        self.course = Course(root, cell_seconds=3)
        self.exchange = root / "exchange" / self.course.id
        self.processes: list[subprocess.Popen] = []

    def allow(self, **table: object) -> None:
        (self.course.root / "pyproject.toml").write_text(settings(**table))

    def due(self, when: datetime | None) -> None:
        with self.course.gradebook() as gradebook:
            naive = when.astimezone(UTC).replace(tzinfo=None) if when else None
            gradebook.update_or_create_assignment("mini", duedate=naive)

    def submit(self, student: str, work, name: str = "mini.ipynb", **files: bytes) -> Path:
        """Hand in through nbgrader's own exchange, and return the folder there."""
        from autograder.student.submit import _to_exchange

        content = work if isinstance(work, bytes) else notebook_io.to_bytes(work)
        return _to_exchange(self.course, "mini", student, {name: content, **files})

    def start(self, *options: str) -> subprocess.Popen:
        """Start `watch` and wait until it watches."""
        process = self.start_only(*options)
        until(lambda: "Watching" in self.said() or process.poll() is not None)
        assert process.poll() is None, self.said()
        return process

    def start_only(self, *options: str) -> subprocess.Popen:
        log = self.folder / f"watch-{len(self.processes)}.log"
        command = [sys.executable, "-m", "autograder", "watch", "mini", *options]
        with log.open("wb") as stream:
            process = subprocess.Popen(
                [*command, "--course", str(self.course.root)],
                stdout=stream,
                stderr=subprocess.STDOUT,
                cwd=self.folder,
                env={**os.environ, "COLUMNS": "300"},
            )
        self.processes.append(process)
        return process

    def said(self) -> str:
        """What the last `watch` printed."""
        log = self.folder / f"watch-{len(self.processes) - 1}.log"
        return log.read_text(errors="replace")

    def stop(self, process: subprocess.Popen) -> str:
        """Press Ctrl-C, and return the last line."""
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0, self.said()
        return self.said().strip().splitlines()[-1]

    def page(self, folder: Path) -> str:
        """The page that the student who handed this in can fetch now; "" if there is none."""
        secret = (folder / "submission_secret.txt").read_text()
        name = notebook_hash(secret=secret, notebook_id="mini")
        place = self.exchange / "feedback" / f"{name}.html"
        return place.read_text() if place.is_file() else ""

    def text(self, folder: Path) -> str:
        """The same without markup."""
        body = self.page(folder).partition("</style>")[2]
        return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", body)).split())

    def fetch(self, student: str) -> list[str]:
        """Fetch feedback by nbgrader's own command, and return the pages."""
        home = self.folder / student
        home.mkdir()
        config = {
            "CourseDirectory": {"course_id": self.course.id},
            "Exchange": {"root": str(self.exchange.parent)},
        }
        (home / "nbgrader_config.json").write_text(json.dumps(config))
        command = [sys.executable, "-m", "nbgrader", "fetch_feedback", "mini"]
        subprocess.run([*command, f"--student={student}"], cwd=home, check=True)
        return [one.read_text() for one in (home / "mini" / "feedback").rglob("*.html")]

    def attempts(self, student: str) -> list[Attempt]:
        with self.course.gradebook() as gradebook:
            return read_attempts(gradebook.db, "mini").get(student, [])

    def score(self, student: str) -> float | None:
        from nbgrader.api import MissingEntry

        with self.course.gradebook() as gradebook:
            try:
                return gradebook.find_submission("mini", student).score
            except MissingEntry:
                return None


def until(holds: Callable[[], object], seconds: float = WAIT) -> object:
    """Wait until something holds, and return it."""
    end = time.monotonic() + seconds
    while not (found := holds()):
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.05)
    return found


@pytest.fixture(scope="session")
def exchange_course(tmp_path_factory: pytest.TempPathFactory, released_course: Path) -> Path:
    """A course whose `mini` is in its exchange and not due for long; copy it, don't change it."""
    root = tmp_path_factory.mktemp("exchanged") / "course"
    shutil.copytree(released_course, root)
    (root / "pyproject.toml").write_text(settings())
    release(Course(root), "mini", due=datetime.now(UTC) + timedelta(days=9), to_exchange=True)
    return root


@pytest.fixture
def place(
    exchange_course: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Place]:
    """A course of one's own with an exchange; what is left running is ended."""
    # Where nbgrader keeps what its student has handed in.
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "jupyter"))
    shutil.copytree(exchange_course, tmp_path / "course", copy_function=shutil.copy2)
    (tmp_path / "course" / "exchange").chmod(0o1777)
    found = Place(tmp_path / "course", tmp_path)
    yield found
    for process in found.processes:
        if process.poll() is None:
            process.kill()
            process.wait()
