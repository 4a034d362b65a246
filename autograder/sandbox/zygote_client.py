"""Start a zygote, which forks a child for each submission, and talk with it.

    with ZygoteClient(imports=("numpy", "torch")) as zygote:
        child = zygote.fork(files={"prices.csv": b"…"}, seed=7)
        …  # talk over child.socket
        print(child.end())

The process behind it (`zygote`) lives in bubblewrap's sandbox, and ends with this process or
when it is closed, whichever comes first; no child outlives it.
"""

from __future__ import annotations

import base64
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import asdict
from pathlib import Path, PurePosixPath
from typing import Any

from autograder.sandbox import barriers, cgroups, wire
from autograder.sandbox.bubblewrap import (
    STUDENT_MODULES,
    bwrap_argv,
    capabilities,
    environment,
    explained,
    needed_folders,
    shadowed_by_tmp,
    syscall_filter,
)
from autograder.sandbox.errors import SandboxUnavailable
from autograder.sandbox.limits import DEFAULT_LIMITS, SandboxLimits
from autograder.sandbox.namespaces import unprivileged_uid
from autograder.sandbox.paths import COURSE
from autograder.sandbox.plain_values import MAX_BYTES
from autograder.sandbox.syscalls import CAPABILITIES, is_privileged

_STUDENT_ENTRY = "autograder.sandbox.student_process"
_START_SECONDS = 180.0  # imports from a slow disk
_FORK_SECONDS = 30.0
_END_SECONDS = 10.0
_DYING_SECONDS = 0.5  # between a process's closing its files and its end; mostly under 0.01

_MOST_FILE_BYTES = MAX_BYTES - (1 << 20)  # they cross in one frame, with their names

_serial = 0


class ZygoteDied(RuntimeError):
    """The zygote has ended; start another."""


class Child:
    """One submission's process.

    Attributes:
        socket: connected to it; it speaks as `student_process` does. Only claims come from there.
    """

    def __init__(self, connection: socket.socket, lifetime: socket.socket) -> None:
        self.socket = connection
        self._lifetime = lifetime
        self._why: str | None = None

    def end(self) -> str:
        """Kill it with everything it started, and return why it had ended.

        Returns:
            "ended by us", or what came first: "exited N", "killed by signal N",
            "out of memory", "out of processor time", "out of time" (the submission's limit),
            "the zygote died".
        """
        if self._why is None:
            if _hung_up(self.socket):
                # It has ended by itself, or is about to: what it died of is what we want to know.
                _wait_readable(self._lifetime, _DYING_SECONDS)
            with suppress(OSError):
                self._lifetime.shutdown(socket.SHUT_WR)
            try:
                _word, self._why = wire.receive_frame(
                    self._lifetime, time.monotonic() + _END_SECONDS
                )
            except (wire.WireError, ValueError):
                self._why = "the zygote died"
            self._lifetime.close()
            self.socket.close()
        return self._why

    def __enter__(self) -> Child:
        return self

    def __exit__(self, *_error: object) -> None:
        self.end()


def _hung_up(connection: socket.socket) -> bool:
    """Return whether the other end is closed everywhere."""
    if connection.fileno() < 0:
        return False
    poll = select.poll()
    poll.register(connection, select.POLLRDHUP)
    return bool(poll.poll(0))


def _wait_readable(connection: socket.socket, seconds: float) -> None:
    poll = select.poll()
    poll.register(connection, select.POLLIN)
    poll.poll(seconds * 1000)


class ZygoteClient:
    """A sandboxed fork server that has imported what submissions need.

    It may be used by forks of this process too; only the process that started it closes it.

    Args:
        limits: of each child.
        imports: modules to import beforehand; one that isn't there is left to the cell that
            imports it (`missing` lists them).
        packages: importable packages that children need besides what is installed.
        hidden: folders that must not be visible inside, if they lie within Python's own.
        entry: the module whose `serve` is what a child does.
        modules: this package's files that are visible inside; None for a student's few.
        wait: whether to return only once it is ready; else `wait_until_ready` has to be called.

    Raises:
        SandboxUnavailable: the sandbox can't be set up, with what to do.
    """

    def __init__(
        self,
        limits: SandboxLimits = DEFAULT_LIMITS,
        imports: Iterable[str] = (),
        packages: Iterable[str] = (),
        hidden: Iterable[Path] = (),
        entry: str = _STUDENT_ENTRY,
        modules: tuple[str, ...] | None = None,
        wait: bool = True,
    ) -> None:
        global _serial
        _serial += 1
        self.limits = limits
        self.missing: tuple[str, ...] = ()
        self._owner = os.getpid()
        self._parent_cgroups = cgroups.find_parent_cgroups()
        cgroups.remove_stale(self._parent_cgroups)
        self._group = f"{cgroups.PREFIX}{os.getpid()}-{_serial}"
        self._control, inner = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - as long as this object
        with inner, ExitStack() as ours:
            start = self._start_message(inner, tuple(imports), ours)
            start |= {"entry": entry, "trusted": entry != _STUDENT_ENTRY}
            self._process = self._launch(start, tuple(packages), tuple(hidden), modules)
        if wait:
            self.wait_until_ready()

    def _start_message(
        self, inner: socket.socket, imports: tuple[str, ...], ours: ExitStack
    ) -> dict[str, Any]:
        """Return what the zygote is told; descriptors are closed here once it has them."""
        descriptors = []
        for parent in self._parent_cgroups:
            folder = os.open(parent.path, os.O_RDONLY | os.O_DIRECTORY)
            ours.callback(os.close, folder)
            descriptors.append((folder, parent.version, parent.kinds))
        owner = os.pidfd_open(os.getpid())
        ours.callback(os.close, owner)
        needed = needed_folders()
        return {
            "control": inner.fileno(),
            "owner": owner,
            "parent_cgroups": descriptors,
            "group": self._group,
            "limits": barriers.standing_limits(asdict(self.limits)),
            "imports": imports,
            "serial": os.getpid() if is_privileged() else None,
            "shadowed": shadowed_by_tmp(needed),
            "down": sorted(barriers.DOWN),
            "syscalls": base64.b64encode(syscall_filter()).decode("ascii"),
            "capabilities": sum(1 << CAPABILITIES[name] for name in capabilities()),
            "path": [one for one in sys.path if any(Path(one).is_relative_to(x) for x in needed)],
        }

    def _launch(
        self,
        start: dict[str, Any],
        packages: tuple[str, ...],
        hidden: tuple[Path, ...],
        modules: tuple[str, ...] | None,
    ) -> subprocess.Popen[bytes]:
        bootstrap = (
            f"import sys; sys.path.insert(0, {COURSE!r}); "
            "from autograder.sandbox.zygote import main; main(sys.argv[1])"
        )
        command = [sys.executable, "-I", "-c", bootstrap, json.dumps(start)]
        folders = [entry[0] for entry in start["parent_cgroups"]]
        # A root that may not mount (a container's) becomes an ordinary user first: the kernel
        # doesn't count root's processes.
        uid = unprivileged_uid(os.getpid())
        user: dict[str, Any] = {"user": uid, "group": uid, "extra_groups": ()}
        is_plain_root = os.geteuid() == 0 and not is_privileged()
        return subprocess.Popen(
            bwrap_argv(
                command, packages=packages, hidden=hidden, modules=modules or STUDENT_MODULES
            ),
            pass_fds=[start["control"], start["owner"], *folders],
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=self._errors,
            start_new_session=True,  # Ctrl-C is the coordinator's to handle
            **(user if is_plain_root else {}),
        )

    def wait_until_ready(self) -> None:
        """Wait until everything is imported.

        Raises:
            SandboxUnavailable: the sandbox can't be set up, with what to do.
        """
        self._control.settimeout(_START_SECONDS)
        try:
            message = self._control.recv(1 << 16)
        except TimeoutError:
            message = b""
        if not message:
            self.close()
            self._errors.seek(0)
            raise SandboxUnavailable(explained(self._errors.read().decode("utf-8", "replace")))
        self.missing = tuple(json.loads(message)["missing"])

    @property
    def alive(self) -> bool:
        """Return whether it can still fork."""
        return self._control.fileno() >= 0 and not _hung_up(self._control)

    def fork(
        self,
        files: Mapping[str, bytes] | None = None,
        seed: int = 0,
        seconds: float | None = None,
    ) -> Child:
        """Fork a new child with a sandbox of its own.

        Args:
            files: what to put into its working folder, by relative path.
            seed: where the usual random generators start.
            seconds: how long it may live, and compute; None for what the limits say.

        Raises:
            ZygoteDied: start another one.
            SandboxUnavailable: the child's sandbox can't be set up.
            ValueError: a file's name leads out of the working folder, or the files are too
                large or too many for it.
        """
        files = dict(files or {})
        for name in files:
            path = PurePosixPath(name)
            if path.is_absolute() or ".." in path.parts or not path.name or "\0" in name:
                raise ValueError(f"{name!r} is no name for a file in the working folder")
        if sum(map(len, files.values())) > _MOST_FILE_BYTES:
            raise ValueError(f"the files have more than {_MOST_FILE_BYTES:,} bytes together")
        connection, channel = socket.socketpair()
        lifetime, zygote_end = socket.socketpair()
        child = Child(connection, lifetime)
        deadline = time.monotonic() + _FORK_SECONDS
        try:
            with channel, zygote_end:
                request = json.dumps({"seconds": seconds}).encode()
                socket.send_fds(self._control, [request], [channel.fileno(), zygote_end.fileno()])
        except OSError:
            child.end()
            raise ZygoteDied("the zygote has ended") from None
        try:
            wire.send_frame(lifetime, {"files": files, "seed": seed}, deadline)
            word, *rest = wire.receive_frame(lifetime, deadline)
        except wire.WireError:
            # Setting up went wrong before it could read; what it said may still be there.
            word, *rest = self._final_reply(lifetime)
        if word == "ready":
            return child
        child.end()
        if word == "unfit":
            raise ValueError(f"the files can't be put into the working folder: {rest[0]}")
        if word == "fault":
            raise SandboxUnavailable(explained(rest[0]))
        if not self.alive:
            raise ZygoteDied("the zygote has ended")
        raise SandboxUnavailable(f"A submission's process ended before it was ready: {rest[0]}.")

    @staticmethod
    def _final_reply(lifetime: socket.socket) -> list[str]:
        try:
            reply: list[str] = wire.receive_frame(lifetime, time.monotonic() + 1)
        except wire.WireError:
            return ["gone", "no reason given"]
        return reply

    def close(self) -> None:
        """End it and every child, and remove their control groups."""
        if self._owner != os.getpid():
            return
        self._control.close()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_END_SECONDS)
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        cgroups.remove_all(self._parent_cgroups, self._group)

    def __enter__(self) -> ZygoteClient:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()
