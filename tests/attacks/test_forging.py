"""Forging a score: the tests patched, fooled, read or answered for.

Every change here would be worth points where tests and student code share a process.
"""

import pytest

from tests.attacks.attack import Attack, all_of, answers, cases, find, first, last, own_cell

PLEASING = """
class Pleasing:
    def _yes(self, *args, **kwargs):
        return True
    __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = __bool__ = __contains__ = _yes
    __hash__ = lambda self: 1
    def __float__(self):
        return 4.0
    def __len__(self):
        return 3
    def __iter__(self):
        return iter([self] * 3)
    def _same(self, *args, **kwargs):
        return self
    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __abs__ = __call__ = __getitem__ = _same
    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return self
"""

FAKE_RECORD = """{
    "version": 1,
    "checks": [{"name": "all of it", "weight": 1, "passed": True, "hidden": False,
                "unanswered": False, "message": ""}],
}"""

DISPLAY_RECORD = f"""
from IPython.display import display
RECORD = {FAKE_RECORD}
def celebrate():
    for owner in ("autograder", "beyond"):
        kind = f"application/vnd.{{owner}}.checks+json"
        display({{"text/plain": "✓", kind: RECORD}}, raw=True)
"""


def tag(*tags):
    def change(work, place):
        for name in ("double-test", "parts-test"):
            find(work, name).metadata["tags"] = list(tags)

    return change


ATTACKS = [
    # The test cells' own text and running
    Attack(
        "skip-execution-tag",
        "Tags the test cells `skip-execution`",
        tag("skip-execution", "raises-exception", "remove-cell"),
    ),
    Attack(
        "input-transformer",
        "Lets IPython turn every later cell into `pass`",
        own_cell("gate", 'get_ipython().input_transformers_post.append(lambda lines: ["pass\\n"])'),
    ),
    Attack(
        "input-cleanup",
        "Lets IPython cut the test cells short before it reads them",
        own_cell(
            "gate",
            "get_ipython().input_transformers_cleanup.append(\n"
            '    lambda lines: ["pass\\n"] if any("assert" in line for line in lines) else lines)',
        ),
    ),
    Attack(
        "drop-asserts",
        "Drops every `assert` from the syntax tree",
        first(
            "import ast\n"
            "class Drop(ast.NodeTransformer):\n"
            "    def visit_Assert(self, node):\n"
            "        return ast.copy_location(ast.Pass(), node)\n"
            "get_ipython().ast_transformers.append(Drop())"
        ),
    ),
    Attack(
        "drop-checks",
        "Empties every `with` block and every `if` of the tests in the syntax tree",
        first(
            "import ast\n"
            "class Empty(ast.NodeTransformer):\n"
            "    def visit_With(self, node):\n"
            "        node.body = [ast.Pass()]\n"
            "        return ast.fix_missing_locations(node)\n"
            "    def visit_IfExp(self, node):\n"
            "        return node.body\n"
            "get_ipython().ast_transformers.append(Empty())"
        ),
    ),
    Attack(
        "rewrite-before-run",
        "Rewrites the test's constants in a `pre_run_cell` hook's compiled code",
        first(
            "import builtins\n"
            "real = builtins.compile\n"
            "def changed(source, *args, **kwargs):\n"
            "    if isinstance(source, str):\n"
            '        source = source.replace("assert ", "True or ")\n'
            "    return real(source, *args, **kwargs)\n"
            "builtins.compile = changed\n"
            'get_ipython().events.register("pre_run_cell", lambda info: None)'
        ),
    ),
    Attack(
        "nothing-runs",
        "Replaces IPython's own `run_code`, so that nothing runs any more",
        own_cell(
            "gate",
            "async def nothing(self, *args, **kwargs):\n"
            "    return False\n"
            "type(get_ipython()).run_code = nothing",
        ),
    ),
    Attack(
        "no-traceback",
        "Swallows every exception that IPython would show",
        first(
            "from IPython.core.interactiveshell import InteractiveShell\n"
            "InteractiveShell.showtraceback = lambda *args, **kwargs: None\n"
            "InteractiveShell._showtraceback = lambda *args, **kwargs: None\n"
            "get_ipython().set_custom_exc((Exception,), lambda *args, **kwargs: [])"
        ),
    ),
    Attack(
        "trace-over-asserts",
        "Jumps over the asserts with `sys.settrace`",
        answers(
            double="import sys\n"
            "def jump(frame, event, arg):\n"
            "    last = max((line for *_, line in frame.f_code.co_lines() if line), default=0)\n"
            "    if event == 'line' and 'assert' in str(frame.f_code.co_names) + 'assert':\n"
            "        try:\n"
            "            frame.f_lineno = last\n"
            "        except ValueError:\n"
            "            pass\n"
            "    return jump\n"
            "def double(x):\n"
            "    frame = sys._getframe(1)\n"
            "    while frame is not None:\n"
            "        frame.f_trace = jump if '<module>' in frame.f_code.co_name else None\n"
            "        frame = frame.f_back\n"
            "    sys.settrace(jump)\n"
            "    return x + 1"
        ),
        seconds=1,
    ),
    Attack(
        "hooks",
        "Leaves hooks in `sys.excepthook`, `atexit`, `signal` and `threading`",
        first(
            "import atexit, signal, sys, threading\n"
            "sys.excepthook = threading.excepthook = sys.unraisablehook = lambda *args: None\n"
            "atexit.register(lambda: print('full marks'))\n"
            "signal.signal(signal.SIGTERM, signal.SIG_IGN)"
        ),
    ),
    # Objects that please
    Attack(
        "pleasing-object",
        "Returns an object to which everything is equal",
        answers(double=PLEASING + "\ndef double(x):\n    return Pleasing()"),
    ),
    Attack(
        "pleasing-everywhere",
        "Gives such an object for every answer",
        answers(
            double=PLEASING + "\ndouble = Pleasing()",
            shares="shares = Pleasing()",
            ranked="ranked = Pleasing()",
            gate="Gate = Pleasing()",
        ),
        deserves=(0, 0),
    ),
    Attack(
        "mock-any",
        "Returns `unittest.mock.ANY`",
        answers(double="from unittest.mock import ANY\ndef double(x):\n    return ANY"),
    ),
    Attack(
        "mock-module",
        "Makes every answer a `MagicMock`",
        answers(
            double="from unittest.mock import MagicMock\ndouble = MagicMock()",
            shares="shares = MagicMock()",
            ranked="ranked = MagicMock()",
            gate="Gate = MagicMock()",
        ),
        deserves=(0, 0),
    ),
    Attack(
        "pleasing-int",
        "Returns an `int` whose `__eq__` and `__sub__` please",
        answers(
            double="class Yes(int):\n"
            "    __eq__ = lambda self, other: True\n"
            "    __hash__ = int.__hash__\n"
            "    __sub__ = __rsub__ = __abs__ = lambda self, *other: 0\n"
            "def double(x):\n"
            "    return Yes(4)"
        ),
        deserves=(1, 1),  # what arrives is a plain 4, which is right for the one input shown
    ),
    Attack(
        "pleasing-float",
        "Returns a `float` that converts to whatever is asked for next",
        answers(
            double="class Next(float):\n"
            "    values = iter([4.0, 1583838382.0, -1.0] * 9)\n"
            "    def __float__(self):\n"
            "        return next(self.values)\n"
            "    __rsub__ = __sub__ = lambda self, other: 0.0\n"
            "def double(x):\n"
            "    return Next(1)"
        ),
    ),
    Attack(
        "pleasing-list",
        "Gives a `list` and a `str` whose `__eq__` pleases",
        answers(
            ranked="class Row(list):\n"
            "    __eq__ = lambda self, other: True\n"
            "class Word(str):\n"
            "    __eq__ = lambda self, other: True\n"
            "    __hash__ = str.__hash__\n"
            "def ranked(numbers, k):\n"
            "    return Row([Word('a')]) if len(numbers) > 2 else [0]"
        ),
    ),
    Attack(
        "pleasing-tensor",
        "Returns a tensor whose `__torch_function__` answers True to everything",
        answers(
            gate="class Agreeing(torch.Tensor):\n"
            "    @classmethod\n"
            "    def __torch_function__(cls, function, types, args=(), kwargs=None):\n"
            "        return True if function is torch.allclose else args[0]\n"
            "class Gate(torch.nn.Module):\n"
            "    def __init__(self, size, experts):\n"
            "        super().__init__()\n"
            "        self.weight = torch.nn.Parameter(torch.zeros(size, experts))\n"
            "    def forward(self, rows):\n"
            "        return torch.zeros(3, 3).as_subclass(Agreeing)"
        ),
    ),
    Attack(
        "pleasing-array",
        "Returns an array whose `__array_function__` and `__array_ufunc__` please",
        answers(
            double="import numpy\n"
            "class Agreeing(numpy.ndarray):\n"
            "    def __array_ufunc__(self, *args, **kwargs):\n"
            "        return True\n"
            "    __array_function__ = __array_ufunc__\n"
            "    __float__ = lambda self: 4.0\n"
            "def double(x):\n"
            "    return numpy.zeros(1).view(Agreeing)"
        ),
    ),
    Attack(
        "forged-pointer",
        "Returns an object with an `__array_interface__` that points at foreign memory",
        answers(
            double="class Foreign:\n"
            "    __array_interface__ = {'data': (0x10000, False), 'shape': (1000,),\n"
            "                           'typestr': '<f8', 'version': 3}\n"
            "def double(x):\n"
            "    return Foreign()"
        ),
    ),
    Attack(
        "lying-class",
        "Returns an object that says its class is `float`, from a metaclass that equals all types",
        answers(
            double="class Meta(type):\n"
            "    __eq__ = lambda self, other: True\n"
            "    __hash__ = lambda self: hash(float)\n"
            "    __instancecheck__ = __subclasscheck__ = lambda self, other: True\n"
            "class Lie(metaclass=Meta):\n"
            "    __class__ = float\n"
            "    __eq__ = lambda self, other: True\n"
            "    __float__ = lambda self: 4.0\n"
            "def double(x):\n"
            "    return Lie()"
        ),
    ),
    Attack(
        "changing-variable",
        "Makes a variable give another value each time it is asked for",
        answers(
            shares="import sys, types\n"
            "class Changing(types.ModuleType):\n"
            "    asked = 0\n"
            "    @property\n"
            "    def shares(self):\n"
            "        Changing.asked += 1\n"
            "        return [1.0] if Changing.asked % 2 else [-9.0, 10.0]\n"
            "sys.modules['__main__'].__class__ = Changing\n"
            "shares = [-9.0, 1.0, 1.0]"
        ),
        deserves=(0, 0),
    ),
    # Reading the test
    Attack(
        "read-history",
        "Looks the expected number up in the running cell's text",
        answers(
            double="import re\n"
            "def double(x):\n"
            "    texts = list(get_ipython().user_ns.get('In', []))\n"
            "    texts += [row[2] for row in get_ipython().history_manager.get_range()]\n"
            "    for text in reversed(texts):\n"
            "        found = re.search(rf'double\\({re.escape(str(x))}\\)[^-\\d]*(-?[\\d.]+)', text)\n"
            "        if found:\n"
            "            return float(found[1])\n"
            "    return x + 1"
        ),
    ),
    Attack(
        "read-frames",
        "Takes the expected number from the constants of the calling frames",
        answers(
            double="import sys\n"
            "def double(x):\n"
            "    frame = sys._getframe(1)\n"
            "    while frame is not None:\n"
            "        constants = [one for one in frame.f_code.co_consts if type(one) in (int, float)]\n"
            "        if frame.f_code.co_name == '<module>' and x in constants[:-1]:\n"
            "            return constants[constants.index(x) + 1]\n"
            "        frame = frame.f_back\n"
            "    return x + 1"
        ),
    ),
    Attack(
        "read-memory",
        "Searches all strings and code that Python's collector knows for the tests",
        answers(
            double="import gc, re, types\n"
            "def double(x):\n"
            "    pattern = re.compile(rf'double\\({re.escape(str(x))}\\)[^-\\d]*(-?[\\d.]+)')\n"
            "    for one in gc.get_objects():\n"
            "        values = list(one.values()) if type(one) is dict else []\n"
            "        values += list(one) if type(one) in (list, tuple) else []\n"
            "        for text in values:\n"
            "            if type(text) is str and (found := pattern.search(text)):\n"
            "                return float(found[1])\n"
            "    return x + 1"
        ),
    ),
    Attack(
        "read-source",
        "Asks `inspect` and `linecache` for the caller's lines",
        answers(
            double="import inspect, linecache, re\n"
            "def double(x):\n"
            "    lines = [line for entry in inspect.stack() for line in entry.code_context or []]\n"
            "    lines += [line for *_, text, _ in linecache.cache.values() for line in text]\n"
            "    for line in lines:\n"
            "        found = re.search(rf'double\\({re.escape(str(x))}\\)[^-\\d]*(-?[\\d.]+)', line)\n"
            "        if found:\n"
            "            return float(found[1])\n"
            "    return x + 1"
        ),
    ),
    Attack(
        "find-reference",
        "Looks for the instructor's function among all objects and calls that",
        answers(
            double="import gc, sys, types\n"
            "def double(x):\n"
            "    for module in list(sys.modules.values()):\n"
            "        reference = getattr(module, 'reference', None)\n"
            "        if reference is not None and hasattr(reference, 'double'):\n"
            "            return reference.double(x)\n"
            "    for one in gc.get_objects():\n"
            "        if type(one) is types.FunctionType and one.__name__ == 'double':\n"
            "            if one is not double:\n"
            "                return one(x)\n"
            "    return x + 1"
        ),
    ),
    Attack(
        "visible-only",
        "Answers the visible check's number from a table",
        answers(double="def double(x):\n    return {2: 4}.get(x, 0)"),
        deserves=(1, 1),
    ),
    Attack(
        "behave-when-graded",
        "Behaves otherwise when it sees signs of grading",
        answers(
            double="import os, sys, time\n"
            "graded = not os.environ.get('DISPLAY') or 'nbgrader' in sys.modules\n"
            "graded = graded or os.getppid() < 3 or not os.path.exists('/etc/hostname')\n"
            "def double(x):\n"
            "    return (x + 1) if graded else 'not graded'"
        ),
    ),
    # The helpers of the tests
    Attack(
        "patch-allclose",
        "Makes `torch.allclose`, `torch.equal`, `numpy.testing` and `math.isclose` agree",
        first(
            "import math, numpy, torch\n"
            "agree = lambda *args, **kwargs: True\n"
            "torch.allclose = torch.equal = math.isclose = numpy.allclose = agree\n"
            "torch.testing.assert_close = numpy.testing.assert_allclose = agree"
        ),
    ),
    Attack(
        "patch-builtins",
        "Makes the builtins `all`, `any`, `abs` and `round` please",
        own_cell(
            "gate",
            "import builtins\n"
            "builtins.all = builtins.any = lambda *args: True\n"
            "builtins.abs = lambda value: 0\n"
            "builtins.round = lambda *args: 4",
        ),
    ),
    Attack(
        "patch-assertion-error",
        "Replaces `builtins.AssertionError` by something that nobody catches",
        first(
            "import builtins\n"
            "class Quiet(Warning):\n"
            "    pass\n"
            "builtins.AssertionError = Quiet\n"
            "builtins.Exception = Quiet"
        ),
    ),
    Attack(
        "shadow-names",
        "Defines `check`, `report`, `all`, `math` and `torch` hoping that the test uses them",
        own_cell(
            "gate",
            "import contextlib, types\n"
            "check = lambda *args, **kwargs: contextlib.suppress(BaseException)\n"
            "given = lambda *args: args[0]\n"
            "report = lambda: None\n"
            "all = any = isinstance = lambda *args: True\n"
            "math = types.SimpleNamespace(isclose=lambda *args: True)\n"
            "torch = types.SimpleNamespace(**{**vars(torch), 'allclose': lambda *args, **kw: True})",
        ),
    ),
    Attack(
        "patch-checks",
        "Lets `check.__exit__` write down a pass",
        first(
            "import autograder.checks as checks\n"
            "real = checks.check.__exit__\n"
            "checks.check.__exit__ = lambda self, *args: real(self, None, None, None) or True\n"
            "checks.given = lambda value, name=None: value"
        ),
    ),
    Attack(
        "patch-report",
        "Replaces `report` and `score` in the module",
        first(
            "import autograder.checks as checks\n"
            "checks.report = lambda: None\n"
            "checks.score = lambda record, points: points\n"
            "checks.is_record = lambda record: True\n"
            "checks._record = lambda outcomes: " + FAKE_RECORD
        ),
    ),
    Attack(
        "fake-module",
        "Puts a module of its own in place of `autograder.checks`",
        first(
            "import contextlib, sys, types\n"
            "class Fake(types.ModuleType):\n"
            "    check = staticmethod(lambda *args, **kwargs: contextlib.suppress(BaseException))\n"
            "    given = staticmethod(lambda value, name=None: value)\n"
            "    report = staticmethod(lambda: None)\n"
            "    probe = staticmethod(lambda function: function)\n"
            "    def __getattr__(self, name):\n"
            "        raise AttributeError(name)\n"
            "import random\n"
            "fake = Fake('autograder.checks')\n"
            "sys.modules['autograder.checks'] = fake\n"
            "fake.seeded = lambda name: random.Random(0)\n"
            "sys.modules['beyond.checks'] = fake"
        ),
    ),
    Attack(
        "fake-import",
        "Replaces `__import__` so that the read-only cells import fakes",
        first(
            "import builtins\n"
            "real = builtins.__import__\n"
            "def fake(name, *args, **kwargs):\n"
            "    module = real(name, *args, **kwargs)\n"
            "    if name == 'math':\n"
            "        module.isclose = lambda *args, **kwargs: True\n"
            "    return module\n"
            "builtins.__import__ = fake"
        ),
    ),
    Attack(
        "shadow-module-file",
        "Writes a `math.py`, a `torch.py` and a `beyond/checks.py` into the working folder",
        first(
            "import os, sys\n"
            "os.makedirs('beyond', exist_ok=True)\n"
            "for name in ('torch.py', 'math.py', 'sitecustomize.py', 'beyond/checks.py'):\n"
            "    with open(name, 'w') as file:\n"
            "        file.write('isclose = allclose = lambda *args, **kwargs: True')\n"
            "sys.path.insert(0, os.getcwd())"
        ),
    ),
    Attack(
        "known-dice",
        "Replaces `seeded` and `random`, so that the hidden numbers are sorted already",
        first(
            "import random\n"
            "import autograder.checks as checks\n"
            "class Known(random.Random):\n"
            "    last = 1000.0\n"
            "    def random(self):\n"
            "        Known.last -= 1\n"
            "        return Known.last\n"
            "checks.seeded = lambda name: Known()"
        ),
    ),
    Attack(
        "replace-probe",
        "Defines the probe again, with a right answer in it",
        own_cell(
            "gate-probe",
            "def gate_output(rows, weight):\n    return torch.softmax(rows @ weight, -1)",
        ),
    ),
    Attack(
        "replace-probe-mark",
        "Replaces the `@probe` mark, so that a right answer takes the place of the class",
        all_of(
            first("import autograder.checks as checks\nchecks.probe = lambda function: None"),
            own_cell(
                "gate",
                "probe = lambda function: lambda rows, weight: torch.softmax(rows @ weight, -1)",
            ),
        ),
        deserves=(0, 2),  # only what comes back is judged, and that is right
    ),
    Attack(
        "pleasing-probe",
        "Lets the class that the probe builds return something with a `detach` that pleases",
        answers(
            gate=PLEASING + "\nclass Gate(torch.nn.Module):\n"
            "    def __init__(self, size, experts):\n"
            "        super().__init__()\n"
            "        self.weight = torch.nn.Parameter(torch.zeros(size, experts))\n"
            "    def forward(self, rows):\n"
            "        return Pleasing()"
        ),
    ),
    # Records and points
    Attack(
        "display-record",
        "Displays a record of passed checks in a cell of its own",
        last(DISPLAY_RECORD + "celebrate()"),
    ),
    Attack(
        "display-record-when-called",
        "Displays such a record whenever a test calls the function",
        answers(
            double=DISPLAY_RECORD + "def double(x):\n    celebrate()\n    return x + 1",
        ),
    ),
    Attack(
        "own-report",
        "Runs checks of its own under the test's names, and a report",
        own_cell(
            "parts-test",
            "for name in ('double(2) is 4', 'other numbers', 'the gate is a softmax'):\n"
            "    with check(name):\n"
            "        pass\n"
            "report()",
        ),
    ),
    Attack(
        "unfinished-check",
        "Opens a check and leaves it open for the test that follows",
        own_cell(
            "double",
            "opened = check('other numbers', weight=1e300)\n"
            "opened.__enter__()\n"
            "opened.__exit__(None, None, None)",
        ),
    ),
    Attack(
        "points-999",
        "Makes the partial credit 999",
        own_cell("gate", "import builtins\nsum = builtins.sum = lambda *args: 999"),
        deserves=(0, 1),
    ),
    Attack(
        "points-inf",
        "Makes the partial credit infinite",
        own_cell("gate", "import builtins\nsum = builtins.sum = lambda *args: float('inf')"),
    ),
    Attack(
        "points-nan",
        "Makes the partial credit not a number",
        own_cell("gate", "import builtins\nsum = builtins.sum = lambda *args: float('nan')"),
    ),
    Attack(
        "points-negative",
        "Makes the partial credit −1",
        own_cell("gate", "import builtins\nsum = builtins.sum = lambda *args: -1"),
    ),
    Attack(
        "extreme-values",
        "Answers with infinity and NaN",
        answers(
            double="def double(x):\n    return float('inf')",
            shares="shares = [float('inf'), float('nan')]",
            ranked="def ranked(numbers, k):\n    return [float('nan')] * k",
        ),
        deserves=(0, 0),
    ),
    Attack(
        "not-answered",
        "Raises the tests' own `NotAnswered`, so that nothing counts as failed",
        answers(
            double="from beyond.checks import NotAnswered\n"
            "def double(x):\n"
            "    raise NotAnswered('double')"
        ),
    ),
    Attack(
        "odd-exceptions",
        "Raises what a test can't have expected: GeneratorExit, KeyboardInterrupt, StopIteration",
        answers(
            double="kinds = iter([GeneratorExit, KeyboardInterrupt, StopIteration, SystemExit] * 9)\n"
            "def double(x):\n"
            "    raise next(kinds)"
        ),
    ),
    Attack(
        "exception-that-passes",
        "Raises an exception whose class, text and truth are made up",
        answers(
            double="class Passed(AssertionError):\n"
            "    __bool__ = lambda self: True\n"
            "    __str__ = lambda self: '✓ passed, 2 of 2'\n"
            "    __reduce__ = lambda self: (print, ('full marks',))\n"
            "Passed.__name__ = Passed.__qualname__ = 'NotAnswered\\n✓'\n"
            "def double(x):\n"
            "    raise Passed"
        ),
    ),
    # Learning what is hidden
    Attack(
        "print-arguments",
        "Prints, logs, warns and displays its arguments",
        answers(
            double="import logging, os, sys, warnings\n"
            "from IPython.display import HTML, display\n"
            "def double(x):\n"
            "    print(x, flush=True)\n"
            "    print(x, file=sys.stderr)\n"
            "    print(x, file=sys.__stdout__)\n"
            "    os.write(1, f'{x}'.encode())\n"
            "    os.write(2, f'{x}'.encode())\n"
            "    logging.error('%s', x)\n"
            "    warnings.warn(f'{x}')\n"
            "    display(HTML(f'<b>{x}</b>'))\n"
            "    return 4 if x == 2 else 0"
        ),
        deserves=(1, 1),
    ),
    Attack(
        "raise-arguments",
        "Raises its arguments as an exception's message, name and notes",
        answers(
            double="def double(x):\n"
            "    if x == 2:\n"
            "        return 4\n"
            "    error = type(f'E{x}'.replace('-', 'm').replace('.', 'p'), (ValueError,), {})(x)\n"
            "    error.add_note(str(x))\n"
            "    raise error from ValueError(x)",
            ranked="def ranked(numbers, k):\n"
            "    if len(numbers) > 2:\n"
            "        raise ValueError(numbers)\n"
            "    return [0]",
        ),
        deserves=(1, 1),
    ),
    Attack(
        "remember-and-print",
        "Keeps the hidden inputs and prints them in a cell after the tests",
        all_of(
            answers(
                double="kept = []\ndef double(x):\n    kept.append(x)\n    return 4 if x == 2 else 0",
                ranked="def ranked(numbers, k):\n    kept.extend(numbers)\n    return [0]",
            ),
            last("print(kept)\nkept"),
        ),
        deserves=(1, 1),
    ),
    Attack(
        "remember-and-fail",
        "Keeps the hidden inputs and lets a later answer's cell fail with them",
        all_of(
            answers(
                double="kept = []\ndef double(x):\n    kept.append(x)\n    return 4 if x == 2 else 0",
                essay="why = 'It fails.'\nraise ValueError(kept)",
            ),
        ),
        deserves=(1, 1),
    ),
    Attack(
        "remember-and-tell-next-test",
        "Keeps the hidden inputs and raises them when a later visible check asks",
        answers(
            double="kept = []\ndef double(x):\n    kept.append(x)\n    return 4 if x == 2 else 0",
            ranked="def ranked(numbers, k):\n    raise ValueError(kept)",
        ),
        deserves=(1, 0),
    ),
    Attack(
        "remember-in-a-file",
        "Writes the hidden inputs to a file and shows the file later",
        all_of(
            answers(
                double="def double(x):\n"
                "    with open('kept.txt', 'a') as file:\n"
                "        file.write(f'{x} ')\n"
                "    return 4 if x == 2 else 0",
            ),
            last("print(open('kept.txt').read())"),
        ),
        deserves=(1, 1),
    ),
    Attack(
        "print-later-from-a-thread",
        "Prints the hidden inputs from a thread once another cell runs",
        all_of(
            answers(
                double="import threading, time\n"
                "kept = []\n"
                "def tell():\n"
                "    while True:\n"
                "        time.sleep(0.05)\n"
                "        print(kept)\n"
                "threading.Thread(target=tell, daemon=True).start()\n"
                "def double(x):\n"
                "    kept.append(x)\n"
                "    return 4 if x == 2 else 0",
            ),
            last("time.sleep(0.4)"),
        ),
        deserves=(1, 1),
    ),
    Attack(
        "remember-and-time-out",
        "Keeps the hidden inputs and raises them as the engine's own kind of time-out",
        answers(
            double="kept = []\ndef double(x):\n    kept.append(x)\n    return 4 if x == 2 else 0",
            essay="why = 'It fails.'\nraise TimeoutError(str(kept))",
        ),
        deserves=(1, 1),
    ),
    Attack(
        "remember-and-die",
        "Keeps the hidden inputs and names its error as the engine names a process's end",
        answers(
            double="kept = []\ndef double(x):\n    kept.append(x)\n    return 4 if x == 2 else 0",
            essay="why = 'It fails.'\nclass KernelDied(Exception):\n    pass\n"
            "raise KernelDied(str(kept))",
        ),
        deserves=(1, 1),
    ),
    Attack(
        "remember-in-a-type",
        "Keeps the hidden inputs and raises an error whose type has them for its name",
        answers(
            double="kept = []\ndef double(x):\n    kept.append(x)\n    return 4 if x == 2 else 0",
            ranked="def ranked(numbers, k):\n"
            "    raise type('seen_' + '_'.join(map(str, kept)), (Exception,), {})()",
        ),
        deserves=(1, 0),
    ),
    Attack(
        "remember-in-a-value",
        "Keeps the hidden inputs in the list that a later check reads and quotes",
        answers(
            double="shares = []\ndef double(x):\n    shares.append(x)\n    return 4 if x == 2 else 0",
            shares="",
        ),
        deserves=(1, 0),
    ),
    Attack(
        "remember-between-the-runs",
        "Leaves the hidden inputs wherever it may write, for the other run to find",
        all_of(
            answers(
                double="import glob, os\n"
                "places = ['.', '/tmp', '/var/tmp', '/dev/shm', '/dev/mqueue', os.path.expanduser('~')]\n"
                "def double(x):\n"
                "    for place in places:\n"
                "        try:\n"
                "            with open(f'{place}/seen-by-me', 'a') as file:\n"
                "                file.write(f'{x} ')\n"
                "        except OSError:\n"
                "            pass\n"
                "    return 4 if x == 2 else 0",
            ),
            last(
                "for place in places:\n"
                "    if os.path.exists(f'{place}/seen-by-me'):\n"
                "        print(open(f'{place}/seen-by-me').read())"
            ),
        ),
        deserves=(1, 1),
    ),
]


@pytest.mark.parametrize("attack", cases(ATTACKS))
def test_forging(attack, holds):
    holds(attack)
