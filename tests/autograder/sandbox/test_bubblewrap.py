"""Each barrier of the sandbox, and an attempt to get through it."""

import os
import socket
import sys
from pathlib import Path

import pytest

from autograder.sandbox import syscalls, wire
from autograder.sandbox.bubblewrap import environment
from autograder.sandbox.limits import SandboxLimits
from autograder.sandbox.zygote_client import ZygoteClient

ROOT = Path(__file__).resolve().parents[3]


def test_there_is_no_network(student):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        student.run("import socket")
        assert student.fails(f"socket.create_connection(('127.0.0.1', {port}), 1)") == "OSError"
    assert student.fails("socket.create_connection(('192.0.2.1', 80), 1)") == "OSError"
    assert student.fails("socket.getaddrinfo('example.org', 80)") == "gaierror"
    udp = "socket.socket(type=socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', 53))"
    assert student.fails(udp) == "OSError"


def test_no_unix_socket_outside_can_be_reached(student, tmp_path):
    student.run("import socket\ns = socket.socket(socket.AF_UNIX)")
    with socket.socket(socket.AF_UNIX) as server, socket.socket(socket.AF_UNIX) as named:
        server.bind(f"\0beyond-test-{os.getpid()}")
        server.listen()
        named.bind(str(tmp_path / "s"))
        named.listen()
        abstract = f"s.connect('\\0beyond-test-{os.getpid()}')"
        assert student.fails(abstract) == "ConnectionRefusedError"
        assert student.fails(f"s.connect({str(tmp_path / 's')!r})") == "FileNotFoundError"


def test_no_other_process_can_be_seen_signalled_or_traced(student, parent, talk):
    with parent.fork() as other:
        seen = student.text("import os\nprint([p for p in os.listdir('/proc') if p.isdigit()])")
        assert seen == "['1']\n"
        assert student.text("print(os.getpid(), os.getppid())") == "1 0\n"
        student.run("os.kill(0, 9)")
        student.run("os.killpg(0, 15)")
        student.run("os.kill(-1, 9)")
        # Its own number is 1, as this process's parent's is in a container.
        for pid in {2, os.getpid(), os.getppid()} - {1}:
            assert student.fails(f"os.kill({pid}, 0)") == "ProcessLookupError"
            assert student.fails(f"open('/proc/{pid}/mem', 'rb')") == "FileNotFoundError"
        student.run("import ctypes\nlibc = ctypes.CDLL(None, use_errno=True)")
        attach = f"print(libc.ptrace(16, {os.getpid()}, 0, 0), libc.ptrace(16, 2, 0, 0))"
        assert student.text(attach) == "-1 -1\n"
        assert talk(other).text("print('alive')") == "alive\n"
    assert parent.alive
    assert student.text("print('alive')") == "alive\n"


@pytest.mark.parametrize(
    "path",
    [
        ROOT / "source",
        ROOT / "tests",
        ROOT / "term",
        ROOT / "autograder" / "grading" / "coordinator.py",
        ROOT / "pyproject.toml",
        "/course/autograder/judge/judge.py",
        "/course/autograder/sandbox/zygote_client.py",
        "/etc/passwd",
        "/etc/shadow",
        "/home",
        "/var",
        "/sys",
        "/run",
        "/dev/mem",
        "/dev/vda",
        "/dev/sda",
        "/proc/2",
    ],
)
def test_what_is_not_there(student, path):
    assert student.text(f"import os\nprint(os.path.lexists({str(path)!r}))") == "False\n"


def test_nothing_of_the_home_folder_but_python_is_there(student):
    home = Path.home()
    listing = f"import os\nhome = {str(home)!r}\n"
    listing += "print(os.listdir(home) if os.path.exists(home) else [])"
    seen = eval(student.text(listing))
    needed = {sys.prefix, sys.base_prefix, *map(os.path.realpath, (sys.prefix, sys.base_prefix))}
    assert all(any(Path(p).is_relative_to(home / name) for p in needed) for name in seen)


@pytest.mark.parametrize(
    "folder",
    [
        *("/", "/course", "/course/beyond", "/course/autograder/sandbox", "/usr", "/usr/lib"),
        *("/etc", "/dev", "/dev/pts", "/shadowed", "/proc", "/proc/sys/kernel", "/bin", "/home"),
        *("/var/tmp", sys.prefix, sys.base_prefix, os.path.dirname(os.__file__)),
    ],
)
def test_nothing_can_be_written_outside_scratch(student, folder):
    assert student.fails(f"open({folder + '/x'!r}, 'w')") in (
        "OSError",
        "PermissionError",
        "FileNotFoundError",
    )
    assert student.fails(f"import os\nos.mkdir({folder + '/y'!r})") in (
        "OSError",
        "PermissionError",
        "FileNotFoundError",
    )


def test_nothing_can_be_mounted_or_made_writable(student):
    student.run(
        "import ctypes, os\nlibc = ctypes.CDLL(None, use_errno=True)\n"
        "def tried(name, *args):\n"
        "    done = getattr(libc, name)(*args)\n"
        "    return done, ctypes.get_errno()"
    )
    not_permitted = [-1, 1]
    MS_REMOUNT_BIND, MS_BIND = 32 | 4096, 4096
    for request in (
        ["mount", b"none", b"/", None, MS_REMOUNT_BIND, None],
        ["mount", b"none", b"/usr", None, MS_REMOUNT_BIND, None],
        ["mount", b"/scratch/work", b"/usr", None, MS_BIND, None],
        ["mount", b"proc", b"/scratch/work", b"proc", 0, None],
        ["umount2", b"/tmp", 0],
        ["umount2", b"/scratch", 2],
        ["umount2", b"/proc", 2],
        ["umount2", b"/proc/sys", 2],
        ["mount", b"none", b"/proc/sys", None, MS_REMOUNT_BIND, None],
        ["chroot", b"/scratch/work"],
    ):
        assert list(student.call("tried", *request)) == not_permitted
    assert student.fails("os.mknod('sda', 0o60666, os.makedev(8, 0))") == "PermissionError"
    for path in ("kernel/hostname", "kernel/core_pattern", "kernel/pid_max", "kernel/shmall"):
        assert student.fails(f"open('/proc/sys/{path}', 'w')") == "OSError"
    assert student.fails("open('/proc/sysrq-trigger', 'w')") in (
        "PermissionError",
        "FileNotFoundError",
    )


def test_no_privilege_is_left_or_can_be_had(student):
    status = student.text("print(open('/proc/self/status').read())")
    fields = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
    for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert int(fields[name], 16) == 0
    assert fields["NoNewPrivs"].strip() == "1"
    assert set(fields["Uid"].split()) == set(fields["Gid"].split()) == {"1000"}
    assert set(fields["Groups"].split()) <= {"65534", "1000"}
    student.run("import os, ctypes\nlibc = ctypes.CDLL(None, use_errno=True)")
    for call in ("os.setuid(0)", "os.setgid(0)", "os.setgroups([0])", "os.setresuid(0, 0, 0)"):
        # 0 is no number of the namespace's, and groups may not be set at all.
        expected = "PermissionError" if "setgroups" in call else "OSError"
        assert student.fails(call) == expected, call
    # User, mount, PID and network namespaces, alone and within a new user namespace.
    for flags in (0x10000000, 0x00020000, 0x20000000, 0x40000000, 0x10000000 | 0x00020000):
        assert student.text(f"print(libc.unshare({flags}))") == "-1\n"
    assert student.fails("open('/proc/sys/user/max_user_namespaces', 'w').write('9')") in (
        "PermissionError",
        "OSError",
    )
    assert student.fails("os.nice(-5)") == "PermissionError"
    assert student.fails("os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(5))") == (
        "PermissionError"
    )


def test_a_setuid_program_gives_nothing(student):
    found = student.text(
        "import glob, os, stat, subprocess\n"
        "names = [p for p in glob.glob('/usr/bin/*') if os.path.exists(p)]\n"
        "print([p for p in names if os.stat(p).st_mode & stat.S_ISUID])"
    )
    programs = [one for one in eval(found) if os.path.basename(one) in ("su", "mount", "newgrp")]
    assert programs, "no setuid program is there to be tried"
    for program in programs:
        # The loader tells a program's user itself, and nothing where the bit has changed it.
        shown = student.text(
            "import subprocess\n"
            f"asked = subprocess.run([{program!r}, '--help'], env={{'LD_SHOW_AUXV': '1'}},"
            " stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)\n"
            "told = dict(line.split(':') for line in asked.stdout.splitlines() if line[:3] == 'AT_')\n"
            "print(*(told[name].strip() for name in ('AT_UID', 'AT_EUID', 'AT_EGID', 'AT_SECURE')))"
        )
        assert shown == "1000 1000 1000 0\n", program
    assert student.text("!grep -h CapEff /proc/self/status").split()[-1] == "0" * 16


def test_limits_can_not_be_lifted(student):
    student.run("import resource as r")
    for name in ("AS", "NPROC", "FSIZE", "NOFILE", "CPU"):
        lift = f"r.setrlimit(r.RLIMIT_{name}, (r.RLIM_INFINITY, r.RLIM_INFINITY))"
        assert student.fails(lift) == "ValueError"


def test_it_has_its_socket_and_no_other_descriptor(student):
    listing = "import os\nprint({fd: os.readlink(f'/proc/self/fd/{fd}')[:6] for fd in range(4)})"
    assert eval(student.text(listing)) == {
        0: "/dev/n",
        1: "/dev/n",
        2: "/dev/n",
        3: "socket",
    }
    for descriptor in range(4, 64):
        assert student.fails(f"os.fstat({descriptor})") == "OSError"


ADDED_INSIDE = {"COLUMNS", "LC_CTYPE", "LINES", "PWD", "SHLVL"}


def test_the_environment_says_nothing_of_the_machine(student):
    shown = eval(student.text("import os\nprint(dict(os.environ))"))
    # What the child has is a list of its own; a name that the machine uses too has its own value.
    own = environment()
    assert "PATH" in shown
    assert set(shown) - set(own) <= ADDED_INSIDE
    assert {name: shown[name] for name in own} == own
    assert student.text("import socket\nprint(socket.gethostname())") == "sandbox\n"


def test_every_namespace_is_its_own(student, parent, talk):
    read = (
        "import os\nprint({n: os.readlink(f'/proc/self/ns/{n}') "
        "for n in ('user', 'pid', 'mnt', 'ipc', 'net', 'uts')})"
    )
    with parent.fork() as child:
        mine, other = eval(student.text(read)), eval(talk(child).text(read))
    for name, link in mine.items():
        assert link != other[name] != os.readlink(f"/proc/self/ns/{name}") != link


def test_nothing_is_left_for_the_next_submission(bubblewrap, talk):
    syscalls.new_session_keyring()  # as a login does: then every child would inherit it
    with ZygoteClient(limits=SandboxLimits()) as parent:
        _leave_and_find(parent, talk)


def _leave_and_find(parent, talk):
    leave = (
        "import ctypes, os\n"
        "for folder in ('/tmp', '/dev/shm', '/scratch/work', os.environ['HOME']):\n"
        "    open(folder + '/left', 'w').write('x')\n"
        "libc = ctypes.CDLL(None, use_errno=True)\n"
        "assert libc.shmget(4711, 4096, 0o1666) >= 0\n"
        "import platform\n"
        "add_key = {'x86_64': 248, 'aarch64': 217}[platform.machine()]\n"
        "libc.syscall(add_key, b'user', b'left', b'x', 1, -3)\n"
        "libc.syscall(add_key, b'user', b'left', b'x', 1, -4)\n"
    )
    find = (
        "import ctypes, glob, os, platform\n"
        "libc = ctypes.CDLL(None, use_errno=True)\n"
        "number = {'x86_64': 249, 'aarch64': 218}[platform.machine()]\n"
        "print([p for f in ('/tmp', '/dev/shm', '/scratch/work') for p in glob.glob(f + '/*')],\n"
        "      libc.shmget(4711, 4096, 0o666), libc.syscall(number, b'user', b'left', 0, 0))"
    )
    with parent.fork() as first:
        talk(first).text(leave)
        with parent.fork() as meanwhile:
            during = talk(meanwhile).text(find)
    with parent.fork() as second:
        after = talk(second).text(find)
    for found in (during, after):
        left, shared, key = eval(found.replace("] ", "], ").replace("-1 -1", "-1, -1"))
        assert {path for path in left if not sys.prefix.startswith(path)} == set()
        assert (shared, key) == (-1, -1)


@pytest.mark.parametrize(
    "forged",
    [b"\2\0\0\0NN", b"\1\0\0\0N", b"\xff\xff\xff\xff", b"\1\0\0\0\xff", b"\x10\0\0\0"],
)
def test_a_forged_frame_breaks_only_its_own_channel(student, parent, forged):

    def ask_twice():
        student.ask("run", "c", f"import os\nos.write(3, {forged!r})", 5.0, 1, seconds=1)
        student.ask("value", "os", seconds=1)

    with pytest.raises((wire.WireError, AssertionError, TypeError)):
        ask_twice()
    assert parent.alive
    assert student.child.end() == "ended by us"
