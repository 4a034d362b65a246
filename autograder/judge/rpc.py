"""Make remote procedure calls in the student's process; no other way leads from the judge there.

Ten requests, each with a deadline, all by plain value (`wire`). Whatever comes back is a claim.
Where a reply tells settings of the student's process that tests depend on, they are taken over
here (`autograder.sandbox.numeric_context`). A reply that is late, malformed or out of step ends the
child, and every later request raises `ChildGone` with the reason.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from autograder.judge.remote_errors import read_claim, remote_error
from autograder.sandbox import numeric_context, objects, wire
from autograder.sandbox.plain_values import MAX_BYTES, CannotCross

GRACE = 1.0
"""Seconds between the child's own soft limit and the end of the child."""

RUN_BYTES = 4 * 1024 * 1024
"""The most bytes that a cell may show. A child cuts what is longer, so honest replies fit."""

_NAMES_BYTES = 1024 * 1024
"""The most bytes that a reply with files may take for their names."""

TIMED_OUT = "timed out"
ENDED = "ended"
MALFORMED = "malformed reply"


class ChildGone(Exception):
    """The student's process has ended; the message is one of the reasons above."""


@dataclass(frozen=True)
class RunReply:
    """What running a student's cell left, as its process claims.

    Attributes:
        error: the type and message of the exception that ended the cell; None if it came to
            its end.
        outputs: what it showed.
        late: whether the time limit ended it; an exception's name doesn't say so.
    """

    error: tuple[str, str] | None
    outputs: list[dict[str, Any]] = field(default_factory=list)
    late: bool = False


class NotPlain(TypeError):
    """An argument of a call has no plain form."""


class NoFunction(Exception):
    """A call-back names no function that was handed over."""


MAX_CALL_BACKS = 100_000
"""How often the student's code may call a function of the test's while one request is answered."""

MAX_NESTED = 24
"""How deep requests may be made within call-backs, and call-backs while those are answered."""

_LONGEST_NAME = 160
_MOST_NAMES = 16
_MOST_HANDLES = 2**32 - 1  # what a reference on the wire can name
_LONGEST_REASON = 300


class HandleTold:
    """What a reply says of an object that stays in the student's process.

    Args:
        number: names it.
        is_class, is_callable: what it can be used as.
        names: qualified names of its classes, its own first; never empty.
    """

    __slots__ = ("is_callable", "is_class", "names", "number")

    def __init__(self, number: int, is_class: bool, is_callable: bool, names: list[str]) -> None:
        self.number = number
        self.is_class = is_class
        self.is_callable = is_callable
        self.names = names or ["object"]

    @classmethod
    def read(cls, words: list[Any]) -> HandleTold | None:
        """Return what a reply says; None if it hasn't the form."""
        if len(words) != 4:
            return None
        number, is_class, is_callable, names = words
        if type(number) is not int or not 0 < number <= _MOST_HANDLES:
            return None
        if type(is_class) is not bool or type(is_callable) is not bool or type(names) is not list:
            return None
        if len(names) > _MOST_NAMES or any(type(one) is not str for one in names):
            return None
        return cls(number, is_class, is_callable, [one[:_LONGEST_NAME] for one in names])


@dataclass(slots=True)  # not frozen: that takes longer, and there is one for each operation
class Told:
    """What an operation came to, as the student's process claims.

    Attributes:
        value: plain; None where there is a handle or an error.
        handle: of an object that stays there.
        error: what it raised.
        output: what was printed meanwhile.
        changed: what has become of arguments, by their place.
    """

    value: Any = None
    handle: HandleTold | None = None
    error: Exception | None = None
    output: str = ""
    changed: dict[int, Any] = field(default_factory=dict)


CallBack = Callable[[int, list[Any], dict[str, Any]], Any]
"""Call a function of the test's by its number; what it returns is packed."""


class RpcChannel:
    """The trusted end of the RPC channel to one child.

    Args:
        connection: connected to the child; non-plain traffic on it ends the child.
        call_seconds: how long one call may take.

    Attributes:
        gone: why the child is of no use any more; None while it is.
    """

    def __init__(self, connection: socket.socket, call_seconds: float = 10.0) -> None:
        self._socket = connection
        self._frames = wire.Frames(connection)
        self.call_seconds = call_seconds
        self._sequence = 0
        self.gone: str | None = None
        self.called_back_seconds = 0.0
        """How long functions of the test's have run so far that the student's code called."""
        self._nested = 0

    def close(self) -> None:
        """Close the channel, by which the child ends."""
        self._socket.close()

    def run(self, cell: str, source: str, seconds: float, seed: int | None) -> RunReply:
        """Run a student's cell.

        Args:
            cell: its id.
            source: its code.
            seconds: the longest that it may take.
            seed: of the usual random generators; None to let them go on.

        Raises:
            ChildGone: the child has ended.
        """
        reply = self._ask("run", [cell, source, seconds, seed], seconds, RUN_BYTES)
        if (
            len(reply) not in (4, 5)
            or reply[0] != "ran"
            or type(reply[1]) is not bool
            or not isinstance(reply[3], list)
        ):
            raise self._end(MALFORMED)
        outputs = [one for one in reply[3] if isinstance(one, dict)]
        numeric_context.adopt(reply[4:])
        if reply[1]:
            return RunReply(None, outputs)
        claim = read_claim(reply[2])
        return RunReply((claim.name, claim.message), outputs, claim.late)

    def define(self, source: str) -> None:
        """Run a read-only cell in the student's process, for what student code and probes need."""
        self._value(self._ask("define", [source], self.call_seconds))

    def value(self, name: str) -> Any:
        """Return the value of one of the student's variables.

        Raises:
            NameError: there is none.
            Exception: what the child says, by type name.
            ChildGone: the child has ended.
        """
        words = [name, self.call_seconds]
        return self._value(self._ask("value", words, self.call_seconds))

    def call(self, name: str, args: list[Any], kwargs: dict[str, Any]) -> Any:
        """Return what one of the student's functions, or a probe, returns.

        Raises:
            TypeError: an argument has no plain form.
            Exception: what the function raised, with a short message, caught by the same
                `except` as there; `late` is True if the time limit brought it about.
            ChildGone: the child has ended.
        """
        try:
            packed = [wire.packed(one, arguments=True) for one in (args, kwargs)]
        except CannotCross as error:
            # The test's own mistake, and nothing was sent.
            raise NotPlain(f"student code takes plain values only: {error}") from None
        words = [name, *packed, self.call_seconds]
        return self._value(self._ask("call", words, self.call_seconds))

    def operate(
        self,
        operation: str,
        args: list[Any],
        kwargs: dict[str, Any],
        options: dict[str, Any],
        refer: wire.Refer,
        call_back: CallBack,
    ) -> Told:
        """Ask for an operation on the student's objects and names.

        Args:
            operation: its name (`sandbox.objects`, `sandbox.student_process`).
            args: of the operation.
            kwargs: of the operation.
            options: as `sandbox.student_process` reads them.
            refer: finds references for what has no plain form.
            call_back: calls a function of the test's.

        Raises:
            TypeError: an argument can't be sent.
            ChildGone: the child has ended.
        """
        seconds = self.call_seconds
        words = [operation, args, kwargs, options, seconds]
        try:  # most arguments are plain
            code = objects.CODES.get(operation)
            if code is not None and not kwargs and _IN_SHORT.issuperset(options):
                payload = wire.Operation(
                    *(self._sequence + 1, seconds, code, "handles" in options),
                    *(options.get("released", []), args),
                ).encoded()
            else:
                payload = self._encoded("operate", words)
        except wire.WireError:
            made = self._made_plain(words, refer)
            reply = self._ask("operate", made, seconds, call_back=call_back)
        else:
            reply = self._exchange(payload, seconds, MAX_BYTES, call_back)
        if reply[0] == "value" and len(reply) == 3 and reply[2] == {}:
            return Told(reply[1])
        if reply[0] == "error" and len(reply) == 7:
            return Told(error=remote_error(read_claim(reply[1:])))
        told = reply[-1]
        if type(told) is not dict or reply[0] not in ("value", "handle", "error"):
            raise self._end(MALFORMED)
        output, changed = told.get("output", ""), told.get("changed", {})
        if type(output) is not str or type(changed) is not dict:
            raise self._end(MALFORMED)
        if len(output) > (RUN_BYTES if options.get("output") else 0):
            raise self._end(MALFORMED)
        changed = {key: one for key, one in changed.items() if type(key) is int and key >= 0}
        numeric_context.adopt([told["context"]] if "context" in told else [])
        if reply[0] == "value" and len(reply) == 3:
            return Told(reply[1], output=output, changed=changed)
        if reply[0] == "handle" and (handle := HandleTold.read(reply[1:-1])) is not None:
            return Told(handle=handle, output=output, changed=changed)
        if reply[0] == "error" and len(reply) == 8:
            raised = remote_error(read_claim(reply[1:-1]))
            return Told(error=raised, output=output, changed=changed)
        raise self._end(MALFORMED)

    def _made_plain(self, words: list[Any], refer: wire.Refer) -> list[Any]:
        try:
            return [
                wire.packed(one, arguments=True, refer=refer)
                if type(one) is list or type(one) is dict
                else one
                for one in words
            ]
        except CannotCross as error:
            raise NotPlain(f"student code takes plain values only: {error}") from None

    def has(self, name: str) -> bool:
        """Return whether the student's notebook binds a name."""
        return self._value(self._ask("has", [name], self.call_seconds)) is True

    def set_random(self, state: dict[str, Any]) -> None:
        """Let the usual random generators go on from this state there."""
        self._value(self._ask("random", [state], self.call_seconds))

    def file(self, name: str) -> bytes | None:
        """Return a file from the student's working folder; None if there is none.

        Raises:
            Exception: what the child says, such as that it is too big.
            ChildGone: the child has ended.
        """
        content = self._value(self._ask("file", [name], self.call_seconds))
        if content is None or type(content) is bytes:
            return content
        raise self._end(MALFORMED)

    def made(self, endings: list[str], most_files: int, most_bytes: int) -> object:
        """Return what the child says that its code has written, by path; any value may come.

        Args:
            endings: of the files' names.
            most_files: how many it is asked for.
            most_bytes: how many bytes they may have together.
        """
        words = [endings, most_files, most_bytes, self.call_seconds]
        limit = most_bytes + _NAMES_BYTES
        return self._value(self._ask("made", words, self.call_seconds, limit))

    def put(self, name: str, content: bytes | None) -> None:
        """Write a file into the working folder, or with None remove it."""
        self._value(self._ask("put", [name, content], self.call_seconds))

    def _ask(
        self,
        verb: str,
        words: list[Any],
        seconds: float,
        limit: int = MAX_BYTES,
        call_back: CallBack | None = None,
    ) -> list[Any]:
        try:
            payload = self._encoded(verb, words)
        except wire.WireError as error:
            # The test passed what can't cross: its author's mistake, and nothing was sent.
            raise TypeError(f"student code takes plain values only: {error}") from None
        return self._exchange(payload, seconds, limit, call_back)

    def _encoded(self, verb: str, words: list[Any]) -> bytes:
        """Return the next request, of which nothing is sent yet."""
        return wire.encode([self._sequence + 1, verb, *words], arguments=True)

    def _exchange(
        self, payload: bytes, seconds: float, limit: int, call_back: CallBack | None
    ) -> list[Any]:
        """Send a request and return the reply to it."""
        if self.gone:
            raise ChildGone(self.gone)
        self._sequence += 1
        sequence = self._sequence
        deadline = time.monotonic() + seconds + GRACE
        try:
            wire.send_payload(self._socket, payload, deadline)
            reply = self._frames.receive(deadline, limit, short=wire.decode_answer)
            count = 0
            while call_back is not None and _asks_back(reply, sequence):
                count += 1
                if count > MAX_CALL_BACKS:
                    raise self._end(MALFORMED)
                deadline += self._call_back(call_back, *reply[2:])
                reply = self._frames.receive(deadline, limit, short=wire.decode_answer)
        except wire.TimedOut:
            raise self._end(TIMED_OUT) from None
        except wire.Closed:
            raise self._end(ENDED) from None
        except wire.WireError:
            raise self._end(MALFORMED) from None
        if type(reply) is not list or len(reply) < 2 or reply[0] != sequence:
            raise self._end(MALFORMED)
        return reply[1:]

    def _call_back(self, call_back: CallBack, number: Any, args: Any, kwargs: Any) -> float:
        """Call a function of the test's and send what it returned; return the seconds it took."""
        if type(number) is not int or type(args) is not list or type(kwargs) is not dict:
            raise self._end(MALFORMED)
        if not all(type(name) is str for name in kwargs):
            raise self._end(MALFORMED)
        given = [self._given(one) for one in args]
        named = {name: self._given(one) for name, one in kwargs.items()}
        if self._nested >= MAX_NESTED:
            raise self._end(MALFORMED)
        self._nested += 1
        began, before = time.monotonic(), self.called_back_seconds
        try:
            try:
                reply = ["returned", call_back(number, given, named)]
            except NoFunction:
                raise self._end(MALFORMED) from None
            except Exception as error:
                reply = ["raised", type(error).__name__, _reason(error)]
        except ChildGone:
            raise
        except BaseException:
            self._end(TIMED_OUT)  # the test's own time is over in the midst of it
            raise
        finally:
            self._nested -= 1
        took = time.monotonic() - began
        # What was called back within this call is part of it.
        self.called_back_seconds = before + took
        if self.gone:
            raise ChildGone(self.gone)
        wire.send_frame(self._socket, [0, *reply], time.monotonic() + self.call_seconds + GRACE)
        return took

    def _given(self, told: Any) -> Any:
        """Return an argument of a call-back."""
        if type(told) is list and len(told) == 2 and told[0] == "value":
            return told[1]
        if type(told) is list and told and told[0] == "handle":
            handle = HandleTold.read(told[1:])
            if handle is not None:
                return handle
        raise self._end(MALFORMED)

    def _value(self, reply: list[Any]) -> Any:
        if reply[0] == "value" and len(reply) in (2, 3) and all(type(x) is list for x in reply[2:]):
            numeric_context.adopt(reply[2:])
            return reply[1]
        if reply[0] == "error" and len(reply) in (3, 7):
            raise remote_error(read_claim(reply[1:]))
        raise self._end(MALFORMED)

    def _end(self, why: str) -> ChildGone:
        """Give up this child: after a missed reply the next one would be out of step.

        Returns:
            What to raise.
        """
        self.gone = why
        self._socket.close()
        return ChildGone(why)


_IN_SHORT = frozenset({"handles", "released"})
"""The options that a short frame has a place for."""


def _reason(error: Exception) -> str:
    """Return what an error of the test's says; its text may ask an object of the student's."""
    try:
        return str(error)[:_LONGEST_REASON]
    except Exception:
        return ""


def _asks_back(reply: Any, sequence: int) -> bool:
    """Return whether a frame is a call of a test's function, made while a request is answered."""
    return (
        type(reply) is list and len(reply) == 5 and reply[0] == sequence and reply[1] == "callback"
    )
