"""Plain values as bytes: all that passes between the sandbox and the trusted side.

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

A dtype is one byte, its place in `_DTYPES`. Keys are None, booleans, numbers, strings, bytes and
tuples of these.

Only exact types cross: an instance of a student's `class I(int)` does not. Arrays arrive in C
order and native byte order, tensors as detached copies on the CPU (an `nn.Parameter` as a plain
tensor). What arrives is made of the types above and nothing else: nothing is imported by name,
nothing called, nothing executed.
"""

from __future__ import annotations

import math
import socket
import struct
import sys
import time
from array import array
from collections import Counter
from typing import Any

MAX_BYTES = 64 * 1024 * 1024
"""The most bytes a payload may have."""

MAX_DEPTH = 32
"""How deep lists, tuples and dicts may lie in each other."""

MAX_NODES = 1_000_000
"""The most values in one payload, those in lists included; numbers in an array don't count."""

MAX_INT_BYTES = 4096
"""The most bytes an int may have (9,864 digits)."""

ARRAY_NODES = 100
"""What an array or tensor counts against `MAX_NODES`: as an object it is that much heavier."""

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

_U32 = struct.Struct("<I")
_INT = struct.Struct("<q")
_FLOAT = struct.Struct("<d")
_COMPLEX = struct.Struct("<dd")
_LEAST, _MOST = -(2**63), 2**63 - 1


class WireError(Exception):
    """A value that can't cross, or bytes that aren't a value; the message is one line."""


class TimedOut(WireError):
    """The other side didn't read or answer in time."""


class Closed(WireError):
    """The other side is gone."""


def encode(value: object) -> bytes:
    """`value` as a payload; the same value always gives the same bytes.

    Raises:
        WireError: something in it is of a type that doesn't cross, or it is over a limit.
    """
    writer = _Writer()
    writer.value(value, 0)
    return bytes(writer.out)


def decode(data: bytes | bytearray | memoryview) -> Any:
    """The value of a payload.

    Raises:
        WireError: whatever is wrong with the bytes; there is no other outcome.
    """
    view = memoryview(data)
    if not view.c_contiguous:
        raise WireError("the bytes of a value must lie side by side")
    view = view.cast("B")
    if len(view) > MAX_BYTES:
        raise WireError(f"a value may have {MAX_BYTES:,} bytes, not {len(view):,}")
    reader = _Reader(view)
    value = reader.value(0)
    if reader.at != len(view):
        raise WireError(f"{len(view) - reader.at:,} bytes are left over after the value")
    return value


def send_frame(sock: socket.socket, value: object, deadline: float | None = None) -> None:
    """Send a value, whole, before `deadline` (a `time.monotonic()`, in seconds; None: wait).

    Raises:
        TimedOut: the other side didn't take it in time; the stream is of no use any more.
        Closed: the other side is gone.
        WireError: the value can't cross; nothing was sent.
    """
    payload = encode(value)
    try:
        sock.settimeout(_left(deadline))
        sock.sendall(_U32.pack(len(payload)) + payload)
    except TimeoutError:
        raise TimedOut("the other side did not read in time") from None
    except OSError as error:
        raise Closed(f"the other side is gone ({error.strerror or 'no reason given'})") from None


def receive_frame(
    sock: socket.socket, deadline: float | None = None, limit: int = MAX_BYTES
) -> Any:
    """The next value, if all of it comes before `deadline` (as in `send_frame`).

    Args:
        limit: the most bytes its payload may have.

    Raises:
        TimedOut, Closed: as `send_frame`.
        WireError: the frame is longer than `limit` (nothing of it was read) or no value.
    """
    (length,) = _U32.unpack(_receive(sock, _U32.size, deadline))
    if length > min(limit, MAX_BYTES):
        raise WireError(f"a value of {length:,} bytes was announced; {limit:,} are allowed")
    return decode(_receive(sock, length, deadline))


def _receive(sock: socket.socket, size: int, deadline: float | None) -> bytearray:
    found = bytearray()
    while len(found) < size:
        try:
            sock.settimeout(_left(deadline))
            part = sock.recv(min(size - len(found), _CHUNK))
        except TimeoutError:
            raise TimedOut("the other side did not answer in time") from None
        except OSError as error:
            raise Closed(f"the other side is gone ({error.strerror or 'closed'})") from None
        if not part:
            raise Closed("the other side closed the connection")
        found += part
    return found


def _left(deadline: float | None) -> float | None:
    if deadline is None:
        return None
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


class _Writer:
    """A payload in the making."""

    def __init__(self) -> None:
        self.out = bytearray()
        self._nodes = 0

    def value(self, value: Any, depth: int) -> None:
        """Append one value. The order of the questions is that of how often they are asked."""
        self._count(1)
        kind, out = type(value), self.out
        if kind is float:
            out += b"d" + _FLOAT.pack(value)
        elif kind is int:
            self._int(value)
        elif kind is str:
            self._bytes(b"s", value.encode("utf-8", "surrogatepass"))
        elif value is None:
            out += b"N"
        elif kind is bool:
            out += b"1" if value else b"0"
        elif kind is list or kind is tuple:
            self._row(value, kind is list, depth + 1)
        elif kind is dict:
            self._dict(value, depth + 1)
        elif kind is bytes:
            self._bytes(b"b", value)
        elif kind is complex:
            out += b"c" + _COMPLEX.pack(value.real, value.imag)
        elif not (self._numpy(value, kind) or self._torch(value, kind)):
            raise WireError(f"a value of type {_type_name(kind)} can't cross")
        self._check_size(0)

    def _count(self, nodes: int) -> None:
        self._nodes += nodes
        if self._nodes > MAX_NODES:
            raise WireError(f"more than {MAX_NODES:,} values can't cross at once")

    def _check_size(self, more: int) -> None:
        if len(self.out) + more > MAX_BYTES:
            raise WireError(f"a value of more than {MAX_BYTES:,} bytes can't cross")

    def _int(self, value: int) -> None:
        if _LEAST <= value <= _MOST:
            self.out += b"i" + _INT.pack(value)
            return
        size = value.bit_length() // 8 + 1
        if size > MAX_INT_BYTES:
            raise WireError(f"an int of more than {MAX_INT_BYTES:,} bytes can't cross")
        self._bytes(b"I", value.to_bytes(size, "little", signed=True))

    def _bytes(self, tag: bytes, content: bytes) -> None:
        self._check_size(len(content))
        self.out += tag + _U32.pack(len(content)) + content

    def _row(self, values: list | tuple, is_list: bool, depth: int) -> None:
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
        self.out += (b"l" if is_list else b"u") + _U32.pack(len(values))
        for one in values:
            self.value(one, depth)

    def _packed(self, tag: bytes, numbers: array) -> None:
        self._count(len(numbers))
        if sys.byteorder == "big":
            numbers.byteswap()
        self._check_size(8 * len(numbers))
        self.out += tag + _U32.pack(len(numbers)) + numbers.tobytes()

    def _dict(self, values: dict, depth: int) -> None:
        _check_depth(depth)
        if not _tells_keys_apart(values):
            raise WireError("a dict with so many keys of the same hash can't cross")
        self.out += b"m" + _U32.pack(len(values))
        for key, one in values.items():
            if not _is_key(key):
                raise WireError(f"a dict with a key of type {_type_name(type(key))} can't cross")
            self.value(key, depth)
            self.value(one, depth)

    def _numpy(self, value: Any, kind: type) -> bool:
        """Whether `value` is numpy's; if so, it is appended."""
        numpy = sys.modules.get("numpy")  # not imported: then the value can't be one of its own
        if numpy is None:
            return False
        is_array = kind is numpy.ndarray
        if not is_array and not issubclass(kind, (numpy.number, numpy.bool_)):
            return False
        name = value.dtype.name
        if name not in _DTYPE_CODES or not (is_array or kind is value.dtype.type):
            raise WireError(f"a numpy value of dtype {_type_name(kind, name)} can't cross")
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

    def _torch(self, value: Any, kind: type) -> bool:
        """Whether `value` is a tensor; if so, it is appended."""
        torch = sys.modules.get("torch")
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

    def __init__(self, view: memoryview) -> None:
        self._view = view
        self._nodes = 0
        self.at = 0

    def value(self, depth: int) -> Any:
        self._count(1)
        tag = self._take(1)[0]
        read = _READERS.get(tag)
        if read is None:
            raise WireError(f"byte {self.at - 1:,} isn't a tag")
        return read(self, depth)

    def _take(self, size: int) -> memoryview:
        end = self.at + size
        if end > len(self._view):
            raise WireError("the bytes end in the middle of a value")
        part = self._view[self.at : end]
        self.at = end
        return part

    def _count(self, nodes: int) -> None:
        self._nodes += nodes
        if self._nodes > MAX_NODES:
            raise WireError(f"more than {MAX_NODES:,} values can't cross at once")

    def _size(self) -> int:
        return _U32.unpack(self._take(4))[0]

    def _int(self, _depth: int) -> int:
        return _INT.unpack(self._take(8))[0]

    def _large_int(self, _depth: int) -> int:
        size = self._size()
        if size > MAX_INT_BYTES:
            raise WireError(f"an int of more than {MAX_INT_BYTES:,} bytes can't cross")
        return int.from_bytes(self._take(size), "little", signed=True)

    def _float(self, _depth: int) -> float:
        return _FLOAT.unpack(self._take(8))[0]

    def _complex(self, _depth: int) -> complex:
        return complex(*_COMPLEX.unpack(self._take(16)))

    def _str(self, _depth: int) -> str:
        content = bytes(self._take(self._size()))
        try:
            return content.decode("utf-8", "surrogatepass")
        except UnicodeDecodeError:
            raise WireError("a string isn't UTF-8") from None

    def _bytes(self, _depth: int) -> bytes:
        return bytes(self._take(self._size()))

    def _list(self, depth: int) -> list:
        _check_depth(depth + 1)
        return [self.value(depth + 1) for _ in range(self._size())]

    def _tuple(self, depth: int) -> tuple:
        return tuple(self._list(depth))

    def _packed(self, code: str, depth: int) -> list:
        _check_depth(depth + 1)
        size = self._size()
        self._count(size)
        numbers = array(code, bytes(self._take(8 * size)))
        if sys.byteorder == "big":
            numbers.byteswap()
        return numbers.tolist()

    def _dict(self, depth: int) -> dict:
        _check_depth(depth + 1)
        keys, values = [], []
        for _ in range(self._size()):
            key = self.value(depth + 1)
            if not _is_key(key):
                raise WireError(f"a value of type {_type_name(type(key))} can't be a key")
            keys.append(key)
            values.append(self.value(depth + 1))
        if not _tells_keys_apart(keys):
            raise WireError("a dict has too many keys of the same hash")
        found = dict(zip(keys, values, strict=True))
        if len(found) != len(keys):
            raise WireError("a dict has the same key twice")
        return found

    def _dtype(self) -> tuple[str, int]:
        code = self._take(1)[0]
        if code >= len(_DTYPES):
            raise WireError(f"{code} isn't a dtype")
        return _DTYPES[code]

    def _shape(self, size: int) -> tuple[int, ...]:
        rank = self._take(1)[0]
        if rank > MAX_RANK:
            raise WireError(f"an array of {rank} dimensions can't cross")
        shape = struct.unpack(f"<{rank}Q", self._take(8 * rank))
        _check_shape(shape, size)
        return shape

    def _content(self, name: str, size: int) -> memoryview:
        content = self._take(size)
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
    }.items()
}


def _check_depth(depth: int) -> None:
    if depth > MAX_DEPTH:
        raise WireError(f"a value nested more than {MAX_DEPTH} deep can't cross")


def _check_shape(shape: tuple[int, ...], size: int) -> None:
    """No dimension, nor their product, beyond what fits; also where another dimension is 0."""
    if len(shape) > MAX_RANK:
        raise WireError(f"an array of {len(shape)} dimensions can't cross")
    if math.prod(one or 1 for one in shape) * size > MAX_BYTES:
        raise WireError(f"an array of more than {MAX_BYTES:,} bytes can't cross")


def _is_key(value: object, depth: int = 1) -> bool:
    """Whether `value` may be a dict's key."""
    kind = type(value)
    if kind is tuple:
        _check_depth(depth)
        return all(_is_key(one, depth + 1) for one in value)  # type: ignore[attr-defined]
    return value is None or kind in (bool, int, float, str, bytes)


def _tells_keys_apart(keys: dict | list) -> bool:
    """Whether Python tells these keys apart at a usual pace."""
    if len(keys) <= MAX_SAME_HASH:
        return True
    return max(Counter(map(hash, keys)).values()) <= MAX_SAME_HASH


def _type_name(kind: type, name: str | None = None) -> str:
    """A type's name for a message: one short line, whatever its author called it."""
    return "".join(one for one in str(name or kind.__name__) if one.isprintable())[:80]
