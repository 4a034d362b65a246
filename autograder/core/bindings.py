"""Find out who binds each name: the student, the read-only cells or the tests.

The source notebook decides. A test cell's name stands for the student's work only if the
solution cells bind it or a read-only cell marks it as a `@probe`;
builtins and names of read-only cells win.
"""

from __future__ import annotations

import ast
import builtins
import symtable
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from autograder.core.notebook_io import grader_metadata, is_solution, is_test

if TYPE_CHECKING:
    from nbformat import NotebookNode

BUILTINS = frozenset(dir(builtins))


@dataclass
class Names:
    """The names bound at the top level of an instructor's notebook, by who binds them."""

    functions: set[str] = field(default_factory=set)
    """Bound by solution cells with def."""
    classes: set[str] = field(default_factory=set)
    """Bound by solution cells with class."""
    values: set[str] = field(default_factory=set)
    """Bound by solution cells in any other way."""
    read_only: set[str] = field(default_factory=set)
    """Bound by read-only cells."""
    probes: set[str] = field(default_factory=set)
    """Functions of read-only cells that are marked `@probe`."""
    fresh_probes: set[str] = field(default_factory=set)
    """Those of them that are marked `@probe(fresh=True)`."""
    tests: set[str] = field(default_factory=set)
    """Bound by test cells."""
    maybe: set[str] = field(default_factory=set)
    """Names of `remote` that are the instructor's, where the judge turns out to have them."""

    @property
    def students(self) -> set[str]:
        """Return the names that solution cells bind."""
        return self.functions | self.classes | self.values

    @property
    def remote(self) -> set[str]:
        """Return the names that a test cell asks the student's process for."""
        return (self.students - self.read_only - BUILTINS) | self.probes


def names_in(notebook: NotebookNode) -> Names:
    """Return the names that a source notebook binds; cells that aren't plain Python bind none."""
    cells = []
    for cell in notebook.cells:
        if cell.cell_type == "code" and grader_metadata(cell):
            try:
                cells.append((cell, ast.parse(cell.source)))
            except SyntaxError:
                continue
    return names_of(cells)


def names_of(cells: list[tuple[NotebookNode, ast.Module]]) -> Names:
    """Return the names that cells bind.

    Args:
        cells: nbgrader's cells, each with its syntax tree.
    """
    names = Names()
    for cell, tree in cells:
        bound = bound_in(tree)
        if is_solution(cell):
            for node in tree.body:
                if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                    names.functions.add(node.name)
                elif isinstance(node, ast.ClassDef):
                    names.classes.add(node.name)
            names.values |= bound - names.functions - names.classes
        elif is_test(cell):
            names.tests |= bound
        else:
            names.read_only |= bound
            for node, fresh in probes_in(tree):
                names.probes.add(node.name)
                if fresh:
                    names.fresh_probes.add(node.name)
    return names


def bound_in(tree: ast.Module) -> set[str]:
    """Return the names that a cell binds at its top level."""
    found = set()
    stack: list[ast.AST] = list(tree.body)
    while stack:
        node = stack.pop()
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            found.add(node.name)
            continue
        if isinstance(
            node, (ast.Lambda, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
        ):
            continue
        if isinstance(node, ast.Name) and isinstance(node.ctx, (ast.Store, ast.Del)):
            found.add(node.id)
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            found |= {(name.asname or name.name).split(".")[0] for name in node.names}
        if isinstance(node, ast.ExceptHandler) and node.name:
            found.add(node.name)
        stack.extend(ast.iter_child_nodes(node))
    return found


def probes_in(tree: ast.Module) -> Iterator[tuple[ast.FunctionDef, bool]]:
    """Yield the functions that a cell marks `@probe`, each with whether it has `fresh=True`."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            for mark in node.decorator_list:
                called = mark.func if isinstance(mark, ast.Call) else mark
                if isinstance(called, ast.Name) and called.id == "probe":
                    fresh = isinstance(mark, ast.Call) and any(
                        word.arg == "fresh" and getattr(word.value, "value", False) is True
                        for word in mark.keywords
                    )
                    yield node, fresh


def used_in(source: str) -> set[str]:
    """Return the notebook's names that a piece of code reads, not its own locals.

    Raises:
        SyntaxError: it isn't plain Python.
    """

    def walk(table: symtable.SymbolTable) -> Iterator[str]:
        for symbol in table.get_symbols():
            if symbol.is_referenced() and (table.get_type() == "module" or symbol.is_global()):
                yield symbol.get_name()
        for child in table.get_children():
            yield from walk(child)

    return set(walk(symtable.symtable(source, "cell", "exec")))
