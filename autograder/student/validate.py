"""Validate a notebook outside JupyterLab: run its visible checks and say how they went.

The notebook runs as it would be graded: its test and read-only cells are those of the release, by
nbgrader's checksum, wherever the student's differ or are gone. It runs in this one process's
kernel, in the notebook's own folder, and nothing is written to it.

    result.ok      every check passed and nothing is unanswered
    str(result)    the same in words, in the notebook's language
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from nbformat import NotebookNode

from autograder.checks import record_in
from autograder.config import Course
from autograder.core import notebook_io
from autograder.core.bindings import parsed
from autograder.core.messages import Note, texts
from autograder.core.notebook_io import grade_id, grader_metadata, is_solution, is_test
from autograder.core.question_titles import question_titles
from autograder.errors import UserError
from autograder.i18n import _, speaking
from autograder.intake.identify import name_rank
from autograder.intake.notebook_reader import submission_from_notebook
from autograder.intake.submission import CourseCells, course_cells, normalized_source
from autograder.student.own_notebook import read_own
from autograder.student_values import ELSEWHERE, VALUES_FILE

PASSED, FAILED, UNANSWERED = "passed", "failed", "unanswered"
NOT_RUN, WRITTEN = "not run", "written"

_ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_UNDEFINED = re.compile(r"NameError: name '(\w+)' is not defined")
_LONGEST_MESSAGE = 300


@dataclass(frozen=True)
class CheckResult:
    """Hold one check: its name and message in the notebook's language."""

    name: str
    passed: bool
    message: str = ""


@dataclass(frozen=True)
class CellResult:
    """Hold the outcome of one test cell or written answer.

    Attributes:
        grade_id: the cell's name.
        state: "passed", "failed", "unanswered", "not run" (an earlier cell stopped everything),
            or "written" (a person will read it).
        form_only: whether its visible checks look at the answer's form only, as in a quiz.
        checks: how each check went; empty for a cell without `autograder.checks`.
        message: what went wrong outside a check.
    """

    grade_id: str
    state: str
    form_only: bool = False
    checks: tuple[CheckResult, ...] = ()
    message: str = ""


@dataclass(frozen=True)
class CellError:
    """Name a cell that tests nothing and stopped with an error."""

    cell: str
    message: str


@dataclass(frozen=True)
class ValidationResult:
    """Hold how a notebook fared.

    Attributes:
        path: the notebook, unchanged.
        assignment: the assignment whose notebook it is; None if it isn't one.
        language: the notebook's language, in which `str()` speaks.
        cells: the test cells and written answers in order.
        unanswered: the answer cells that are as released.
        changed: test and read-only cells that differ from the release's.
        missing: those that are gone.
        errors: other cells that stopped with an error.
        notes: what was decided about changed, missing or doubled cells.
        titles: what its readers call the question of each cell, by the cell's name.
    """

    path: Path
    assignment: str | None
    language: str
    cells: tuple[CellResult, ...]
    unanswered: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    errors: tuple[CellError, ...] = ()
    notes: tuple[Note, ...] = field(default=(), repr=False)
    titles: dict[str, str] = field(default_factory=dict, repr=False)

    @property
    def form_only(self) -> bool:
        """Return whether every cell's checks look at the form only, as in a quiz."""
        checked = [cell for cell in self.cells if cell.checks]
        return bool(checked) and all(cell.form_only for cell in checked)

    @property
    def ok(self) -> bool:
        """Return whether nothing fails and nothing is left unanswered.

        Changed test cells don't count against a known assignment, as the originals ran.
        """
        if self.assignment is None and self.changed:
            return False
        return not self.unanswered and all(cell.state in (PASSED, WRITTEN) for cell in self.cells)

    def __str__(self) -> str:
        with speaking(self.language):
            return "\n".join(_told(self))

    def told_limits(self, titles: dict[str, str] | None = None) -> list[str]:
        """Return what the visible checks can't say, in the language that is set now.

        Args:
            titles: what to call a cell, by its name; by default its name.
        """
        if self.form_only:
            text = _(
                "In a quiz this checks the form of your answers only, "
                "never whether they are correct."
            )
            return [text]
        names = [cell.grade_id for cell in self.cells if cell.form_only]
        lines = []
        if names:
            text = _("Only the form of these answers is checked here: {cells}")
            called = dict.fromkeys((titles or {}).get(name, name) for name in names)
            lines.append(text.format(cells=", ".join(called)))
        if self.ok:
            lines.append(_("More checks run when your work is graded."))
        return lines

    def told_cells(self) -> list[tuple[str, list[str]]]:
        """Return each cell that isn't well, in words: a title and what to say of it.

        In the language that is set now.
        """
        found = [(error.cell, [error.message]) for error in self.errors]
        found += [
            (f"{cell.grade_id}: {_state(cell)}", _failures(cell))
            for cell in self.cells
            if cell.state not in (PASSED, WRITTEN)
        ]
        named = {cell.grade_id for cell in self.cells}
        text = _("not answered yet")
        return found + [(f"{name}: {text}", []) for name in self.unanswered if name not in named]


def validate(path: Path, course: Course | None = None) -> ValidationResult:
    """Run a notebook's visible checks.

    Args:
        path: the student's notebook, under any name; it is only read.
        course: the course whose `release/` to compare with; by default this package's.

    Raises:
        BadNotebook: the file isn't a notebook that can be used.
        UserError: no such file, or there is nothing to check in it.
    """
    path = Path(path)
    course = course or Course.here()
    own = read_own(path)
    language = notebook_io.language_of(own)
    known = find_release(course, own, path.name)
    released: NotebookNode | None
    notes: list[Note] = []
    missing: list[str] = []
    if known is None:
        if not any(is_test(cell) for cell in own.cells):
            raise UserError(
                f"{path.name} has no test cells and isn't an assignment of this course, so there "
                "is nothing to validate; name your copy of an assignment."
            )
        released = None
        running = notebook_io.copied(own)
        changed = _changed_by_own_checksums(own)
    else:
        from autograder.intake.rebuild import rebuild

        released = notebook_io.read(known)
        running, notes = rebuild(
            released, released, submission_from_notebook(own, _course_cells(course, known))
        )
        changed, missing = _against_release(own, released)
    course = replace(course, cell_seconds=notebook_io.cell_seconds(running, course.cell_seconds))
    off_limits = course.settings.modules_off_limits(known.parent.name) if known else ()
    values = known.resolve().parent / VALUES_FILE if known else Path(VALUES_FILE)
    executed = _executed(course, running, path.resolve().parent, off_limits, values)
    with speaking(language):
        cells = tuple(_cell_results(executed, released, course.cell_seconds))
        errors = tuple(
            stopped
            for cell in executed.cells
            if (stopped := _stopped(cell, course.cell_seconds)) is not None
        )
    return ValidationResult(
        path=path,
        assignment=known.parent.name if known else None,
        language=language,
        cells=cells,
        unanswered=tuple(_unanswered(executed, released, cells)),
        changed=tuple(changed),
        missing=tuple(missing),
        errors=errors,
        notes=tuple(notes),
        titles=_titles(executed),
    )


def find_release(course: Course, own: NotebookNode, name: str = "") -> Path | None:
    """Find the release that a notebook is a copy of, in its own language where there is one.

    What counts is its cells (by grade id, id or text), since files get renamed; its name counts
    where editors have left nothing of those.
    """
    ids = {cell.id for cell in own.cells} | {grade_id(cell) for cell in own.cells}
    texts = {normalized_source(cell.source) for cell in own.cells} - {""}
    language = notebook_io.language_of(own)
    best: tuple[float, bool, Path] | None = None
    for path in _releases(course):
        cells = [cell for cell in notebook_io.read(path).cells if grade_id(cell)]
        same = sum(
            grade_id(cell) in ids or normalized_source(cell.source) in texts for cell in cells
        )
        rank = (same / len(cells) if cells else 0.0, path.parent.parent.name == language, path)
        # A cell named `imports` is in every assignment; a third of the cells is not chance.
        if rank[0] >= 1 / 3 and (best is None or rank[:2] > best[:2]):
            best = rank
    if best is None:
        named = [path for path in _releases(course) if name_rank(name, path.stem)]
        named.sort(key=lambda path: path.parent.parent.name != language)
        return named[0] if named else None
    return best[2]


def _releases(course: Course) -> list[Path]:
    return [
        path
        for folder in course.language_folders("release")
        for path in sorted(folder.glob("*/*.ipynb"))
    ]


def _course_cells(course: Course, known: Path) -> CourseCells:
    """Return what recognizes an assignment's cells, in every language, as when it is graded."""
    paths = [path for path in _releases(course) if path.name == known.name]
    notebooks = [notebook_io.read(path) for path in paths]
    return course_cells(notebooks, notebooks, map(notebook_io.language_of, notebooks))


def _checksum(cell: NotebookNode) -> str | None:
    """Return nbgrader's checksum; None where the metadata it needs is damaged."""
    from nbgrader.utils import compute_checksum

    try:
        return str(compute_checksum(cell))
    except (AttributeError, KeyError, TypeError, ValueError):
        return None


def _against_release(own: NotebookNode, released: NotebookNode) -> tuple[list[str], list[str]]:
    """Return the test and read-only cells that were changed, and those that are missing."""
    changed, missing = [], []
    for cell in released.cells:
        name = grade_id(cell)
        if name is None or is_solution(cell):
            continue
        found = [one for one in own.cells if grade_id(one) == name]
        if found:
            if any(_checksum(_with_given_text(one, cell)) != _checksum(cell) for one in found):
                changed.append(name)
        # An editor that drops metadata leaves the id or at least the text.
        elif not any(one.id == cell.id or _same_text(one, cell) for one in own.cells):
            missing.append(name)
    return changed, missing


def _with_given_text(own: NotebookNode, given: NotebookNode) -> NotebookNode:
    """Return a cell as given where only line ends and the like differ."""
    if not _same_text(own, given):
        return own
    result = notebook_io.copied(own)
    result.source = given.source
    return result


def _changed_by_own_checksums(own: NotebookNode) -> list[str]:
    """Return the cells that don't match the checksum they carry, without a release."""
    return [
        grade_id(cell) or cell.id
        for cell in own.cells
        if "checksum" in grader_metadata(cell)
        and not is_solution(cell)
        and grader_metadata(cell)["checksum"] != _checksum(cell)
    ]


def _titles(notebook: NotebookNode) -> dict[str, str]:
    """Return the title of the question that each cell belongs to, by the cell's name.

    An answer cell belongs to the question whose test or written answer comes next.
    """
    titles = question_titles(notebook)
    found: dict[str, str] = {}
    waiting: list[str] = []
    for cell in notebook.cells:
        name = grade_id(cell) or cell.id
        if name in titles:
            found |= dict.fromkeys([*waiting, name], titles[name])
            waiting = []
        elif cell.cell_type == "code":
            waiting.append(name)
    return found


def _executed(
    course: Course,
    notebook: NotebookNode,
    folder: Path,
    off_limits: tuple[str, ...],
    values: Path,
) -> NotebookNode:
    """Run the notebook in a kernel of this Python, each cell under the time limit.

    Args:
        course: the course.
        notebook: the notebook.
        folder: where it runs.
        off_limits: modules that its code can't import.
        values: the release's file of students' own values, should the folder have none.
    """
    from nbconvert.exporters.exporter import ResourcesDict
    from nbgrader.utils import setenv

    from autograder.student.kernel_runner import ExecuteSubmission

    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    # Whatever kernel an editor wrote in there, the course's runs it.
    notebook.metadata["kernelspec"] = {
        "name": "python3",
        "language": "python",
        "display_name": "Python 3 (ipykernel)",
    }
    step = ExecuteSubmission(
        config=course.nbgrader_config(), kernel_name="python3", off_limits=off_limits
    )
    step.log.setLevel("CRITICAL")
    validating = {"NBGRADER_VALIDATING": "1", "NBGRADER_EXECUTION": "validate"}
    with setenv(**validating, **{ELSEWHERE: str(values)}):
        resources = ResourcesDict(metadata={"path": str(folder)})
        return step.preprocess(notebook, resources)[0]


def _error_message(cell: NotebookNode, seconds: int) -> tuple[str, str]:
    """Return the name of a cell's error and what to say of it; two empty texts if there is none."""
    from autograder.student import kernel_runner

    errors = [out for out in cell.get("outputs", []) if out.output_type == "error"]
    if not errors:
        return "", ""
    name, value = errors[-1].ename, _ANSI.sub("", str(errors[-1].evalue))
    if name == kernel_runner.TIMED_OUT:
        text = _(
            "It ran into the time limit of {seconds} seconds. If other programs keep the machine "
            "busy, close them and try again."
        )
        return name, text.format(seconds=seconds)
    if name == kernel_runner.NOT_RUN:
        return name, _("It was not run, because an earlier cell stopped everything.")
    if name == kernel_runner.DIED:
        return name, _("It ended the Python process.")
    line = " ".join(f"{name}: {value}".split())
    return name, line if len(line) <= _LONGEST_MESSAGE else line[: _LONGEST_MESSAGE - 1] + "…"


def _stopped(cell: NotebookNode, seconds: int) -> CellError | None:
    """Return how a cell that tests nothing stopped with an error; None if it didn't."""
    if cell.cell_type != "code" or is_test(cell):
        return None
    message = _error_message(cell, seconds)[1]
    if not message:
        return None
    undefined = _UNDEFINED.fullmatch(message)
    if undefined and undefined[1] in _assigned_names(cell.source):
        hint = _('If {name} is meant as text, put it in quotes: "{name}".')
        message = f"{message}. {hint.format(name=undefined[1])}"
    return CellError(grade_id(cell) or cell.id, message)


def _assigned_names(source: str) -> set[str]:
    """Return the names that stand alone as the value of an assignment, as in `q1 = A`."""
    try:
        tree = parsed(source)
    except (SyntaxError, ValueError):
        return set()
    return {
        node.value.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Name)
    }


def _cause(message: str, earlier: Iterable[tuple[NotebookNode, CellError]]) -> str:
    """Return what to say where a test lacks a name that an earlier cell stopped before setting.

    Args:
        message: of the test's cell or of one of its checks.
        earlier: the cells before it that stopped with an error, and how.

    Returns:
        That cell and its error; the message as it is where no such cell explains it.
    """
    undefined = _UNDEFINED.match(message)
    if undefined is None:
        return message
    word = re.compile(rf"\b{undefined[1]}\b")
    for cell, stopped in earlier:
        if word.search(cell.source) and not stopped.message.startswith(undefined[0]):
            return _("The cell {cell} stopped with an error: {message}").format(
                cell=stopped.cell, message=stopped.message
            )
    return message


def _record(cell: NotebookNode) -> list[dict[str, Any]]:
    """Return the checks that `report` left in a cell's outputs."""
    for output in reversed(cell.outputs):
        record = record_in(output.get("data"))
        if record is not None:
            checks: list[dict[str, Any]] = record["checks"]
            return checks
    return []


def _cell_results(
    executed: NotebookNode, released: NotebookNode | None, seconds: int
) -> list[CellResult]:
    results = []
    earlier: list[tuple[NotebookNode, CellError]] = []
    for cell in executed.cells:
        if (stopped := _stopped(cell, seconds)) is not None:
            earlier.append((cell, stopped))
        name = grade_id(cell)
        if name is None or not grader_metadata(cell).get("grade"):
            continue
        if is_solution(cell):
            state = UNANSWERED if _is_untouched(cell, released) else WRITTEN
            results.append(CellResult(name, state))
        elif cell.cell_type == "code":
            results.append(_test_result(name, cell, seconds, earlier))
    return results


def _test_result(
    name: str, cell: NotebookNode, seconds: int, earlier: list[tuple[NotebookNode, CellError]]
) -> CellResult:
    from autograder.student import kernel_runner

    checks = _record(cell)
    error, message = _error_message(cell, seconds)
    shown = tuple(
        CheckResult(
            _(str(one.get("name", ""))),
            one.get("passed") is True,
            _cause(str(one.get("message", "")), earlier),
        )
        for one in checks
    )
    if error == kernel_runner.NOT_RUN:
        state = NOT_RUN
    elif error:
        state = FAILED
    else:
        # `report` raises for everything but what isn't answered yet.
        state = PASSED if all(check.passed for check in shown) else UNANSWERED
    return CellResult(
        name,
        state,
        form_only=bool(checks) and all(one.get("weight") == 0 for one in checks),
        checks=shown,
        message="" if error == "CheckFailed" and shown else _cause(message, earlier),
    )


def _is_untouched(cell: NotebookNode, released: NotebookNode | None) -> bool:
    """Return whether an answer cell is as it was released."""
    if released is None:
        return bool(grader_metadata(cell).get("checksum", "") == _checksum(cell))
    return any(grade_id(one) == grade_id(cell) and _same_text(one, cell) for one in released.cells)


def _same_text(one: NotebookNode, other: NotebookNode) -> bool:
    return normalized_source(one.source) == normalized_source(other.source)


def _unanswered(
    executed: NotebookNode, released: NotebookNode | None, results: tuple[CellResult, ...]
) -> list[str]:
    """Return the untouched answer cells, except those whose tests pass (answered elsewhere)."""
    states = {result.grade_id: result.state for result in results}
    found: list[str] = []
    waiting: list[str] = []
    for cell in executed.cells:
        name = grade_id(cell)
        if name and is_solution(cell):
            if _is_untouched(cell, released):
                waiting.append(name)
        elif name in states:
            if states[name] != PASSED:
                found += waiting
            waiting = []
    return found + waiting


# In words.


def _told(result: ValidationResult) -> list[str]:
    """Return the lines of `str(result)`, in the language that is set now."""
    marks = {PASSED: "✓", FAILED: "✗", UNANSWERED: "○", NOT_RUN: "–", WRITTEN: "✎"}
    lines = texts(list(result.notes))
    if result.assignment is None and result.changed:
        text = _("These test cells were changed, so their outcome says nothing: {cells}")
        lines.append(text.format(cells=", ".join(result.changed)))
    # first, because the checks that fail below may fail for this alone
    for error in result.errors:
        lines.append(
            _("The cell {cell} stopped with an error: {message}").format(
                cell=error.cell, message=error.message
            )
        )
    for cell in result.cells:
        lines.append(f"{marks[cell.state]} {cell.grade_id}: {_state(cell)}")
        lines += [f"    {line}" for line in _failures(cell)]
    if result.unanswered:
        lines.append(_("Not answered yet: {names}").format(names=", ".join(result.unanswered)))
    passed = sum(cell.state == PASSED for cell in result.cells)
    tests = sum(cell.state != WRITTEN for cell in result.cells)
    lines.append(_("Cells passed: {passed} of {total}").format(passed=passed, total=tests))
    return lines + result.told_limits()


def _failures(cell: CellResult) -> list[str]:
    """Return the lines on what went wrong in a cell."""
    lines = [cell.message] if cell.state in (FAILED, NOT_RUN) and cell.message else []
    for check in cell.checks if cell.state == FAILED else ():
        if not check.passed:
            lines.append(f"✗ {check.name}")
            if check.message:
                lines.append(f"  {check.message}")
    return lines


def _state(cell: CellResult) -> str:
    if cell.state == PASSED:
        return _("the form is fine") if cell.form_only else _("passed")
    return {
        FAILED: _("not passed"),
        UNANSWERED: _("not answered yet"),
        NOT_RUN: _("not run"),
        WRITTEN: _("written; a person will read it"),
    }[cell.state]
