"""Tables arrive as they were, and a hostile one takes no more memory than one may."""

import json
import struct
import subprocess
import sys

import pytest

from autograder.sandbox import arrow_stream, tables, wire
from autograder.sandbox.plain_values import CannotCross

pd = pytest.importorskip("pandas")
pa = pytest.importorskip("pyarrow")


def sent(value):
    return tables.to_arrow(value, tables.code_of(type(value)))


KEYS = pd.DataFrame({"a": [1, 1, 2], "b": ["x", "y", "x"], "c": [2.5, 2.5, 3], "n": [5, 6, 7]})


def grouped():
    return KEYS.groupby(["a", "b"])


HONEST = {
    "numbers": lambda: pd.DataFrame({"a": [1, 2], "b": [0.5, None], "c": [True, False]}),
    "texts": lambda: pd.DataFrame({"a": ["x", "y", None], 3: [1, 2, 3]}),
    "categories": lambda: pd.DataFrame({"a": pd.Categorical(["u", "v", "u"])}),
    "ordered": lambda: pd.DataFrame({"a": pd.Categorical([3, 1], [1, 3], ordered=True)}),
    "dates": lambda: pd.DataFrame({"a": pd.to_datetime(["2020-01-01", None])}),
    "no rows": lambda: pd.DataFrame({"a": pd.Series([], dtype="float64")}),
    "nothing": lambda: pd.DataFrame(),
    "rows alone": lambda: pd.DataFrame(index=[4, 5]),
    "a column": lambda: pd.Series([1.5, 2.5], index=["a", "b"], name="s"),
    "an index": lambda: pd.Index(["a", "b"], name="i"),
    "in parts": lambda: pd.concat([pd.Series(["a"]), pd.Series(["b"])]).to_frame("x"),
    "nullable": lambda: pd.DataFrame({"a": pd.array([1, None], dtype="Int64")}),
    "rows by two keys": lambda: grouped()[["n"]].mean(),
    "a column by two keys": lambda: grouped()["n"].sum(),
    "columns in two levels": lambda: grouped()[["n"]].agg(["mean", "max"]),
    "columns in two named levels": lambda: KEYS.pivot_table(
        index="a", columns=["b", "c"], values="n"
    ),
    "keys without names": lambda: pd.Series([1, 2], index=[["x", "y"], [1, 2]]),
    "an index of two levels": lambda: grouped()["n"].sum().index,
    "no row by two keys": lambda: KEYS[:0].groupby(["a", "b"])[["n"]].sum(),
    "objects": lambda: pd.DataFrame({"a": pd.Series(["x", "y"], dtype=object)}),
}


@pytest.mark.parametrize("name", HONEST)
def test_a_table_arrives_as_it_was(name):
    value = HONEST[name]()
    arrived = wire.decode(wire.encode(value))
    assert type(arrived) is type(value)
    same = {pd.DataFrame: pd.testing.assert_frame_equal, pd.Series: pd.testing.assert_series_equal}
    same.get(type(value), pd.testing.assert_index_equal)(arrived, value)


def head(columns, dtypes, index="range", rows=0):
    return {
        "columns": columns,
        "axis": None,
        "dtype": "object",
        "index": index,
        "range": [0, rows, 1],
        "name": None,
        "dtypes": dtypes,
    }


def stream(table, told, batches=None, **options):
    """A stream as the format allows it, whatever `to_arrow` makes."""
    schema = table.schema.with_metadata({"autograder": json.dumps(told)})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, schema, options=pa.ipc.IpcWriteOptions(**options)) as writer:
        for batch in batches or table.to_batches():
            writer.write_batch(batch.replace_schema_metadata(schema.metadata))
    return bytes(sink.getvalue())


ROWS = 1000
NUMBERS = {"told": head(["a"], ["int64"], rows=ROWS)}


def numbers():
    return pa.table({"0": pa.array(range(ROWS))})


def test_what_the_hostile_ones_below_are_made_from_arrives():
    assert tables.from_arrow(stream(numbers(), **NUMBERS), "f")["a"].sum() == sum(range(ROWS))


@pytest.mark.parametrize("codec", ["lz4", "zstd"])
@pytest.mark.parametrize("version", ["V4", "V5"])
def test_nothing_compressed_is_unpacked(codec, version, monkeypatch):
    content = stream(
        numbers(),
        **NUMBERS,
        compression=codec,
        metadata_version=getattr(pa.ipc.MetadataVersion, version),
    )
    monkeypatch.setattr(pa.ipc, "open_stream", lambda *_: pytest.fail("it was opened"))
    with pytest.raises(tables.NoTable, match="Unfit"):
        tables.from_arrow(content, "f")


def test_an_earlier_version_of_the_format_is_refused():
    content = stream(numbers(), **NUMBERS, metadata_version=pa.ipc.MetadataVersion.V4)
    with pytest.raises(arrow_stream.Unfit, match="version"):
        arrow_stream.kinds_of_messages(content)


def test_a_dictionary_that_is_compressed_is_refused():
    table = pa.table({"0": pa.array(["x" * 500, "y"] * 9).dictionary_encode()})
    content = stream(table, head(["a"], ["category"], rows=18), compression="zstd")
    with pytest.raises(arrow_stream.Unfit, match="compressed"):
        arrow_stream.kinds_of_messages(content)


def test_a_batch_after_another_is_refused():
    batch = numbers().to_batches()[0]
    content = stream(numbers(), **NUMBERS, batches=[batch, batch])
    with pytest.raises(tables.NoTable, match="more parts"):
        tables.from_arrow(content, "f")


@pytest.mark.parametrize("deltas", [False, True])
def test_a_dictionary_that_is_sent_anew_is_refused(deltas):
    kind = pa.dictionary(pa.int8(), pa.string())
    batches = [
        pa.record_batch({"0": pa.DictionaryArray.from_arrays(pa.array([0], pa.int8()), words)})
        for words in (["a"], ["a", "b"])
    ]
    table = pa.Table.from_batches(batches)
    assert table.schema.field(0).type == kind
    content = stream(
        table, head(["a"], ["category"], rows=2), batches, emit_dictionary_deltas=deltas
    )
    with pytest.raises(tables.NoTable):
        tables.from_arrow(content, "f")


def shared(columns):
    """Columns of one text each that all use the same two million bytes of the stream."""
    text = pa.py_buffer(b"x" * 2_000_000)
    ends = pa.py_buffer(struct.pack("<ii", 0, len(text)))
    one = pa.StringArray.from_buffers(1, ends, text)
    return pa.table([one] * columns, names=[str(place) for place in range(columns)])


HOSTILE = {
    "bytes that all columns share": lambda: (
        shared(40),
        head(["a"] * 40, ["str"] * 40, rows=1),
    ),
    "categories that become texts": lambda: (
        pa.table({"0": pa.array(["x" * 10_000]).dictionary_encode().take([0] * 1000)}),
        head(["a"], ["str"], rows=1000),
    ),
    "numbers that become categories": lambda: (
        numbers(),
        head(["a"], ["category"], rows=ROWS),
    ),
    "more texts than there may be": lambda: (
        pa.table({"0": pa.array([""] * (tables.MAX_OBJECTS + 1))}),
        head(["a"], ["str"], rows=tables.MAX_OBJECTS + 1),
    ),
    "more objects than there may be": lambda: (
        pa.table({"0": pa.array([True] * (tables.MAX_OBJECTS + 1))}),
        head(["a"], ["object"], rows=tables.MAX_OBJECTS + 1),
    ),
    "more categories than there may be": lambda: (
        pa.table(
            {
                "0": pa.DictionaryArray.from_arrays(
                    pa.array([0], pa.int32()), pa.array([""] * (tables.MAX_OBJECTS + 1))
                )
            }
        ),
        head(["a"], ["category"], rows=1),
    ),
    "types for other columns": lambda: (numbers(), head(["a"], ["int64"] * 2, rows=ROWS)),
    "no list of types": lambda: (numbers(), head(["a"], "i", rows=ROWS)),
    "more levels than columns": lambda: (
        numbers(),
        head([], ["int64"], index=["a", "b"], rows=ROWS),
    ),
    "no level": lambda: (numbers(), head(["a"], ["int64"], index=[], rows=ROWS)),
    "a level's name that is a list": lambda: (
        pa.table({"0": [1], "1": [2], "2": [3]}),
        head(["a"], ["int64"] * 3, index=[["x"], "y"], rows=1),
    ),
    "labels of different lengths": lambda: (
        pa.table({"0": [1], "1": [2]}),
        head([["a", "b"], ["c"]], ["int64"] * 2, rows=1) | {"axes": ["x", "y"]},
    ),
    "a range without end": lambda: (
        pa.table({}),
        head([], [], rows=10**15),
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_would_take_more_than_one_may_is_refused(name):
    table, told = HOSTILE[name]()
    with pytest.raises(tables.NoTable):
        tables.from_arrow(stream(table, told), "f")


def test_memory_is_counted_before_every_byte_is_looked_at(monkeypatch):
    """Else columns that share their bytes cost the time for each of them."""
    seen = []
    monkeypatch.setattr(tables, "_check_memory", lambda *_: seen.append(1) or pytest.fail("x"))
    content = stream(pa.table({"0": pa.array([b"\xff"]).view(pa.string())}), head(["a"], ["str"]))
    with pytest.raises(pytest.fail.Exception):
        tables.from_arrow(content, "f")
    assert seen


@pytest.mark.parametrize("place", range(0, 600, 7))
def test_no_byte_that_is_changed_does_more_than_refuse(place):
    content = bytearray(stream(numbers(), **NUMBERS))
    for byte in (0, 1, 0x7F, 0x80, 0xFF):
        changed = bytes(content[:place]) + bytes([byte]) + bytes(content[place + 1 :])
        try:
            kinds = arrow_stream.kinds_of_messages(changed)
        except arrow_stream.Unfit:
            continue
        assert kinds


@pytest.mark.parametrize("end", range(0, 400, 13))
def test_a_stream_that_is_cut_is_refused_or_short(end):
    content = stream(numbers(), **NUMBERS)[:end]
    with pytest.raises(tables.NoTable):
        tables.from_arrow(content, "f")


def test_a_table_too_large_is_refused_where_it_is_made():
    value = pd.DataFrame({"a": ["x"] * (tables.MAX_OBJECTS + 1)})
    with pytest.raises(CannotCross):
        wire.packed(value)


BOMB = """
import resource, sys
import pandas, pyarrow
from autograder.sandbox import tables
content = sys.stdin.buffer.read()
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    tables.from_arrow(content, "f")
except tables.NoTable:
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def test_a_small_stream_takes_little_memory_when_it_is_refused():
    rows = 4_000_000
    table = pa.table({"0": pa.array([0] * rows), "1": pa.array([0] * rows)})
    content = stream(table, head(["a", "b"], ["int64"] * 2, rows=rows), compression="zstd")
    assert len(content) < 100_000  # it would be 64 MB
    ran = subprocess.run(
        [sys.executable, "-c", BOMB], input=content, capture_output=True, check=True
    )
    assert int(ran.stdout) < 20_000  # KiB
