"""Serve as the zygote, inside the outer sandbox: import once, fork children, reap them.

The zygote runs our own code only and never reads what a child says. It talks with the worker
over one control socket; each child comes with a lifetime socket, whose other end the worker
holds: what is needed to set the child up arrives there, and when the worker's end closes, for
whatever reason, the child is killed with everything it has started.
"""

from __future__ import annotations

import base64
import fcntl
import gc
import importlib
import json
import os
import select
import signal
import socket
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from types import ModuleType
from typing import Any, NoReturn

from autograder.sandbox import barriers, kernel_counters, off_limits, syscalls, wire
from autograder.sandbox.barriers import stands
from autograder.sandbox.cgroups import Cgroup
from autograder.sandbox.limits import MAPPED_FILES_BYTES, REQUEST_BYTES, SandboxLimits
from autograder.sandbox.namespaces import confine, seal_devices, unprivileged_uid

_SETUP_SECONDS = 20.0
_MANY_CHILDREN = 20
"""After so many, making the later ones cheaper (15 ms of 30) soon pays for itself (0.3 s)."""


@dataclass
class _RunningChild:
    """A running child."""

    pid: int
    handle: int  # a pidfd: readable once the child has ended
    lifetime: socket.socket
    group: Cgroup
    limits: SandboxLimits
    deadline: float
    why: str = ""  # why we killed it


class Zygote:
    """The fork server's loop.

    Args:
        control: requests come here, each with a child's channel and lifetime socket.
        owner: a pidfd of the worker; when that ends, everything here does.
        start: the other entries of the worker's start message.
        entry: the module whose `serve` is what a child does.
    """

    def __init__(
        self, control: socket.socket, owner: int, start: dict[str, Any], entry: ModuleType
    ) -> None:
        self._control = control
        self._owner = owner
        self._start = start
        self._serve = entry.serve
        self._limits = SandboxLimits(**start["limits"])
        self._syscalls = base64.b64decode(start["syscalls"])
        self._own_pids = os.open("/proc/self/ns/pid", os.O_RDONLY | os.O_CLOEXEC)
        self._children: dict[int, _RunningChild] = {}  # by lifetime socket and by handle
        self._count = 0

    def run(self) -> None:
        """Serve until the worker closes the control socket or ends."""
        while True:
            ready = self._wait()
            if self._owner in ready:
                break
            if self._control.fileno() in ready and not self._answer():
                break
            for descriptor in ready:
                child = self._children.get(descriptor)
                if child and descriptor == child.handle:
                    self._reap(child)
                elif child:
                    self._kill(child, "ended by us")
            now = time.monotonic()
            for child in list(self._children.values()):
                if now > child.deadline:
                    self._kill(child, "out of time")
        for child in list(self._children.values()):
            if child.handle in self._children:
                self._kill(child, "ended by us")
                self._reap(child)

    def _wait(self) -> set[int]:
        """Return the descriptors on which something has happened."""
        poll = select.poll()
        poll.register(self._control, select.POLLIN)
        poll.register(self._owner, select.POLLIN)
        deadlines = []
        for descriptor, child in self._children.items():
            if descriptor == child.handle:
                poll.register(descriptor, select.POLLIN)
                deadlines.append(child.deadline)
            elif not child.why:
                poll.register(descriptor, select.POLLRDHUP)
        left = min(deadlines, default=None)
        wait = None if left is None else max(0.0, left - time.monotonic()) * 1000 + 1
        return {descriptor for descriptor, _event in poll.poll(wait)}

    def _answer(self) -> bool:
        """Fork a child if that is asked for; return False once the worker is gone."""
        try:
            message, descriptors, _flags, _from = socket.recv_fds(self._control, REQUEST_BYTES, 2)
        except OSError:
            return False
        if not message:
            return False
        channel, lifetime = (socket.socket(fileno=one) for one in descriptors)
        try:
            asked = json.loads(message)
            self._fork(channel, lifetime, asked["seconds"], asked["off_limits"])
        except OSError as error:
            with suppress(wire.WireError):
                wire.send_frame(lifetime, ["fault", str(error)], time.monotonic() + 1)
            lifetime.close()
        channel.close()
        return True

    def _fork(
        self,
        channel: socket.socket,
        lifetime: socket.socket,
        seconds: float | None,
        off_limits: list[str],
    ) -> None:
        self._count += 1
        limits = self._limits
        if seconds is not None and stands(barriers.WALL_TIME):
            limits = replace(limits, wall_seconds=seconds)
        if seconds is not None and stands(barriers.CPU_TIME):
            limits = replace(limits, cpu_seconds=max(1, round(seconds)))
        name = f"{self._start['group']}-{self._count}"
        group = Cgroup(self._start["parent_cgroups"], name, limits)
        if group.counts_memory:
            limits = replace(limits, mapped_bytes=MAPPED_FILES_BYTES)
        try:
            syscalls.children_in(self._own_pids)
            if stands(barriers.PROCESSES):
                syscalls.unshare("pid")
            pid = os.fork()
        except OSError:
            group.remove()
            raise
        if pid == 0:
            self._run_child(channel, lifetime, group, limits, off_limits)
        deadline = time.monotonic() + limits.wall_seconds
        child = _RunningChild(pid, os.pidfd_open(pid), lifetime, group, limits, deadline)
        self._children[child.handle] = self._children[lifetime.fileno()] = child
        if self._count == _MANY_CHILDREN:
            syscalls.use_huge_pages()

    def _run_child(
        self,
        channel: socket.socket,
        lifetime: socket.socket,
        group: Cgroup,
        limits: SandboxLimits,
        modules: list[str],
    ) -> NoReturn:
        """Sandbox this process, the child, then serve. Nothing returns into the zygote's loop."""
        try:
            try:
                group.enter()
                channel, lifetime = self._close_all_but(channel, lifetime)
                serial = self._start["serial"]
                uid = (
                    None
                    if serial is None
                    else unprivileged_uid(serial + self._count, self._start["trusted"])
                )
                covered = list(off_limits.files_of(modules, sys.path))
                confine(limits, uid, self._start["shadowed"], self._syscalls, covered)
                off_limits.forbid(modules)
                setup = wire.receive_frame(lifetime, time.monotonic() + _SETUP_SECONDS)
                unfit = _put_files(setup["files"])
                if unfit:
                    wire.send_frame(lifetime, ["unfit", unfit], time.monotonic() + 1)
                    os._exit(1)
                wire.send_frame(lifetime, ["ready"], time.monotonic() + _SETUP_SECONDS)
            except Exception as error:
                with suppress(wire.WireError):
                    wire.send_frame(lifetime, ["fault", str(error)], time.monotonic() + 1)
                os._exit(1)
            lifetime.close()
            gc.enable()
            self._serve(channel, limits, setup["seed"])
        finally:
            os._exit(0)

    def _close_all_but(self, *needed: socket.socket) -> list[socket.socket]:
        """Close every descriptor but these, which move to places right after stderr.

        The objects let go first: one that is collected later would close a descriptor of the
        student's that got its old number.
        """
        ends = [one.detach() for one in needed]
        self._control.detach()
        for child in self._children.values():
            child.lifetime.detach()
        self._children.clear()
        wanted = [os.open(os.devnull, os.O_RDWR)] * 3 + ends
        # Copies above all the places to fill, so that filling one overwrites none of them.
        copies = [fcntl.fcntl(one, fcntl.F_DUPFD, len(wanted)) for one in wanted]
        for place, copy in enumerate(copies):
            os.dup2(copy, place, inheritable=place < 3)
        if stands(barriers.DESCRIPTORS):
            os.closerange(len(wanted), 1 << 20)
        return [socket.socket(fileno=place) for place in range(3, len(wanted))]

    def _kill(self, child: _RunningChild, why: str) -> None:
        """Kill a child: it is PID 1 of its namespace, so with it goes everything it has started."""
        if not child.why:
            child.why = why
            with suppress(ProcessLookupError):
                os.kill(child.pid, signal.SIGKILL)

    def _reap(self, child: _RunningChild) -> None:
        """Reap a child that has ended, tell why it ended, and remove its control group."""
        _pid, status, usage = os.wait4(child.pid, 0)
        why = child.why or _reason(child, status, usage.ru_utime + usage.ru_stime)
        del self._children[child.handle], self._children[child.lifetime.fileno()]
        os.close(child.handle)
        child.group.remove()
        with suppress(wire.WireError):
            wire.send_frame(child.lifetime, ["ended", why], time.monotonic() + 1)
        child.lifetime.close()


def _reason(child: _RunningChild, status: int, cpu_seconds: float) -> str:
    """Return why a child ended that we did not end."""
    code = os.waitstatus_to_exitcode(status)
    if code >= 0:
        return f"exited {code}"
    if -code == signal.SIGKILL and child.group.ran_out_of_memory():
        return "out of memory"
    if -code == signal.SIGKILL and cpu_seconds >= child.limits.cpu_seconds - 1:
        return "out of processor time"
    return f"killed by signal {-code}"


def _put_files(files: dict[str, bytes]) -> str:
    """Write files into the working folder; return why one can't be written, else empty."""
    try:
        for name, content in files.items():
            folder = os.path.dirname(name)
            if folder:
                os.makedirs(folder, exist_ok=True)
            with open(name, "xb") as file:
                file.write(content)
    except OSError as error:
        return str(error)
    return ""


def _imported(name: str) -> bool:
    try:
        importlib.import_module(name)
    except ImportError:
        return False
    return True


def main(argument: str) -> None:
    """Import, report what is missing, and serve: the entry point inside.

    Args:
        argument: the start message of `ZygoteClient`, as JSON.
    """
    start = json.loads(argument)
    barriers.DOWN = frozenset(start["down"])
    # A program that root starts gets all capabilities back that bubblewrap had dropped.
    syscalls.use_capabilities(start["capabilities"])
    sys.path += [path for path in start["path"] if path not in sys.path]
    missing = [name for name in start["imports"] if not _imported(name)]
    if "numpy" in sys.modules:
        _imported("numpy.random")  # loaded late otherwise, when the first child is given its seed
    entry = importlib.import_module(start["entry"])
    entry.prepare()
    kernel_counters.take_snapshot()
    if stands(barriers.OWN_MEMORY):
        syscalls.own_memory()
    if stands(barriers.DEVICES):
        seal_devices()
    gc.collect()
    gc.freeze()  # or a collection in a child would copy every page that it looks at
    with socket.socket(fileno=start["control"]) as control:
        control.send(json.dumps({"missing": missing}).encode())
        Zygote(control, start["owner"], start, entry).run()
        os._exit(0)  # what was imported takes a while to tidy up, for nobody
