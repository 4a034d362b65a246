"""Make the system calls that the sandbox is made of and that Python 3.11 has no function for.

Each raises OSError, with what was tried in its message.
"""

from __future__ import annotations

import ctypes
import mmap
import os

NEW_NAMESPACE = {
    "mnt": 0x00020000,
    "uts": 0x04000000,
    "ipc": 0x08000000,
    "user": 0x10000000,
    "pid": 0x20000000,
    "net": 0x40000000,
}

CAPABILITIES = {
    "CAP_DAC_OVERRIDE": 1,
    "CAP_KILL": 5,
    "CAP_SETGID": 6,
    "CAP_SETUID": 7,
    "CAP_SETPCAP": 8,
    "CAP_SYS_ADMIN": 21,
    "CAP_SETFCAP": 31,
}

SYS_ADMIN = 1 << CAPABILITIES["CAP_SYS_ADMIN"]
"""The capability to make namespaces and mounts, as a bit."""

MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REMOUNT = 1, 2, 4, 8, 32
MS_BIND, MS_REC, MS_PRIVATE = 1 << 12, 1 << 14, 1 << 18

_MADV_COLLAPSE = 25  # Linux 6.1
_HUGE_PAGE = 2 << 20
_MAP_FIXED, _MAP_FAILED = 0x10, ctypes.c_void_p(-1).value

_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_KEEPCAPS = 1, 4, 8
_PR_CAPBSET_DROP, _PR_SET_NO_NEW_PRIVS = 24, 38
_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL = 47, 4
_KEYCTL = {"x86_64": 250, "aarch64": 219, "riscv64": 219}
_KEYCTL_JOIN_SESSION_KEYRING = 1
_CAPABILITY_VERSION_3 = 0x20080522
_CAPABILITY_COUNT = 64

_libc = ctypes.CDLL(None, use_errno=True)
_libc.mmap.restype = ctypes.c_void_p


class _CapHeader(ctypes.Structure):
    _fields_ = [("version", ctypes.c_uint32), ("pid", ctypes.c_int)]


class _CapData(ctypes.Structure):
    _fields_ = [(name, ctypes.c_uint32) for name in ("effective", "permitted", "inheritable")]


def is_privileged() -> bool:
    """Return whether this is a root that may mount; in many containers root may not."""
    return os.geteuid() == 0 and bool(_status("CapEff") & SYS_ADMIN)


def unshare(*namespaces: str) -> None:
    """Leave these namespaces for new ones; a new "pid" is that of the children to come."""
    flags = sum(NEW_NAMESPACE[name] for name in namespaces)
    _check(_libc.unshare(flags), f"new namespaces ({', '.join(namespaces)})")


def children_in(namespace: int) -> None:
    """Have children start in this PID namespace again (an open /proc/self/ns/pid)."""
    _check(_libc.setns(namespace, NEW_NAMESPACE["pid"]), "back to the own PID namespace")


def mount(source: str, target: str, kind: str = "", flags: int = 0, options: str = "") -> None:
    """Mount a file system, or change a mount.

    Args:
        source: a device, a folder or a name.
        target: the place.
        kind: the type of the file system; empty for what has none of its own.
        flags: a sum of `MS_` constants.
        options: of the file system.
    """
    words = [word.encode() or None for word in (source, target, kind)]
    done = _libc.mount(*words, ctypes.c_ulong(flags), options.encode() or None)
    _check(done, f"mount {kind or source} on {target}")


def use_huge_pages() -> None:
    """Have this process's memory in pages of 2 MiB where it can be: forks of it copy fewer.

    Older kernels refuse, which changes nothing.
    """
    with open("/proc/self/maps", "rb") as file:
        places = [line.split() for line in file]
    for place in places:
        is_memory = place[1] == b"rw-p" and (len(place) < 6 or place[5] == b"[heap]")
        if is_memory:
            start, end = (int(number, 16) for number in place[0].split(b"-"))
            start, end = -(-start // _HUGE_PAGE) * _HUGE_PAGE, end // _HUGE_PAGE * _HUGE_PAGE
            if start < end:
                size = ctypes.c_size_t(end - start)
                _libc.madvise(ctypes.c_void_p(start), size, _MADV_COLLAPSE)


def own_memory() -> None:
    """Copy what this process has mapped together with others, so that forks don't share it.

    A package may map a file of its own when it is imported (onnxruntime does, a database): left
    as it is, every child could write there and every other read it.
    """
    with open("/proc/self/maps", "rb") as file:
        places = [line.split() for line in file]
    for place in places:
        if place[1][1:2] == b"w" and place[1][3:4] == b"s":
            start, end = (int(number, 16) for number in place[0].split(b"-"))
            content = ctypes.string_at(start, end - start)
            size, how = ctypes.c_size_t(end - start), mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
            here = ctypes.c_void_p(start)
            rights = mmap.PROT_READ | mmap.PROT_WRITE
            made = _libc.mmap(here, size, rights, how | _MAP_FIXED, -1, ctypes.c_long(0))
            _check(-1 if made == _MAP_FAILED else 0, "memory of its own")
            ctypes.memmove(start, content, len(content))


def new_session_keyring() -> None:
    """Join a new session keyring, without the keys of the login that children come from."""
    number = _KEYCTL.get(os.uname().machine)
    if number is not None:  # else, or without keys in the kernel, there is nothing to share
        _libc.syscall(number, _KEYCTL_JOIN_SESSION_KEYRING, None)


def die_with_parent() -> None:
    """Have the kernel kill this process when the one that forked it ends."""
    _prctl(_PR_SET_PDEATHSIG, 9)


def own_proc() -> None:
    """Own /proc/self again, which a change of user gives to root."""
    _prctl(_PR_SET_DUMPABLE, 1)


def undumpable() -> None:
    """Let no process of the same user look into this one, nor into forks of it."""
    _prctl(_PR_SET_DUMPABLE, 0)


def keep_capabilities() -> None:
    """Keep the permitted capabilities through the next change of user."""
    _prctl(_PR_SET_KEEPCAPS, 1)


def use_capabilities(wanted: int) -> None:
    """Have these capabilities (a bit mask) and no others, as far as they are permitted."""
    wanted &= _status("CapPrm")
    header = _CapHeader(_CAPABILITY_VERSION_3, 0)
    data = (_CapData * 2)()
    for half in range(2):
        data[half].effective = data[half].permitted = (wanted >> (32 * half)) & 0xFFFFFFFF
    _check(_libc.capset(ctypes.byref(header), ctypes.byref(data)), "set capabilities")


def forbid_new_privileges() -> None:
    """Have no program give more rights than its caller has, setuid or not."""
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)


def give_up_capabilities() -> None:
    """Give up all capabilities, now and after any exec."""
    for capability in range(_CAPABILITY_COUNT):
        # Numbers that this kernel doesn't know are refused: there is nothing to drop.
        _libc.prctl(_PR_CAPBSET_DROP, *map(ctypes.c_ulong, (capability, 0, 0, 0)))
    _prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL)
    use_capabilities(0)


def _status(field: str) -> int:
    """Return a set of capabilities of this process, as a bit mask."""
    with open("/proc/self/status", "rb") as file:
        return next(int(line.split()[1], 16) for line in file if line.startswith(field.encode()))


def _prctl(option: int, value: int) -> None:
    _check(_libc.prctl(option, *map(ctypes.c_ulong, (value, 0, 0, 0))), f"prctl {option}")


def _check(result: int, tried: str) -> None:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{tried}: {os.strerror(number)}")
