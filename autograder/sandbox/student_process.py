"""Serve the RPC channel in the student's process: run cells, send values, make calls.

It is in its sandbox when this begins. Student code shares the process, so nothing that
it says is more than a claim; the order kept here serves honest students only.
"""

from __future__ import annotations

import random
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from autograder.sandbox import exceptions, numeric_context, wire
from autograder.sandbox.limits import SandboxLimits
from autograder.sandbox.plain_values import CannotCross
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
    handler = _RequestHandler(get_shell(), limits)
    handler.seed(seed)
    while True:
        try:
            sequence, verb, *words = wire.receive_frame(channel, arguments=True)
        except wire.WireError:
            return
        reply = handler.answer(verb, words)
        try:
            wire.send_frame(channel, [sequence, *reply])
        except wire.Closed:
            return
        except wire.WireError:
            wire.send_frame(channel, [sequence, "error", *exceptions.claim(CannotCross())])


class _RequestHandler:
    """Answers requests about the notebook of one student."""

    def __init__(self, shell: CellShell, limits: SandboxLimits) -> None:
        self._shell = shell
        self._limits = limits
        self._probes: dict[str, Any] = {}
        self._timer = _Timer()
        self._numeric_context = numeric_context.claim()
        shell.redirect()
        sys.path.insert(0, "")  # the working folder, as in a notebook

    def answer(self, verb: str, words: list[Any]) -> list[Any]:
        """Return the reply to one request, whatever student code does meanwhile."""
        self._timer = _Timer()
        try:
            reply: list[Any] = getattr(self, f"_answer_{verb}")(*words)
        except BaseException as error:
            return ["error", *exceptions.claim(error, self._timer.is_late)]
        return reply

    def seed(self, seed: int) -> None:
        """Give the usual generators a start of their own."""
        random.seed(seed)
        if "numpy" in sys.modules:
            sys.modules["numpy"].random.seed(seed % 2**32)
        if "torch" in sys.modules:
            # Not torch.manual_seed: it notes down a stack for every device that isn't here.
            sys.modules["torch"].default_generator.manual_seed(seed % 2**63)

    def _answer_run(self, _cell: str, source: str, seconds: float, seed: int) -> list[Any]:
        self.seed(seed)
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

    def _answer_file(self, name: str) -> list[Any]:
        path = Path(name)
        return ["value", path.read_bytes() if path.is_file() else None]

    def _answer_put(self, name: str, content: bytes | None) -> list[Any]:
        path = Path(name)
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

    @contextmanager
    def limit(self, seconds: float | None) -> Iterator[None]:
        """Raise TimeoutError in the code that runs too long.

        Again and again until it ends, since the code may have been where exceptions are
        swallowed: in a formatter or a finalizer.
        """

        def late(_signal: int, _frame: object) -> None:
            self.is_late = True
            raise TimeoutError(f"this took more than {seconds:g} seconds")

        signal.signal(signal.SIGALRM, late)
        signal.setitimer(signal.ITIMER_REAL, seconds or 0, _AGAIN_SECONDS)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
