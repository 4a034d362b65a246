"""Set up a child's own sandbox, which a fork of the zygote does around itself.

It runs before any student code, as PID 1 of a new PID namespace, and can't be undone from
within: afterwards the process has no capability in any namespace and can get none.
"""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from pathlib import Path

from autograder.sandbox import barriers, kernel_counters, seccomp, syscalls
from autograder.sandbox.barriers import stands
from autograder.sandbox.limits import SandboxLimits
from autograder.sandbox.paths import SCRATCH, SHADOWED, WORK

_UID = 1000
"""What the child sees as its own user and group."""

_LOWEST_UID, _UIDS = 60_600, 500  # in no distribution's range for users or services


def unprivileged_uid(serial: int, trusted: bool = False) -> int:
    """Return a user id for root to become.

    Args:
        serial: of the child; those that run at a time have numbers in a row.
        trusted: whether it is for the judge, which shares no user with any student.
    """
    half = _UIDS // 2
    return _LOWEST_UID + serial % half + (half if trusted else 0)


_DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
"""What bubblewrap takes from the machine's /dev; each is a mount of its own."""

_TERMINALS = 64

_NAMESPACES = {
    "ipc": barriers.IPC,
    "net": barriers.NETWORK,
    "uts": barriers.HOST_NAME,
}


def seal_devices() -> None:
    """Keep the times and modes of device nodes, in the mount namespace that children start from.

    Everyone may write to /dev/null, and whoever may write to a file may set its times, which all
    children and the whole machine see. A device can be written to on a read-only mount too.
    """
    sealed = syscalls.MS_BIND | syscalls.MS_REMOUNT | syscalls.MS_RDONLY | syscalls.MS_NOSUID
    for name in _DEVICES:
        # Not bubblewrap's --remount-ro, with which no device could be opened any more. A container
        # locks how its own devices are mounted: what is forbidden there has to stay so.
        locked = os.statvfs(f"/dev/{name}").f_flag & (syscalls.MS_NODEV | syscalls.MS_NOEXEC)
        syscalls.mount("none", f"/dev/{name}", flags=sealed | locked)


def confine(
    limits: SandboxLimits,
    uid: int | None,
    shadowed: list[str],
    syscall_filter: bytes,
    covered: list[str],
) -> None:
    """Sandbox the calling process.

    Args:
        limits: its own, and those of its scratch.
        uid: the unprivileged user to become, if the caller is root.
        shadowed: the folders under /tmp that must stay visible, in the order of `SHADOWED`.
        syscall_filter: the system call filter's program (`syscall_policy.compiled`).
        covered: files and folders that it must not see into.

    Raises:
        OSError: a barrier could not be set up; the message says which.
    """
    os.setsid()
    syscalls.unshare("mnt", *(name for name, barrier in _NAMESPACES.items() if stands(barrier)))
    if stands(barriers.HOST_NAME):
        socket.sethostname("sandbox")
    settings = _mount(limits, shadowed)
    _cover([*covered, *_shadowed_places(covered, shadowed)])
    limits.apply()
    _enter_user_namespace(uid, settings)
    os.close(settings)
    limits.apply_in_user_namespace()
    if stands(barriers.SESSION_KEYRING):
        syscalls.new_session_keyring()
    syscalls.forbid_new_privileges()
    syscalls.die_with_parent()  # after the change of user, which forgets it
    os.chdir(WORK)
    if stands(barriers.SYSCALLS):
        seccomp.install(syscall_filter)
    if stands(barriers.CAPABILITIES):
        syscalls.give_up_capabilities()


def _mount(limits: SandboxLimits, shadowed: list[str]) -> int:
    """Mount the child's own /proc, terminals and scratch; the rest is read-only already.

    Returns:
        A descriptor of /proc/sys, through which it can still be written.
    """
    syscalls.mount("none", "/", flags=syscalls.MS_REC | syscalls.MS_PRIVATE)
    guarded = syscalls.MS_NOSUID | syscalls.MS_NODEV
    syscalls.mount("proc", "/proc", "proc", guarded | syscalls.MS_NOEXEC)
    if stands(barriers.SHARED_MEMORY):
        _bound_shared_memory(limits)
    settings = os.open("/proc/sys", os.O_PATH | os.O_DIRECTORY)
    if stands(barriers.KERNEL_SETTINGS):
        syscalls.mount("/proc/sys", "/proc/sys", flags=syscalls.MS_BIND)
        sealed = (
            syscalls.MS_BIND
            | syscalls.MS_REMOUNT
            | syscalls.MS_RDONLY
            | syscalls.MS_NOEXEC
            | guarded
        )
        syscalls.mount("none", "/proc/sys", flags=sealed)
    if stands(barriers.KERNEL_COUNTERS):
        kernel_counters.cover()
    if stands(barriers.TERMINALS):
        terminals = syscalls.MS_NOSUID | syscalls.MS_NOEXEC
        # Their number on the whole machine is limited too.
        options = f"newinstance,ptmxmode=0666,mode=620,max={_TERMINALS}"
        syscalls.mount("devpts", "/dev/pts", "devpts", terminals, options)
    whole = syscalls.MS_BIND | syscalls.MS_REC
    for number, folder in enumerate(shadowed):
        syscalls.mount(folder, f"{SHADOWED}/{number}", flags=whole)
    # One file system for everything writable, so that one size limits it all.
    size = f"size={limits.scratch_bytes},nr_inodes={limits.scratch_files},mode=755"
    if stands(barriers.SCRATCH):
        syscalls.mount("scratch", SCRATCH, "tmpfs", guarded, size)
    for name, place in (("work", None), ("tmp", "/tmp"), ("shm", "/dev/shm")):
        folder = f"{SCRATCH}/{name}"
        os.makedirs(folder, exist_ok=not stands(barriers.SCRATCH))
        os.chmod(folder, 0o1777)
        if place:
            syscalls.mount(folder, place, flags=syscalls.MS_BIND)
    for number, folder in enumerate(shadowed):
        Path(folder).mkdir(parents=True, exist_ok=not stands(barriers.SCRATCH))
        syscalls.mount(f"{SHADOWED}/{number}", folder, flags=whole)
    return settings


def _cover(places: list[str]) -> None:
    """Mount something empty over files and folders."""
    for place in places:
        if os.path.isdir(place):
            flags = syscalls.MS_RDONLY | syscalls.MS_NOSUID | syscalls.MS_NODEV
            syscalls.mount("covered", place, "tmpfs", flags, "size=4k,nr_inodes=1")
        elif os.path.exists(place):  # one that an earlier mount has covered is gone
            syscalls.mount("/dev/null", place, flags=syscalls.MS_BIND)


def _shadowed_places(places: list[str], shadowed: list[str]) -> list[str]:
    """Return where else places under /tmp are seen: in what `_mount` bound aside."""
    return [
        f"{SHADOWED}/{number}/{os.path.relpath(place, folder)}"
        for number, folder in enumerate(shadowed)
        for place in places
        if Path(place).is_relative_to(folder)
    ]


def _bound_shared_memory(limits: SandboxLimits) -> None:
    """Bound System V shared memory, which counts against no process while none has it attached."""
    pages = limits.scratch_bytes // os.sysconf("SC_PAGE_SIZE")
    for name, most in (("shmall", pages), ("shmmni", 64)):
        # Older kernels keep this to root; there the control group counts it.
        with suppress(OSError):
            Path("/proc/sys/kernel", name).write_text(str(most))


def _enter_user_namespace(uid: int | None, settings: int) -> None:
    """Become an unprivileged user in a user namespace in which no further one can be made."""
    if uid is None or not stands(barriers.USER):
        uid, gid = os.geteuid(), os.getegid()
    else:
        gid = uid
        os.setgroups([])
        # Making a user namespace may be kept to root (Ubuntu); so stay able to until it is made.
        syscalls.keep_capabilities()
        os.setresgid(gid, gid, gid)
        os.setresuid(uid, uid, uid)
        syscalls.own_proc()
        syscalls.use_capabilities(syscalls.SYS_ADMIN)
    if not stands(barriers.USER_NAMESPACE):
        return
    syscalls.unshare("user")
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{_UID} {uid} 1")
    Path("/proc/self/gid_map").write_text(f"{_UID} {gid} 1")
    os.setresgid(_UID, _UID, _UID)
    os.setresuid(_UID, _UID, _UID)
    # Found from here, so that it is the setting of the new user namespace.
    if stands(barriers.NO_FURTHER_NAMESPACES):
        setting = os.open("user/max_user_namespaces", os.O_WRONLY, dir_fd=settings)
        os.write(setting, b"0")
        os.close(setting)
