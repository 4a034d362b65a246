"""Cover the kernel's counters of the whole machine that /proc shows to everyone.

How many processes have been started, terminals opened or locks taken on this machine is a number
that one child can change and another read, exactly and at once. So the zygote records
what these files say while no child runs, and each child sees that in their place, or nothing
where programs don't ask. What a system call tells (`sysinfo`) can't be covered.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from autograder.sandbox import syscalls
from autograder.sandbox.paths import SCRATCH

_PLACE = f"{SCRATCH}/counters"

_NOTED = ("stat", "loadavg", "uptime", "vmstat", "diskstats", "cpuinfo", "cgroups")
"""Files that honest programs read: as they were."""

_EMPTY = ("locks", "zoneinfo", "buddyinfo", "interrupts", "softirqs", "schedstat", "swaps")
_EMPTY_FOLDERS = ("pressure", "sys/fs", "sys/kernel/pty")
_NOTHING_FOLDER, _NOTHING_FILE = "no-folder", "no-file"


def take_snapshot() -> None:
    """Record what the files say, where no child will be able to write."""
    os.mkdir(_PLACE)
    syscalls.mount("counters", _PLACE, "tmpfs", syscalls.MS_NOSUID | syscalls.MS_NODEV, "mode=755")
    Path(_PLACE, _NOTHING_FOLDER).mkdir()
    Path(_PLACE, _NOTHING_FILE).touch()
    for name in _NOTED:
        with suppress(OSError):
            Path(_PLACE, name).write_bytes(Path("/proc", name).read_bytes())
    syscalls.mount("none", _PLACE, flags=syscalls.MS_REMOUNT | syscalls.MS_RDONLY)


def cover() -> None:
    """Mount the notes over this process's own /proc."""
    for name in _NOTED:
        _put(name, name)
    for name in _EMPTY:
        _put(_NOTHING_FILE, name)
    for name in _EMPTY_FOLDERS:
        _put(_NOTHING_FOLDER, name)


def _put(note: str, name: str) -> None:
    with suppress(FileNotFoundError, NotADirectoryError):  # not every kernel has every file
        syscalls.mount(f"{_PLACE}/{note}", f"/proc/{name}", flags=syscalls.MS_BIND)
