"""Honest students: right work that costs points elsewhere, and work that is only partly right."""

import pytest

from tests.attacks.attack import Attack, all_of, answers, cases, find, first, last, own_cell
from tests.attacks.other_assignments import CELLS, KINDS, STUB
from tests.attacks.small_course import RIGHT, STUBS

KINDS_STUBS = {
    name: STUB.sub("# YOUR CODE HERE", source)
    for kind, name, source, _points in CELLS[KINDS]
    if kind == "answer"
}


def honest(name, what, change, deserves=(2, 3), **more):
    return Attack(name, what, change, deserves=deserves, honest=True, **more)


def nothing(work, place):
    """Hand in the right answers as they are."""


def untouched(work, place):
    for name, source in STUBS.items():
        find(work, name).source = source


def answers_last(work, place):
    """As some editors save it: every answer after every test, the last question first."""
    own = [cell for cell in work.cells if cell.id in RIGHT]
    work["cells"] = [cell for cell in work.cells if cell.id not in RIGHT] + own[::-1]


def without_ids(work, place):
    """As Colab saves it: no ids, its own metadata, older format, sources as lists of lines."""
    work["nbformat_minor"] = 0
    for cell in work.cells:
        cell.pop("id", None)
        cell.metadata["colab"] = {"base_uri": "https://localhost:8080/"}
        cell["source"] = cell.source.splitlines(keepends=True)


def in_korean(work, place):
    find(work, "language").source = find(work, "language").source.replace('"en"', '"ko"')
    find(work, "essay").source = 'why = "두 배는 두 번입니다. 한글과 🙂"'


def split_answer(work, place):
    """The stub is left alone and the answer stands below it."""
    stub = find(work, "double")
    stub.source = 'def double(x):\n    """Twice x."""\n    # YOUR CODE HERE'
    own_cell("double", "def helper(x):\n    return x + x")(work, place)
    own_cell("double", "def double(x):\n    return helper(x)")(work, place)


HELPED = """import functools

def twice(f):
    @functools.wraps(f)
    def inner(x):
        return f(x) + f(x)
    return inner
"""

ATTACKS = [
    honest("right", "Hands in the right answers", nothing),
    honest("untouched", "Hands in what it was given", untouched, (0, 0), written=0),
    honest("in-korean", "Works in Korean", in_korean),
    honest(
        "warns",
        "Warns on stderr in the cell and in every call",
        answers(
            double="import logging, sys, warnings\n"
            "warnings.warn('careful')\n"
            "print('경고', file=sys.stderr)\n"
            "def double(x):\n"
            "    warnings.warn('deprecated', DeprecationWarning)\n"
            "    logging.warning('twice')\n"
            "    print('twice', file=sys.stderr)\n"
            "    return 2 * x"
        ),
        says="경고",
    ),
    honest(
        "prints-a-lot",
        "Prints thousands of lines, in Korean too",
        answers(
            double="for n in range(5_000):\n"
            "    print(n, '줄')\n"
            "def double(x):\n"
            "    print(x)\n"
            "    return 2 * x"
        ),
    ),
    honest(
        "draws",
        "Draws a plot with Korean labels and displays a table",
        last(
            "%matplotlib inline\n"
            "import matplotlib.pyplot as plt\n"
            "from IPython.display import HTML, Markdown, display\n"
            "fig, ax = plt.subplots()\n"
            "ax.plot([1, 2], [2, 4], label='두 배')\n"
            "ax.legend()\n"
            "display(HTML('<table><tr><td>1</td></tr></table>'), Markdown('**굵게**'))\n"
            "plt.show()"
        ),
        says="image/png",
    ),
    honest(
        "draws-when-called",
        "Draws while it answers",
        answers(
            double="import matplotlib.pyplot as plt\n"
            "def double(x):\n"
            "    plt.plot([x, 2 * x])\n"
            "    plt.show()\n"
            "    return 2 * x"
        ),
    ),
    honest(
        "slow",
        "Takes half the time limit",
        answers(
            double="import time\ntime.sleep(1)\ndef double(x):\n    time.sleep(1)\n    return 2 * x"
        ),
        seconds=3,
    ),
    honest(
        "last-bit",
        "Gives floats that differ in the last bit",
        answers(
            double="def double(x):\n    return x * 2.0000000000000004",
            shares="shares = [0.1 + 0.2, 0.3, 0.4]",
        ),
    ),
    honest(
        "other-dtype",
        "Gives a tensor of another dtype and order",
        answers(
            gate="class Gate(torch.nn.Module):\n"
            "    def __init__(self, size, experts):\n"
            "        super().__init__()\n"
            "        weight = torch.zeros(experts, size, dtype=torch.float64).T\n"
            "        self.weight = torch.nn.Parameter(weight)\n"
            "    def forward(self, rows):\n"
            "        return (rows.double() @ self.weight).softmax(-1).T.contiguous().T"
        ),
    ),
    honest(
        "numpy-numbers",
        "Answers with numpy and torch numbers and arrays",
        answers(
            double="import numpy\ndef double(x):\n    return numpy.float64(2) * x",
            shares="shares = numpy.array([0.25, 0.75])",
            ranked="def ranked(numbers, k):\n    return numpy.argsort(-numpy.array(numbers))[:k]",
        ),
    ),
    honest(
        "tuples",
        "Answers with tuples where lists would do",
        answers(
            shares="shares = (0.25, 0.75)",
            ranked="def ranked(numbers, k):\n"
            "    return tuple(sorted(range(len(numbers)), key=numbers.__getitem__)[::-1][:k])",
        ),
    ),
    honest(
        "lambda-and-partial",
        "Writes functions as lambda, partial, callable object and bound method",
        answers(
            double="import functools, operator\ndouble = functools.partial(operator.mul, 2)",
            ranked="class Ranker:\n"
            "    def __call__(self, numbers, k):\n"
            "        return sorted(range(len(numbers)), key=lambda p: -numbers[p])[:k]\n"
            "ranked = Ranker().__call__",
        ),
    ),
    honest(
        "helpers",
        "Uses helpers, decorators and constants from cells of its own",
        all_of(
            own_cell("imports", HELPED),
            answers(double="@twice\ndef double(x):\n    return x"),
        ),
    ),
    honest(
        "split-answer",
        "Leaves the stub alone and answers in cells below",
        split_answer,
    ),
    honest("answers-last", "Saved the cells in another order", answers_last),
    honest("without-ids", "Comes from an editor that drops ids", without_ids),
    honest(
        "own-library-use",
        "Uses dataclasses, pickle, copy, typing and pathlib with classes of its own",
        answers(
            double="import copy, pickle\n"
            "from dataclasses import dataclass\n"
            "from pathlib import Path\n"
            "from typing import NamedTuple\n"
            "@dataclass\n"
            "class Number:\n"
            "    value: float\n"
            "class Pair(NamedTuple):\n"
            "    left: float\n"
            "    right: float\n"
            "def double(x):\n"
            "    number = pickle.loads(pickle.dumps(copy.deepcopy(Number(x))))\n"
            "    pair = Pair(number.value, number.value)\n"
            "    Path('kept.txt').write_text(repr(pair))\n"
            "    return eval(Path('kept.txt').read_text()).left * 2"
        ),
    ),
    honest(
        "magics",
        "Uses magics, shell lines and await",
        last(
            "%time x = 1\n"
            "%precision 3\n"
            "!echo shell works\n"
            "import asyncio\n"
            "await asyncio.sleep(0.01)\n"
            "get_ipython().run_line_magic('who', '')\n"
            "x"
        ),
        says="shell works",
    ),
    honest(
        "cell-magic",
        "Times a cell",
        answers(double="%%time\ndef double(x):\n    return 2 * x"),
    ),
    honest(
        "trains-a-little",
        "Trains a small network with several threads and a progress bar",
        last(
            "from tqdm.auto import tqdm\n"
            "torch.manual_seed(0)\n"
            "net = torch.nn.Sequential(\n"
            "    torch.nn.Linear(8, 32), torch.nn.ReLU(), torch.nn.Linear(32, 1))\n"
            "steps = torch.optim.AdamW(net.parameters())\n"
            "for step in tqdm(range(30)):\n"
            "    steps.zero_grad()\n"
            "    loss = net(torch.randn(64, 8)).square().mean()\n"
            "    loss.backward()\n"
            "    steps.step()\n"
            "print('trained', torch.get_num_threads() >= 1)"
        ),
        says="trained True",
    ),
    honest(
        "error-elsewhere",
        "Left a cell of its own that fails, before and after the answers",
        all_of(first("1 / 0"), own_cell("gate", "undefined_name"), last("def broken(:")),
        says="ZeroDivisionError",
    ),
    honest(
        "own-checks",
        "Tries the checks in a cell of its own, a failing one too",
        own_cell("double", "with check('mine'):\n    assert double(3) == 7\nreport()"),
    ),
    honest(
        "keeps-state",
        "Counts its calls and caches results",
        answers(
            double="import functools\n"
            "calls = 0\n"
            "@functools.lru_cache\n"
            "def double(x):\n"
            "    global calls\n"
            "    calls += 1\n"
            "    return 2 * x"
        ),
    ),
    honest(
        "sorts-in-place",
        "Changes its argument while it answers",
        answers(
            ranked="def ranked(numbers, k):\n"
            "    order = []\n"
            "    numbers = list(numbers)\n"
            "    for _ in range(k):\n"
            "        place = numbers.index(max(numbers))\n"
            "        order.append(place)\n"
            "        numbers[place] = float('-inf')\n"
            "    return order"
        ),
    ),
    honest(
        "reseeds",
        "Sets seeds, print options and default types",
        first(
            "import random, numpy, torch\n"
            "random.seed(1); numpy.random.seed(1); torch.manual_seed(1)\n"
            "numpy.set_printoptions(precision=2)\n"
            "torch.set_printoptions(precision=2)\n"
            "torch.set_num_threads(2)\n"
            "import warnings; warnings.simplefilter('ignore')"
        ),
    ),
    honest(
        "subprocesses",
        "Starts threads and processes and waits for them",
        answers(
            double="import subprocess, sys\n"
            "from concurrent.futures import ThreadPoolExecutor\n"
            "def double(x):\n"
            "    with ThreadPoolExecutor(2) as pool:\n"
            "        return sum(pool.map(float, [x, x]))\n"
            "print(subprocess.run([sys.executable, '-c', 'print(21 * 2)'], capture_output=True,\n"
            "                     text=True).stdout)"
        ),
        says="42",
    ),
    honest(
        "name-of-a-builtin",
        "Calls variables `list`, `sum` and `input` in a cell of its own",
        last("list = [1]\nsum = 3\ninput = 'a'\nmax = min = id = None"),
    ),
    honest(
        "main-guard",
        "Guards its demo with `__name__`, and asks for its file",
        last(
            "if __name__ == '__main__':\n    print('demo runs')\n"
            "import os\nprint(os.path.isdir(os.getcwd()))"
        ),
        says="demo runs",
    ),
    # Only partly right
    honest(
        "one-part-wrong",
        "Gets one of three parts wrong",
        answers(ranked="def ranked(numbers, k):\n    return list(range(k))"),
        (2, 2),
    ),
    honest(
        "one-part-fails",
        "Lets one of three parts fail with an exception",
        answers(gate="class Gate(torch.nn.Module):\n    pass"),
        (2, 2),
    ),
    honest(
        "one-part-open",
        "Leaves one part open",
        answers(shares="shares = None"),
        (2, 2),
    ),
    honest(
        "syntax-error",
        "Hands in an answer with a syntax error",
        answers(double="def double(x)\n    return 2 * x"),
        (0, 3),
        says="SyntaxError",
    ),
    honest(
        "form-wrong",
        "Returns too few places",
        answers(ranked="def ranked(numbers, k):\n    return []"),
        (2, 0),
    ),
]


def kinds(name, what, deserves=(2, 4, 2, 3), **sources):
    """Right work on the assignment in which values of every kind are asked for."""
    return honest(name, what, answers(**sources), deserves, assignment="kinds")


PAIR = """    chosen = sorted(range(len(numbers)), key=lambda n: -numbers[n])[:k]
    values = [numbers[n] for n in chosen]
"""

ATTACKS += [
    kinds("kinds-right", "Answers with plain values"),
    kinds(
        "fraction",
        "Answers with a Fraction",
        third="from fractions import Fraction\ndef third(x):\n    return Fraction(x, 3)",
    ),
    kinds(
        "decimal",
        "Answers with a Decimal",
        third="from decimal import Decimal\ndef third(x):\n    return Decimal(x) / 3",
    ),
    kinds(
        "numpy-scalar",
        "Answers with a numpy number of single precision where that is enough",
        third="import numpy\ndef third(x):\n    return numpy.float64(x) / numpy.float64(3)",
    ),
    kinds(
        "tensor-scalar",
        "Answers with a tensor of one number, in double precision",
        third="def third(x):\n    return torch.tensor(float(x), dtype=torch.float64) / 3",
    ),
    kinds(
        "own-int",
        "Answers with an int and a float of its own classes",
        third="class Own(float):\n    pass\ndef third(x):\n    return Own(x / 3)",
    ),
    kinds("generator", "Answers with a generator", steps="def steps(n):\n    yield from range(n)"),
    kinds("range", "Answers with a range", steps="def steps(n):\n    return range(n)"),
    kinds(
        "deque",
        "Answers with a deque",
        steps="from collections import deque\ndef steps(n):\n    return deque(range(n))",
    ),
    kinds(
        "dict-view",
        "Answers with the keys of a dict, and with its values",
        steps="def steps(n):\n    return {number: 0 for number in range(n)}.keys()",
        seen="def seen(words):\n    return dict.fromkeys(words).keys()",
    ),
    kinds(
        "reversed",
        "Answers with a reversed list",
        (2, 4, 2, 3),
        steps="def steps(n):\n    return list(reversed(range(n)))[::-1]",
    ),
    kinds(
        "reversed-object",
        "Answers with what `reversed`, `map` and `zip` return, made lists",
        steps="def steps(n):\n    return [one for one, in zip(map(int, reversed(range(n)[::-1])))]",
    ),
    kinds(
        "array",
        "Answers with an array and a bytearray",
        steps="from array import array\ndef steps(n):\n    return array('i', range(n))",
    ),
    kinds(
        "frozenset",
        "Answers with a frozenset",
        seen="def seen(words):\n    return frozenset(words)",
    ),
    kinds(
        "sorted-keys",
        "Answers with a sorted list where a set would do",
        seen="def seen(words):\n    return sorted(set(words))",
    ),
    kinds(
        "counter",
        "Answers with a Counter",
        counts="from collections import Counter\ndef counts(words):\n    return Counter(words)",
    ),
    kinds(
        "defaultdict",
        "Answers with a defaultdict",
        counts="from collections import defaultdict\n"
        "def counts(words):\n"
        "    found = defaultdict(int)\n"
        "    for word in words:\n        found[word] += 1\n"
        "    return found",
    ),
    kinds(
        "ordered-dict",
        "Answers with an OrderedDict and a mapping proxy",
        counts="import types\nfrom collections import OrderedDict\n"
        "def counts(words):\n"
        "    found = OrderedDict((word, words.count(word)) for word in words)\n"
        "    return types.MappingProxyType(found)",
    ),
    kinds(
        "own-dict",
        "Answers with a dict of its own class",
        counts="class Own(dict):\n    pass\n"
        "def counts(words):\n    return Own((word, words.count(word)) for word in words)",
    ),
    kinds(
        "numpy-values",
        "Answers with a dict of numpy numbers under numpy strings",
        counts="import numpy\n"
        "def counts(words):\n"
        "    return dict(zip(*numpy.unique(words, return_counts=True)))",
    ),
    kinds(
        "topk",
        "Answers with what `torch.topk` returns",
        top="def top(numbers, k):\n    return torch.topk(torch.tensor(numbers), k)",
    ),
    kinds("set", "Answers with a set", seen="def seen(words):\n    return set(words)"),
    kinds(
        "namedtuple",
        "Answers with a namedtuple",
        top="from collections import namedtuple\nTop = namedtuple('Top', 'values indices')\n"
        "def top(numbers, k):\n" + PAIR + "    return Top(values, chosen)",
    ),
    kinds(
        "typed-namedtuple",
        "Answers with a NamedTuple of tensors",
        top="from typing import NamedTuple\n"
        "class Top(NamedTuple):\n    values: torch.Tensor\n    indices: torch.Tensor\n"
        "def top(numbers, k):\n"
        + PAIR
        + "    return Top(torch.tensor(values), torch.tensor(chosen))",
    ),
    kinds(
        "dataclass-that-iterates",
        "Answers with a dataclass that can be unpacked",
        top="from dataclasses import dataclass\n"
        "@dataclass\nclass Top:\n    values: list\n    indices: list\n"
        "    def __iter__(self):\n        return iter((self.values, self.indices))\n"
        "def top(numbers, k):\n" + PAIR + "    return Top(values, chosen)",
    ),
    kinds(
        "error-subclass",
        "Raises a subclass of ValueError",
        parse="class NotANumber(ValueError):\n    pass\n"
        "def parse(text):\n"
        "    try:\n        return float(text)\n"
        "    except ValueError:\n        raise NotANumber(text) from None",
    ),
    kinds(
        "json-error",
        "Raises json's own error, which is a ValueError",
        parse="import json\ndef parse(text):\n    return json.loads(text)",
    ),
    kinds(
        "statistics-error",
        "Raises statistics' own error, which is a ValueError",
        parse="import re, statistics\n"
        "def parse(text):\n"
        "    return statistics.mean(map(float, re.findall(r'[\\d.]+', text)))",
    ),
    kinds(
        "unicode-error",
        "Raises UnicodeError, which is a ValueError",
        parse="def parse(text):\n"
        "    if text.isalpha():\n        text.encode('ascii').decode('utf-16')\n"
        "        raise UnicodeError\n"
        "    return float(text)",
    ),
    kinds(
        "partly",
        "Gets a part of nbgrader's own partial credit",
        (1, 4, 2, 1),
        third="def third(x):\n    return 3.0 if x == 9 else -9.0",
    ),
    kinds(
        "partly-nothing",
        "Gets nothing of it",
        (0, 4, 2, 0),
        third="def third(x):\n    return -99.0",
    ),
    honest(
        "kinds-untouched",
        "Hands in the other assignment as it was given",
        lambda work, place: (
            [find(work, name).update(source=source) for name, source in KINDS_STUBS.items()]
            and None
        ),
        (0, 0, 0, 0),
        assignment="kinds",
    ),
    # What costs one answer costs no other
    honest(
        "one-loops-for-ever",
        "Has one function that never ends, and all others right",
        answers(double="def double(x):\n    while True:\n        pass"),
        (0, 3),
        seconds=2,
    ),
    honest(
        "another-loops-for-ever",
        "Has another function that never ends",
        answers(
            ranked="def ranked(numbers, k):\n    while len(numbers) > 2:\n        pass\n"
            "    return [0]"
        ),
        (2, 2),
        seconds=2,
    ),
    honest(
        "one-ends-its-process",
        "Has one function that ends the process, and all others right",
        answers(double="import os\ndef double(x):\n    os._exit(1)"),
        (0, 3),
        seconds=2,
    ),
    honest(
        "double-precision",
        "Leaves the default type of tensors at double precision",
        first("import torch\ntorch.set_default_dtype(torch.float64)"),
    ),
    honest(
        "half-gradient",
        "Leaves gradients off and deterministic algorithms on",
        first(
            "import torch\ntorch.set_grad_enabled(False)\ntorch.use_deterministic_algorithms(True)"
        ),
    ),
    honest(
        "generator-of-shares",
        "Gives shares as a generator, a view and a set",
        answers(
            shares="shares = {'a': 0.25, 'b': 0.75}.values()",
            ranked="def ranked(numbers, k):\n"
            "    yield from sorted(range(len(numbers)), key=lambda n: -numbers[n])[:k]",
        ),
        deserves=(2, 3),
        or_less=True,
    ),
    honest(
        "fractions-of-shares",
        "Gives shares as fractions and decimals",
        answers(shares="from fractions import Fraction\nshares = [Fraction(1, 3)] * 3"),
    ),
    honest(
        "korean-names",
        "Names its functions, files and classes in Korean",
        answers(
            double="def 두배(수):\n    return 수 + 수\ndouble = 두배",
            essay="이유 = '두 배는 두 번입니다'\nwhy = 이유",
        ),
    ),
]


@pytest.mark.parametrize("attack", cases(ATTACKS))
def test_honest_students(attack, holds):
    holds(attack)
