"""What travels between coordinator and worker: one submission there, its outcome back.

Both are JSON in bytes, so that they travel the same way to a process on this machine and to one
on a cluster. The job carries the instructor's solution (for `reference`), so it goes to the
trusted side of a worker only, never behind the walls.
"""

from __future__ import annotations

import ast
import base64
import functools
import json
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

from autograder.names import Names, names_in
from autograder.notebooks import LANGUAGE_CELL, course_metadata, is_test

if TYPE_CHECKING:
    from nbformat import NotebookNode


@dataclass(frozen=True)
class Job:
    """One submission to run.

    Attributes:
        notebook: rebuilt on the instructor's notebook, with whole tests.
        master: the instructor's notebook with its solution.
        files: name → content, put beside the notebook.
        cell_seconds: the longest a cell of the student's may run.
        submission_seconds: the longest all of them together.
        seed: of the assignment.
    """

    student: str
    assignment: str
    notebook: NotebookNode
    master: NotebookNode
    files: dict[str, bytes] = field(default_factory=dict)
    cell_seconds: float = 30.0
    submission_seconds: float = 300.0
    seed: int = 0

    def to_bytes(self) -> bytes:
        data = {one.name: getattr(self, one.name) for one in fields(self)}
        data["files"] = {
            name: base64.b64encode(content).decode("ascii") for name, content in self.files.items()
        }
        return json.dumps(data).encode("utf-8")

    @classmethod
    def from_bytes(cls, content: bytes) -> Job:
        from nbformat import from_dict

        data = json.loads(content)
        data["files"] = {name: base64.b64decode(text) for name, text in data["files"].items()}
        for name in ("notebook", "master"):
            data[name] = from_dict(data[name])
        return cls(**data)

    @functools.cached_property
    def names(self) -> Names:
        """Who binds which name in the instructor's notebook."""
        return names_in(self.master)

    def solution(self) -> list[str]:
        """The instructor's given and solution cells, in order.

        Without the one that sets the language: the master's isn't the submission's.
        """
        return [
            cell.source
            for cell in self.master.cells
            if cell.cell_type == "code" and not is_test(cell) and cell.id != LANGUAGE_CELL
        ]

    def made_files(self) -> list[str]:
        """The files that the assignment asks students to make or to hand in."""
        listed = course_metadata(self.master).get("files", [])
        return [name for name in listed if isinstance(name, str)]

    def imports(self) -> tuple[str, ...]:
        """The modules that the instructor's cells import: what a warm parent should have ready."""
        return tuple(sorted(imports_in(self.master)))


def imports_in(notebook: dict[str, Any]) -> set[str]:
    """The modules that a notebook's cells import, by full name; it may be as it is in its file."""
    found: set[str] = set()
    for cell in notebook["cells"]:
        if cell["cell_type"] != "code":
            continue
        try:
            tree = ast.parse("".join(cell["source"]))
        except SyntaxError:
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                found |= {name.name for name in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                found.add(node.module)
    return found


@dataclass(frozen=True)
class Outcome:
    """What became of a job.

    Attributes:
        notebook: executed; a test cell carries its record, or an error that says why it has none.
        seconds: wall time from the job's start to its end in the worker.
        ended: why the student's process had ended early; empty if it had not.
        told: the id of the first cell in which a hidden test called the student's code; empty
            if none did.
    """

    student: str
    assignment: str
    notebook: NotebookNode
    seconds: float
    ended: str = ""
    told: str = ""

    def to_bytes(self) -> bytes:
        return json.dumps({one.name: getattr(self, one.name) for one in fields(self)}).encode()

    @classmethod
    def from_bytes(cls, content: bytes) -> Outcome:
        from nbformat import from_dict

        data: dict[str, Any] = json.loads(content)
        data["notebook"] = from_dict(data["notebook"])
        return cls(**data)


