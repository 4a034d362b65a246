"""Wearing it down: a submission that hangs, dies or takes all there is, and the one after it.

What such a submission deserves is what its other answers earn for as long as its process lives.
"""

import pytest

from tests.attacks.attack import (
    Attack,
    all_of,
    answers,
    cases,
    first,
    last,
    only_sandboxed,
    own_cell,
)

HANG = "while True:\n    pass"
STUBBORN = """import signal, sys
signal.signal(signal.SIGALRM, signal.SIG_IGN)
signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))
while True:
    try:
        while True:
            pass
    except BaseException:
        pass"""


def inside(source):
    """The function does this whenever it is called."""
    lines = "".join(f"    {line}\n" for line in source.splitlines())
    return answers(double=f"def double(x):\n{lines}    return x + 1")


ATTACKS = [
    # Time
    Attack("loop", "Loops for ever", answers(double=HANG), seconds=1, says="CellTimeoutError"),
    Attack("loop-when-called", "Loops for ever when called", inside(HANG), seconds=1),
    Attack(
        "stubborn-loop",
        "Loops for ever and swallows every exception and signal",
        answers(double=STUBBORN),
        seconds=1,
    ),
    Attack(
        "stubborn-loop-when-called",
        "Does so when called",
        inside(STUBBORN),
        seconds=1,
    ),
    Attack(
        "loop-in-every-call",
        "Sleeps until just before the time limit in every cell",
        all_of(*[own_cell("imports", "import time\ntime.sleep(0.9)")] * 12),
        seconds=1,
    ),
    Attack(
        "loop-in-c",
        "Stays in a C function that no signal reaches",
        answers(double="import itertools\nsum(itertools.repeat(1))"),
        seconds=1,
    ),
    Attack(
        "slow-pattern",
        "Matches a pattern that takes for ever",
        inside("__import__('re').match(r'(a*)*b', 'a' * 60)"),
        seconds=1,
    ),
    Attack(
        "huge-power",
        "Computes a power that takes for ever",
        inside("9 ** 9 ** 9"),
        seconds=1,
    ),
    Attack("wait-for-input", "Waits for input", inside("input('points? ')"), seconds=2),
    Attack(
        "stop-itself",
        "Stops its own process with SIGSTOP",
        answers(double="import os, signal\nos.kill(os.getpid(), signal.SIGSTOP)"),
        seconds=1,
        rough=True,
    ),
    Attack(
        "endless-async",
        "Awaits for ever and leaves tasks behind",
        last("import asyncio\nasyncio.ensure_future(asyncio.sleep(1e9))\nawait asyncio.sleep(1e9)"),
        seconds=1,
    ),
    Attack(
        "endless-import",
        "Imports a module of its own that never ends",
        last(
            f"open('slow.py', 'w').write({HANG!r})\nimport sys; sys.path.insert(0, '')\nimport slow"
        ),
        seconds=1,
    ),
    Attack(
        "thread-that-stays",
        "Leaves a thread that computes for ever",
        first(
            "import threading\n"
            "def burn():\n"
            "    while True:\n"
            "        pass\n"
            "threading.Thread(target=burn, daemon=True).start()"
        ),
    ),
    Attack(
        "slow-finaliser",
        "Leaves an object whose finaliser never ends",
        last(
            "class Slow:\n"
            "    def __del__(self):\n"
            "        while True:\n"
            "            pass\n"
            "slow = Slow()\n"
            "del slow"
        ),
        seconds=1,
    ),
    # Death
    Attack(
        "os-exit",
        "Ends its process with `os._exit(0)`",
        answers(double="import os\nos._exit(0)"),
    ),
    Attack(
        "os-exit-when-called",
        "Ends its process when called",
        inside("__import__('os')._exit(0)"),
    ),
    Attack(
        "exit-at-the-end",
        "Ends its process after everything is done",
        last("import os\nos._exit(0)"),
    ),
    Attack(
        "kill-itself",
        "Kills its own process",
        answers(double="import os\nos.kill(os.getpid(), 9)"),
    ),
    Attack(
        "segfault",
        "Reads from address 0",
        answers(double="import ctypes\nctypes.string_at(0)"),
    ),
    Attack(
        "abort",
        "Calls `abort`",
        answers(double="import os\nos.abort()"),
    ),
    Attack("system-exit", "Calls `exit()` in a cell and in a function", inside("exit()")),
    Attack(
        "exec-other-program",
        "Replaces its process by another program",
        answers(double="import os\nos.execv('/bin/sh', ['sh', '-c', 'echo 10 of 10'])"),
    ),
    Attack(
        "kill-parent",
        "Kills its parent process",
        first(
            only_sandboxed(
                "import signal\n"
                "for number in (os.getppid(), 1, 2):\n"
                "    try:\n"
                "        os.kill(number, signal.SIGKILL)\n"
                "    except OSError:\n"
                "        pass"
            )
        ),
        rough=True,
    ),
    Attack(
        "kill-everyone",
        "Sends SIGKILL to every process it can reach",
        first(only_sandboxed("import signal\nos.kill(-1, signal.SIGKILL)")),
        rough=True,
    ),
    Attack(
        "kill-group",
        "Sends SIGKILL to its process group",
        first(only_sandboxed("import signal\nos.killpg(0, signal.SIGKILL)")),
        rough=True,
    ),
    Attack(
        "endless-recursion",
        "Recurses for ever, with the limit raised",
        answers(
            double="import sys\nsys.setrecursionlimit(10 ** 9)\ndef double(x):\n"
            "    return double(x) + 1"
        ),
        seconds=5,
    ),
    # Memory and disk
    Attack(
        "3-gb",
        "Takes 3 GB of memory",
        inside("kept = [bytearray(b'x' * 100_000_000) for _ in range(30)]"),
        rough=True,
    ),
    Attack(
        "100-gb-of-addresses",
        "Takes 100 GB of address space",
        inside("import mmap\nkept = mmap.mmap(-1, 100 * 2 ** 30)"),
    ),
    Attack(
        "memory-in-many-processes",
        "Takes memory in twenty processes at once",
        first(
            only_sandboxed(
                "import time\n"
                "for _ in range(20):\n"
                "    try:\n"
                "        if os.fork() == 0:\n"
                "            kept = bytearray(b'x' * 400_000_000)\n"
                "            time.sleep(98765)\n"
                "    except OSError:\n"
                "        break\n"
            )
        ),
        rough=True,
    ),
    Attack(
        "full-disk",
        "Fills its folder and /tmp",
        first(
            only_sandboxed(
                "for folder in ('.', '/tmp', '/dev/shm', '/var/tmp'):\n"
                "    try:\n"
                "        with open(f'{folder}/full', 'wb') as file:\n"
                "            for _ in range(20_000):\n"
                "                file.write(b'x' * 1_000_000)\n"
                "    except OSError:\n"
                "        pass"
            )
        ),
        rough=True,
    ),
    Attack(
        "million-files",
        "Makes a million small files",
        first(
            only_sandboxed(
                "try:\n"
                "    for number in range(1_000_000):\n"
                "        open(f'small-{number}', 'w').close()\n"
                "except (OSError, TimeoutError):\n"
                "    pass"
            )
        ),
        rough=True,
        seconds=8,
    ),
    # Processes, threads, descriptors
    Attack(
        "fork-bomb",
        "Forks and forks",
        first(
            only_sandboxed(
                "for _ in range(10_000):\n"
                "    try:\n"
                "        if os.fork() == 0:\n"
                "            while True:\n"
                "                try:\n"
                "                    os.fork()\n"
                "                except OSError:\n"
                "                    pass\n"
                "    except OSError:\n"
                "        break"
            )
        ),
        rough=True,
        seconds=5,
    ),
    Attack(
        "ten-thousand-threads",
        "Starts ten thousand threads",
        first(
            only_sandboxed(
                "import threading, time\n"
                "try:\n"
                "    for _ in range(10_000):\n"
                "        threading.Thread(target=time.sleep, args=(98765,), daemon=True).start()\n"
                "except RuntimeError:\n"
                "    pass"
            )
        ),
        rough=True,
    ),
    Attack(
        "children-that-stay",
        "Leaves daemons behind, in sessions of their own",
        first(
            only_sandboxed(
                "import subprocess\n"
                "for _ in range(5):\n"
                "    subprocess.Popen(['sleep', '98765'], start_new_session=True)\n"
                "subprocess.Popen(['sh', '-c', '(setsid nohup sleep 98765 &) &'])"
            )
        ),
        rough=True,
    ),
    Attack(
        "close-everything",
        "Closes every file descriptor",
        answers(double="import os\nos.closerange(0, 65536)"),
    ),
    Attack(
        "open-everything",
        "Opens files until there are no descriptors left",
        inside("kept = [open('/dev/null') for _ in range(1_000_000)]"),
    ),
    Attack(
        "raise-limits",
        "Raises its own limits, then takes more",
        inside(
            "import resource\n"
            "for kind in (resource.RLIMIT_AS, resource.RLIMIT_NPROC, resource.RLIMIT_NOFILE):\n"
            "    resource.setrlimit(kind, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))"
        ),
        rough=True,
    ),
    # Floods
    Attack(
        "endless-output",
        "Prints for ever",
        answers(double="while True:\n    print('x' * 999)"),
        seconds=1,
    ),
    Attack(
        "100-mb-of-output",
        "Prints 100 MB and displays a thousand things",
        last(
            "print('x' * 100_000_000)\n"
            "from IPython.display import HTML, display\n"
            "for _ in range(1_000):\n"
            "    display(HTML('y' * 100_000))"
        ),
    ),
    Attack(
        "many-lines",
        "Prints 200,000 lines, one write each, on both streams",
        last(
            "import sys\n"
            "for number in range(100_000):\n"
            "    sys.stdout.write('a\\n')\n"
            "    sys.stderr.write('b\\n')"
        ),
        seconds=20,
    ),
    Attack(
        "huge-answers",
        "Returns 100 million characters, a list without end and one nested for ever",
        answers(
            double="def double(x):\n    return 'x' * 100_000_000",
            shares="shares = [0.5]\nshares.append(shares)",
            ranked="import itertools\n"
            "def ranked(numbers, k):\n"
            "    return list(range(3_000_000)) if len(numbers) > 2 else [itertools.count()]",
        ),
        deserves=(0, 0),
    ),
    Attack(
        "keys-that-collide",
        "Returns a dict whose keys all have the same hash",
        answers(
            double="def double(x):\n"
            "    return {number * (2 ** 61 - 1): 0 for number in range(1, 3_000)}"
        ),
    ),
    Attack(
        "huge-exception",
        "Raises an exception with a text of 100 MB and a thousand causes",
        answers(
            double="def double(x):\n"
            "    error = None\n"
            "    for _ in range(1_000):\n"
            "        error, last = ValueError('x' * 100_000), error\n"
            "        error.__cause__ = last\n"
            "    raise error"
        ),
    ),
    Attack(
        "repr-that-hangs",
        "Displays an object whose `__repr__` and `_repr_html_` never end",
        last(
            "class Slow:\n"
            "    def __repr__(self):\n"
            "        while True:\n"
            "            pass\n"
            "    _repr_html_ = _repr_png_ = __repr__\n"
            "Slow()"
        ),
        seconds=1,
    ),
    Attack(
        "exception-that-hangs",
        "Raises an exception whose `__str__` never ends",
        answers(
            double="class Slow(Exception):\n"
            "    def __str__(self):\n"
            "        while True:\n"
            "            pass\n"
            "    __repr__ = __str__\n"
            "def double(x):\n"
            "    raise Slow"
        ),
        seconds=1,
    ),
]


@pytest.mark.parametrize("attack", cases(ATTACKS))
def test_wearing_down(attack, holds):
    holds(attack)
