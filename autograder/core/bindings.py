"""Find out who binds each name: the student, the read-only cells or the tests.

The source notebook decides. A test cell's name stands for the student's work only if the
solution cells bind it or a read-only cell marks it as a `@probe`;
builtins and names of read-only cells win.
"""

from __future__ import annotations

import ast
import builtins
import re
import symtable
from collections.abc import Callable, Iterator
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
    imports: dict[str, str] = field(default_factory=dict)
    """The import statement of each name that solution cells bind by one, and in no other way."""
    callable: set[str] = field(default_factory=set)
    """Bound by solution cells with def, or to a lambda: what a test may hand on as a function."""
    reads: set[str] = field(default_factory=set)
    """Used by solution cells, within their functions, too."""
    by_cell: dict[str, set[str]] = field(default_factory=dict)
    """What each solution cell binds, imports left out, by the cell's id."""

    @property
    def students(self) -> set[str]:
        """Return the names that solution cells bind."""
        return self.functions | self.classes | self.values

    @property
    def remote(self) -> set[str]:
        """Return the names that a test cell asks the student's process for."""
        return (self.students - self.read_only - BUILTINS) | self.probes

    @property
    def rebound(self) -> set[str]:
        """Return the names of read-only cells that solution cells bind as well."""
        bound = set().union(*self.by_cell.values())
        return (bound & self.read_only) - self.probes - BUILTINS


def names_in(notebook: NotebookNode) -> Names:
    """Return the names that a source notebook binds; cells that aren't plain Python bind none."""
    cells = []
    for cell in notebook.cells:
        if cell.cell_type == "code" and grader_metadata(cell):
            try:
                cells.append((cell, parsed(cell.source)))
            except (SyntaxError, ValueError):
                continue
    return names_of(cells)


_MAGIC = re.compile(
    r"^(?P<indent>[ \t]*)(?P<rest>[%!].*|[\w., \t]+=[ \t]*[%!].*|\?+\w.*|[\w.]+\?+\s*)$"
)


def parsed(source: str) -> ast.Module:
    """Return a cell's syntax tree, with IPython's magics and shell lines left out.

    Raises:
        SyntaxError: the rest isn't Python either.
    """
    try:
        return ast.parse(source)
    except (SyntaxError, ValueError):
        return ast.parse(without_magics(source))


def without_magics(source: str) -> str:
    """Return a cell's source with `pass` in place of each magic and shell line.

    A cell that belongs to a magic as a whole (`%%bash`) leaves nothing. Lines keep their numbers.
    """
    lines = source.split("\n")
    first = next((line for line in lines if line.strip()), "")
    if first.startswith("%%") and not first.startswith(("%%time", "%%capture")):
        return "\n" * (len(lines) - 1)
    return "\n".join(_MAGIC.sub(r"\g<indent>pass", line) for line in lines)


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
            imported = imports_in(tree)
            names.imports |= imported
            names.callable |= _functions_in(tree)
            names.reads |= used_in(ast.unparse(tree))
            own = bound - (imported.keys() - _bound_otherwise(tree))
            names.by_cell[str(cell.get("id", len(names.by_cell)))] = own
        elif is_test(cell):
            names.tests |= bound
        else:
            names.read_only |= bound
            for node, fresh in probes_in(tree):
                names.probes.add(node.name)
                if fresh:
                    names.fresh_probes.add(node.name)
    for name in set().union(*names.by_cell.values()):
        names.imports.pop(name, None)
    return names


def imports_in(tree: ast.Module) -> dict[str, str]:
    """Return the names that a cell's import statements bind at its top level, each with its own."""
    found = {}
    for node in _top_level(tree):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            for one in node.names:
                if one.name == "*" or getattr(node, "level", None):
                    continue
                name = (one.asname or one.name).split(".")[0]
                single = (
                    ast.Import([one])
                    if isinstance(node, ast.Import)
                    else ast.ImportFrom(node.module, [one], 0)
                )
                found[name] = ast.unparse(single)
    return found


def _functions_in(tree: ast.Module) -> set[str]:
    found = set()
    for node in _top_level(tree):
        if isinstance(node, ast.FunctionDef):
            found.add(node.name)
        elif isinstance(node, ast.Assign) and isinstance(node.value, ast.Lambda):
            found |= {one.id for one in node.targets if isinstance(one, ast.Name)}
    return found


def _bound_otherwise(tree: ast.Module) -> set[str]:
    """Return the names that a cell binds other than by an import."""
    kept = [node for node in tree.body if not isinstance(node, (ast.Import, ast.ImportFrom))]
    return bound_in(ast.Module(kept, type_ignores=[]))


def bound_in(tree: ast.Module) -> set[str]:
    """Return the names that a cell binds at its top level."""
    found = set()
    for node in _top_level(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            found.add(node.name)
        if isinstance(node, ast.Name) and isinstance(node.ctx, (ast.Store, ast.Del)):
            found.add(node.id)
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            found |= {(name.asname or name.name).split(".")[0] for name in node.names}
        if isinstance(node, ast.ExceptHandler) and node.name:
            found.add(node.name)
    return found


_OWN_SCOPE = (
    ast.FunctionDef,
    ast.AsyncFunctionDef,
    ast.ClassDef,
    ast.Lambda,
    ast.ListComp,
    ast.SetComp,
    ast.DictComp,
    ast.GeneratorExp,
)


def _top_level(tree: ast.Module) -> Iterator[ast.AST]:
    """Yield the nodes of a cell that bind names of the notebook, and no function's insides."""
    stack: list[ast.AST] = list(tree.body)
    while stack:
        node = stack.pop()
        yield node
        if not isinstance(node, _OWN_SCOPE):
            stack.extend(ast.iter_child_nodes(node))


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
    return set(_global_reads(symtable.symtable(source, "cell", "exec"), lambda _inner: True))


def used_at_top_level(source: str) -> set[str]:
    """Return the names that a piece of code reads as it runs, those in functions left out.

    Raises:
        SyntaxError: it isn't plain Python.
    """
    return set(_global_reads(symtable.symtable(source, "cell", "exec"), _runs_at_once))


def _runs_at_once(inner: symtable.SymbolTable) -> bool:
    return inner.get_type() == "class" or inner.get_name() in _COMPREHENSIONS


_COMPREHENSIONS = {"listcomp", "setcomp", "dictcomp", "genexpr"}


def _global_reads(
    table: symtable.SymbolTable, enters: Callable[[symtable.SymbolTable], bool]
) -> Iterator[str]:
    for symbol in table.get_symbols():
        if symbol.is_referenced() and (table.get_type() == "module" or symbol.is_global()):
            yield symbol.get_name()
    for inner in table.get_children():
        if enters(inner):
            yield from _global_reads(inner, enters)
