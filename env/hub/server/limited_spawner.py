"""Start servers as local processes that are held to their memory, cores and processes."""

from __future__ import annotations

import itertools
import os
import resource
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from jupyterhub.spawner import LocalProcessSpawner
from own_port import OwnPort

from autograder.sandbox.cgroups import Cgroup, find_parent_cgroups
from autograder.sandbox.limits import SandboxLimits

PREFIX = "course-hub-"
PROCESSES = 1024
_numbers = itertools.count()


class LimitedSpawner(OwnPort, LocalProcessSpawner):
    """Put each server into a control group of its own where there can be one."""

    _parents = None
    _group: Cgroup | None = None
    _folders: tuple[Path, ...] = ()

    def make_preexec_fn(self, name: str) -> Callable[[], None]:
        """Return what the new process does before it becomes the server: first as root."""
        become_user = super().make_preexec_fn(name)
        self._make_group()
        group, memory = self._group, int(self.mem_limit)
        counts_memory = group is not None and group.counts_memory

        def prepare() -> None:
            if group is not None:
                group.enter()
            if not counts_memory:
                resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))
            # Each is a user of their own, so this counts all of theirs.
            resource.setrlimit(resource.RLIMIT_NPROC, (PROCESSES, PROCESSES))
            become_user()

        return prepare

    def _make_group(self) -> None:
        if LimitedSpawner._parents is None:
            LimitedSpawner._parents = find_parent_cgroups()
            for parent in LimitedSpawner._parents:
                for left in parent.path.glob(f"{PREFIX}*"):
                    if not _has_hub(left):
                        _empty(left)
        parents = LimitedSpawner._parents
        if not parents:
            return
        name = f"{PREFIX}{os.getpid()}-{self.user.name}-{next(_numbers)}"
        limits = SandboxLimits(
            memory_bytes=int(self.mem_limit), cores=int(self.cpu_limit), processes=PROCESSES
        )
        opened = [(os.open(one.path, os.O_RDONLY), one.version, one.kinds) for one in parents]
        self._group = Cgroup(opened, name, limits)
        self._folders = tuple(one.path / name for one in parents)

    async def stop(self, now: bool = False) -> None:
        """Stop the server, and whatever it has left running."""
        await super().stop(now)
        for folder in self._folders:
            _empty(folder)
        self._folders, self._group = (), None


def _has_hub(folder: Path) -> bool:
    """Return whether the hub that made a group still runs: a machine may have several."""
    made_by = folder.name.removeprefix(PREFIX).partition("-")[0]
    return made_by != str(os.getpid()) and Path("/proc", made_by).exists()


def _empty(folder: Path) -> None:
    """End the processes of a group and remove it."""
    for _ in range(50):
        with suppress(OSError):
            for process in (folder / "cgroup.procs").read_text().split():
                with suppress(ProcessLookupError):
                    os.kill(int(process), signal.SIGKILL)
        try:
            folder.rmdir()
        except FileNotFoundError:
            return
        except OSError:
            time.sleep(0.02)
        else:
            return
