"""Turn honest Python values into plain ones, before they cross to the trusted side.

A student may answer with a `Fraction`, a namedtuple or a generator where the instructor thought
of a float, a tuple or a list. What arrives on the other side are exact types only, so here the
student's side says what its value is in terms of these:

| value                                          | becomes                                   |
|------------------------------------------------|-------------------------------------------|
| subclasses of int, float, str, bytes, list …   | the type that they derive from            |
| `Enum` members                                 | their value                               |
| any other rational number                      | `Fraction`                                |
| namedtuple, struct sequence, torch.return_types| `NamedRow`: a tuple with attributes       |
| dataclass, attrs class, `SimpleNamespace`      | `Record`: attributes; a `NamedRow` where  |
|                                                | the class can be iterated over            |
| any other mapping (defaultdict, ChainMap …)    | dict                                      |
| any other set                                  | set                                       |
| deque, `array`, dict view, any other sequence  | list                                      |
| zip, map, generator, any other iterator        | list, if it ends                          |
| bytearray, memoryview of bytes                 | bytes                                     |
| path                                           | str with forward slashes                  |
| subclass of ndarray or Tensor, `nn.Parameter`  | ndarray, Tensor                           |
| masked array, array of objects                 | list, with None for what is masked        |
| numpy's structured array                       | list of `NamedRow`                        |

Numbers, text, tuples, lists, dicts, sets, ranges, dates and arrays stay what they are. The
conversion calls methods of the student's classes, so it runs on the student's side only, or
in the student's own notebook. It is no safeguard: what crosses is checked where it arrives.

Imports nothing but the standard library, because it runs in the sandbox.
"""

from __future__ import annotations

import array
import collections
import dataclasses
import datetime
import enum
import fractions
import io
import numbers
import pathlib
import re
import sys
import types
from collections import abc
from collections.abc import Callable, Iterable, Iterator, Mapping
from decimal import Decimal
from fractions import Fraction
from typing import Any

from autograder.sandbox import tables

MAX_BYTES = 64 * 1024 * 1024
"""The most bytes that a value may take when it crosses."""

MAX_DEPTH = 32
"""How deep lists, tuples, dicts, sets and records may lie in each other."""

MAX_NODES = 1_000_000
"""The most values in one payload, those in lists included; numbers in an array don't count."""

ARRAY_NODES = 100
"""What an array or tensor counts against `MAX_NODES`: as an object it is that much heavier."""

MAX_FIELDS = 1_000
"""The most named fields of a record."""

_NAME = "__record__"
"""Where a record keeps the name of its class; no field is called like this."""


def N_(message: str) -> str:
    """Mark a text for translation."""
    return message


WRONG_TYPE = N_(
    "a value of type {kind} can't be graded: return a number, text, list, dict or array"
)
WRONG_KEY = N_(
    "a dict or set with a key of type {kind} can't be graded: use numbers, text or tuples as keys"
)
WRONG_ARRAY = N_("an array of type {kind} can't be graded: return an array of ordinary numbers")
ENDLESS = N_("an iterator with more than {count} values can't be graded: return a list")
TOO_MANY = N_("more than {count} values at once can't be graded: return fewer")
TOO_LARGE = N_("a value of more than {count} MB can't be graded: return a smaller one")
TOO_LONG = N_("a number of so many digits can't be graded: return a float")
TOO_DEEP = N_("a value nested more than {count} deep can't be graded: return a flatter one")
UNFIT = N_("this value can't be graded: return a number, text, list, dict or array")
_TEMPLATES = (
    WRONG_TYPE,
    WRONG_KEY,
    WRONG_ARRAY,
    ENDLESS,
    TOO_MANY,
    TOO_LARGE,
    TOO_LONG,
    TOO_DEEP,
    UNFIT,
)


class CannotCross(Exception):
    """A value that can't be graded; the message is one sentence for the student.

    Args:
        template: one of the sentences above, so that it can be translated where it is shown.
        words: what goes into it.
    """

    def __init__(self, template: str = UNFIT, **words: object) -> None:
        self.template = template
        self.words = {key: str(value) for key, value in words.items()}
        super().__init__(template.format(**self.words))

    @classmethod
    def read(cls, message: str) -> CannotCross:
        """Return the exception that has this message, or one that says no more than UNFIT."""
        for template in _TEMPLATES:
            pattern = re.sub(r"\\{(\w+)\\}", r"(?P<\1>.{0,80})", re.escape(template))
            found = re.fullmatch(pattern, message)
            if found:
                return cls(template, **found.groupdict())
        return cls(UNFIT)


class Record:
    """Named values: what is left of an object of a dataclass once it has crossed.

    Has the fields as attributes and nothing else of the class. Equal to a record, or an object
    of a dataclass, with the same class name, field names and values.

    Args:
        name: the name of the class.
        fields: the values by name.
    """

    def __init__(self, name: str, fields: Mapping[str, Any]) -> None:
        vars(self).update(fields)
        vars(self)[_NAME] = name

    def __eq__(self, other: object) -> bool:
        if type(other) is not Record:
            named = _named(other)
            if named is None:
                return NotImplemented
            return (name_of(self), fields_of(self)) == named
        return vars(self) == vars(other)

    def __hash__(self) -> int:
        return hash(tuple(vars(self).items()))

    def __repr__(self) -> str:
        inner = ", ".join(f"{name}={value!r}" for name, value in fields_of(self).items())
        return f"{name_of(self)}({inner})"


class NamedRow(tuple[Any, ...]):
    """A tuple with names: what is left of a namedtuple once it has crossed.

    Args:
        items: the tuple's own values.
        name: the name of the class.
        fields: the values by name; of a namedtuple the same ones.
    """

    def __new__(
        cls, items: Iterable[Any] = (), name: str = "tuple", fields: Mapping[str, Any] = {}
    ) -> NamedRow:
        """Return a row with these values, attributes included."""
        made = super().__new__(cls, items)
        vars(made).update(fields)
        vars(made)[_NAME] = name
        return made

    @property
    def _fields(self) -> tuple[str, ...]:
        return tuple(fields_of(self))

    def _asdict(self) -> dict[str, Any]:
        return fields_of(self)

    def __eq__(self, other: object) -> bool:
        named = None if isinstance(other, tuple) else _named(other)
        if named is not None:
            return (name_of(self), fields_of(self)) == named
        return tuple.__eq__(self, other)

    def __ne__(self, other: object) -> bool:
        equal = self.__eq__(other)
        return equal if equal is NotImplemented else not equal

    __hash__ = tuple.__hash__
    __repr__ = Record.__repr__


def name_of(record: Record | NamedRow) -> str:
    """Return the name of the class that a record was made from."""
    name: str = vars(record)[_NAME]
    return name


def fields_of(record: Record | NamedRow) -> dict[str, Any]:
    """Return a record's values by name."""
    return {name: value for name, value in vars(record).items() if name != _NAME}


def is_field(name: object) -> bool:
    """Return whether a record may have a field of this name."""
    return type(name) is str and len(name) <= 200 and name.isidentifier() and name[:2] != "__"


def is_key(value: Any, depth: int = 1) -> bool:
    """Return whether a plain value may be a dict's key or in a set.

    Args:
        value: plain.
        depth: how many tuples, frozensets and records it lies in, itself included.
    """
    kind = type(value)
    if kind is tuple or kind is frozenset or kind is NamedRow:
        fields = fields_of(value).values() if kind is NamedRow else ()
        return depth <= MAX_DEPTH and all(
            is_key(one, depth + 1) for some in (value, fields) for one in some
        )
    if kind is Record:
        fields = fields_of(value).values()
        return depth <= MAX_DEPTH and all(is_key(one, depth + 1) for one in fields)
    if kind is Decimal:
        return not value.is_snan()
    return value is None or any(kind is one for one in _KEYS)


def type_name(kind: type, name: str | None = None) -> str:
    """Return a type's name for a message: one short line, whatever its author called it."""
    text = str(name or type.__dict__["__name__"].__get__(kind))
    return "".join(one for one in text if one.isprintable())[:80]


def plain(value: Any, *, arguments: bool = False, refer: Callable[[Any], Any] | None = None) -> Any:
    """Return what `value` is in terms of the types that cross, as the table above says.

    Args:
        value: of any type.
        arguments: `value` goes to the student's side. Iterators and the standard library's
            containers then stay what they are, since the student's function may use them so.
        refer: returns what stands for a value that isn't to be copied; None for any other.

    Raises:
        CannotCross: something in it isn't like any of them, or it is too large.
        BaseException: whatever a method of the value's own class raises.
    """
    return _Conversion(arguments, refer).value(value, 1)


_LEAVES = frozenset({type(None), bool, int, float, complex, str, bytes})
_DATES = (datetime.datetime, datetime.date, datetime.time, datetime.timedelta)
_KEYS = (bool, int, float, complex, str, bytes, Fraction, *_DATES)
_STAY = (Fraction, Decimal)
_FOR_ARGUMENTS = (
    collections.deque,
    collections.OrderedDict,
    collections.Counter,
    collections.defaultdict,
)
FACTORIES = (None, list, dict, set, tuple, int, float, str, bool)
"""What a defaultdict may make where it crosses as one."""


class _Conversion:
    """One value on its way to a plain one; counts what it meets."""

    def __init__(self, arguments: bool, refer: Callable[[Any], Any] | None = None) -> None:
        self._arguments = arguments
        self._refer = refer
        self._nodes = 0
        self._bytes = 0

    def value(self, value: Any, depth: int) -> Any:
        """Return one value as a plain one; `depth` is how many others it lies in."""
        self._count(1)
        kind = type(value)
        if kind in _LEAVES:
            if kind is str or kind is bytes:
                self._weigh(len(value))
            return value
        if self._refer is not None and (reference := self._refer(value)) is not None:
            return reference
        for convert in (self._library, self._scalar, self._container, self._named, self._iterable):
            if convert == self._container and depth >= MAX_DEPTH:
                raise CannotCross(TOO_DEEP, count=MAX_DEPTH)
            found = convert(value, kind, depth)
            if found is not _NOT_THIS:
                return found
        raise CannotCross(WRONG_TYPE, kind=type_name(kind))

    def _count(self, nodes: int) -> None:
        self._nodes += nodes
        if self._nodes > MAX_NODES:
            raise CannotCross(TOO_MANY, count=f"{MAX_NODES:,}")

    def _weigh(self, size: int) -> None:
        self._bytes += size
        if self._bytes > MAX_BYTES:
            raise CannotCross(TOO_LARGE, count=MAX_BYTES >> 20)

    def _library(self, value: Any, kind: type, depth: int) -> Any:
        """Convert a value of numpy's or torch's; what isn't imported has made no value."""
        numpy, torch = sys.modules.get("numpy"), sys.modules.get("torch")
        if numpy and issubclass(kind, numpy.ndarray):
            return self._array(numpy, value, kind, depth)
        if numpy and issubclass(kind, numpy.generic):
            return self._numpy_scalar(numpy, value, kind, depth)
        if numpy and issubclass(kind, numpy.dtype):
            return value
        if torch and issubclass(kind, torch.Tensor):
            return self._tensor(torch, value)
        if torch and kind is torch.dtype:
            return value
        if tables.code_of(kind) is not None:
            self._count(ARRAY_NODES)
            return value
        return _NOT_THIS

    def _array(self, numpy: Any, value: Any, kind: type, depth: int) -> Any:
        if issubclass(kind, numpy.ma.MaskedArray):
            if numpy.ma.is_masked(value):
                return self.value(value.tolist(), depth)
            value = value.data
        value = numpy.asarray(value)
        if type(value) is not numpy.ndarray:
            value = value.view(numpy.ndarray)
        self._count(ARRAY_NODES)
        self._weigh(value.nbytes)
        if value.dtype.names is not None:
            rows = [self._numpy_record(numpy, one, depth + value.ndim) for one in value.ravel()]
            return _shaped(rows, value.shape)
        if value.dtype.kind == "O":
            return self.value(value.tolist(), depth)
        return self._ordinary(numpy, value)

    def _ordinary(self, numpy: Any, value: Any) -> Any:
        """Return the array in a number format that every machine has."""
        if value.dtype.type is numpy.longdouble:
            return value.astype(numpy.float64)
        if value.dtype.type is numpy.clongdouble:
            return value.astype(numpy.complex128)
        if value.dtype.kind not in "biufcUSmM":
            raise CannotCross(WRONG_ARRAY, kind=type_name(type(value), str(value.dtype)))
        # C's long and long long are two types of the same size, with one name.
        return value.astype(numpy.dtype(value.dtype.name)) if value.dtype.kind in "iu" else value

    def _numpy_scalar(self, numpy: Any, value: Any, kind: type, depth: int) -> Any:
        if issubclass(kind, numpy.str_):
            return str.__str__(value)
        if issubclass(kind, numpy.bytes_):
            return bytes.__getitem__(value, slice(None))
        if issubclass(kind, numpy.void):
            if value.dtype.names is None:
                return bytes(value)
            return self._numpy_record(numpy, value, depth)
        if issubclass(kind, numpy.object_):
            raise CannotCross(WRONG_TYPE, kind=type_name(kind))
        self._count(ARRAY_NODES)
        found = self._ordinary(numpy, numpy.asarray(value))
        if found.dtype.kind in "mM":
            return found[()]
        return found.dtype.type(found[()])  # of the exact type, whatever class `kind` is

    def _numpy_record(self, numpy: Any, value: Any, depth: int) -> NamedRow:
        items = [self.value(value[name], depth + 1) for name in value.dtype.names]
        names = value.dtype.names
        fields = {name: item for name, item in zip(names, items, strict=True) if is_field(name)}
        return NamedRow(items, "void", fields)

    def _tensor(self, torch: Any, value: Any) -> Any:
        self._count(ARRAY_NODES)
        self._weigh(value.numel() * value.element_size())
        try:
            if type(value) is not torch.Tensor:
                value = value.detach().as_subclass(torch.Tensor)
            if value.layout is not torch.strided:
                value = value.detach().to_dense()
                self._weigh(value.numel() * value.element_size())
            return value.detach().cpu()
        except (RuntimeError, NotImplementedError):
            kind = str(getattr(value, "device", "Tensor"))
            raise CannotCross(WRONG_ARRAY, kind=type_name(torch.Tensor, kind)) from None

    def _scalar(self, value: Any, kind: type, depth: int) -> Any:
        if issubclass(kind, enum.Enum):
            return self.value(value.value, depth + 1)
        if issubclass(kind, int):
            return int.__int__(value)
        if issubclass(kind, float):
            return float.__float__(value)
        if issubclass(kind, complex):
            return complex.__pos__(value)
        if issubclass(kind, str):
            self._weigh(str.__len__(value))
            return str.__str__(value)
        if issubclass(kind, bytes):
            self._weigh(bytes.__len__(value))
            return bytes.__getitem__(value, slice(None))
        if issubclass(kind, bytearray):
            self._weigh(bytearray.__len__(value))
            return bytes(value)
        if issubclass(kind, collections.UserString):
            return self.value(value.data, depth + 1)
        if any(kind is one for one in _STAY):
            return value
        if issubclass(kind, Decimal):
            return Decimal(value)
        if issubclass(kind, numbers.Rational):
            return fractions.Fraction(int(value.numerator), int(value.denominator))
        if issubclass(kind, _DATES):
            return _date(value)
        if issubclass(kind, pathlib.PurePath):
            return str.__str__(value.as_posix())
        if kind is range:
            self._count(_length(value))
            return value
        if kind is memoryview:
            if value.format in ("B", "b", "c"):
                self._weigh(value.nbytes)
                return value.tobytes()
            return self.value(value.tolist(), depth)
        return _NOT_THIS

    def _container(self, value: Any, kind: type, depth: int) -> Any:
        """Convert Python's own containers and what derives from them, by what they hold."""
        if issubclass(kind, (Record, NamedRow)):
            return self._record(value, kind is NamedRow, depth)
        if issubclass(kind, tuple):
            named = _tuple_fields(value, kind)
            if named is None:
                return tuple(self._all(tuple.__iter__(value), depth))
            return self._named_row(kind, tuple.__iter__(value), named, depth)
        if self._arguments and kind in _FOR_ARGUMENTS:
            return self._library_container(value, kind, depth)
        if issubclass(kind, list):
            return self._all(list.__iter__(value), depth)
        if issubclass(kind, dict):
            # An OrderedDict's order is its own, and not that of the dict below.
            ordered = issubclass(kind, collections.OrderedDict)
            items = collections.OrderedDict.items if ordered else dict.items
            return self._dict(items(value), depth)
        if issubclass(kind, frozenset):
            return frozenset(self._keys(frozenset.__iter__(value), depth))
        if issubclass(kind, set):
            return set(self._keys(set.__iter__(value), depth))
        if issubclass(kind, collections.deque):
            return self._all(collections.deque.__iter__(value), depth)
        if issubclass(kind, array.array):
            return self.value(array.array.tolist(value), depth)
        return _NOT_THIS

    def _library_container(self, value: Any, kind: type, depth: int) -> Any:
        """Return a container of the standard library's with plain values in it."""
        if kind is collections.deque:
            return collections.deque(self._all(iter(value), depth), value.maxlen)
        made = self._dict(value.items(), depth)
        if kind is collections.defaultdict:
            is_known = any(value.default_factory is one for one in FACTORIES)
            return collections.defaultdict(value.default_factory, made) if is_known else made
        return kind(made)

    def _named(self, value: Any, kind: type, depth: int) -> Any:
        named = None if issubclass(kind, type) else _named(value)
        if named is None:
            return _NOT_THIS
        name, fields = named
        if hasattr(kind, "__iter__"):
            return self._named_row(kind, self._ending(value), fields, depth)
        return Record(type_name(kind, name), self._fields(fields, depth))

    def _iterable(self, value: Any, kind: type, depth: int) -> Any:
        if issubclass(kind, (type, io.IOBase)):
            return _NOT_THIS
        if self._arguments and callable(value):
            return _NOT_THIS  # a mock, say, that is handed over to be called
        if issubclass(kind, abc.MappingView):  # before Set, which a view of keys is, too
            return self._all(iter(value), depth)
        if issubclass(kind, abc.Mapping):
            return self._dict(((key, value[key]) for key in self._ending(value)), depth)
        if issubclass(kind, abc.Set):
            return set(self._keys(self._ending(value), depth))
        if issubclass(kind, abc.Iterator) and self._arguments:
            return iter(self._all(self._ending(value), depth))
        if hasattr(kind, "__iter__"):
            return self._all(self._ending(value), depth)
        if hasattr(kind, "__getitem__") and hasattr(kind, "__len__"):
            length = len(value)
            self._count(length)
            return self._all((value[place] for place in range(length)), depth)
        return _NOT_THIS

    def _ending(self, iterable: Iterable[Any]) -> Iterator[Any]:
        """Yield what `iterable` has, unless it goes on for too long."""
        for place, one in enumerate(iterable):
            if place >= MAX_NODES:
                raise CannotCross(ENDLESS, count=f"{MAX_NODES:,}")
            yield one

    def _all(self, values: Iterable[Any], depth: int) -> list[Any]:
        found: list[Any] = []
        for one in values:
            if type(one) in _LEAVES and type(one) is not str and type(one) is not bytes:
                self._nodes += 1  # most values are numbers: no call for each
                found.append(one)
            else:
                found.append(self.value(one, depth + 1))
            if self._nodes > MAX_NODES:
                raise CannotCross(ENDLESS, count=f"{MAX_NODES:,}")
        return found

    def _key(self, value: Any, depth: int) -> Any:
        numpy = sys.modules.get("numpy")
        found = self.value(value, depth + 1)
        if numpy and isinstance(found, numpy.generic):
            found = self.value(found.item(), depth + 1)
        if not is_key(found):
            raise CannotCross(WRONG_KEY, kind=type_name(type(value)))
        return found

    def _keys(self, values: Iterable[Any], depth: int) -> Iterator[Any]:
        for one in values:
            yield self._key(one, depth)

    def _dict(self, items: Iterable[tuple[Any, Any]], depth: int) -> dict[Any, Any]:
        return {self._key(key, depth): self.value(one, depth + 1) for key, one in items}

    def _fields(self, fields: Mapping[str, Any], depth: int) -> dict[str, Any]:
        if len(fields) > MAX_FIELDS:
            raise CannotCross(TOO_MANY, count=f"{MAX_FIELDS:,}")
        return {
            str.__str__(name): self.value(one, depth + 1)
            for name, one in fields.items()
            if is_field(name)
        }

    def _named_row(
        self, kind: type, items: Iterable[Any], fields: Mapping[str, Any], depth: int
    ) -> NamedRow:
        """Return a tuple with names; a value that has a place and a name stays one value."""
        originals = list(items)
        made = self._all(originals, depth)
        places = {id(one): place for place, one in enumerate(originals)}
        others = {name: one for name, one in fields.items() if id(one) not in places}
        converted = self._fields(others, depth)
        named = {
            str.__str__(name): made[places[id(one)]] if id(one) in places else converted[name]
            for name, one in fields.items()
            if is_field(name)
        }
        return NamedRow(made, type_name(kind), named)

    def _record(self, value: Any, is_row: bool, depth: int) -> Record | NamedRow:
        if not is_row:
            return Record(name_of(value), self._fields(fields_of(value), depth))
        row = self._named_row(type(value), tuple.__iter__(value), fields_of(value), depth)
        vars(row)[_NAME] = name_of(value)
        return row


_NOT_THIS = object()


def _length(values: range) -> int:
    try:
        return len(values)
    except OverflowError:
        return MAX_NODES + 1


def _shaped(rows: list[Any], shape: tuple[int, ...]) -> Any:
    """Return rows in nested lists, as `tolist` nests them."""
    if not shape:
        return rows[0]
    for size in reversed(shape[1:]):
        rows = [rows[at : at + size] for at in range(0, len(rows), size)] if size else []
    return rows


def _date(value: Any) -> Any:
    """Return the same moment in the standard library's own class, with a fixed offset."""
    if isinstance(value, datetime.timedelta):
        return datetime.timedelta(value.days, value.seconds, value.microseconds)
    if isinstance(value, datetime.datetime):
        offset = value.utcoffset()
        zone = None if offset is None else datetime.timezone(offset)
        return datetime.datetime(
            *(value.year, value.month, value.day, value.hour),
            *(value.minute, value.second, value.microsecond, zone),
        )
    if isinstance(value, datetime.date):
        return datetime.date(value.year, value.month, value.day)
    offset = value.utcoffset()
    zone = None if offset is None else datetime.timezone(offset)
    return datetime.time(value.hour, value.minute, value.second, value.microsecond, zone)


def _tuple_fields(value: Any, kind: type) -> dict[str, Any] | None:
    """Return the named values of a tuple; None if it has no names."""
    names = getattr(kind, "_fields", None)
    if isinstance(names, tuple) and all(isinstance(name, str) for name in names):
        extra = getattr(kind, "_extra_fields", ())  # of scipy's results
        names = (*names, *(extra if isinstance(extra, tuple) else ()))
    elif isinstance(getattr(kind, "n_sequence_fields", None), int):  # a struct sequence
        names = tuple(
            name
            for name, member in vars(kind).items()
            if isinstance(member, (types.MemberDescriptorType, types.GetSetDescriptorType))
        )
    else:
        return None
    return {name: getattr(value, name) for name in names if is_field(name)}


def _named(value: Any) -> tuple[str, dict[str, Any]] | None:
    """Return the class name and fields of an object that is there to hold them; else None."""
    kind = type(value)
    if issubclass(kind, types.SimpleNamespace):
        return type_name(kind), dict(vars(value))
    if isinstance(getattr(kind, "__dataclass_fields__", None), dict):
        names = [field.name for field in dataclasses.fields(kind)]
    elif isinstance(getattr(kind, "__attrs_attrs__", None), tuple):
        names = [field.name for field in kind.__attrs_attrs__]
    else:
        return None
    return type_name(kind), {name: getattr(value, name) for name in names if hasattr(value, name)}
