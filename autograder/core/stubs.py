"""Put stubs in place of solutions, so that what is left is still Python."""

from __future__ import annotations

import ast

from nbconvert.exporters.exporter import ResourcesDict
from nbformat import NotebookNode
from nbgrader.preprocessors import ClearSolutions

from autograder.core.plain_python import plain_python


class LeaveStubs(ClearSolutions):
    """Do what nbgrader's step does, and fill the blocks in which only a comment is left.

    A function without a docstring, such as `__init__`, would otherwise be a syntax error in what
    students get.
    """

    def preprocess_cell(
        self, cell: NotebookNode, resources: ResourcesDict, cell_index: int
    ) -> tuple[NotebookNode, ResourcesDict]:
        """Replace the solution of a cell, in place."""
        before = cell.source
        cell, resources = super().preprocess_cell(cell, resources, cell_index)
        if cell.cell_type == "code" and cell.source != before:
            last = self.code_stub.get(resources["language"], "").split("\n")[-1]
            cell.source = with_blocks_filled(cell.source, last)
        return cell, resources


def with_blocks_filled(source: str, stub: str) -> str:
    """Return code with `pass` after each stub without which its block would be empty.

    Args:
        source: a cell's code, magics included; returned as it is if anything else is wrong with it.
        stub: the last line that was put in place of a solution, without its indentation.
    """
    if _is_python(source):
        return source
    lines = source.split("\n")
    filled = {number for number, line in enumerate(lines) if line.strip() == stub.strip()}
    if not _is_python(_filled(lines, filled)):
        return source
    for number in sorted(filled):
        if _is_python(_filled(lines, filled - {number})):
            filled.remove(number)
    return _filled(lines, filled)


def _filled(lines: list[str], after: set[int]) -> str:
    found = []
    for number, line in enumerate(lines):
        found.append(line)
        if number in after:
            found.append(line[: len(line) - len(line.lstrip())] + "pass")
    return "\n".join(found)


def _is_python(source: str) -> bool:
    try:
        ast.parse(plain_python(source))
    except (SyntaxError, ValueError):
        return False
    return True
