"""Say which system calls a child may make, and compile that with libseccomp.

It is an allow list: what Python, its packages and the system's programs are known to need is
named, and whatever else there is, in this kernel or the next, is answered by "not implemented",
on which honest libraries fall back. A few calls are refused by EPERM instead, since that is what
an ordinary user is used to, and a few are answered by success and do nothing.

libseccomp (by its Python interface; `pyseccomp` is that interface without a compiler) writes the
filter, so that the pitfalls of doing so, such as foreign calling conventions, are its own. This
happens outside the sandbox and once; `seccomp` installs the result.

Locks are the one thing that this takes from honest code: a lock on a file that all children can
read is a message from one to another, and a filter can't see which file a call is about. So
taking or releasing one always succeeds, and asking for one finds none. A submission's files have
no other owner, SQLite keeps its own connections in one process apart by itself, and threads
and multiprocessing have locks that aren't files. What is lost is exclusion by flock or fcntl
between two processes, or two open files, of the same submission.
"""

from __future__ import annotations

import errno
import functools
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from autograder.sandbox.barriers import SYSCALL_GROUPS, stands
from autograder.sandbox.errors import SandboxUnavailable

_WHOLE = 0xFFFFFFFF
"""The kernel reads these arguments as 32 bits, whatever the register's other half says."""

_FREE = """
read write readv writev pread64 pwrite64 preadv pwritev pwritev2 lseek close close_range
open openat openat2 creat access faccessat faccessat2 stat fstat lstat newfstatat statx
statfs fstatfs getdents getdents64 readlink readlinkat getcwd chdir fchdir
rename renameat renameat2 link linkat symlink symlinkat unlink unlinkat mkdir mkdirat rmdir
mknod mknodat chmod fchmod fchmodat fchmodat2 chown fchown lchown fchownat umask
utime utimes futimesat utimensat truncate ftruncate fallocate fsync fdatasync
getxattr lgetxattr fgetxattr listxattr llistxattr flistxattr
setxattr lsetxattr fsetxattr removexattr lremovexattr fremovexattr
sendfile copy_file_range splice tee dup dup2 dup3 pipe pipe2
poll ppoll select pselect6 epoll_create epoll_create1 epoll_ctl epoll_wait epoll_pwait
epoll_pwait2 eventfd eventfd2 signalfd signalfd4 timerfd_create timerfd_settime timerfd_gettime
memfd_create mmap munmap mremap mprotect brk msync pkey_alloc pkey_free pkey_mprotect
membarrier rseq get_mempolicy mlock mlock2 munlock munlockall
fork vfork execve execveat exit exit_group wait4 waitid kill tkill tgkill
pidfd_open pidfd_send_signal getpid getppid gettid getpgid getpgrp getsid setpgid setsid
set_tid_address set_robust_list get_robust_list
futex futex_waitv futex_wait futex_wake futex_requeue
rt_sigaction rt_sigprocmask rt_sigpending rt_sigreturn rt_sigsuspend rt_sigtimedwait
rt_sigqueueinfo rt_tgsigqueueinfo sigaltstack pause alarm getitimer setitimer
timer_create timer_delete timer_getoverrun timer_gettime timer_settime restart_syscall
nanosleep clock_nanosleep clock_gettime clock_getres gettimeofday time times
getuid geteuid getresuid getgid getegid getresgid getgroups
setuid setgid setreuid setregid setresuid setresgid setgroups setfsuid setfsgid capget capset
getrlimit setrlimit prlimit64 getrusage sysinfo uname getcpu getrandom
getpriority setpriority sched_yield sched_getaffinity sched_getparam sched_getscheduler
sched_getattr sched_get_priority_max sched_get_priority_min sched_rr_get_interval ioprio_get
arch_prctl map_shadow_stack riscv_flush_icache riscv_hwprobe
bind connect listen accept accept4 getsockname getpeername getsockopt setsockopt shutdown
sendto sendmsg sendmmsg recvfrom recvmsg recvmmsg
shmget shmat shmctl shmdt semget semop semctl semtimedop msgget msgsnd msgrcv msgctl
"""

_FCNTL = {
    "F_DUPFD": 0,
    "F_GETFD": 1,
    "F_SETFD": 2,
    "F_GETFL": 3,
    "F_SETFL": 4,
    # Asking is harmless once nobody can take one, and SQLite wants a true answer.
    "F_GETLK": 5,
    "F_OFD_GETLK": 36,
    "F_SETOWN": 8,
    "F_GETOWN": 9,
    "F_SETSIG": 10,
    "F_GETSIG": 11,
    "F_SETOWN_EX": 15,
    "F_GETOWN_EX": 16,
    "F_DUPFD_QUERY": 1027,
    "F_DUPFD_CLOEXEC": 1030,
    "F_SETPIPE_SZ": 1031,
    "F_GETPIPE_SZ": 1032,
    "F_ADD_SEALS": 1033,
    "F_GET_SEALS": 1034,
}
_LOCK_FCNTL = {"F_SETLK": 6, "F_SETLKW": 7, "F_OFD_SETLK": 37, "F_OFD_SETLKW": 38}
_EVENT_FCNTL = {
    "F_SETLEASE": 1024,
    "F_GETLEASE": 1025,
    "F_NOTIFY": 1026,
    "F_GET_RW_HINT": 1035,
    "F_SET_RW_HINT": 1036,
    "F_GET_FILE_RW_HINT": 1037,
    "F_SET_FILE_RW_HINT": 1038,
    "F_GETDELEG": 1039,
    "F_SETDELEG": 1040,
}

_IOCTL = (
    *range(0x5401, 0x5412),  # terminals: TCGETS … TIOCOUTQ
    *(0x5413, 0x5414),  # TIOCGWINSZ, TIOCSWINSZ
    *(0x541B, 0x5420, 0x5421, 0x5422),  # FIONREAD, TIOCPKT, FIONBIO, TIOCNOTTY
    *(0x5425, 0x5429),  # TCSBRKP, TIOCGSID
    *(0x802C542A, 0x402C542B, 0x402C542C, 0x402C542D),  # TCGETS2 … TCSETSF2
    *(0x80045430, 0x40045431, 0x80045439, 0x5441),  # TIOCGPTN, TIOCSPTLCK …
    *(0x5450, 0x5451, 0x5452, 0x5460),  # FIONCLEX, FIOCLEX, FIOASYNC, FIOQSIZE
    *(0x80086601, 0x40049409),  # FS_IOC_GETFLAGS, FICLONE
    # The lists of interfaces, which are empty: SIOCGIFNAME, SIOCGIFCONF, SIOCGIFFLAGS …
    *range(0x8910, 0x8914),
    *(0x8915, 0x8917, 0x8919, 0x891B, 0x8921, 0x8927, 0x8933, 0x8942),
)
_IOCTL_REFUSED = (
    0x5412,  # TIOCSTI: type on a terminal in another's name
    0x541C,  # TIOCLINUX
    0x541D,  # TIOCCONS
    0x5423,  # TIOCSETD: loads line disciplines
)

_PRCTL = (
    *(1, 2, 3, 4, 7, 8),  # death signal, dumpable, kept capabilities
    *(15, 16, 21, 23, 24, 25, 27, 29, 30),  # name, seccomp mode, capabilities, TSC, timer slack
    *(36, 37, 38, 39, 40, 41, 42, 47),  # subreaper, new privileges, THP, ambient capabilities
    0x53564D41,  # names of memory areas
)
_PRCTL_SCHEDULING = (62,)  # core scheduling: keeps others off a core
_PRCTL_MEMORY = (67,)  # same pages merged with other processes'
_PRCTL_FILTER = (22,)

_MADV_PAGE_CACHE = (12, 20, 21, 100, 101)  # MERGEABLE, COLD, PAGEOUT, poison
_RWF_HARMLESS = 0x1 | 0x2 | 0x4 | 0x10  # HIPRI, DSYNC, SYNC, APPEND; NOWAIT tells what is cached

_CLONE_NAMESPACES = 0x7E020000
_FAMILIES = {"AF_UNIX": 1, "AF_INET": 2, "AF_INET6": 10}
_PROTOCOLS = (0, 1, 6, 17, 58)  # the rest loads kernel modules: SCTP, DCCP, MPTCP, L2TP
_HIGHEST_FAMILY = 10

_EPERM = {
    "calls: tracing": "ptrace process_vm_readv process_vm_writev process_madvise kcmp pidfd_getfd",
    "calls: namespaces": "unshare setns mount umount2 pivot_root chroot fsopen fsconfig fsmount "
    "fspick open_tree move_mount mount_setattr",
    "calls: scheduling": "sched_setscheduler sched_setparam sched_setattr ioprio_set mlockall "
    "mbind set_mempolicy migrate_pages move_pages set_mempolicy_home_node",
    "calls: page cache": "mincore",
    "calls: kernel programs": "bpf perf_event_open userfaultfd",
}
_ENOSYS = {
    "calls: file events": "inotify_init inotify_init1 inotify_add_watch inotify_rm_watch "
    "fanotify_init fanotify_mark name_to_handle_at open_by_handle_at lookup_dcookie",
    "calls: asynchronous files": "io_uring_setup io_uring_enter io_uring_register io_setup "
    "io_submit io_getevents io_pgetevents io_destroy io_cancel",
    "calls: keyrings": "add_key request_key keyctl",
    "calls: kernel programs": "seccomp memfd_secret",
    "calls: kernel log": "syslog",
    "calls: page cache": "cachestat",
    "calls: namespaces": "clone3",
}
_PRETENDED = {
    "calls: locks": "flock",
    "calls: page cache": "fadvise64 readahead sync syncfs sync_file_range",
    "calls: scheduling": "sched_setaffinity",
}

NAMED = frozenset(
    word
    for table in (_EPERM, _ENOSYS, _PRETENDED)
    for words in table.values()
    for word in words.split()
)
"""The calls that are refused or pretended by name, as far as that doesn't hang on an argument."""


class LibseccompMissing(SandboxUnavailable):
    """There is no libseccomp on this machine; the message says what to do."""


def compiled() -> bytes:
    """Return the filter's program, for this machine's architecture.

    Raises:
        LibseccompMissing: libseccomp is missing.
    """
    return _compiled(frozenset(group for group in SYSCALL_GROUPS if not stands(group)))


@functools.lru_cache(maxsize=4)
def _compiled(down: frozenset[str]) -> bytes:
    try:
        import pyseccomp
    except (ImportError, RuntimeError):
        raise LibseccompMissing(
            "Grading needs libseccomp, which keeps student code from system calls that no "
            "notebook needs; install it (Debian, Ubuntu: the package `libseccomp2`; Fedora: "
            "`libseccomp`) and, if Python lacks it, `pip install pyseccomp`."
        ) from None
    return _Writer(pyseccomp, down).program()


class _Writer:
    """One filter being written.

    Args:
        library: the module with libseccomp's Python interface.
        down: the groups to let through.
    """

    def __init__(self, library: Any, down: frozenset[str]) -> None:
        self._library = library
        self._down = down
        self._default = library.ALLOW if "calls: unknown" in down else self._errno(errno.ENOSYS)
        self._filter = library.SyscallFilter(self._default)

    def program(self) -> bytes:
        """Write all rules, and return the filter's program."""
        library = self._library
        if "calls: foreign" in self._down:
            self._filter.set_attr(library.Attr.ACT_BADARCH, library.ALLOW)
        else:
            self._filter.set_attr(library.Attr.ACT_BADARCH, self._errno(errno.ENOSYS))
        with suppress(OSError):  # older than libseccomp 2.5: then it is a list, not a tree
            self._filter.set_attr(library.Attr.CTL_OPTIMIZE, 2)
        self._allow(_FREE.split())
        for table, number in ((_EPERM, errno.EPERM), (_ENOSYS, errno.ENOSYS), (_PRETENDED, 0)):
            for group, words in table.items():
                for word in words.split():
                    self._rule(group, number, word)
        self._by_argument()
        with tempfile.TemporaryFile() as file:
            self._filter.export_bpf(file)
            file.seek(0)
            return file.read()

    def _by_argument(self) -> None:
        """Write the rules for calls that do many things."""
        self._fcntl()
        self._values("ioctl", 1, _IOCTL)
        self._values("ioctl", 1, _IOCTL_REFUSED, "calls: devices", errno.EPERM)
        self._values("prctl", 0, _PRCTL)
        self._values("prctl", 0, _PRCTL_SCHEDULING, "calls: scheduling", errno.EINVAL)
        self._values("prctl", 0, _PRCTL_MEMORY, "calls: page cache", errno.EINVAL)
        self._values("prctl", 0, _PRCTL_FILTER, "calls: kernel programs", errno.EINVAL)
        self._sockets()
        self._madvise()
        self._values("personality", 0, (0, _WHOLE))  # as it is, and: which is it?
        equal = self._library.MASKED_EQ
        self._add(self._library.ALLOW, "preadv2", (5, equal, _WHOLE & ~_RWF_HARMLESS, 0))
        self._rule("calls: page cache", errno.EOPNOTSUPP, "preadv2", (5, equal, 0x8, 0x8))
        # Of clone3's flags a filter sees nothing, so that is refused and libraries use clone.
        self._add(self._library.ALLOW, "clone", (0, equal, _CLONE_NAMESPACES, 0))
        for bit in range(32):
            if _CLONE_NAMESPACES >> bit & 1:
                flag = 1 << bit
                self._rule("calls: namespaces", errno.EPERM, "clone", (0, equal, flag, flag))

    def _fcntl(self) -> None:
        self._values("fcntl", 1, _FCNTL.values())
        self._values("fcntl", 1, _LOCK_FCNTL.values(), "calls: locks", 0)
        self._values("fcntl", 1, _EVENT_FCNTL.values(), "calls: file events", errno.EINVAL)

    def _sockets(self) -> None:
        equal, no_family = self._library.MASKED_EQ, errno.EAFNOSUPPORT
        self._values("socketpair", 0, (_FAMILIES["AF_UNIX"],))
        for family in range(64):
            of_family = (0, equal, _WHOLE, family)
            if family not in _FAMILIES.values():
                self._rule("calls: sockets", no_family, "socket", of_family)
            elif "calls: sockets" in self._down:
                self._add(self._library.ALLOW, "socket", of_family)
            else:
                for protocol in _PROTOCOLS:
                    of_protocol = (2, equal, _WHOLE, protocol)
                    self._add(self._library.ALLOW, "socket", of_family, of_protocol)

    def _madvise(self) -> None:
        for advice in (*range(26), 100, 101, 102, 103):  # 102 and 103: guard pages
            if advice in _MADV_PAGE_CACHE:
                self._values("madvise", 2, (advice,), "calls: page cache", errno.EINVAL)
            else:
                self._values("madvise", 2, (advice,))

    def _allow(self, names: Iterable[str]) -> None:
        for name in names:
            self._add(self._library.ALLOW, name)

    def _rule(self, group: str, number: int, name: str, *terms: tuple[int, ...]) -> None:
        """Answer a call by an error (0: by success), unless its group has been let through."""
        action = self._library.ALLOW if group in self._down else self._errno(number)
        self._add(action, name, *terms)

    def _values(
        self, name: str, argument: int, values: Iterable[int], group: str = "", number: int = 0
    ) -> None:
        """Write a rule for each of these values of an argument: allow, or what the group says."""
        for value in values:
            term = (argument, self._library.MASKED_EQ, _WHOLE, value)
            if group:
                self._rule(group, number, name, term)
            else:
                self._add(self._library.ALLOW, name, term)

    def _add(self, action: int, name: str, *terms: tuple[int, ...]) -> None:
        number = self._library.resolve_syscall(self._library.Arch.NATIVE, name)
        if number >= 0 and action != self._default:  # else it doesn't exist here, or is the rest
            self._filter.add_rule(action, number, *(self._library.Arg(*term) for term in terms))

    def _errno(self, number: int) -> int:
        action: int = self._library.ERRNO(number)
        return action
