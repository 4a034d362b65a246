"""Define what travels between coordinator and worker: one submission there, its outcome back.

Both cross as plain values in bytes (`wire`), so that they travel the same way to a process on
this machine, to one on a cluster and into the judge's sandbox. A job carries tests and solution,
so it goes to the trusted side only; the student's process gets the files and nothing else.
"""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

from autograder.core.bindings import BUILTINS, Names, names_in, parsed
from autograder.core.cell_status import CellStatus
from autograder.core.hidden_tests import hidden_lines, released_source
from autograder.core.names_by_use import NamesByUse, names_by_use
from autograder.core.notebook_io import LANGUAGE_CELL, is_solution, is_test
from autograder.judge.contract import Level, claims_in, level_of
from autograder.judge.made_files import kept_files
from autograder.judge.output_limits import judged_output
from autograder.notebook_metadata import entries, put
from autograder.sandbox import wire
from autograder.sandbox.off_limits import is_within

if TYPE_CHECKING:
    from nbformat import NotebookNode

OWN = "own-"
"""How `rebuild` begins the id of a student's own cell."""

Role = Literal["student", "test", "read-only"]

_LEAST_RUN_SECONDS = 90.0
_CELLS_PER_RUN = 3
_JUDGE_SECONDS = 60.0
"""Seconds beyond the student's own time that the judge may take for its tests."""


@dataclass(frozen=True)
class CodeCell:
    """One code cell of a rebuilt notebook.

    Attributes:
        number: its place among all cells, from 1.
        role: who runs it: the student's process, the judge, or (read-only cells) both.
    """

    id: str
    number: int
    role: Role
    source: str

    @property
    def has_hidden_part(self) -> bool:
        """Return whether the cell is a test some of whose lines students don't have."""
        return self.role == "test" and bool(hidden_lines(self.source))

    def released(self) -> CodeCell:
        """Return the cell as students have it."""
        if self.role != "test":
            return self
        return replace(self, source=released_source(self.source))


@dataclass(frozen=True)
class Assignment:
    """What all submissions of one notebook share.

    Attributes:
        remote: the names of a test that stand for the student's work.
        fresh_probes: those that are asked where no student code has run.
        solution: sources of the instructor's read-only and solution cells, for `reference`.
        made_files: the files that students make or hand in.
        imports: modules to have ready on both sides.
        packages: that student code may import besides what is installed.
        hidden: folders that must not be in sight, should they lie within one that is needed.
        off_limits: modules that student code must neither import nor read.
        judged: of an ordinary nbgrader notebook, what of each cell runs beside the tests: pairs of
            the cell's id and a source, in the notebook's order.
        unsealed: the ids of the tests that run in the student's process, as nbgrader would.
        by_use: whether it is an ordinary notebook, whose names `core.names_by_use` sorts.
        probes: the names of probes.
        functions: those of the student's names that a test may hand on as a function.
        solution_imports: names that solution cells import, each with its statement.
        bound: what each cell binds that runs in the student's process, by the cell's id.
        rebound: names of read-only cells that solution cells bind as well.
        reads: what solution cells use, which a test may bind anew for a call.
    """

    remote: tuple[str, ...]
    fresh_probes: tuple[str, ...]
    solution: tuple[str, ...]
    made_files: tuple[str, ...]
    imports: tuple[str, ...]
    packages: tuple[str, ...] = ()
    hidden: tuple[str, ...] = ()
    off_limits: tuple[str, ...] = ()
    judged: tuple[tuple[str, str], ...] = ()
    unsealed: tuple[str, ...] = ()
    by_use: bool = False
    probes: tuple[str, ...] = ()
    functions: tuple[str, ...] = ()
    solution_imports: tuple[tuple[str, str], ...] = ()
    bound: tuple[tuple[str, tuple[str, ...]], ...] = ()
    rebound: tuple[str, ...] = ()
    reads: tuple[str, ...] = ()

    @classmethod
    def of(
        cls,
        source: NotebookNode,
        packages: Iterable[str] = (),
        hidden: Iterable[str] = (),
        off_limits: Iterable[str] = (),
        by_use: bool = False,
        beside: Iterable[str] = (),
    ) -> Assignment:
        """Return what the source notebook, with its solution, says.

        Args:
            source: the notebook.
            packages: that student code may import besides what is installed.
            hidden: folders that must not be in sight.
            off_limits: modules that student code must neither import nor read.
            by_use: whether it is an ordinary nbgrader notebook.
            beside: the paths of the instructor's files beside it.
        """
        names = names_in(source)
        used = (
            names_by_use(source)
            if by_use
            else NamesByUse(names.remote - names.imports.keys(), bound=names.by_cell)
        )
        imports = used.imports if by_use else names.imports
        forbidden = tuple(off_limits)
        listed = entries(source).get("files", [])
        return cls(
            remote=tuple(sorted(used.remote | names.probes)),
            fresh_probes=tuple(sorted(names.fresh_probes)),
            solution=tuple(solution_sources(source)),
            made_files=tuple(name for name in listed if isinstance(name, str)),
            imports=tuple(sorted(imports_in(source, forbidden, beside))),
            packages=tuple(packages),
            hidden=tuple(hidden),
            off_limits=forbidden,
            judged=tuple(used.judged.items()),
            by_use=by_use,
            probes=tuple(sorted(names.probes)),
            functions=tuple(sorted(names.callable & used.remote)),
            solution_imports=tuple(
                (name, statement)
                for name, statement in sorted(imports.items())
                if (by_use or name in names.remote)
                and not is_within(_module_of(statement), forbidden)
            ),
            bound=tuple((cell, tuple(sorted(bound))) for cell, bound in used.bound.items()),
            rebound=() if by_use else tuple(sorted(names.rebound)),
            reads=tuple(sorted((names.reads | names.students) - BUILTINS)),
        )

    @functools.cached_property
    def names(self) -> Names:
        """Return the student's names and the fresh probes, as the judge asks for them."""
        return Names(
            values=set(self.remote) - set(self.probes),
            probes=set(self.probes),
            fresh_probes=set(self.fresh_probes),
            read_only=set(self.rebound),
            callable=set(self.functions),
            imports=dict(self.solution_imports),
            reads=set(self.reads),
            by_cell={cell: set(bound) for cell, bound in self.bound},
        )


@dataclass(frozen=True)
class Job:
    """One notebook of a submission to run.

    Attributes:
        cells: the code cells, in order, with whole tests.
        files: name → content, put beside the student's notebook.
        given_files: the names of those that are the instructor's own; the judge has them too.
        cell_seconds: the longest that a cell of the student's may run, and the longest that all
            calls of one test cell may take together.
        seed: of the assignment.
        contracts: what test cells may do beyond asking for plain values, by cell id (`contract`);
            None for a cell of which that is to be found out.
    """

    student: str
    assignment: str
    cells: tuple[CodeCell, ...]
    about: Assignment
    files: dict[str, bytes] = field(default_factory=dict)
    given_files: tuple[str, ...] = ()
    cell_seconds: float = 30.0
    seed: int = 0
    contracts: Mapping[str, tuple[str, ...] | None] = field(default_factory=dict)

    @property
    def run_seconds(self) -> float:
        """Return the most seconds that all of the student's cells and calls of one run may take."""
        return max(_LEAST_RUN_SECONDS, _CELLS_PER_RUN * self.cell_seconds)

    @property
    def run_wall_seconds(self) -> float:
        """Return the seconds after which a run, tests included, begins no other cell."""
        return self.run_seconds + self.cell_seconds

    @property
    def test_seconds(self) -> float:
        """Return the most seconds that one test cell may take, the student's calls included."""
        return self.cell_seconds + max(self.cell_seconds, _JUDGE_SECONDS)

    @property
    def seconds(self) -> float:
        """Return the most seconds that the job may take, whatever the submission does."""
        return longest_job(self.cell_seconds)

    def to_bytes(self) -> bytes:
        """Return the job as one payload.

        Raises:
            WireError: it is larger than what crosses (`wire.MAX_BYTES`).
        """
        return wire.encode(
            {
                "student": self.student,
                "assignment": self.assignment,
                "cells": [[one.id, one.number, one.role, one.source] for one in self.cells],
                "about": _fields(self.about),
                "contracts": dict(self.contracts),
                "files": self.files,
                "given_files": list(self.given_files),
                "cell_seconds": float(self.cell_seconds),
                "seed": self.seed,
            }
        )

    @classmethod
    def from_bytes(cls, content: bytes) -> Job:
        """Return the job of a payload of `to_bytes`; a coordinator's, which is trusted."""
        data = wire.decode(content)
        data["cells"] = tuple(CodeCell(*cell) for cell in data["cells"])
        data["about"] = Assignment(**data["about"])
        data["given_files"] = tuple(data["given_files"])
        return cls(**data)

    def without_files(self) -> Job:
        """Return the job as the judge gets it: with the instructor's own files alone."""
        return replace(self, files={name: self.files[name] for name in self.given_files})


def longest_job(cell_seconds: float) -> float:
    """Return the most seconds that a job may take whose cells may take `cell_seconds` each."""
    run = max(_LEAST_RUN_SECONDS, _CELLS_PER_RUN * cell_seconds)
    # Each run ends after one cell more, and may be in the midst of another one then.
    return 2 * (run + 2 * cell_seconds) + _JUDGE_SECONDS


def code_cells(notebook: NotebookNode) -> tuple[CodeCell, ...]:
    """Return the code cells of a rebuilt notebook, each with who runs it."""
    return tuple(
        CodeCell(cell.id, number, _role(cell), cell.source)
        for number, cell in enumerate(notebook.cells, 1)
        if cell.cell_type == "code"
    )


def _role(cell: NotebookNode) -> Role:
    if is_solution(cell) or cell.id.startswith(OWN):
        return "student"
    return "test" if is_test(cell) else "read-only"


def solution_sources(source: NotebookNode) -> list[str]:
    """Return the sources of the read-only and solution cells, in order.

    Without the one that sets the language: the source notebook's isn't the submission's.
    """
    return [
        cell.source
        for cell in source.cells
        if cell.cell_type == "code" and not is_test(cell) and cell.id != LANGUAGE_CELL
    ]


_PLOTS = re.compile(r"^[ \t]*%(matplotlib|pylab)\b", re.MULTILINE)
"""Magics that import what draws."""


def imports_in(
    notebook: dict[str, Any], off_limits: Iterable[str] = (), beside: Iterable[str] = ()
) -> set[str]:
    """Return the modules that a notebook's cells import, to have them ready.

    Args:
        notebook: as nbformat or `json` reads it; a source may be text or a list of lines.
        off_limits: modules to leave out: what student processes are forked from must not have
            them in its memory.
        beside: the paths of the instructor's files beside the notebook. A module among them comes
            before an installed one of the same name, so neither may be there beforehand.
    """
    own = {path.split("/")[0].removesuffix(".py") for path in beside if path.endswith(".py")}
    found: set[str] = set()
    for cell in notebook["cells"]:
        if cell["cell_type"] != "code":
            continue
        source = "".join(cell["source"])
        if _PLOTS.search(source):
            found.add("matplotlib.pyplot")
        try:
            tree = parsed(source)
        except (SyntaxError, ValueError):
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                found |= {name.name for name in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                found.add(node.module)
    return {
        name for name in found if not is_within(name, off_limits) and name.split(".")[0] not in own
    }


@dataclass
class CellOutcome:
    """What one code cell left.

    Attributes:
        outputs: as a notebook keeps them, plain dicts; of a test cell the judge's own.
        status: how it ended.
        failures: how the student's process ended while a test asked for a name, by that name; it
            stays with the judge.
        needs: what a test cell did beyond asking for plain values (`contract`).
    """

    outputs: list[dict[str, Any]] = field(default_factory=list)
    status: CellStatus = CellStatus.RAN
    failures: dict[str, CellStatus] = field(default_factory=dict)
    needs: tuple[str, ...] = ()


@dataclass(frozen=True)
class JobOutcome:
    """What became of a job.

    Attributes:
        cells: by cell id, for each code cell of the job.
        ended: why the student's process had ended early; empty if it had not.
        fault: what is wrong with the assignment or this package, in full, for the instructor;
            then there is no score.
        seconds: wall time from the job's start to its end in the worker.
        files: what the student's code has written in the visible run, by path (`made_files`).
    """

    cells: dict[str, CellOutcome]
    ended: str = ""
    fault: str = ""
    seconds: float = 0.0
    files: dict[str, bytes] = field(default_factory=dict)

    def to_bytes(self) -> bytes:
        """Return the outcome as one payload."""
        return wire.encode(self.to_plain())

    def to_plain(self) -> dict[str, Any]:
        """Return the outcome as a value that crosses the wire."""
        return {
            "cells": {
                name: [str(one.status), one.outputs, list(one.needs)]
                for name, one in self.cells.items()
            },
            "ended": self.ended,
            "fault": self.fault,
            "seconds": self.seconds,
            "files": self.files,
        }

    @classmethod
    def from_bytes(cls, content: bytes) -> JobOutcome:
        """Return the outcome of a payload.

        Raises:
            WireError: the bytes aren't a payload.
            ValueError: it hasn't the form of an outcome.
        """
        return cls.from_plain(wire.decode(content))

    @classmethod
    def from_plain(cls, data: Any) -> JobOutcome:
        """Return the outcome that a judge sent.

        Raises:
            ValueError: it hasn't the form of one.
        """
        try:
            cells = {
                str(name): CellOutcome(list(outputs), CellStatus(status), needs=_lines(needs))
                for name, (status, outputs, needs) in data["cells"].items()
            }
            ended, fault = data["ended"], data["fault"]
            if not (isinstance(ended, str) and isinstance(fault, str)):
                raise TypeError
            return cls(cells, ended, fault, float(data["seconds"]), kept_files(data["files"]))
        except (KeyError, TypeError, AttributeError, ValueError):
            raise ValueError("what came back isn't an outcome") from None

    def applied_to(self, notebook: NotebookNode) -> NotebookNode:
        """Return the rebuilt notebook with these outputs, and nothing else of what came back.

        Raises:
            ValueError: it isn't the outcome of that notebook.
        """
        import copy

        from nbformat import from_dict

        sent = {cell.id for cell in notebook.cells if cell.cell_type == "code"}
        if sent != self.cells.keys():
            raise ValueError("the outcome isn't of the notebook that was sent")
        result = copy.copy(notebook)
        result.cells = []
        for number, cell in enumerate(notebook.cells, 1):
            cell = copy.copy(cell)
            if cell.cell_type == "code":
                one = self.cells[cell.id]
                outputs = (judged_output(claim, number) for claim in one.outputs)
                kept = [output for output in outputs if output]
                cell.outputs = from_dict(kept)
                cell.execution_count = None if one.status is CellStatus.NOT_RUN else number
                if one.status is not CellStatus.RAN:
                    cell.metadata = copy.deepcopy(cell.metadata)
                    put(cell, status=str(one.status))
                if one.needs and level_of(one.needs) is Level.BY_HANDLE:
                    cell.metadata = copy.deepcopy(cell.metadata)
                    put(cell, level=str(Level.BY_HANDLE), claims=claims_in(one.needs))
            result.cells.append(cell)
        return result


_MOST_LINES = 2_000
_LONGEST_LINE = 300


def _lines(claim: Any) -> tuple[str, ...]:
    """Return what a judge says that a cell needed, as far as it has the form."""
    if not isinstance(claim, list) or len(claim) > _MOST_LINES:
        return ()
    return tuple(one for one in claim if isinstance(one, str) and len(one) <= _LONGEST_LINE)


def _module_of(statement: str) -> str:
    node = ast.parse(statement).body[0]
    if isinstance(node, ast.ImportFrom):
        return f"{node.module}.{node.names[0].name}"
    return node.names[0].name if isinstance(node, ast.Import) else ""


def _fields(about: Assignment) -> dict[str, Any]:
    return {name: getattr(about, name) for name in Assignment.__dataclass_fields__}
