"""The one narrow door: how the trusted side reaches the student's process.

Six requests, each with a deadline, all by plain value (`wire`). Whatever comes back is a claim.
A reply that is late, malformed or out of step ends the child, and every later request raises
`ChildGone` with the reason.
"""

from __future__ import annotations

import builtins
import re
import socket
import time
from dataclasses import dataclass, field
from typing import Any, NoReturn

from autograder.engine import wire

GRACE = 1.0
"""Seconds between the child's own soft limit and the end of the child."""

RUN_BYTES = 4 * 1024 * 1024
"""The most bytes that a cell may show. The child cuts what is longer, so more is no honest reply."""

TIMED_OUT = "timed out"
ENDED = "ended"
BROKE_FORM = "broke the form"


class ChildGone(Exception):
    """The student's process has ended; the message is one of the reasons above."""


class RemoteError(Exception):
    """An exception of the student's whose type the trusted side doesn't know."""


@dataclass(frozen=True)
class Ran:
    """What running a student's cell left: the error's type and message, and the outputs."""

    error: tuple[str, str] | None
    outputs: list[dict[str, Any]] = field(default_factory=list)


class Door:
    """The trusted end of one child's socket.

    Args:
        connection: connected to the child; non-plain traffic on it ends the child.
        call_seconds: how long one call may take.

    Attributes:
        gone: why the child is of no use any more; None while it is.
    """

    def __init__(self, connection: socket.socket, call_seconds: float = 10.0) -> None:
        self._socket = connection
        self.call_seconds = call_seconds
        self._sequence = 0
        self.gone: str | None = None

    def close(self) -> None:
        """Let the child go."""
        self._socket.close()

    def run(self, cell: str, source: str, seconds: float, seed: int) -> Ran:
        """Run a student's cell."""
        reply = self._ask("run", [cell, source, seconds, seed], seconds, RUN_BYTES)
        if (
            len(reply) != 4
            or reply[0] != "ran"
            or type(reply[1]) is not bool
            or not isinstance(reply[3], list)
        ):
            self._end(BROKE_FORM)
        error = None if reply[1] else _type_and_message(reply[2])
        return Ran(error, [one for one in reply[3] if isinstance(one, dict)])

    def define(self, source: str) -> None:
        """Run a given cell in the student's process, for what student code and probes need."""
        self._value(self._ask("define", [source], self.call_seconds))

    def value(self, name: str) -> Any:
        """The value of one of the student's variables.

        Raises:
            NameError: there is none.
            Exception: what the child says, by type name.
            ChildGone: the child has ended.
        """
        return self._value(self._ask("value", [name], self.call_seconds))

    def call(self, name: str, args: list[Any], kwargs: dict[str, Any]) -> Any:
        """What one of the student's functions, or a probe, returns.

        Raises:
            TypeError: an argument isn't a plain value.
            Exception: what the function raised, by type name with a short message.
            ChildGone: the child has ended.
        """
        return self._value(
            self._ask("call", [name, args, kwargs, self.call_seconds], self.call_seconds)
        )

    def file(self, name: str) -> bytes | None:
        """A file from the student's working folder; None if there is none.

        Raises:
            Exception: what the child says, such as that it is too big.
            ChildGone: the child has ended.
        """
        content = self._value(self._ask("file", [name], self.call_seconds))
        if content is not None and type(content) is not bytes:
            self._end(BROKE_FORM)
        return content

    def put(self, name: str, content: bytes | None) -> None:
        """Write a file into the working folder, or with None take it away."""
        self._value(self._ask("put", [name, content], self.call_seconds))

    def _ask(
        self, verb: str, words: list[Any], seconds: float, limit: int = wire.MAX_BYTES
    ) -> list[Any]:
        if self.gone:
            raise ChildGone(self.gone)
        self._sequence += 1
        deadline = time.monotonic() + seconds + GRACE
        sent = False
        try:
            wire.send_frame(self._socket, [self._sequence, verb, *words], deadline)
            sent = True
            reply = wire.receive_frame(self._socket, deadline, limit)
        except wire.TimedOut:
            self._end(TIMED_OUT)
        except wire.Closed:
            self._end(ENDED)
        except wire.WireError as error:
            if not sent:
                # The test passed what can't cross: its author's mistake, and nothing was sent.
                raise TypeError(f"student code takes plain values only: {error}") from None
            self._end(BROKE_FORM)
        if type(reply) is not list or len(reply) < 2 or reply[0] != self._sequence:
            self._end(BROKE_FORM)
        return reply[1:]

    def _value(self, reply: list[Any]) -> Any:
        if reply[0] == "value" and len(reply) == 2:
            return reply[1]
        if reply[0] == "error" and len(reply) == 3:
            raise remote_error(*_type_and_message(reply[1:]))
        self._end(BROKE_FORM)

    def _end(self, why: str) -> NoReturn:
        """Say no more to this child: after a missed reply the next one would be out of step."""
        self.gone = why
        self._socket.close()
        raise ChildGone(why) from None


def _type_and_message(claim: Any) -> tuple[str, str]:
    """An exception's type name and message as the child claims them, made harmless."""
    if not (isinstance(claim, list) and len(claim) == 2 and all(type(x) is str for x in claim)):
        return "Exception", ""
    name = re.sub(r"\W", "", claim[0])[:80] or "Exception"
    message = "".join(ch if ch.isprintable() else " " for ch in claim[1])[:300]
    return name, message.encode("utf-8", "replace").decode("utf-8")


def remote_error(name: str, message: str) -> Exception:
    """The exception to raise on this side for one that the student's code raised.

    A builtin `Exception` keeps its type, so that a test's `except ValueError` works; any other
    becomes a new type of the same name that no test can have meant.
    """
    known = getattr(builtins, name, None)
    if isinstance(known, type) and issubclass(known, Exception):
        try:
            return known(message)
        except TypeError:  # UnicodeDecodeError and its kind want more than a message
            pass
    return type(name if name.isidentifier() else "RemoteError", (RemoteError,), {})(message)
