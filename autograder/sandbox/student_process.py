"""Serve the RPC channel in the student's process: run cells, send values, make calls.

It is in its sandbox when this begins. Student code shares the process, so nothing that
it says is more than a claim; the order kept here serves honest students only.
"""

from __future__ import annotations

import builtins
import os
import random
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from autograder.sandbox import exceptions, numeric_context, random_state, wire
from autograder.sandbox.limits import SandboxLimits
from autograder.sandbox.objects import OPERATIONS, SHORT, ObjectTable, described
from autograder.sandbox.plain_values import CannotCross
from autograder.sandbox.references import FUNCTION, HANDLE, Reference, from_library
from autograder.sandbox.shell import CellShell, get_shell

_AGAIN_SECONDS = 0.3


def prepare() -> None:
    """Load what every child needs, before the first is forked."""
    get_shell()


def serve(channel: socket.socket, limits: SandboxLimits, seed: int) -> None:
    """Answer requests until the channel closes.

    Args:
        channel: connected to the judge's end (`judge.rpc`).
        limits: of this process; here for what a cell may show.
        seed: of the usual random generators.
    """
    handler = _RequestHandler(get_shell(), limits, channel)
    handler.seed(seed)
    while True:
        try:
            handler.serve(*handler.received())
        except wire.WireError:
            return


class _RequestHandler:
    """Answers requests about the notebook of one student."""

    def __init__(self, shell: CellShell, limits: SandboxLimits, channel: socket.socket) -> None:
        self._shell = shell
        self._limits = limits
        self._channel = channel
        self._frames = wire.Frames(channel)
        self._objects = ObjectTable()
        self._functions: dict[int, Callable[..., Any]] = {}
        self._sequence: Any = None
        self._probes: dict[str, Any] = {}
        self._timer = _Timer()
        self._numeric_context = numeric_context.claim()
        shell.redirect()
        sys.path.insert(0, "")  # the working folder, as in a notebook
        self._folder = Path.cwd()
        self._not_made = set(_files_in(self._folder))

    def received(self) -> tuple[Any, Any, list[Any]]:
        """Return the next request: its sequence, its verb and the rest.

        Raises:
            WireError: the channel has closed.
        """
        found = self._frames.receive(arguments=True, resolve=self.resolve, short=self._short)
        if type(found) is wire.Operation:
            return found.sequence, "short", [found]
        sequence, verb, *words = found
        return sequence, verb, words

    def _short(self, content: memoryview) -> wire.Operation:
        return wire.Operation.decoded(content, self.resolve)

    def serve(self, sequence: Any, verb: str, words: list[Any]) -> None:
        """Answer one request, which may come while another one is being answered.

        Raises:
            WireError: the channel has closed.
        """
        before, self._sequence = self._sequence, sequence
        timer = self._timer
        reply = self.answer(verb, words)
        self._sequence, self._timer = before, timer
        if type(reply) is bytes:
            wire.send_payload(self._channel, reply)
            return
        try:
            wire.send_frame(self._channel, [sequence, *reply])
        except wire.Closed:
            raise
        except wire.WireError:
            claim = exceptions.claim(CannotCross())
            wire.send_frame(self._channel, [sequence, "error", *claim])

    def answer(self, verb: str, words: list[Any]) -> list[Any] | bytes:
        """Return the reply to one request, as a frame's payload or what is in it.

        Whatever student code does meanwhile, there is one.
        """
        self._timer = _Timer()
        try:
            reply: list[Any] | bytes = getattr(self, f"_answer_{verb}")(*words)
        except BaseException as error:
            return ["error", *exceptions.claim(error, self._timer.is_late)]
        return reply

    def resolve(self, reference: Reference) -> Any:
        """Return what a reference in a request stands for.

        Raises:
            KeyError, ImportError, AttributeError: nothing.
        """
        if reference.kind == HANDLE:
            return self._objects.get(reference.number)
        if reference.kind == FUNCTION:
            return self._function(reference.number)
        return from_library(reference.name)

    def _function(self, number: int) -> Callable[..., Any]:
        """Return a function that calls the test's function of that number."""
        if number not in self._functions:

            def function(*args: Any, **kwargs: Any) -> Any:
                return self._call_back(number, args, kwargs)

            self._functions[number] = function
        return self._functions[number]

    def _call_back(self, number: int, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        words = [list(map(self._told, args)), {key: self._told(kwargs[key]) for key in kwargs}]
        timer = signal.getitimer(signal.ITIMER_REAL)
        signal.setitimer(signal.ITIMER_REAL, 0)  # the test's own time doesn't count
        try:
            wire.send_frame(self._channel, [self._sequence, "callback", number, *words])
            while True:
                _sequence, verb, rest = self.received()
                if verb == "returned":
                    return rest[0]
                if verb == "raised":
                    raise _exception(*rest)
                self.serve(_sequence, verb, rest)  # the test's function asks in turn
        finally:
            signal.setitimer(signal.ITIMER_REAL, *timer)

    def _told(self, value: Any) -> list[Any]:
        """Return a value as a call-back's argument: by value where it is plain, else a handle."""
        exact = wire.packed_exactly(value)
        if exact is not None:
            return ["value", exact]
        return ["handle", self._objects.number(value), *described(value)]

    def seed(self, seed: int) -> None:
        """Give the usual generators a start of their own."""
        random.seed(seed)
        if "numpy" in sys.modules:
            sys.modules["numpy"].random.seed(seed % 2**32)
        if "torch" in sys.modules:
            # Not torch.manual_seed: it notes down a stack for every device that isn't here.
            sys.modules["torch"].default_generator.manual_seed(seed % 2**63)

    def _answer_run(self, _cell: str, source: str, seconds: float, seed: int | None) -> list[Any]:
        if seed is not None:
            self.seed(seed)
        _close_figures()  # those that a test has left open
        with self._shell.gathering(self._limits.output_bytes) as outputs:
            try:
                error = self._run(source, seconds)
            except TimeoutError as late:  # it came while IPython was showing another error
                error = late
        shown = outputs.finished()
        told = exceptions.claim(error, self._timer.is_late) if error else None
        self._numeric_context = numeric_context.claim()
        return ["ran", error is None, told, shown, self._numeric_context]

    def _answer_define(self, source: str) -> list[Any]:
        before = {name: id(value) for name, value in self._shell.user_ns.items()}
        with self._silence():
            error = self._run(source)
        for name, value in self._shell.user_ns.items():
            # Kept aside: the name is the student's to bind anew, the probe stays.
            if before.get(name) != id(value) and hasattr(value, "__probe__"):
                self._probes[name] = value
        return ["error", *exceptions.claim(error)] if error else ["value", None]

    def _answer_value(self, name: str, seconds: float | None = None) -> list[Any]:
        with self._silence(), self._timer.limit(seconds):
            return ["value", wire.packed(self._named(name))]

    def _answer_call(
        self, name: str, args: list[Any], kwargs: dict[str, Any], seconds: float
    ) -> list[Any]:
        function = self._probes[name] if name in self._probes else self._named(name)
        with self._silence(), self._timer.limit(seconds):
            # A generator runs only now, so this is under the limit too.
            value = wire.packed(function(*args, **kwargs))
        before, self._numeric_context = self._numeric_context, numeric_context.claim()
        return (
            ["value", value]
            if self._numeric_context == before
            else ["value", value, self._numeric_context]
        )

    def _answer_has(self, name: str) -> list[Any]:
        return ["value", name in self._shell.user_ns]

    def _answer_random(self, state: dict[str, Any]) -> list[Any]:
        random_state.adopt(state)
        return ["value", None]

    def _answer_operate(
        self,
        operation: str,
        args: list[Any],
        kwargs: dict[str, Any],
        options: dict[str, Any],
        seconds: float,
    ) -> list[Any]:
        """Operate on objects and on the notebook's names.

        Args:
            operation: one of `OPERATIONS`; "name" for the value of a variable, or "invoke" for a
                call of one, whose name is the first argument.
            args: of the operation.
            kwargs: of the operation.
            options: "handles": whether what isn't plain stays here and is told by its number;
                "changes": whether to tell what has become of the arguments; "output": whether to
                tell what was printed; "replaced": functions in place of builtins, by name;
                "released": handles that are of no use any more.
            seconds: the longest that it may take.

        Returns:
            The reply, of which the last part is what the options ask for.
        """
        if "released" in options:
            self._objects.release(options["released"])
        given = args[1:] if operation in ("invoke", "call") else []
        watched = [wire.packed_exactly(one) for one in given] if options.get("changes") else []
        limit = self._limits.output_bytes if options.get("output") else 0
        with self._shell.gathering(limit) as outputs, _replaced(options.get("replaced", {})):
            try:
                with self._timer.limit(seconds):
                    reply = self._reply(
                        self._operated(operation, args, kwargs), bool(options.get("handles"))
                    )
            except BaseException as error:
                reply = ["error", *exceptions.claim(error, self._timer.is_late)]
        told: dict[str, Any] = {}
        if options.get("output"):
            shown = [one for one in outputs.finished() if one["output_type"] == "stream"]
            told["output"] = "".join(one["text"] for one in shown if one["name"] == "stdout")
        if watched:
            told["changed"] = _changed(given, watched)
        before, self._numeric_context = self._numeric_context, numeric_context.claim()
        if before != self._numeric_context:
            told["context"] = self._numeric_context
        return [*reply, told]

    def _answer_short(self, asked: wire.Operation) -> list[Any] | bytes:
        """Operate on objects, as asked for in a short frame."""
        if asked.released:
            self._objects.release(asked.released)
        operation = OPERATIONS[SHORT[asked.code]]
        reply: list[Any] | bytes
        with self._shell.gathering(0):
            try:
                with self._timer.limit(asked.seconds):
                    value = operation(*asked.args)
                    reply = self._reply_in_short(asked, value)
            except BaseException as error:
                reply = ["error", *exceptions.claim(error, self._timer.is_late)]
        before, self._numeric_context = self._numeric_context, numeric_context.claim()
        if before != self._numeric_context:
            told = {"context": self._numeric_context}
            return ["value", value, told] if type(reply) is bytes else [*reply, told]
        if type(reply) is list and reply[0] == "handle":
            return wire.encode_handle(asked.sequence, reply[1:])
        return [*reply, {}] if type(reply) is list else reply

    def _reply_in_short(self, asked: wire.Operation, value: Any) -> list[Any] | bytes:
        if asked.handles and not wire.is_plain_kind(type(value)):
            return ["handle", self._objects.number(value), *described(value)]
        try:
            return wire.encode_answer(asked.sequence, value)
        except wire.WireError:
            return self._reply(value, asked.handles)

    def _operated(self, operation: str, args: list[Any], kwargs: dict[str, Any]) -> Any:
        if operation == "name":
            return self._named(*args)
        if operation == "invoke":
            name, *rest = args
            function = self._probes[name] if name in self._probes else self._named(name)
            return function(*rest, **kwargs)
        if operation == "bind":
            self._shell.user_ns[args[0]] = args[1]
            return None
        if operation == "unbind":
            self._named(args[0])
            return self._shell.user_ns.pop(args[0])
        return OPERATIONS[operation](*args, **kwargs)

    def _reply(self, value: Any, handles: bool) -> list[Any]:
        if handles:
            exact = wire.packed_exactly(value)
            if exact is None:
                return ["handle", self._objects.number(value), *described(value)]
            return ["value", exact]
        return ["value", wire.packed(value)]

    def _answer_file(self, name: str) -> list[Any]:
        path = Path(name)
        return ["value", path.read_bytes() if path.is_file() else None]

    def _answer_made(
        self, endings: list[str], most_files: int, most_bytes: int, seconds: float
    ) -> list[Any]:
        """Return the files that code here has written, by path in the working folder.

        Args:
            endings: of their names.
            most_files: how many may be returned.
            most_bytes: how many bytes they may have together.
            seconds: the longest that it may take.
        """
        found: dict[str, bytes] = {}
        with self._timer.limit(seconds):
            for name in sorted(set(_files_in(self._folder)) - self._not_made):
                path = self._folder / name
                if path.suffix.casefold() not in endings or not name.isprintable():
                    continue
                with suppress(OSError):
                    size = path.stat().st_size
                    if len(found) < most_files and size <= most_bytes:
                        found[name] = path.read_bytes()[:size]
                        most_bytes -= len(found[name])
        return ["value", found]

    def _answer_put(self, name: str, content: bytes | None) -> list[Any]:
        path = Path(name)
        self._not_made.add(name)
        if content is None:
            path.unlink(missing_ok=True)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        return ["value", None]

    def _named(self, name: str) -> Any:
        try:
            return self._shell.user_ns[name]
        except KeyError:
            raise NameError(f"name {name!r} is not defined") from None

    def _run(self, source: str, seconds: float | None = None) -> BaseException | None:
        with self._timer.limit(seconds):
            return self._shell.run(source, store_history=True)

    @contextmanager
    def _silence(self) -> Iterator[None]:
        """Drop what is shown, and the figures that would be shown with the next cell."""
        with self._shell.gathering(0):
            try:
                yield
            finally:
                _close_figures()


def _files_in(folder: Path) -> Iterator[str]:
    """Yield the plain files in a folder and below it, by path; hidden ones are left out."""
    for place, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith((".", "__"))]
        for name in names:
            path = Path(place, name)
            if not name.startswith(".") and path.is_file() and not path.is_symlink():
                yield path.relative_to(folder).as_posix()


def _close_figures() -> None:
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")


class _Timer:
    """The soft time limit of one request; the judge's end of the channel has the hard one.

    Attributes:
        is_late: whether it has gone off. A student's own `TimeoutError` reads the same, so it is
            this, and not a name, that tells whose it was.
    """

    def __init__(self) -> None:
        self.is_late = False

    def limit(self, seconds: float | None) -> _Limit:
        """Raise TimeoutError in the code of the block if it runs too long.

        Again and again until it ends, since the code may have been where exceptions are
        swallowed: in a formatter or a finalizer.
        """
        return _Limit(self, seconds or 0.0)


class _Limit:
    """One use of a timer; a class, since each operation on an object has one."""

    __slots__ = ("_before", "_outer", "_seconds", "_timer")

    def __init__(self, timer: _Timer, seconds: float) -> None:
        self._timer, self._seconds = timer, seconds

    def __enter__(self) -> None:
        self._before, _On.late = _On.late, self._late
        if _handler(signal.SIGALRM) is not _on_alarm:  # the student's code may have set its own
            signal.signal(signal.SIGALRM, _on_alarm)
        self._outer = signal.setitimer(signal.ITIMER_REAL, self._seconds, _AGAIN_SECONDS)

    def __exit__(self, *_error: object) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)
        _On.late = self._before
        if self._outer[0]:  # a test's function that was called back has asked in turn
            signal.setitimer(signal.ITIMER_REAL, *self._outer)

    def _late(self) -> None:
        self._timer.is_late = True
        raise TimeoutError(f"this took more than {self._seconds:g} seconds")


_handler = sys.modules["_signal"].getsignal
"""`signal.getsignal` without looking for an enum's member, which takes ten times as long."""


class _On:
    """What happens when the time of the request that is being answered is over.

    One handler stays installed, which costs an operation less than a new one each time.
    """

    late: Callable[[], None] | None = None


def _on_alarm(_number: int, _frame: object) -> None:
    if _On.late is not None:
        _On.late()


@contextmanager
def _replaced(functions: dict[str, Any]) -> Iterator[None]:
    """Put functions in the place of builtins for a while."""
    before = {name: getattr(builtins, name) for name in functions}
    try:
        for name, function in functions.items():
            setattr(builtins, name, function)
        yield
    finally:
        for name, function in before.items():
            setattr(builtins, name, function)


def _changed(given: list[Any], before: list[wire.Packed | None]) -> dict[int, Any]:
    """Return what has become of those arguments that aren't what they were, by their place."""
    found: dict[int, Any] = {}
    for place, (value, was) in enumerate(zip(given, before, strict=True)):
        now = wire.packed_exactly(value) if was is not None else None
        if was is not None and now is not None and now.payload != was.payload:
            found[place] = now
    return found


def _exception(name: str, message: str) -> BaseException:
    """Return an exception of the test's function, as one of Python's own where it has that name."""
    kind = getattr(builtins, name, None)
    if isinstance(kind, type) and issubclass(kind, Exception):
        return kind(message)
    return RuntimeError(f"{name}: {message}")
