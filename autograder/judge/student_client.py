"""The student's process as the tests see it: bounded in time, and made anew after it has ended.

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
from autograder.judge import rpc as door_module
from autograder.judge.rpc import ChildGone, Door, Ran

_SHORTEST = 0.05
"""Seconds: with less than this left of a budget, nothing is begun any more."""


class NoProcess(Exception):
    """No process can be had for the student's code."""


class CallTimedOut(Exception):
    """A call ran into its time limit."""


class ProcessEnded(Exception):
    """A call ended the student's process."""


Connect = Callable[[], socket.socket]
"""Return a connection to a new process behind walls; raises `NoProcess` where there is none."""


@dataclass
class Clock:
    """How long the student's code may still compute, in seconds.

    Attributes:
        left: all cells and calls of one look together.
        spent: what they have taken so far.
    """

    left: float
    spent: float = 0.0

    def take(self, seconds: float) -> None:
        self.left -= seconds
        self.spent += seconds


@dataclass(frozen=True)
class _Step:
    """One cell that the process was given, so that it can be given to the next one."""

    verb: str
    words: tuple[Any, ...]


class StudentProcess:
    """Runs cells, asks for values and makes calls, each within its limits.

    Args:
        connect: makes a process.
        clock: of the look that this belongs to.
        cell_seconds: the longest of one cell, and of all that one test cell asks of one name.
        most: how many processes may be made in all.
    """

    def __init__(self, connect: Connect, clock: Clock, cell_seconds: float, most: int) -> None:
        self._connect = connect
        self._clock = clock
        self._cell_seconds = cell_seconds
        self._left_to_make = most
        self._door: Door | None = None
        self._history: list[_Step] = []
        self._is_over = False
        self._spent: defaultdict[str, float] = defaultdict(float)
        self.troubles: dict[str, CellStatus] = {}
        """How the process ended in this test cell, by the name that was asked for."""
        self.ends = 0
        """How often a request of this test cell failed because of that."""

    def run(self, cell: str, source: str, seed: int) -> tuple[Ran, bool]:
        """Run a cell of the student's.

        Returns:
            What it left, and whether it ran into its time limit.

        Raises:
            ChildGone: the cell ended the process; the next request makes it anew without it.
            NoProcess: there is none, or no time is left.
        """
        door = self._ready()
        seconds = min(self._cell_seconds, self._clock.left)
        began = time.monotonic()
        try:
            ran = door.run(cell, source, seconds, seed)
        except ChildGone:
            self._door = None
            raise
        finally:
            took = time.monotonic() - began
            self._clock.take(took)
        self._history.append(_Step("run", (cell, source, seconds, seed)))
        return ran, took >= seconds

    def define(self, source: str) -> None:
        """Run a given cell in the process, for what student code and probes need.

        Raises:
            Exception: what the cell raised there.
            ChildGone, NoProcess: as `run`.
        """
        door = self._ready()
        step = _Step("define", (source,))
        door.call_seconds = self._cell_seconds
        try:
            door.define(source)
        except ChildGone:
            self._door = None
            raise
        except Exception:
            self._history.append(step)
            raise
        self._history.append(step)

    def begin_test(self, known: Mapping[str, CellStatus] | None = None) -> None:
        """Give each name that the next test cell asks for its time, and forget earlier trouble.

        Args:
            known: names with which the process is known to end; asking for one fails at once.
        """
        self._spent.clear()
        self.troubles = dict(known or {})
        self.ends = 0

    def value(self, name: str) -> Any:
        """Return the value of one of the student's variables; raises as `call`."""
        return self._ask(name, lambda door: door.value(name))

    def call(self, name: str, args: list[Any], kwargs: dict[str, Any]) -> Any:
        """Return what one of the student's functions, or a probe, returns.

        Raises:
            CallTimedOut: it took too long, or an earlier call of it in this test cell had.
            ProcessEnded: it ended the process, or an earlier call of it in this test cell had.
            Exception: what the function raised.
        """
        return self._ask(name, lambda door: door.call(name, args, kwargs))

    def file(self, name: str) -> bytes | None:
        """Return a file of the working folder; None if there is none; raises as `call`."""
        return self._ask(f"file {name}", lambda door: door.file(name))

    def put(self, name: str, content: bytes | None) -> None:
        """Write a file into the working folder, or with None remove it; raises as `call`."""
        self._ask(f"file {name}", lambda door: door.put(name, content))

    def close(self) -> None:
        """Let the process go."""
        if self._door is not None:
            self._door.close()
            self._door = None

    def _ask(self, name: str, request: Callable[[Door], Any]) -> Any:
        """Make a request; after trouble with a name, every other request of it fails at once."""
        if name in self.troubles:
            raise self._failed(name, self.troubles[name])
        try:
            door = self._ready()
        except NoProcess:
            raise self._failed(name, CellStatus.NOT_RUN) from None
        seconds = min(self._cell_seconds - self._spent[name], self._clock.left)
        if seconds < _SHORTEST:
            raise self._failed(name, CellStatus.TIMED_OUT)
        door.call_seconds = seconds
        began = time.monotonic()
        status = None
        try:
            return request(door)
        except ChildGone as end:
            status = status_of(end)
            self.close()
            raise self._failed(name, status) from None
        finally:
            took = time.monotonic() - began
            self._clock.take(took)
            self._spent[name] += took
            if took >= seconds and status is None:
                # The call was interrupted halfway, so what it left behind is nobody's answer.
                self.close()
                raise self._failed(name, CellStatus.TIMED_OUT)

    def _failed(self, name: str, status: CellStatus) -> Exception:
        self.troubles[name] = status
        self.ends += 1
        return error_for(status)

    @property
    def last_trouble(self) -> CellStatus:
        """The latest of `troubles`; there is one."""
        return list(self.troubles.values())[-1]

    def _ready(self) -> Door:
        """Return a door to a process in which all cells so far have run.

        Raises:
            NoProcess: none can be had, or the time is used up.
        """
        if self._clock.left < _SHORTEST or self._is_over:
            raise NoProcess
        if self._door is None:
            try:
                self._door = self._made()
            except (NoProcess, ChildGone):
                # What ran once didn't run again: there is nothing to go on from.
                self._is_over = True
                raise NoProcess from None
        return self._door

    def _made(self) -> Door:
        if self._left_to_make <= 0:
            raise NoProcess
        self._left_to_make -= 1
        door = Door(self._connect())
        began = time.monotonic()
        try:
            for step in self._history:
                door.call_seconds = self._cell_seconds
                try:
                    getattr(door, step.verb)(*step.words)
                except ChildGone:
                    raise
                except Exception:  # as it did the first time
                    continue
        finally:
            self._clock.take(time.monotonic() - began)
        return door


def status_of(end: ChildGone) -> CellStatus:
    """Return the state of the cell in which the student's process ended."""
    timed_out = str(end) == door_module.TIMED_OUT
    return CellStatus.TIMED_OUT if timed_out else CellStatus.DIED


def error_for(status: CellStatus) -> Exception:
    """Return what a test gets to see when the student's process has ended."""
    if status is CellStatus.TIMED_OUT:
        return CallTimedOut("the call ran into the time limit")
    if status is CellStatus.NOT_RUN:
        return ProcessEnded("the time for the whole notebook was used up")
    return ProcessEnded("the call ended the Python process")
