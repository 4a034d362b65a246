"""What the filter refuses, and what honest notebooks go on doing under it."""

import errno
import socket

import pyseccomp
import pytest

from autograder.sandbox import syscall_policy
from autograder.sandbox.zygote_client import ZygoteClient

LIBC = """
import ctypes, errno, fcntl, os, socket, sys
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
def refusal(number, *args):
    words = [a if isinstance(a, (bytes, type(None))) else ctypes.c_long(a) for a in args]
    return ctypes.get_errno() if libc.syscall(ctypes.c_long(number), *words) < 0 else 0
def error_of(work):
    try:
        work()
    except OSError as error:
        return error.errno
    return 0
"""


def number(name):
    return pyseccomp.resolve_syscall(pyseccomp.Arch.NATIVE, name)


@pytest.fixture(scope="module")
def roomy(bubblewrap):
    """A zygote with the usual limits, in which honest notebooks have room."""
    with ZygoteClient(imports=("numpy",)) as parent:
        yield parent


@pytest.fixture
def honest(roomy, talk):
    with roomy.fork(seed=1) as child:
        yield talk(child)


@pytest.fixture(scope="module")
def probe(roomy, talk):
    """One child for all that only asks."""
    with roomy.fork() as child:
        talk = talk(child)
        talk.run(LIBC)
        yield talk


REFUSED = sorted(
    name
    for table in (syscall_policy._EPERM, syscall_policy._ENOSYS)
    for words in table.values()
    for name in words.split()
)
OLD_AND_EXOTIC = [
    "acct",
    "swapon",
    "swapoff",
    "reboot",
    "kexec_load",
    "kexec_file_load",
    "init_module",
    "finit_module",
    "delete_module",
    "quotactl",
    "nfsservctl",
    "vmsplice",
    "modify_ldt",
    "iopl",
    "ioperm",
    "vhangup",
    "uselib",
    "ustat",
    "sysfs",
    "_sysctl",
    "afs_syscall",
    "settimeofday",
    "clock_settime",
    "clock_adjtime",
    "adjtimex",
    "sethostname",
    "setdomainname",
    "landlock_create_ruleset",
    "landlock_add_rule",
    "landlock_restrict_self",
    "mq_open",
    "mq_unlink",
    "remap_file_pages",
    "get_kernel_syms",
    "query_module",
    "create_module",
    "process_mrelease",
]


@pytest.mark.parametrize("name", REFUSED)
def test_a_call_that_no_notebook_needs(probe, name):
    if number(name) < 0:
        pytest.skip("this architecture has no such call")
    assert probe.call("refusal", number(name)) in (errno.EPERM, errno.ENOSYS)


@pytest.mark.parametrize("name", OLD_AND_EXOTIC)
def test_an_old_or_exotic_call(probe, name):
    if number(name) < 0:
        pytest.skip("this architecture has no such call")
    assert probe.call("refusal", number(name), -1, None, 0) == errno.ENOSYS


@pytest.mark.parametrize("unknown", [*range(460, 475), 511, 999, 2**31 - 1])
def test_a_call_that_this_list_has_never_heard_of(probe, unknown):
    assert probe.call("refusal", unknown) == errno.ENOSYS


@pytest.mark.parametrize("family", [*range(1, 64), 255, 2**31 - 1])
def test_families_of_sockets(probe, family):
    told = probe.text(
        f"print({{error_of(lambda: socket.socket({family}, kind).close()) for kind in (1, 2)}})"
    )
    if family in (socket.AF_UNIX, socket.AF_INET, socket.AF_INET6):
        assert told == "{0}\n"
    else:
        assert eval(told) <= {errno.EAFNOSUPPORT, errno.ENOSYS}


@pytest.mark.parametrize("protocol", [33, 115, 132, 136, 262])
def test_protocols_that_load_a_module(probe, protocol):
    made = f"print([error_of(lambda: socket.socket(2, kind, {protocol})) for kind in (1, 2, 5)])"
    assert 0 not in eval(probe.text(made))


def test_no_register_hides_what_is_asked(probe):
    # The kernel reads 32 bits of these arguments; what the other half says must not matter.
    high = 1 << 32
    assert probe.call("refusal", number("socket"), high | 16, 2, 0) == errno.EAFNOSUPPORT
    probe.run("folder = os.open('/usr', os.O_RDONLY)")
    for command in (1024, 1026, 1036):
        source = f"print(refusal({number('fcntl')}, folder, {high | command}, 0))"
        assert int(probe.text(source)) == errno.EINVAL
    source = f"print(refusal({number('ioctl')}, folder, {high | 0x5412}, b'x'))"
    assert int(probe.text(source)) == errno.EPERM
    assert probe.call("refusal", number("madvise"), 0, 0, high | 12) == errno.EINVAL


@pytest.mark.parametrize(
    "name", ["NEWNS", "NEWUTS", "NEWIPC", "NEWUSER", "NEWPID", "NEWNET", "NEWCGROUP"]
)
def test_a_process_in_new_namespaces(probe, name):
    bits = {
        "NEWNS": 0x20000,
        "NEWCGROUP": 0x2000000,
        "NEWUTS": 0x4000000,
        "NEWIPC": 0x8000000,
        "NEWUSER": 0x10000000,
        "NEWPID": 0x20000000,
        "NEWNET": 0x40000000,
    }
    assert probe.call("refusal", number("clone"), bits[name] | 17, 0, 0, 0, 0) == errno.EPERM
    assert probe.call("refusal", number("clone"), bits[name] | 0x10000000 | 17) == errno.EPERM
    assert probe.call("refusal", number("clone3"), None, 0) == errno.ENOSYS


def test_the_filter_can_not_be_taken_off_or_listened_to(probe):
    assert probe.text("print(libc.prctl(22, 0, 0, 0, 0), libc.prctl(22, 2, 0, 0, 0))") == "-1 -1\n"
    # SECCOMP_SET_MODE_FILTER with SECCOMP_FILTER_FLAG_NEW_LISTENER
    assert probe.call("refusal", number("seccomp"), 1, 8, None) == errno.ENOSYS


def test_32_bit_calls(honest):
    source = (
        "import ctypes, mmap, os\n"
        "def old(call):\n"
        "    page = mmap.mmap(-1, 4096, prot=7)\n"
        "    page.write(b'\\xb8' + call.to_bytes(4, 'little') + b'\\xcd\\x80\\x48\\x98\\xc3')\n"
        "    at = ctypes.addressof(ctypes.c_char.from_buffer(page))\n"
        "    return ctypes.CFUNCTYPE(ctypes.c_long)(at)()\n"
        "pid = os.fork()\n"
        "if not pid:\n"
        "    os._exit(all(old(call) == -38 for call in (20, 102, 359, 425)))\n"
        "print(os.uname().machine, os.waitpid(pid, 0)[1])"
    )
    machine, status = honest.text(source).split()
    if machine == "x86_64":
        assert int(status) in (256, 11)  # refused each; or a kernel that has none, which is a fault
    x32 = "libc.syscall.restype = ctypes.c_long\n"
    x32 += "print([libc.syscall(ctypes.c_long(0x40000000 | call)) for call in (39, 41, 101)])"
    assert honest.text("import ctypes\nlibc = ctypes.CDLL(None)\n" + x32) == "[-1, -1, -1]\n"


SHARED = ["sys.executable", "'/dev/null'", "'/'", "'/usr'", "os.__file__", "'/proc/version'"]


@pytest.mark.parametrize("path", SHARED)
@pytest.mark.parametrize("how", ["flock", "record", "open file", "lease", "hint"])
def test_no_bit_crosses_through_a_file_that_all_can_read(roomy, talk, path, how):
    take = {
        "flock": "fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)",
        "record": "fcntl.fcntl(fd, fcntl.F_SETLK, struct.pack('hhqqi', kind, 0, 5, 1, 0))",
        "open file": "fcntl.fcntl(fd, 37, struct.pack('hhqqi', kind, 0, 5, 1, 0))",
        "lease": "fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_RDLCK)",
        "hint": "fcntl.fcntl(fd, 1036, struct.pack('Q', 2))",
    }[how]
    source = (
        "import fcntl, os, struct, sys\n"
        f"path = {path}\n"
        "fd = os.open(path, os.O_RDWR if path == '/dev/null' else os.O_RDONLY)\n"
        "kind = fcntl.F_WRLCK if path == '/dev/null' else fcntl.F_RDLCK\n"
        "def told(work):\n"
        "    try:\n        return repr(work())\n"
        "    except OSError as error:\n        return error.errno\n"
        "def ask():\n"
        "    words = struct.pack('hhqqi', fcntl.F_WRLCK, 0, 5, 1, 0)\n"
        "    return [told(lambda: fcntl.fcntl(fd, fcntl.F_GETLK, words)),\n"
        "            told(lambda: fcntl.fcntl(fd, 36, words)),\n"
        "            told(lambda: fcntl.fcntl(fd, fcntl.F_GETLEASE)),\n"
        "            told(lambda: fcntl.fcntl(fd, 1035, bytes(8))), open('/proc/locks').read()]\n"
    )
    with roomy.fork() as one, roomy.fork() as other:
        sender, receiver = talk(one), talk(other)
        sender.run(source)
        receiver.run(source)
        before = receiver.text(f"print(ask(), told(lambda: {take}))")
        sender.run(f"x = told(lambda: {take})")
        assert receiver.text(f"print(ask(), told(lambda: {take}))") == before


def test_no_bit_crosses_through_times_or_counters(roomy, talk):
    probe = (
        "import os\n"
        "def seen():\n"
        "    found = [os.stat(f'/dev/{n}')[7:] for n in ('null', 'zero', 'full', 'urandom')]\n"
        "    found += [os.stat(p)[7:] for p in ('/', '/dev', '/scratch/..', os.__file__)]\n"
        "    for name in ('stat', 'loadavg', 'locks', 'vmstat', 'interrupts', 'softirqs',\n"
        "                 'schedstat', 'diskstats', 'cgroups', 'zoneinfo', 'uptime'):\n"
        "        if os.path.exists(f'/proc/{name}'):\n"
        "            found.append(open(f'/proc/{name}').read())\n"
        "    return found + [os.listdir(f'/proc/sys/{n}') for n in ('fs', 'kernel/pty')]\n"
    )
    act = (
        "import os, subprocess\n"
        "for name in ('/dev/null', '/dev/zero', '/', os.__file__):\n"
        "    try:\n        os.utime(name)\n    except OSError:\n        pass\n"
        "    try:\n        os.chmod(name, 0o777)\n    except OSError:\n        pass\n"
        "terminals = [os.openpty() for _ in range(5)]\n"
        "for _ in range(20):\n    subprocess.run(['/bin/true'])\n"
        "open(os.__file__).read()\n"
    )
    with roomy.fork() as one, roomy.fork() as other:
        talk(other).run(probe)
        receiver = talk(other)
        before = receiver.text("print(seen())")
        talk(one).text(act)
        assert receiver.text("print(seen())") == before


HONEST = {
    "sqlite": (
        "import sqlite3\n"
        "for mode in ('delete', 'wal'):\n"
        "    one = sqlite3.connect(f'{mode}.db', timeout=0)\n"
        "    one.execute(f'pragma journal_mode={mode}')\n"
        "    one.execute('create table t(x)')\n    one.commit()\n"
        "    other = sqlite3.connect(f'{mode}.db', timeout=0)\n"
        "    one.execute('insert into t values (1)')\n"
        "    assert other.execute('select count(*) from t').fetchone() == (0,)\n"
        "    try:\n        other.execute('insert into t values (2)')\n"
        "        raise AssertionError\n"
        "    except sqlite3.OperationalError as error:\n        assert 'locked' in str(error)\n"
        "    one.commit()\n"
        "    assert other.execute('select count(*) from t').fetchone() == (1,)\n"
        "    one.execute('insert into t values (3)')\n    one.rollback()\n"
        "    assert other.execute('pragma integrity_check').fetchone() == ('ok',)\n"
        "    one.close(); other.close()\n"
        "    again = sqlite3.connect(f'{mode}.db')\n"
        "    assert again.execute('select x from t').fetchall() == [(1,)]\n"
    ),
    "filelock": (
        "from filelock import FileLock, SoftFileLock\n"
        "for kind in (FileLock, SoftFileLock):\n"
        "    name = f'{kind.__name__}.lock'\n"
        "    with kind(name, timeout=1):\n        open('x', 'w').write('1')\n"
        "    with kind(name, timeout=1):\n        assert open('x').read() == '1'\n"
    ),
    "fcntl": (
        "import fcntl\n"
        "with open('f', 'w') as f:\n"
        "    fcntl.flock(f, fcntl.LOCK_EX)\n    f.write('x')\n    fcntl.flock(f, fcntl.LOCK_UN)\n"
        "    fcntl.lockf(f, fcntl.LOCK_EX)\n    fcntl.lockf(f, fcntl.LOCK_UN)\n"
    ),
    "multiprocessing": (
        "import multiprocessing as mp, os\n"
        "from concurrent.futures import ProcessPoolExecutor\n"
        "with mp.get_context('fork').Pool(2) as pool:\n"
        "    assert pool.map(abs, [-1, 2, -3]) == [1, 2, 3]\n"
        "with ProcessPoolExecutor(2, mp_context=mp.get_context('fork')) as pool:\n"
        "    assert list(pool.map(abs, [-4])) == [4]\n"
        "context = mp.get_context('spawn')\n"
        "queue, lock = context.Queue(), context.Lock()\n"
        "with lock:\n    queue.put(7)\n"
        "assert queue.get(timeout=5) == 7\n"
        "from multiprocessing import shared_memory\n"
        "block = shared_memory.SharedMemory(create=True, size=100)\n"
        "block.buf[0] = 3\nblock.close(); block.unlink()\n"
    ),
    "subprocess": (
        "import subprocess, sys\n"
        "assert subprocess.run([sys.executable, '-c', 'print(6 * 7)'], capture_output=True,\n"
        "                      text=True, check=True).stdout == '42\\n'\n"
        "shown = subprocess.check_output('echo a | tr a b; ls / > /dev/null', shell=True)\n"
        "assert shown == b'b\\n'\n"
        "done = subprocess.run(['sort'], input=b'b\\na\\n', capture_output=True)\n"
        "assert done.stdout == b'a\\nb\\n'\n"
        "import pty, os\n"
        "master, slave = os.openpty()\nos.write(slave, b'x')\nassert os.read(master, 1) == b'x'\n"
        "assert os.isatty(slave) and not os.isatty(os.open('/dev/null', 0))\n"
        "os.get_terminal_size(slave)\n"
    ),
    "threads": (
        "import threading, queue\n"
        "from concurrent.futures import ThreadPoolExecutor\n"
        "with ThreadPoolExecutor(4) as pool:\n"
        "    assert sum(pool.map(lambda x: x * x, range(10))) == 285\n"
        "timer = threading.Timer(0.01, lambda: None)\ntimer.start(); timer.join()\n"
    ),
    "asyncio": (
        "import asyncio\n"
        "async def main():\n"
        "    await asyncio.sleep(0.01)\n"
        "    process = await asyncio.create_subprocess_exec('echo', 'a', stdout=-1)\n"
        "    assert (await process.communicate())[0] == b'a\\n'\n"
        "    async def serve(reader, writer):\n"
        "        writer.write(await reader.readline())\n        writer.close()\n"
        "    server = await asyncio.start_unix_server(serve, 'socket')\n"
        "    reader, writer = await asyncio.open_unix_connection('socket')\n"
        "    writer.write(b'hello\\n')\n"
        "    assert await reader.readline() == b'hello\\n'\n"
        "    server.close()\n"
        "    return await asyncio.to_thread(len, 'abc')\n"
        "import threading\nfound = []\n"
        "worker = threading.Thread(target=lambda: found.append(asyncio.run(main())))\n"
        "worker.start(); worker.join()\nassert found == [3]\n"
    ),
    "files": (
        "import os, shutil, tempfile, pathlib, mmap, zipfile, tarfile\n"
        "with tempfile.TemporaryDirectory() as folder:\n"
        "    place = pathlib.Path(folder, 'a')\n    place.write_bytes(b'x' * 10_000)\n"
        "    shutil.copy2(place, place.with_name('b'))\n"
        "    os.link(place, place.with_name('c'))\n    place.with_name('d').symlink_to(place)\n"
        "    with open(place, 'r+b') as file, mmap.mmap(file.fileno(), 0) as area:\n"
        "        area[0] = 65\n        area.flush()\n        os.fsync(file.fileno())\n"
        "        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)\n"
        "        assert os.preadv(file.fileno(), [bytearray(4)], 0) == 4\n"
        "    shutil.make_archive(folder + '/z', 'zip', folder)\n"
        "    os.mkfifo(folder + '/p')\n    os.utime(place)\n    os.truncate(place, 5)\n"
        "    os.sync()\n"
        "    assert shutil.disk_usage(folder).total > 0\n"
    ),
    "machine": (
        "import os, platform, resource, time, getpass, uuid, secrets\n"
        "assert os.cpu_count() >= 1 and os.sysconf('SC_PHYS_PAGES') > 1000\n"
        "os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})\n"
        "os.nice(1); os.getloadavg(); time.process_time(); resource.getrusage(0)\n"
        "platform.platform(); uuid.uuid4(); uuid.uuid1(); secrets.token_hex()\n"
        "import psutil\n"
        "psutil.virtual_memory(); psutil.cpu_count(); psutil.cpu_percent()\n"
        "psutil.Process().memory_info()\n"
        "psutil.cpu_times(); psutil.boot_time(); psutil.disk_usage('/tmp'); psutil.pids()\n"
        "psutil.swap_memory()\n"
    ),
    "numpy": (
        "import numpy as np\n"
        "a = np.random.rand(300, 300)\nassert np.allclose(np.linalg.inv(a) @ a, np.eye(300))\n"
        "np.save('a.npy', a)\nassert (np.load('a.npy', mmap_mode='r') == a).all()\n"
    ),
    "matplotlib": (
        "import matplotlib\nmatplotlib.use('agg')\nimport matplotlib.pyplot as plt\n"
        "plt.plot([1, 2, 3])\nplt.title('a')\nplt.savefig('a.png')\nplt.close('all')\n"
        "assert open('a.png', 'rb').read(4) == b'\\x89PNG'\n"
    ),
    "torch": (
        "import torch, warnings\n"
        "torch.set_num_threads(2)\n"
        "x = torch.randn(64, 64, requires_grad=True)\n(x @ x).sum().backward()\n"
        "torch.save(x, 'x.pt')\nassert torch.equal(torch.load('x.pt', mmap=True), x)\n"
        "from torch.utils.data import DataLoader, TensorDataset\n"
        "data = TensorDataset(torch.arange(8.0))\n"
        "loader = DataLoader(data, batch_size=4, num_workers=1, multiprocessing_context='fork')\n"
        "assert sum(batch[0].sum() for batch in loader) == 28\n"
    ),
    "transformers": (
        "import torch\nfrom transformers import GPT2Config, GPT2LMHeadModel\n"
        "model = GPT2LMHeadModel(GPT2Config(n_layer=1, n_head=2, n_embd=16, vocab_size=50,\n"
        "                                   n_positions=32, bos_token_id=0, eos_token_id=1))\n"
        "model.save_pretrained('m')\nagain = GPT2LMHeadModel.from_pretrained('m')\n"
        "ids = torch.tensor([[3, 4]])\n"
        "assert again.generate(ids, max_new_tokens=3, do_sample=False).shape[1] >= 3\n"
    ),
    "onnxruntime": (
        "import numpy as np, onnx, onnxruntime as ort\nfrom onnx import TensorProto, helper\n"
        "node = helper.make_node('MatMul', ['x', 'x'], ['y'])\n"
        "kind = [helper.make_tensor_value_info(n, TensorProto.FLOAT, [4, 4]) for n in 'xy']\n"
        "graph = helper.make_graph([node], 'g', kind[:1], kind[1:])\n"
        "model = helper.make_model(graph, opset_imports=[helper.make_opsetid('', 17)])\n"
        "model.ir_version = 9\nonnx.save(model, 'm.onnx')\n"
        "options = ort.SessionOptions()\noptions.intra_op_num_threads = 2\n"
        "for options in (options, None):\n"
        "    session = ort.InferenceSession('m.onnx', options)\n"
        "    x = np.eye(4, dtype=np.float32)\n"
        "    assert (session.run(None, {'x': x})[0] == x).all()\n"
    ),
    "shell": (
        "import subprocess\n"
        "for command in ('ls -la /usr/bin | head -3', 'echo x > f && cat f && cp f g && mv g h',\n"
        "                'grep -r x . ; sort f | uniq -c; date; env; df .; find . | wc -l',\n"
        "                'ps; id -u; stty -a < /dev/null; nproc; free; uname -a',\n"
        "                'tar cf t.tar f; gzip f; sync'):\n"
        "    subprocess.run(command, shell=True, capture_output=True, timeout=20)\n"
        "assert subprocess.run('tar tf t.tar', shell=True, capture_output=True).stdout == b'f\\n'\n"
    ),
}


@pytest.mark.parametrize("name", HONEST)
def test_what_honest_notebooks_do(honest, name):
    error, outputs = honest.run(HONEST[name], seconds=60.0, hard=90.0)
    assert error is None, (error, outputs)
    noise = "".join(one.get("text", "") for one in outputs if one["output_type"] == "stream")
    assert "not permitted" not in noise.lower() and "not implemented" not in noise.lower(), noise


def test_pandas_if_it_is_there(honest):
    pytest.importorskip("pandas")
    error, _outputs = honest.run(
        "import pandas as pd\npd.DataFrame({'a': [1]}).to_csv('a.csv')\npd.read_csv('a.csv')", 60.0
    )
    assert error is None, error


def test_a_machine_without_libseccomp_says_what_to_do(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "pyseccomp", None)
    syscall_policy._compiled.cache_clear()
    with pytest.raises(syscall_policy.LibseccompMissing, match="libseccomp2"):
        syscall_policy.compiled()
