"""The trusted side of one submission: given cells and tests, and the door to the student's work.

Runs in a process of its own (a fork), where no student code ever runs. A test cell is the
instructor's code, as in a notebook, with one change made to its syntax tree: where it names the
student's work, it asks through the door.
"""

from __future__ import annotations

import ast
import contextlib
import io
import types
from collections.abc import Iterable
from typing import Any

from beyond import checks
from nbformat import NotebookNode
from nbformat.v4 import new_output

from autograder.engine.door import ChildGone, Door
from autograder.hidden import hidden_lines
from autograder.names import Names

_VALUE, _CALL, _HIDDEN = "__student_value__", "__student_call__", "__hidden_part__"


class Judge:
    """Runs the instructor's cells of one submission, in order, in one namespace.

    Args:
        door: to the student's process.
        names: who binds which name, from the instructor's notebook.
        solution: sources of the instructor's given and solution cells, for `reference`.
        fresh: to a process where no student code has run, for `@probe(fresh=True)`.
        files: the names of the files that students make or hand in. A fresh probe finds them as
            they stood when the test cell first asked one, or first asked one again after it had
            called the student's code, which may have written them anew.

    Attributes:
        told: whether a hidden part of a test has called the student's code, which so has seen
            what it passed.
    """

    def __init__(
        self,
        door: Door,
        names: Names,
        solution: list[str],
        fresh: Door | None = None,
        files: Iterable[str] = (),
    ) -> None:
        self._names = names
        self._door = door
        self._fresh = fresh
        self._files = tuple(files)
        self._carried: dict[str, bytes | None] | None = None
        module = types.ModuleType("__main__")
        self._namespace = module.__dict__
        self._namespace["reference"] = Reference(solution)
        self._namespace[_VALUE] = door.value
        self._namespace[_CALL] = self._call
        self._namespace[_HIDDEN] = self._begin_hidden_part
        self._in_hidden_part = False
        self.told = False

    def _call(self, name: str, /, *args: Any, **kwargs: Any) -> Any:
        if self._fresh is not None and name in self._names.fresh_probes:
            return self._call_fresh(self._fresh, name, list(args), kwargs)
        self.told |= self._in_hidden_part
        self._carried = None
        return self._door.call(name, list(args), kwargs)

    def _call_fresh(self, fresh: Door, name: str, args: list[Any], kwargs: dict[str, Any]) -> Any:
        # One copy for all that is asked meanwhile: asked again, the student's process could hand
        # over other bytes, and the size of one file would go with the answers of another.
        if self._carried is None:
            self._carried = {file: self._door.file(file) for file in self._files}
        try:
            for file, content in self._carried.items():
                fresh.put(file, content)
            return fresh.call(name, args, kwargs)
        except ChildGone as end:
            # The file's doing, not that of the student's process, which goes on.
            raise RuntimeError(f"reading the file ended a process of its own ({end})") from None

    def _begin_hidden_part(self) -> None:
        self._in_hidden_part = True

    def define(self, cell: NotebookNode) -> None:
        """Run a given cell here, and where fresh probes run: imports, data and helpers."""
        exec(compile(cell.source, cell.id, "exec"), self._namespace)
        if self._fresh is not None and not self._fresh.gone:
            self._fresh.define(cell.source)

    def test(self, cell: NotebookNode) -> list[NotebookNode]:
        """Run a test cell; returns the outputs it would have in a notebook.

        Raises:
            ChildGone: the student's process ended meanwhile, so the cell has no outcome.
        """
        tree = _StudentWork(self._names.remote).visit(ast.parse(cell.source, filename=cell.id))
        _mark_hidden_part(tree, hidden_lines(cell.source))
        self._in_hidden_part = False
        self._carried = None
        code = compile(ast.fix_missing_locations(tree), cell.id, "exec")
        outputs: list[NotebookNode] = []

        def keep(bundle: dict[str, Any]) -> None:
            outputs.append(new_output("display_data", data=bundle))

        said = io.StringIO()
        with (
            checks.listening(keep),
            contextlib.redirect_stderr(said),
            contextlib.redirect_stdout(io.StringIO()),
        ):
            try:
                exec(code, self._namespace)
            except ChildGone:
                raise
            except BaseException as error:  # a test may also call exit(); nothing may stop grading
                outputs.append(error_output(type(error).__name__, str(error)))
        if self._door.gone:
            # A check swallows exceptions, so look again: an outcome without a child is none.
            raise ChildGone(self._door.gone)
        if said.getvalue():  # report's "Not answered yet: …"
            outputs.append(new_output("stream", name="stderr", text=said.getvalue()))
        return outputs


def error_output(name: str, message: str) -> NotebookNode:
    """An error output without a traceback, which would quote the test's lines."""
    return new_output("error", ename=name, evalue=message, traceback=[f"{name}: {message}"])


def _mark_hidden_part(tree: ast.Module, hidden: set[int]) -> None:
    """Put a call before the first statement that a release leaves out, or a part of."""
    for place, statement in enumerate(tree.body):
        if hidden & set(range(statement.lineno, (statement.end_lineno or statement.lineno) + 1)):
            mark = ast.Expr(ast.Call(ast.Name(_HIDDEN, ast.Load()), [], []))
            tree.body.insert(place, ast.copy_location(mark, statement))
            return


class _StudentWork(ast.NodeTransformer):
    """Turn the student's names into requests: `f(1)` into a call, `q1` into a value.

    Names that a function or comprehension of the test binds for itself are left alone.
    """

    def __init__(self, names: set[str]) -> None:
        self._names = names
        self._bound: list[set[str]] = []

    def _is_student(self, name: str) -> bool:
        return name in self._names and not any(name in bound for bound in self._bound)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        func = node.func
        if isinstance(func, ast.Name) and self._is_student(func.id):
            node.args = [ast.Constant(func.id), *(self.visit(one) for one in node.args)]
            node.keywords = [self.visit(one) for one in node.keywords]
            node.func = ast.copy_location(ast.Name(_CALL, ast.Load()), func)
            return node
        return self.generic_visit(node)

    def visit_Name(self, node: ast.Name) -> ast.AST:
        if isinstance(node.ctx, ast.Load) and self._is_student(node.id):
            request = ast.Call(ast.Name(_VALUE, ast.Load()), [ast.Constant(node.id)], [])
            return ast.copy_location(request, node)
        return node

    def _scoped(self, node: ast.AST) -> ast.AST:
        self._bound.append(_bound_inside(node))
        try:
            return self.generic_visit(node)
        finally:
            self._bound.pop()

    visit_FunctionDef = visit_AsyncFunctionDef = visit_Lambda = _scoped
    visit_ListComp = visit_SetComp = visit_DictComp = visit_GeneratorExp = _scoped


def _bound_inside(node: ast.AST) -> set[str]:
    """The names that a function or comprehension binds for itself."""
    outside = {
        name
        for inner in ast.walk(node)
        if isinstance(inner, (ast.Global, ast.Nonlocal))
        for name in inner.names
    }
    bound = {
        inner.id
        for inner in ast.walk(node)
        if isinstance(inner, ast.Name) and not isinstance(inner.ctx, ast.Load)
    }
    bound |= {inner.arg for inner in ast.walk(node) if isinstance(inner, ast.arg)}
    return bound - outside


class Reference:
    """The instructor's own solution, for hidden checks: `reference.route(x)`.

    Its cells run when the first name is asked for, in a namespace of their own.
    """

    def __init__(self, sources: list[str]) -> None:
        self._sources = sources
        self._loaded: dict[str, Any] | None = None

    def __getattr__(self, name: str) -> Any:
        if self._loaded is None:
            self._loaded = types.ModuleType("reference").__dict__
            for source in self._sources:
                exec(compile(source, "reference", "exec"), self._loaded)
        try:
            return self._loaded[name]
        except KeyError:
            raise AttributeError(f"the instructor's solution binds no {name}") from None
