"""Tell an ordinary course's author what to write so that a test reaches a higher level."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from autograder.config import Course
from autograder.core.bindings import used_in
from autograder.core.counting import counted
from autograder.core.names_by_use import names_by_use, runs_text
from autograder.core.notebook_io import grade_id, is_test
from autograder.core.plain_python import plain_python
from autograder.core.registered_notebook import registered_notebook
from autograder.grading.levels import Levels
from autograder.judge.contract import Level, claims_in

_HISTORY = frozenset({"In", "Out", "_ih", "_oh", "_", "__", "___", "get_ipython"})
_SOURCE = frozenset({"getsource", "getsourcelines", "signature", "getfullargspec", "__code__"})
_MOST_CLAIMS = 6

_PLAIN = "numbers, strings, lists, dicts, sets, arrays or tables"
_TEXT = (
    "compare what a function of the student's returns instead of running a text, or read the text "
    "with ast.literal_eval"
)
_COMPANION = (
    "give it names of its own: it reads or binds names of a test that is unsealed, so raise that "
    "one first"
)
_SUBCLASS = (
    "define the subclass in a read-only cell before the test, which runs with the student's code, "
    "and let the test use it by handle"
)
_LOOKS_BACK = (
    "ask for a value or a function instead of what was typed, or have a person grade the text"
)
_LOOKS_INSIDE = (
    "test what the function does, for instance how often it calls a function that the test hands "
    "over, or have a person grade the text"
)
_MAGIC = "run the magic in a read-only cell before the test and compare what it left"
_ANYTHING = (
    "bind what the test needs in a read-only cell before it, which runs with the student's code, "
    f"and compare that name in the test; {_PLAIN} cross"
)
_BY_HANDLE = (
    f"compare {_PLAIN} that a function of the student's returns, or that a read-only cell before "
    "the test makes of the object"
)
_DELETED = "leave the student's names as they are, and hand over what should be used instead"


@dataclass(frozen=True)
class LevelOfTest:
    """Say where one test runs.

    Attributes:
        why: why it isn't sealed; empty for one that is.
        advice: what to write to raise it; empty for one that is sealed.
    """

    notebook: str
    test: str
    points: float
    level: Level
    why: str = ""
    advice: str = ""

    def __str__(self) -> str:
        told = f"{self.notebook}: {self.test} ({_points(self.points)}) is {self.level}"
        if self.level is Level.SEALED:
            return f"{told}."
        return f"{told}: {self.why}. To raise it, {self.advice}."


def _points(points: float) -> str:
    return counted(1, "point") if points == 1 else f"{points:g} points"


def levels_of_tests(course: Course, assignment: str, levels: Levels) -> Iterator[LevelOfTest]:
    """Yield the level of each test of an assignment, in the notebooks' order.

    Args:
        course: an ordinary one.
        assignment: the assignment's name.
        levels: what `grading.levels` found out.
    """
    for notebook in sorted(levels.points):
        source = registered_notebook(course, assignment, notebook).source
        remote = names_by_use(source).remote
        for cell in source.cells:
            name = grade_id(cell)
            if cell.cell_type != "code" or not is_test(cell) or name is None:
                continue
            points = levels.points[notebook].get(name, 0.0)
            level = levels.of(notebook, name)
            why = advice = ""
            if level is Level.UNSEALED:
                why = f"it runs in the student's process ({levels.unsealed[notebook][name]})"
                advice = _for_unsealed(cell.source, levels.unsealed[notebook][name], remote)
            elif level is Level.BY_HANDLE:
                lines = levels.contracts[notebook][name]
                why = _claims(lines)
                advice = _for_handled(cell.source, lines)
            yield LevelOfTest(notebook, name, points, level, why, advice)


def _claims(lines: tuple[str, ...]) -> str:
    found = claims_in(lines)
    if not found:
        return "it uses objects in the student's process"
    more = ", …" if len(found) > _MOST_CLAIMS else ""
    return f"it takes the submission's word for {', '.join(found[:_MOST_CLAIMS])}{more}"


def _parsed(source: str) -> ast.Module:
    try:
        return ast.parse(plain_python(source))
    except (SyntaxError, ValueError):
        return ast.Module([], [])


def _named(tree: ast.Module) -> set[str]:
    named = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    return named | {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}


def _for_handled(source: str, lines: tuple[str, ...]) -> str:
    """Return what to write in place of what made a test ask the student's objects.

    Args:
        source: the test's.
        lines: its contract (`judge.contract`).
    """
    if any(line.startswith("del ") for line in lines):
        return _DELETED
    return _LOOKS_INSIDE if _named(_parsed(source)) & _SOURCE else _BY_HANDLE


def _for_unsealed(source: str, why: str, remote: set[str]) -> str:
    """Return what to write in place of what made a test run in the student's process.

    Args:
        source: the test's.
        why: what `grading.levels` says of it.
        remote: the names that stand for the student's work.
    """
    tree = _parsed(source)
    if runs_text(tree):
        return _TEXT
    if any(
        isinstance(node, ast.ClassDef)
        and any(used_in(ast.unparse(base)) & remote for base in node.bases)
        for node in ast.walk(tree)
    ):
        return _SUBCLASS
    named = _named(tree)
    if any(line.lstrip().startswith(("%", "!")) for line in source.splitlines()):
        return _MAGIC
    if named & _SOURCE:
        return _LOOKS_INSIDE
    if named & _HISTORY:
        return _LOOKS_BACK
    if why.startswith("it shares names"):
        return _COMPANION
    if why.startswith("it may run a value"):
        return _TEXT
    return _ANYTHING
