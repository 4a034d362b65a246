"""Ask the student's process for tests: within time limits, and made anew after it has ended.

A function that never returns, or ends the process, costs the test that called it. Before the
next cell the process is made anew from the cells that ran before, so every other answer is
still judged.
"""

from __future__ import annotations

import socket
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from autograder.core.cell_status import CellStatus
from autograder.judge import rpc
from autograder.judge.made_files import ENDINGS, MOST_BYTES, MOST_FILES, kept_files
from autograder.judge.rpc import CallBack, ChildGone, RpcChannel, RunReply, Told
from autograder.sandbox.wire import Refer

_SHORTEST = 0.05
"""Seconds: with less than this left of a budget, nothing is begun any more."""


class NoProcess(Exception):
    """No process can be had for the student's code."""


class CallTimedOut(Exception):
    """A call ran into its time limit."""


class ProcessEnded(Exception):
    """A call ended the student's process."""


Connect = Callable[[], socket.socket]
"""Return a connection to a new process in a sandbox; raises `NoProcess` where there is none."""


@dataclass
class TimeBudget:
    """How long the student's code may still compute, in seconds.

    Attributes:
        left: all cells and calls of one run together.
        spent: what they have taken so far.
    """

    left: float
    spent: float = 0.0

    def spend(self, seconds: float) -> None:
        """Count seconds that the student's code took."""
        self.left -= seconds
        self.spent += seconds


@dataclass(frozen=True)
class _Step:
    """One cell that the process was given, so that it can be given to the next one."""

    verb: str
    words: tuple[Any, ...]


class StudentClient:
    """Runs cells, asks for values and makes calls, each within its limits.

    Args:
        connect: makes a process.
        budget: of the run that this belongs to.
        cell_seconds: the longest of one cell, and of all that one test cell asks of one name.
        most: how many processes may be made in all.
    """

    def __init__(
        self, connect: Connect, budget: TimeBudget, cell_seconds: float, most: int
    ) -> None:
        self._connect = connect
        self._budget = budget
        self._cell_seconds = cell_seconds
        self._left_to_make = most
        self._channel: RpcChannel | None = None
        self._history: list[_Step] = []
        self._is_over = False
        self.generation = 0
        """How many processes there have been; an object of an earlier one is lost."""
        self._spent: defaultdict[str, float] = defaultdict(float)
        self.failures: dict[str, CellStatus] = {}
        """How the process ended in this test cell, by the name that was asked for."""
        self.ends = 0
        """How often a request of this test cell failed because of that."""

    def run(self, cell: str, source: str, seed: int | None) -> tuple[RunReply, bool]:
        """Run a cell of the student's.

        Args:
            cell: its id.
            source: its code.
            seed: of the usual random generators; None to let them go on.

        Returns:
            What it left, and whether it ran into its time limit.

        Raises:
            ChildGone: the cell ended the process; the next request makes it anew without it.
            NoProcess: there is none, or no time is left.
        """
        channel = self._ready()
        seconds = min(self._cell_seconds, self._budget.left)
        began = time.monotonic()
        try:
            ran = channel.run(cell, source, seconds, seed)
        except ChildGone:
            self._channel = None
            raise
        finally:
            took = time.monotonic() - began
            self._budget.spend(took)
        self._history.append(_Step("run", (cell, source, seconds, seed)))
        return ran, took >= seconds

    def define(self, source: str) -> None:
        """Run a read-only cell in the process, for what student code and probes need.

        Raises:
            Exception: what the cell raised there.
            ChildGone, NoProcess: as `run`.
        """
        channel = self._ready()
        step = _Step("define", (source,))
        channel.call_seconds = self._cell_seconds
        try:
            channel.define(source)
        except ChildGone:
            self._channel = None
            raise
        except Exception:
            self._history.append(step)
            raise
        self._history.append(step)

    def begin_test(self, known: Mapping[str, CellStatus] | None = None) -> None:
        """Give each name that the next test cell asks for its time, and forget earlier failures.

        Args:
            known: names with which the process is known to end; asking for one fails at once.
        """
        self._spent.clear()
        self.failures = dict(known or {})
        self.ends = 0

    def value(self, name: str) -> Any:
        """Return the value of one of the student's variables; raises as `call`."""
        return self._ask(name, lambda channel: channel.value(name))

    def call(self, name: str, args: list[Any], kwargs: dict[str, Any]) -> Any:
        """Return what one of the student's functions, or a probe, returns.

        Raises:
            CallTimedOut: it took too long, or an earlier call of it in this test cell had.
            ProcessEnded: it ended the process, or an earlier call of it in this test cell had.
            Exception: what the function raised.
        """
        return self._ask(name, lambda channel: channel.call(name, args, kwargs))

    def operate(
        self,
        name: str,
        operation: str,
        args: list[Any],
        kwargs: dict[str, Any],
        options: dict[str, Any],
        refer: Refer,
        call_back: CallBack,
    ) -> Told:
        """Ask for an operation; `name` is whose time it takes, the rest as `RpcChannel.operate`.

        Raises:
            CallTimedOut, ProcessEnded: as `call`.
        """
        found: Told = self._ask(
            name,
            lambda channel: channel.operate(operation, args, kwargs, options, refer, call_back),
        )
        return found

    def has(self, name: str) -> bool:
        """Return whether the student's notebook binds a name; raises as `call`."""
        return bool(self._ask(name, lambda channel: channel.has(name)))

    def set_random(self, state: dict[str, Any]) -> None:
        """Let the usual random generators go on from this state there; raises as `call`."""
        self._ask("random", lambda channel: channel.set_random(state))

    def file(self, name: str) -> bytes | None:
        """Return a file of the working folder; None if there is none; raises as `call`."""
        found: bytes | None = self._ask(f"file {name}", lambda channel: channel.file(name))
        return found

    def made_files(self) -> dict[str, bytes]:
        """Return the files that the student's code has written, as far as they are kept.

        None where the process has ended and can't be made anew.
        """
        words = (sorted(ENDINGS), MOST_FILES, MOST_BYTES)
        try:
            return kept_files(self._ask("files", lambda channel: channel.made(*words)))
        except Exception:  # whatever it says in their place
            return {}

    def put(self, name: str, content: bytes | None) -> None:
        """Write a file into the working folder, or with None remove it; raises as `call`."""
        self._ask(f"file {name}", lambda channel: channel.put(name, content))

    def close(self) -> None:
        """Close the channel, by which the process ends."""
        if self._channel is not None:
            self._channel.close()
            self._channel = None

    def _ask(self, name: str, request: Callable[[RpcChannel], Any]) -> Any:
        """Make a request; after one for a name has failed, every other for it fails at once."""
        if name in self.failures:
            raise self._failed(name, self.failures[name])
        try:
            channel = self._ready()
        except NoProcess:
            raise self._failed(name, CellStatus.NOT_RUN) from None
        seconds = min(self._cell_seconds - self._spent[name], self._budget.left)
        if seconds < _SHORTEST:
            raise self._failed(name, CellStatus.TIMED_OUT)
        channel.call_seconds = seconds
        began = time.monotonic() - channel.called_back_seconds
        status = None
        try:
            return request(channel)
        except ChildGone as end:
            status = status_of(end)
            self.close()
            raise self._failed(name, status) from None
        finally:
            took = time.monotonic() - began - channel.called_back_seconds
            self._budget.spend(took)
            self._spent[name] += took
            if took >= seconds and status is None:
                # The call was interrupted halfway, so what it left behind is nobody's answer.
                self.close()
                raise self._failed(name, CellStatus.TIMED_OUT)

    def _failed(self, name: str, status: CellStatus) -> Exception:
        self.failures[name] = status
        self.ends += 1
        return error_for(status)

    @property
    def last_failure(self) -> CellStatus:
        """Return the latest of `failures`; there is one."""
        return list(self.failures.values())[-1]

    def _ready(self) -> RpcChannel:
        """Return a channel to a process in which all cells so far have run.

        Raises:
            NoProcess: none can be had, or the time is used up.
        """
        if self._budget.left < _SHORTEST or self._is_over:
            raise NoProcess
        if self._channel is None:
            try:
                self._channel = self._connected()
            except (NoProcess, ChildGone):
                # What ran once didn't run again: there is nothing to go on from.
                self._is_over = True
                raise NoProcess from None
        return self._channel

    def _connected(self) -> RpcChannel:
        if self._left_to_make <= 0:
            raise NoProcess
        self._left_to_make -= 1
        self.generation += 1
        channel = RpcChannel(self._connect())
        began = time.monotonic()
        try:
            for step in self._history:
                channel.call_seconds = self._cell_seconds
                try:
                    getattr(channel, step.verb)(*step.words)
                except ChildGone:
                    raise
                except Exception:  # as it did the first time
                    continue
        finally:
            self._budget.spend(time.monotonic() - began)
        return channel


def status_of(end: ChildGone) -> CellStatus:
    """Return the state of the cell in which the student's process ended."""
    timed_out = str(end) == rpc.TIMED_OUT
    return CellStatus.TIMED_OUT if timed_out else CellStatus.DIED


def error_for(status: CellStatus) -> Exception:
    """Return what a test gets to see when the student's process has ended."""
    if status is CellStatus.TIMED_OUT:
        return CallTimedOut("the call ran into the time limit")
    if status is CellStatus.NOT_RUN:
        return ProcessEnded("the time for the whole notebook was used up")
    return ProcessEnded("the call ended the Python process")
