"""Run the one process of a run that keeps root: it sets up sandboxes, and does nothing else.

Where root grades, this process is started before anything of a submission is read, and then
everybody else gives root up (`privileges`). Afterwards it is asked over a socket to start what
needs root to start: a zygote that imports these modules, the sandboxed reader, the fork server of
the workers. Which those are is a fixed list that it was started with; a request names one of them
and can only add the names of modules; what a course adds to them (packages, hidden folders) was
said at the start, too. What it starts gets the descriptors that came with the
request, and no others.

Elsewhere (an ordinary user, a worker of a cluster, a test) there is no such process, and `start`
does in place what it would do.
"""

from __future__ import annotations

import importlib
import json
import os
import re
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Protocol

from autograder.sandbox import barriers, privileges, syscalls
from autograder.sandbox.errors import SandboxUnavailable

_ANSWERS_IN = 60.0  # seconds; it may still be starting on a slow disk
_ENDS_IN = 10.0  # seconds that what it started has to end by itself
_GROUP_ENDS_IN = 2.0  # seconds that killed processes may take
_MAX_BYTES = 1 << 16
_MAX_DESCRIPTORS = 8
_MAX_RUNNING = 512
_MAX_IMPORTS = 500
_MODULE = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", re.ASCII)


class LauncherGone(SandboxUnavailable):
    """Report that the launcher has ended."""


@dataclass
class Launched:
    """Hold a process that has been started, as its parent sees it.

    Attributes:
        pid: the process, which leads a process group of its own.
        wait: returns once it has ended.
        clean: called once it has ended, to remove what it leaves behind.
        group: how the names of its control groups begin.
    """

    pid: int
    wait: Callable[[], object]
    clean: Callable[[], object] = lambda: None
    group: str = ""

    def end(self, seconds: float = _ENDS_IN) -> None:
        """Give it time to end by itself, then kill it with its group; leave nothing behind."""
        handle = os.pidfd_open(self.pid)
        select.select([handle], [], [], seconds)
        os.close(handle)
        self.kill()
        self.reap()

    def kill(self) -> None:
        """Kill it with its group."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)

    def reap(self) -> None:
        """Wait for it and its group, and remove what it leaves behind."""
        self.wait()
        until = time.monotonic() + _GROUP_ENDS_IN
        while _lives(self.pid) and time.monotonic() < until:
            time.sleep(0.002)
        self.clean()


def _lives(group: int) -> bool:
    """Return whether a process of this group still runs, or is about to end."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    for number in filter(str.isdigit, os.listdir("/proc")):
        with suppress(OSError), open(f"/proc/{number}/stat", encoding="utf-8") as file:
            state, _parent, its_group = file.read().rpartition(")")[2].split()[:3]
            # Whoever inherits orphans may take its time to see that one has ended.
            if int(its_group) == group and state not in "ZX":
                return True
    return False


class Kind(Protocol):
    """Describe something that can be started.

    Attributes:
        name: where it is found, as "module:attribute"; empty for one that only its own process
            starts.
    """

    @property
    def name(self) -> str:
        """Return where it is found."""
        ...

    def for_course(self, packages: Sequence[str], hidden: Sequence[str]) -> Kind:
        """Return it for one course.

        Args:
            packages: what student code may import besides what is installed.
            hidden: folders that must not be visible to it.
        """
        ...

    def launch(self, descriptors: Sequence[int], imports: tuple[str, ...]) -> Launched:
        """Start it with these descriptors.

        Raises:
            SandboxUnavailable: it can't be started; the message says what to do.
        """
        ...


class Remote:
    """Hold a process that the launcher has started for this one."""

    def __init__(self, answers: socket.socket, pid: int, handle: int) -> None:
        self.pid = pid
        self._answers = answers
        self._handle = handle

    def end(self, seconds: float = _ENDS_IN) -> None:
        """Give it time to end by itself, then have it killed; return once it is gone."""
        if self._answers.fileno() < 0:
            return
        with suppress(OSError):
            self._answers.send(json.dumps(seconds).encode())
            self._answers.settimeout(seconds + _ENDS_IN)
            self._answers.recv(16)
        self._answers.close()
        os.close(self._handle)

    def kill(self) -> None:
        """Kill it now; what it has started ends with it."""
        with suppress(OSError):
            signal.pidfd_send_signal(self._handle, signal.SIGKILL)


class _Client:
    """Ask a launcher; processes forked from one that has this can ask too."""

    def __init__(self, requests: socket.socket, kinds: frozenset[str]) -> None:
        self.requests = requests
        self.kinds = kinds

    def start(self, name: str, descriptors: Sequence[int], imports: tuple[str, ...]) -> Remote:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            with theirs:
                message = json.dumps({"kind": name, "imports": imports}).encode()
                sent = [theirs.fileno(), *descriptors]
                socket.send_fds(self.requests, [message], sent)
            ours.settimeout(_ANSWERS_IN)
            answer, handles, _flags, _from = socket.recv_fds(ours, _MAX_BYTES, 1)
            said = json.loads(answer)
        except (OSError, ValueError):
            ours.close()
            raise LauncherGone(
                "The process that sets up sandboxes has ended; run the same command again."
            ) from None
        if not handles:
            ours.close()
            raise SandboxUnavailable(said["fault"])
        return Remote(ours, said["pid"], handles[0])


_client: _Client | None = None
_offered: frozenset[str] = frozenset()  # in the launcher, and in forks of it


def start(
    kind: Kind, descriptors: Sequence[int] = (), imports: tuple[str, ...] = ()
) -> Launched | Remote:
    """Start a process of this kind, by the launcher if there is one.

    Args:
        kind: what to start.
        descriptors: what it is given, in the order that the kind expects.
        imports: names of modules that it imports before it is used.

    Raises:
        SandboxUnavailable: it can't be started; the message says what to do.
    """
    if _client is not None and kind.name in _client.kinds:
        return _client.start(kind.name, descriptors, imports)
    return kind.launch(descriptors, imports)


def descriptor_for(kind: Kind) -> int | None:
    """Return the socket to the launcher, to hand on; None if there is none for this kind."""
    return _client.requests.fileno() if _client and kind.name in _client.kinds else None


def connect(descriptor: int) -> None:
    """Ask over this socket from now on, in a fork of the launcher."""
    global _client
    _client = _Client(socket.socket(fileno=descriptor), _offered)


@contextmanager
def running(
    kinds: Sequence[str], packages: Sequence[str] = (), hidden: Sequence[str] = ()
) -> Iterator[int | None]:
    """Run a launcher for these kinds where this is root, and end it with the block.

    Args:
        kinds: the names of `Kind` objects.
        packages: what student code may import besides what is installed.
        hidden: folders that must not be visible to it.

    Yields:
        Its process; None where there is none.
    """
    global _client
    if sys.platform != "linux" or os.geteuid() != 0 or _client is not None:
        yield None
        return
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    owner = os.pidfd_open(os.getpid())
    argument = {
        "requests": theirs.fileno(),
        "owner": owner,
        "kinds": list(kinds),
        "packages": list(packages),
        "hidden": list(hidden),
        "down": sorted(barriers.DOWN),
        "path": sys.path,
    }
    bootstrap = (
        "import json, sys; start = json.loads(sys.argv[1]); sys.path[:] = start['path']; "
        "from autograder.sandbox.root_launcher import main; main(start)"
    )
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-c", bootstrap, json.dumps(argument)],
            pass_fds=[theirs.fileno(), owner],
            stdin=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C is the coordinator's to handle
        )
    os.close(owner)
    _client = _Client(ours, frozenset(kinds))
    try:
        yield process.pid
    finally:
        _client = None
        with suppress(OSError):
            ours.shutdown(socket.SHUT_RDWR)  # forks have it open too
        ours.close()
        process.wait()


@dataclass
class _Running:
    launched: Launched
    handle: int  # a pidfd
    answers: socket.socket
    deadline: float | None = None  # once its end is wanted


class _Server:
    """Run the launcher's loop."""

    def __init__(self, requests: socket.socket, owner: int, kinds: dict[str, Kind]) -> None:
        self._requests = requests
        self._owner = owner
        self._kinds = kinds
        self._running: list[_Running] = []

    def run(self) -> None:
        """Serve until the owner says that it is done, or ends."""
        while True:
            ready = self._wait()
            if self._owner in ready:
                break
            if self._requests.fileno() in ready and not self._answer():
                break
            for one in list(self._running):
                if one.handle in ready:
                    self._reap(one)
                elif one.answers.fileno() in ready:
                    one.deadline = time.monotonic() + _patience(one.answers)
                if one.deadline is not None and time.monotonic() >= one.deadline:
                    one.launched.kill()
        for one in self._running:
            one.launched.kill()
        for one in list(self._running):
            self._reap(one)

    def _wait(self) -> set[int]:
        poll = select.poll()
        poll.register(self._requests, select.POLLIN)
        poll.register(self._owner, select.POLLIN)
        for one in self._running:
            poll.register(one.handle, select.POLLIN)
            if one.deadline is None:
                poll.register(one.answers, select.POLLIN)
        left = min(
            (one.deadline for one in self._running if one.deadline is not None), default=None
        )
        wait = None if left is None else max(0.0, left - time.monotonic()) * 1000 + 1
        return {descriptor for descriptor, _event in poll.poll(wait)}

    def _answer(self) -> bool:
        """Start what is asked for, and return False once nobody can ask any more."""
        try:
            message, descriptors, _flags, _from = socket.recv_fds(
                self._requests, _MAX_BYTES, _MAX_DESCRIPTORS
            )
        except OSError:
            return False
        if not message:
            return False
        if descriptors:
            answers = socket.socket(fileno=descriptors.pop(0))
            try:
                launched = self._launched(message, descriptors)
            except (SandboxUnavailable, OSError) as error:
                with suppress(OSError):
                    answers.send(json.dumps({"fault": str(error)}).encode())
                answers.close()
            else:
                handle = os.pidfd_open(launched.pid)
                self._running.append(_Running(launched, handle, answers))
                with suppress(OSError):  # else whoever asked is gone, and so will this be
                    socket.send_fds(answers, [json.dumps({"pid": launched.pid}).encode()], [handle])
        for descriptor in descriptors:
            os.close(descriptor)
        return True

    def _launched(self, message: bytes, descriptors: Sequence[int]) -> Launched:
        name, imports = _request(message)
        if name not in self._kinds or len(self._running) >= _MAX_RUNNING:
            raise SandboxUnavailable(f"The process that sets up sandboxes starts no {name!r} now.")
        return self._kinds[name].launch(descriptors, imports)

    def _reap(self, one: _Running) -> None:
        one.launched.reap()
        self._running.remove(one)
        os.close(one.handle)
        with suppress(OSError):
            one.answers.send(b"ended")
        one.answers.close()


def _patience(answers: socket.socket) -> float:
    """Return the seconds that a process has to end, as its user asks; 0 if the user is gone."""
    try:
        said = json.loads(answers.recv(64))
    except (OSError, ValueError):
        return 0.0
    return min(float(said), 60.0) if type(said) in (int, float) and said > 0 else 0.0


def _request(message: bytes) -> tuple[str, tuple[str, ...]]:
    """Read a request.

    Raises:
        SandboxUnavailable: it is none.
    """
    try:
        asked: Any = json.loads(message)
        name, imports = asked["kind"], asked["imports"]
        sound = type(name) is str and type(imports) is list and len(imports) <= _MAX_IMPORTS
        if sound and all(type(one) is str and _MODULE.fullmatch(one) for one in imports):
            return name, tuple(imports)
    except (ValueError, TypeError, KeyError, RecursionError):
        pass
    raise SandboxUnavailable(
        "The process that sets up sandboxes was asked for nothing that it knows."
    )


def main(start: dict[str, Any]) -> None:
    """Run the launcher's process: keep what setting up sandboxes needs, and serve."""
    global _offered
    barriers.DOWN = frozenset(start["down"])
    privileges.keep(privileges.setting_up_sandboxes())
    kinds: dict[str, Kind] = {}
    for name in start["kinds"]:
        module, _colon, attribute = name.partition(":")
        kind: Kind = getattr(importlib.import_module(module), attribute)
        kinds[name] = kind.for_course(start["packages"], start["hidden"])
    _offered = frozenset(kinds)
    with socket.socket(fileno=start["requests"]) as requests:
        os.set_inheritable(start["requests"], False)
        os.set_inheritable(start["owner"], False)
        _Server(requests, start["owner"], kinds).run()
    os._exit(0)


def fork(descriptors: Sequence[int], run: Callable[..., object]) -> Launched:
    """Start a fork of this process that has nothing of it but these descriptors.

    Args:
        descriptors: what it keeps open; they get the numbers from 3 on.
        run: called in the fork with the descriptors' new numbers, once it is no longer root.
    """
    parent = os.getpid()
    pid = os.fork()
    if pid:
        return Launched(pid, lambda: os.waitpid(pid, 0))
    try:
        os.setsid()
        # Copies above all the places to fill, so that filling one overwrites none of them.
        high = [os.dup(one) for one in descriptors]
        while any(one < 3 + len(high) for one in high):
            high = [os.dup(one) for one in high]
        for place, one in enumerate(high, 3):
            os.dup2(one, place)
        os.closerange(3 + len(high), 1 << 16)
        privileges.become(privileges.WORKER)
        syscalls.die_with_parent()  # after the change of user, which forgets it
        if os.getppid() == parent:
            run(*range(3, 3 + len(high)))
    finally:
        os._exit(0)
