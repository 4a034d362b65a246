"""Test from inside a child whether each barrier stands.

The probes are plain Python that children run as cells; some need two children at a time, the first
of which does something that the second must not notice. They tell of the barrier itself, by an
answer that only it gives, even where another one would still hold.
"""

from __future__ import annotations

import os
import socket
import time
from dataclasses import asdict, dataclass
from typing import Any

from autograder.sandbox import barriers as b
from autograder.sandbox import wire
from autograder.sandbox.bubblewrap import ENVIRONMENT
from autograder.sandbox.limits import SandboxLimits

_PROBE_SECONDS = 10.0
_CALLS = (
    "io_uring_setup io_setup keyctl process_vm_readv kcmp seccomp bpf clone3 unshare mincore "
    "sched_setscheduler syslog vmsplice inotify_init1 name_to_handle_at userfaultfd add_key "
    "perf_event_open setns fsopen memfd_secret ptrace pidfd_getfd"
)

UNSEEN = frozenset({b.CORES, b.WALL_TIME, b.OUTPUT, b.PRIVILEGES})
"""The barriers that nothing inside shows until they are run into, or at all."""


@dataclass(frozen=True)
class BarrierProbe:
    """A test of one barrier.

    Attributes:
        barrier: its name in `barriers`.
        hole: what is the matter if it isn't there.
        source: Python that tells so, by setting `hole`; it may use the names of the prologue.
        setup: Python that another child has run by then.
    """

    barrier: str
    hole: str
    source: str
    setup: str = ""


_PROLOGUE = """
import ctypes, errno, fcntl, mmap, os, resource, socket, sys, time
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
hole = None
def refusal(name, *args):
    # The error of a system call, 0 if it works, and ENOSYS if this machine has none.
    if NUMBER[name] < 0:
        return errno.ENOSYS
    words = [a if isinstance(a, (bytes, type(None))) else ctypes.c_long(a) for a in args]
    return ctypes.get_errno() if libc.syscall(ctypes.c_long(NUMBER[name]), *words) < 0 else 0
def status(field):
    for line in open('/proc/self/status'):
        if line.startswith(field + ':'):
            return line.split()[1]
def is_read_only(path):
    return bool(os.statvfs(path).f_flag & os.ST_RDONLY)
def more_than(name, most):
    found = resource.getrlimit(getattr(resource, 'RLIMIT_' + name))[0]
    return found == resource.RLIM_INFINITY or found > most
def error_of(work):
    try:
        work()
    except OSError as error:
        return error.errno
    return 0
"""

_ENOSYS, _EPERM = "errno.ENOSYS", "errno.EPERM"


def _refused_calls(barrier: str, hole: str, expected: str, *calls: str) -> BarrierProbe:
    answers = ", ".join(f"refusal({call})" for call in calls)
    return BarrierProbe(barrier, hole, f"hole = {{{answers}}} != {{{expected}}}")


PROBES = (
    BarrierProbe(
        b.NETWORK, "the machine's network", "hole = os.readlink('/proc/self/ns/net') == HOST['net']"
    ),
    BarrierProbe(
        b.PROCESSES,
        "other processes can be seen",
        "hole = [p for p in os.listdir('/proc') if p.isdigit()] != ['1']",
    ),
    BarrierProbe(
        b.IPC, "the machine's queues", "hole = os.readlink('/proc/self/ns/ipc') == HOST['ipc']"
    ),
    BarrierProbe(
        b.HOST_NAME,
        "the machine's name",
        "hole = os.readlink('/proc/self/ns/uts') == HOST['uts']",
    ),
    BarrierProbe(
        b.READ_ONLY,
        "the system can be written",
        "hole = not all(map(is_read_only, ('/', '/usr', '/course/autograder/__init__.py')))",
    ),
    BarrierProbe(
        b.HIDDEN_FILES,
        "the machine's files can be seen",
        "hole = any(map(os.path.exists, ('/home', '/var', '/etc/passwd')))",
    ),
    BarrierProbe(
        b.SCRATCH,
        "files of another child can be seen",
        "hole = os.path.exists('/tmp/left')",
        setup="open('/tmp/left', 'w').close()",
    ),
    BarrierProbe(
        b.DEVICES, "the times of /dev/null can be set", "hole = not is_read_only('/dev/null')"
    ),
    BarrierProbe(
        b.TERMINALS,
        "terminals of another child can be seen",
        "hole = os.listdir('/dev/pts') != ['ptmx']",
        setup="terminal = os.openpty()",
    ),
    BarrierProbe(
        b.KERNEL_SETTINGS, "kernel settings can be written", "hole = not is_read_only('/proc/sys')"
    ),
    BarrierProbe(
        b.KERNEL_COUNTERS,
        "the kernel's counters of this machine can be read",
        "hole = bool(os.listdir('/proc/sys/fs')) or bool(open('/proc/interrupts').read())",
    ),
    BarrierProbe(b.USER, "it is root's process", "hole = os.stat('/usr').st_uid == os.getuid()"),
    BarrierProbe(
        b.USER_NAMESPACE,
        "it has no user namespace of its own",
        "hole = open('/proc/self/uid_map').read().split()[0] != '1000'",
    ),
    BarrierProbe(
        b.NO_FURTHER_NAMESPACES,
        "user namespaces can be made",
        "hole = open('/proc/sys/user/max_user_namespaces').read() != '0\\n'",
    ),
    BarrierProbe(
        b.CAPABILITIES,
        "it has capabilities",
        "hole = any(int(status(f'Cap{name}'), 16) for name in ('Prm', 'Eff', 'Bnd', 'Amb'))\n"
        "hole = hole or status('NoNewPrivs') != '1'",
    ),
    BarrierProbe(
        b.SESSION_KEYRING,
        "its keys are those of the grader's login",
        # One that is inherited can be listed too, but belongs to the grader's user.
        "keys = open('/proc/keys').read() if os.path.exists('/proc/keys') else ''\n"
        "rows = [row.split() for row in keys.splitlines()]\n"
        "own = [row[8] for row in rows if row[5] == str(os.getuid())]\n"
        "hole = os.path.exists('/proc/keys') and not any(one.startswith('_ses') for one in own)",
    ),
    BarrierProbe(
        b.OWN_MEMORY,
        "memory is shared with other children",
        "hole = any('w' in line.split()[1] and line.split()[1].endswith('s')\n"
        "           for line in open('/proc/self/maps'))",
    ),
    BarrierProbe(
        b.DESCRIPTORS,
        "files of the zygote's are open",
        "hole = any(os.path.exists(f'/proc/self/fd/{number}') for number in range(4, 200))",
    ),
    BarrierProbe(
        b.ENVIRONMENT, "variables of the grader's", "hole = bool(set(os.environ) - EXPECTED)"
    ),
    BarrierProbe(
        b.SHARED_MEMORY,
        "shared memory without bound",
        "hole = int(open('/proc/sys/kernel/shmmni').read()) > 64",
    ),
    BarrierProbe(b.MEMORY, "memory without bound", "hole = more_than('AS', 1 << 39)"),
    BarrierProbe(
        b.PROCESS_COUNT, "processes without bound", "hole = more_than('NPROC', LIMITS['processes'])"
    ),
    BarrierProbe(
        b.PROCESS_COUNT,
        "one child's processes count against another's (this kernel is older than Linux 5.14: "
        "grade as root)",
        "def go():\n    pid = os.fork()\n    if not pid:\n        os._exit(0)\n"
        "    os.waitpid(pid, 0)\n"
        "hole = error_of(go) != 0",
        setup="forked = []\n"
        "for _ in range(min(LIMITS['processes'], 512) + 1):\n"
        "    try:\n        pid = os.fork()\n    except OSError:\n        break\n"
        "    if not pid:\n        time.sleep(60)\n        os._exit(0)\n"
        "    forked.append(pid)\n",
    ),
    BarrierProbe(
        b.FILE_SIZE, "files without bound", "hole = more_than('FSIZE', LIMITS['file_bytes'])"
    ),
    BarrierProbe(
        b.SCRATCH_SIZE,
        "a scratch without bound",
        "scratch = os.statvfs('/scratch')\nhole = scratch.f_blocks * scratch.f_frsize > 1 << 39",
    ),
    BarrierProbe(
        b.FILE_COUNT,
        "files without number",
        "hole = os.statvfs('/scratch').f_files > LIMITS['scratch_files']",
    ),
    BarrierProbe(
        b.OPEN_FILES, "open files without bound", "hole = more_than('NOFILE', LIMITS['open_files'])"
    ),
    BarrierProbe(
        b.CPU_TIME, "processor time without bound", "hole = more_than('CPU', LIMITS['cpu_seconds'])"
    ),
    BarrierProbe(
        b.KERNEL_QUEUES,
        "memory can be locked or signals queued without bound",
        "hole = more_than('MEMLOCK', 0) or more_than('MSGQUEUE', 0)\n"
        "hole = hole or more_than('SIGPENDING', 256)",
    ),
    BarrierProbe(b.SYSCALLS, "system calls aren't filtered", "hole = status('Seccomp') != '2'"),
    BarrierProbe(
        "calls: sockets",
        "sockets of other families can be made",
        "hole = {error_of(lambda: socket.socket(family, kind).close())\n"
        "        for family in (16, 17, 38, 40) for kind in (1, 2, 3, 5)} != {errno.EAFNOSUPPORT}",
    ),
    BarrierProbe(
        "calls: locks",
        "a lock of another child's can be seen",
        "file, null = open(sys.executable), open('/dev/null', 'r+')\n"
        "tries = [lambda: fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB),\n"
        "         lambda: fcntl.lockf(null, fcntl.LOCK_EX | fcntl.LOCK_NB)]\n"
        "hole = any([error_of(one) for one in tries])",
        setup="file, null = open(sys.executable), open('/dev/null', 'r+')\n"
        "fcntl.flock(file, fcntl.LOCK_EX)\nfcntl.lockf(null, fcntl.LOCK_EX)",
    ),
    BarrierProbe(
        "calls: file events",
        "another child's reading can be watched",
        "folder = os.open('/usr', os.O_RDONLY)\n"
        "hole = error_of(lambda: fcntl.fcntl(folder, 1026, 0)) != errno.EINVAL\n"
        "hole = hole or refusal('inotify_init1', 0) != errno.ENOSYS",
    ),
    _refused_calls(
        "calls: asynchronous files",
        "there is io_uring or io_submit",
        _ENOSYS,
        "'io_uring_setup', 1, None",
        "'io_setup', 1, None",
    ),
    _refused_calls(
        "calls: keyrings",
        "there are keyrings",
        _ENOSYS,
        "'keyctl', 0, -3, 0",
        "'add_key', None, None, None, 0, 0",
    ),
    _refused_calls(
        "calls: tracing",
        "processes can be traced",
        _EPERM,
        "'process_vm_readv', os.getpid(), None, 0, None, 0, 0",
        "'kcmp', os.getpid(), os.getpid(), 0, 0, 0",
        "'ptrace', 99, 1, 0, 0",
    ),
    _refused_calls(
        "calls: kernel programs",
        "there are filters, or memory that the kernel can't see",
        _ENOSYS,
        "'seccomp', 2, 0, None",
        "'memfd_secret', 99",
    ),
    _refused_calls(
        "calls: kernel programs",
        "there is bpf, perf_event_open or userfaultfd",
        _EPERM,
        "'bpf', 99, None, 0",
        "'perf_event_open', None, 0, -1, -1, 0",
        "'userfaultfd', 99",
    ),
    _refused_calls(
        "calls: namespaces",
        "namespaces can be asked for",
        _EPERM,
        "'unshare', 0x200",
        "'setns', -1, 0",
        "'fsopen', None, 99",
    ),
    _refused_calls(
        "calls: page cache", "what is cached can be asked", _EPERM, "'mincore', 0, 0, 0"
    ),
    _refused_calls(
        "calls: scheduling",
        "priorities can be set",
        _EPERM,
        "'sched_setscheduler', 0, 0, bytes(8)",
    ),
    _refused_calls(
        "calls: kernel log", "the kernel's log can be read", _ENOSYS, "'syslog', 10, None, 0"
    ),
    BarrierProbe(
        "calls: devices",
        "a terminal's kind can be set",
        "null = os.open('/dev/null', os.O_RDWR)\n"
        "hole = error_of(lambda: fcntl.ioctl(null, 0x5423, b'0000')) != errno.EPERM",
    ),
    BarrierProbe(
        "calls: foreign",
        "32-bit system calls work",
        # mov eax, 20 (getpid); int 0x80; cdqe; ret. Where the kernel has none, that is a fault.
        "hole = False\n"
        "if os.uname().machine == 'x86_64':\n"
        "    pid = os.fork()\n"
        "    if not pid:\n"
        "        page = mmap.mmap(-1, 4096, prot=7)\n"
        "        page.write(b'\\xb8\\x14\\x00\\x00\\x00\\xcd\\x80\\x48\\x98\\xc3')\n"
        "        at = ctypes.addressof(ctypes.c_char.from_buffer(page))\n"
        "        os._exit(ctypes.CFUNCTYPE(ctypes.c_long)(at)() == os.getpid())\n"
        "    hole = os.waitpid(pid, 0)[1] == 256\n",
    ),
    _refused_calls(
        "calls: unknown", "rare system calls work", _ENOSYS, "'vmsplice', -1, None, 0, 0"
    ),
)
"""The probes, in the order in which they run."""


class ProbeFailed(RuntimeError):
    """A probe could not run to its end; the message says why."""


def failing_probes(
    first: socket.socket, second: socket.socket, limits: SandboxLimits
) -> list[BarrierProbe]:
    """Return the probes that find no barrier.

    Args:
        first: the channel of one child.
        second: that of another child of the same zygote, in which the barriers are tested.
        limits: of both.

    Raises:
        ProbeFailed: a child ended or a probe failed.
    """
    clients = [_ChildClient(first), _ChildClient(second)]
    prologue = _facts(limits) + _PROLOGUE
    for client in clients:
        client.run(prologue)
    found = []
    for probe in PROBES:
        if probe.setup:
            clients[0].run(probe.setup)
        clients[1].run(probe.source)
        if clients[1].ask("value", "hole") != ["value", False]:
            found.append(probe)
    return found


def _facts(limits: SandboxLimits) -> str:
    """Return assignments of what the probes compare with."""
    import pyseccomp

    number = {
        name: pyseccomp.resolve_syscall(pyseccomp.Arch.NATIVE, name) for name in _CALLS.split()
    }
    host = {name: os.readlink(f"/proc/self/ns/{name}") for name in ("net", "ipc", "uts")}
    expected = {*ENVIRONMENT, "COLUMNS", "LC_CTYPE", "LINES", "PWD", "SHLVL"}
    facts = {"NUMBER": number, "HOST": host, "EXPECTED": expected, "LIMITS": asdict(limits)}
    return "".join(f"{name} = {value!r}\n" for name, value in facts.items())


class _ChildClient:
    """One child, asked from outside."""

    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel
        self._count = 0

    def run(self, source: str) -> None:
        """Run a cell, which must not fail."""
        _word, worked, error, *_shown = self.ask("run", "probe", source, _PROBE_SECONDS, 0)
        if not worked:
            raise ProbeFailed(f"a probe failed ({': '.join(error)})")

    def ask(self, *request: object) -> list[Any]:
        """Return the reply to a request, without its number."""
        self._count += 1
        deadline = time.monotonic() + 2 * _PROBE_SECONDS
        try:
            wire.send_frame(self._channel, [self._count, *request], deadline)
            reply: list[Any] = wire.receive_frame(self._channel, deadline)
        except wire.WireError as error:
            raise ProbeFailed(f"the trial child ended ({error})") from None
        return reply[1:]
