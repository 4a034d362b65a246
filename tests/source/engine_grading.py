"""Grading an assignment's release with the engine itself, one zygote for all submissions."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from nbformat import NotebookNode

from autograder.checks import MIME_TYPE
from autograder.config import Course
from autograder.core import notebook_io
from autograder.grading.result import graded_cells
from autograder.intake.rebuild import make_release, make_template, rebuild, trusted_submission
from autograder.sandbox.bubblewrap import find_bwrap
from autograder.sandbox.errors import SandboxUnavailable
from tests.one_job import Executed, execute


def grading(
    name: str, source_notebook: NotebookNode, cell_seconds: float = 30.0
) -> Callable[..., Executed]:
    """Return a function that grades the release with some answers, in English or Korean.

    Where this machine has no sandbox, the requesting test is skipped.
    """
    try:
        find_bwrap()
    except SandboxUnavailable as fault:
        pytest.skip(str(fault))
    parts = [Course.here(), name, name]
    sides = {
        code: (make_template(*parts, code), make_release(*parts, code)) for code in ("en", "ko")
    }

    def grade(
        answers: dict[str, str], language: str = "en", files: dict[str, bytes] | None = None
    ) -> Executed:
        base, given = sides[language]
        work = notebook_io.copied(given)
        for cell in work.cells:
            cell.source = answers.get(cell.id, cell.source)
        rebuilt, _notes = rebuild(base, given, trusted_submission(base, given, work))
        return execute(
            rebuilt, source_notebook, assignment=name, files=files or {}, cell_seconds=cell_seconds
        )

    return grade


def records(outcome: Executed) -> dict[str, list[dict]]:
    """What each test cell's report says, by answer cell."""
    found = {}
    for cell in outcome.notebook.cells:
        if notebook_io.is_test(cell) and cell.cell_type == "code":
            [record] = [
                output.data[MIME_TYPE]
                for output in cell.outputs
                if output.output_type == "display_data"
            ]
            found[cell.id.removesuffix("-test")] = record["checks"]
    return found


def points(outcome: Executed) -> float:
    """What was earned in all; a written answer waits, and counts nothing yet."""
    return sum(one.points or 0.0 for one in graded_cells(outcome.notebook))
