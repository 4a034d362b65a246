"""System calls and neighbours: what honest notebooks never need, and what joins two submissions."""

import os
import subprocess
import sys

import pytest

from tests.attacks import stations
from tests.attacks.attack import Attack, all_of, answers, cases, first, last, only_sandboxed
from tests.attacks.test_files_and_processes import GOT, REACHED, tried, with_libc

REFUSED = "(1, 13, 28, 38, 93, 94, 97)"
"""EPERM, EACCES, ENOSPC (for namespaces), ENOSYS, and that a family of sockets isn't there."""


def call(name, number, *words, also="True"):
    """Make a system call by its number; any answer but a refusal means that it is there."""
    spelt = ", ".join([str(number), *map(str, words)])
    return with_libc(
        f"import platform\n"
        f"if platform.machine() == 'x86_64' and {also}:\n"
        f"    libc.syscall.restype = ctypes.c_long\n"
        f"    found = libc.syscall({spelt})\n"
        f"    if found >= 0 or ctypes.get_errno() not in {REFUSED}:\n"
        f"        print('{REACHED}', {name!r}, found, ctypes.get_errno())\n"
    )


def opens(family, kind, what):
    return tried(
        "import socket\n"
        "try:\n"
        f"    one = socket.socket({family}, {kind})\n"
        f"    print('{REACHED}', {what!r}, one)\n"
        "except OSError:\n"
        "    pass"
    )


def refused(name, what, change, **more):
    more = {"never": (GOT,), **more}
    return Attack(name, what, change, **more)


# Eight bytes and more cross between two submissions that run at the same time, if either sees
# that the other holds a lock on a file that both can open.
LOCKS = """
import fcntl, os, time, torch, numpy
shared = [torch.__file__, numpy.__file__, os.__file__, '/etc/passwd', '/usr/bin/env', '/usr']
def locks(number):
    fd = os.open(shared[number], os.O_RDONLY)
    def flock(kind):
        fcntl.flock(fd, kind | fcntl.LOCK_NB)
    return fd, flock
found = set()
held = 0
ends = time.monotonic() + 6
fds = []
for number in range(len(shared)):
    try:
        fds.append(locks(number))
    except OSError:
        pass
while time.monotonic() < ends:
    for number, (fd, flock) in enumerate(fds):
        try:
            flock(fcntl.LOCK_EX)
            held += 1
            time.sleep(0.002 + 0.001 * (os.getpid() % 3))
            flock(fcntl.LOCK_UN)
        except BlockingIOError:
            found.add(number)
        except OSError:
            pass
if found:
    print('REA' 'CHED', 'a neighbour holds', found)
"""

LEASES = """
import fcntl, os, torch
for name in (torch.__file__, os.__file__, '/etc/passwd'):
    fd = os.open(name, os.O_RDONLY)
    for call in ((1024, 0), (1024, 1)):  # F_SETLEASE
        try:
            fcntl.fcntl(fd, *call)
            print('REA' 'CHED', name, call)
            fcntl.fcntl(fd, 1024, 2)
        except OSError:
            pass
"""

NOTIFY = """
import fcntl, os, signal
signal.signal(signal.SIGIO, signal.SIG_IGN)
for name in ('/usr', '/etc', '/', os.path.dirname(os.__file__)):
    fd = os.open(name, os.O_RDONLY)
    try:
        fcntl.fcntl(fd, fcntl.F_NOTIFY, 0x80000000 | 0x1 | 0x20)
        print('REA' 'CHED', name)
    except (OSError, OverflowError):
        pass
"""

FORBIDDEN_WORDS = """
import ctypes, mmap
code = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
# push rbx; mov eax, {number}; xor ebx, ebx; int 0x80; pop rbx; ret
code.write(b'\\x53\\xb8' + ({number}).to_bytes(4, 'little') + b'\\x31\\xdb\\xcd\\x80\\x5b\\xc3')
function = ctypes.CFUNCTYPE(ctypes.c_long)(ctypes.addressof(ctypes.c_char.from_buffer(code)))
found = function() & 0xffffffff
if found < 0xfffff000:
    print('REA' 'CHED', found)
"""

X32 = 0x40000000

NEIGHBOUR = """
import os, time
def seen():
    found = []
    for name in os.listdir('/proc'):
        if name.isdigit():
            try:
                if b'neighbour-here' in open(f'/proc/{name}/cmdline', 'rb').read():
                    found.append(name)
            except OSError:
                pass
    return found
"""

ATTACKS = [
    # Families of sockets that reach the kernel or the host
    refused(
        "vsock",
        "Opens a socket to the machine's host (AF_VSOCK)",
        opens("40", "socket.SOCK_STREAM", "vsock"),
    ),
    refused(
        "vsock-datagram",
        "Opens such a socket for datagrams",
        opens("40", "socket.SOCK_DGRAM", "vsock"),
    ),
    refused(
        "kernel-crypto",
        "Opens a socket to the kernel's cryptography (AF_ALG)",
        opens("38", "socket.SOCK_SEQPACKET", "alg"),
    ),
    refused(
        "raw-sockets",
        "Opens raw, packet and key sockets",
        all_of(
            opens("17", "socket.SOCK_RAW", "packet"),
            opens("15", "socket.SOCK_RAW", "key"),
            opens("socket.AF_INET", "socket.SOCK_RAW", "raw"),
        ),
    ),
    refused(
        "bluetooth-and-can",
        "Opens Bluetooth, CAN, TIPC and SMC sockets",
        all_of(
            opens("31", "socket.SOCK_RAW", "bluetooth"),
            opens("29", "socket.SOCK_RAW", "can"),
            opens("30", "socket.SOCK_RDM", "tipc"),
            opens("43", "socket.SOCK_STREAM", "smc"),
        ),
    ),
    # Calls
    refused(
        "io-uring",
        "Sets up an io_uring, past whatever inspects its calls",
        call("io_uring_setup", 425, 8, "ctypes.create_string_buffer(120)"),
    ),
    refused(
        "io-uring-enter",
        "Enters and registers an io_uring",
        all_of(
            call("io_uring_enter", 426, -1, 0, 0, 0, 0, 0),
            call("io_uring_register", 427, -1, 0, 0, 0),
        ),
    ),
    refused(
        "keyring-add",
        "Leaves a key in the user's keyring",
        call("add_key", 248, "b'user'", "b'left'", "b'LEFT-HERE'", 9, -4),
    ),
    refused(
        "keyring-read",
        "Reads the session's and the user's keyring",
        all_of(
            call("keyctl", 250, 0, -3, 1),
            call("keyctl", 250, 6, -4, 0, 0),
            call("request_key", 249, "b'user'", "b'left'", 0, -4),
        ),
    ),
    refused(
        "userfaultfd", "Handles its own page faults (userfaultfd)", call("userfaultfd", 323, 1)
    ),
    refused(
        "bpf",
        "Loads a program into the kernel (bpf)",
        call("bpf", 321, 0, "ctypes.create_string_buffer(120)", 120),
    ),
    refused(
        "perf",
        "Opens a performance counter over the whole machine",
        call(
            "perf_event_open",
            298,
            "ctypes.create_string_buffer(b'\\1\\0\\0\\0\\x70', 112)",
            0,
            -1,
            -1,
            0,
        ),
    ),
    refused(
        "32-bit-calls",
        "Makes calls of another architecture with `int 0x80`",
        first(FORBIDDEN_WORDS.format(number=20)),
        or_less=True,
    ),
    refused(
        "x32-calls", "Makes calls of the x32 kind", call("getpid of x32", X32 + 39), or_less=True
    ),
    refused(
        "namespaces-by-unshare",
        "Makes each kind of namespace with `unshare`",
        all_of(
            *[
                call(f"unshare {flag:#x}", 272, flag)
                for flag in (
                    0x10000000,
                    0x20000000,
                    0x40000000,
                    0x00020000,
                    0x08000000,
                    0x04000000,
                    0x02000000,
                )
            ]
        ),
    ),
    refused(
        "namespaces-by-clone",
        "Makes a user namespace with `clone` and `clone3`",
        all_of(
            with_libc(
                "libc.syscall.restype = ctypes.c_long\n"
                "found = libc.syscall(56, 0x10000000 | 17, 0, 0, 0, 0)\n"
                "if found == 0:\n    os._exit(0)\n"
                f"if found > 0:\n    print('{REACHED}')"
            ),
            with_libc(
                "import struct\n"
                "words = ctypes.create_string_buffer(struct.pack('<8Q', 0x10000000, 0, 0, 0, 17,"
                " 0, 0, 0))\n"
                "libc.syscall.restype = ctypes.c_long\n"
                "found = libc.syscall(435, words, 64)\n"
                "if found == 0:\n    os._exit(0)\n"
                f"if found > 0:\n    print('{REACHED}')"
            ),
        ),
    ),
    refused(
        "join-namespaces",
        "Joins the namespaces of process 1",
        with_libc(
            "for name in ('user', 'pid', 'net', 'mnt', 'ipc', 'uts', 'cgroup'):\n"
            "    try:\n"
            "        fd = os.open(f'/proc/1/ns/{name}', os.O_RDONLY)\n"
            "    except OSError:\n"
            "        continue\n"
            "    if libc.setns(fd, 0) == 0:\n"
            f"        print('{REACHED}', name)"
        ),
    ),
    refused(
        "trace-a-child",
        "Traces a child of its own with ptrace",
        with_libc(
            "child = os.fork()\n"
            "if child == 0:\n"
            "    import time\n"
            "    time.sleep(3)\n"
            "    os._exit(0)\n"
            "if libc.ptrace(16, child, 0, 0) == 0:\n"
            f"    print('{REACHED}', 'attached')\n"
            "os.kill(child, 9)"
        ),
    ),
    refused(
        "trace-me",
        "Asks to be traced",
        with_libc(
            "child = os.fork()\n"
            "if child == 0:\n"
            "    os._exit(7 if libc.ptrace(0, 0, 0, 0) == 0 else 0)\n"
            "if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7:\n"
            f"    print('{REACHED}')"
        ),
    ),
    refused(
        "memory-of-others-by-call",
        "Reads another process's memory with one call",
        call("process_vm_readv", 310, "os.getppid()", 0, 0, 0, 0, 0),
    ),
    refused(
        "open-by-handle",
        "Opens files by handle, past the sandbox's folders",
        call("open_by_handle_at", 304, -1, "ctypes.create_string_buffer(128)", 0),
    ),
    refused(
        "kernel-modules",
        "Loads a kernel module and another kernel",
        all_of(
            call("init_module", 175, 0, 0, "b''"),
            call("finit_module", 313, -1, "b''", 0),
            call("kexec_load", 246, 0, 0, 0, 0),
        ),
    ),
    refused(
        "clock-and-name",
        "Sets the clock and the machine's name",
        all_of(
            call("settimeofday", 164, 0, 0, also="False"),
            with_libc(f"if libc.sethostname(b'mine', 4) == 0:\n    print('{REACHED}')"),
        ),
    ),
    refused(
        "kernel-log",
        "Reads and floods the kernel's and the system's log",
        all_of(
            call("syslog", 103, 3, "ctypes.create_string_buffer(99)", 99),
            tried(
                "import syslog\n"
                "for number in range(20_000):\n"
                "    syslog.syslog(syslog.LOG_EMERG, 'flood ' * 99)"
            ),
        ),
        recipe="syslog floods",
    ),
    refused(
        "new-mounts",
        "Opens a mount tree with the newer calls",
        all_of(
            call("fsopen", 430, "b'tmpfs'", 0),
            call("open_tree", 428, -100, "b'/'", 1),
            call("move_mount", 429, -1, "b''", -1, "b''", 0),
        ),
    ),
    refused("fanotify", "Watches the whole file system", call("fanotify_init", 300, 0, 0)),
    refused(
        "kcmp",
        "Compares its kernel objects with those of others",
        call("kcmp", 312, "os.getpid()", 1, 0, 0, 0),
    ),
    refused(
        "pidfd-getfd",
        "Takes a descriptor out of another process",
        with_libc(
            "fd = os.pidfd_open(os.getppid() or 1)\n"
            "for number in range(9):\n"
            "    if libc.syscall(438, fd, number, 0) >= 0:\n"
            f"        print('{REACHED}', number)"
        ),
    ),
    refused(
        "terminal-injection",
        "Types into the instructor's terminal with TIOCSTI",
        tried(
            "import fcntl\n"
            "for number in (0, 1, 2):\n"
            "    try:\n"
            "        fcntl.ioctl(number, 0x5412, b'x')\n"
            f"        print('{REACHED}')\n"
            "    except OSError:\n"
            "        pass"
        ),
    ),
    # Neighbours
    refused(
        "locks-a",
        "Holds and tries locks on files that a neighbour can open too",
        first(LOCKS),
        together="neighbors",
        seconds=20,
    ),
    refused(
        "locks-b",
        "Does so at the same time, as the neighbour",
        first(LOCKS),
        together="neighbors",
        seconds=20,
    ),
    refused("leases", "Takes leases on files of the system", first(LEASES)),
    refused(
        "directory-notices", "Asks to be told what others do in a folder (F_NOTIFY)", first(NOTIFY)
    ),
    Attack(
        "pin-to-a-core",
        "Pins itself to every core in turn and asks for real time",
        first(
            "import os, time\n"
            "for core in os.sched_getaffinity(0):\n"
            "    try:\n"
            "        os.sched_setaffinity(0, {core})\n"
            "    except OSError:\n"
            "        pass\n"
            "try:\n"
            "    os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))\n"
            f"    print('{REACHED}')\n"
            "except OSError:\n"
            "    pass"
        ),
        never=(GOT,),
        recipe="pinning of cores",
    ),
    Attack(
        "shared-memory-everywhere",
        "Leaves and looks for shared memory, queues and semaphores by name and by number",
        with_libc(
            "for folder in ('/dev/shm', '/dev/mqueue'):\n"
            "    names = os.listdir(folder) if os.path.isdir(folder) else []\n"
            "    if [name for name in names if name.startswith('left')]:\n"
            f"        print('{REACHED}', folder, names)\n"
            "    try:\n"
            "        open(folder + '/left-' + str(time.time_ns()), 'w').close()\n"
            "    except Exception:\n"
            "        pass\n"
            "if libc.shmget(4711, 100, 0) != -1 or libc.msgget(4711, 0) != -1:\n"
            f"    print('{REACHED}', 'by number')\n"
            "libc.shmget(4711, 100, 0o1666)\n"
            "libc.msgget(4711, 0o1666)"
        ),
        never=(GOT,),
        again=True,
        together="left over",
        recipe="/dev/shm",
    ),
    Attack(
        "see-a-neighbour",
        "Looks for another submission's processes, and is to be found itself",
        first(
            NEIGHBOUR + "import subprocess, sys\n"
            "one = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(3)',\n"
            "                        'neighbour-here'])\n"
            "time.sleep(1)\n"
            "if len(seen()) > 1:\n"
            f"    print('{REACHED}', seen())\n"
            "one.kill()"
        ),
        never=(GOT,),
    ),
    Attack(
        "stop-the-parent",
        "Stops its parent and process 1 with SIGSTOP",
        first(
            only_sandboxed(
                "import signal\n"
                "for number in (os.getppid(), 1):\n"
                "    try:\n"
                "        os.kill(number, signal.SIGSTOP)\n"
                "    except OSError:\n"
                "        pass"
            )
        ),
        rough=True,
        recipe="SIGSTOP to the parent",
    ),
    Attack(
        "stop-and-continue",
        "Sends every signal there is to its parent and its group",
        first(
            only_sandboxed(
                "for number in range(1, 65):\n"
                "    for target in (os.getppid(), 1):\n"
                "        try:\n"
                "            os.kill(target, number)\n"
                "        except (OSError, ValueError):\n"
                "            pass"
            )
        ),
        rough=True,
    ),
    Attack(
        "forks-beside-others",
        "Keeps as many processes as it may, so that its neighbours can't start any",
        first(
            only_sandboxed(
                "import time\n"
                "for _ in range(500):\n"
                "    try:\n"
                "        if os.fork() == 0:\n"
                "            time.sleep(6)\n"
                "            os._exit(0)\n"
                "    except OSError:\n"
                "        break\n"
                "time.sleep(5)"
            )
        ),
        rough=True,
        seconds=20,
        together="neighbors",
    ),
    Attack(
        "starts-processes",
        "Starts twenty processes of its own beside such a neighbour and waits for them",
        answers(
            double="import subprocess, sys\n"
            "kept = [subprocess.Popen(['sleep', '1']) for _ in range(20)]\n"
            "print('ended', sum(one.wait() == 0 for one in kept))\n"
            "def double(x):\n    return 2 * x"
        ),
        honest=True,
        deserves=(2, 3),
        says="ended 20",
        seconds=20,
        together="neighbors",
    ),
    # What honest notebooks need has to go on working
    Attack(
        "honest-files-and-locks",
        "Uses sqlite, locks on its own files, temporary files and mmap",
        last(
            "import fcntl, mmap, sqlite3, tempfile\n"
            "with sqlite3.connect('own.db') as book:\n"
            "    book.execute('create table t (x)')\n"
            "    book.execute('insert into t values (42)')\n"
            "with tempfile.TemporaryFile() as file:\n"
            "    file.write(b'x' * 9999)\n"
            "    file.flush()\n"
            "    fcntl.flock(file, fcntl.LOCK_EX)\n"
            "    kept = mmap.mmap(file.fileno(), 0)\n"
            "print('read', *sqlite3.connect('own.db').execute('select x from t').fetchone(), kept.size())"
        ),
        honest=True,
        deserves=(2, 3),
        says="read 42 9999",
    ),
    Attack(
        "honest-multiprocessing",
        "Uses a pool of processes, shared memory, queues, threads and asyncio",
        last(
            "import asyncio, math, multiprocessing, queue, threading\n"
            "from multiprocessing import shared_memory\n"
            "with multiprocessing.get_context('fork').Pool(2) as pool:\n"
            "    print('pool', pool.map(math.isqrt, [4, 9]))\n"
            "one = shared_memory.SharedMemory(create=True, size=9)\n"
            "one.buf[:2] = b'ok'\n"
            "print(bytes(one.buf[:2]))\n"
            "one.close(); one.unlink()\n"
            "async def wait():\n"
            "    process = await asyncio.create_subprocess_exec('true')\n"
            "    return await process.wait()\n"
            "print('asyncio', await wait())"
        ),
        honest=True,
        deserves=(2, 3),
        says="pool [2, 3]",
        seconds=20,
    ),
]


@pytest.mark.parametrize("attack", cases(ATTACKS))
def test_system_calls(attack, holds):
    holds(attack)


ORDINARY = 60_999
"""A user's number that nobody has."""


def _can_be(user):
    """Whether Python and this checkout can be used as that user."""
    try:
        done = subprocess.run(
            [sys.executable, "-c", "import os; os.stat('/')"], user=user, cwd=stations.ROOT
        )
    except OSError:
        return False
    return done.returncode == 0


@pytest.mark.skipif(
    os.geteuid() != 0 or not _can_be(ORDINARY),
    reason="only root can become another user, who must be able to run this Python",
)
def test_neighbors_where_an_ordinary_user_grades(house):
    """There all children are that one user's: who forks must not starve the others."""
    named = ("forks-beside-others", "starts-processes", "see-a-neighbour", "stop-the-parent")
    attacks = [one for one in ATTACKS if one.name in named]
    lesson = house.run(attacks[0], attacks, stations.USUAL_CELL_SECONDS, user=ORDINARY)
    assert lesson.faults == []
    for attack in attacks:
        outcome = lesson.attackers[attack.name]
        found = outcome.points
        assert (found["double-test"], found["parts-test"]) == attack.deserves, outcome.shown[
            -2_000:
        ]
        assert attack.says in outcome.shown
    for student in lesson.honest.values():
        assert (student.points["double-test"], student.points["parts-test"]) == (2, 3)
