"""What wears a machine down, and how it ends: with the submission that does it, soon."""

import os

import pytest

from autograder.sandbox import cgroups, wire
from autograder.sandbox.limits import MIB, SandboxLimits
from autograder.sandbox.zygote_client import ZygoteClient
from tests.autograder.sandbox.conftest import LIMITS


def ends(student, source, seconds=5.0):
    """Why a child ends that runs this; the channel gets no answer."""
    with pytest.raises(wire.WireError):
        student.ask("run", "cell", source, 0.3, 1, seconds=seconds)
    return student.child.end()


def still_works(parent, talk):
    with parent.fork() as child:
        return talk(child).text("print('fine')") == "fine\n"


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("import os\nos._exit(7)", "exited 7"),
        ("import os\nos._exit(0)", "exited 0"),
        ("import ctypes\nctypes.string_at(0)", "killed by signal 11"),
        ("import os\nos.abort()", "killed by signal"),
        ("import os\nos.closerange(0, 1000)", "exited"),
        ("import os\nos.close(3)", "exited"),
        ("import signal\nsignal.signal(14, signal.SIG_IGN)\nwhile True: pass", "ended by us"),
        ("import signal\nsignal.pthread_sigmask(0, range(1, 64))\nsignal.pause()", "ended by us"),
        ("import os, signal\nos.execv('/bin/sleep', ['sleep', '60'])", "ended by us"),
    ],
)
def test_a_process_that_breaks_or_hangs(student, parent, talk, source, why):
    assert ends(student, source, seconds=1.5).startswith(why)
    assert parent.alive and still_works(parent, talk)


def test_swallowing_every_exception(student, parent, talk):
    # The soft limit comes again and again; one that hits between `try` and `except` reaches the
    # next caller, which swallows it too.
    swallow = (
        "swallowed = 0\n"
        "def spin(depth, most):\n"
        "    global swallowed\n"
        "    while swallowed < most:\n"
        "        try:\n"
        "            if depth:\n"
        "                spin(depth - 1, most)\n"
        "            while swallowed < most: len('')\n"
        "        except BaseException:\n"
        "            swallowed += 1\n"
    )
    student.run(swallow + "spin(5, 3)", seconds=0.3)
    assert student.text("print(swallowed >= 3)") == "True\n"
    with pytest.raises(wire.TimedOut):
        student.run(swallow + "spin(5, float('inf'))", seconds=0.3, hard=3.0)
    assert student.child.end() == "ended by us"
    assert still_works(parent, talk)


def test_killing_itself_does_nothing(student):
    # PID 1 of its own namespace, which the kernel shields from itself.
    student.run("import os\nos.kill(os.getpid(), 9)\nos.kill(os.getpid(), 19)")
    assert student.text("print('here')") == "here\n"


def test_a_fork_bomb(student, parent, talk):
    namespace = student.text("import os\nprint(os.readlink('/proc/self/ns/pid'))").strip()
    bomb = "while True:\n    try:\n        os.fork()\n    except OSError: pass"
    with pytest.raises(wire.TimedOut):
        student.ask("run", "cell", bomb, 60.0, 1, seconds=1)
    assert 1 < len(processes_in(namespace)) <= 24
    # While it goes on, a neighbor starts as many processes as it may.
    start = (
        "import os, subprocess\n"
        "ran = [subprocess.Popen(['/bin/sleep', '30']) for _ in range(10)]\n"
        "print(len(ran), [one.poll() for one in ran] == [None] * 10)"
    )
    with parent.fork() as neighbor:
        assert talk(neighbor).text(start) == "10 True\n"
    assert len(processes_in(namespace)) > 1, "the bomb had ended before the neighbor was asked"
    assert student.child.end() == "ended by us"
    assert processes_in(namespace) == []
    assert still_works(parent, talk)


def test_ten_thousand_threads(student):
    error, _outputs = student.run(
        "import threading, time\n"
        "for _ in range(10_000):\n"
        "    threading.Thread(target=time.sleep, args=(60,), daemon=True).start()"
    )
    assert error[:2] == ["RuntimeError", "can't start new thread"]
    assert student.text("print('here')") == "here\n"


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("x = bytearray(3 * 1024**3)", "MemoryError"),
        ("x = []\nwhile True:\n    x.append(bytearray(1 << 20))", "MemoryError"),
        ("import mmap\nx = mmap.mmap(-1, 100 * 1024**3)", "OSError"),
        ("x = 'a' * 10**11", "MemoryError"),
        ("x = 10 ** 10 ** 10", "TimeoutError"),
    ],
)
def test_more_memory_than_there_is(student, source, name):
    error, _outputs = student.run(source, seconds=2.0)
    assert error[0] == name
    assert student.text("print('here')") == "here\n"


def test_memory_of_many_processes_together(student, parent, talk):
    if not any("memory" in base.kinds for base in cgroups.find_parent_cgroups()):
        pytest.skip("no control group for memory can be made here")
    # Each of eight fills 150 MiB, which one alone may.
    source = (
        "import os, time\n"
        "started = []\n"
        "for _ in range(8):\n"
        "    hear, tell = os.pipe()\n"
        "    pid = os.fork()\n"
        "    if not pid:\n"
        "        x = bytearray(150 << 20)\n"
        "        for at in range(0, len(x), 4096):\n"
        "            x[at] = 1\n"
        "        os.write(tell, b'x')\n"
        "        time.sleep(60)\n"
        "        os._exit(0)\n"
        "    os.close(tell)\n"
        "    os.read(hear, 1)  # until it has filled them, or was killed\n"
        "    started.append(pid)\n"
        "ended = [os.waitpid(pid, os.WNOHANG) for pid in started]\n"
        "print(sum(pid == 0 for pid, _ in ended), {how for pid, how in ended if pid})\n"
    )
    alive, how = student.text(source).split(" ", 1)
    assert int(alive) * 150 * MIB <= LIMITS.memory_bytes + cgroups._MEMORY_BESIDES
    assert how == "{9}\n"
    assert still_works(parent, talk)


def test_memory_that_nothing_has_attached(student):
    # System V segments and files in memory count against no process.
    error, _outputs = student.run(
        "import ctypes\nlibc = ctypes.CDLL(None, use_errno=True)\n"
        "for key in range(1, 100):\n"
        "    if libc.shmget(key, 8 << 20, 0o1666) < 0:\n"
        "        raise OSError(ctypes.get_errno())\n"
    )
    assert error[0] == "OSError"


def test_a_full_scratch(student):
    source = (
        "import os\n"
        "for name in range(100):\n"
        "    with open(f'/{folder}/{name}', 'wb') as file:\n"
        "        file.write(b'x' * (4 << 20))\n"
    )
    for folder in ("tmp", "dev/shm", "scratch/work"):
        error, _outputs = student.run(f"folder = {folder!r}\n" + source.replace("f'/{", "f'/{"))
        assert error[:2] == ["OSError", "[Errno 28] No space left on device"]
    assert student.text("print('here')") == "here\n"


def test_one_huge_file(student):
    error, _outputs = student.run("with open('x', 'wb') as f:\n    f.write(b'x' * (9 << 20))")
    assert error[:2] == ["OSError", "[Errno 27] File too large"]
    student.run("import os\nfd = os.memfd_create('x')")
    assert student.run("os.write(fd, b'x' * (9 << 20)); os.write(fd, b'x')")[0][0] == "OSError"


def test_a_million_files(student):
    error, _outputs = student.run("for i in range(10**6):\n    open(f'/tmp/{i}', 'w').close()")
    assert error[0] == "OSError"
    assert error[1].startswith("[Errno 28] No space left on device: '/tmp/4")


def test_every_descriptor_used_up(student):
    error, _outputs = student.run("x = []\nwhile True:\n    x.append(open('/dev/null'))")
    assert error[1].startswith("[Errno 24]")
    assert student.value("x")[:2] == ["error", "CannotCross"]


def test_endless_output(student):
    error, outputs = student.run("while True:\n    print('x' * 1000)", seconds=0.5)
    assert error[0] == "TimeoutError" and len(str(outputs)) < 30_000
    error, outputs = student.run("import os\nwhile True:\n    os.write(1, b'x' * 1000)", 0.5)
    assert error[0] == "TimeoutError"
    error, outputs = student.run(
        "from IPython.display import display\nwhile True:\n    display('x' * 100)", seconds=0.5
    )
    assert error[0] == "TimeoutError" and len(str(outputs)) < 60_000


def test_a_reply_too_large_to_cross(student):
    student.run("x = [0.0] * 2_000_000")
    assert student.value("x")[:2] == ["error", "CannotCross"]
    assert student.text("print('here')") == "here\n"


def test_flooding_the_socket_is_the_floods_own_affair(student, parent, talk):
    flood = "import os\nwhile True:\n    os.write(3, b'\\xff\\0\\0\\0' + b'N' * 60_000)"
    with pytest.raises((wire.WireError, AssertionError, TypeError)):
        student.ask("run", "cell", flood, 2.0, 1, seconds=4)
    assert student.child.end() == "ended by us"
    assert still_works(parent, talk)


def test_a_process_left_behind_ends_with_the_child(student):
    namespace = student.text(
        "import os, subprocess, time\n"
        "subprocess.Popen(['sleep', '100'], start_new_session=True)\n"
        "if not os.fork():\n"
        "    os.setsid()\n"
        "    if not os.fork():\n"
        "        time.sleep(100)\n"
        "    os._exit(0)\n"
        "print(os.readlink('/proc/self/ns/pid'))"
    ).strip()
    assert len(processes_in(namespace)) >= 3
    student.child.end()
    assert processes_in(namespace) == []


def test_the_submissions_time_and_processor_time_end(bubblewrap, talk):
    sleep = "import time\nwhile True:\n    try: time.sleep(9)\n    except BaseException: pass"
    with ZygoteClient(limits=SandboxLimits(wall_seconds=1)) as parent, parent.fork() as child:
        with pytest.raises(wire.Closed):
            talk(child).ask("run", "cell", sleep, 60.0, 1, seconds=15)
        assert child.end() == "out of time"
    spin = "while True:\n    try:\n        while True: len('')\n    except BaseException: pass"
    with ZygoteClient(limits=SandboxLimits(cpu_seconds=1)) as parent, parent.fork() as child:
        with pytest.raises(wire.Closed):
            talk(child).ask("run", "cell", spin, 60.0, 1, seconds=15)
        assert child.end() == "out of processor time"


def processes_in(namespace):
    """The processes on this machine that are in a PID namespace."""
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                if os.readlink(f"/proc/{entry}/ns/pid") == namespace:
                    found.append(int(entry))
            except OSError:
                pass
    return found


def test_limits_are_plain_numbers():
    assert SandboxLimits().memory_bytes == 1536 * MIB
