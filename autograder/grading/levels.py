"""Find out for each test of an ordinary course whether it can be asked from outside.

The author's solution and the untouched release are run with every test in the student's process, as
nbgrader alone would run it, and with every test apart from it. A test for which both give the same
points is *sealed*. For any other it is tried whether it does when it may ask the student's objects
by handle, and what it has to ask them (`judge.contract`). What remains runs in the student's
process, in the sandbox, and is *unsealed*: whether it passed is then the word of a process in which
the student's code ran. So scores are those that nbgrader gives, and the author is told which of
them rest on what.
"""

from __future__ import annotations

import ast
import hashlib
import json
from collections.abc import Iterable, Mapping
from concurrent.futures import Executor
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from autograder.config import Course
from autograder.core.atomic_io import write_file
from autograder.core.bindings import bound_in, imports_in, used_in
from autograder.core.names_by_use import arguments_looked_at, names_by_use, runs_text
from autograder.core.notebook_io import grade_id, grader_metadata, is_solution, is_test
from autograder.core.plain_python import plain_python
from autograder.errors import UserError
from autograder.grading.pool import WorkerDied, run_each
from autograder.grading.preflight import assignment_key, fault_sentence
from autograder.grading.scoring import score_cell
from autograder.judge.contract import (
    ANY_CHANGE,
    Level,
    claims_in,
    find_contracts,
    level_of,
)
from autograder.judge.job import JobOutcome

if TYPE_CHECKING:
    from nbformat import NotebookNode

    from autograder.grading.coordinator import Runner
    from autograder.grading.prepare import PreparedSubmission, SubmissionPreparer

_RECORD = "levels.json"
_MOST_CLAIMS = 6
"""How many of a test's questions to a student's object are named to the author."""
_RUNS_TEXT = "it may run a value of the student's as code"
_COMPANION = "it shares names with such a test"

_Unsealed = dict[str, frozenset[str]]
"""The ids of tests that run in the student's process, by the notebook's name."""

_Place = tuple[str, str]
"""A notebook's name and the id of a test's cell."""

_Contracts = Mapping[_Place, tuple[str, ...] | None]


@dataclass(frozen=True)
class Levels:
    """Say where the tests of an assignment run.

    Attributes:
        unsealed: why a test runs in the student's process, by its grade id, by notebook.
        contracts: what a test apart from it may do beyond asking for plain values, by its grade id,
            by notebook.
        remarks: what the author should know besides, a sentence each.
        points: what each test is worth, by its grade id, by notebook.
    """

    unsealed: dict[str, dict[str, str]]
    contracts: dict[str, dict[str, tuple[str, ...]]] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()
    points: dict[str, dict[str, float]] = field(default_factory=dict)

    def of(self, notebook: str, test: str) -> Level:
        """Return the level of a test."""
        if test in self.unsealed.get(notebook, {}):
            return Level.UNSEALED
        return level_of(self.contracts.get(notebook, {}).get(test, ()))

    def points_at(self) -> dict[Level, float]:
        """Return how many points the tests of each level are worth together."""
        found = dict.fromkeys(Level, 0.0)
        for notebook, tests in self.points.items():
            for test, points in tests.items():
                found[self.of(notebook, test)] += points
        return found

    def summary(self, worth: float = 1.0) -> str:
        """Return in a sentence how many points there are at each level.

        Args:
            worth: the fraction of their points that unsealed tests count for.
        """
        found = self.points_at()
        most, unsealed = sum(found.values()), found[Level.UNSEALED]
        parts = ", ".join(f"{points:g} {level}" for level, points in found.items())
        told = f"Of {most:g} points for tests: {parts}"
        if unsealed and worth != 1:
            told += (
                f"; unsealed points count for {100 * worth:.4g}%, so the tests give at most "
                f"{most - unsealed * (1 - worth):g}"
            )
        return f"{told}."

    @property
    def is_all_sealed(self) -> bool:
        """Return whether every test is sealed."""
        return all(
            self.of(name, test) is Level.SEALED
            for name, tests in self.points.items()
            for test in tests
        )

    def sentences(self) -> list[str]:
        """Return what to tell the author, a sentence for each test and each surprise."""
        told = [
            f"{notebook}: the test {name} runs in the student's own process, as with nbgrader "
            f"alone, so a student's code can forge its result ({why})."
            for notebook, tests in sorted(self.unsealed.items())
            for name, why in sorted(tests.items())
        ]
        told += [
            f"{notebook}: the test {name} uses objects in the student's own process{_asked(lines)}."
            for notebook, tests in sorted(self.contracts.items())
            for name, lines in sorted(tests.items())
            if self.of(notebook, name) is Level.BY_HANDLE
        ]
        return [*told, *self.remarks]


def _asked(lines: Iterable[str]) -> str:
    claims = claims_in(lines)
    more = ", …" if len(claims) > _MOST_CLAIMS else ""
    shown = f"{', '.join(claims[:_MOST_CLAIMS])}{more}"
    return f" and takes a submission's word for {shown}" if claims else ""


@dataclass(frozen=True)
class _Verdict:
    points: float
    most: float
    why: str
    needs: tuple[str, ...] = ()


_Verdicts = dict[tuple[str, bool, str], _Verdict]
"""By the notebook's name, whether it is the solution, and the test's id."""


def settle_levels(
    course: Course, assignment: str, preparer: SubmissionPreparer, pool: Executor, runner: Runner
) -> Levels:
    """Decide where each test of an ordinary course's assignment runs, and tell the preparer.

    What was decided holds until the assignment, this package or the environment changes.

    Args:
        course: the course.
        assignment: the assignment's name.
        preparer: makes the submissions that are tried, and is told the outcome.
        pool: runs them.
        runner: runs one job on a worker.

    Raises:
        UserError: the assignment can't be run here at all.
    """
    sources = {name: preparer.solved(name) for name in preparer.names}
    key = _key(course, assignment, sources)
    levels = _recorded(course, assignment, key)
    if levels is None:
        levels = _tried(preparer, pool, runner, sources)
        _record(course, assignment, key, levels)
    ids = {name: _ids(source) for name, source in sources.items()}
    preparer.unsealed_worth = course.unsealed_worth
    preparer.unsealed = {
        name: tuple(sorted(ids[name][test] for test in tests if test in ids[name]))
        for name, tests in levels.unsealed.items()
        if name in ids
    }
    preparer.contracts = {
        name: {ids[name][test]: lines for test, lines in tests.items() if test in ids[name]}
        for name, tests in levels.contracts.items()
        if name in ids
    }
    return levels


def _tried(
    preparer: SubmissionPreparer, pool: Executor, runner: Runner, sources: dict[str, NotebookNode]
) -> Levels:
    every = {name: frozenset(_ids(source).values()) for name, source in sources.items()}
    modules = {name: _statements(text) for name, text in preparer.given_modules().items()}
    fixed = {name: _running_text(source, modules) for name, source in sources.items()}
    looking: dict[_Place, tuple[str, ...]] = {
        (name, cell): (ANY_CHANGE,)
        for name, source in sources.items()
        for cell in _looking_at_arguments(source)
    }
    asked = _Asked(preparer, pool, runner)
    as_nbgrader = asked.of(every, {})
    why: dict[_Place, str] = {
        (name, cell): _RUNS_TEXT for name, cells in fixed.items() for cell in cells
    }
    chosen: _Unsealed = dict(fixed)
    found = find_contracts(
        lambda contracts: asked.of(chosen, {**looking, **contracts}),
        lambda apart: {(name, cell) for name, _solved, cell in _differing(as_nbgrader, apart)},
        lambda apart, cell: apart[cell[0], True, cell[1]].needs,
    )
    contracts = {
        place: (*looking.get(place, ()), *found.get(place, ())) for place in {**looking, **found}
    }
    apart = asked.of(chosen, contracts)
    for _more in range(3):
        differing = {
            name: frozenset(
                cell for other, _solved, cell in _differing(as_nbgrader, apart) if other == name
            )
            for name in sources
        }
        if not any(differing.values()):
            break
        for place in _differing(as_nbgrader, apart):
            why.setdefault((place[0], place[2]), apart[place].why or as_nbgrader[place].why)
        chosen = {
            name: _with_companions(source, chosen[name] | differing[name])
            for name, source in sources.items()
        }
        apart = asked.of(chosen, contracts)
    else:
        for name in {name for name, _solved, _cell in _differing(as_nbgrader, apart)}:
            chosen[name] = every[name]
    unsealed = {
        name: {
            test: why.get((name, cell), _COMPANION)
            for test, cell in _ids(source).items()
            if cell in chosen[name]
        }
        for name, source in sources.items()
    }
    kept = {
        name: {
            test: contracts[name, cell]
            for test, cell in _ids(source).items()
            if (name, cell) in contracts and cell not in chosen[name]
        }
        for name, source in sources.items()
    }
    points = {
        name: {
            str(grade_id(cell)): float(grader_metadata(cell).get("points", 0))
            for cell in filter(_is_code_test, source.cells)
        }
        for name, source in sources.items()
    }
    return Levels(unsealed, kept, tuple(_remarks(sources, as_nbgrader)), points)


def _differing(one: _Verdicts, other: _Verdicts) -> list[tuple[str, bool, str]]:
    return [place for place in one if one[place].points != other[place].points]


def _remarks(sources: dict[str, NotebookNode], verdicts: _Verdicts) -> Iterable[str]:
    """Yield what is odd about an assignment, with nbgrader alone as well."""
    for name, source in sources.items():
        for test, cell in _ids(source).items():
            solved, given = verdicts[name, True, cell], verdicts[name, False, cell]
            if solved.points < solved.most:
                why = f" ({solved.why})" if solved.why else ""
                yield (
                    f"{name}: the test {test} gives your own solution {solved.points:g} of "
                    f"{solved.most:g} points{why}, as with nbgrader alone."
                )
            if given.points and given.most:
                yield (
                    f"{name}: the test {test} gives an untouched notebook {given.points:g} of "
                    f"{given.most:g} points, as with nbgrader alone."
                )


class _Asked:
    """Run the solution and the release of each notebook, each test in some way."""

    def __init__(self, preparer: SubmissionPreparer, pool: Executor, runner: Runner) -> None:
        self._preparer = preparer
        self._pool = pool
        self._runner = runner

    def of(self, unsealed: Mapping[str, frozenset[str]], contracts: _Contracts) -> _Verdicts:
        """Return what each test gave with these unsealed, and with these contracts."""
        preparer = self._preparer
        preparer.unsealed = {name: tuple(sorted(ids)) for name, ids in unsealed.items()}
        open_ones: dict[str, dict[str, tuple[str, ...] | None]] = {}
        for (name, cell), lines in contracts.items():
            open_ones.setdefault(name, {})[cell] = lines
        preparer.contracts = open_ones
        waiting = [
            (one, self._pool.submit(run_each, self._runner, one.jobs))
            for one in preparer.preflights()
        ]
        verdicts: _Verdicts = {}
        for work, future in waiting:
            try:
                outcomes = future.result()
            except WorkerDied:
                outcomes = None
            verdicts |= self._verdicts(work, outcomes)
        return verdicts

    def _verdicts(self, work: PreparedSubmission, outcomes: list[bytes] | None) -> _Verdicts:
        from autograder.grading.prepare import GraderFault

        try:
            graded = (
                self._preparer.unscored_results(work)
                if outcomes is None
                else self._preparer.results(work, outcomes)
            )
        except GraderFault as fault:
            raise UserError(
                f"{' and '.join(work.rebuilt)} can't be graded on this machine: "
                f"{fault_sentence(str(fault))}; nobody was graded, so fix the assignment or the "
                "environment and run the same command again."
            ) from None
        needs = {
            (name, cell): one.needs
            for name, outcome in zip(work.rebuilt, outcomes or (), strict=False)
            for cell, one in JobOutcome.from_bytes(outcome).cells.items()
        }
        found: _Verdicts = {}
        for name, notebook in graded.items():
            for cell in filter(_is_code_test, notebook.cells):
                score = score_cell(cell)
                most = float(grader_metadata(cell).get("points", 0))
                why = "; ".join(score.reasons)
                found[name, work.is_solution, cell.id] = _Verdict(
                    score.points or 0.0, most, why, needs.get((name, cell.id), ())
                )
        return found


def _is_code_test(cell: NotebookNode) -> bool:
    return cell.cell_type == "code" and is_test(cell)


def _ids(source: NotebookNode) -> dict[str, str]:
    """Return the ids of a notebook's tests by nbgrader's name."""
    return {str(grade_id(cell)): cell.id for cell in source.cells if _is_code_test(cell)}


def _trees(source: NotebookNode) -> dict[str, ast.Module]:
    return {cell.id: _parsed(cell) for cell in filter(_is_code_test, source.cells)}


def _parsed(cell: NotebookNode) -> ast.Module:
    return ast.Module(_statements(cell.source), [])


def _statements(source: str) -> list[ast.stmt]:
    try:
        return ast.parse(plain_python(source)).body
    except (SyntaxError, ValueError):
        return []  # it fails, wherever it runs


def _looking_at_arguments(source: NotebookNode) -> frozenset[str]:
    """Return the tests that look at what a call may have changed."""
    remote = names_by_use(source).remote
    return frozenset(
        name for name, tree in _trees(source).items() if arguments_looked_at(tree, remote)
    )


_Modules = Mapping[str, list[ast.stmt]]
"""The statements of each module of the instructor's beside the notebooks, by its name."""


def _running_text(source: NotebookNode, modules: _Modules) -> frozenset[str]:
    """Return the tests that may run text or a pickle: a student's mustn't run beside the tests.

    Also those that do by the way of helpers, however many call one another, or by another name.
    """
    by_module: dict[str, set[str]] = {}
    for _round in modules:  # one may import another
        by_module = {name: _running(body, by_module) for name, body in modules.items()}
    statements = [
        node
        for cell in source.cells
        if cell.cell_type == "code" and not is_test(cell) and not is_solution(cell)
        for node in _parsed(cell).body
    ]
    helpers = _running(statements, by_module)
    found = {
        name
        for name, tree in _trees(source).items()
        if runs_text(tree)
        or used_in(ast.unparse(tree)) & (helpers | _imported(ast.walk(tree), by_module))
    }
    return _with_companions(source, frozenset(found))


def _running(statements: list[ast.stmt], by_module: Mapping[str, set[str]]) -> set[str]:
    """Return the names under which these statements bind what may run text or a pickle."""
    found = _imported(statements, by_module)
    for node in statements:
        if runs_text(node):
            found |= bound_in(ast.Module([node], []))
    while True:
        more = {
            bound
            for node in statements
            if _reads_as_code(node) & found
            for bound in bound_in(ast.Module([node], []))
        }
        if more <= found:
            return found
        found |= more


def _imported(nodes: Iterable[ast.AST], by_module: Mapping[str, set[str]]) -> set[str]:
    """Return the names that are such a module of the instructor's, or come from one."""
    found = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {
                (one.asname or one.name).split(".")[0]
                for one in node.names
                if by_module.get(one.name)
            }
        elif isinstance(node, ast.ImportFrom):
            running = by_module.get(node.module or "", set())
            for one in node.names:
                if one.name == "*":
                    found |= running
                elif one.name in running:
                    found.add(one.asname or one.name)
    return found


def _reads_as_code(node: ast.stmt) -> set[str]:
    """Return the names that a statement binds anew or calls later; data that a call made are none.

    A table that an instructor has loaded from a pickle runs nothing when a test reads it.
    """
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        return used_in(ast.unparse(node))
    if not isinstance(node, (ast.Assign, ast.AnnAssign)) or node.value is None:
        return set()
    value = node.value
    kept = (
        [*value.args, *(one.value for one in value.keywords)]
        if isinstance(value, ast.Call)
        else [value]
    )
    if isinstance(value, _HOLDS_CODE):
        return set().union(*(used_in(ast.unparse(one)) for one in kept))
    return set()


_HOLDS_CODE = (ast.Name, ast.Attribute, ast.Lambda, ast.Dict, ast.List, ast.Tuple, ast.Call)
"""What may hand a function on: by another name, in a table, or as `functools.partial` does."""


def _with_companions(source: NotebookNode, chosen: frozenset[str]) -> frozenset[str]:
    """Return these tests with those that they share names of tests with."""
    trees = _trees(source)
    remote = names_by_use(source).remote  # a test that binds one anew does so for them all
    imported = _imports_beside_tests(source)
    bound = {
        name: bound_in(tree) - remote - {key for key, _same in imports_in(tree).items() & imported}
        for name, tree in trees.items()
    }
    read = {name: used_in(ast.unparse(tree)) - bound[name] for name, tree in trees.items()}
    found = set(chosen)
    while True:
        more = {
            name
            for name in trees.keys() - found
            if any(
                bound[name] & read.get(one, set()) or read[name] & bound.get(one, set())
                for one in found
            )
        }
        if not more:
            return frozenset(found)
        found |= more


def _imports_beside_tests(source: NotebookNode) -> set[tuple[str, str]]:
    """Return the names that other cells than tests import, each with its statement.

    Such an import runs on both sides, so a test that repeats it binds nothing for another.
    """
    return {
        pair
        for cell in source.cells
        if cell.cell_type == "code" and not is_test(cell)
        for pair in imports_in(_parsed(cell)).items()
    }


def _key(course: Course, assignment: str, sources: dict[str, NotebookNode]) -> str:
    seen = hashlib.sha256(assignment_key(course, assignment).encode())
    for name, source in sorted(sources.items()):
        seen.update(f"\0{name}\0".encode())
        for cell in source.cells:
            seen.update(f"{cell.cell_type}\0{grade_id(cell)}\0{cell.source}\0".encode())
    return seen.hexdigest()


def recorded_levels(course: Course) -> dict[str, Any]:
    """Return the record of every assignment's levels."""
    try:
        found = json.loads((course.term / _RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def levels_on_record(course: Course, assignment: str) -> Levels | None:
    """Return where an assignment's tests ran when it was last tried; None if it never was."""
    found = recorded_levels(course).get(assignment)
    return _recorded(course, assignment, str(found["key"])) if isinstance(found, dict) else None


def _recorded(course: Course, assignment: str, key: str) -> Levels | None:
    found = recorded_levels(course).get(assignment)
    if not isinstance(found, dict) or found.get("key") != key or "points" not in found:
        return None
    contracts = {
        name: {test: tuple(lines) for test, lines in tests.items()}
        for name, tests in found["contracts"].items()
    }
    return Levels(found["unsealed"], contracts, tuple(found["remarks"]), found["points"])


def _record(course: Course, assignment: str, key: str, levels: Levels) -> None:
    entry = {"key": key, **asdict(levels)}
    content = json.dumps({**recorded_levels(course), assignment: entry}, indent=1) + "\n"
    write_file(course.term / _RECORD, content.encode("utf-8"))
