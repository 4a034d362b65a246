"""The student's process as the tests see it: bounded in time, and made anew after it has ended.

A function that never returns, or ends the process, costs the test that called it. Before the
next cell the process is made anew from the cells that ran before, so every other answer is
still judged.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from autograder.core.cell_status import CellStatus
from autograder.engine import door as door_module
from autograder.engine.door import ChildGone, Door, Ran

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
        cell_seconds: the longest of one cell, and of all calls of one test cell together.
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
        self._calls_left = cell_seconds
        self.trouble: CellStatus | None = None
        """How the process ended since `begin_test`, or since it was made; None if it did not."""

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

    def begin_test(self, trouble: CellStatus | None = None) -> None:
        """Give the calls of the next test cell their time, and forget earlier trouble.

        Args:
            trouble: with it every request of the cell fails at once.
        """
        self._calls_left = self._cell_seconds
        self.trouble = trouble

    def value(self, name: str) -> Any:
        """Return the value of one of the student's variables; raises as `call`."""
        return self._ask(lambda door: door.value(name))

    def call(self, name: str, args: list[Any], kwargs: dict[str, Any]) -> Any:
        """Return what one of the student's functions, or a probe, returns.

        Raises:
            CallTimedOut: it took too long, or an earlier call of this test cell had.
            ProcessEnded: it ended the process, or an earlier call of this test cell had.
            Exception: what the function raised.
        """
        return self._ask(lambda door: door.call(name, args, kwargs))

    def file(self, name: str) -> bytes | None:
        """Return a file of the working folder; None if there is none; raises as `call`."""
        return self._ask(lambda door: door.file(name))

    def put(self, name: str, content: bytes | None) -> None:
        """Write a file into the working folder, or with None remove it; raises as `call`."""
        self._ask(lambda door: door.put(name, content))

    def close(self) -> None:
        """Let the process go."""
        if self._door is not None:
            self._door.close()
            self._door = None

    def _ask(self, request: Callable[[Door], Any]) -> Any:
        if self.trouble is not None:
            raise error_for(self.trouble)
        try:
            door = self._ready()
        except NoProcess:
            self.trouble = CellStatus.NOT_RUN
            raise error_for(self.trouble) from None
        seconds = min(self._calls_left, self._clock.left)
        if seconds < _SHORTEST:
            self._drop(CellStatus.TIMED_OUT)
            raise error_for(CellStatus.TIMED_OUT)
        door.call_seconds = seconds
        began = time.monotonic()
        try:
            return request(door)
        except ChildGone as end:
            self._drop(status_of(end))
            raise error_for(self.trouble) from None
        finally:
            took = time.monotonic() - began
            self._clock.take(took)
            self._calls_left -= took
            if took >= seconds and self.trouble is None:
                # The call was interrupted halfway, so what it left behind is nobody's answer.
                self._drop(CellStatus.TIMED_OUT)
                raise error_for(CellStatus.TIMED_OUT)

    def _drop(self, status: CellStatus) -> None:
        self.trouble = status
        self.close()

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
