"""A test cell sees the same value in a notebook, through `given`, and on the trusted side.

Each honest value is written as a Python expression, so that a real kernel and a real child
in a sandbox make it each for itself.
"""

import json
import os
import textwrap
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import given as for_all
from hypothesis import strategies as st
from jupyter_client.manager import start_new_kernel

from autograder.judge.rpc import RpcChannel
from autograder.sandbox.limits import SandboxLimits
from autograder.sandbox.zygote_client import ZygoteClient
from beyond.checks import given  # noqa: F401 - the code in DESCRIBE calls it

STUDENT = """
import array, collections, datetime, decimal, enum, fractions, io, itertools, json, math, os
import pathlib, statistics, time, types, zoneinfo
from collections import ChainMap, Counter, OrderedDict, UserDict, UserList, UserString
from collections import defaultdict, deque
from collections.abc import Mapping, MutableSet, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple
import numpy, numpy as np, torch

class Bar(NamedTuple):
    name: object
    low: object = 1.5

Pair = collections.namedtuple("Pair", "count index")

@dataclass
class Point:
    x: object
    y: object = 0

@dataclass(frozen=True)
class Frozen:
    x: object

@dataclass
class Row:
    name: object
    low: object = 2.0
    def __iter__(self):
        return iter((self.name, self.low))

class Money(float): pass
class Count(int): pass
class Name(str): pass
class Blob(bytes): pass
class Rows(list): pass
class Couple(tuple): pass
class Prices(dict): pass
class Names(set): pass
class Ratio(Fraction): pass
class Colour(enum.Enum):
    RED = "red"
    BLUE = (1, 2)
class Level(enum.IntEnum):
    LOW = 1
class Word(enum.StrEnum):
    YES = "yes"
class Flags(enum.Flag):
    A = 1
    B = 2

class Own(Sequence):
    def __init__(self, items): self.items = items
    def __len__(self): return len(self.items)
    def __getitem__(self, place): return self.items[place]

class OwnMap(Mapping):
    def __init__(self, items): self.items_ = items
    def __len__(self): return len(self.items_)
    def __iter__(self): return iter(self.items_)
    def __getitem__(self, key): return self.items_[key]

class Once:
    def __init__(self, items): self.items = items
    def __iter__(self): return iter(self.items)

class Old:
    def __init__(self, items): self.items = items
    def __len__(self): return len(self.items)
    def __getitem__(self, place): return self.items[place]

class Thing: pass
class Lying:
    __class__ = int
    def __len__(self): raise RuntimeError
    def __getattr__(self, name): raise RuntimeError(name)
class Broken:
    def __iter__(self): raise ZeroDivisionError("no values here")
class Deep:
    def __iter__(self): return iter([Deep()])
class TooSmall(ValueError): pass

def same(one):
    return one

def gen(items):
    yield from items

def failing():
    yield 1
    raise TooSmall("not so small")

def made(source):
    return eval(source, globals())
"""

DESCRIBE = '''
def described(value):
    """Type and value throughout, as text: no two different values have the same one."""
    import numpy, struct, torch
    kind = f"{type(value).__module__}.{type(value).__qualname__}"
    fields = {k: described(v) for k, v in vars(value).items()} if "plain" in kind else None
    if isinstance(value, float) and not isinstance(value, numpy.generic):
        inner = value.hex()
    elif isinstance(value, (set, frozenset)):
        inner = sorted(map(described, value))
    elif isinstance(value, (list, tuple)):
        inner = list(map(described, value))
    elif isinstance(value, dict):
        inner = [[described(k), described(v)] for k, v in value.items()]
    elif isinstance(value, (numpy.ndarray, numpy.generic)):
        inner = [value.dtype.str, value.shape, value.strides, value.tobytes().hex()]
    elif isinstance(value, torch.Tensor):
        raw = value.contiguous().reshape(-1).view(torch.uint8).tolist() if value.numel() else []
        inner = [str(value.dtype), list(value.shape), value.stride(), value.requires_grad, raw]
    else:
        inner = repr(value) if fields is None else ""
    return repr([kind, inner, fields, value_says(value)])


def value_says(value):
    """What plain Python says of it: truth and length."""
    found = []
    for ask in (bool, len):
        try:
            found.append(repr(ask(value)))
        except Exception as error:
            found.append(type(error).__name__)
    return found


def told(function, *arguments):
    try:
        return described(given(function(*arguments)))
    except Exception as error:
        return repr([type(error).__name__, str(error)])
'''
exec(DESCRIBE)

numbers = st.one_of(
    st.integers(-(10**30), 10**30).map(repr),
    st.sampled_from(
        [
            "0.1",
            "-0.0",
            "1e300",
            "math.nan",
            "math.inf",
            "-math.inf",
            "1j",
            "complex(-0.0,math.nan)",
        ]
    ),
    st.fractions().map(lambda one: f"Fraction({one.numerator}, {one.denominator})"),
    st.decimals(allow_nan=True).filter(lambda one: not one.is_snan()).map(repr),
    st.sampled_from(
        [
            "Money(2.5)",
            "Count(7)",
            "Level.LOW",
            "True",
            "Ratio(1,3)",
            "Decimal('1E+40')",
            "Decimal('-0.00')",
            "Flags.A|Flags.B",
            "numpy.float32(0.1)",
            "numpy.float64(1)",
            "numpy.int64(3)",
            "numpy.bool_(1)",
            "numpy.longdouble(1.5)",
            "numpy.uint8(200)",
            "numpy.complex64(1j)",
            "numpy.longlong(4)",
        ]
    ),
)
texts = st.one_of(
    st.text(max_size=5).map(repr),
    st.sampled_from(["Name('n')", "Word.YES", "Colour.RED", "UserString('u')", "numpy.str_('s')"]),
    st.sampled_from(["pathlib.Path('a/b')", "pathlib.PurePosixPath('/x')", "b'b'", "Blob(b'x')"]),
)
dates = st.one_of(
    st.dates().map(lambda one: repr(one)),
    st.datetimes().map(repr),
    st.timedeltas().map(repr),
    st.times().map(repr),
    st.sampled_from(
        [
            "datetime.datetime(2026, 11, 1, 1, 30, tzinfo=zoneinfo.ZoneInfo('Asia/Seoul'))",
            "datetime.datetime(2026, 1, 1, tzinfo=datetime.timezone.utc)",
            "datetime.time(1, tzinfo=datetime.timezone.utc)",
        ]
    ),
)
hashable = st.one_of(
    numbers,
    texts,
    dates,
    st.just("None"),
    st.tuples(numbers, texts).map(lambda two: f"({two[0]}, {two[1]})"),
    st.tuples(numbers, texts).map(lambda two: f"Bar({two[0]}, {two[1]})"),
    numbers.map(lambda one: f"frozenset([{one}])"),
    numbers.map(lambda one: f"Frozen({one})"),
)
made_whole = st.sampled_from(
    [
        "torch.topk(torch.arange(5.), 2)",
        "torch.max(torch.ones(2, 3), 1)",
        "torch.ones(2).cumsum(0)",
        "torch.nn.Parameter(torch.ones(2))",
        "torch.ones(2, requires_grad=True) * 2",
        "torch.Size([1])",
        "torch.sort(torch.tensor([2, 1]))",
        "torch.float16",
        "torch.ones(3, 2).T",
        "torch.zeros(0, 2)",
        "torch.ones(2, dtype=torch.bfloat16)",
        "torch.ones(2).to_sparse()",
        "torch.ones(2).conj()",
        "torch.ones(2, dtype=torch.cfloat).conj()",
        "torch.tensor(True)",
        "numpy.arange(6).reshape(2, 3).T",
        "numpy.array(['a', '한'])",
        "numpy.array([b'a'])",
        "numpy.array(['2026-01-01', 'NaT'], 'M8[D]')",
        "numpy.datetime64('2026-01-01T01')",
        "numpy.timedelta64(5, 's')",
        "numpy.dtype('f4')",
        "numpy.ma.array([1, 2], mask=[0, 1])",
        "numpy.ma.array([1.5, 2])",
        "numpy.matrix([[1, 2]])",
        "numpy.array([1, None], object)",
        "numpy.array([(1, 2.5)], 'i4,f8')",
        "numpy.array([(1, 2.5)], 'i4,f8')[0]",
        "numpy.array([(1, 'x')], [('n', 'i4'), ('t', 'U3')])",
        "numpy.array([[1]], numpy.longlong)",
        "numpy.zeros(2, '>f4')",
        "numpy.unique_counts(numpy.array([1, 1]))",
        "numpy.array(3)",
        "numpy.linalg.eig(numpy.eye(2))",
        "numpy.array([1.5], numpy.longdouble)",
        "numpy.void(b'ab')",
        "time.gmtime(0)",
        "os.stat_result(range(10))",
        "array.array('d', [1.5])",
        "bytearray(b'x')",
        "memoryview(b'abc')",
        "memoryview(array.array('i', [1, 2]))",
        "range(4)",
        "range(9, 0, -3)",
        "types.SimpleNamespace(a=1, b=[2])",
        "Colour.BLUE",
        "types.MappingProxyType({'a': 1})",
        "itertools.chain([1], [2])",
        "itertools.islice(itertools.count(), 4)",
        "map(str, range(3))",
        "filter(None, [0, 1])",
        "enumerate('ab')",
        "io.BytesIO(b'x')",
        "failing()",
        "Pair(1, 2)",
    ]
)
unfit = st.sampled_from(
    [
        "Thing()",
        "lambda: 1",
        "Thing",
        "itertools.count()",
        "math",
        "slice(1)",
        "...",
        "Lying()",
        "Broken()",
        "Deep()",
        "[Thing()]",
        "{'a': Thing()}",
        "{Thing(): 1}",
        "10**20000",
        "Colour",
        "Decimal('1E+99999')",
        "torch.nn.Linear(1, 1)",
        "torch.ones(2, device='meta')",
        "range(10**12)",
        "gen(iter(lambda: 1, 2))",
        "open(os.devnull)",
        "(_ for _ in itertools.repeat([0] * 99))",
        "[[]] * 2_000_000",
        "b'x' * 70_000_000",
        "numpy.zeros(10_000_000)",
        "torch.zeros(20_000_000)",
        "[7] * 1_000_000",
        "{2 ** 61 - 1, *[n * (2 ** 61 - 1) for n in range(99)]}",
    ]
)

ROWS = "[{}] ({},) Rows([{}]) Couple([{}]) deque([{}]) UserList([{}]) Own([{}]) Once([{}]) "
ROWS += "gen([{}]) iter([{}]) reversed([{}]) zip([{}]) tuple([{}]) Old([{}]) map(same,[{}]) "
ROWS += "dict.fromkeys('ab',{}).values() numpy.array([{}],object)"
MAPS = "{{{}}} Prices({{{}}}) defaultdict(int,{{{}}}) OrderedDict({{{}}}) UserDict({{{}}}) "
MAPS += "ChainMap({{{}}},{{'k':1}}) OwnMap({{{}}}) {{{}}}.items() {{{}}}.keys() "
MAPS += "types.MappingProxyType({{{}}})"
SETS = "{{{}}} frozenset([{}]) Names([{}]) dict.fromkeys([{}]).keys() Counter([{}])"


def nested(inner):
    return st.one_of(
        st.tuples(st.sampled_from(ROWS.split()), st.lists(inner, min_size=1, max_size=3)).map(
            lambda two: two[0].format(", ".join(two[1]))
        ),
        st.tuples(
            st.sampled_from(MAPS.split()), st.lists(st.tuples(hashable, inner), max_size=3)
        ).map(lambda two: two[0].format(", ".join(f"{key}: {one}" for key, one in two[1]))),
        st.tuples(st.sampled_from(SETS.split()), st.lists(hashable, min_size=1, max_size=3)).map(
            lambda two: two[0].format(", ".join(two[1]))
        ),
        st.tuples(st.sampled_from(["Bar", "Point", "Row", "Pair"]), inner, inner).map(
            lambda three: f"{three[0]}({three[1]}, {three[2]})"
        ),
    )


values = st.recursive(st.one_of(numbers, texts, dates, made_whole), nested, max_leaves=8)


@pytest.fixture(scope="module")
def kernel():
    root = Path(__file__).resolve().parents[3]
    paths = [str(root), str(root / "notebooks")]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    manager, client = start_new_kernel(kernel_name="python3", env=env)

    def run(source):
        said = []

        def hook(message):
            if message["msg_type"] == "stream" and message["content"]["name"] == "stdout":
                said.append(message["content"]["text"])
            if message["msg_type"] == "error":
                raise AssertionError("\n".join(message["content"]["traceback"]))

        client.execute_interactive(source, output_hook=hook, timeout=120)
        return "".join(said)

    run("from beyond.checks import given\nimport json\n" + DESCRIBE)
    run(STUDENT)
    yield lambda sources: json.loads(
        run(f"print(json.dumps([told(made, one) for one in json.loads({json.dumps(sources)!r})]))")
    )
    client.stop_channels()
    manager.shutdown_kernel(now=True)


@pytest.fixture(scope="module")
def channel(bubblewrap):
    imports = ("numpy", "torch", "beyond.checks")
    with (
        ZygoteClient(limits=SandboxLimits(), imports=imports, packages=("beyond",)) as parent,
        parent.fork() as child,
    ):
        found = RpcChannel(child.socket, call_seconds=60)
        assert found.run("c", STUDENT, 30, 1).error is None
        yield found


def both(kernel, channel, sources):
    here = [
        told(lambda one: channel.call("made", [one], {}), one)  # noqa: F821 - DESCRIBE defines it
        for one in sources
    ]
    for source, notebook, judged in zip(sources, kernel(sources), here, strict=True):
        assert notebook == judged, source


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@for_all(st.lists(values, min_size=8, max_size=25))
def test_a_value_is_the_same_in_a_notebook_and_in_grading(kernel, channel, sources):
    both(kernel, channel, sources)


def test_each_kind_once(kernel, channel):
    """The property above draws; this leaves none of them out."""
    kinds = [one for strategy in (made_whole, unfit) for one in strategy.elements]
    kinds += [one.format("1, 'a'") for one in ROWS.split()]
    kinds += [one.format("'a': 1, 2: 'b'") for one in MAPS.split()]
    both(kernel, channel, kinds)


def test_an_argument_is_what_it_is_in_a_notebook(channel):
    student = textwrap.dedent("""
        def kind(value):
            return type(value).__name__, repr(value)
        def use(names, queue, counts, groups, rows, bar):
            queue.popleft()
            groups["new"].append(1)
            return next(rows), sorted(names), list(queue), counts["none"], groups["new"], bar.low
    """)
    assert channel.run("c", student, 30, 1).error is None
    import collections
    import fractions

    Bar = collections.namedtuple("Bar", "name low")
    arguments = [
        {"b", "a"},
        collections.deque([1, 2], maxlen=5),
        collections.Counter("aab"),
        collections.defaultdict(list),
        (one for one in [7, 8]),
        Bar("x", fractions.Fraction(1, 3)),
    ]
    found = channel.call("use", arguments, {})
    assert found == (7, ["a", "b"], [2], 0, [1], fractions.Fraction(1, 3))
    for value in (frozenset([1]), range(3), collections.OrderedDict(a=1), fractions.Fraction(1, 2)):
        assert channel.call("kind", [value], {}) == (type(value).__name__, repr(value))
