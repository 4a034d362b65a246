"""Look from inside a child whether each barrier stands.

The looks are plain Python that children run as cells; some need two children at a time, the first
of which does something that the second must not notice. They tell of the barrier itself, by an
answer that only it gives, even where another one would still hold.
"""

from __future__ import annotations

import os
import socket
import time
from dataclasses import asdict, dataclass

from autograder.engine import wire
from autograder.engine.limits import Limits
from autograder.engine.walls import ENVIRONMENT
from autograder.sandbox import barriers as b

_LOOK_SECONDS = 10.0
_CALLS = (
    "io_uring_setup io_setup keyctl process_vm_readv kcmp seccomp bpf clone3 unshare mincore "
    "sched_setscheduler syslog vmsplice inotify_init1 name_to_handle_at userfaultfd add_key "
    "perf_event_open setns fsopen memfd_secret ptrace pidfd_getfd"
).split()

UNSEEN = frozenset({b.CORES, b.WALL_TIME, b.OUTPUT, b.PRIVILEGES})
"""The barriers that nothing inside shows until they are run into, or at all."""


@dataclass(frozen=True)
class Look:
    """One barrier looked at.

    Attributes:
        barrier: its name in `barriers`.
        hole: what is the matter if it isn't there.
        see: Python that tells so, by setting `hole`; it may use the names of the prologue.
        before: Python that another child has run by then.
    """

    barrier: str
    hole: str
    see: str
    before: str = ""


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


def _calls(barrier: str, hole: str, expected: str, *calls: str) -> Look:
    answers = ", ".join(f"refusal({call})" for call in calls)
    return Look(barrier, hole, f"hole = {{{answers}}} != {{{expected}}}")


LOOKS = (
    Look(
        b.NETWORK, "the machine's network", "hole = os.readlink('/proc/self/ns/net') == HOST['net']"
    ),
    Look(
        b.PROCESSES,
        "other processes can be seen",
        "hole = [p for p in os.listdir('/proc') if p.isdigit()] != ['1']",
    ),
    Look(b.IPC, "the machine's queues", "hole = os.readlink('/proc/self/ns/ipc') == HOST['ipc']"),
    Look(
        b.HOST_NAME,
        "the machine's name",
        "hole = os.readlink('/proc/self/ns/uts') == HOST['uts']",
    ),
    Look(
        b.READ_ONLY,
        "the system can be written",
        "hole = not all(map(is_read_only, ('/', '/usr', '/course/autograder/__init__.py')))",
    ),
    Look(
        b.HIDDEN_FILES,
        "the machine's files can be seen",
        "hole = any(map(os.path.exists, ('/home', '/var', '/etc/passwd')))",
    ),
    Look(
        b.SCRATCH,
        "files of another child can be seen",
        "hole = os.path.exists('/tmp/left')",
        before="open('/tmp/left', 'w').close()",
    ),
    Look(b.DEVICES, "the times of /dev/null can be set", "hole = not is_read_only('/dev/null')"),
    Look(
        b.TERMINALS,
        "terminals of another child can be seen",
        "hole = os.listdir('/dev/pts') != ['ptmx']",
        before="terminal = os.openpty()",
    ),
    Look(
        b.KERNEL_SETTINGS, "kernel settings can be written", "hole = not is_read_only('/proc/sys')"
    ),
    Look(
        b.KERNEL_COUNTERS,
        "the kernel's counters of this machine can be read",
        "hole = bool(os.listdir('/proc/sys/fs')) or bool(open('/proc/interrupts').read())",
    ),
    Look(b.USER, "it is root's process", "hole = os.stat('/usr').st_uid == os.getuid()"),
    Look(
        b.USER_NAMESPACE,
        "it has no user namespace of its own",
        "hole = open('/proc/self/uid_map').read().split()[0] != '1000'",
    ),
    Look(
        b.NO_FURTHER_NAMESPACES,
        "user namespaces can be made",
        "hole = open('/proc/sys/user/max_user_namespaces').read() != '0\\n'",
    ),
    Look(
        b.CAPABILITIES,
        "it has capabilities",
        "hole = any(int(status(f'Cap{name}'), 16) for name in ('Prm', 'Eff', 'Bnd', 'Amb'))\n"
        "hole = hole or status('NoNewPrivs') != '1'",
    ),
    Look(
        b.SESSION_KEYRING,
        "its keys are those of the grader's login",
        "hole = os.path.exists('/proc/keys') and '_ses' not in open('/proc/keys').read()",
    ),
    Look(
        b.OWN_MEMORY,
        "memory is shared with other children",
        "hole = any('w' in line.split()[1] and line.split()[1].endswith('s')\n"
        "           for line in open('/proc/self/maps'))",
    ),
    Look(
        b.DESCRIPTORS,
        "files of the warm parent's are open",
        "hole = any(os.path.exists(f'/proc/self/fd/{number}') for number in range(4, 200))",
    ),
    Look(b.ENVIRONMENT, "variables of the grader's", "hole = bool(set(os.environ) - EXPECTED)"),
    Look(
        b.SHARED_MEMORY,
        "shared memory without bound",
        "hole = int(open('/proc/sys/kernel/shmmni').read()) > 64",
    ),
    Look(b.MEMORY, "memory without bound", "hole = more_than('AS', 1 << 39)"),
    Look(
        b.PROCESS_COUNT, "processes without bound", "hole = more_than('NPROC', LIMITS['processes'])"
    ),
    Look(
        b.PROCESS_COUNT,
        "one child's processes count against another's (this kernel is older than Linux 5.14: "
        "grade as root)",
        "def go():\n    pid = os.fork()\n    if not pid:\n        os._exit(0)\n"
        "    os.waitpid(pid, 0)\n"
        "hole = error_of(go) != 0",
        before="forked = []\n"
        "for _ in range(min(LIMITS['processes'], 512) + 1):\n"
        "    try:\n        pid = os.fork()\n    except OSError:\n        break\n"
        "    if not pid:\n        time.sleep(60)\n        os._exit(0)\n"
        "    forked.append(pid)\n",
    ),
    Look(b.FILE_SIZE, "files without bound", "hole = more_than('FSIZE', LIMITS['file_bytes'])"),
    Look(
        b.SCRATCH_SIZE,
        "a scratch without bound",
        "scratch = os.statvfs('/scratch')\nhole = scratch.f_blocks * scratch.f_frsize > 1 << 39",
    ),
    Look(
        b.FILE_COUNT,
        "files without number",
        "hole = os.statvfs('/scratch').f_files > LIMITS['scratch_files']",
    ),
    Look(
        b.OPEN_FILES, "open files without bound", "hole = more_than('NOFILE', LIMITS['open_files'])"
    ),
    Look(
        b.CPU_TIME, "processor time without bound", "hole = more_than('CPU', LIMITS['cpu_seconds'])"
    ),
    Look(
        b.KERNEL_QUEUES,
        "memory can be locked or signals queued without bound",
        "hole = more_than('MEMLOCK', 0) or more_than('MSGQUEUE', 0)\n"
        "hole = hole or more_than('SIGPENDING', 256)",
    ),
    Look(b.SYSCALLS, "system calls aren't filtered", "hole = status('Seccomp') != '2'"),
    Look(
        "calls: sockets",
        "sockets of other families can be made",
        "hole = {error_of(lambda: socket.socket(family, kind).close())\n"
        "        for family in (16, 17, 38, 40) for kind in (1, 2, 3, 5)} != {errno.EAFNOSUPPORT}",
    ),
    Look(
        "calls: locks",
        "a lock of another child's can be seen",
        "file, null = open(sys.executable), open('/dev/null', 'r+')\n"
        "tries = [lambda: fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB),\n"
        "         lambda: fcntl.lockf(null, fcntl.LOCK_EX | fcntl.LOCK_NB)]\n"
        "hole = any([error_of(one) for one in tries])",
        before="file, null = open(sys.executable), open('/dev/null', 'r+')\n"
        "fcntl.flock(file, fcntl.LOCK_EX)\nfcntl.lockf(null, fcntl.LOCK_EX)",
    ),
    Look(
        "calls: file events",
        "another child's reading can be watched",
        "folder = os.open('/usr', os.O_RDONLY)\n"
        "hole = error_of(lambda: fcntl.fcntl(folder, 1026, 0)) != errno.EINVAL\n"
        "hole = hole or refusal('inotify_init1', 0) != errno.ENOSYS",
    ),
    _calls(
        "calls: asynchronous files",
        "there is io_uring or io_submit",
        _ENOSYS,
        "'io_uring_setup', 1, None",
        "'io_setup', 1, None",
    ),
    _calls(
        "calls: keyrings",
        "there are keyrings",
        _ENOSYS,
        "'keyctl', 0, -3, 0",
        "'add_key', None, None, None, 0, 0",
    ),
    _calls(
        "calls: tracing",
        "processes can be traced",
        _EPERM,
        "'process_vm_readv', os.getpid(), None, 0, None, 0, 0",
        "'kcmp', os.getpid(), os.getpid(), 0, 0, 0",
        "'ptrace', 99, 1, 0, 0",
    ),
    _calls(
        "calls: kernel programs",
        "there are filters, or memory that the kernel can't see",
        _ENOSYS,
        "'seccomp', 2, 0, None",
        "'memfd_secret', 99",
    ),
    _calls(
        "calls: kernel programs",
        "there is bpf, perf_event_open or userfaultfd",
        _EPERM,
        "'bpf', 99, None, 0",
        "'perf_event_open', None, 0, -1, -1, 0",
        "'userfaultfd', 99",
    ),
    _calls(
        "calls: namespaces",
        "namespaces can be asked for",
        _EPERM,
        "'unshare', 0x200",
        "'setns', -1, 0",
        "'fsopen', None, 99",
    ),
    _calls("calls: page cache", "what is cached can be asked", _EPERM, "'mincore', 0, 0, 0"),
    _calls(
        "calls: scheduling",
        "priorities can be set",
        _EPERM,
        "'sched_setscheduler', 0, 0, bytes(8)",
    ),
    _calls("calls: kernel log", "the kernel's log can be read", _ENOSYS, "'syslog', 10, None, 0"),
    Look(
        "calls: devices",
        "a terminal's kind can be set",
        "null = os.open('/dev/null', os.O_RDWR)\n"
        "hole = error_of(lambda: fcntl.ioctl(null, 0x5423, b'0000')) != errno.EPERM",
    ),
    Look(
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
    _calls("calls: unknown", "rare system calls work", _ENOSYS, "'vmsplice', -1, None, 0, 0"),
)
"""What is looked at, in this order."""


class NoLook(RuntimeError):
    """A look came to nothing; the message says why."""


def holes(first: socket.socket, second: socket.socket, limits: Limits) -> list[Look]:
    """Return the looks that find no barrier.

    Args:
        first, second: the channels of two children of one warm parent.
        limits: theirs.

    Raises:
        NoLook: a child ended or a look failed.
    """
    talks = [_Talk(first), _Talk(second)]
    prologue = _facts(limits) + _PROLOGUE
    for talk in talks:
        talk.run(prologue)
    found = []
    for look in LOOKS:
        if look.before:
            talks[0].run(look.before)
        talks[1].run(look.see)
        if talks[1].ask("value", "hole") != ["value", False]:
            found.append(look)
    return found


def _facts(limits: Limits) -> str:
    """Return assignments of what the looks compare with."""
    import pyseccomp

    number = {name: pyseccomp.resolve_syscall(pyseccomp.Arch.NATIVE, name) for name in _CALLS}
    host = {name: os.readlink(f"/proc/self/ns/{name}") for name in ("net", "ipc", "uts")}
    expected = {*ENVIRONMENT, "COLUMNS", "LC_CTYPE", "LINES", "PWD", "SHLVL"}
    facts = {"NUMBER": number, "HOST": host, "EXPECTED": expected, "LIMITS": asdict(limits)}
    return "".join(f"{name} = {value!r}\n" for name, value in facts.items())


class _Talk:
    """One child, asked from outside."""

    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel
        self._count = 0

    def run(self, source: str) -> None:
        _word, worked, error, *_shown = self.ask("run", "look", source, _LOOK_SECONDS, 0)
        if not worked:
            raise NoLook(f"a look failed ({': '.join(error)})")

    def ask(self, *request: object) -> list:
        self._count += 1
        deadline = time.monotonic() + 2 * _LOOK_SECONDS
        try:
            wire.send_frame(self._channel, [self._count, *request], deadline)
            return wire.receive_frame(self._channel, deadline)[1:]
        except wire.WireError as error:
            raise NoLook(f"the trial child ended ({error})") from None
