"""Check how an assignment declares and uses the values that differ from student to student."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator

from nbformat import NotebookNode

from autograder.authoring.problem import CellProblem
from autograder.config import Course
from autograder.core import notebook_io
from autograder.core.atomic_io import read_file
from autograder.core.bindings import parsed
from autograder.core.notebook_io import grader_metadata, is_solution, is_test
from autograder.core.value_declarations import declaration_file, problems_in
from autograder.student_values import DECLARED, own_values

_FUNCTION = own_values.__name__


def declaration_problems(course: Course, assignment: str) -> tuple[set[str], list[str]]:
    """Return the names that an assignment declares, and what is wrong with its declaration."""
    path = declaration_file(course, assignment)
    if not path.is_file():
        return set(), []
    try:
        content = json.loads(read_file(path).decode("utf-8"))
    except ValueError:
        return set(), ["isn't JSON"]
    if found := list(problems_in(content)):
        return set(), found
    names = set(content[DECLARED])
    notebooks = [notebook_io.read(one) for one in sorted(path.parent.glob("*.ipynb"))]
    trees = [tree for notebook in notebooks for _cell, tree in _code(notebook)]
    if not any(_calls(tree) for tree in trees):
        return names, [f"declares values, but no read-only cell calls {_FUNCTION}()"]
    texts = {
        node.value
        for tree in trees
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    unused = sorted(names - texts)
    return names, [f"declares {name}, which no cell uses" for name in unused]


def notebook_problems(notebook: NotebookNode, declared: set[str]) -> Iterator[CellProblem]:
    """Yield the cells of a source notebook that use values wrongly.

    Args:
        notebook: the source notebook.
        declared: the names that its assignment declares.
    """
    bound: set[str] = set()
    for cell, tree in _code(notebook):
        if _calls(tree):
            if not declared:
                yield CellProblem(cell.id, f"calls {_FUNCTION}(), but no values are declared")
            elif is_solution(cell) or is_test(cell) or not grader_metadata(cell):
                yield CellProblem(
                    cell.id, f"calls {_FUNCTION}(), which only a read-only cell may do"
                )
        for node in ast.walk(tree):
            if isinstance(node, ast.Assign) and _is_call(node.value):
                bound |= {one.id for one in node.targets if isinstance(one, ast.Name)}
            name = _subscript(node, bound)
            if declared and name is not None and name not in declared:
                yield CellProblem(cell.id, f"uses the value {name!r}, which isn't declared")


def _code(notebook: NotebookNode) -> Iterator[tuple[NotebookNode, ast.Module]]:
    for cell in notebook.cells:
        if cell.cell_type == "code":
            try:
                yield cell, parsed(cell.source)
            except (SyntaxError, ValueError):  # told elsewhere
                continue


def _calls(tree: ast.Module) -> bool:
    return any(_is_call(node) for node in ast.walk(tree))


def _is_call(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == _FUNCTION
    )


def _subscript(node: ast.AST, bound: set[str]) -> str | None:
    """Return the text in `name["text"]` where the name is one of those bound to values."""
    if (
        isinstance(node, ast.Subscript)
        and isinstance(node.value, ast.Name)
        and node.value.id in bound
        and isinstance(node.slice, ast.Constant)
        and isinstance(node.slice.value, str)
    ):
        return node.slice.value
    return None
