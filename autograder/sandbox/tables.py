"""Send pandas' tables, columns and indexes by Arrow's IPC format, and check them on arrival.

A table is one Arrow stream without compression, dictionaries' sharing, extension types or nested
values. Its messages (`arrow_stream`) and its schema are checked before anything of its content is
used, then what it will take in memory is counted: columns may share their bytes in the stream and
don't any more as pandas' columns. What pandas' own note in the schema says about the index is
rebuilt here from plain parts. Nothing is imported unless pandas is loaded already: only then can a
value be one of its own.

Imports nothing but the standard library otherwise, because it runs in the sandbox.
"""

from __future__ import annotations

import importlib
import json
import re
import sys
from typing import Any

from autograder.sandbox import arrow_stream

MAX_COLUMNS = 10_000
MAX_CELLS = 8_000_000
MAX_OBJECTS = 1_000_000
"""The most cells that are an object each, such as a text, and categories."""
MAX_TABLE_BYTES = 64 * 1024 * 1024
"""The most that all columns take together, each with all the bytes that it uses."""
_OLDEST_PYARROW = 15  # earlier ones run code that a stream brings (CVE-2023-47248)
_DTYPE = re.compile(
    r"object|category|bool|boolean|str|string(\[\w{1,20}\])?|(u?i|UI|I)nt\d{1,2}|[fF]loat\d{2}"
    r"|(datetime|timedelta)64\[(s|ms|us|ns)(, [\w/+:-]{1,40})?\]"
)
"""What pandas calls the types of columns that cross."""
_TABLE, _COLUMN, _INDEX = "f", "s", "i"


class NoTable(Exception):
    """A value that can't be sent as a table, or bytes that are none; the message is one line."""


def code_of(kind: type) -> str | None:
    """Return how a class of pandas' is sent; None for any other class, and subclasses."""
    pandas = sys.modules.get("pandas")
    if pandas is None or kind.__module__.split(".")[0] != "pandas":
        return None
    if kind is getattr(pandas, "DataFrame", None):
        return _TABLE
    if kind is getattr(pandas, "Series", None):
        return _COLUMN
    return _INDEX if issubclass(kind, pandas.Index) else None


def to_arrow(value: Any, code: str) -> bytes:
    """Return the stream of a DataFrame, Series or Index.

    Raises:
        NoTable: pyarrow is missing, or it holds values of a kind that doesn't cross.
    """
    pandas, pyarrow = sys.modules["pandas"], _pyarrow()
    names = None if code == _TABLE else _names([value.name])
    if isinstance(value, pandas.MultiIndex):
        value, names = pandas.DataFrame(index=value), []
    elif code == _INDEX:
        value = pandas.DataFrame({"0": value})
    elif code == _COLUMN:
        value = value.to_frame("0")
    index = value.index
    head: dict[str, Any] = {"columns": names, "axis": value.columns.name}
    if isinstance(value.columns, pandas.MultiIndex):
        head["columns"] = [_names(list(one)) for one in value.columns.tolist()]
        head["axes"] = _names(list(value.columns.names))
    elif names is None:
        head["columns"] = _names(value.columns.tolist())
    head["dtype"] = str(value.columns.dtype)
    columns = [value.iloc[:, place] for place in range(value.shape[1])]
    head["index"] = "range"
    if isinstance(index, pandas.MultiIndex):
        head["index"] = _names(list(index.names))
        levels = range(index.nlevels)
        columns += [pandas.Series(index.get_level_values(level)) for level in levels]
    elif type(index) is pandas.RangeIndex:
        head["range"] = [index.start, index.stop, index.step]
    else:
        head["index"] = "column"
        columns.append(index.to_series())
    head["name"] = index.name
    try:
        arrays = [pyarrow.Array.from_pandas(one) for one in columns]
        head["dtypes"] = [str(one.dtype) for one in columns]
        text = json.dumps(head)
        places = [str(place) for place in range(len(arrays))]
        table = pyarrow.Table.from_arrays(arrays, names=places)
        _check(pyarrow, table.schema, table.num_rows)
        _check_memory(pyarrow, table, head["dtypes"])
        table = table.replace_schema_metadata({"autograder": text}).combine_chunks()
        sink = pyarrow.BufferOutputStream()
        with pyarrow.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table)
        return bytes(sink.getvalue())
    except (pyarrow.ArrowException, TypeError, ValueError, OverflowError) as error:
        raise NoTable(f"this table can't cross ({type(error).__name__})") from None


def from_arrow(content: bytes, code: str) -> Any:
    """Return the DataFrame, Series or Index of a stream.

    Raises:
        NoTable: it isn't one, or pandas or pyarrow is missing here.
    """
    pandas, pyarrow = sys.modules.get("pandas"), _pyarrow()
    if pandas is None or code not in (_TABLE, _COLUMN, _INDEX):
        raise NoTable("a table came where there can be none")
    try:
        kinds = arrow_stream.kinds_of_messages(content)
        with pyarrow.ipc.open_stream(pyarrow.py_buffer(content)) as reader:
            _check(pyarrow, reader.schema, 0)
            _check_messages(pyarrow, reader.schema, kinds)
            table = reader.read_all()
        _check(pyarrow, table.schema, table.num_rows)
        head = json.loads((table.schema.metadata or {})[b"autograder"])
        table.validate()
        _check_memory(pyarrow, table, head["dtypes"])
        table.validate(full=True)  # takes time for all the bytes that were counted
        columns = [
            _column(pandas, table.column(place), dtype)
            for place, dtype in zip(range(table.num_columns), head["dtypes"], strict=True)
        ]
        if head["index"] == "range":
            start, stop, step = head["range"]
            index = pandas.RangeIndex(start, stop, step)
            if len(index) > MAX_CELLS:
                raise NoTable("a table so large can't cross")
        elif type(head["index"]) is list:
            first = len(columns) - len(head["index"])
            if first < 0:
                raise NoTable("a table's parts don't fit together")
            index = pandas.MultiIndex.from_arrays(columns[first:], names=_names(head["index"]))
            del columns[first:]
        else:
            index = pandas.Index(columns.pop())
        if type(index) is not pandas.MultiIndex:
            index.name = head["name"]
        elif code == _INDEX:
            return index
        names = _labels(head)
        if len(names) != len(columns) or (len(index) != table.num_rows and columns):
            raise NoTable("a table's parts don't fit together")
        if code == _COLUMN:
            return _series(pandas, columns, index, names)
        if code == _INDEX:
            return pandas.Index(columns[0]).rename(names[0])
        found = pandas.DataFrame(
            {place: one.set_axis(index) for place, one in enumerate(columns)}, index=index
        )
        if "axes" in head:
            found.columns = pandas.MultiIndex.from_tuples(names, names=_names(head["axes"]))
            return found
        kind = str(head["dtype"])[:20]
        axis = pandas.RangeIndex(0) if not names and kind == "int64" else None
        found.columns = pandas.Index(names, dtype=kind) if axis is None else axis
        found.columns.name = head["axis"]
        return found
    except NoTable:
        raise
    except Exception as error:  # pyarrow and pandas raise many kinds for what isn't a table
        raise NoTable(f"this is no table ({type(error).__name__})") from None


def _series(pandas: Any, columns: list[Any], index: Any, names: list[Any]) -> Any:
    found = columns[0].set_axis(index)
    found.name = names[0]
    return found


def _column(pandas: Any, values: Any, dtype: str) -> Any:
    if type(dtype) is not str or not _DTYPE.fullmatch(dtype):
        raise NoTable("a column has no such type")
    made = values.to_pandas()
    return made if str(made.dtype) == dtype else made.astype(dtype)


def _names(columns: list[Any]) -> list[Any]:
    found = []
    for one in columns:
        one = one.item() if type(one).__module__ == "numpy" else one
        if type(one) not in (str, int, float, bool) and one is not None:
            raise NoTable("a table with such column names can't cross")
        found.append(one)
    return found


def _labels(head: dict[str, Any]) -> list[Any]:
    """Return the names of the columns, tuples where there are several levels of them."""
    if "axes" in head:
        if {len(one) for one in head["columns"]} - {len(head["axes"])}:
            raise NoTable("a table's parts don't fit together")
        return [tuple(_names(one)) for one in head["columns"]]
    return _names(head["columns"])


def _check(pyarrow: Any, schema: Any, rows: int) -> None:
    """Refuse a schema with more or other columns than tables of plain values have."""
    if len(schema) > MAX_COLUMNS or len(schema) * rows > MAX_CELLS:
        raise NoTable("a table so large can't cross")
    types = pyarrow.types
    for field in schema:
        kind = field.type
        if types.is_dictionary(kind):
            kind = kind.value_type
        fits = (
            types.is_boolean(kind) or types.is_integer(kind) or types.is_floating(kind)
            or types.is_string(kind) or types.is_large_string(kind) or types.is_temporal(kind)
            or types.is_null(kind) or types.is_binary(kind)
        )  # fmt: skip  # one question a line would fill a page
        if not fits:
            raise NoTable(f"a column of {str(kind)[:40]} can't cross")


def _check_messages(pyarrow: Any, schema: Any, kinds: list[int]) -> None:
    """Refuse a stream of more messages than one table needs."""
    categories = sum(pyarrow.types.is_dictionary(field.type) for field in schema)
    if (
        kinds[:1] != [arrow_stream.SCHEMA]
        or kinds.count(arrow_stream.SCHEMA) != 1
        or kinds.count(arrow_stream.DICTIONARY) > categories
        or kinds.count(arrow_stream.BATCH) > 1
    ):
        raise NoTable("a table comes in more parts than it has")


def _check_memory(pyarrow: Any, table: Any, dtypes: Any) -> None:
    """Refuse a table that takes more memory than one may, or more objects."""
    if type(dtypes) is not list or len(dtypes) != table.num_columns:
        raise NoTable("a table's parts don't fit together")
    size = objects = 0
    for column, dtype in zip(table.columns, dtypes, strict=True):
        size += column.nbytes
        is_category = pyarrow.types.is_dictionary(column.type)
        if is_category != (dtype == "category"):
            raise NoTable("a column's type doesn't fit what it holds")
        if is_category:
            objects += sum(len(chunk.dictionary) for chunk in column.chunks)
        elif str(dtype).startswith(_OBJECTS) or not _is_number(pyarrow.types, column.type):
            objects += len(column)
    if size > MAX_TABLE_BYTES or objects > MAX_OBJECTS:
        raise NoTable("a table so large can't cross")


_OBJECTS = ("object", "str")


def _is_number(types: Any, kind: Any) -> bool:
    """Return whether a cell of this kind takes a few bytes in an array, and is no object."""
    return bool(
        types.is_boolean(kind) or types.is_integer(kind) or types.is_floating(kind)
        or types.is_timestamp(kind) or types.is_duration(kind) or types.is_null(kind)
    )  # fmt: skip  # one question a line would fill a page


def _pyarrow() -> Any:
    try:
        pyarrow = importlib.import_module("pyarrow")
        importlib.import_module("pyarrow.ipc")
    except ImportError:
        raise NoTable("tables need pyarrow") from None
    if int(pyarrow.__version__.split(".")[0]) < _OLDEST_PYARROW:
        raise NoTable(f"tables need pyarrow {_OLDEST_PYARROW} or later")
    return pyarrow
