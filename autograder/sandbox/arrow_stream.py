"""Look at the messages of an Arrow stream before pyarrow does, without the content.

A stream of a few kilobytes may tell pyarrow to unpack as much memory as it likes: by buffers that
are compressed, by a batch after another, by dictionaries that are sent anew. None of these is
needed for one table, so whoever receives one counts the messages and refuses the compressed.

A message is `FF FF FF FF`, an i32 length, that many bytes of metadata (a flatbuffer whose root is
Arrow's table Message), and a body whose length the metadata says. A table of a flatbuffer
begins with an i32, how far before it its list of fields lies; that is a u16 length in bytes, a u16,
and for each field a u16: where in the table it is, 0 for one that is left out.

Imports nothing but the standard library, because it runs in the sandbox.
"""

from __future__ import annotations

import struct
from typing import Any

SCHEMA, DICTIONARY, BATCH = 1, 2, 3
"""What a message may be."""

_VERSION = 4  # the fifth; earlier ones say elsewhere that they are compressed
_CONTINUES = b"\xff\xff\xff\xff"
_MESSAGE_VERSION, _MESSAGE_KIND, _MESSAGE_HEADER, _MESSAGE_BODY = range(4)
_DICTIONARY_BATCH, _IS_DELTA = 1, 2
_COMPRESSION = 3


class Unfit(ValueError):
    """A stream that isn't one, or may unpack to more than itself."""


def kinds_of_messages(content: bytes) -> list[int]:
    """Return what the messages of a stream are, in order.

    Raises:
        Unfit: it isn't whole, is of another version of the format, or is compressed.
    """
    found, at = [], 0
    while at < len(content):
        if content[at : at + 4] != _CONTINUES:
            raise Unfit("a message doesn't begin as one")
        (size,) = _read("<i", content, at + 4)
        at += 8
        if size == 0:  # the end, which may be left out
            if at != len(content):
                raise Unfit("something follows the end of a stream")
            break
        if size < 0 or at + size > len(content):
            raise Unfit("a message ends in its midst")
        kind, body = _kind_and_body(content[at : at + size])
        at += size + body
        if at > len(content):
            raise Unfit("a message's body ends in its midst")
        found.append(kind)
    return found


def _kind_and_body(metadata: bytes) -> tuple[int, int]:
    """Return what a message is, and how long its body is."""
    message = _Table(metadata, *_read("<I", metadata, 0))
    if message.number(_MESSAGE_VERSION, "<h") != _VERSION:
        raise Unfit("a message is of another version")
    kind, body = message.number(_MESSAGE_KIND, "<B"), message.number(_MESSAGE_BODY, "<q")
    if body < 0 or kind not in (SCHEMA, DICTIONARY, BATCH):
        raise Unfit("a message is of no kind that a table needs")
    header = message.table(_MESSAGE_HEADER)
    if kind == DICTIONARY:
        if header.number(_IS_DELTA, "<B"):
            raise Unfit("a dictionary comes in parts")
        header = header.table(_DICTIONARY_BATCH)
    if kind != SCHEMA and header.place(_COMPRESSION) is not None:
        raise Unfit("a message is compressed")
    return kind, body


class _Table:
    """A flatbuffer's table.

    Args:
        content: the flatbuffer.
        at: where the table begins.
    """

    def __init__(self, content: bytes, at: int) -> None:
        self._content, self._at = content, at
        (back,) = _read("<i", content, at)
        self._fields = at - back
        (self._size,) = _read("<H", content, self._fields)

    def place(self, field: int) -> int | None:
        """Return where a field's value is; None if it is left out."""
        at = 4 + 2 * field
        if at + 2 > self._size:
            return None
        (offset,) = _read("<H", self._content, self._fields + at)
        return self._at + offset if offset else None

    def number(self, field: int, code: str) -> int:
        """Return a field's number; 0, the format's usual one, if it is left out."""
        at = self.place(field)
        return 0 if at is None else int(_read(code, self._content, at)[0])

    def table(self, field: int) -> _Table:
        """Return the table that a field leads to."""
        at = self.place(field)
        if at is None:
            raise Unfit("a message lacks a part")
        return _Table(self._content, at + _read("<I", self._content, at)[0])


def _read(code: str, content: bytes, at: int) -> tuple[Any, ...]:
    if at < 0 or at + struct.calcsize(code) > len(content):
        raise Unfit("a message points beyond itself")
    return struct.unpack_from(code, content, at)
