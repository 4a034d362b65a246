"""Each barrier by itself: what only this barrier keeps a submission from seeing or using.

Barriers overlap, so most attacks meet several. Each case here probes one of them; `mutation.py`
takes that one down and requires the case to fail.
"""

import pytest

from tests.attacks.attack import Attack, all_of, cases, first, last, only_sandboxed
from tests.attacks.test_files_and_processes import GOT, REACHED, tried, with_libc


def probe(name, what, change, **more):
    return Attack(name, what, change, **{"never": (GOT,), **more})


def limit(*names, most):
    return tried(
        "import resource\n"
        f"for name in {names!r}:\n"
        "    soft, hard = resource.getrlimit(getattr(resource, name))\n"
        f"    if not 0 <= hard <= {most}:\n"
        f"        print('{REACHED}', name, hard)"
    )


def has_one_core(outcome):
    cores = outcome.runs["grade"].cores
    assert cores <= 1, f"the processes of one submission could have had {cores:g} cores"


ATTACKS = [
    probe(
        "host-name",
        "Asks for the machine's name",
        tried(
            "import socket\n"
            "if socket.gethostname() == '<<host>>' != 'localhost':\n"
            f"    print('{REACHED}')"
        ),
    ),
    probe(
        "own-user-namespace",
        "Compares its user namespace with the machine's",
        tried(
            f"if os.readlink('/proc/self/ns/user') == '<<user_namespace>>':\n    print('{REACHED}')"
        ),
    ),
    probe(
        "owns-the-system",
        "Asks whether the system's files are its own",
        tried(f"if os.stat('/usr').st_uid == os.getuid():\n    print('{REACHED}')"),
    ),
    probe(
        "writable-mounts",
        "Looks for file systems that can be written, apart from its own",
        tried(
            "own = ('tmpfs', 'proc', 'devpts', 'mqueue')\n"
            "for line in open('/proc/self/mounts'):\n"
            "    device, place, kind, options = line.split()[:4]\n"
            "    node = place.startswith('/dev/')\n"
            "    if kind not in own and not node and 'rw' in options.split(','):\n"
            f"        print('{REACHED}', line)"
        ),
    ),
    probe(
        "writable-device-nodes",
        "Looks for device nodes whose times and modes can be changed",
        tried(
            "for line in open('/proc/self/mounts'):\n"
            "    device, place, kind, options = line.split()[:4]\n"
            "    if kind == 'devtmpfs' and 'rw' in options.split(','):\n"
            f"        print('{REACHED}', line)"
        ),
    ),
    probe(
        "kernel-settings",
        "Looks for kernel settings that can be written",
        tried(
            "lines = [line.split() for line in open('/proc/self/mounts')]\n"
            "found = [line for line in lines if line[1] in ('/proc/sys', '/proc')]\n"
            "if not any('ro' in line[3].split(',') for line in found):\n"
            f"    print('{REACHED}', found)"
        ),
    ),
    # Free memory and the sockets of all, which a system call tells too, are named in the README.
    probe(
        "kernel-counters",
        "Reads its neighbours' doings from the kernel's counters",
        tried(
            "import time\n"
            "names = ('stat', 'locks', 'vmstat', 'interrupts', 'softirqs', 'loadavg',\n"
            "         'diskstats', 'uptime', 'schedstat', 'sched_debug', 'timer_list', 'slabinfo',\n"
            "         'pressure/cpu', 'sys/fs/file-nr', 'sys/fs/inode-nr',\n"
            "         'sys/kernel/random/entropy_avail')\n"
            "def all_of_them():\n"
            "    found = {}\n"
            "    for name in names:\n"
            "        try:\n"
            "            found[name] = open('/proc/' + name).read()\n"
            "        except OSError:\n"
            "            pass\n"
            "    return found\n"
            "before = all_of_them()\n"
            "sum(range(3_000_000)); kept = [open('/dev/null') for _ in range(99)]; time.sleep(1.1)\n"
            "after = all_of_them()\n"
            "told = [name for name in before if before[name] != after.get(name)]\n"
            "told = [name for name in told if name not in ('uptime', 'loadavg')]\n"
            "if told:\n"
            f"    print('{REACHED}', told)"
        ),
    ),
    probe(
        "further-namespaces",
        "Asks how many user namespaces it may make",
        tried(
            f"if int(open('/proc/sys/user/max_user_namespaces').read()):\n    print('{REACHED}')"
        ),
    ),
    probe(
        "shared-mappings",
        "Looks for memory that it shares with other processes, to write there",
        tried(
            "import re\n"
            "for line in open('/proc/self/maps'):\n"
            "    if re.match(r'[0-9a-f-]+ .w.s', line):\n"
            f"        print('{REACHED}', line)"
        ),
        assignment="kinds",
        deserves=(0, 4, 2, 1),
    ),
    probe(
        "open-descriptors",
        "Looks through its open descriptors",
        tried(
            "import stat\n"
            "for number in os.listdir('/proc/self/fd'):\n"
            "    try:\n"
            "        target = os.readlink(f'/proc/self/fd/{number}')\n"
            "        mode = os.fstat(int(number)).st_mode\n"
            "    except OSError:\n"
            "        continue\n"
            "    own = target.startswith(('/scratch', '/dev/null', '/dev/pts', '/tmp', '/proc'))\n"
            "    if stat.S_ISDIR(mode) and not target.startswith(f'/proc/') or not (\n"
            "            own or target.startswith(('socket:', 'pipe:', 'anon_inode:', '/memfd:'))):\n"
            f"        print('{REACHED}', number, target)"
        ),
    ),
    probe(
        "terminals-a",
        "Opens a terminal and looks for those of others",
        tried(
            "import pty, time\n"
            "before = [one for one in os.listdir('/dev/pts') if one.isdigit()]\n"
            "kept = [pty.openpty() for _ in range(2)]\n"
            "time.sleep(4)\n"
            "now = [one for one in os.listdir('/dev/pts') if one.isdigit()]\n"
            "if before or len(now) > 2:\n"
            f"    print('{REACHED}', before, now)"
        ),
        together="neighbors",
    ),
    probe(
        "terminals-b",
        "Does so at the same time, as the neighbour",
        tried(
            "import pty, time\n"
            "before = [one for one in os.listdir('/dev/pts') if one.isdigit()]\n"
            "kept = [pty.openpty() for _ in range(2)]\n"
            "time.sleep(4)\n"
            "now = [one for one in os.listdir('/dev/pts') if one.isdigit()]\n"
            "if before or len(now) > 2:\n"
            f"    print('{REACHED}', before, now)"
        ),
        together="neighbors",
    ),
    probe(
        "line-disciplines",
        "Gives its own terminal another line discipline, and types into it",
        tried(
            "import fcntl, pty, struct\n"
            "for request, word in ((0x5423, struct.pack('i', 21)), (0x5412, b'x'),\n"
            "                      (0x541C, b'\\x03'), (0x5605, b'')):\n"
            "    one, other = pty.openpty()\n"
            "    try:\n"
            "        fcntl.ioctl(other, request, word)\n"
            f"        print('{REACHED}', hex(request))\n"
            "    except OSError as error:\n"
            "        if error.errno not in (1, 13, 38, 25):\n"
            f"            print('{REACHED}', hex(request), error)"
        ),
    ),
    probe(
        "pinned",
        "Pins itself to one core",
        tried(
            "allowed = os.sched_getaffinity(0)\n"
            "if len(allowed) > 1:\n"
            "    try:\n"
            "        os.sched_setaffinity(0, {min(allowed)})\n"
            "    except OSError:\n"
            "        pass\n"
            "    if os.sched_getaffinity(0) != allowed:\n"
            f"        print('{REACHED}')"
        ),
    ),
    probe(
        "old-calls",
        "Makes system calls that nobody has used for years",
        with_libc(
            "libc.syscall.restype = ctypes.c_long\n"
            "space = ctypes.create_string_buffer(4096)\n"
            "for name, number, *words in (('modify_ldt', 154, 0, space, 16),\n"
            "                             ('ustat', 136, 2049, space), ('sysfs', 139, 3),\n"
            "                             ('mbind', 237, 0, 0, 0, 0, 0, 0),\n"
            "                             ('remap_file_pages', 216, 0, 0, 0, 0, 0)):\n"
            "    found = libc.syscall(number, *words)\n"
            "    if found >= 0 or ctypes.get_errno() not in (1, 13, 38):\n"
            f"        print('{REACHED}', name, found, ctypes.get_errno())"
        ),
    ),
    probe(
        "limits-of-time-and-queues",
        "Reads its limits of time, locked memory and queues",
        all_of(
            limit("RLIMIT_CPU", most=7_200),
            limit("RLIMIT_MEMLOCK", "RLIMIT_MSGQUEUE", most=2**16),
            limit("RLIMIT_NOFILE", most=4_096),
            limit("RLIMIT_FSIZE", most=2**30),
        ),
    ),
    probe(
        "memory-limit",
        "Takes 2.5 GB and tells if it has them",
        first(
            only_sandboxed(
                "try:\n"
                "    kept = [bytearray(b'x' * 100_000_000) for _ in range(25)]\n"
                f"    print('{REACHED}')\n"
                "except MemoryError:\n"
                "    pass\n"
                "kept = None"
            )
        ),
        rough=True,
        together="limits",
    ),
    probe(
        "process-limit",
        "Starts three hundred processes and tells how many there are",
        first(
            only_sandboxed(
                "import signal\n"
                "children = []\n"
                "try:\n"
                "    for _ in range(300):\n"
                "        child = os.fork()\n"
                "        if child == 0:\n"
                "            signal.pause()\n"
                "        children.append(child)\n"
                "except OSError:\n"
                "    pass\n"
                "for child in children:\n"
                "    os.kill(child, 9)\n"
                "    os.waitpid(child, 0)\n"
                "if len(children) > 200:\n"
                f"    print('{REACHED}', len(children))"
            )
        ),
        rough=True,
        together="limits",
    ),
    probe(
        "scratch-limits",
        "Writes a file of 200 MB, then five of 90 MB",
        first(
            only_sandboxed(
                "def written(name, size):\n"
                "    try:\n"
                "        with open(name, 'wb') as file:\n"
                "            for _ in range(size):\n"
                "                file.write(b'x' * 1_000_000)\n"
                "        return True\n"
                "    except OSError:\n"
                "        return False\n"
                "import signal\n"
                "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
                "if written('large', 200):\n"
                f"    print('{REACHED}', 'a large file')\n"
                "try:\n"
                "    os.remove('large')\n"
                "except OSError:\n"
                "    pass\n"
                "if all([written(f'part-{n}', 90) for n in range(5)]):\n"
                f"    print('{REACHED}', 'all together')\n"
                "for n in range(5):\n"
                "    try:\n"
                "        os.remove(f'part-{n}')\n"
                "    except OSError:\n"
                "        pass"
            )
        ),
        rough=True,
        together="limits",
    ),
    probe(
        "file-count",
        "Makes thirty thousand files and tells how many there are",
        first(
            only_sandboxed(
                "count = 0\n"
                "try:\n"
                "    for count in range(30_000):\n"
                "        open(f'small-{count}', 'w').close()\n"
                "except OSError:\n"
                "    pass\n"
                "if count > 25_000:\n"
                f"    print('{REACHED}', count)\n"
                "for n in range(count):\n"
                "    try:\n"
                "        os.remove(f'small-{n}')\n"
                "    except OSError:\n"
                "        break"
            )
        ),
        rough=True,
        together="limits",
        seconds=20,
    ),
    probe(
        "open-files",
        "Opens two thousand files",
        tried(
            "kept = []\n"
            "try:\n"
            "    for _ in range(2_000):\n"
            "        kept.append(os.open('/dev/null', 0))\n"
            f"    print('{REACHED}')\n"
            "except OSError:\n"
            "    pass\n"
            "for one in kept:\n"
            "    os.close(one)"
        ),
    ),
    probe(
        "numbered-memory",
        "Asks how many pieces of numbered memory it may make",
        tried(f"if int(open('/proc/sys/kernel/shmmni').read()) > 64:\n    print('{REACHED}')"),
    ),
    probe(
        "unattached-memory",
        "Leaves 2.5 GB in numbered memory that nobody has attached",
        first(
            only_sandboxed(
                "import ctypes\n"
                "libc = ctypes.CDLL(None, use_errno=True)\n"
                "libc.shmat.restype = ctypes.c_void_p\n"
                "taken = 0\n"
                "for _ in range(40):\n"
                "    one = libc.shmget(0, 64 << 20, 0o1600)\n"
                "    if one == -1:\n"
                "        break\n"
                "    place = libc.shmat(one, None, 0)\n"
                "    if place in (None, 2**64 - 1):\n"
                "        break\n"
                "    ctypes.memset(place, 1, 64 << 20)\n"
                "    libc.shmdt(ctypes.c_void_p(place))\n"
                "    taken += 64\n"
                "if taken > 2_200:\n"
                f"    print('{REACHED}', taken)"
            )
        ),
        rough=True,
        together="limits",
        deserves=(0, 1),
        or_less=True,
    ),
    # How much three get hangs on who else computes; what they could get doesn't.
    probe(
        "cores",
        "Computes in three processes at once and adds up their time",
        last(
            only_sandboxed(
                "import time\n"
                "ends = time.monotonic() + 3\n"
                "children = []\n"
                "for _ in range(3):\n"
                "    child = os.fork()\n"
                "    if child == 0:\n"
                "        while time.monotonic() < ends:\n"
                "            sum(range(10_000))\n"
                "        os._exit(0)\n"
                "    children.append(child)\n"
                "used = sum(sum(os.wait4(one, 0)[2][:2]) for one in children)\n"
                "if used > 4.5:\n"
                f"    print('{REACHED}', used)"
            )
        ),
        together="cores",
        seconds=20,
        also=has_one_core,
    ),
]


@pytest.mark.parametrize("attack", cases(ATTACKS))
def test_each_barrier(attack, holds):
    holds(attack)
