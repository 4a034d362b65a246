"""Name every barrier around a child, and say which of them stand.

All of them do, always. `DOWN` exists for one purpose: the mutation check of the attack suite takes
each barrier down in turn, and at least one attack must then succeed; a barrier that no attack
misses has no test. A test patches `DOWN` in the process that starts the zygote, from where
it travels inside in the start message. No environment variable, option or configuration sets it.

Barriers often overlap: with one of them down another may still hold, so `sandbox.probes` has for
each a probe that tells whether this one stands. That no setuid program gives anything isn't in the
list: bubblewrap sees to that itself and can't be told not to.
"""

from __future__ import annotations

from typing import Any

NETWORK = "network namespace"
PROCESSES = "process namespace"
IPC = "IPC namespace"
HOST_NAME = "host name namespace"
READ_ONLY = "read-only file systems"
HIDDEN_FILES = "hidden files"
SCRATCH = "private scratch"
DEVICES = "read-only device nodes"
TERMINALS = "private terminals"
KERNEL_SETTINGS = "read-only kernel settings"
KERNEL_COUNTERS = "covered kernel counters"
USER = "unprivileged user"
USER_NAMESPACE = "user namespace"
NO_FURTHER_NAMESPACES = "no further namespaces"
CAPABILITIES = "no capabilities"
SESSION_KEYRING = "session keyring"
OWN_MEMORY = "unshared memory"
DESCRIPTORS = "closed descriptors"
ENVIRONMENT = "clean environment"
SHARED_MEMORY = "shared memory limit"
MEMORY = "memory limit"
PROCESS_COUNT = "process limit"
FILE_SIZE = "file size limit"
SCRATCH_SIZE = "scratch size limit"
FILE_COUNT = "file count limit"
OPEN_FILES = "open files limit"
CPU_TIME = "processor time limit"
CORES = "processor share limit"
WALL_TIME = "wall time limit"
OUTPUT = "output limit"
KERNEL_QUEUES = "locked memory and queue limits"
SYSCALLS = "system call filter"

SYSCALL_GROUPS = {
    "calls: sockets": "socket families and protocols beyond Unix, TCP, UDP and ICMP",
    "calls: locks": "flock and fcntl locks, which are answered by success and do nothing",
    "calls: file events": "inotify, fanotify, F_NOTIFY, leases, write hints, file handles",
    "calls: asynchronous files": "io_uring and the older io_submit family",
    "calls: keyrings": "add_key, request_key, keyctl",
    "calls: tracing": "ptrace, other processes' memory and descriptors",
    "calls: kernel programs": "bpf, perf_event_open, userfaultfd, seccomp listeners",
    "calls: namespaces": "unshare, setns, clone with namespaces, mounts, chroot",
    "calls: page cache": "who has read which shared file: mincore, RWF_NOWAIT, fadvise, sync",
    "calls: scheduling": "pinning to cores, priorities, core scheduling",
    "calls: kernel log": "syslog",
    "calls: devices": "ioctl requests beyond terminals and plain files: TIOCSTI, TIOCSETD",
    "calls: foreign": "calls of another architecture: 32-bit, x32",
    "calls: unknown": "everything that isn't on the list, old, exotic or new",
}
"""Parts of the system call filter, and what each closes."""

ALL = {
    NETWORK: "no interface, no address, no abstract socket of anyone else's",
    PROCESSES: "sees, signals and outlives no other child's process",
    IPC: "System V and POSIX queues, semaphores and shared memory of its own",
    HOST_NAME: "a host name of its own",
    READ_ONLY: "nothing outside the scratch can be written, nor its access times",
    HIDDEN_FILES: "only Python, the system's programs and the lesson library are there",
    SCRATCH: "/scratch, /tmp and /dev/shm are its own and end with it",
    DEVICES: "times and modes of /dev/null and the like, which are the machine's, stay",
    TERMINALS: "pseudo-terminals of its own",
    KERNEL_SETTINGS: "/proc/sys can't be written",
    KERNEL_COUNTERS: "/proc/stat, /proc/locks and the like show what the zygote saw",
    USER: "another user than the grader and than other children (where root grades)",
    USER_NAMESPACE: "a user namespace of its own, in which limits of the user are counted",
    NO_FURTHER_NAMESPACES: "no user namespace can be made within",
    CAPABILITIES: "no capability, in no namespace",
    SESSION_KEYRING: "not the keys of the login that the grader runs in",
    OWN_MEMORY: "no memory that a package has mapped for the zygote and all its forks",
    DESCRIPTORS: "no open file of the zygote's",
    ENVIRONMENT: "no variable of the grader's",
    SHARED_MEMORY: "System V segments that nobody has attached count against something",
    MEMORY: "address space of a process, memory of all",
    PROCESS_COUNT: "processes and threads",
    FILE_SIZE: "bytes of one file",
    SCRATCH_SIZE: "bytes of all files",
    FILE_COUNT: "files and folders",
    OPEN_FILES: "descriptors of one process",
    CPU_TIME: "processor seconds of one process",
    CORES: "processor share of all processes",
    WALL_TIME: "seconds of the whole submission",
    OUTPUT: "bytes of a cell's output",
    KERNEL_QUEUES: "locked memory, queued signals, message queues, real-time priority",
    SYSCALLS: "the filter as a whole",
    **SYSCALL_GROUPS,
}
"""Every barrier, and what it keeps."""

DOWN: frozenset[str] = frozenset()
"""The barriers that a mutation check has taken down."""

_NO_LIMIT: dict[str, dict[str, int]] = {
    MEMORY: {"memory_bytes": 1 << 40},
    PROCESS_COUNT: {"processes": 1 << 20},
    FILE_SIZE: {"file_bytes": 1 << 40},
    SCRATCH_SIZE: {"scratch_bytes": 1 << 40},
    FILE_COUNT: {"scratch_files": 1 << 30},
    OPEN_FILES: {"open_files": 1 << 19},
    CPU_TIME: {"cpu_seconds": 1 << 30},
    CORES: {"cores": 1 << 10},
    WALL_TIME: {"wall_seconds": 1 << 30},
    OUTPUT: {"output_bytes": 1 << 40},
}
"""For barriers that are numbers of `SandboxLimits`: what stands there when they don't."""


def stands(barrier: str) -> bool:
    """Tell whether a barrier is to be raised.

    Raises:
        KeyError: there is no barrier of this name.
    """
    if barrier not in ALL:
        raise KeyError(barrier)
    return barrier not in DOWN


def standing_limits(limits: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of a `SandboxLimits`, without those that have been taken down."""
    standing = dict(limits)
    for barrier, fields in _NO_LIMIT.items():
        if not stands(barrier):
            standing |= fields
    return standing
