"""Encode plain values as bytes: all that passes between the sandbox and the trusted side.

A frame is a little-endian u32 length and that many bytes of payload. A payload is one value:
one byte of tag, then what the table says. Numbers are little-endian; `n` is a u32 count.

| tag | value          | after the tag                                             |
|-----|----------------|-----------------------------------------------------------|
| `N` | None           | nothing                                                   |
| `1` | True           | nothing                                                   |
| `0` | False          | nothing                                                   |
| `i` | int of 64 bits | 8 bytes, signed                                           |
| `I` | larger int     | n, then n bytes, signed, at most `MAX_INT_BYTES`          |
| `d` | float          | 8 bytes, IEEE 754                                         |
| `c` | complex        | two floats                                                |
| `s` | str            | n, then n bytes of UTF-8; lone surrogates as three bytes  |
| `b` | bytes          | n, then n bytes                                           |
| `l` | list           | n, then n values                                          |
| `u` | tuple          | n, then n values                                          |
| `m` | dict           | n, then n times a key and a value, in the dict's order    |
| `j` | list of ints   | n, then n times 8 bytes, signed                           |
| `k` | tuple of ints  | the same                                                  |
| `e` | list of floats | n, then n times 8 bytes                                   |
| `f` | tuple of floats| the same                                                  |
| `S` | numpy scalar   | dtype, then the number's bytes                            |
| `A` | numpy array    | dtype, one byte of rank, a u64 a dimension, data in C order|
| `T` | torch tensor   | the same                                                  |
| `X` | numpy array of | dtype as text of numpy's (`<U5`, `|S3`, `<M8[D]`): n and n|
|     | text or dates  | bytes; then rank, dimensions and data as `A`              |
| `x` | the same, scalar| dtype as text, data (dates only: text is `s` or `b`)     |
| `D` | dtype          | `n` or `t` for numpy's or torch's, dtype                  |
| `F` | Fraction       | numerator and denominator, two ints in lowest terms       |
| `q` | Decimal        | n, then n bytes: what `str` makes of it                   |
| `t` | date and time  | one byte: date, datetime, time or timedelta; n, n bytes   |
| `h` | set            | n, then n values in the order of their bytes              |
| `z` | frozenset      | the same                                                  |
| `r` | range          | start, stop and step, 8 bytes each, signed                |
| `R` | Record         | its class's name, a str; n; n times a name, a str, a value|
| `p` | NamedRow       | its class's name; n values; n times a name, then a byte   |
|     |                | and either `@` and a u32, the value's place in the row, or|
|     |                | `=` and a value of its own                                |
| `o` | iterator       | n, then n values                                          |
| `w` | container      | one byte, a value: a deque as (list, maximum length), an  |
|     |                | OrderedDict or Counter as dict, a defaultdict as (dict,   |
|     |                | place of its factory in `plain.FACTORIES`)                     |
| `P` | pandas' table, | `f`, `s` or `i` for DataFrame, Series and Index; n, n bytes |
|     | column or index| of Arrow's IPC stream (`autograder.sandbox.tables`)       |
| `G` | Reference      | one byte, `h` or `f` and a u32, the number of a handle or |
|     |                | function; or `l` and the name of what a library has, a str|

A dtype is one byte, its place in `_DTYPES`. Keys and what is in a set are None, booleans,
numbers, strings, bytes, dates, and tuples, frozensets and records of these. Iterators,
containers and references are sent as arguments of calls, never as results.

Most operations on a student's object are short, and a frame may hold one in fewer values:

| byte | frame        | after the byte                                                        |
|------|--------------|-----------------------------------------------------------------------|
| 1    | an operation | u64 sequence, float seconds, then a byte each: its place in a list    |
|      |              | that both sides have, 1 if handles may come back, how many values;    |
|      |              | then a u16 count and that many u32, handles of no use; the values     |
| 2    | its value    | u64 sequence, the value                                               |
| 3    | its handle   | u64 sequence, u32 number, a byte each (0 or 1): is it a class, can it |
|      |              | be called; a list of names                                            |

Only exact types cross: an instance of a student's `class I(int)` does not. Before, `packed`
turns what a student's value is into these (`autograder.sandbox.plain_values`). Arrays arrive in C
order and native byte order, tensors as detached copies on the CPU (an `nn.Parameter` as a plain
tensor). What arrives is made of the types above and nothing else: nothing is imported by name,
nothing called, nothing executed.
"""

from __future__ import annotations

import datetime
import math
import re
import socket
import struct
import sys
import time
from array import array
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any, Literal

from autograder.sandbox import tables
from autograder.sandbox.plain_values import (
    ARRAY_NODES,
    FACTORIES,
    MAX_BYTES,
    MAX_DEPTH,
    MAX_FIELDS,
    MAX_NODES,
    TOO_LONG,
    UNFIT,
    CannotCross,
    NamedRow,
    Record,
    fields_of,
    is_field,
    is_key,
    name_of,
    plain,
    type_name,
)
from autograder.sandbox.references import LIBRARY, Reference

MAX_INT_BYTES = 4096
"""The most bytes an int may have (9,864 digits)."""

MAX_DIGITS = 10_000
"""The most digits of a Decimal, and the largest exponent: 1E+999999 + 1 takes a million digits."""

MAX_RANK = 32
"""The most dimensions of an array."""

MAX_SAME_HASH = 64
"""How many keys of a dict may share a hash: thousands of them take Python hours to tell apart.

Honest keys share one by chance at most; floats that differ by factors of 2**61 come to 33.
"""

_CHUNK = 256 * 1024  # bytes read at a time: memory grows with what came, not with what was claimed

# (name, bytes a number); bfloat16 is torch's alone.
_DTYPES = (
    ("bool", 1),
    ("int8", 1),
    ("int16", 2),
    ("int32", 4),
    ("int64", 8),
    ("uint8", 1),
    ("uint16", 2),
    ("uint32", 4),
    ("uint64", 8),
    ("float16", 2),
    ("float32", 4),
    ("float64", 8),
    ("complex64", 8),
    ("complex128", 16),
    ("bfloat16", 2),
)
_DTYPE_CODES = {name: code for code, (name, _size) in enumerate(_DTYPES)}
_TORCH_ONLY = "bfloat16"

_TEXT_DTYPE = re.compile(r"<U(\d{1,8})|\|S(\d{1,8})|<[mM]8(\[(\d{1,9})?[A-Za-z]{1,2}\])?")
_DECIMAL = re.compile(r"-?(\d+(\.\d+)?(E[+-]\d{1,5})?|Infinity|s?NaN\d*)")
_DATES: dict[int, Any] = {
    ord("d"): datetime.date,
    ord("D"): datetime.datetime,
    ord("t"): datetime.time,
    ord("i"): datetime.timedelta,
}
_CONTAINERS = {ord("q"): deque, ord("o"): OrderedDict, ord("c"): Counter, ord("d"): defaultdict}

_REPLY_NODES = 16
_REPLY_BYTES = 1024
"""What a frame may hold beside the packed value in it."""

_U32 = struct.Struct("<I")
_INT = struct.Struct("<q")
_FLOAT = struct.Struct("<d")
_COMPLEX = struct.Struct("<dd")
_LEAST, _MOST = -(2**63), 2**63 - 1


class WireError(Exception):
    """A value that can't cross, or bytes that aren't a value; the message is one line."""


class TooLong(WireError):
    """A number with too many digits."""


class TimedOut(WireError):
    """The other side didn't read or answer in time."""


class Closed(WireError):
    """The other side is gone."""


def encode(value: object, *, arguments: bool = False) -> bytes:
    """Return `value` as a payload; the same value always gives the same bytes.

    Args:
        value: of the types in the table.
        arguments: whether there may be in it what only a call's arguments may have.

    Raises:
        WireError: something in it is of a type that doesn't cross, or it is over a limit.
    """
    writer = _Writer(arguments)
    writer.value(value, 0)
    return bytes(writer.out)


class Packed:
    """A payload that goes into a frame as it is.

    Attributes:
        payload: the value's bytes.
        nodes: how many values it has, counted against `MAX_NODES`.
    """

    def __init__(self, payload: bytes, nodes: int) -> None:
        self.payload = payload
        self.nodes = nodes


Refer = Callable[[Any], "Reference | None"]
"""Return what a value is referred to as; None for one that has to cross by value."""

Resolve = Callable[[Reference], Any]
"""Return what a reference stands for."""


def packed(value: object, *, arguments: bool = False, refer: Refer | None = None) -> Packed:
    """Return `value` ready for a frame, as a plain value where it isn't one.

    Args:
        value: of any type.
        arguments: whether it goes to the student's side (see `plain`).
        refer: finds references for what has no plain form, in arguments only.

    Raises:
        CannotCross: it has no plain form, or is over a limit.
        BaseException: whatever a method of the value's own class raises.
    """
    try:
        return _packed(value, refer is not None)  # most values are plain
    except WireError:
        pass
    made = plain(value, arguments=arguments, refer=refer)
    try:
        return _packed(made, arguments)
    except TooLong:
        raise CannotCross(TOO_LONG) from None
    except WireError:
        raise CannotCross(UNFIT) from None


def _packed(value: object, arguments: bool) -> Packed:
    writer = _Writer(arguments)
    writer.value(value, 1)
    writer.leave_room(_REPLY_NODES, _REPLY_BYTES)
    return Packed(bytes(writer.out), writer.nodes)


def packed_exactly(value: object) -> Packed | None:
    """Return `value` ready for a frame if it is of the types that cross and nothing else."""
    try:
        return _packed(value, False)
    except WireError:
        return None


def crossed(value: object) -> Any:
    """Return what arrives on the trusted side when `value` is sent there.

    Raises:
        CannotCross, BaseException: as `packed`.
    """
    kind = type(value)
    if kind is float or kind is bool or value is None:
        return value
    return decode(packed(value).payload)


def decode(
    data: bytes | bytearray | memoryview,
    *,
    arguments: bool = False,
    resolve: Resolve | None = None,
) -> Any:
    """Return the value of a payload.

    Args:
        data: the payload, from an untrusted side.
        arguments: whether there may be iterators and containers in it, as in a call's arguments.
        resolve: what stands in place of a reference in arguments; left out, there may be none.

    Raises:
        WireError: whatever is wrong with the bytes; there is no other outcome.
    """
    view = memoryview(data)
    if not view.c_contiguous:
        raise WireError("the bytes of a value must lie side by side")
    view = view.cast("B")
    if len(view) > MAX_BYTES:
        raise WireError(f"a value may have {MAX_BYTES:,} bytes, not {len(view):,}")
    reader = _Reader(view, arguments, resolve)
    value = reader.value(0)
    reader.check_end()
    return value


def send_frame(sock: socket.socket, value: object, deadline: float | None = None) -> None:
    """Send a value, whole, before `deadline` (a `time.monotonic()`, in seconds; None: wait).

    Raises:
        TimedOut: the other side didn't take it in time; the stream is of no use any more.
        Closed: the other side is gone.
        WireError: the value can't cross; nothing was sent.
    """
    send_payload(sock, encode(value), deadline)


def send_payload(
    sock: socket.socket, payload: bytes | bytearray, deadline: float | None = None
) -> None:
    """Send what `encode` has returned, as `send_frame` does."""
    try:
        _set_timeout(sock, _left(deadline))
        sock.sendall(_U32.pack(len(payload)) + payload)
    except TimeoutError:
        raise TimedOut("the other side did not read in time") from None
    except OSError as error:
        raise Closed(f"the other side is gone ({error.strerror or 'no reason given'})") from None


def receive_frame(
    sock: socket.socket,
    deadline: float | None = None,
    limit: int = MAX_BYTES,
    *,
    arguments: bool = False,
    resolve: Resolve | None = None,
) -> Any:
    """Return the next value, if all of it comes in time.

    Args:
        sock: a stream socket; its timeout is changed.
        deadline: as in `send_frame`.
        limit: the most bytes its payload may have.
        arguments: as in `decode`.
        resolve: as in `decode`.

    Raises:
        TimedOut, Closed: as `send_frame`.
        WireError: the frame is longer than `limit` (nothing of it was read) or no value.
    """
    (length,) = _U32.unpack(_receive(sock, _U32.size, deadline))
    if length > min(limit, MAX_BYTES):
        raise _longer_than_allowed(length, limit)
    return decode(_receive(sock, length, deadline), arguments=arguments, resolve=resolve)


@dataclass(slots=True)
class Operation:
    """A short request (see the second table above).

    Attributes:
        sequence: of the request.
        seconds: the longest that it may take.
        code: the operation's place in a list that both sides have.
        handles: whether what isn't plain may come back as a handle.
        released: handles that are of no use any more.
        args: of the operation; references in place of objects.
    """

    sequence: int
    seconds: float
    code: int
    handles: bool
    released: list[int]
    args: list[Any]

    def encoded(self) -> bytes:
        """Return it as a payload.

        Raises:
            WireError: it can't be sent like this.
        """
        args, released = self.args, self.released
        if len(args) > 255 or len(released) > 65_535:
            raise WireError("an operation with so many values can't cross in short")
        writer = _Writer(arguments=True)
        writer.out += _OPERATION.pack(
            *(_IS_OPERATION, self.sequence, self.seconds, self.code, self.handles),
            *(len(args), len(released)),
        )
        if released:
            writer.out += struct.pack(f"<{len(released)}I", *released)
        for one in args:
            writer.value(one, 1)
        return bytes(writer.out)

    @classmethod
    def decoded(cls, content: memoryview, resolve: Resolve) -> Operation:
        """Return what a payload says.

        Raises:
            WireError: it isn't one.
        """
        reader = _Reader(content, True, resolve)
        _tag, sequence, seconds, code, handles, count, dropped = _OPERATION.unpack(
            reader.take(_OPERATION.size)
        )
        released = struct.unpack(f"<{dropped}I", reader.take(4 * dropped)) if dropped else ()
        args = [reader.value(1) for _ in range(count)]
        reader.check_end()
        return cls(sequence, seconds, code, bool(handles), list(released), args)


def is_plain_kind(kind: type) -> bool:
    """Return whether values of this type may cross by value; for most that don't, at once."""
    return kind in _PLAIN_KINDS or kind.__module__.partition(".")[0] in _PLAIN_MODULES


_PLAIN_KINDS = frozenset(
    {type(None), bool, int, float, complex, str, bytes, list, tuple, dict, set, frozenset, range}
    | {Record, NamedRow, Fraction, Decimal, *_DATES.values()}
)
_PLAIN_MODULES = frozenset({"numpy", "torch", "pandas"})


def encode_answer(sequence: int, value: object) -> bytes:
    """Return the reply to a short request that comes to a value of the types that cross exactly.

    Raises:
        WireError: it is no such value.
    """
    writer = _Writer()
    writer.out += _ANSWER.pack(_IS_ANSWER, sequence)
    writer.value(value, 1)
    return bytes(writer.out)


def encode_handle(sequence: int, words: list[Any]) -> bytes:
    """Return the reply to a short request that comes to a handle: its number, and what it is."""
    number, is_class, is_callable, names = words
    writer = _Writer()
    writer.out += _HANDLE.pack(_IS_HANDLE, sequence, number, is_class, is_callable)
    writer.value(names, 1)
    return bytes(writer.out)


def decode_answer(content: memoryview) -> list[Any]:
    """Return what a short reply says: its sequence, "value" and one, or "handle" and what it is.

    Raises:
        WireError: it isn't one.
    """
    reader = _Reader(content, False)
    if content[0] == _IS_ANSWER:
        _tag, sequence = _ANSWER.unpack(reader.take(_ANSWER.size))
        found = [sequence, "value", reader.value(1), {}]
    elif content[0] == _IS_HANDLE:
        _tag, sequence, number, is_class, is_callable = _HANDLE.unpack(reader.take(_HANDLE.size))
        if is_class > 1 or is_callable > 1:
            raise WireError("a byte is neither 0 nor 1")
        names = reader.value(1)
        found = [sequence, "handle", number, is_class == 1, is_callable == 1, names, {}]
    else:
        raise WireError("this is no short reply")
    reader.check_end()
    return found


_OPERATION = struct.Struct("<BQdBBBH")
_ANSWER = struct.Struct("<BQ")
_HANDLE = struct.Struct("<BQIBB")
_IS_OPERATION, _IS_ANSWER, _IS_HANDLE = 1, 2, 3


class Frames:
    """What comes over one socket that nobody else reads from, read in as few calls as there can be.

    Args:
        sock: a stream socket; its timeout is changed.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._rest = bytearray()

    def receive(
        self,
        deadline: float | None = None,
        limit: int = MAX_BYTES,
        *,
        arguments: bool = False,
        resolve: Resolve | None = None,
        short: Callable[[memoryview], Any] | None = None,
    ) -> Any:
        """Return the next value, as `receive_frame` does.

        Args:
            deadline: as in `send_frame`.
            limit: the most bytes its payload may have.
            arguments: as in `decode`.
            resolve: as in `decode`.
            short: reads a short frame; left out, there may be none.
        """
        found = self._rest or _receive(self._socket, _U32.size, deadline, _MORE)
        found = self._read(_U32.size, found, deadline)
        (length,) = _U32.unpack_from(found)
        if length > min(limit, MAX_BYTES):
            raise _longer_than_allowed(length, limit)
        end = _U32.size + length
        found = self._read(end, found, deadline)
        self._rest = found[end:]
        content = memoryview(found)[_U32.size : end]
        if short is not None and length and content[0] <= _IS_HANDLE:
            return short(content)
        return decode(content, arguments=arguments, resolve=resolve)

    def _read(self, size: int, found: bytearray, deadline: float | None) -> bytearray:
        """Return what has been read so far with what follows, this size or a little more."""
        if len(found) < size:
            found += _receive(self._socket, size - len(found), deadline, _MORE)
        return found


def _longer_than_allowed(length: int, limit: int) -> WireError:
    return WireError(f"a value of {length:,} bytes was announced; {limit:,} are allowed")


_MORE = 4096  # bytes; most frames come whole with the first call


def _receive(sock: socket.socket, size: int, deadline: float | None, more: int = 0) -> bytearray:
    """Return so many bytes, or up to so many more if they have come."""
    found = bytearray()
    while len(found) < size:
        try:
            _set_timeout(sock, _left(deadline))
            part = sock.recv(min(size - len(found) + more, _CHUNK))
        except TimeoutError:
            raise TimedOut("the other side did not answer in time") from None
        except OSError as error:
            raise Closed(f"the other side is gone ({error.strerror or 'closed'})") from None
        if not part:
            raise Closed("the other side closed the connection")
        found += part
    return found


def _set_timeout(sock: socket.socket, left: float | None) -> None:
    """Let the socket's next call take this long, or up to a twentieth less.

    Setting it is a system call of its own, which the many short requests of a test needn't make.
    """
    now = sock.gettimeout()
    if left is None:
        if now is not None:
            sock.settimeout(None)
    elif now is None or not 0.95 * left <= now <= left:
        sock.settimeout(left)


def _left(deadline: float | None) -> float | None:
    if deadline is None:
        return None
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def _too_many() -> WireError:
    return WireError(f"more than {MAX_NODES:,} values can't cross at once")


def _too_large() -> WireError:
    return WireError(f"a value of more than {MAX_BYTES:,} bytes can't cross")


class _Writer:
    """A payload in the making."""

    def __init__(self, arguments: bool = False) -> None:
        self.out = bytearray()
        self.nodes = 0
        self._arguments = arguments

    def leave_room(self, nodes: int, size: int) -> None:
        """Raise an error unless so much more would fit."""
        self._count(nodes)
        self.nodes -= nodes
        self._check_size(size)

    def value(self, value: Any, depth: int) -> None:
        """Append one value. The order of the questions is that of how often they are asked."""
        self.nodes += 1
        if self.nodes > MAX_NODES:
            raise _too_many()
        kind, out = type(value), self.out
        if kind is float:
            out += b"d" + _FLOAT.pack(value)
        elif kind is int:
            self._int(value)
        elif kind is str:
            content = value.encode("utf-8", "surrogatepass")
            if len(content) > _CHUNK:
                self._check_size(len(content))
            out += b"s" + _U32.pack(len(content)) + content
        elif value is None:
            out += b"N"
        elif kind is bool:
            out += b"1" if value else b"0"
        elif kind is list or kind is tuple:
            self._numbers_or_row(value, kind is list, depth + 1)
        elif kind is dict:
            self._dict(value, depth + 1)
        elif kind is bytes:
            self._bytes(b"b", value)
        elif kind is complex:
            out += b"c" + _COMPLEX.pack(value.real, value.imag)
        elif kind is Packed:
            self._count(value.nodes - 1)
            self.out += value.payload
        elif kind is Reference and self._arguments:
            self._reference(value)
        elif not (
            self._numpy(value, kind) or self._torch(value, kind) or self._other(value, kind, depth)
        ):
            raise WireError(f"a value of type {type_name(kind)} can't cross")
        if len(out) > MAX_BYTES:
            raise _too_large()

    def _other(self, value: Any, kind: type, depth: int) -> bool:
        """Append `value` if it is one of the rarer plain types; return whether it is."""
        if kind is set or kind is frozenset:
            self._set(value, b"h" if kind is set else b"z", depth + 1)
        elif kind is Record or kind is NamedRow:
            self._record(value, kind is NamedRow, depth + 1)
        elif kind is Fraction:
            self.out += b"F"
            self._count(2)
            self._int(value.numerator)
            self._int(value.denominator)
        elif kind is Decimal:
            self._bytes(b"q", _decimal_text(value).encode("ascii"))
        elif kind is range:
            self._range(value)
        elif self._arguments and kind is type(iter([])):
            self._row(list(value), b"o", depth + 1)
        elif self._arguments and any(kind is one for one in _CONTAINERS.values()):
            self._container(value, kind, depth)
        elif (code := tables.code_of(kind)) is not None:
            self._table(value, code)
        else:
            return self._date(value, kind)
        return True

    def _set(self, values: set[Any] | frozenset[Any], tag: bytes, depth: int) -> None:
        _check_depth(depth)
        if not _tells_keys_apart(values):
            raise WireError("a set with so many values of the same hash can't cross")
        start = len(self.out)
        parts = []
        for one in values:
            self.value(one, depth)
            if not is_key(one):
                raise WireError(f"a set with a value of type {type_name(type(one))} can't cross")
            parts.append(bytes(self.out[start:]))
            del self.out[start:]
        self.out += tag + _U32.pack(len(parts)) + b"".join(sorted(parts))

    def _record(self, value: Any, is_row: bool, depth: int) -> None:
        _check_depth(depth)
        fields = fields_of(value)
        if len(fields) > MAX_FIELDS or not all(map(is_field, fields)):
            raise WireError("a record with such names can't cross")
        self.out += b"p" if is_row else b"R"
        self._str(name_of(value))
        places = {}
        if is_row:
            self.out += _U32.pack(len(value))
            for place, one in enumerate(value):
                places[id(one)] = place
                self.value(one, depth)
        self.out += _U32.pack(len(fields))
        for name, one in fields.items():
            self._str(name)
            if is_row and id(one) in places:
                self.out += b"@" + _U32.pack(places[id(one)])
            else:
                self.out += b"=" if is_row else b""
                self.value(one, depth)

    def _str(self, text: Any) -> None:
        if type(text) is not str:
            raise WireError("a name that isn't text can't cross")
        self._count(1)
        self._bytes(b"s", text.encode("utf-8", "surrogatepass"))

    def _range(self, value: range) -> None:
        ends = (value.start, value.stop, value.step)
        if not all(_LEAST <= one <= _MOST for one in ends):
            raise WireError("a range so large can't cross")
        self._count(_length(*ends))
        self.out += b"r" + struct.pack("<3q", *ends)

    def _container(self, value: Any, kind: type, depth: int) -> None:
        _check_depth(depth + 1)
        code = next(code for code, one in _CONTAINERS.items() if one is kind)
        self.out += b"w" + bytes([code])
        if kind is deque:
            self.value((list(value), value.maxlen), depth + 1)
        elif kind is defaultdict:
            if not any(value.default_factory is one for one in FACTORIES):
                raise WireError("a defaultdict with such a factory can't cross")
            self.value((dict(value), FACTORIES.index(value.default_factory)), depth + 1)
        else:
            self.value(dict(value.items()), depth + 1)

    def _table(self, value: Any, code: str) -> None:
        self._count(ARRAY_NODES)
        try:
            content = tables.to_arrow(value, code)
        except tables.NoTable as error:
            raise WireError(str(error)) from None
        self._bytes(b"P" + code.encode("ascii"), content)

    def _reference(self, value: Reference) -> None:
        self.out += b"G" + value.kind.encode("ascii")
        if value.kind == LIBRARY:
            self._str(value.name)
        else:
            self.out += _U32.pack(value.number)

    def _date(self, value: Any, kind: type) -> bool:
        code = next((code for code, one in _DATES.items() if one is kind), None)
        if code is None:
            return False
        self.out += b"t" + bytes([code])
        text = _date_text(value)
        self.out += _U32.pack(len(text)) + text
        return True

    def _count(self, nodes: int) -> None:
        self.nodes += nodes
        if self.nodes > MAX_NODES:
            raise _too_many()

    def _check_size(self, more: int) -> None:
        if len(self.out) + more > MAX_BYTES:
            raise _too_large()

    def _int(self, value: int) -> None:
        if _LEAST <= value <= _MOST:
            self.out += b"i" + _INT.pack(value)
            return
        size = value.bit_length() // 8 + 1
        if size > MAX_INT_BYTES:
            raise TooLong(f"an int of more than {MAX_INT_BYTES:,} bytes can't cross")
        self._bytes(b"I", value.to_bytes(size, "little", signed=True))

    def _bytes(self, tag: bytes, content: bytes) -> None:
        self._check_size(len(content))
        self.out += tag + _U32.pack(len(content)) + content

    def _numbers_or_row(
        self, values: list[Any] | tuple[Any, ...], is_list: bool, depth: int
    ) -> None:
        _check_depth(depth)
        first = type(values[0]) if values else None
        if first is float and all(type(one) is float for one in values):
            self._packed(b"e" if is_list else b"f", array("d", values))
            return
        if first is int and all(type(one) is int for one in values):
            try:
                packed = array("q", values)
            except OverflowError:
                pass  # one of them is larger
            else:
                self._packed(b"j" if is_list else b"k", packed)
                return
        self._row(values, b"l" if is_list else b"u", depth)

    def _row(self, values: list[Any] | tuple[Any, ...], tag: bytes, depth: int) -> None:
        _check_depth(depth)
        self.out += tag + _U32.pack(len(values))
        for one in values:
            self.value(one, depth)

    def _packed(self, tag: bytes, numbers: array[Any]) -> None:
        self._count(len(numbers))
        if sys.byteorder == "big":
            numbers.byteswap()
        self._check_size(8 * len(numbers))
        self.out += tag + _U32.pack(len(numbers)) + numbers.tobytes()

    def _dict(self, values: dict[Any, Any], depth: int) -> None:
        _check_depth(depth)
        if not _tells_keys_apart(values):
            raise WireError("a dict with so many keys of the same hash can't cross")
        self.out += b"m" + _U32.pack(len(values))
        for key, one in values.items():
            self.value(key, depth)  # first: it says so if the key is too deep to look into
            if not is_key(key):
                raise WireError(f"a dict with a key of type {type_name(type(key))} can't cross")
            self.value(one, depth)

    def _numpy(self, value: Any, kind: type) -> bool:
        """Append `value` if it is numpy's; return whether it is."""
        numpy = sys.modules.get("numpy")  # not imported: then the value can't be one of its own
        if numpy is None:
            return False
        if type(value).__module__ == "numpy.dtypes" and value.name in _DTYPE_CODES:
            self.out += b"Dn" + bytes([_DTYPE_CODES[value.name]])
            return True
        is_array = kind is numpy.ndarray
        if self._numpy_text(numpy, value, kind):
            return True
        if not is_array and not issubclass(kind, (numpy.number, numpy.bool_)):
            return False
        name = value.dtype.name
        if name not in _DTYPE_CODES or not (is_array or kind is value.dtype.type):
            raise WireError(f"a numpy value of dtype {type_name(kind, name)} can't cross")
        self._count(ARRAY_NODES)
        self._check_size(value.nbytes)
        content = numpy.asarray(value, numpy.dtype(name).newbyteorder("<"), order="C")
        if name == "bool":
            content = content.view("uint8") != 0
        if is_array:
            self.out += b"A" + self._head(name, value.shape)
        else:
            self.out += b"S" + bytes([_DTYPE_CODES[name]])
        self.out += content.tobytes()
        return True

    def _numpy_text(self, numpy: Any, value: Any, kind: type) -> bool:
        """Append `value` if it is an array of text or dates, or a date; return whether it is."""
        is_scalar = kind is numpy.datetime64 or kind is numpy.timedelta64
        if not is_scalar and not (kind is numpy.ndarray and value.dtype.kind in "USmM"):
            return False
        self._count(ARRAY_NODES)
        self._check_size(value.nbytes)
        content = numpy.asarray(value, value.dtype.newbyteorder("<"), order="C")
        dtype = content.dtype.str
        if not _TEXT_DTYPE.fullmatch(dtype):
            raise WireError(f"a numpy value of dtype {type_name(kind, dtype)} can't cross")
        self._bytes(b"x" if is_scalar else b"X", dtype.encode("ascii"))
        if not is_scalar:
            _check_shape(value.shape, max(1, content.itemsize))
            rank = len(value.shape)
            self.out += struct.pack(f"<B{rank}Q", rank, *value.shape)
        self.out += content.tobytes()
        return True

    def _torch(self, value: Any, kind: type) -> bool:
        """Append `value` if it is a tensor or torch's dtype; return whether it is."""
        torch = sys.modules.get("torch")
        if torch is not None and kind is torch.dtype:
            name = str(value).removeprefix("torch.")
            if name in _DTYPE_CODES:
                self.out += b"Dt" + bytes([_DTYPE_CODES[name]])
                return True
        if torch is None or not (kind is torch.Tensor or kind is torch.nn.Parameter):
            return False
        name = str(value.dtype).removeprefix("torch.")
        if name not in _DTYPE_CODES or value.layout is not torch.strided:
            raise WireError(f"a {value.layout} tensor of {name} can't cross".replace("torch.", ""))
        if value.device.type != "cpu":
            raise WireError(f"a tensor on the device {value.device.type} can't cross")
        self._count(ARRAY_NODES)
        self._check_size(value.numel() * value.element_size())
        try:
            flat = value.detach().resolve_conj().resolve_neg().contiguous().reshape(-1)
            content = flat.view(torch.uint8).numpy()
        except RuntimeError:  # one of torch's inner kinds of tensor, as within vmap
            raise WireError("a tensor without data of its own can't cross") from None
        if name == "bool":
            content = content != 0
        self.out += b"T" + self._head(name, tuple(value.shape)) + content.tobytes()
        return True

    def _head(self, name: str, shape: tuple[int, ...]) -> bytes:
        _check_shape(shape, _DTYPES[_DTYPE_CODES[name]][1])
        return struct.pack(f"<BB{len(shape)}Q", _DTYPE_CODES[name], len(shape), *shape)


class _Reader:
    """A payload being read; every length is compared with what is there before it is used."""

    def __init__(self, view: memoryview, arguments: bool, resolve: Resolve | None = None) -> None:
        self._view = view
        self._end = len(view)
        self._arguments = arguments
        self._resolve = resolve
        self._nodes = 0
        self.at = 0

    def value(self, depth: int) -> Any:
        self._nodes += 1
        if self._nodes > MAX_NODES:
            raise _too_many()
        tag = self._view[self._pass(1)]
        read = _READERS.get(tag)
        if read is None or (tag in _FOR_ARGUMENTS and not self._arguments):
            raise WireError(f"byte {self.at - 1:,} isn't a tag")
        return read(self, depth)

    def check_end(self) -> None:
        """Refuse what is left over."""
        if self.at != self._end:
            raise WireError(f"{self._end - self.at:,} bytes are left over after the value")

    def _pass(self, size: int) -> int:
        """Go on by so many bytes, which are there; return where they begin."""
        at = self.at
        self.at = at + size
        if self.at > self._end:
            raise WireError("the bytes end in the middle of a value")
        return at

    def take(self, size: int) -> memoryview:
        """Return the next bytes, as many as this."""
        at = self._pass(size)
        return self._view[at : self.at]

    def _count(self, nodes: int) -> None:
        self._nodes += nodes
        if self._nodes > MAX_NODES:
            raise _too_many()

    def _size(self) -> int:
        size: int = _U32.unpack_from(self._view, self._pass(4))[0]
        return size

    def _int(self, _depth: int) -> int:
        number: int = _INT.unpack_from(self._view, self._pass(8))[0]
        return number

    def _large_int(self, _depth: int) -> int:
        size = self._size()
        if size > MAX_INT_BYTES:
            raise WireError(f"an int of more than {MAX_INT_BYTES:,} bytes can't cross")
        return int.from_bytes(self.take(size), "little", signed=True)

    def _float(self, _depth: int) -> float:
        number: float = _FLOAT.unpack_from(self._view, self._pass(8))[0]
        return number

    def _complex(self, _depth: int) -> complex:
        return complex(*_COMPLEX.unpack(self.take(16)))

    def _str(self, _depth: int) -> str:
        try:
            return str(self.take(self._size()), "utf-8", "surrogatepass")
        except UnicodeDecodeError:
            raise WireError("a string isn't UTF-8") from None

    def _bytes(self, _depth: int) -> bytes:
        return bytes(self.take(self._size()))

    def _list(self, depth: int) -> list[Any]:
        _check_depth(depth + 1)
        return [self.value(depth + 1) for _ in range(self._size())]

    def _tuple(self, depth: int) -> tuple[Any, ...]:
        return tuple(self._list(depth))

    def _packed(self, code: Literal["q", "d"], depth: int) -> list[Any]:
        _check_depth(depth + 1)
        size = self._size()
        self._count(size)
        numbers = array(code, bytes(self.take(8 * size)))
        if sys.byteorder == "big":
            numbers.byteswap()
        return numbers.tolist()

    def _dict(self, depth: int) -> dict[Any, Any]:
        _check_depth(depth + 1)
        keys, values = [], []
        for _ in range(self._size()):
            key = self.value(depth + 1)
            if not is_key(key):
                raise WireError(f"a value of type {type_name(type(key))} can't be a key")
            keys.append(key)
            values.append(self.value(depth + 1))
        if not _tells_keys_apart(keys):
            raise WireError("a dict has too many keys of the same hash")
        found = dict(zip(keys, values, strict=True))
        if len(found) != len(keys):
            raise WireError("a dict has the same key twice")
        return found

    def _set(self, depth: int) -> set[Any]:
        values = self._list(depth)
        for one in values:
            if not is_key(one):
                raise WireError(f"a value of type {type_name(type(one))} can't be in a set")
        if not _tells_keys_apart(values):
            raise WireError("a set has too many values of the same hash")
        found = set(values)
        if len(found) != len(values):
            raise WireError("a set has the same value twice")
        return found

    def _one_of(self, tags: bytes, what: str) -> Any:
        """Return a value that has one of these tags, and so has no others in it."""
        self._count(1)
        tag = self.take(1)[0]
        if tag not in tags:
            raise WireError(f"byte {self.at - 1:,} doesn't begin a value of kind {what}")
        return _READERS[tag](self, 0)

    def _name(self) -> str:
        name: str = self._one_of(b"s", "text")
        if len(name) > 200:
            raise WireError("a name isn't a short text")
        return name

    def _field_count(self) -> int:
        count = self._size()
        if count > MAX_FIELDS:
            raise WireError(f"a record of {count:,} fields can't cross")
        return count

    def _field(self, seen: dict[str, Any]) -> str:
        name = self._name()
        if not is_field(name) or name in seen:
            raise WireError("a record has a field that can't be one")
        return name

    def _record(self, depth: int) -> Record:
        _check_depth(depth + 1)
        name, fields = self._name(), dict[str, Any]()
        for _ in range(self._field_count()):
            field = self._field(fields)
            fields[field] = self.value(depth + 1)
        return Record(name, fields)

    def _named_row(self, depth: int) -> NamedRow:
        _check_depth(depth + 1)
        name = self._name()
        items = self._list(depth)
        fields: dict[str, Any] = {}
        for _ in range(self._field_count()):
            field = self._field(fields)
            how = bytes(self.take(1))
            if how == b"@":
                place = self._size()
                if place >= len(items):
                    raise WireError("a row has no such place")
                fields[field] = items[place]
            elif how == b"=":
                fields[field] = self.value(depth + 1)
            else:
                raise WireError("a field has neither a place nor a value")
        return NamedRow(items, name, fields)

    def _fraction(self, _depth: int) -> Fraction:
        parts = [self._one_of(b"iI", "int") for _ in range(2)]
        if parts[1] <= 0:
            raise WireError("a fraction's denominator isn't positive")
        if math.gcd(*parts) != 1:
            raise WireError("a fraction isn't in lowest terms")
        return Fraction(*parts)

    def _ascii(self, most: int) -> str:
        size = self._size()
        if size > most:
            raise WireError(f"a text of {size:,} characters is too long here")
        content = bytes(self.take(size))
        if not content.isascii():
            raise WireError("a text isn't ASCII")
        return content.decode("ascii")

    def _decimal(self, _depth: int) -> Decimal:
        text = self._ascii(MAX_DIGITS + 20)
        if not _DECIMAL.fullmatch(text):
            raise WireError("a Decimal isn't one")
        found = Decimal(text)
        if _decimal_text(found) != text:
            raise WireError("a Decimal isn't written as Python writes it")
        return found

    def _date(self, _depth: int) -> Any:
        kind = _DATES.get(self.take(1)[0])
        text = self._ascii(80)
        try:
            if kind is datetime.timedelta:
                found = kind(*map(int, text.split(" ")))
            elif kind is not None:
                found = kind.fromisoformat(text)
            else:
                raise ValueError
        except (ValueError, TypeError, OverflowError):
            raise WireError("a date isn't one") from None
        if _date_text(found).decode("ascii") != text:
            raise WireError("a date isn't written as Python writes it")
        return found

    def _range(self, _depth: int) -> range:
        start, stop, step = struct.unpack("<3q", self.take(24))
        if step == 0:
            raise WireError("a range has no step")
        self._count(_length(start, stop, step))
        return range(start, stop, step)

    def _container(self, depth: int) -> Any:
        kind = _CONTAINERS.get(self.take(1)[0])
        _check_depth(depth + 1)
        inner = self.value(depth + 1)
        if kind in (OrderedDict, Counter):
            if type(inner) is dict:
                return kind(inner)
        elif type(inner) is tuple and len(inner) == 2:
            first, second = inner
            is_count = type(second) is int
            if kind is deque and type(first) is list:
                fits = is_count and len(first) <= second <= MAX_NODES
                if second is None or fits:
                    return deque(first, second)
            is_place = is_count and 0 <= second < len(FACTORIES)
            if kind is defaultdict and type(first) is dict and is_place:
                return defaultdict(FACTORIES[second], first)
        raise WireError("a container isn't one")

    def _table(self, _depth: int) -> Any:
        self._count(ARRAY_NODES)
        code = self.take(1).tobytes().decode("latin-1")
        try:
            return tables.from_arrow(bytes(self.take(self._size())), code)
        except tables.NoTable as error:
            raise WireError(str(error)) from None

    def _reference(self, _depth: int) -> Any:
        kind = self.take(1).tobytes().decode("latin-1")
        if self._resolve is None or kind not in ("h", "f", "l"):
            raise WireError("there is a reference where none may be")
        found = Reference(kind, name=self._name()) if kind == "l" else Reference(kind, self._size())  # type: ignore[arg-type]  # one of the three
        try:
            return self._resolve(found)
        except (KeyError, ImportError, AttributeError) as error:
            raise WireError(f"a reference stands for nothing ({error})") from None

    def _dtype_itself(self, _depth: int) -> Any:
        library = bytes(self.take(1))
        name, _size = self._dtype()
        if library == b"n" and name != _TORCH_ONLY:
            import numpy

            return numpy.dtype(name)
        if library == b"t":
            import torch

            return getattr(torch, name)
        raise WireError("a dtype is neither numpy's nor torch's")

    def _numpy_text(self, _depth: int, scalar: bool = False) -> Any:
        import numpy

        self._count(ARRAY_NODES)
        text = self._ascii(30)
        if not _TEXT_DTYPE.fullmatch(text) or (scalar and text[1] not in "mM"):
            raise WireError("a dtype isn't one")
        try:
            dtype = numpy.dtype(text)
        except (TypeError, ValueError, OverflowError):
            raise WireError("a dtype isn't one") from None
        if dtype.str != text:
            raise WireError("a dtype isn't written as numpy writes it")
        rank = 0 if scalar else self.take(1)[0]
        if rank > MAX_RANK:
            raise WireError(f"an array of {rank} dimensions can't cross")
        shape = struct.unpack(f"<{rank}Q", self.take(8 * rank))
        _check_shape(shape, max(1, dtype.itemsize))
        content = bytes(self.take(math.prod(shape) * dtype.itemsize))
        if dtype.kind == "U" and content:
            points = numpy.frombuffer(content, "<u4")
            if points.max() > sys.maxunicode:
                raise WireError("a character isn't one")
        if content:
            found = numpy.frombuffer(content, dtype).reshape(shape).copy()
        else:
            found = numpy.zeros(shape, dtype)
        found = found.astype(dtype.newbyteorder("="))
        return found[()] if scalar else found

    def _dtype(self) -> tuple[str, int]:
        code = self.take(1)[0]
        if code >= len(_DTYPES):
            raise WireError(f"{code} isn't a dtype")
        return _DTYPES[code]

    def _shape(self, size: int) -> tuple[int, ...]:
        rank = self.take(1)[0]
        if rank > MAX_RANK:
            raise WireError(f"an array of {rank} dimensions can't cross")
        shape = struct.unpack(f"<{rank}Q", self.take(8 * rank))
        _check_shape(shape, size)
        return shape

    def _content(self, name: str, size: int) -> memoryview:
        content = self.take(size)
        if name == "bool" and bytes(content).translate(None, b"\0\1"):
            raise WireError("a boolean is neither 0 nor 1")
        return content

    def _numpy_scalar(self, depth: int) -> Any:
        return self._numpy(depth, scalar=True)

    def _numpy(self, _depth: int, scalar: bool = False) -> Any:
        import numpy

        self._count(ARRAY_NODES)
        name, size = self._dtype()
        if name == _TORCH_ONLY:
            raise WireError(f"numpy has no {name}")
        shape = () if scalar else self._shape(size)
        content = self._content(name, math.prod(shape) * size)
        stored = numpy.frombuffer(content, numpy.dtype(name).newbyteorder("<"))
        found = stored.astype(name).reshape(shape)  # a copy of its own, in native byte order
        return found[()] if scalar else found

    def _torch(self, _depth: int) -> Any:
        import torch

        self._count(ARRAY_NODES)
        name, size = self._dtype()
        shape = self._shape(size)
        content = bytearray(self._content(name, math.prod(shape) * size))
        if not content:  # torch refuses to look at an empty buffer
            return torch.empty(shape, dtype=getattr(torch, name))
        # The tensor keeps `content` alive, and nobody else has it.
        return torch.frombuffer(content, dtype=getattr(torch, name)).reshape(shape)


_READERS = {
    ord(tag): read
    for tag, read in {
        "N": lambda reader, depth: None,
        "1": lambda reader, depth: True,
        "0": lambda reader, depth: False,
        "i": _Reader._int,
        "I": _Reader._large_int,
        "d": _Reader._float,
        "c": _Reader._complex,
        "s": _Reader._str,
        "b": _Reader._bytes,
        "l": _Reader._list,
        "u": _Reader._tuple,
        "m": _Reader._dict,
        "j": lambda reader, depth: reader._packed("q", depth),
        "k": lambda reader, depth: tuple(reader._packed("q", depth)),
        "e": lambda reader, depth: reader._packed("d", depth),
        "f": lambda reader, depth: tuple(reader._packed("d", depth)),
        "S": _Reader._numpy_scalar,
        "A": _Reader._numpy,
        "T": _Reader._torch,
        "X": _Reader._numpy_text,
        "x": lambda reader, depth: reader._numpy_text(depth, scalar=True),
        "D": _Reader._dtype_itself,
        "F": _Reader._fraction,
        "q": _Reader._decimal,
        "t": _Reader._date,
        "h": _Reader._set,
        "z": lambda reader, depth: frozenset(reader._set(depth)),
        "r": _Reader._range,
        "R": _Reader._record,
        "p": _Reader._named_row,
        "o": lambda reader, depth: iter(reader._list(depth)),
        "w": _Reader._container,
        "G": _Reader._reference,
        "P": _Reader._table,
    }.items()
}

_FOR_ARGUMENTS = frozenset(b"owG")


def _check_depth(depth: int) -> None:
    if depth > MAX_DEPTH:
        raise WireError(f"a value nested more than {MAX_DEPTH} deep can't cross")


def _check_shape(shape: tuple[int, ...], size: int) -> None:
    """Refuse a dimension, or a product of them, beyond what fits; also where another one is 0."""
    if len(shape) > MAX_RANK:
        raise WireError(f"an array of {len(shape)} dimensions can't cross")
    if math.prod(one or 1 for one in shape) * size > MAX_BYTES:
        raise WireError(f"an array of more than {MAX_BYTES:,} bytes can't cross")


def _length(start: int, stop: int, step: int) -> int:
    """Return how many numbers a range has; `len` fails beyond 2**63."""
    return max(0, (stop - start + step - (1 if step > 0 else -1)) // step)


def _decimal_text(value: Decimal) -> str:
    """Return a Decimal as text.

    Raises:
        WireError: it is so large or small that arithmetic with it could take very long.
    """
    _sign, digits, exponent = value.as_tuple()
    if len(digits) > MAX_DIGITS or (isinstance(exponent, int) and abs(exponent) > MAX_DIGITS):
        raise TooLong(f"a Decimal of more than {MAX_DIGITS:,} digits can't cross")
    return str(value)


def _date_text(value: Any) -> bytes:
    if type(value) is datetime.timedelta:
        return f"{value.days} {value.seconds} {value.microseconds}".encode("ascii")
    zone = getattr(value, "tzinfo", None)
    if zone is not None and type(zone) is not datetime.timezone:
        raise WireError("a moment in a time zone by name can't cross")
    text: str = value.isoformat()
    return text.encode("ascii")


def _tells_keys_apart(keys: dict[Any, Any] | list[Any] | set[Any] | frozenset[Any]) -> bool:
    """Return whether Python tells these keys apart at a usual pace."""
    if len(keys) <= MAX_SAME_HASH:
        return True
    return max(Counter(map(hash, keys)).values()) <= MAX_SAME_HASH
