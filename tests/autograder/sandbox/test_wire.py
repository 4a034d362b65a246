"""Plain values as bytes: what crosses comes out the same, and nothing else comes out at all."""

import dataclasses
import datetime
import enum
import math
import pathlib
import random
import socket
import struct
import sys
import threading
import time
from collections import Counter, OrderedDict, defaultdict, deque, namedtuple
from decimal import Decimal
from fractions import Fraction

import numpy
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from autograder.sandbox import wire
from autograder.sandbox.plain_values import NamedRow, Record
from autograder.sandbox.wire import Closed, TimedOut, WireError, decode, encode

NUMPY = [name for name, _size in wire._DTYPES if name != "bfloat16"]
TORCH = [name for name, _size in wire._DTYPES]


def same(a, b):
    """Equal in type and value throughout: 1 isn't True, 0.0 isn't -0.0, NaN is NaN."""
    if type(a) is not type(b):
        return False
    if type(a) in (Record, NamedRow):
        mine, theirs = vars(a), vars(b)
        return same(mine, theirs) and (type(a) is Record or same(tuple(a), tuple(b)))
    if isinstance(a, (set, frozenset)):
        return encode(a) == encode(b)
    if isinstance(a, Decimal):
        return a.as_tuple() == b.as_tuple()
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict):
        return same(list(a.items()), list(b.items()))
    if isinstance(a, float) and not isinstance(a, numpy.generic):
        return struct.pack("<d", a) == struct.pack("<d", b)
    if isinstance(a, complex) and not isinstance(a, numpy.generic):
        return same((a.real, a.imag), (b.real, b.imag))
    if isinstance(a, (numpy.ndarray, numpy.generic)):
        return (a.dtype, a.shape, a.tobytes()) == (b.dtype, b.shape, b.tobytes())
    if isinstance(a, torch.Tensor):
        flat = [one.contiguous().reshape(-1).view(torch.uint8).tolist() for one in (a, b)]
        return (a.dtype, a.shape) == (b.dtype, b.shape) and flat[0] == flat[1]
    return a == b


def minutes(count):
    return datetime.timezone(datetime.timedelta(minutes=count))


text = st.text(st.characters(exclude_categories=()), max_size=20)  # lone surrogates too
numbers = st.one_of(st.booleans(), st.integers(), st.floats(), st.integers(-(2**900), 2**900))
scalars = st.one_of(st.none(), numbers, st.complex_numbers(), text, st.binary(max_size=20))
exact = st.one_of(
    st.fractions(),
    st.decimals(allow_nan=True).filter(lambda one: not one.is_snan()),
    st.sampled_from([Decimal("-0"), Decimal("1E+9999"), Decimal("-Infinity"), Decimal("NaN7")]),
)
moments = st.one_of(
    st.dates(),
    st.datetimes(timezones=st.one_of(st.none(), st.integers(-800, 800).map(minutes))),
    st.times(),
    st.timedeltas(),
)
names = st.one_of(
    st.sampled_from(["x", "count", "index", "_a", "_fields"]), st.text("ab_", min_size=1)
)
names = names.filter(lambda one: one[:2] != "__" and one.isidentifier())


def rows(inner):
    """Named rows, some of whose fields are the row's own values."""
    fields = st.dictionaries(names, st.one_of(inner, st.integers(0, 2)), max_size=3)
    made = st.tuples(st.lists(inner, max_size=3), text, fields, st.booleans())
    return made.map(
        lambda four: NamedRow(
            four[0],
            four[1],
            {
                name: four[0][value]
                if four[3] and type(value) is int and 0 <= value < len(four[0])
                else value
                for name, value in four[2].items()
            },
        )
    )


keys = st.recursive(
    st.one_of(
        st.none(), numbers, st.complex_numbers(), text, st.binary(max_size=9), exact, moments
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(tuple), st.frozensets(inner, max_size=3), rows(inner)
    ),
    max_leaves=4,
)
numpy_arrays = st.sampled_from(NUMPY).flatmap(
    lambda name: arrays.arrays(name, arrays.array_shapes(min_dims=0, min_side=0, max_side=4))
)
tensors = st.tuples(
    st.integers(0, 6).flatmap(lambda n: st.binary(min_size=16 * n, max_size=16 * n)),
    st.sampled_from([name for name in TORCH if name != "bool"]),
).map(
    lambda made: (
        torch.tensor(list(made[0]), dtype=torch.uint8).view(getattr(torch, made[1])).reshape(-1, 1)
        if made[0]
        else torch.zeros(0, 3)
    )
)
values = st.recursive(
    st.one_of(
        scalars,
        numpy_arrays,
        numpy_arrays.filter(lambda a: a.size).map(lambda a: a.reshape(-1)[0]),
        tensors,
        st.lists(st.floats(), max_size=5),
        st.lists(st.integers(), max_size=5).map(tuple),
        exact,
        moments,
        st.builds(range, st.integers(-99, 99), st.integers(-99, 99), st.integers(1, 9)),
        st.sampled_from([numpy.dtype("f4"), numpy.dtype(bool), torch.bfloat16, torch.int64]),
        arrays.arrays(st.sampled_from(["<U3", "S2", "M8[D]", "m8[ns]", "U0"]), st.integers(0, 3)),
        st.integers(-99, 99).map(lambda one: numpy.datetime64(one, "D")),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.lists(inner, max_size=4).map(tuple),
        st.dictionaries(keys, inner, max_size=4),
        st.sets(keys, max_size=4),
        st.frozensets(keys, max_size=4),
        st.tuples(text, st.dictionaries(names, inner, max_size=3)).map(lambda two: Record(*two)),
        rows(inner),
    ),
    max_leaves=12,
)
generous = settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))


@generous
@given(values)
def test_what_crosses_comes_out_the_same(value):
    data = encode(value)
    assert same(decode(data), value)
    assert encode(decode(data)) == data
    assert same(decode(memoryview(bytearray(data))), value)


@pytest.mark.parametrize(
    "value",
    [
        math.nan,
        -math.nan,
        math.inf,
        -0.0,
        [math.nan, -0.0],
        (1, True),
        [True, False],
        [1, 2.0],
        complex(-0.0, math.nan),
        2**63 - 1,
        2**63,
        -(2**63),
        -(2**63) - 1,
        2**32767 - 1,
        [2**63, 1],
        (2**63,),
        [],
        (),
        {},
        "",
        b"",
        "\ud800",
        "\ud83d\ude00",
        "\0\r\n\u202e한글",
        {None: 1, True: 2, 2: 3, 0.5: 4, "s": 5, b"b": 6, (1, (None, "t")): 7},
        struct.unpack("<d", bytes.fromhex("010000000000f07f"))[0],  # a signalling NaN
    ],
    ids=lambda value: type(value).__name__,
)
def test_the_edges_of_python_values(value):
    assert same(decode(encode(value)), value)


@pytest.mark.parametrize("name", NUMPY)
def test_every_numpy_dtype(name):
    for value in (
        numpy.arange(6).astype(name).reshape(2, 3),
        numpy.arange(6).astype(name).reshape(2, 3).T,
        numpy.arange(9).astype(name)[::-2],
        numpy.zeros((0, 3), name),
        numpy.array(1, name),
        numpy.array(1, name)[()],
    ):
        found = decode(encode(value))
        assert same(found, value)
    found = decode(encode(numpy.arange(3).astype(name)))
    found[0] = 1  # its own memory, writable
    big = numpy.arange(3).astype(numpy.dtype(name).newbyteorder(">"))
    assert same(decode(encode(big)), numpy.arange(3).astype(name))


@pytest.mark.parametrize("name", TORCH)
def test_every_tensor_dtype(name):
    dtype = getattr(torch, name)
    for value in (
        torch.arange(6).to(dtype).reshape(2, 3),
        torch.arange(6).to(dtype).reshape(2, 3).T,
        torch.arange(9).to(dtype)[::2],
        torch.zeros((0, 3), dtype=dtype),
        torch.tensor(1).to(dtype),
    ):
        found = decode(encode(value))
        assert same(found, value)
        found.zero_()


def test_tensors_cross_as_detached_copies():
    layer = torch.nn.Linear(2, 2)
    conjugate = torch.ones(2, dtype=torch.cfloat).conj()
    found = decode(encode([layer.weight, layer.weight * 2, conjugate]))
    assert [type(one) for one in found] == [torch.Tensor] * 3
    assert not any(one.requires_grad for one in found)
    assert torch.equal(found[0], layer.weight)


def test_booleans_are_normalised():
    odd = numpy.array([0, 1, 2, 255], "uint8").view("bool")
    assert decode(encode(odd)).view("uint8").tolist() == [0, 1, 1, 1]
    assert decode(encode(torch.from_numpy(odd))).view(torch.uint8).tolist() == [0, 1, 1, 1]
    for whole in (numpy.zeros(4, bool), torch.zeros(4, dtype=torch.bool)):
        with pytest.raises(WireError, match="neither 0 nor 1"):
            decode(encode(whole)[:-1] + b"\2")


class Int(int):
    def __index__(self):
        raise AssertionError("a student's method ran")

    __int__ = __eq__ = __bool__ = __index__
    __hash__ = int.__hash__


class Float(numpy.float64):
    pass


class Text(str):
    pass


class Row(list):
    pass


class Sheet(numpy.ndarray):
    pass


class Lying:
    __class__ = int

    def __array__(self, *_args):
        raise AssertionError("a student's method ran")

    __eq__ = __float__ = __len__ = __iter__ = __index__ = __array__
    __array_interface__ = {  # noqa: RUF012 - numpy reads a dict here
        "data": (1, False),
        "shape": (9,),
        "typestr": "<f8",
        "version": 3,
    }


class Same(type):
    """A metaclass whose classes pretend to be int."""

    def __hash__(cls):
        return hash(int)

    def __eq__(cls, other):
        return True


class Colour(enum.IntEnum):
    RED = 1


@dataclasses.dataclass
class Data:
    a: int = 1


@pytest.mark.parametrize(
    "value",
    [
        Int(1),
        Float(1),
        Text("a"),
        Row(),
        Lying(),
        Same("Fake", (), {})(),
        [Same("Fake", (), {})()],
        Colour.RED,
        Data(),
        namedtuple("Point", "x")(1),
        OrderedDict(),
        defaultdict(int),
        Counter(),
        bytearray(b"a"),
        memoryview(b"a"),
        {Int(1)},
        iter([]),
        object(),
        int,
        deque(),
        len,
        lambda: 1,
        ...,
        type("D", (Decimal,), {})(1),
        type("F", (Fraction,), {})(1),
        sys,
        NotImplemented,
        slice(1),
        pathlib.PurePosixPath("a"),
        numpy.zeros(2).view(Sheet),
        numpy.ma.array([1]),
        numpy.array([object()]),
        numpy.array([{}, 1], object),
        numpy.zeros(2, "i4,f8"),
        numpy.longdouble(1),
        numpy.dtype("M8[D]"),
        numpy.dtype("i4,f8"),
        numpy.str_("a"),
        numpy.void(b"a"),
        torch.ones(2).to_sparse(),
        torch.ones(2, device="meta"),
        torch.Size([1]),
        torch.nn.Linear(1, 1),
        {Int(1): 1},
        {Text("a"): 1},
        {frozenset([Int(1)]): 1},
        {range(1): 1},
        {Fraction: 1},
        {numpy.float64(1): 1},
        [[{"a": (Int(1),)}]],
    ],
    ids=lambda value: type(value).__name__,
)
def test_nothing_but_exact_types_crosses(value):
    with pytest.raises(WireError) as caught:
        encode(value)
    assert "\n" not in str(caught.value)


def test_a_type_may_have_an_ugly_name():
    with pytest.raises(WireError) as caught:
        encode(type("a\nb\x1b[2J" + "c" * 500, (), {})())
    assert str(caught.value).isprintable() and len(str(caught.value)) < 150


def nested(depth, wrap=lambda inner: [inner]):
    value = 1.5
    for _ in range(depth):
        value = wrap(value)
    return value


@pytest.mark.parametrize("wrap", [lambda v: [v], lambda v: (v,), lambda v: {"k": v}])
def test_depth_is_capped(wrap):
    deepest = nested(wire.MAX_DEPTH, wrap)
    assert same(decode(encode(deepest)), deepest)
    with pytest.raises(WireError, match="deep"):
        encode(wrap(deepest))
    head = {list: b"l\1\0\0\0", tuple: b"u\1\0\0\0", dict: b"m\1\0\0\0N"}[type(deepest)]
    with pytest.raises(WireError, match="deep"):
        decode(head * 40_000 + b"N")


def test_a_deep_key_and_a_ring_are_too_deep():
    ring = []
    ring.append(ring)
    for value in (ring, {nested(40, lambda v: (v,)): 1}, {nested(900, lambda v: (v,)): 1}):
        with pytest.raises(WireError, match="deep"):
            encode(value)


def test_the_number_of_values_is_capped(monkeypatch):
    assert wire.MAX_NODES == 1_000_000
    monkeypatch.setattr(wire, "MAX_NODES", 20_000)
    assert len(decode(encode([1.0] * (wire.MAX_NODES - 1)))) == wire.MAX_NODES - 1
    assert len(decode(encode([None] * (wire.MAX_NODES - 1)))) == wire.MAX_NODES - 1
    bomb = []
    for _ in range(30):  # 2**30 lists, and only 30 objects
        bomb = [bomb, bomb]
    for value in (
        [1.0] * wire.MAX_NODES,
        (7,) * wire.MAX_NODES,
        [None] * wire.MAX_NODES,
        bomb,
        [numpy.zeros(1)] * (wire.MAX_NODES // wire.ARRAY_NODES),
    ):
        with pytest.raises(WireError, match="values"):
            encode(value)
    count = struct.pack("<I", wire.MAX_NODES)
    for data in (
        b"l" + count + b"N" * wire.MAX_NODES,
        b"e" + count + bytes(8 * wire.MAX_NODES),
        b"l" + count + b"S\5\0" * 300,
        b"m" + count + b"NN" * wire.MAX_NODES,
    ):
        with pytest.raises(WireError, match="values"):
            decode(data)


def test_the_number_of_bytes_is_capped(monkeypatch):
    monkeypatch.setattr(wire, "MAX_BYTES", 10_000)
    room = 10_000 - 5
    assert decode(encode(b"x" * room)) == b"x" * room
    for value in (
        b"x" * 9_996,
        "x" * 9_996,
        "한" * 3_400,
        [b"x" * 5_000] * 2,
        [1.0] * 1_250,
        numpy.zeros(1_251),
        torch.zeros(1_251, dtype=torch.double),
        [None] * 10_000,
        numpy.broadcast_to(numpy.zeros(1), (10**9, 10**9)),
        torch.zeros(1).expand(10**9, 10**9),
        {n: n for n in range(600)},
    ):
        with pytest.raises(WireError, match="bytes"):
            encode(value)
    with pytest.raises(WireError, match="10,000 bytes"):
        decode(bytes(10_001))


def test_ints_and_ranks_are_capped():
    with pytest.raises(WireError, match="int of more"):
        encode(2 ** (8 * wire.MAX_INT_BYTES))
    with pytest.raises(WireError, match="int of more"):
        decode(b"I" + struct.pack("<I", 4097) + bytes(4097))
    with pytest.raises(WireError, match="dimensions"):
        encode(numpy.zeros((1,) * 33))
    with pytest.raises(WireError, match="dimensions"):
        decode(b"A\5" + bytes([33]) + struct.pack("<33Q", *[1] * 33) + b"x")


def test_keys_that_collide_stay_outside():
    step = sys.hash_info.modulus
    colliding = {n * step: None for n in range(1, 500)}
    with pytest.raises(WireError, match="same hash"):
        encode(colliding)
    rows = b"".join(encode(key) + b"N" for key in colliding)
    with pytest.raises(WireError, match="same hash"):
        decode(b"m" + struct.pack("<I", len(colliding)) + rows)
    harmless = {2.0 ** (61 * n): n for n in range(-16, 17)} | {n: n for n in range(1_000)}
    assert same(decode(encode(harmless)), harmless)


def shape(*dims, tag=b"A", dtype=5, data=b""):
    return tag + bytes([dtype, len(dims)]) + struct.pack(f"<{len(dims)}Q", *dims) + data


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"?",
        b"\xff",
        b"i1234567",
        b"NN",
        b"s\4\0\0\0abc",
        b"s\1\0\0\0\xff",
        b"s\3\0\0\0\xed\xa0\x20",
        b"s\2\0\0\0\xc0\x80",
        b"b\xff\xff\xff\xffa",
        b"l\xff\xff\xff\xffN",
        b"u\2\0\0\0N",
        b"e\xff\xff\xff\xff",
        b"j\1\0\0\0",
        b"m\1\0\0\0N",
        b"m\2\0\0\0NNNN",
        b"m\2\0\0\0" + b"1N" + encode(1) + b"N",
        b"m\1\0\0\0l\0\0\0\0N",
        b"m\1\0\0\0" + shape(1, data=b"a") + b"N",
        b"m\1\0\0\0u\1\0\0\0m\0\0\0\0N",
        b"S",
        b"S\5",
        b"S\xff\1",
        b"S\16ab",
        b"A\16\1" + struct.pack("<Q", 1) + b"ab",
        shape(3, data=b"ab"),
        shape(2, data=b"abc"),
        shape(2**63),
        shape(2**32, 2**32),
        shape(2**63, 2),
        shape(2**64 - 1, 2**64 - 1),
        shape(0, 2**40),
        shape(0, 2**63, 2**63),
        shape(2**31, 2**31, 0),
        shape(2, dtype=10, data=b"abcd"),
        shape(1, dtype=200, data=b"a"),
        shape(2**63, tag=b"T"),
        shape(0, 2**63, tag=b"T"),
        shape(0, 2**40, tag=b"T", dtype=14),
        shape(3, tag=b"T", data=b"ab"),
        shape(1, tag=b"T", dtype=0, data=b"\2"),
    ],
    ids=repr,
)
def test_bytes_that_are_no_value(data):
    with pytest.raises(WireError) as caught:
        decode(data)
    assert str(caught.value).isprintable()


CORPUS = [
    encode(value)
    for value in (
        None,
        [True, 1, 2**80, 1.5, 1j, "é\ud800", b"\0"],
        {"a": [1, 2], (1, "b"): (1.0, 2.0)},
        [numpy.arange(6.0).reshape(2, 3), numpy.array([True]), numpy.int8(3)],
        (torch.ones(2, 3), torch.zeros(0, 2), torch.ones(2, dtype=torch.bfloat16)),
        [7, "call", "f", [[0.5] * 9, {"k": None}], {"dim": -1}, 2.5],
    )
]


def assert_value_or_wire_error(data):
    try:
        value, refusal = decode(data), None
    except WireError as error:
        value, refusal = None, str(error)
    if refusal is None:
        assert same(decode(encode(value)), value)
    else:
        assert refusal.isprintable()


@generous
@given(st.binary(max_size=200))
def test_random_bytes(data):
    assert_value_or_wire_error(data)


@generous
@given(
    st.lists(
        st.sampled_from(
            [bytes([tag]) for tag in wire._READERS]
            + [
                b"\0\0\0\0",
                b"\1\0\0\0",
                b"\2\0\0\0",
                b"\xff\xff\xff\xff",
                bytes(8),
                b"\1" + bytes(7),
                b"\5\1",
            ]
        ),
        max_size=30,
    ).map(b"".join)
)
def test_random_tags_and_counts(data):
    assert_value_or_wire_error(data)


def test_mutated_values():
    rng = random.Random(3)
    for _ in range(6_000):
        data = bytearray(rng.choice(CORPUS))
        for _ in range(rng.randint(1, 4)):
            at = rng.randrange(len(data) + 1)
            match rng.randrange(5):
                case 0 if at < len(data):
                    data[at] ^= 1 << rng.randrange(8)
                case 1 if at < len(data):
                    data[at] = rng.choice(b"\0\1\x7f\x80\xff" + bytes(wire._READERS))
                case 2:
                    del data[at : at + rng.randint(1, 8)]
                case 3:
                    data[at:at] = rng.randbytes(rng.randint(1, 8))
                case 4:
                    other = rng.choice(CORPUS)
                    data[at:] = other[rng.randrange(len(other)) :]
        assert_value_or_wire_error(bytes(data))


def test_every_prefix_is_an_error():
    for data in CORPUS:
        for end in range(len(data)):
            with pytest.raises(WireError):
                decode(data[:end])


def test_every_tag_is_in_the_documented_table():
    listed = {line[3] for line in wire.__doc__.splitlines() if line.startswith("| `")}
    assert listed == {chr(tag) for tag in wire._READERS}


# Frames


@pytest.fixture
def ends():
    one, other = socket.socketpair()
    with one, other:
        yield one, other


def soon(seconds=5.0):
    return time.monotonic() + seconds


def test_frames_follow_each_other(ends):
    one, other = ends
    for value in (None, [1, "run", "한"], {"a": 1.5}):
        wire.send_frame(one, value, soon())
    found = [wire.receive_frame(other, soon()) for _ in range(3)]
    assert found == [None, [1, "run", "한"], {"a": 1.5}]


def test_a_large_frame_needs_many_reads(ends):
    one, other = ends
    value = numpy.arange(1_000_000)
    sender = threading.Thread(target=wire.send_frame, args=(one, value))
    sender.start()
    found = wire.receive_frame(other, None)
    sender.join()
    assert same(found, value)


def test_waiting_ends_at_the_deadline(ends):
    one, other = ends
    with pytest.raises(TimedOut):
        wire.receive_frame(other, soon(0.05))
    with pytest.raises(TimedOut):
        wire.receive_frame(other, soon(-1))
    with pytest.raises(TimedOut):  # nobody reads, and the buffer is full
        wire.send_frame(one, b"x" * 10_000_000, soon(0.05))


def test_dripping_does_not_move_the_deadline(ends):
    one, other = ends
    stop = threading.Event()

    def drip():
        one.sendall(struct.pack("<I", 1_000_000))
        while not stop.wait(0.01):
            one.sendall(b"b")

    dripping = threading.Thread(target=drip)
    dripping.start()
    with pytest.raises(TimedOut):
        wire.receive_frame(other, soon(0.2))
    stop.set()
    dripping.join()


def test_the_other_side_is_gone(ends):
    one, other = ends
    one.sendall(struct.pack("<I", 100) + b"half a frame")
    one.close()
    with pytest.raises(Closed):
        wire.receive_frame(other, soon())
    with pytest.raises(Closed):
        wire.send_frame(other, b"x" * 1_000, soon())


def test_a_frame_over_the_limit_is_not_read(ends):
    one, other = ends
    one.sendall(struct.pack("<I", 2**32 - 1) + b"rest")
    with pytest.raises(WireError, match="4,294,967,295"):
        wire.receive_frame(other, soon())
    assert other.recv(100) == b"rest"
    wire.send_frame(one, "x" * 100, soon())
    with pytest.raises(WireError, match="50"):
        wire.receive_frame(other, soon(), limit=50)


def test_nothing_is_sent_of_what_cannot_cross(ends):
    one, other = ends
    with pytest.raises(WireError):
        wire.send_frame(one, [1, object()], soon())
    wire.send_frame(one, "next", soon())
    assert wire.receive_frame(other, soon()) == "next"


def test_descriptors_do_not_come_along(ends):
    import array
    import os

    one, other = ends
    before = len(os.listdir("/proc/self/fd"))
    payload = encode(1)
    rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [0, 0, 0]))
    one.sendmsg([struct.pack("<I", len(payload)) + payload], [rights])
    assert wire.receive_frame(other, soon()) == 1
    assert len(os.listdir("/proc/self/fd")) == before


def ascii_value(tag, text):
    return tag + struct.pack("<I", len(text)) + text


@pytest.mark.parametrize(
    "data",
    [
        b"F" + encode(1) + encode(0),
        b"F" + encode(2) + encode(4),
        b"F" + encode(1) + encode(-2),
        b"F" + encode(1.0) + encode(2),
        b"F" + encode(True) + encode(2),
        b"F" + b"F" * 5_000,
        *(
            ascii_value(b"q", one)
            for one in (
                b"",
                b"1e5",
                b"1E+99999",
                b"1E-99999",
                b"0x1",
                b" 1",
                b"1_0",
                b"9" * 10_001,
                b"nan",
                b"01",
                b"+1",
                b"1E+5\n",
                b"\xd9\xa1",
                b"1E+999999999999",
                b"-",
                b"Inf",
                b"NaN" + b"1" * 10_050,
            )
        ),
        *(
            ascii_value(b"t" + kind, one)
            for kind in (b"d", b"D", b"t", b"i", b"x")
            for one in (
                b"",
                b"2026",
                b"2026-02-30",
                b"20260101",
                b"99999-01-01",
                b"x" * 81,
                b"1 2",
                b"1 2 3 4",
                b"9" * 70,
                b"1 90000 0",
                b"2026-01-01T00:00:00+99:00",
                b"-1",
                b"2026-W01-1",
                b"24:00",
            )
        ),
        *(
            b"X" + ascii_value(b"", one) + struct.pack("<BQ", 1, 1) + bytes(64)
            for one in (
                b"<U0",
                b"<i8",
                b"|O",
                b"<U99999999",
                b"U5",
                b">U5",
                b"<M8[xx]",
                b"<M8[D",
                b"<M8[0D]",
                b"|V8",
                b"",
                b"O",
            )
        ),
        b"X" + ascii_value(b"", b"<U1") + struct.pack("<BQ", 1, 1) + b"\xff" * 4,
        b"X" + ascii_value(b"", b"<U1") + struct.pack("<BQQ", 2, 2**60, 2**60),
        b"x" + ascii_value(b"", b"<U1") + bytes(4),
        b"Dn\x0e",
        b"Dt\xff",
        b"Dx\0",
        b"D",
        b"r" + struct.pack("<3q", 0, 1, 0),
        b"r" + struct.pack("<3q", 0, 2**62, 1),
        b"h" + struct.pack("<I", 2) + encode(1) * 2,
        b"h" + struct.pack("<I", 1) + encode([1]),
        b"h\xff\xff\xff\xff",
        b"z" + struct.pack("<I", 2) + encode(1) + encode(1.0),
        b"h" + struct.pack("<I", 1) + encode({1}),
        b"R" + encode(1) + bytes(4),
        b"R" + encode("n") + struct.pack("<I", 2**31),
        *(
            b"R" + encode("n") + struct.pack("<I", 1) + encode(one) + b"N"
            for one in ("__class__", "__record__", "", "a b", 1, "x" * 201, "é\ud800", "__init__")
        ),
        b"R" + encode("n") + struct.pack("<I", 2) + (encode("a") + b"N") * 2,
        b"R" + encode("n" * 201) + bytes(4),
        b"p" + encode("n") + bytes(4) + struct.pack("<I", 1) + encode("a") + b"@" + bytes(4),
        b"p" + encode("n") + bytes(4) + struct.pack("<I", 1) + encode("a") + b"?N",
        b"p" + encode("n") + b"\xff" * 4,
        *(
            b"w" + one
            for one in (b"", b"x", b"qN", b"oN", b"c" + encode([1]), b"d" + encode(({}, 99)))
        ),
        b"o" + struct.pack("<I", 1) + b"N",
        b"wo" * 5_000,
        b"R" * 5_000,
        b"p" * 5_000,
        b"wqu" * 5_000,
        *(
            (b"R" + encode("n") + struct.pack("<I", 1) + encode("a")) * 40 + b"N",
            (b"p" + encode("n") + struct.pack("<I", 1)) * 40 + b"N",
            (b"z" + struct.pack("<I", 1)) * 40 + b"N",
        ),
    ],
)
def test_a_malformed_value_of_the_newer_kinds_is_refused(data):
    with pytest.raises(WireError):
        decode(data)
    if data[:1] != b"o":
        with pytest.raises(WireError):
            decode(data, arguments=True)


def test_sets_of_keys_that_collide_stay_outside():
    step = sys.hash_info.modulus
    colliding = {Fraction(n * step) for n in range(1, 200)}
    for value in (colliding, frozenset(colliding), {frozenset(colliding): 1}):
        with pytest.raises(WireError, match="same hash"):
            encode(value)
    parts = sorted(encode(one) for one in colliding)
    with pytest.raises(WireError, match="same hash"):
        decode(b"h" + struct.pack("<I", len(parts)) + b"".join(parts))


def test_a_row_shares_what_has_a_place_and_a_name():
    inner = ["x"] * 3
    for _ in range(20):  # 2**20 lists, were each named value written twice
        inner = NamedRow([inner], "Row", {"inner": inner})
    found = decode(encode(inner))
    assert found.inner is found[0] and len(encode(inner)) < 2_000
