"""Learning what is hidden: ways in which a hidden test's inputs have come back, or could.

`visible-only` answers keep the student's process alive through both runs; what a hidden test
passes is kept in `kept`.
"""

import re

import pytest

from tests.attacks.attack import Attack, all_of, answers, cases, first, last, own_cell
from tests.attacks.small_course import HIDDEN_INPUTS

NUMBER = 791919191
KEEP = "kept = []\ndef double(x):\n    kept.append(x)\n    return 4 if x == 2 else 0"
SEEN = "number = next((int(one) for one in kept if one > 1000), 0)\n"

ENDINGS = (
    ("CellTimeoutError", "this cell ran into the time limit and had to be ended"),
    ("KernelDied", "this cell ended the Python process"),
    ("KernelDied", "this cell broke the Python process"),
    ("NotRun", "the time limit was used up"),
    ("NotRun", "an earlier cell ended the Python process"),
    ("NotRun", "an earlier cell broke the Python process"),
    ("NotRun", "the tests did not come to their end"),
)
DIGITS = 11  # of NUMBER, to the base of 7


def by_engine_texts(place):
    """Say one digit as one of the engine's own sentences, in an error of the engine's own form."""
    return own_cell(
        "essay",
        SEEN + f"endings = {ENDINGS!r}\n"
        f"name, text = endings[number // 7 ** {place} % 7]\n"
        "get_ipython().outputs.add({'output_type': 'error', 'ename': name, 'evalue': text,\n"
        "                           'traceback': [f'{name}: {text}']})",
    )


def by_raising(place):
    """Raise it, which is what the shell makes the same form of."""
    return own_cell(
        "essay",
        SEEN + f"endings = {ENDINGS!r}\n"
        f"name, text = endings[number // 7 ** {place} % 7]\n"
        "shell = type(get_ipython())\n"
        "shell.showtraceback = lambda self, *args, **kw: self._showtraceback(\n"
        "    type(name, (Exception,), {}), text, [f'{name}: {text}'])\n"
        "raise Exception",
    )


def tells_no_digits(outcome):
    """The number doesn't stand on the page in the engine's own sentences."""
    digits = [NUMBER // 7**place % 7 for place in range(DIGITS)]
    texts = [text for _name, text in ENDINGS]
    pattern = "|".join(map(re.escape, sorted(texts, key=len, reverse=True)))
    found = [texts.index(one) for one in re.findall(pattern, outcome.text)]
    for said in (found, found[::-1], found[::2], found[1::2]):
        shown = "".join(map(str, said))
        assert "".join(map(str, digits)) not in shown, f"the number came back as {shown}"
        assert "".join(map(str, digits[::-1])) not in shown, f"the number came back as {shown}"


def by_ending(source):
    """Tell one bit by whether the process lives on after the hidden test."""
    return all_of(
        answers(double=KEEP),
        own_cell("essay", SEEN + f"if number % 2:\n    {source}"),
        last("print('ALIVE')"),
    )


# Pages of a file that everybody can read are in memory or not: whoever reads one leaves a mark that
# the next process can see. 32 pages far apart, behind a mark of their own.
PAGES = """
import mmap, os
PAGE, APART, BITS = 4096, 64, 40
MARK = 0b10110011
def candidates():
    import torch
    folder = os.path.join(os.path.dirname(torch.__file__), 'lib')
    found = []
    for place in (folder, os.path.dirname(torch.__file__), '/usr/bin', '/usr/lib/x86_64-linux-gnu'):
        if os.path.isdir(place):
            for name in os.listdir(place):
                path = os.path.join(place, name)
                if os.path.isfile(path) and os.path.getsize(path) > PAGE * APART * (BITS + 1):
                    found.append(path)
    return sorted(found)
def opened(path):
    fd = os.open(path, os.O_RDONLY)
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_RANDOM)
    return fd
def is_there(fd, bit):
    try:
        return bool(os.preadv(fd, [bytearray(1)], bit * APART * PAGE, os.RWF_NOWAIT))
    except BlockingIOError:
        return False
def write(fd, number):
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
    for bit in range(BITS):
        if ((number << 8) | MARK) >> bit & 1:
            os.pread(fd, 1, bit * APART * PAGE)
def read(fd):
    number = sum(is_there(fd, bit) << bit for bit in range(BITS))
    return number >> 8 if number & 255 == MARK else 0
channels = []
for path in candidates()[:60]:
    try:
        channels.append(opened(path))
    except OSError:
        pass
before = set()
for fd in channels:
    try:
        before.add(read(fd))
    except OSError:
        pass
"""

PAGES_KEEP = """
def double(x):
    if x > 1000:
        for fd in channels:
            try:
                write(fd, int(x))
            except OSError:
                pass
    return 4 if x == 2 else 0
"""

LOCKS_KEEP = """
import fcntl, os, torch
shared = open(torch.__file__)
def double(x):
    if x > 1000:
        try:
            fcntl.flock(shared, fcntl.LOCK_SH)
            if os.fork() == 0:
                os.setsid()
                import time
                time.sleep(20)
                os._exit(0)
        except OSError:
            pass
    return 4 if x == 2 else 0
"""

TIMES_KEEP = """
import os
targets = [os.__file__, '/dev/null', '/dev/zero', '/usr', '/etc/passwd', '/proc/self/ns/ipc']
def times():
    return [os.stat(one).st_atime_ns for one in targets if os.path.exists(one)]
def double(x):
    for number, one in enumerate(targets):
        if int(x) >> number & 1:
            try:
                os.utime(one, ns=(int(abs(x)) * 10 ** 9, int(abs(x)) * 10 ** 9))
            except OSError:
                pass
    return 4 if x == 2 else 0
"""


def keeps(name, what, *changes, deserves=(1, 1), **more):
    return Attack(name, what, all_of(*changes), deserves=deserves, **more)


ATTACKS = [
    keeps(
        "digits-by-engine-texts",
        "Says the hidden number in the engine's own sentences",
        answers(double=KEEP),
        *[by_engine_texts(place) for place in range(DIGITS)],
        also=tells_no_digits,
    ),
    keeps(
        "digits-by-raising",
        "Says it so by raising what the engine's errors look like",
        answers(double=KEEP),
        *[by_raising(place) for place in range(DIGITS)],
        also=tells_no_digits,
    ),
    keeps(
        "page-cache",
        "Writes the hidden number into the page cache, for the other run",
        first(PAGES),
        answers(double=PAGES_KEEP),
        last("print('before', before)"),
        together="page cache",
        seconds=20,
    ),
    keeps(
        "page-cache-again",
        "Does so for the next time that it is graded",
        first(PAGES),
        answers(double=PAGES_KEEP),
        last("print('before', before)"),
        together="page cache",
        again=True,
        seconds=20,
    ),
    keeps(
        "times-of-devices",
        "Writes the hidden number into the times of devices and files",
        first(TIMES_KEEP + "print('before', times())"),
        answers(double=TIMES_KEEP),
        last("print('after', times())"),
        again=True,
        never=("791919191",),
    ),
    keeps(
        "child-that-stays",
        "Leaves a process that holds a lock, for the other run",
        answers(double=LOCKS_KEEP),
        last("import time\ntime.sleep(0.1)"),
    ),
    keeps(
        "sysv-memory",
        "Leaves the hidden number in numbered memory and queues",
        first(
            "import ctypes\nlibc = ctypes.CDLL(None)\n"
            "for key in range(4711, 4751):\n"
            "    if libc.shmget(key, 1, 0) != -1 or libc.semget(key, 1, 0) != -1:\n"
            "        print('REA' 'CHED', key)"
        ),
        answers(
            double="def double(x):\n"
            "    for bit in range(40):\n"
            "        if x > 1000 and int(x) >> bit & 1:\n"
            "            libc.shmget(4711 + bit, 1, 0o1666)\n"
            "    return 4 if x == 2 else 0"
        ),
        again=True,
        never=("REACHED",),
    ),
    keeps(
        "pipe-to-itself",
        "Leaves the hidden inputs in a pipe, a memory file and a thread's name",
        first(
            "import os, threading\nr, w = os.pipe()\nos.set_blocking(r, False)\n"
            "memory = os.memfd_create('kept')"
        ),
        answers(
            double="def double(x):\n"
            "    os.write(w, f'{x} '.encode())\n"
            "    os.write(memory, f'{x} '.encode())\n"
            "    threading.current_thread().name = str(x)\n"
            "    return 4 if x == 2 else 0"
        ),
        last(
            "try:\n    print(os.read(r, 999))\nexcept OSError:\n    pass\n"
            "print(os.pread(memory, 999, 0), threading.current_thread().name)"
        ),
    ),
    keeps(
        "environment-and-titles",
        "Keeps them in the environment, its command line and its files",
        answers(
            double="import builtins, os, sys\n"
            "def double(x):\n"
            "    os.environ[f'SEEN_{len(os.environ)}'] = str(x)\n"
            "    builtins.seen = [*getattr(builtins, 'seen', []), x]\n"
            "    sys.modules[f'seen-{x}'] = sys\n"
            "    return 4 if x == 2 else 0"
        ),
        last(
            "import builtins\n"
            "print({k: v for k, v in os.environ.items() if 'SEEN' in k}, getattr(builtins, 'seen', 0),\n"
            "      [name for name in sys.modules if name.startswith('seen')])"
        ),
    ),
    keeps(
        "picture-of-the-number",
        "Draws the hidden inputs into a picture and a table",
        answers(double=KEEP),
        last(
            "from IPython.display import HTML, display\n"
            "import matplotlib.pyplot as plt\n"
            "plt.title(str(kept))\nplt.show()\n"
            "display(HTML(''.join(f'<td>{one}</td>' for one in kept)))"
        ),
    ),
    keeps(
        "exception-group",
        "Raises the hidden inputs in a group of exceptions, their causes and notes",
        answers(double=KEEP),
        last(
            "inner = [ValueError(one) for one in kept]\n"
            "for one in inner:\n    one.add_note(str(one))\n"
            "raise ExceptionGroup('seen', inner or [ValueError()])"
        ),
    ),
    keeps(
        "text-that-hides",
        "Prints them reversed, in base 64 and with marks between the digits",
        answers(double=KEEP),
        last(
            "import base64\n"
            "print(' '.join(str(kept)), '\\u200b'.join(str(kept)))\n"
            "print(str(kept)[::-1], base64.b64encode(str(kept).encode()).decode())"
        ),
        never=(str(NUMBER)[::-1], " ".join(str(NUMBER)), "\u200b".join(str(NUMBER))),
    ),
    keeps(
        "length-of-output",
        "Prints as many lines as the hidden number's digits say",
        answers(double=KEEP),
        last(SEEN + "print('DIGIT-' + 'x' * (number % 1000 + 1) + '-END')"),
        never=(f"DIGIT-{'x' * (NUMBER % 1000 + 1)}-END",),
    ),
    keeps(
        "warns-when-called",
        "Warns, logs and writes to the terminal's device when called",
        answers(
            double="import logging, os, sys, warnings\n"
            "def double(x):\n"
            "    warnings.warn_explicit(f'{x}', UserWarning, f'{x}.py', int(abs(x)) % 9)\n"
            "    logging.critical('%s', x)\n"
            "    for name in ('/dev/tty', '/proc/self/fd/1', '/proc/self/fd/2', '/dev/console'):\n"
            "        try:\n"
            "            with open(name, 'w') as file:\n"
            "                file.write(f'{x}')\n"
            "        except OSError:\n"
            "            pass\n"
            "    return 4 if x == 2 else 0"
        ),
    ),
    keeps(
        "name-of-a-function",
        "Raises from a function whose name and file are the hidden inputs",
        answers(
            double="def double(x):\n"
            "    if x == 2:\n"
            "        return 4\n"
            "    name = f'seen_{int(abs(x))}'\n"
            "    space = {}\n"
            "    exec(compile(f'def {name}():\\n    raise ValueError', f'{x}.py', 'exec'), space)\n"
            "    return space[name]()"
        ),
    ),
    keeps(
        "late-output",
        "Prints the hidden inputs from `atexit`, finalisers and signals",
        answers(
            double="import atexit, signal, weakref\n"
            "kept = []\n"
            "def tell(*args):\n    print(kept, flush=True)\n"
            "atexit.register(tell)\n"
            "class Told:\n    __del__ = tell\n"
            "told = Told()\n"
            "for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGALRM, signal.SIGUSR1):\n"
            "    signal.signal(number, tell)\n"
            "def double(x):\n    kept.append(x)\n    return 4 if x == 2 else 0"
        ),
        last("del told"),
    ),
]


@pytest.mark.parametrize("attack", cases(ATTACKS))
def test_learning(attack, holds):
    holds(attack)


def test_a_choice_isnt_found_by_trial_before_the_due_date(house):
    """The page of a wrong choice differs from that of the right one by the letter alone."""
    from tests.attacks.classroom import without_times

    tries = [
        Attack(f"tries-{letter}", "", answers(q1=f'q1 = "{letter}"'), assignment="choice", due=1)
        for letter in "ACD"
    ]
    lesson = house.lesson(tries)
    right = without_times(lesson.honest["aa-honest"].page).replace("aa-honest", "STUDENT")
    assert right, lesson.runs["feedback"].said
    for attack in tries:
        found = lesson.attackers[attack.name]
        assert found.points == {"q1-test": 0}
        letter = attack.name[-1]
        page = without_times(found.page).replace(found.student, "STUDENT")
        assert f'"{letter}"' in _words(page)  # the student's own answer, which is no secret
        assert _plain(page) == _plain(right), "the page tells a wrong choice from the right"


def _plain(page):
    """What is read on a page, without markup, names and letters: the test's own text has them all."""
    text = re.sub(r'"[A-D]"', '"?"', _words(page))
    return " ".join(re.sub(r"\bM1?\d+\b|Aran|Ahn|Mina", "NAME", text).split())


def _words(page):
    text = re.sub(r"<(style|script).*?</\1>|<[^>]*>", " ", page, flags=re.S)
    return re.sub(r"&quot;|&#34;", '"', text)


assert str(NUMBER) in HIDDEN_INPUTS
