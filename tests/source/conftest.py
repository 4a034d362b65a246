"""Running assignments in one process, cell by cell, as fast as the code in them."""

from __future__ import annotations

import copy
import shutil
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import nbformat
import pytest
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output
from nbclient import NotebookClient
from nbformat import NotebookNode
from nbgrader.preprocessors import ClearHiddenTests, ClearSolutions
from traitlets.config import Config

from autograder.checks import MIME_TYPE, score
from beyond import locale

SOURCE = Path(__file__).resolve().parents[2] / "source"
STUB = Config({"ClearSolutions": {"code_stub": {"python": "# YOUR CODE HERE"}}})


@dataclass
class Ran:
    """What one code cell did."""

    record: dict | None  # what report() left
    error: str | None  # the name of the exception that stopped the cell
    text: str  # everything it showed, the error included
    stderr: str
    points: float | None  # what a test cell earned

    @property
    def failed(self) -> set[str]:
        """The names of the checks that failed."""
        return {one["name"] for one in self.record["checks"] if not one["passed"]}


def source_notebook(name: str, language: str = "en") -> NotebookNode:
    """The instructor's version of an assignment."""
    return nbformat.read(SOURCE / language / name / f"{name}.ipynb", as_version=4)


def grader(cell: NotebookNode) -> dict:
    """A cell's nbgrader metadata, or an empty dict."""
    return cell.metadata.get("nbgrader", {})


def solutions(notebook: NotebookNode) -> dict[str, str]:
    """The source of each solution cell, by id."""
    return {cell.id: cell.source for cell in notebook.cells if grader(cell).get("solution")}


def tests(notebook: NotebookNode) -> dict[str, NotebookNode]:
    """Each test cell, by id."""
    return {cell.id: cell for cell in notebook.cells if grader(cell).get("grade")}


def without_solutions(notebook: NotebookNode) -> NotebookNode:
    """What is graded when nobody has answered: stubs, with the hidden tests."""
    return ClearSolutions(config=STUB).preprocess(copy.deepcopy(notebook), {})[0]


def released(notebook: NotebookNode) -> NotebookNode:
    """What a student gets."""
    result, _resources = ClearHiddenTests().preprocess(without_solutions(notebook), {})
    result.cells = [
        cell for cell in result.cells if "reveal" not in cell.metadata.get("beyond", {})
    ]
    return result


def answered(notebook: NotebookNode, answers: dict[str, str]) -> NotebookNode:
    """A copy with other sources in some cells."""
    result = copy.deepcopy(notebook)
    known = {cell.id: cell for cell in result.cells}
    for cell_id, source in answers.items():
        known[cell_id].source = source
    return result


def total(ran: dict[str, Ran]) -> float:
    """All points earned."""
    return sum(cell.points for cell in ran.values() if cell.points is not None)


def run_in_kernel(notebook: NotebookNode) -> dict[str, Ran]:
    """Every code cell run in a real kernel, errors allowed."""
    ran = copy.deepcopy(notebook)
    NotebookClient(ran, kernel_name="python3", allow_errors=True, timeout=60).execute()
    results = {}
    for cell in ran.cells:
        if cell.cell_type != "code":
            continue
        outputs = cell.outputs
        data = [one.data for one in outputs if "data" in one]
        errors = [one for one in outputs if one.output_type == "error"]
        stderr = "".join(one.text for one in outputs if one.get("name") == "stderr")
        results[cell.id] = _result(
            cell, data, errors[0].ename if errors else None, str(outputs), stderr
        )
    return results


def _result(cell: NotebookNode, data: list, error: str | None, text: str, stderr: str) -> Ran:
    records = [one[MIME_TYPE] for one in data if MIME_TYPE in one]
    record = records[0] if len(records) == 1 else None
    points = None
    if grader(cell).get("grade"):
        points = score(record, grader(cell)["points"])
    return Ran(record, error, text, stderr, points)


@pytest.fixture(scope="session")
def shell():
    """One IPython shell for every run, without a history file."""
    config = Config({"HistoryManager": {"enabled": False}})
    yield InteractiveShell.instance(config=config)
    InteractiveShell.clear_instance()


@pytest.fixture(autouse=True)
def beside_own_values(request, monkeypatch, tmp_path):
    """Run what a module tests beside the values that its assignment gives, where it gives any."""
    name = request.path.stem.removeprefix("test_").replace("_", "-")
    values = SOURCE / "en" / name / "own-values.json"
    if values.is_file():
        shutil.copyfile(values, tmp_path / values.name)
        monkeypatch.chdir(tmp_path)


@pytest.fixture
def run(shell):
    """A function that runs every code cell of a notebook in a fresh namespace."""

    own = set(shell.user_ns)

    def forget():
        # shell.reset() would collect garbage each time, which takes longer than the cells.
        for name in set(shell.user_ns) - own:
            del shell.user_ns[name]

    def run(notebook: NotebookNode) -> dict[str, Ran]:
        forget()
        results = {}
        for cell in notebook.cells:
            if cell.cell_type != "code":
                continue
            with capture_output() as shown:
                outcome = shell.run_cell(cell.source, store_history=True)
            error = outcome.error_before_exec or outcome.error_in_exec
            data = [one.data for one in shown.outputs]
            text = shown.stdout + shown.stderr + str(data)
            name = type(error).__name__ if error else None
            results[cell.id] = _result(cell, data, name, text, shown.stderr)
        return results

    yield run
    forget()
    locale.set_language("en")


@pytest.fixture(scope="session")
def assignments() -> SimpleNamespace:
    """The functions above, for the tests of this folder."""
    return SimpleNamespace(
        answered=answered,
        grader=grader,
        source_notebook=source_notebook,
        released=released,
        run_in_kernel=run_in_kernel,
        solutions=solutions,
        tests=tests,
        total=total,
        without_solutions=without_solutions,
    )
