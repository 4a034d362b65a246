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
import re
import signal
import sys
import traceback
import types
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from autograder import checks
from autograder.core.bindings import Names, parsed, used_at_top_level, used_in, without_magics
from autograder.core.cell_status import CellStatus
from autograder.expectations import RemoteFunction, expect
from autograder.judge import handles
from autograder.judge.contract import Contract
from autograder.judge.handles import Desk, Handle
from autograder.judge.partial_credit import keep_last_value, points_shown
from autograder.judge.remote_errors import (
    RemoteError,
    keep_exceptions,
    own_exception,
    register_exceptions,
)
from autograder.judge.rpc import ChildGone, NotPlain
from autograder.judge.student_client import (
    CallTimedOut,
    NoProcess,
    ProcessEnded,
    StudentClient,
    error_for,
)
from autograder.sandbox import numeric_context

_VALUE, _CALL, _FUNCTION = "__student_value__", "__student_call__", "__student_function__"
_IMPORT, _TYPE, _SUBCLASS = "__student_import__", "__type__", "__is_subclass__"
_CALLABLE, _BIND, _UNBIND = "__is_callable__", "__student_bind__", "__student_unbind__"
_INSPECT = "__inspected__"
_HAS = "__student_has__"
_LAST = "__last_value__"

_OWN_WAY = frozenset({"check", "report", "expect"})
"""What a test uses that is written for this grader; any other is an ordinary one of nbgrader's."""

_STATEFUL = ("matplotlib.pyplot",)
"""Modules that remember what the student's code did; a test by handle asks the student's own."""

_FILE_NAME = re.compile(r"(?!/)[\w\-./ ]{1,120}\.[A-Za-z]\w{0,9}")
_MODULE_ENDINGS = (".py", ".pyc", ".so", ".pyd", ".pth")

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


_refuses_pickles: list[bool] = []
"""Whether the code that runs now must not unpickle; empty as long as none has been told not to."""


@contextlib.contextmanager
def _no_unpickling(refused: bool) -> Iterator[None]:
    """Let nothing be unpickled in the block: a pickle among a student's files would run here."""
    if refused and not _refuses_pickles:
        sys.addaudithook(_audit)
        _refuses_pickles.append(False)
    if refused:
        _refuses_pickles[0] = True
    try:
        yield
    finally:
        if refused:
            _refuses_pickles[0] = False


def _audit(event: str, _arguments: object) -> None:
    if event == "pickle.find_class" and _refuses_pickles[0]:
        raise PermissionError("nothing is unpickled where a student's files lie")


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
        contracts: what test cells may do beyond asking for plain values, by cell id.
        by_use: whether the notebook is an ordinary one of nbgrader's as a whole, in which `check`
            and the like are names of its author's.
    """

    def __init__(
        self,
        student: StudentClient,
        names: Names,
        reference: Reference | Iterable[str] = (),
        fresh: StudentClient | None = None,
        files: Iterable[str] = (),
        contracts: Mapping[str, Iterable[str] | None] | None = None,
        by_use: bool = False,
    ) -> None:
        self._names = names
        self._by_use = by_use
        self._contracts = dict(contracts or {})
        self._desk = Desk(student)
        self._desk.given_files()
        self._is_ordinary = True
        self._asked_for = 0
        self._given: set[str] = set()
        self._present: set[str] = set()
        self.needs: set[str] = set()
        """What the latest test cell did beyond asking for plain values."""
        self._student = student
        self._fresh = fresh
        self._for_fresh: list[str] = []
        self._files = tuple(files)
        self._carried: dict[str, bytes | None] | None = None
        self._has_students_files = False
        module = types.ModuleType("__main__")
        self._namespace = module.__dict__
        self._namespace["reference"] = (
            reference if isinstance(reference, Reference) else Reference(list(reference))
        )
        self._namespace[_VALUE] = self._value
        self._namespace[_CALL] = self._call
        self._namespace[_FUNCTION] = self._function
        self._namespace[_IMPORT] = self._imported
        self._namespace[_TYPE] = handles.type_of
        self._namespace[_SUBCLASS] = handles.is_subclass
        self._namespace[_CALLABLE] = handles.is_callable
        self._namespace[_INSPECT] = handles.inspected
        self._namespace[_BIND] = self._bind
        self._namespace[_HAS] = self._has
        self._namespace[_UNBIND] = self._desk.unbind
        self._usual: dict[str, Any] = {"display": _show_nothing}
        if not by_use:  # there, a test that needs a shell runs where one is
            self._usual["get_ipython"] = _NoShell
        self._namespace.update(self._usual)
        self._exceptions: dict[str, type[Exception]] = {}
        register_exceptions(self._namespace)

    def _is_here(self, name: str) -> bool:
        """Return whether a name is bound on this side, after the student's work last bound it."""
        return name in self._namespace and name not in self._names.probes

    def _value(self, name: str) -> Any:
        if self._is_here(name) and not self._is_given_there(name):
            found = self._namespace[name]
            if _is_stateful(found) and self._desk.contract.has_handles:
                return self._desk.library(found.__name__)
            return found
        contract = self._desk.contract
        if contract.allows(name, "handle"):
            return self._asked(lambda: self._object(name))
        if name in self._names.callable and self._is_ordinary:
            return self._function(name)
        return self._asked(lambda: self._student.value(name))

    def _is_given_there(self, name: str) -> bool:
        """Return whether a name stands for what a read-only cell has made in the sandbox."""
        return self._desk.contract.has_given and name in self._given

    def _object(self, name: str) -> Any:
        """Return a variable by value or by handle; an exception's class as one of this side."""
        found = self._desk.name(name)
        names = self._desk.classes_of(found) if type(found) is Handle else None
        if not names or "builtins.Exception" not in names:
            return found
        return own_exception(names) or found

    def _function(self, name: str) -> Any:
        if self._is_here(name):
            return self._namespace[name]
        if name in self._names.callable:
            self._require(name)
        return RemoteFunction(name, self._call)

    def _has(self, name: str) -> bool:
        """Return whether a name is bound, as a test asks by `"name" in globals()`."""
        return self._is_here(name) or bool(self._asked(lambda: self._student.has(name)))

    def _require(self, name: str) -> None:
        """Raise what Python does if the student's notebook doesn't bind a name."""
        if name not in self._present:
            if not self._asked(lambda: self._student.has(name)):
                raise NameError(f"name {name!r} is not defined")
            self._present.add(name)

    def _imported(self, name: str) -> Any:
        """Return what a solution cell imports, if the student's notebook binds the name."""
        if self._by_use:  # the import itself runs here as well, whatever the student did
            self._require(name)
        if self._is_here(name):
            return self._value(name)
        self._require(name)
        found: dict[str, Any] = {}
        try:
            exec(self._names.imports[name], found)
        except ImportError:
            return self._asked(lambda: self._desk.name(name))
        if _is_stateful(found[name]) and self._desk.contract.has_handles:
            return self._desk.library(found[name].__name__)
        return found[name]

    def _bind(self, name: str) -> None:
        """Let the student's code read what a test has bound a name to."""
        if name in self._namespace:
            with contextlib.suppress(NotPlain):
                self._desk.bind(name, self._namespace[name])

    def forget(self, cell: str) -> None:
        """Let those names that a cell has bound there stand for the student's work again."""
        for name in self._names.by_cell.get(cell, ()):
            if name not in self._names.probes:
                self._namespace.pop(name, None)

    def asks_for_work(self, source: str) -> bool:
        """Return whether a read-only cell uses the student's names as it runs.

        A probe or another function that it only defines asks when a test calls it.
        """
        try:
            tree = parsed(source)
        except SyntaxError:
            return False
        names = self._remote | self._names.imports.keys()
        return bool(used_at_top_level(ast.unparse(tree)) & names)

    @property
    def _remote(self) -> set[str]:
        return self._names.remote | self._names.rebound

    def _call(self, name: str, /, *args: Any, **kwargs: Any) -> Any:
        if self._is_here(name) and not self._is_given_there(name):
            return self._value(name)(*args, **kwargs)
        return self._asked(lambda: self._called(name, args, kwargs))

    def _asked(self, request: Callable[[], Any]) -> Any:
        """Return what a request returns; StopIteration as `handles.not_stopping` has it."""
        self._asked_for += 1
        try:
            return request()
        except StopIteration as error:
            if self._desk.names_stop:
                raise
            raise handles.not_stopping(error) from None

    def _called(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if self._fresh is not None and name in self._names.fresh_probes:
            return self._call_fresh(self._fresh, name, list(args), kwargs)
        self._carried = None
        if not self._is_ordinary or not self._desk.is_needed(args, kwargs):
            try:
                return self._student.call(name, list(args), kwargs)
            except NotPlain:  # a function to be called back, say
                if not self._is_ordinary:
                    raise
        return self._desk.invoke(name, args, kwargs)

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
        except RemoteError as error:
            # Only the instructor's code runs there, which may say so.
            if type(error).__name__ == checks.NotAnswered.__name__:
                raise checks.NotAnswered(str(error)) from None
            raise

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
        asked = self._asked_for
        self._begin(None)
        try:
            with (
                _at_most(seconds),
                contextlib.redirect_stdout(io.StringIO()),
                _no_unpickling(self._has_students_files),
            ):
                exec(self._code(cell, source), self._namespace)
        except _TestTimedOut:
            said = f"TimeoutError: it takes more than {seconds:g} seconds"
            raise InstructorFault(f"the cell {cell}:\n{said}") from None
        except BaseException:
            # A fault only where nothing of the student's was asked for.
            if self._asked_for == asked:
                raise InstructorFault(f"the cell {cell}:\n{traceback.format_exc()}") from None
        self._note_given()
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
        self._begin(None)
        tree, _source = self._tree(cell, source)
        self._student.begin_test()
        with (
            contextlib.redirect_stderr(io.StringIO()),
            contextlib.redirect_stdout(io.StringIO()),
            contextlib.suppress(BaseException),  # also exit(), and its own time being over
            _at_most(seconds),
            _no_unpickling(self._has_students_files),
        ):
            for node in tree.body:
                exec(_compiled(ast.Module([node], []), cell), self._namespace)
        self._note_given()

    def _note_given(self) -> None:
        """Take down what is bound to the instructor's own classes and objects of these."""
        self._given |= {
            name
            for name, value in self._namespace.items()
            if name not in self._usual and _is_own(value)
        }

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
            InstructorFault: it isn't Python, in a notebook that is written for this grader.
        """
        self._begin(cell)
        try:
            code = self._code(cell, source, keep_last=True)
        except SyntaxError as error:
            if self._by_use:  # a notebook has one, too, or can run it: `await` outside a function
                return [error_output("SyntaxError", str(error))], CellStatus.RAN
            raise InstructorFault(f"the cell {cell}:\nSyntaxError: {error}") from None
        self._namespace.pop(_LAST, None)
        self._student.begin_test(known)
        if self._fresh is not None:
            # A file that never answers does so for every question of the cell.
            self._fresh.begin_test()
        self._carried = None
        self._desk.names_stop = StopIteration.__name__ in source
        outputs: list[Output] = []

        def keep(bundle: dict[str, Any]) -> None:
            outputs.append({"output_type": "display_data", "metadata": {}, "data": bundle})

        said, quiet = io.StringIO(), io.StringIO()
        self._desk.quiet(quiet)
        with (
            checks.listening(keep, self._ends) as heard,
            contextlib.redirect_stderr(said),
            contextlib.redirect_stdout(quiet),
        ):
            try:
                with _at_most(seconds):
                    if self._is_ordinary:
                        self._fetch_files(source)
                    failure = self._failure(code)
                    self._desk.end_test()
            except _TestTimedOut:
                return [status_output(CellStatus.TIMED_OUT)], CellStatus.TIMED_OUT
            if failure is not None:
                outputs.append(failure)
        self.needs = self._desk.contract.used if cell in self._contracts else set()
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

    def _begin(self, cell: str | None) -> None:
        """Start a cell of the instructor's."""
        self._present.clear()
        self._is_ordinary = True
        self.needs = set()
        lines = self._contracts.get(cell, ()) if cell is not None else ()
        contract = Contract(lines)
        self._desk.begin_test(contract)
        keep_exceptions(self._exceptions if contract.has_handles else None)

    def _code(self, cell: str, source: str, keep_last: bool = False) -> types.CodeType:
        """Return a cell's code in which the student's names have become requests.

        Raises:
            SyntaxError: it isn't Python.
        """
        tree, source = self._tree(cell, source)
        if keep_last:
            keep_last_value(tree, source, _LAST)
        return _compiled(ast.fix_missing_locations(tree), cell)

    def _tree(self, cell: str, source: str) -> tuple[ast.Module, str]:
        """Return a cell's tree in which the student's names have become requests, and its source.

        Raises:
            SyntaxError: it isn't Python.
        """
        try:
            tree = ast.parse(source, filename=cell)
        except SyntaxError:
            source = without_magics(source)
            tree = ast.parse(source, filename=cell)
        contract = self._desk.contract
        self._is_ordinary = self._by_use or not used_in(source) & _OWN_WAY
        if self._is_ordinary and "seed" in source:
            self._desk.share_random()
        remote = set(self._remote)
        if contract.has_handles:
            remote |= {name for name, value in self._namespace.items() if _is_stateful(value)}
            remote |= _stateful_imports(tree)
        if contract.has_given:
            remote |= self._given
        imports = self._names.imports.keys() - remote
        bound = self._names.reads if contract.has_handles else ()
        names = _RemoteNames(remote, imports, contract.has_handles, bound)
        tree = ast.fix_missing_locations(names.visit(tree))
        return tree, source

    def _fetch_files(self, source: str) -> None:
        """Bring files here that the student's code has written and the test names."""
        for name in dict.fromkeys(_FILE_NAME.findall(source)):
            name = name.strip()
            if name.endswith(_MODULE_ENDINGS) or ".." in name or self._desk.is_given(name):
                continue
            if f'"{name}"' not in source and f"'{name}'" not in source:
                continue
            with contextlib.suppress(Exception):
                content = self._student.file(name)
                if content is not None:
                    folder = os.path.dirname(name)
                    if folder:
                        os.makedirs(folder, exist_ok=True)
                    with open(name, "wb") as file:
                        file.write(content)
                    self._has_students_files = True

    def _failure(self, code: types.CodeType) -> Output | None:
        """Run a test's code; return the error that ended it, if one did."""
        try:
            with _no_unpickling(self._has_students_files):
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

    def __init__(
        self,
        names: set[str],
        imports: Iterable[str] = (),
        handles: bool = False,
        reads: Iterable[str] = (),
    ) -> None:
        self._names = names
        self._imports = frozenset(imports)
        self._handles = handles
        self._reads = frozenset(reads)
        self._bound: list[set[str]] = []

    def _is_free(self, name: str) -> bool:
        return not any(name in bound for bound in self._bound)

    def _is_student(self, name: str) -> bool:
        return name in self._names and not any(name in bound for bound in self._bound)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        """Replace a call of a student's name by a request for the call."""
        func = node.func
        if isinstance(func, ast.Name) and self._is_student(func.id):
            node.args = [ast.Constant(func.id), *(self.visit(one) for one in node.args)]
            node.keywords = [self.visit(one) for one in node.keywords]
            node.func = ast.copy_location(ast.Name(_CALL, ast.Load()), func)
            return node
        if self._handles and isinstance(func, ast.Name) and self._is_free(func.id):
            instead = _IN_PLACE.get((func.id, len(node.args)))
            if instead is not None and not node.keywords:
                node.func = ast.copy_location(ast.Name(instead, ast.Load()), func)
                node.args = [self.visit(one) for one in node.args]
                return node
        if self._handles and _is_inspection(func) and len(node.args) == 1 and not node.keywords:
            node.args = [ast.Constant(func.attr), self.visit(node.args[0])]  # type: ignore[attr-defined]  # it is an attribute
            node.func = ast.copy_location(ast.Name(_INSPECT, ast.Load()), func)
            return node
        if isinstance(func, ast.Name) and func.id == expect.__name__ and node.args:
            node.args[0] = self._function(node.args[0])
        return self.generic_visit(node)

    def _function(self, node: ast.expr) -> ast.expr:
        """Return what `expect` calls: for a student's name, that in the student's process."""
        if isinstance(node, ast.Name) and self._is_student(node.id):
            request = ast.Call(ast.Name(_FUNCTION, ast.Load()), [ast.Constant(node.id)], [])
            return ast.copy_location(request, node)
        return node

    def visit_Name(self, node: ast.Name) -> ast.AST:
        """Replace a student's name, where it is read, by a request for its value."""
        if isinstance(node.ctx, ast.Load) and self._is_student(node.id):
            request = ast.Call(ast.Name(_VALUE, ast.Load()), [ast.Constant(node.id)], [])
            return ast.copy_location(request, node)
        if isinstance(node.ctx, ast.Load) and node.id in self._imports and self._is_free(node.id):
            request = ast.Call(ast.Name(_IMPORT, ast.Load()), [ast.Constant(node.id)], [])
            return ast.copy_location(request, node)
        return node

    def visit_Compare(self, node: ast.Compare) -> ast.AST:
        """Replace the question whether a student's name is among the globals by a request."""
        name = node.left.value if isinstance(node.left, ast.Constant) else None
        if not isinstance(name, str) or not self._is_student(name) or not self._is_scope(node):
            return self.generic_visit(node)
        has = ast.Call(ast.Name(_HAS, ast.Load()), [ast.Constant(name)], [])
        is_in = isinstance(node.ops[0], ast.In)
        asked = has if is_in else ast.UnaryOp(ast.Not(), has)
        return ast.copy_location(asked, node)

    def _is_scope(self, node: ast.Compare) -> bool:
        """Return whether a comparison is `… in globals()`, or in what else lists the same names."""
        scope = node.comparators[0]
        lists_globals = ("globals",) if self._bound else ("globals", "locals", "vars", "dir")
        return (
            len(node.ops) == 1
            and isinstance(node.ops[0], (ast.In, ast.NotIn))
            and isinstance(scope, ast.Call)
            and isinstance(scope.func, ast.Name)
            and scope.func.id in lists_globals
            and not (scope.args or scope.keywords)
        )

    def visit_Delete(self, node: ast.Delete) -> Any:
        """Take a name from the student's notebook where a test by handle deletes it."""
        if not self._handles or self._bound:
            return self.generic_visit(node)
        names = [one for one in node.targets if isinstance(one, ast.Name) and one.id in self._names]
        others = [one for one in node.targets if one not in names]
        made: list[ast.stmt] = [
            ast.Expr(ast.Call(ast.Name(_UNBIND, ast.Load()), [ast.Constant(one.id)], []))
            for one in names
        ]
        if others:
            made.append(ast.Delete([self.visit(one) for one in others]))
        return [ast.copy_location(one, node) for one in made]

    def visit_Assign(self, node: ast.Assign) -> Any:
        """Bind a name in the student's notebook, too, where a test by handle binds it anew."""
        self.generic_visit(node)
        if not self._handles or self._bound:
            return node
        names = [one.id for one in node.targets if isinstance(one, ast.Name)]
        names = [name for name in names if name in self._reads]
        made = [
            ast.Expr(ast.Call(ast.Name(_BIND, ast.Load()), [ast.Constant(name)], []))
            for name in names
        ]
        return [node, *(ast.copy_location(one, node) for one in made)]

    def _scoped(self, node: ast.AST) -> ast.AST:
        self._bound.append(_bound_inside(node))
        try:
            return self.generic_visit(node)
        finally:
            self._bound.pop()

    visit_FunctionDef = visit_AsyncFunctionDef = visit_Lambda = _scoped
    visit_ListComp = visit_SetComp = visit_DictComp = visit_GeneratorExp = _scoped


_IN_PLACE = {("type", 1): _TYPE, ("callable", 1): _CALLABLE, ("issubclass", 2): _SUBCLASS}
"""What stands for builtins that a handle can't answer by a method of its own."""


def _is_inspection(func: ast.expr) -> bool:
    return (
        isinstance(func, ast.Attribute)
        and isinstance(func.value, ast.Name)
        and func.value.id == "inspect"
        and func.attr in handles.INSPECTIONS
    )


def _is_own(value: object) -> bool:
    """Return whether a value is a class that a notebook's cell defines, or an object of one."""
    kind = value if isinstance(value, type) else type(value)
    return kind.__module__ == "__main__"


def _is_stateful(value: object) -> bool:
    return isinstance(value, types.ModuleType) and value.__name__ in _STATEFUL


def _stateful_imports(tree: ast.Module) -> set[str]:
    """Return the names to which a cell binds such modules."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {one.asname for one in node.names if one.name in _STATEFUL and one.asname}
        elif isinstance(node, ast.ImportFrom):
            found |= {
                one.asname or one.name
                for one in node.names
                if f"{node.module}.{one.name}" in _STATEFUL
            }
    return found


def _show_nothing(*_values: object, **_options: object) -> None:
    """Stand for IPython's `display` where nothing is shown."""


class _NoShell:
    """What `get_ipython()` returns here: a shell whose magics do nothing."""

    def __getattr__(self, name: str) -> Callable[..., None]:
        return _show_nothing


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
                exec(_compiled(parsed(source), "reference"), self._loaded)
        try:
            return self._loaded[name]
        except KeyError:
            raise AttributeError(f"the instructor's solution binds no {name}") from None
