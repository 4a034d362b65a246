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
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

from autograder.sandbox import barriers, cgroups, root_launcher, wire
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
from autograder.sandbox.limits import DEFAULT_LIMITS, REQUEST_BYTES, SandboxLimits
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
_UIDS_APART = 61
"""Users of a zygote's children and those of the next one that the same process starts."""


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


@dataclass(frozen=True)
class ZygoteKind:
    """Describe a zygote to the launcher, all but the modules that it imports.

    Attributes:
        name: where the launcher finds it, as "module:attribute".
        limits: of each child.
        packages: importable packages that children need besides what is installed.
        hidden: folders that must not be visible inside, if they lie within Python's own.
        entry: the module whose `serve` is what a child does.
        modules: this package's files that are visible inside.
    """

    name: str = ""
    limits: SandboxLimits = DEFAULT_LIMITS
    packages: tuple[str, ...] = ()
    hidden: tuple[Path, ...] = ()
    entry: str = _STUDENT_ENTRY
    modules: tuple[str, ...] = STUDENT_MODULES

    def for_course(self, packages: Sequence[str], hidden: Sequence[str]) -> ZygoteKind:
        """Return it with what one course adds.

        Args:
            packages: importable packages that children need besides what is installed.
            hidden: folders that must not be visible inside.
        """
        return replace(self, packages=tuple(packages), hidden=tuple(map(Path, hidden)))

    def launch(
        self, descriptors: Sequence[int], imports: tuple[str, ...]
    ) -> root_launcher.Launched:
        """Start one.

        Args:
            descriptors: its control socket, a pidfd of its owner, and a file for its errors.
            imports: modules to import beforehand.

        Raises:
            SandboxUnavailable: the sandbox can't be set up, with what to do.
        """
        global _serial
        _serial += 1
        control, owner, errors = descriptors
        parents = cgroups.find_parent_cgroups()
        cgroups.remove_stale(parents)
        group = f"{cgroups.PREFIX}{os.getpid()}-{_serial}"
        folders = [os.open(parent.path, os.O_RDONLY | os.O_DIRECTORY) for parent in parents]
        try:
            start = self._start_message(imports) | {
                "control": control,
                "owner": owner,
                "parent_cgroups": [
                    (folder, parent.version, parent.kinds)
                    for folder, parent in zip(folders, parents, strict=True)
                ],
                "group": group,
            }
            process = self._launch(start, folders, errors)
        finally:
            for folder in folders:
                os.close(folder)
        return root_launcher.Launched(
            process.pid, process.wait, lambda: cgroups.remove_all(parents, group), group
        )

    def _start_message(self, imports: tuple[str, ...]) -> dict[str, Any]:
        """Return what the zygote is told besides its descriptors."""
        needed = needed_folders()
        serial = os.getpid() + _UIDS_APART * (_serial - 1)
        return {
            "entry": self.entry,
            "trusted": self.entry != _STUDENT_ENTRY,
            "limits": barriers.standing_limits(asdict(self.limits)),
            "imports": imports,
            "serial": serial if is_privileged() else None,
            "shadowed": shadowed_by_tmp(needed),
            "down": sorted(barriers.DOWN),
            "syscalls": base64.b64encode(syscall_filter()).decode("ascii"),
            "capabilities": sum(1 << CAPABILITIES[name] for name in capabilities()),
            "path": [one for one in sys.path if any(Path(one).is_relative_to(x) for x in needed)],
        }

    def _launch(
        self, start: dict[str, Any], folders: Sequence[int], errors: int
    ) -> subprocess.Popen[bytes]:
        bootstrap = (
            f"import sys; sys.path.insert(0, {COURSE!r}); "
            "from autograder.sandbox.zygote import main; main(sys.argv[1])"
        )
        command = [sys.executable, "-I", "-c", bootstrap, json.dumps(start)]
        # A root that may not mount (a container's) becomes an ordinary user first: the kernel
        # doesn't count root's processes.
        uid = unprivileged_uid(os.getpid())
        user: dict[str, Any] = {"user": uid, "group": uid, "extra_groups": ()}
        is_plain_root = os.geteuid() == 0 and not is_privileged()
        return subprocess.Popen(
            bwrap_argv(command, packages=self.packages, hidden=self.hidden, modules=self.modules),
            pass_fds=[start["control"], start["owner"], *folders],
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=errors,
            start_new_session=True,  # Ctrl-C is the coordinator's to handle
            **(user if is_plain_root else {}),
        )


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
        kind: all of these in one, in their place.
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
        kind: ZygoteKind | None = None,
        wait: bool = True,
    ) -> None:
        if kind is None:
            kind = ZygoteKind(
                "", limits, tuple(packages), tuple(hidden), entry, modules or STUDENT_MODULES
            )
        self.limits = kind.limits
        self.missing: tuple[str, ...] = ()
        self._owner = os.getpid()
        self._closed = False
        self._control, inner = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - as long as this object
        owner = os.pidfd_open(self._owner)
        try:
            with inner:
                descriptors = [inner.fileno(), owner, self._errors.fileno()]
                self._process = root_launcher.start(kind, descriptors, tuple(imports))
        finally:
            os.close(owner)
        if wait:
            self.wait_until_ready()

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
        off_limits: Sequence[str] = (),
    ) -> Child:
        """Fork a new child with a sandbox of its own.

        Args:
            files: what to put into its working folder, by relative path.
            seed: where the usual random generators start.
            seconds: how long it may live, and compute; None for what the limits say.
            off_limits: modules that it can neither import nor read.

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
                asked = {"seconds": seconds, "off_limits": list(off_limits)}
                request = json.dumps(asked).encode()
                if len(request) > REQUEST_BYTES:
                    raise ValueError("off-limits names too many modules; name their packages")
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
        if not self._closed:
            self._closed = True
            self._control.close()
            self._process.end(_END_SECONDS)

    def __enter__(self) -> ZygoteClient:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()
