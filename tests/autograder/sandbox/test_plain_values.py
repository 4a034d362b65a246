"""Honest values made plain, and what a hostile class can do about it: nothing to anybody else."""

import collections
import dataclasses
import enum
import itertools
import subprocess
import sys
import types
from collections import namedtuple
from decimal import Decimal
from fractions import Fraction

import numpy
import pytest
import torch

from autograder.sandbox import plain_values as plain_module
from autograder.sandbox import wire
from autograder.sandbox.plain_values import CannotCross, NamedRow, Record, fields_of, plain
from autograder.sandbox.wire import crossed, decode, encode

Bar = namedtuple("Bar", "name low")


@dataclasses.dataclass
class Point:
    x: object
    y: object = 0


@dataclasses.dataclass
class Line:
    start: object
    end: object

    def __iter__(self):
        return iter((self.start, self.end))


def test_a_namedtuple_keeps_its_names_and_stays_a_tuple():
    bar = crossed(Bar("a", Fraction(1, 3)))
    assert type(bar) is NamedRow and isinstance(bar, tuple)
    assert bar == ("a", Fraction(1, 3)) == Bar("a", Fraction(1, 3)) and bar != ("a", 1)
    assert (bar.name, bar[1]) == ("a", Fraction(1, 3)) and bar.low is bar[1]
    name, low = bar
    assert bar._fields == ("name", "low") and bar._asdict() == {"name": name, "low": low}
    assert (
        hash(bar) == hash(("a", Fraction(1, 3)))
        and repr(bar) == "Bar(name='a', low=Fraction(1, 3))"
    )
    assert {bar: 1}[("a", Fraction(1, 3))] == 1
    odd = crossed(namedtuple("Odd", "count index")(3, 4))
    assert (odd.count, odd.index) == (3, 4)


def test_a_dataclass_keeps_its_names_and_equals_one_of_its_own():
    point = crossed(Point(1, [Fraction(1, 2)]))
    assert type(point) is Record and (point.x, point.y) == (1, [Fraction(1, 2)])
    assert point == Point(1, [Fraction(1, 2)]) and Point(1, [Fraction(1, 2)]) == point
    assert crossed([Point(Point(1))]) == [Point(Point(1))] and point != Point(2)
    assert point != Line(1, [Fraction(1, 2)]) and point != 1
    with pytest.raises(TypeError):
        point[0]
    line = crossed(Line("a", 2))
    start, end = line
    assert (start, end) == (line.start, line.end) == ("a", 2) and line == Line("a", 2) != Line(
        "a", 3
    )


def test_results_of_libraries_keep_their_names():
    top = crossed(torch.topk(torch.arange(4.0), 2))
    values, indices = top
    assert top.values is values and top.indices is indices and indices.tolist() == [3, 2]
    (row,) = crossed(numpy.array([(1, 2.5)], [("n", "i4"), ("share", "f8")]))
    assert (row.n, row.share, row[1]) == (1, 2.5, 2.5) and row.n.dtype == "int32"
    counts = crossed(numpy.unique_counts(numpy.array([1, 1])))
    assert counts.counts.tolist() == [2]


def test_sequences_mappings_and_sets_keep_their_kind():
    assert type(crossed(collections.OrderedDict(a=1))) is dict
    moved = collections.OrderedDict(a=1, b=2)
    moved.move_to_end("a")
    assert list(crossed(moved)) == ["b", "a"]
    for value, kind in [
        ({1}, set),
        (frozenset([1]), frozenset),
        ((1,), tuple),
        ([1], list),
        (range(3), range),
    ]:
        assert type(crossed(value)) is kind and crossed(value) == value
    assert crossed({numpy.int64(3): 1, (1, Fraction(1, 2)): 2}) == {3: 1, (1, Fraction(1, 2)): 2}
    assert all(type(key) in (int, tuple) for key in crossed({numpy.int64(3): 1}))


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (object(), "a value of type object can't be graded: return a number"),
        ([lambda: 1], "type function"),
        ({object: 1}, "type type"),
        (
            itertools.count(),
            "an iterator with more than 1,000,000 values can't be graded: return a list",
        ),
        (iter(lambda: [0], 1), "more than 1,000,000 values"),
        (10**10_000, "so many digits"),
        (Decimal("1E+999999"), "so many digits"),
        (range(10**18), "more than 1,000,000 values"),
        (range(-(2**63), 2**63 - 1), "more than 1,000,000 values"),
        (numpy.zeros(1, "V3"), "an array of type |V3"),
        ({1j, numpy.array}, "type"),
        (numpy.broadcast_to(numpy.zeros(1), (10**8,)), "64 MB"),
        ((torch.zeros(1000, 1000) for _ in itertools.count()), "64 MB"),
        (type("a\nb\x1b[2J" + "c" * 500, (), {})(), "ab[2Jccc"),
    ],
    ids=lambda value: str(type(value).__name__),
)
def test_what_cannot_cross_says_so_in_one_sentence(value, says):
    with pytest.raises(CannotCross) as caught:
        crossed(value)
    message = str(caught.value)
    assert says in message and message.isprintable() and len(message) < 200
    again = CannotCross.read(message)
    assert (str(again), again.template, again.words) == (
        message,
        caught.value.template,
        caught.value.words,
    )


@pytest.mark.parametrize(
    "message", ["", "x", "a value of type " + "x" * 999 + " can't be graded", "{kind}", "\n"]
)
def test_any_other_message_is_no_sentence_of_ours(message):
    assert str(CannotCross.read(message)) == plain_module.UNFIT


def nest(depth):
    value = Fraction(1)
    for _ in range(depth):
        value = Point(value)
    return value


def test_depth_is_the_same_as_in_a_reply():
    assert decode(encode([1, "value", crossed(nest(wire.MAX_DEPTH - 1))]))
    for value in (nest(wire.MAX_DEPTH), nest(500)):
        with pytest.raises(CannotCross, match="deep"):
            crossed(value)
    ring = collections.UserList()
    ring.append(ring)
    with pytest.raises(CannotCross, match="deep"):
        crossed(ring)


class Meta(type):
    """A class that pretends to be another one."""

    def __hash__(cls):
        return hash(int)

    def __eq__(cls, other):
        return True

    def __instancecheck__(cls, instance):
        return True

    def __subclasscheck__(cls, subclass):
        return True


class Pretending(metaclass=Meta):
    pass


class Lying:
    __class__ = int

    def __eq__(self, other):
        return True

    __hash__ = None


class LyingTuple(tuple):
    _fields = ("real", "__class__", "x y", "", "__record__", "class", "e" * 10_000)

    def __getattr__(self, name):
        return self


class LyingDataclass:
    __dataclass_fields__ = {"x": 1}  # noqa: RUF012 - of the type that dataclasses have here


class NoEnd:
    def __iter__(self):
        return self

    def __next__(self):
        return [self]


class Growing(collections.abc.Sequence):
    def __len__(self):
        return 2**62

    def __getitem__(self, place):
        return place


class Odd(collections.abc.Mapping):
    def __iter__(self):
        return iter([1, [], Pretending()])

    def __len__(self):
        return -1

    def __getitem__(self, key):
        return Lying()


class Raising:
    def __iter__(self):
        raise KeyboardInterrupt


class Number(int):
    def __int__(self):
        return Lying()

    __index__ = __str__ = __int__


class Part(Fraction):
    @property
    def numerator(self):
        return Lying()


class Member(enum.Enum):
    ME = 1

    @property
    def value(self):
        return self


HOSTILE = [
    Pretending(),
    [Pretending()],
    {1: Pretending()},
    Lying(),
    [Lying()],
    LyingTuple((1,)),
    LyingDataclass(),
    NoEnd(),
    Growing(),
    Odd(),
    Raising(),
    [Number(5)],
    Part(1, 2),
    Member.ME,
    types.SimpleNamespace(**{"a b": 1, "__class__": 2}),
    types.SimpleNamespace(a=NoEnd()),
    Meta("M", (), {}),
    numpy.zeros(1).view(type("S", (numpy.ndarray,), {"dtype": 1})),
]


@pytest.mark.parametrize("value", HOSTILE, ids=lambda value: type(value).__name__)
def test_a_hostile_value_gives_plain_types_or_an_exception(value):
    try:
        found = crossed(value)
    except BaseException:  # its own doing, and its own loss
        return
    walk = [found]
    while walk:
        one = walk.pop()
        assert type(one) in (
            int,
            list,
            tuple,
            dict,
            str,
            NamedRow,
            Record,
            Fraction,
            float,
            numpy.ndarray,
            type(None),
        )
        if type(one) in (list, tuple, NamedRow):
            walk += list(one)
        if type(one) in (NamedRow, Record):
            walk += fields_of(one).values()
            assert all(name.isidentifier() and name[:2] != "__" for name in fields_of(one))


def test_arguments_keep_the_containers_that_functions_use():
    for value in (
        collections.deque([1], 4),
        collections.Counter("aab"),
        collections.defaultdict(list, a=[1]),
    ):
        made = plain(value, arguments=True)
        assert type(made) is type(value) and made == value
    assert plain(collections.deque([1], 4), arguments=True).maxlen == 4
    assert next(plain(iter([7]), arguments=True)) == 7
    assert type(plain(collections.defaultdict(lambda: 1), arguments=True)) is dict
    packed = wire.packed([iter([1]), collections.Counter("a")], arguments=True)
    with pytest.raises(wire.WireError, match="tag"):
        decode(packed.payload)  # never from the student's side
    rows, counts = decode(packed.payload, arguments=True)
    assert list(rows) == [1] and counts["b"] == 0


def test_the_conversion_needs_nothing_but_the_standard_library():
    source = (
        "import sys\nfrom autograder.sandbox.wire import crossed\nfrom fractions import Fraction\n"
        "assert crossed([Fraction(1, 2)]) == [Fraction(1, 2)]\n"
        "heavy = ('numpy', 'torch', 'IPython', 'nbformat', 'pandas')\n"
        "print([name for name in sys.modules if name in heavy])"
    )
    said = subprocess.run(
        [sys.executable, "-c", source], capture_output=True, text=True, check=True
    )
    assert said.stdout.strip() == "[]"
