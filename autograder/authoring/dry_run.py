"""Run an assignment before students do: the solution must get full marks, the stub none.

A dry run executes notebooks, which takes seconds, so its result is cached under the hash of
everything it depends on: the notebooks, the lesson library and this package.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from nbconvert.exporters.exporter import ResourcesDict
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell

from autograder.authoring.build import handout_files
from autograder.authoring.preprocessors import DropExplanations
from autograder.authoring.problem import CellProblem
from autograder.config import Course
from autograder.core.atomic_io import write_file
from autograder.core.notebook_io import cell_seconds, copied, read
from autograder.core.released_values import file_of
from autograder.core.value_declarations import Value, declared_values
from autograder.grading.result import graded_cells
from autograder.intake.rebuild import make_release, make_template
from autograder.judge.job import solution_sources
from autograder.student.kernel_runner import ExecuteSubmission
from autograder.student_values import VALUES_FILE, in_words

_SAMPLED = ("first", "second")
"""The made-up students for whom the solution is run, where values differ by student."""


def execute(
    course: Course,
    notebook: NotebookNode,
    folder: Path | None = None,
    source: NotebookNode | None = None,
    values: Mapping[str, Value] | None = None,
) -> NotebookNode:
    """Return a copy of a notebook, executed in an ordinary kernel.

    Args:
        course: the course.
        notebook: the notebook.
        folder: the assignment's folder, whose other files are put beside the notebook.
        source: the instructor's notebook, whose solutions hidden checks call as `reference`.
        values: of the student for whom it runs; the default ones when None.
    """
    notebook = copied(notebook)
    if source is not None:
        notebook.cells.insert(0, reference_cell(source))
    with tempfile.TemporaryDirectory() as working_directory:
        if folder is not None:
            for path in handout_files(folder):
                target = Path(working_directory) / path.relative_to(folder)
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, target)
        if values:
            write_file(Path(working_directory) / VALUES_FILE, file_of(values))
        resources = ResourcesDict(metadata={"path": working_directory})
        course = replace(course, cell_seconds=cell_seconds(notebook, course.cell_seconds))
        step = ExecuteSubmission(config=course.nbgrader_config())
        return step.preprocess(notebook, resources)[0]


def reference_cell(source: NotebookNode) -> NotebookNode:
    """Return a cell that binds `reference`, as the judge does for test cells."""
    sources = solution_sources(source)
    cell: NotebookNode = new_code_cell(
        f"from autograder.judge.judge import Reference\n\nreference = Reference({sources!r})",
        id="reference",
    )
    return cell


def problems(course: Course, assignment: str, notebook: str) -> list[CellProblem]:
    """Run and score the solution and the untouched release, and return what is wrong with them.

    Raises:
        UserError: a notebook can't be read.
    """
    folder = course.source(course.source_language) / assignment
    source = read(folder / f"{notebook}.ipynb")
    solved, _resources = DropExplanations().preprocess(copied(source), ResourcesDict())
    found = [
        CellProblem(
            cell.grade_id, f"doesn't give the solution full marks: {'; '.join(cell.messages)}"
        )
        for cell in graded_cells(execute(course, solved, folder, source))
        if cell.points is not None and not cell.passed
    ]
    for values in sample_values(course, assignment):
        found += [
            CellProblem(
                cell.grade_id,
                f"doesn't give the solution full marks for a student with "
                f"{in_words(values)}: {'; '.join(cell.messages)}",
            )
            for cell in graded_cells(execute(course, solved, folder, source, values))
            if cell.points is not None and not cell.passed
        ]
    stub = make_template(course, assignment, notebook, course.source_language)
    found += [
        CellProblem(cell.grade_id, f"gives an untouched notebook {cell.points:g} points")
        for cell in graded_cells(execute(course, stub, folder, source))
        if cell.points
    ]
    for code in course.languages():
        if (course.source(code) / assignment / f"{notebook}.ipynb").is_file():
            found += _run_all_problems(
                execute(course, make_release(course, assignment, notebook, code), folder), code
            )
    return found


def sample_values(course: Course, assignment: str) -> list[dict[str, Value]]:
    """Return values that students may have: each the first, each the last, and some drawn.

    None for an assignment that declares none.

    Raises:
        UserError: the declaration can't be used.
    """
    declared = declared_values(course, assignment)
    if not declared:
        return []
    ends = [
        {name: one.possible.value(0) for name, one in declared.items()},
        {name: one.possible.value(one.possible.count - 1) for name, one in declared.items()},
    ]
    drawn = [
        {name: one.draw(b"dry run", assignment, name, student) for name, one in declared.items()}
        for student in _SAMPLED
    ]
    return [*ends, *drawn]


def _run_all_problems(executed: NotebookNode, code: str) -> list[CellProblem]:
    return [
        CellProblem(cell.id, f"stops Run All on an untouched {code} release with {output.ename}")
        for cell in executed.cells
        if cell.cell_type == "code"
        for output in cell.outputs
        if output.output_type == "error"
    ]


def cached_problems(course: Course, assignment: str, notebook: str) -> list[CellProblem]:
    """Return `problems`, from the cache if nothing that it depends on has changed."""
    cached = course.root / ".cache" / "dry-runs" / f"{_key(course, assignment)}-{notebook}.json"
    if cached.is_file():
        return [CellProblem(**entry) for entry in json.loads(cached.read_text(encoding="utf-8"))]
    found = problems(course, assignment, notebook)
    content = json.dumps([vars(one) for one in found], ensure_ascii=False)
    write_file(cached, content.encode("utf-8"))
    return found


def _key(course: Course, assignment: str) -> str:
    digest = hashlib.sha256()
    folders = [course.source(code) / assignment for code in course.languages()]
    folders += [*course.package_folders(), Path(__file__).parents[1]]
    for folder in folders:
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            if "__pycache__" not in path.relative_to(folder).parts:
                digest.update(f"{path.relative_to(folder)}\0".encode())
                digest.update(path.read_bytes())
    return digest.hexdigest()[:24]
