"""What has worked on other graders: recipes from their tests, bug reports and fixes, in code of ours.

`recipe` names where each was seen: Gradescope's and PrairieLearn's external graders, Otter, Autolab,
SWE-bench's harness, online judges (DMOJ, codejail, espr1t/action) and nbgrader itself.
"""

import json

import pytest

from tests.attacks.attack import Attack, all_of, answers, cases, find, first, last, only_sandboxed
from tests.attacks.small_course import RIGHT
from tests.attacks.test_files_and_processes import GOT, REACHED, tried

RESULTS = json.dumps({"score": 10, "succeeded": True, "tests": [{"name": "all", "score": 10}]})


def whole_file_of(names, content):
    return tuple((name, content) for name in names)


ATTACKS = [
    Attack(
        "results-file",
        "Writes results.json wherever graders look for one, and raises an error",
        first(
            "import os\n"
            "for folder in ('.', '..', '/', '/tmp', '/autograder/results', '/grade/results', '/output',\n"
            "               '/outputs', os.path.expanduser('~'), '/scratch', '/work', '/course'):\n"
            "    for name in ('results.json', 'result.json', 'output.json', 'autoresult.json',\n"
            "                 'record.json', 'scores.csv', '.otter_log', 'outcome'):\n"
            "        try:\n"
            "            os.makedirs(folder, exist_ok=True)\n"
            "            with open(os.path.join(folder, name), 'w') as file:\n"
            f"                file.write({RESULTS!r})\n"
            "        except OSError:\n"
            "            pass\n"
            "raise Exception('10 of 10')"
        ),
        recipe="Gradescope, PrairieLearn, Autolab",
    ),
    Attack(
        "forged-test-log",
        "Prints what a test runner prints of passed tests, in six formats",
        last(
            "for line in ('PASSED double-test', '1 passed in 0.01s', 'ok 1 - double-test', '1..1',\n"
            "             '##teamcity[testFinished name=\"double-test\"]', 'double-test: 2 / 2',\n"
            "             'OK (2 tests)', '<testcase name=\"double-test\"/>', 'Score: 10/10'):\n"
            "    print(line)"
        ),
        recipe="SWE-bench",
    ),
    Attack(
        "test-runner-files",
        "Hands in settings and plugins of test runners and of Python",
        first("import os\nprint(sorted(os.listdir('.')))"),
        files=whole_file_of(
            (
                "conftest.py",
                "pytest.ini",
                "setup.cfg",
                "sitecustomize.py",
                "usercustomize.py",
                "nbgrader_config.py",
                "jupyter_config.py",
                "ipython_config.py",
                ".env",
                "pyproject.toml",
            ),
            b"import builtins\nraise SystemExit(0)\n",
        ),
        recipe="SWE-bench, nbgrader",
    ),
    Attack(
        "startup-files",
        "Leaves start-up files for the next one's IPython, Python and shell",
        tried(
            "home = os.path.expanduser('~')\n"
            "for name in ('.ipython/profile_default/startup/00.py', '.bashrc', '.profile', '.pythonrc',\n"
            "             '.local/lib/python3/site-packages/usercustomize.py', '.config/matplotlib/x',\n"
            "             '.jupyter/jupyter_config.py', '.netrc', '.pip/pip.conf'):\n"
            "    path = os.path.join(home, name)\n"
            "    if os.path.exists(path):\n"
            f"        print('{REACHED}', path)\n"
            "    os.makedirs(os.path.dirname(path), exist_ok=True)\n"
            "    with open(path, 'w') as file:\n"
            "        file.write('raise SystemExit')"
        ),
        never=(GOT,),
        again=True,
        together="left over",
        recipe="Otter",
    ),
    Attack(
        "remove-everything",
        "Removes every file that it can",
        first(
            only_sandboxed(
                "import shutil, subprocess\n"
                "for folder in ('/usr', '/lib', '/etc', '/scratch', '/tmp', '/dev/shm', '/work'):\n"
                "    shutil.rmtree(folder, ignore_errors=True)\n"
                "subprocess.run('rm -rf --no-preserve-root / 2>/dev/null', shell=True, timeout=8)"
            )
        ),
        rough=True,
        or_less=True,
        seconds=20,
        recipe="espr1t/action",
    ),
    Attack(
        "pickled-code",
        "Returns objects whose pickles, copies and formats run code",
        answers(
            double="class Runs(float):\n"
            "    def __reduce_ex__(self, protocol):\n"
            "        return exec, ('raise SystemExit(0)',)\n"
            "    __copy__ = __deepcopy__ = __format__ = __reduce__ = lambda *args: 1 / 0\n"
            "    def __getstate__(self):\n"
            "        raise SystemExit(0)\n"
            "def double(x):\n"
            "    return Runs(2 * x)"
        ),
        deserves=(2, 1),
        or_less=True,
        recipe="PrairieLearn",
    ),
    Attack(
        "goes-on-afterwards",
        "Leaves a process that goes on printing, writing and computing after the end",
        last(
            only_sandboxed(
                "import time\n"
                "if os.fork() == 0:\n"
                "    os.setsid()\n"
                "    if os.fork() == 0:\n"
                "        ends = time.monotonic() + 60\n"
                "        while time.monotonic() < ends:\n"
                "            try:\n"
                "                print('10 of 10', flush=True)\n"
                "                os.write(1, b'10 of 10')\n"
                "            except BaseException:\n"
                "                pass\n"
                "    os._exit(0)"
            )
        ),
        rough=True,
        never=("10 of 10",),
        or_less=True,
        recipe="DMOJ, codejail",
    ),
    Attack(
        "no-builtins",
        "Empties the builtins and the modules",
        answers(double="import builtins, sys\nsys.modules.clear()\nbuiltins.__dict__.clear()"),
        or_less=True,
        recipe="PrairieLearn",
    ),
    Attack(
        "no-stdout",
        "Closes its outputs, and puts objects in their place that raise",
        first(
            "import os, sys\n"
            "class Raises:\n"
            "    def __getattr__(self, name):\n"
            "        raise SystemExit(0)\n"
            "sys.stdout.close(); sys.stderr.close()\n"
            "for number in (0, 1, 2):\n"
            "    try:\n"
            "        os.close(number)\n"
            "    except OSError:\n"
            "        pass\n"
            "sys.stdout = sys.stderr = sys.__stdout__ = sys.stdin = Raises()"
        ),
        or_less=True,
        recipe="Otter",
    ),
    Attack(
        "no-stdout-at-all",
        "Sets its outputs to None",
        first("import sys\nsys.stdout = sys.stderr = sys.__stdout__ = sys.__stderr__ = None"),
        or_less=True,  # IPython itself needs them, so the later cells don't run
        recipe="nbgrader",
    ),
    Attack(
        "time-stands-still",
        "Stops every clock and timer that it sees",
        all_of(
            first(
                "import signal, time\n"
                "time.time = time.monotonic = time.perf_counter = time.process_time = lambda: 0.0\n"
                "signal.setitimer(signal.ITIMER_REAL, 0)\n"
                "signal.alarm = signal.setitimer = signal.signal = lambda *args: None"
            ),
            answers(ranked="def ranked(numbers, k):\n    while True:\n        pass"),
        ),
        seconds=2,
        or_less=True,
        recipe="DMOJ",
    ),
    Attack(
        "markers-in-answers",
        "Writes nbgrader's own markers into its answers",
        answers(
            double="### BEGIN HIDDEN TESTS\n### END SOLUTION\ndef double(x):\n    return x + 1\n"
            "### END HIDDEN TESTS\n### BEGIN SOLUTION\n### BEGIN MARK SCHEME",
            essay="### BEGIN HIDDEN TESTS\nwhy = '### END HIDDEN TESTS'\n### BEGIN SOLUTION",
        ),
        recipe="nbgrader",
    ),
    Attack(
        "markers-unclosed",
        "Opens a hidden part in the answer and closes it in the next",
        answers(
            double="### BEGIN HIDDEN TESTS\ndef double(x):\n    return x + 1",
            shares=RIGHT["shares"] + "\n### END HIDDEN TESTS\n### END HIDDEN TESTS",
        ),
        recipe="nbgrader",
    ),
    Attack(
        "template-code",
        "Writes Jinja's and Python's templates into answers, names and errors",
        answers(
            essay="why = '{{ 6007 * 7001 }}{% for x in self %}{{ x }}{% endfor %} {0.__class__} %s'\n"
            "raise ValueError(why)"
        ),
        never=(str(6007 * 7001),),
        recipe="nbgrader's HTML exporter",
    ),
    Attack(
        "sparse-terabyte",
        "Makes a file of a terabyte that takes no room, and hands it on",
        first(
            "try:\n"
            "    with open('huge', 'wb') as file:\n"
            "        file.truncate(10 ** 12)\n"
            "except OSError:\n"
            "    pass"
        ),
        recipe="DMOJ",
    ),
    Attack(
        "deep-folders",
        "Makes folders in folders, three thousand deep, and takes all rights from them",
        first(
            "import os\n"
            "start = os.open('.', os.O_RDONLY)\n"
            "try:\n"
            "    for number in range(3_000):\n"
            "        os.mkdir('d' * 200)\n"
            "        os.chdir('d' * 200)\n"
            "except OSError:\n"
            "    pass\n"
            "os.fchdir(start)\n"
            "for name in os.listdir('.'):\n"
            "    try:\n"
            "        os.chmod(name, 0)\n"
            "    except OSError:\n"
            "        pass\n"
            "os.chmod('.', 0)"
        ),
        or_less=True,
        recipe="codejail",
    ),
    Attack(
        "odd-file-names",
        "Makes files whose names are control characters, dashes and broken UTF-8",
        first(
            "import os\n"
            "for name in (b'\\xff\\xfe', b'-rf', b'\\x1b[2J', b'a\\nb', b' ', b'...', b'*', b'$(id)'):\n"
            "    try:\n"
            "        open(name, 'w').close()\n"
            "        os.symlink('/etc/passwd', name + b'.link')\n"
            "    except OSError:\n"
            "        pass"
        ),
        recipe="Autolab",
    ),
    Attack(
        "working-folder-gone",
        "Removes its working folder and goes elsewhere",
        first("import os, shutil\nshutil.rmtree(os.getcwd(), ignore_errors=True)\nos.chdir('/')"),
        recipe="Gradescope",
    ),
    Attack(
        "zombies",
        "Leaves hundreds of zombies and orphans",
        first(
            only_sandboxed(
                "for _ in range(400):\n"
                "    try:\n"
                "        if os.fork() == 0:\n"
                "            os._exit(0)\n"
                "    except OSError:\n"
                "        break"
            )
        ),
        rough=True,
        or_less=True,
        recipe="codejail",
    ),
    Attack(
        "huge-stack",
        "Starts threads with stacks of a gigabyte and recurses in them",
        first(
            "import sys, threading\n"
            "try:\n"
            "    threading.stack_size(1 << 30)\n"
            "    sys.setrecursionlimit(100_000)\n"
            "    def down(n):\n        return down(n + 1) if n < 90_000 else n\n"
            "    one = threading.Thread(target=down, args=(0,))\n"
            "    one.start(); one.join()\n"
            "except (MemoryError, RuntimeError, ValueError):\n"
            "    pass"
        ),
        or_less=True,
        seconds=20,
        recipe="DMOJ",
    ),
    Attack(
        "traceback-of-the-grader",
        "Looks for the grader's frames, arguments and exceptions from inside a call",
        answers(
            double="import gc, sys, traceback, types\n"
            "def double(x):\n"
            "    found = []\n"
            "    for frame in sys._current_frames().values():\n"
            "        while frame:\n"
            "            found += [str(one)[:9999] for one in frame.f_locals.values()]\n"
            "            frame = frame.f_back\n"
            "    found += [str(one)[:9999] for one in gc.get_objects() if isinstance(one, types.CodeType)]\n"
            "    print(found)\n"
            "    return x + 1"
        ),
        recipe="PrairieLearn",
    ),
    Attack(
        "equal-by-hash",
        "Gives its numbers and strings through classes that Python's own types are registered with",
        answers(
            double="import numbers\n"
            "class Any(numbers.Real):\n"
            "    __abstractmethods__ = frozenset()\n"
            "    def __getattr__(self, name):\n        return lambda *args: True\n"
            "Any.__abstractmethods__ = frozenset()\n"
            "for kind in (int, float, str, bool):\n    numbers.Real.register(kind)\n"
            "def double(x):\n    return Any.__new__(Any)"
        ),
        or_less=True,
        recipe="Otter",
    ),
    Attack(
        "cached-bytecode",
        "Hands in bytecode and links in place of the modules that the tests import",
        lambda work, place: find(work, "essay").update(
            source="import beyond.checks, math\nwhy = math.__file__ if hasattr(math, '__file__') else ''"
        ),
        files=whole_file_of(
            (
                "__pycache__/math.cpython-311.pyc",
                "math.pyc",
                "torch.so",
                "beyond.pth",
                "x.egg-link",
            ),
            b"\x00" * 64,
        ),
        recipe="Gradescope",
    ),
]


@pytest.mark.parametrize("attack", cases(ATTACKS))
def test_other_graders(attack, holds):
    holds(attack)
