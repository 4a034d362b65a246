"""Files and processes: what student code can reach of the machine, the grader and the others."""

import os

import pytest

from tests.attacks.attack import Attack, answers, cases, first, last

GOT = "REACHED"
"""What an attack prints that has come where it should not."""

REACHED = "REA' 'CHED"
"""The same within quotes in its code, which a traceback may quote."""

SHOW = """
import glob, os
def show(path):
    try:
        with open(path, 'rb') as file:
            print(path, file.read(50_000_000).decode('utf-8', 'replace'))
    except OSError as error:
        print(type(error).__name__)
"""


def tried(source):
    """Run `source`; whatever it raises is shown and ends nothing."""
    lines = "".join(f"    {line}\n" for line in source.splitlines())
    return first(f"import os\ntry:\n{lines}except Exception as error:\n    print(repr(error))")


def with_libc(source):
    return tried("import ctypes\nlibc = ctypes.CDLL(None, use_errno=True)\n" + source)


FIND_SOCKET = """import os, socket, struct
found = None
for number in range(3, 256):
    try:
        if os.readlink(f'/proc/self/fd/{number}').startswith('socket:'):
            found = socket.socket(fileno=os.dup(number))
    except OSError:
        pass
"""

ATTACKS = [
    Attack(
        "read-course",
        "Opens the source, the gradebook and another student's work by their full paths",
        last(
            SHOW + "for path in ['<<course>>/source/en/small/small.ipynb',\n"
            "             '<<course>>/term/gradebook.db',\n"
            "             '<<course>>/term/submitted/other/small/small.ipynb']:\n"
            "    show(path)"
        ),
    ),
    Attack(
        "read-nearby",
        "Opens notebooks and databases in and above its folder",
        last(
            SHOW + "for level in range(8):\n"
            "    for pattern in ('*.ipynb', '*.db', 'source/*/*/*.ipynb', 'term/*.db',\n"
            "                    '*/*/*.ipynb'):\n"
            "        for path in glob.glob('../' * level + pattern):\n"
            "            show(path)"
        ),
    ),
    Attack(
        "search-disk",
        "Walks the whole file system for notebooks, gradebooks and tests",
        last(
            SHOW + "for folder, _folders, names in os.walk('/'):\n"
            "    if folder.startswith(('/proc', '/sys')) or 'site-packages' in folder:\n"
            "        continue\n"
            "    for name in names:\n"
            "        if name.endswith(('.ipynb', '.db', '.sqlite')) or 'CANARY' in name:\n"
            "            show(os.path.join(folder, name))\n"
            "        if name in ('shadow', 'id_rsa', '.netrc', 'small_course.py'):\n"
            "            show(os.path.join(folder, name))"
        ),
        never=("root:",),
        seconds=20,
        rough=True,  # it would show what others on the machine have
    ),
    Attack(
        "read-tests",
        "Imports the grader's own modules and the tests' files",
        tried(
            "import importlib\n"
            "for name in ('tests.attacks.small_course', 'autograder.grading.coordinator', 'autograder.intake.rebuild',\n"
            "             'autograder.judge.judge', 'nbgrader.api'):\n"
            "    try:\n"
            "        importlib.import_module(name)\n"
            f"        print('{REACHED}', name) if name != 'nbgrader.api' else None\n"
            "    except ImportError:\n"
            "        pass"
        ),
        never=(f"{GOT} tests", f"{GOT} autograder"),
    ),
    Attack(
        "read-environment",
        "Prints its environment and that of every process it sees",
        last(
            SHOW + "print(dict(os.environ))\n"
            "for path in glob.glob('/proc/*/environ') + glob.glob('/proc/*/cmdline'):\n"
            "    show(path)"
        ),
        rough=True,  # it would show what others on the machine have
    ),
    Attack(
        "read-memory-of-others",
        "Reads its own memory and other processes' through /proc",
        tried(
            "import glob, re\n"
            # Written so that it doesn't find itself.
            "pattern = rb'C[A]NARY-(HIDDEN|SOLUTION|GRADEBOOK|OTHER|ENVIRONMENT)'\n"
            "for maps in glob.glob('/proc/[0-9]*/maps'):\n"
            "    try:\n"
            "        lines = open(maps).read().splitlines()\n"
            "        memory = open(maps.replace('maps', 'mem'), 'rb')\n"
            "    except OSError:\n"
            "        continue\n"
            "    for line in lines:\n"
            "        if ' rw' not in line:\n"
            "            continue\n"
            "        start, end = (int(part, 16) for part in line.split()[0].split('-'))\n"
            "        try:\n"
            "            memory.seek(start)\n"
            "            content = memory.read(min(end - start, 200_000_000))\n"
            "        except (OSError, OverflowError, ValueError):\n"
            "            continue\n"
            "        for found in re.finditer(pattern, content):\n"
            "            print(found[0])"
        ),
        seconds=30,
        rough=True,  # it would show what others on the machine have
    ),
    Attack(
        "use-answers-found-in-memory",
        "Looks for the hidden numbers in its own memory before any test has called it",
        tried(
            "import re\n"
            "pattern = rb'd[o]uble.{0,20}79191919[1]'\n"
            "for line in open('/proc/self/maps').read().splitlines():\n"
            "    start, end = (int(part, 16) for part in line.split()[0].split('-'))\n"
            "    try:\n"
            "        with open('/proc/self/mem', 'rb') as memory:\n"
            "            memory.seek(start)\n"
            "            if re.search(pattern, memory.read(end - start)):\n"
            f"                print('{REACHED}', line)\n"
            "    except (OSError, OverflowError, ValueError):\n"
            "        pass"
        ),
        never=(GOT,),
        seconds=30,
    ),
    Attack(
        "write-course",
        "Writes over the gradebook, the source and its own graded notebook",
        tried(
            "for path in ('<<course>>/term/gradebook.db',\n"
            "             '<<course>>/source/en/small/small.ipynb',\n"
            "             '<<course>>/term/autograded/attacker/small/small.ipynb'):\n"
            "    os.makedirs(os.path.dirname(path), exist_ok=True)\n"
            "    with open(path, 'w') as file:\n"
            "        file.write('10 of 10')"
        ),
    ),
    Attack(
        "write-installation",
        "Writes into Python's own folders, for the next submission to import",
        tried(
            "import site, sys, sysconfig, beyond, numpy\n"
            "folders = [*sys.path, sys.prefix, *site.getsitepackages(), '/', '/etc', '/usr',\n"
            "           os.path.dirname(beyond.__file__), os.path.dirname(numpy.__file__)]\n"
            "for folder in folders:\n"
            "    if not folder or os.path.realpath(folder) == os.getcwd():\n"
            "        continue\n"
            "    try:\n"
            "        with open(os.path.join(folder, 'sitecustomize.py'), 'w') as file:\n"
            "            file.write('raise SystemExit')\n"
            f"        print('{REACHED}', folder) if folder not in sys.path[:1] else None\n"
            "    except OSError:\n"
            "        pass"
        ),
        never=(GOT,),
        rough=True,
    ),
    # The network
    Attack(
        "tcp",
        "Connects to a port of this machine and to the world",
        tried(
            "import socket\n"
            "for address in (('127.0.0.1', <<tcp>>), ('1.1.1.1', 53), ('::1', <<tcp>>)):\n"
            "    try:\n"
            "        socket.create_connection(address, timeout=1)\n"
            f"        print('{REACHED}', address)\n"
            "    except OSError:\n"
            "        pass"
        ),
        never=(GOT,),
    ),
    Attack(
        "udp",
        "Sends a datagram to a port of this machine and a broadcast",
        tried(
            "import socket\n"
            "one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
            "one.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)\n"
            "for host in ('127.0.0.1', '255.255.255.255', '8.8.8.8'):\n"
            "    try:\n"
            "        one.sendto(b'x', (host, <<udp>>))\n"
            "    except OSError:\n"
            "        pass"
        ),
    ),
    Attack(
        "dns",
        "Looks a name up, and asks a package index",
        tried(
            "import socket, urllib.request\n"
            "try:\n"
            f"    print('{REACHED}', socket.getaddrinfo('example.org', 80))\n"
            "except OSError:\n"
            "    pass\n"
            "urllib.request.urlopen('http://example.org', timeout=2)"
        ),
        never=(GOT,),
    ),
    Attack(
        "unix-socket",
        "Connects to a socket in the file system",
        tried(
            "import socket\n"
            "one = socket.socket(socket.AF_UNIX)\n"
            "one.connect('<<unix>>')\n"
            f"print('{REACHED}')"
        ),
        never=(GOT,),
    ),
    Attack(
        "abstract-socket",
        "Connects to an abstract socket",
        tried(
            "import socket\n"
            "one = socket.socket(socket.AF_UNIX)\n"
            "one.connect('\\0<<abstract>>')\n"
            f"print('{REACHED}')"
        ),
        never=(GOT,),
    ),
    Attack(
        "other-kernels",
        "Reads the connection files of other kernels",
        last(
            SHOW + "import jupyter_core.paths\n"
            "folders = [jupyter_core.paths.jupyter_runtime_dir(), '<<runtime>>']\n"
            "for folder in folders:\n"
            "    for path in glob.glob(folder + '/**/*.json', recursive=True):\n"
            "        show(path)"
        ),
    ),
    # Other processes and the kernel
    Attack(
        "ptrace",
        "Attaches to other processes with ptrace and process_vm_readv",
        with_libc(
            "for number in [1, os.getppid(), *range(2, 60)]:\n"
            "    if number != os.getpid() and libc.ptrace(16, number, 0, 0) == 0:\n"
            f"        print('{REACHED}', number)"
        ),
        never=(GOT,),
        rough=True,
    ),
    Attack(
        "see-processes",
        "Lists the processes of the machine",
        tried(
            "numbers = [name for name in os.listdir('/proc') if name.isdigit()]\n"
            "if numbers != ['1'] or os.path.exists('/proc/100000'):\n"
            f"    print('{REACHED}', numbers)"
        ),
        never=(GOT,),
    ),
    Attack(
        "new-user-namespace",
        "Makes namespaces of its own to become root in them",
        with_libc(
            "for flag in (0x10000000, 0x20000000, 0x40000000, 0x00020000, 0x10020000):\n"
            "    if libc.unshare(flag) == 0:\n"
            f"        print('{REACHED}', hex(flag))"
        ),
        never=(GOT,),
    ),
    Attack(
        "become-root",
        "Asks for root, for groups and for capabilities",
        with_libc(
            "for call in (os.setuid, os.setgid, os.seteuid):\n"
            "    try:\n"
            "        call(0)\n"
            f"        print('{REACHED}', call)\n"
            "    except OSError:\n"
            "        pass\n"
            "status = open('/proc/self/status').read()\n"
            "lines = dict(line.split(':\\t', 1) for line in status.splitlines() if ':\\t' in line)\n"
            "if int(lines['CapEff'], 16) or int(lines['CapBnd'], 16) or os.getuid() == 0:\n"
            f"    print('{REACHED}', status)\n"
            "if lines['NoNewPrivs'].strip() != '1':\n"
            f"    print('{REACHED}', 'new privileges')"
        ),
        never=(GOT,),
    ),
    Attack(
        "mount",
        "Mounts, remounts and leaves its root folder",
        with_libc(
            "for words in ((b'none', b'/', None, 4096 | 32, None),\n"
            "              (b'proc', b'/proc', b'proc', 0, None),\n"
            "              (b'tmpfs', b'/tmp', b'tmpfs', 0, None)):\n"
            "    if libc.mount(*words) == 0:\n"
            f"        print('{REACHED}', words)\n"
            "for call in (libc.chroot, libc.umount):\n"
            "    if call(b'/tmp') == 0:\n"
            f"        print('{REACHED}', call)"
        ),
        never=(GOT,),
        rough=True,
    ),
    Attack(
        "devices",
        "Opens devices and kernel settings",
        tried(
            "import glob\n"
            "paths = ['/dev/mem', '/dev/kmsg', '/dev/sda', '/dev/vda', '/dev/fuse', '/dev/kvm',\n"
            "         '/proc/sysrq-trigger', '/proc/sys/kernel/core_pattern', '/proc/kcore',\n"
            "         '/sys/kernel/uevent_helper', '/run/docker.sock', *glob.glob('/dev/nvidia*')]\n"
            "for path in paths:\n"
            "    try:\n"
            "        open(path, 'r+b' if path.startswith('/proc/sys/') else 'rb')\n"
            f"        print('{REACHED}', path)\n"
            "    except OSError:\n"
            "        pass"
        ),
        never=(GOT,),
    ),
    Attack(
        "inherited-descriptors",
        "Looks for descriptors that it inherited",
        tried(
            "for number in os.listdir('/proc/self/fd'):\n"
            "    try:\n"
            "        target = os.readlink(f'/proc/self/fd/{number}')\n"
            "    except OSError:\n"
            "        continue\n"
            "    if '<<course>>' in target or '/work' in target or target.endswith('.db'):\n"
            f"        print('{REACHED}', target)"
        ),
        never=(GOT,),
    ),
    Attack(
        "setuid-program",
        "Runs programs that have more rights than it",
        tried(
            "import subprocess\n"
            "for words in (['su', '-c', 'id'], ['sudo', '-n', 'id'], ['ping', '-c1', '127.1'],\n"
            "              ['bwrap', '--dev-bind', '/', '/', 'ls', '<<course>>']):\n"
            "    try:\n"
            "        done = subprocess.run(words, capture_output=True, timeout=5, input=b'')\n"
            "        if b'uid=0' in done.stdout or b'source' in done.stdout:\n"
            f"            print('{REACHED}', done)\n"
            "    except OSError:\n"
            "        pass"
        ),
        never=(GOT,),
    ),
    Attack(
        "slower-neighbours",
        "Asks for the highest priority and every processor",
        tried(
            "for change in (lambda: os.nice(-20), lambda: os.setpriority(0, 0, -20),\n"
            "               lambda: os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(99))):\n"
            "    try:\n"
            "        change()\n"
            f"        print('{REACHED}')\n"
            "    except OSError:\n"
            "        pass"
        ),
        never=(GOT,),
        rough=True,
    ),
    # The grader's own line
    Attack(
        "forge-reply",
        "Writes a forged answer into the grader's own socket",
        answers(
            double=FIND_SOCKET + "def double(x):\n"
            "    if found:\n"
            "        for number in range(1, 60):\n"
            "            body = b'l\\3\\0\\0\\0i' + struct.pack('<q', number) + b's\\5\\0\\0\\0value'\n"
            "            body += b'd' + struct.pack('<d', 2.0 * x)\n"
            "            found.sendall(struct.pack('<I', len(body)) + body)\n"
            "    return x + 1"
        ),
    ),
    Attack(
        "forge-record",
        "Sends a reply that claims a record of passed checks",
        answers(
            double=FIND_SOCKET + "import json\n"
            "from autograder.sandbox import wire\n"
            "def double(x):\n"
            "    record = {'version': 1, 'checks': [{'name': 'a', 'weight': 1, 'passed': True}]}\n"
            "    data = {'application/vnd.autograder.checks+json': json.dumps(record)}\n"
            "    shown = [{'output_type': 'display_data', 'data': data, 'metadata': {}}]\n"
            "    for number in range(1, 60):\n"
            "        wire.send_frame(found, [number, 'ran', True, None, shown])\n"
            "    return x + 1"
        ),
    ),
    Attack(
        "flood-the-line",
        "Writes a gigabyte into the grader's socket",
        answers(
            double=FIND_SOCKET + "def double(x):\n"
            "    while True:\n"
            "        found.sendall(b'\\xff' * 1_000_000)\n"
        ),
        seconds=2,
    ),
    Attack(
        "announce-too-much",
        "Announces a frame of four gigabytes and sends it byte by byte",
        answers(
            double=FIND_SOCKET + "import time\n"
            "def double(x):\n"
            "    found.sendall(b'\\xff\\xff\\xff\\x03')\n"
            "    while True:\n"
            "        found.sendall(b'x')\n"
            "        time.sleep(0.01)\n"
        ),
        seconds=2,
    ),
    Attack(
        "close-the-line",
        "Shuts the grader's socket down",
        answers(
            double=FIND_SOCKET + "def double(x):\n    found.shutdown(2)\n    return 2 * x",
        ),
    ),
    Attack(
        "send-descriptors",
        "Sends open descriptors over the grader's socket",
        answers(
            double=FIND_SOCKET + "import array\n"
            "def double(x):\n"
            "    numbers = array.array('i', [os.open('/dev/null', 0) for _ in range(200)])\n"
            "    for _ in range(50):\n"
            "        found.sendmsg([b'x'], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, numbers)])\n"
            "    return x + 1"
        ),
        seconds=2,
    ),
    Attack(
        "serve-in-its-place",
        "Takes the child's place and answers the grader's questions by itself",
        answers(
            double=FIND_SOCKET + "from autograder.sandbox import wire\n"
            "answered = [['ran', True, None, []], ['value', 4]]\n"
            "number = 1\n"
            "while found:\n"
            "    try:\n"
            "        wire.send_frame(found, [number, *answered[number > 4]])\n"
            "        number, *asked = wire.receive_frame(found)\n"
            "        number = number + 0\n"
            "    except Exception:\n"
            "        break\n"
        ),
        seconds=2,
    ),
]


LEAVE = """
import multiprocessing.shared_memory, os, tempfile
folders = ['.', '..', '/', '/tmp', '/var/tmp', '/dev/shm', '/run', os.path.expanduser('~'),
           tempfile.gettempdir(), '/dev', '/etc']
for folder in folders:
    try:
        with open(os.path.join(folder, 'left-by-attacker'), 'w') as file:
            file.write('double = lambda x: x + x')
    except OSError:
        pass
try:
    left = multiprocessing.shared_memory.SharedMemory('left', create=True, size=9)
    left.buf[:9] = b'LEFT-HERE'
except Exception:
    pass
import ctypes
libc = ctypes.CDLL(None)
libc.shmget(98765, 100, 0o1666)
libc.semget(98765, 1, 0o1666)
"""

SEARCH = """
found = []
for folder in folders:
    if os.path.exists(os.path.join(folder, 'left-by-attacker')):
        found.append(folder)
try:
    found.append(multiprocessing.shared_memory.SharedMemory('left', create=False).name)
except Exception:
    pass
if libc.shmget(98765, 100, 0) != -1:
    found.append('shmget')
if libc.semget(98765, 1, 0) != -1:
    found.append('semget')
print('REA' 'CHED' if found else 'clean', found)
"""


START = LEAVE[: LEAVE.index("for folder")] + "import ctypes\nlibc = ctypes.CDLL(None)\n"

FAKE = b"isclose = allclose = lambda *args, **kwargs: True\ncheck = given = report = print\n"
SHADOWS = ("math.py", "torch.py", "beyond/checks.py", "sitecustomize.py", "torch/__init__.py")


def beside(links=(), pipes=(), notebook=None):
    """Put the submission where graders look for it, past `collect`, with odd things beside it.

    Args:
        links: name and target of each; <<course>> stands for the course's folder.
        notebook: a link's target in place of the notebook.
    """

    def hand_in(desk):
        folder = desk.course / "term" / "submitted" / desk.student / desk.assignment
        folder.mkdir(parents=True)
        if notebook is None:
            (folder / desk.notebook).write_bytes(desk.content)
        for name, target in [*links, *([(desk.notebook, notebook)] if notebook else [])]:
            (folder / name).symlink_to(target.replace("<<course>>", str(desk.course)))
        for name in pipes:
            os.mkfifo(folder / name)
        for name, content in desk.files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)

    return hand_in


def linked_in_exchange(desk):
    """Links among the files that are handed in."""
    folder = desk.in_exchange()
    (folder / "link.csv").symlink_to(desk.course / "term" / "gradebook.db")
    (folder / "solution.ipynb").symlink_to(desk.course / "source" / "en" / "small" / "small.ipynb")
    (folder / "up").symlink_to("..")
    (folder / "passwords").symlink_to("/etc/passwd")


LINKS = [
    ("solution.ipynb", "<<course>>/source/en/small/small.ipynb"),
    ("book.db", "<<course>>/term/gradebook.db"),
    ("up", ".."),
    ("passwords", "/etc/passwd"),
]

ATTACKS += [
    Attack(
        "leave-things",
        "Leaves files and shared memory for the next submission",
        first(LEAVE),
        together="left over",
        again=True,
    ),
    Attack(
        "find-things",
        "Looks for files and shared memory that another submission has left",
        first(START + SEARCH),
        never=(GOT,),
        says="clean",
        together="left over",
        again=True,
    ),
    Attack(
        "file-of-another",
        "Looks on the whole disk for the file that another has handed in",
        last(
            SHOW + "for folder, folders, names in os.walk('/'):\n"
            "    if folder == '/':\n"
            "        folders[:] = [one for one in folders if one not in ('proc', 'sys', 'usr')]\n"
            "    if 'site-packages' in folders:\n"
            "        folders.remove('site-packages')\n"
            "    show(os.path.join(folder, 'notes.csv')) if 'notes.csv' in names else None"
        ),
        seconds=20,
        rough=True,
    ),
    Attack(
        "file-that-nobody-asked-for",
        "Hands in a file that nobody asked for",
        first("pass"),
        files=(("notes.csv", b"CANARY-OTHER"),),
    ),
    # Links, pipes and modules, handed in and put where graders look
    Attack(
        "links-handed-in",
        "Hands in links to the solution, the gradebook and the passwords",
        last(SHOW + "for path in os.listdir('.'):\n    show(path)"),
        never=("root:",),
        hand_in=linked_in_exchange,
        told="link",
    ),
    Attack(
        "links-beside-the-notebook",
        "Has such links where graders look, past collecting",
        last(SHOW + "for path in os.listdir('.'):\n    show(path)"),
        never=("root:",),
        hand_in=beside(links=LINKS),
    ),
    Attack(
        "notebook-is-a-link",
        "Has a link to the solution in place of the notebook",
        first("pass"),
        deserves=(0, 0),
        written=0,
        hand_in=beside(notebook="<<course>>/source/en/small/small.ipynb"),
    ),
    Attack(
        "modules-that-shadow",
        "Has modules of its own named as those that the tests import",
        last("import math\nprint(math.__name__, hasattr(math, 'pi'))"),
        files=tuple((name, FAKE) for name in SHADOWS),
        says="math True",
        hand_in=beside(),
    ),
    Attack(
        "shadows-handed-in",
        "Hands in such modules",
        last("import math\nprint(math.__name__, hasattr(math, 'pi'))"),
        files=tuple((name, FAKE) for name in SHADOWS),
        says="math True",
    ),
    Attack(
        "pipes",
        "Has pipes beside the notebook, from which nothing ever comes",
        last("print(sorted(os.listdir('.')) if 'os' in globals() else '')"),
        hand_in=beside(pipes=("pipe.txt", "pipe.ipynb")),
    ),
]


@pytest.mark.parametrize("attack", cases(ATTACKS))
def test_files_and_processes(attack, holds):
    holds(attack)
