"""The files of a small class: notebooks, zips, submissions, and what became of them."""

from __future__ import annotations

import io
import os
import stat
import zipfile
from datetime import UTC, datetime
from pathlib import Path

from nbformat.v4 import new_code_cell, new_notebook

from autograder.config import Course
from autograder.core import notebook_io
from autograder.core.collection_receipt import find_receipt

EARLY = datetime(2025, 3, 10, 12, 0, 0, tzinfo=UTC)

LATER = datetime(2025, 3, 11, 12, 0, 0, tzinfo=UTC)

DUE = datetime(2025, 3, 14, 18, 0, 0, tzinfo=UTC)

CELLS = ("q1-answer", "q1-test", "q2-answer", "q2-test")


def notebook(answer: str = "q1 = 'A'", cells: tuple[str, ...] = CELLS) -> bytes:
    made = [
        new_code_cell(
            answer if name == "q1-answer" else "",
            id=name,
            metadata={"nbgrader": {"grade_id": name, "solution": name.endswith("answer")}},
        )
        for name in cells
    ]
    return notebook_io.to_bytes(new_notebook(cells=made))


BLANK = notebook("q1 = None")


def put(path: Path, content: bytes, time: datetime = EARLY) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    os.utime(path, (time.timestamp(), time.timestamp()))
    return path


def zipped(files: dict[str, bytes], time: datetime = EARLY, links: tuple[str, ...] = ()) -> bytes:
    target = io.BytesIO()
    local = time.astimezone().timetuple()[:6]
    with zipfile.ZipFile(target, "w") as archive:
        for name, content in files.items():
            info = zipfile.ZipInfo(name, local)
            if name in links:
                info.create_system, info.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
            archive.writestr(info, content)
    return target.getvalue()


def answer(course: Course, student: str = "s01", assignment: str = "quiz") -> str:
    """What now stands in the answer cell that will be graded."""
    path = course.submitted / student / assignment / f"{assignment}.ipynb"
    return notebook_io.read(path).cells[0].source


def notes(course: Course, student: str = "s01", assignment: str = "quiz") -> str:
    return " ".join(n.text() for n in find_receipt(course, student, assignment).notes)


def received(course: Course, student: str = "s01") -> datetime:
    return datetime.fromisoformat(find_receipt(course, student, "quiz").received)


def everything(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "gradebook.db"
    }


def hand_in(course: Course, student: str, content: bytes, time: datetime, **more: bytes) -> Path:
    stamp = time.strftime("%Y-%m-%d %H:%M:%S.%f %Z")
    folder = course.exchange / f"beyond-prompting/inbound/{student}+quiz+{stamp}+xyz"
    put(folder / "quiz.ipynb", content)
    put(folder / "timestamp.txt", b"2001-01-01 00:00:00 UTC")
    put(folder / "submission_secret.txt", b"key")
    for name, data in more.items():
        put(folder / name, data)
    return folder
