"""Judge one submission on the trusted side: run read-only cells and tests, and make their calls.

Runs in a process of its own in a sandbox, where no student code ever runs. A test cell is the
instructor's code, as in a notebook, with one change made to its syntax tree: where it names the
student's work, it asks the student's process.
"""

from __future__ import annotations

import ast
import contextlib
import faulthandler
import io
import os
import signal
import traceback
import types
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from autograder import checks
from autograder.core.bindings import Names, bound_in
from autograder.core.cell_status import CellStatus
from autograder.expectations import RemoteFunction, expect
from autograder.judge.partial_credit import keep_last_value, points_shown
from autograder.judge.remote_errors import register_exceptions
from autograder.judge.rpc import ChildGone
from autograder.judge.student_client import (
    CallTimedOut,
    NoProcess,
    ProcessEnded,
    StudentClient,
    error_for,
)
from autograder.sandbox import numeric_context

_VALUE, _CALL, _FUNCTION = "__student_value__", "__student_call__", "__student_function__"
_LAST = "__last_value__"

_INTERRUPT_GRACE_SECONDS = 5.0  # seconds that a test may take to notice that its time is over
_LONGEST_MESSAGE = 50_000  # characters; the list of a long report's failed checks fits

Output = dict[str, Any]
"""An output as a notebook keeps it."""


class InstructorFault(Exception):
    """A cell of the instructor's failed on its own; the message has all of it."""


class _TestTimedOut(BaseException):
    """A test cell computes for too long; no check may take it for a failure of its own."""


@contextlib.contextmanager
def _at_most(seconds: float) -> Iterator[None]:
    """Interrupt the block after so many seconds: a value of the student's may keep a test busy.

    A single call into C can't be interrupted (`sum(range(q))` with a large q); it ends this
    process a little later, and its worker goes on with the next submission.
    """

    def late(_signal: int, _frame: object) -> None:
        raise _TestTimedOut

    before = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    with open(os.devnull, "w") as nowhere:
        faulthandler.dump_traceback_later(
            seconds + _INTERRUPT_GRACE_SECONDS, exit=True, file=nowhere
        )
        try:
            yield
        finally:
            faulthandler.cancel_dump_traceback_later()
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)


class Judge:
    """Runs the instructor's cells of one run of a submission, in order, in one namespace.

    Args:
        student: asks the process with the student's work.
        names: who binds which name, from the source notebook.
        reference: the instructor's own solution, or its sources.
        fresh: a process where no student code has run, for `@probe(fresh=True)`.
        files: the names of the files that students make or hand in. A fresh probe finds them as
            they stood when the test cell first asked one, or first asked one again after it had
            called the student's code, which may have written them anew.
    """

    def __init__(
        self,
        student: StudentClient,
        names: Names,
        reference: Reference | Iterable[str] = (),
        fresh: StudentClient | None = None,
        files: Iterable[str] = (),
    ) -> None:
        self._names = names
        self._student = student
        self._fresh = fresh
        self._for_fresh: list[str] = []
        self._files = tuple(files)
        self._carried: dict[str, bytes | None] | None = None
        self._names_stop = False
        module = types.ModuleType("__main__")
        self._namespace = module.__dict__
        self._namespace["reference"] = (
            reference if isinstance(reference, Reference) else Reference(list(reference))
        )
        self._namespace[_VALUE] = self._value
        self._namespace[_CALL] = self._call
        self._namespace["display"] = lambda *_values, **_options: None  # as in a notebook
        self._namespace[_FUNCTION] = lambda name: RemoteFunction(name, self._call)
        register_exceptions(self._namespace)

    def _is_here(self, name: str) -> bool:
        """Return whether a name that nobody seemed to bind is the instructor's after all."""
        return name in self._names.maybe and name in self._namespace

    def _value(self, name: str) -> Any:
        if self._is_here(name):
            return self._namespace[name]
        return self._asked(lambda: self._student.value(name))

    def _call(self, name: str, /, *args: Any, **kwargs: Any) -> Any:
        if self._is_here(name):
            return self._namespace[name](*args, **kwargs)
        return self._asked(lambda: self._called(name, args, kwargs))

    def _asked(self, request: Callable[[], Any]) -> Any:
        """Return what a request returns; its StopIteration is a RuntimeError, as in a generator.

        Else `all(map(lambda x: f(x) == 2 * x, numbers))` ends early and is true. A test that
        names StopIteration gets it.
        """
        try:
            return request()
        except StopIteration as error:
            if self._names_stop:
                raise
            raise RuntimeError(f"the call raised StopIteration: {error}") from None

    def _called(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if self._fresh is not None and name in self._names.fresh_probes:
            return self._call_fresh(self._fresh, name, list(args), kwargs)
        self._carried = None
        return self._student.call(name, list(args), kwargs)

    def _call_fresh(
        self, fresh: StudentClient, name: str, args: list[Any], kwargs: dict[str, Any]
    ) -> Any:
        # One copy for all that is asked meanwhile: asked again, the student's process could hand
        # over other bytes, and the size of one file would go with the answers of another.
        if self._carried is None:
            self._carried = {file: self._student.file(file) for file in self._files}
        try:
            while self._for_fresh:
                fresh.define(self._for_fresh[0])
                del self._for_fresh[0]
            for file, content in self._carried.items():
                fresh.put(file, content)
            return fresh.call(name, args, kwargs)
        except (CallTimedOut, ProcessEnded, ChildGone, NoProcess) as end:
            # The file's doing, not that of the student's process, which goes on.
            raise RuntimeError(f"reading the file ended a process of its own ({end})") from None

    def define(self, cell: str, source: str, seconds: float = 90.0) -> None:
        """Run a read-only cell here, and later where fresh probes run: imports, data and helpers.

        Args:
            cell: its id, for messages.
            source: its code.
            seconds: the longest that it may take.

        Raises:
            InstructorFault: it failed, or took longer.
        """
        before = numeric_context.claim()
        try:
            with _at_most(seconds):
                exec(_compiled(source, cell), self._namespace)
        except _TestTimedOut:
            said = f"TimeoutError: it takes more than {seconds:g} seconds"
            raise InstructorFault(f"the cell {cell}:\n{said}") from None
        except BaseException:
            raise InstructorFault(f"the cell {cell}:\n{traceback.format_exc()}") from None
        after = numeric_context.claim()
        # Also where the student had set the very same before.
        if after != before or any(word in source for word in ("set_default_dtype", ".prec")):
            numeric_context.insist(after)
        self._for_fresh.append(source)

    def adopt(self, cell: str, source: str, seconds: float = 90.0) -> None:
        """Run what of an ordinary notebook's cell the tests need, as far as it goes.

        A statement that fails leaves its names unbound, as in a notebook; the tests tell.

        Args:
            cell: its id.
            source: its statements that need nothing of the student (`core.names_by_use`).
            seconds: the longest that it may take.
        """
        tree: ast.Module = _RemoteNames(self._names.remote).visit(ast.parse(source, filename=cell))
        ast.fix_missing_locations(tree)
        self._student.begin_test()
        with (
            contextlib.redirect_stderr(io.StringIO()),
            contextlib.redirect_stdout(io.StringIO()),
            contextlib.suppress(BaseException),  # also exit(), and its own time being over
            _at_most(seconds),
        ):
            for node in tree.body:
                exec(_compiled(ast.Module([node], []), cell), self._namespace)

    def test(
        self,
        cell: str,
        source: str,
        known: Mapping[str, CellStatus] | None = None,
        seconds: float = 90.0,
    ) -> tuple[list[Output], CellStatus]:
        """Run a test cell; return the outputs it would have in a notebook, and how it ended.

        A check during which the student's process ended has failed. Where that happened outside
        the checks, the cell has no outcome but that.

        Args:
            cell: its id, which stands in a traceback for a file name.
            source: whole, or as students have it.
            known: names with which the student's process is known to end, which aren't asked for.
            seconds: the longest that the cell may take, the student's part included.

        Raises:
            InstructorFault: it isn't Python.
        """
        try:
            tree = _RemoteNames(self._names.remote).visit(ast.parse(source, filename=cell))
        except SyntaxError as error:
            raise InstructorFault(f"the cell {cell}:\nSyntaxError: {error}") from None
        keep_last_value(tree, source, _LAST)
        self._namespace.pop(_LAST, None)
        code = _compiled(ast.fix_missing_locations(tree), cell)
        self._student.begin_test(known)
        if self._fresh is not None:
            # A file that never answers does so for every question of the cell.
            self._fresh.begin_test()
        self._carried = None
        self._names_stop = StopIteration.__name__ in source
        outputs: list[Output] = []

        def keep(bundle: dict[str, Any]) -> None:
            outputs.append({"output_type": "display_data", "metadata": {}, "data": bundle})

        said = io.StringIO()
        with (
            checks.listening(keep, self._ends) as heard,
            contextlib.redirect_stderr(said),
            contextlib.redirect_stdout(io.StringIO()),
        ):
            try:
                with _at_most(seconds):
                    failure = self._failure(code)
            except _TestTimedOut:
                return [status_output(CellStatus.TIMED_OUT)], CellStatus.TIMED_OUT
            if failure is not None:
                outputs.append(failure)
        if self._student.ends > heard.ends_in_checks:
            status = self._student.last_failure
            return [status_output(status)], status
        if said.getvalue():  # report's "Not answered yet: …"
            outputs.append({"output_type": "stream", "name": "stderr", "text": said.getvalue()})
        points = points_shown(self._namespace.pop(_LAST, None))
        if points is not None:
            data = {"text/plain": repr(points)}
            outputs.append({"output_type": "execute_result", "metadata": {}, "data": data})
        return outputs, CellStatus.RAN

    def _failure(self, code: types.CodeType) -> Output | None:
        """Run a test's code; return the error that ended it, if one did."""
        try:
            exec(code, self._namespace)
        except _TestTimedOut:
            raise
        except BaseException as error:  # a test may also call exit(); nothing may stop grading
            return error_output(type(error).__name__, _message(error))
        return None

    def _ends(self) -> tuple[int, Exception | None]:
        """Return how often the student's process ended in this test cell, and the last error."""
        ends = self._student.ends
        return ends, error_for(self._student.last_failure) if ends else None


def _message(error: BaseException) -> str:
    """Return what an error says, cut: a student's value of any size may be in it."""
    try:
        return str(error)[:_LONGEST_MESSAGE]
    except Exception:  # an int of too many digits, say
        return ""


def _compiled(source: str | ast.Module, cell: str) -> types.CodeType:
    """Return the code with its asserts, whatever optimization this Python runs with."""
    return compile(source, cell, "exec", dont_inherit=True, optimize=0)


def error_output(name: str, message: str) -> Output:
    """Return an error output without a traceback, which would quote the test's lines."""
    return {
        "output_type": "error",
        "ename": name,
        "evalue": message,
        "traceback": [f"{name}: {message}"],
    }


_SENTENCES = {
    CellStatus.TIMED_OUT: "this cell ran into the time limit and had to be ended",
    CellStatus.DIED: "this cell ended the Python process",
    CellStatus.NOT_RUN: "the time for the whole notebook was used up",
    CellStatus.STOPPED: "the test stopped because of what the answer did",
}


def status_output(status: CellStatus) -> Output:
    """Return the error output that says how a cell ended."""
    return error_output(status.error_name, _SENTENCES[status])


class _RemoteNames(ast.NodeTransformer):
    """Turn the student's names into requests: `f(1)` into a call, `q1` into a value.

    The function that `expect` is given becomes one that makes the call.

    Names that a function or comprehension of the test binds for itself are left alone.
    """

    def __init__(self, names: set[str]) -> None:
        self._names = names
        self._bound: list[set[str]] = []
        self._from: dict[str, tuple[int, int]] = {}

    def visit_Module(self, node: ast.Module) -> ast.AST:
        """Note from where on the cell itself has bound a name anew."""
        self._from = _bound_from(node.body, {})
        return self.generic_visit(node)

    def _is_student(self, node: ast.Name) -> bool:
        if node.id not in self._names or any(node.id in bound for bound in self._bound):
            return False
        return node.id not in self._from or (node.lineno, node.col_offset) < self._from[node.id]

    def visit_Call(self, node: ast.Call) -> ast.AST:
        """Replace a call of a student's name by a request for the call."""
        func = node.func
        if isinstance(func, ast.Name) and self._is_student(func):
            node.args = [ast.Constant(func.id), *(self.visit(one) for one in node.args)]
            node.keywords = [self.visit(one) for one in node.keywords]
            node.func = ast.copy_location(ast.Name(_CALL, ast.Load()), func)
            return node
        if isinstance(func, ast.Name) and func.id == expect.__name__ and node.args:
            node.args[0] = self._function(node.args[0])
        return self.generic_visit(node)

    def _function(self, node: ast.expr) -> ast.expr:
        """Return what `expect` calls: for a student's name, that in the student's process."""
        if isinstance(node, ast.Name) and self._is_student(node):
            request = ast.Call(ast.Name(_FUNCTION, ast.Load()), [ast.Constant(node.id)], [])
            return ast.copy_location(request, node)
        return node

    def visit_Name(self, node: ast.Name) -> ast.AST:
        """Replace a student's name, where it is read, by a request for its value."""
        if isinstance(node.ctx, ast.Load) and self._is_student(node):
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


def _bound_from(
    body: Iterable[ast.stmt], found: dict[str, tuple[int, int]]
) -> dict[str, tuple[int, int]]:
    """Return the position from which on each name is the cell's own, by the name."""
    for node in body:
        inner = [part for part in ("body", "orelse", "finalbody") if getattr(node, part, None)]
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            found.setdefault(node.name, (node.lineno, node.col_offset))
        elif inner or isinstance(node, ast.Try):
            heads = [
                one
                for name, one in ast.iter_fields(node)
                if name in ("target", "items", "test", "iter", "subject")
            ]
            first = next(iter(getattr(node, "body", ())), node)
            for head in heads:
                for one in head if isinstance(head, list) else [head]:
                    for name in _stored(one):
                        found.setdefault(name, (first.lineno, first.col_offset))
            for handler in getattr(node, "handlers", ()):
                if handler.name:
                    found.setdefault(handler.name, (handler.lineno, handler.col_offset))
                _bound_from(handler.body, found)
            for part in inner:
                _bound_from(getattr(node, part), found)
        else:
            end = (node.end_lineno or node.lineno, node.end_col_offset or 0)
            for name in bound_in(ast.Module([node], [])):
                found.setdefault(name, end)
    return found


def _stored(node: ast.AST) -> set[str]:
    return {
        one.id
        for one in ast.walk(node)
        if isinstance(one, ast.Name) and not isinstance(one.ctx, ast.Load)
    }


def _bound_inside(node: ast.AST) -> set[str]:
    """Return the names that a function or comprehension binds for itself."""
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
                exec(_compiled(source, "reference"), self._loaded)
        try:
            return self._loaded[name]
        except KeyError:
            raise AttributeError(f"the instructor's solution binds no {name}") from None
