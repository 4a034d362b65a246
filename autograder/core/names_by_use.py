"""Find out which names of an ordinary nbgrader notebook stand for the student's work.

nbgrader runs all cells in one namespace, so its authors mark nothing. Here tests run apart from the
student's code, and who binds a name decides where it is looked up:

| a name that                                              | is looked up                        |
|----------------------------------------------------------|-------------------------------------|
| the solution binds, other than by an import              | in the student's process            |
| nobody binds (the solution was never written down)       | in the student's process            |
| an instructor's statement binds that reads such a name   | in the student's process            |
| other statements of the instructor's bind, or a test     | here                                |
| an import of the solution binds                          | here; the import runs on both sides |
| … and no other cell                                      | here, if the student imports it too |

An instructor's cell runs in the student's process whole. Here its statements run that need nothing
of the student; a function of it may call the student's, which becomes a request.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from autograder.core.bindings import BUILTINS, bound_in, imports_in, used_in
from autograder.core.notebook_io import is_solution, is_test
from autograder.core.plain_python import plain_python

if TYPE_CHECKING:
    from nbformat import NotebookNode

_OF_THE_NOTEBOOK = frozenset({"get_ipython", "In", "Out", "_", "__", "___", "exit", "quit"})
"""Names that IPython binds in the student's process."""
_OF_THE_JUDGE = frozenset({"reference", "display", "__name__", "__file__"})
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


@dataclass
class NamesByUse:
    """Say where the names of a notebook's tests are looked up.

    Attributes:
        remote: in the student's process.
        judged: what runs beside the tests of each cell, by the cell's id, in the notebook's order;
            nothing of the tests, which run there themselves.
        bound: those of `remote` that each cell binds where it runs in the student's process, by the
            cell's id.
        imports: names that solution cells alone bind, by an import, each with its statement.
    """

    remote: set[str] = field(default_factory=set)
    judged: dict[str, str] = field(default_factory=dict)
    bound: dict[str, set[str]] = field(default_factory=dict)
    imports: dict[str, str] = field(default_factory=dict)


def names_by_use(notebook: NotebookNode) -> NamesByUse:
    """Return where each name of a source notebook, with its solution, is looked up."""
    solutions: list[tuple[str, ast.Module]] = []
    givens: list[tuple[str, ast.Module]] = []
    tests: list[tuple[str, ast.Module]] = []
    for cell in notebook.cells:
        if cell.cell_type != "code":
            continue
        try:
            tree = ast.parse(plain_python(cell.source))
        except (SyntaxError, ValueError):
            continue  # it fails in the student's process as it would in a notebook
        kind = solutions if is_solution(cell) else tests if is_test(cell) else givens
        kind.append((cell.id, tree))
    imported = {
        name
        for _id, tree in [*solutions, *givens]
        for one in _imports(tree)
        for name in _bound(one)
    }
    found = NamesByUse()
    for _id, tree in solutions:
        found.remote |= {name for one in tree.body if not _is_import(one) for name in _bound(one)}
    found.remote -= imported
    known = {name for _id, tree in [*givens, *tests] for name in bound_in(tree)}
    used = {name for _id, tree in [*givens, *tests] for name in used_in(ast.unparse(tree))}
    nobodys = BUILTINS | imported | known | _OF_THE_NOTEBOOK | _OF_THE_JUDGE
    # Or the instructor's, by `from helpers import *`: the judge looks up what it has itself.
    found.remote |= used - nobodys
    remote = _with_derived(found.remote, [tree for _id, tree in givens])
    judged = {name: _own_statements(tree, remote) for name, tree in givens}
    judged |= {name: list(_imports(tree)) for name, tree in solutions}
    found.judged = {
        cell.id: ast.unparse(ast.Module(judged.get(cell.id, []), []))
        for cell in notebook.cells
        if cell.cell_type == "code"
    }
    found.remote = remote - _OF_THE_NOTEBOOK
    for _id, tree in solutions:
        found.imports |= imports_in(tree)
    found.imports = {
        name: statement
        for name, statement in found.imports.items()
        if name not in known | found.remote | BUILTINS
    }
    for name, tree in [*solutions, *givens, *tests]:
        if bound := bound_in(tree) & found.remote:
            found.bound[name] = bound
    return found


def _is_import(node: ast.AST) -> bool:
    return isinstance(node, (ast.Import, ast.ImportFrom))


def _imports(tree: ast.Module) -> Iterator[ast.stmt]:
    return (node for node in tree.body if _is_import(node))


def _bound(node: ast.stmt) -> set[str]:
    return bound_in(ast.Module([node], [])) - {"*"}


def _with_derived(remote: set[str], cells: list[ast.Module]) -> set[str]:
    """Return the remote names with those that instructors' statements make from them."""
    found = remote | _OF_THE_NOTEBOOK
    modules = {name for tree in cells for node in tree.body for name in _modules(node)}
    while True:
        before = len(found)
        asking = _asking_functions(cells, found)
        for tree in cells:
            for node in tree.body:
                if not _is_own(node, found, asking):
                    found |= _bound(node) | _changed(node, modules)
        if len(found) == before:
            return found


def _own_statements(tree: ast.Module, remote: set[str]) -> list[ast.stmt]:
    """Return the statements of an instructor's cell that need nothing of the student."""
    asking = _asking_functions([tree], remote)
    return [node for node in tree.body if _is_own(node, remote, asking)]


def _is_own(node: ast.stmt, remote: set[str], asking: set[str]) -> bool:
    if isinstance(node, _FUNCTIONS) and node.name in remote:
        return False
    if _is_import(node):
        return True
    return not (_read_now(node) & (remote | asking) or _bound(node) & remote)


def _asking_functions(cells: list[ast.Module], remote: set[str]) -> set[str]:
    """Return the instructor's functions that call the student's, directly or by another."""
    found: set[str] = set()
    while True:
        before = len(found)
        for tree in cells:
            for node in tree.body:
                if isinstance(node, _FUNCTIONS) and used_in(ast.unparse(node)) & (remote | found):
                    found.add(node.name)
        if len(found) == before:
            return found


def _read_now(node: ast.AST) -> set[str]:
    """Return the names that a statement reads when it runs: not those in a function's body."""
    found: set[str] = set()
    stack = [node]
    while stack:
        one = stack.pop()
        if isinstance(one, _FUNCTIONS):
            stack += [*one.decorator_list, *one.args.defaults, *filter(None, one.args.kw_defaults)]
            continue
        if isinstance(one, ast.Lambda):
            stack += [*one.args.defaults, *filter(None, one.args.kw_defaults)]
            continue
        if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Load):
            found.add(one.id)
        stack.extend(ast.iter_child_nodes(one))
    return found


def _modules(node: ast.stmt) -> set[str]:
    """Return the names that a statement binds to modules."""
    if isinstance(node, ast.ImportFrom) and node.module == "matplotlib":
        return {one.asname or one.name for one in node.names}
    return _bound(node) if isinstance(node, ast.Import) else set()


def _changed(node: ast.stmt, modules: set[str]) -> set[str]:
    """Return the names whose object a statement may change: by assigning to a part, or a method.

    A function of a module, such as `np.save`, changes no module.
    """
    found: set[str] = set()
    for one in ast.walk(node):
        if isinstance(one, (ast.Attribute, ast.Subscript)) and not isinstance(one.ctx, ast.Load):
            found |= _root(one)
        elif isinstance(one, ast.Expr) and isinstance(one.value, ast.Call):
            function = one.value.func
            found |= _root(function) - modules if isinstance(function, ast.Attribute) else set()
    return found - BUILTINS


def _root(node: ast.expr) -> set[str]:
    while isinstance(node, (ast.Attribute, ast.Subscript, ast.Call)):
        node = node.func if isinstance(node, ast.Call) else node.value
    return {node.id} if isinstance(node, ast.Name) else set()


_RUN_TEXT = frozenset({"eval", "exec", "compile", "sympify", "parse_expr", "unsafe_load"})
_UNPICKLE = frozenset({"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"})


def runs_text(tree: ast.AST) -> bool:
    """Return whether a test may run a text or a pickle as code, which could be the student's."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import) and any(
            one.name.split(".")[0] in _UNPICKLE for one in node.names
        ):
            return True
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in _UNPICKLE:
            return True
        if isinstance(node, ast.Name) and node.id in _RUN_TEXT | _UNPICKLE:
            return True
        if isinstance(node, ast.Call) and node.args and isinstance(node.func, ast.Attribute):
            name = node.func.attr
            if name in _RUN_TEXT - {"compile"} or name == "read_pickle":
                return True  # a model's `eval()` has no arguments, and `re.compile` is another
    return False


def arguments_looked_at(tree: ast.Module, remote: set[str]) -> set[str]:
    """Return the names of lists, arrays and the like that a test gives away and then looks at.

    A call by value leaves them as they were, whatever the student's function does.

    Args:
        tree: of the test.
        remote: the student's names.
    """
    kept = {
        target.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and isinstance(node.value, _MAY_CHANGE)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    given: dict[str, int] = {}
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id in remote
        ):
            for one in [*node.args, *(word.value for word in node.keywords)]:
                if isinstance(one, ast.Name) and one.id in kept:
                    given[one.id] = min(given.get(one.id, node.lineno), node.lineno)
    return {name for name, line in _judged_names(tree) if name in given and line >= given[name]}


_MAY_CHANGE = (
    *(ast.List, ast.Dict, ast.Set, ast.ListComp, ast.DictComp, ast.SetComp),
    *(ast.Call, ast.BinOp),
)


def _judged_names(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """Yield the names whose value itself an assertion compares, each with its line."""
    for node in ast.walk(tree):
        compared: list[ast.expr] = []
        if isinstance(node, ast.Assert):
            for one in ast.walk(node.test):
                if isinstance(one, ast.Compare):
                    compared += [one.left, *one.comparators]
        elif isinstance(node, ast.Call) and _name_of(node.func).startswith("assert"):
            compared += node.args
        for one in compared:
            if isinstance(one, ast.Name):
                yield one.id, one.lineno


def _name_of(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")
