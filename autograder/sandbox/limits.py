"""Limit what one submission may use; this sets what the kernel counts for a process or user."""

from __future__ import annotations

import mmap
from contextlib import suppress
from dataclasses import dataclass

from autograder.sandbox.barriers import KERNEL_QUEUES, PROCESS_COUNT, stands

MIB = 1024 * 1024

MAPPED_FILES_BYTES = 6 * 1024 * MIB
"""Address space for mapped files where a control group counts memory: a GPU build of PyTorch maps
over 3 GB of libraries, hardly any of which it uses."""

REQUEST_BYTES = 4096
"""The longest request for a child that a zygote reads."""

_QUEUED_SIGNALS = 256  # each running timer counts as one


@dataclass(frozen=True)
class SandboxLimits:
    """What one submission may use. Totals hold where control groups can be made.

    Attributes:
        memory_bytes: memory beyond what the zygote shares; for each process, and for all
            of them together.
        cpu_seconds: processor time of one process.
        wall_seconds: from the start of the child to its end, whatever it does.
        cores: processor cores, for all processes together.
        processes: processes and threads at a time.
        file_bytes: the size of one file.
        scratch_bytes: all files together; they are kept in memory.
        scratch_files: files and folders at a time.
        open_files: descriptors of one process.
        output_bytes: what one cell may show; the rest is cut, and the output says so.
        mapped_bytes: address space of one process beyond its memory. Without a control group it
            has to be 0: memory that is shared is counted nowhere else.
    """

    memory_bytes: int = 1536 * MIB
    cpu_seconds: int = 600
    wall_seconds: float = 900
    cores: int = 1
    processes: int = 64
    file_bytes: int = 128 * MIB
    scratch_bytes: int = 256 * MIB
    scratch_files: int = 10_000
    open_files: int = 256
    output_bytes: int = MIB
    mapped_bytes: int = 0

    def apply(self) -> None:
        """Limit the calling process and all it will start; only root could lift that again.

        What the kernel counts for a user rather than for a process is left to
        `apply_in_user_namespace`.
        """
        import resource  # Unix has it, and this runs on Linux only

        limits = {
            resource.RLIMIT_AS: _address_space() + self.memory_bytes + self.mapped_bytes,
            resource.RLIMIT_DATA: private_bytes() + self.memory_bytes,
            resource.RLIMIT_CPU: self.cpu_seconds,
            resource.RLIMIT_FSIZE: self.file_bytes,
            resource.RLIMIT_NOFILE: self.open_files,
            # Not 0: that would still start the program that a distribution has for crashes.
            resource.RLIMIT_CORE: 1,
        }
        _limit(limits)

    def apply_in_user_namespace(self) -> None:
        """Limit what the kernel counts for each user in each user namespace (Linux 5.14).

        To be called in a namespace that nobody else is in: set before, the limits would be of
        what all children together have, where one user grades, and one could starve the others.
        """
        import resource

        if stands(PROCESS_COUNT):
            _limit({resource.RLIMIT_NPROC: self.processes})
        if stands(KERNEL_QUEUES):
            _limit(
                {
                    resource.RLIMIT_MEMLOCK: 0,
                    resource.RLIMIT_MSGQUEUE: 0,
                    resource.RLIMIT_SIGPENDING: _QUEUED_SIGNALS,
                    resource.RLIMIT_NICE: 0,
                    resource.RLIMIT_RTPRIO: 0,
                }
            )


DEFAULT_LIMITS = SandboxLimits()
"""What a student's process may use where nobody says otherwise."""


def _limit(limits: dict[int, int]) -> None:
    """Set limits of this process, where they aren't lower already."""
    import resource

    for which, most in limits.items():
        hard = resource.getrlimit(which)[1]
        if hard != resource.RLIM_INFINITY:
            most = min(most, hard)
        with suppress(ValueError):  # never more than this process was allowed itself
            resource.setrlimit(which, (most, most))


def _address_space() -> int:
    """Return the process's bytes of address space: the imports take most of a gigabyte."""
    with open("/proc/self/statm", "rb") as file:
        return int(file.read().split()[0]) * mmap.PAGESIZE


def private_bytes() -> int:
    """Return the process's bytes of private writable memory, as RLIMIT_DATA counts them.

    Raises:
        OSError: the kernel doesn't tell.
    """
    with open("/proc/self/status", "rb") as file:
        for line in file:
            if line.startswith(b"VmData:"):
                return int(line.split()[1]) * 1024
    raise OSError("no VmData in /proc/self/status")
