"""Limit what a submission's processes may use together, by control groups where they can be made.

Both versions are in use. `find_parent_cgroups` looks, outside the sandbox, for folders to make
groups in; inside, the zygote is given these folders as open descriptors and makes one
group in each for every child.
"""

from __future__ import annotations

import functools
import os
import subprocess
import time
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

from autograder.sandbox.limits import MIB, SandboxLimits
from autograder.sandbox.syscalls import is_privileged

PREFIX = "autograder-"
_STALE_SECONDS = 60
_MEMORY_BESIDES = 256 * MIB
"""What a group may hold beyond its limit: the pages that a child copies of those it shares with
the zygote. Python's own MemoryError then comes before the kernel's kill."""

_PERIOD = 100_000  # microseconds, for the share of processor time

_PROBING = {
    1: {"memory": "memory.limit_in_bytes", "pids": "pids.max", "cpu": "cpu.cfs_quota_us"},
    2: {"memory": "memory.max", "pids": "pids.max", "cpu": "cpu.max"},
}


_PAUSES = (*[0.001] * 10, *[0.005] * 10, *[0.02] * 10, 0)
"""Seconds to wait until the kernel lets a group go, a quarter of a second in all."""


@dataclass(frozen=True)
class ParentCgroup:
    """A folder in which groups can be made, and what they can limit.

    Attributes:
        version: 1 or 2, of the kernel's interface.
        kinds: of "memory", "pids" and "cpu".
    """

    path: Path
    version: int
    kinds: tuple[str, ...]


def find_parent_cgroups() -> list[ParentCgroup]:
    """Return where this process may make groups and move processes into them; often nowhere."""
    groups = Path("/proc/self/cgroup").read_text()
    mounts = Path("/proc/self/mountinfo").read_text()
    return list(_tried(groups, mounts, os.getpid()))


@functools.lru_cache(maxsize=1)
def _tried(groups: str, mounts: str, pid: int) -> tuple[ParentCgroup, ...]:
    """Return what works of the folders to try: a process tries once, as long as nothing moves."""
    parents: list[ParentCgroup] = []
    covered: set[str] = set()
    with ExitStack() as at_last:
        for path, version, kinds in candidates(groups, mounts):
            if kinds <= covered:
                continue
            trial = path / f"{PREFIX}{pid}-trial"
            # The kernel takes a while to let go of each, and does so for all at the same time.
            at_last.callback(_remove, trial)
            usable = _usable(trial, version)
            found = tuple(kind for kind in usable if kind in kinds - covered)
            if found:
                parents.append(ParentCgroup(path, version, found))
                covered |= set(found)
    return tuple(parents)


def remove_stale(parents: Sequence[ParentCgroup]) -> None:
    """Remove the empty groups of workers that were killed together with their zygote."""
    for parent in parents:
        for path in parent.path.glob(f"{PREFIX}*"):
            owner = path.name.removeprefix(PREFIX).split("-")[0]
            with suppress(OSError):
                # A worker in another container may have a number that means nothing here, so
                # a group that is being made right now must not look left over.
                is_old = time.time() - path.stat().st_ctime > _STALE_SECONDS
                if is_old and not Path("/proc", owner).exists():
                    path.rmdir()


def candidates(groups: str, mounts: str) -> list[tuple[Path, int, set[str]]]:
    """Return folders to try, their version, and what to limit there.

    That is the own group, and with version 2 its parent: a group that has processes may have no
    limited groups inside, but it may have siblings.

    Args:
        groups: what /proc/self/cgroup says.
        mounts: what /proc/self/mountinfo says.
    """
    wanted = {"memory", "pids", "cpu"}
    own: dict[str, str] = {}
    for line in groups.splitlines():
        _number, controllers, path = line.split(":", 2)
        own |= dict.fromkeys(controllers.split(","), path)
    found = []
    for line in mounts.splitlines():
        before, _, after = line.partition(" - ")
        root, place = before.split()[3:5]
        kind, _source, options = after.split(" ", 2)
        if kind == "cgroup2" and "" in own:
            folder = _folder(place, root, own[""])
            found += [(folder, 2, wanted), (folder.parent, 2, wanted)]
        elif kind == "cgroup":
            for name in sorted(wanted & set(options.split(",")) & set(own)):
                found.append((_folder(place, root, own[name]), 1, {name}))
    return found


def _folder(place: str, root: str, own: str) -> Path:
    relative = os.path.relpath(own, root)
    return Path(place) if relative.startswith("..") else Path(place, relative)


def _usable(trial: Path, version: int) -> list[str]:
    """Make this group; return what it can limit, nothing if it can't be made and entered."""
    try:
        if not is_privileged() and not _is_own(trial.parent):
            return []  # a container's root may here what the zygote may not
        trial.mkdir()
    except OSError:
        return []
    enter = f"echo 0 > {trial}/cgroup.procs"
    entered = subprocess.run(["/bin/sh", "-c", enter], stderr=subprocess.DEVNULL, timeout=10)
    if entered.returncode:
        return []
    return [kind for kind, name in _PROBING[version].items() if (trial / name).exists()]


def _is_own(path: Path) -> bool:
    """Return whether an ordinary user owns it who may make groups there."""
    status = path.stat()
    return status.st_uid == os.geteuid() != 0 and bool(status.st_mode & 0o200)


def _remove(path: str | Path, folder: int | None = None) -> None:
    """Remove a group; the kernel may need a moment after its last process."""
    for pause in _PAUSES:
        try:
            os.rmdir(path, dir_fd=folder)
        except FileNotFoundError:
            return
        except OSError:
            time.sleep(pause)
        else:
            return


def remove_all(parents: Sequence[ParentCgroup], prefix: str) -> None:
    """Remove the groups that a zygote left because it was killed.

    Args:
        parents: where they may be.
        prefix: of the names of its groups, without the hyphen and number of each.
    """
    for parent in parents:
        for path in parent.path.glob(f"{prefix}-*"):
            _remove(path)


class Cgroup:
    """One child's groups, one in each parent.

    Args:
        parents: an open descriptor of each parent's folder, its version, and what it limits.
        name: of the new folders.

    Raises:
        OSError: a group can't be made or limited.
    """

    def __init__(
        self, parents: Sequence[tuple[int, int, Sequence[str]]], name: str, limits: SandboxLimits
    ) -> None:
        self._parents = parents
        self._name = name
        for folder, version, kinds in parents:
            os.mkdir(name, dir_fd=folder)
            for kind in kinds:
                for file, value, needed in _settings(version, kind, limits):
                    try:
                        self._write(folder, file, value)
                    except OSError:
                        if needed:
                            self.remove()
                            raise

    @property
    def counts_memory(self) -> bool:
        """Return whether one of the groups limits memory."""
        return any("memory" in kinds for _folder, _version, kinds in self._parents)

    def enter(self) -> None:
        """Move the calling process into the groups; what it starts is in them too."""
        for folder, _version, _kinds in self._parents:
            self._write(folder, "cgroup.procs", "0")

    def ran_out_of_memory(self) -> bool:
        """Return whether the kernel killed a process of the group for its memory."""
        for folder, version, kinds in self._parents:
            if "memory" in kinds:
                file = "memory.oom_control" if version == 1 else "memory.events"
                with suppress(OSError):
                    words = self._read(folder, file).split()
                    return "oom_kill" in words and words[words.index("oom_kill") + 1] != "0"
        return False

    def remove(self) -> None:
        """Remove the groups; their processes have ended."""
        for folder, _version, _kinds in self._parents:
            _remove(self._name, folder)

    def _write(self, folder: int, file: str, value: str) -> None:
        descriptor = os.open(f"{self._name}/{file}", os.O_WRONLY, dir_fd=folder)
        try:
            os.write(descriptor, value.encode())
        finally:
            os.close(descriptor)

    def _read(self, folder: int, file: str) -> str:
        descriptor = os.open(f"{self._name}/{file}", os.O_RDONLY, dir_fd=folder)
        try:
            return os.read(descriptor, 4096).decode()
        finally:
            os.close(descriptor)


def _settings(version: int, kind: str, limits: SandboxLimits) -> list[tuple[str, str, bool]]:
    """Return files, what to write, and whether the limit depends on it (swap may be missing)."""
    memory, quota = str(limits.memory_bytes + _MEMORY_BESIDES), str(limits.cores * _PERIOD)
    return {
        (1, "memory"): [
            ("memory.limit_in_bytes", memory, True),
            ("memory.memsw.limit_in_bytes", memory, False),
        ],
        (1, "pids"): [("pids.max", str(limits.processes), True)],
        (1, "cpu"): [("cpu.cfs_quota_us", quota, False)],
        (2, "memory"): [
            ("memory.max", memory, True),
            ("memory.swap.max", "0", False),
            ("memory.oom.group", "1", False),
        ],
        (2, "pids"): [("pids.max", str(limits.processes), True)],
        (2, "cpu"): [("cpu.max", f"{quota} {_PERIOD}", False)],
    }[version, kind]
