"""Make remote procedure calls in the student's process; no other way leads from the judge there.

Six requests, each with a deadline, all by plain value (`wire`). Whatever comes back is a claim.
Where a reply tells settings of the student's process that tests depend on, they are taken over
here (`autograder.sandbox.numeric_context`). A reply that is late, malformed or out of step ends the
child, and every later request raises `ChildGone` with the reason.
"""

from __future__ import annotations

import socket
import time
from dataclasses import dataclass, field
from typing import Any

from autograder.judge.remote_errors import read_claim, remote_error
from autograder.sandbox import numeric_context, wire
from autograder.sandbox.plain_values import MAX_BYTES, CannotCross

GRACE = 1.0
"""Seconds between the child's own soft limit and the end of the child."""

RUN_BYTES = 4 * 1024 * 1024
"""The most bytes that a cell may show. A child cuts what is longer, so honest replies fit."""

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
        self.call_seconds = call_seconds
        self._sequence = 0
        self.gone: str | None = None

    def close(self) -> None:
        """Close the channel, by which the child ends."""
        self._socket.close()

    def run(self, cell: str, source: str, seconds: float, seed: int) -> RunReply:
        """Run a student's cell.

        Args:
            cell: its id.
            source: its code.
            seconds: the longest that it may take.
            seed: of the usual random generators.

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
            raise TypeError(f"student code takes plain values only: {error}") from None
        words = [name, *packed, self.call_seconds]
        return self._value(self._ask("call", words, self.call_seconds))

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

    def put(self, name: str, content: bytes | None) -> None:
        """Write a file into the working folder, or with None remove it."""
        self._value(self._ask("put", [name, content], self.call_seconds))

    def _ask(
        self, verb: str, words: list[Any], seconds: float, limit: int = MAX_BYTES
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
            raise self._end(TIMED_OUT) from None
        except wire.Closed:
            raise self._end(ENDED) from None
        except wire.WireError as error:
            if not sent:
                # The test passed what can't cross: its author's mistake, and nothing was sent.
                raise TypeError(f"student code takes plain values only: {error}") from None
            raise self._end(MALFORMED) from None
        if type(reply) is not list or len(reply) < 2 or reply[0] != self._sequence:
            raise self._end(MALFORMED)
        return reply[1:]

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
