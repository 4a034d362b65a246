"""An attack: how it changes a submission, and what it deserves all the same.

A submission starts with `WRONG` answers, which deserve 0 of 2 and 1 of 3, and a written answer
that waits for a person. A change that lowers or raises any of these is a finding.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell

WAITS = None
"""What a written answer deserves before a person has read it."""

NO_SANDBOX = "NO-SANDBOX"

if TYPE_CHECKING:
    from tests.attacks.classroom import Desk, Outcome


@dataclass(frozen=True)
class Place:
    """What an attacker may know of where grading happens.

    Attributes:
        course: the course's folder.
        runtime: where Jupyter keeps its kernels' connection files.
        tcp, udp: ports on this machine that listen.
        unix: a socket's path in the file system.
        abstract: a socket's name outside it.
        namespace: this machine's own process namespace, to tell a sandbox by.
        user_namespace: its user namespace.
        host: its name.
    """

    course: Path
    runtime: Path
    tcp: int
    udp: int
    unix: Path
    abstract: str
    namespace: str
    user_namespace: str
    host: str


Change = Callable[[NotebookNode, Place], NotebookNode | bytes | None]
"""Changes the submission in place, or returns another in its place, be it only bytes."""


@dataclass(frozen=True)
class Attack:
    """One row of the table.

    Attributes:
        name: short, unique, in words joined by dashes.
        what: what the student does, as a sentence for the table.
        change: makes the submission of the answers it starts from.
        deserves: the points of the assignment's tests, in order; None if it may be left out,
            and if not, may earn nothing.
        written: of the written answer; `WAITS` for a person.
        or_less: whether fewer points, or to be left out, are fine too: what matters is that there
            is an end to it and that it is told.
        never: what, besides the secrets, must not come back.
        says: words that the student reads at the end, on the feedback page.
        told: words that the instructor reads, from any of the commands.
        files: handed in beside the notebook.
        seconds: how long a cell may take.
        run_seconds: how long all cells of a run may take at least; 0 for what is usual.
        rough: may take the machine along where there is no sandbox around it.
        honest: not an attack but right work that other graders punish.
        way: how the class hands in: "exchange", "canvas" (a zip), "moodle" (a folder) or
            "folders" (a folder a student).
        hand_in: hands it in otherwise than as it should be.
        afterwards: what is done once it has been collected, which then happens again.
        refused: words of the sentence with which `collect` leaves it out.
        assignment: which one it is about.
        due: in how many hours the assignment is due; 0 for no due date.
        again: whether the class is graded a second time.
        together: the name of a class of its own, for those that shouldn't sit with the others.
        also: asserts more of the outcome.
        recipe: where it comes from, when from another grader's tests or bug reports.
    """

    name: str
    what: str
    change: Change
    deserves: tuple[float, ...] | None = (0, 1)
    written: float | None = WAITS
    or_less: bool = False
    never: tuple[str, ...] = ()
    says: str = ""
    told: str = ""
    files: tuple[tuple[str, bytes], ...] = ()
    seconds: float = 10.0
    run_seconds: float = 0.0
    rough: bool = False
    honest: bool = False
    way: str = "exchange"
    hand_in: Callable[[Desk], None] | None = None
    afterwards: Callable[[Desk], None] | None = None
    refused: str = ""
    assignment: str = "small"
    due: int = 0
    again: bool = False
    together: str = ""
    also: Callable[[Outcome], None] | None = None
    recipe: str = ""

    @property
    def may_be_refused(self) -> bool:
        """Whether `collect` may leave it out."""
        return bool(self.refused) or self.deserves is None or self.or_less

    def __str__(self) -> str:
        return self.name


def cases(attacks: list[Attack]) -> list:
    """The attacks as cases of a test."""
    return [pytest.param(one, id=one.name) for one in attacks]


def find(work: NotebookNode, name: str) -> NotebookNode:
    """The cell with this id."""
    return next(cell for cell in work.cells if cell.id == name)


def _filled(source: str, place: Place) -> str:
    """`source` with the names in double angle brackets replaced by what they are here."""
    for name, value in vars(place).items():
        source = source.replace(f"<<{name}>>", str(value))
    return source


def answers(**sources: str) -> Change:
    """Give these answers, by cell id."""

    def change(work: NotebookNode, place: Place) -> None:
        for name, source in sources.items():
            find(work, name).source = _filled(source, place)

    return change


def own_cell(after: str, source: str, kind: str = "code") -> Change:
    """Add a cell of one's own after a cell of the course."""

    def change(work: NotebookNode, place: Place) -> None:
        number = work.cells.index(find(work, after)) + 1
        new = new_code_cell if kind == "code" else new_markdown_cell
        cell = new(_filled(source, place), id=f"mine-{len(work.cells)}")
        work.cells.insert(number, cell)

    return change


def first(source: str) -> Change:
    """Run this before anything but the language cell."""
    return own_cell("language", source)


def last(source: str) -> Change:
    """Run this after everything else."""
    return own_cell("essay", source)


def all_of(*changes: Change) -> Change:
    """One change after the other."""

    def change(work: NotebookNode, place: Place) -> NotebookNode | bytes | None:
        found: NotebookNode | bytes | None = None
        for one in changes:
            found = one(work, place)
            assert found is None or one is changes[-1], "only the last may return another notebook"
        return found

    return change


def only_sandboxed(source: str) -> str:
    """Return `source` after a line that stops it where no sandbox surrounds it."""
    shown = '"-".join(["NO", "SANDBOX"])'  # so that a quoted line isn't taken for it
    return (
        f'import os\nassert os.readlink("/proc/self/ns/pid") != "<<namespace>>", {shown}\n' + source
    )
