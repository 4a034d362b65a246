"""A GGUF header, written here byte by byte and read back, and the course's own model's."""

from __future__ import annotations

import struct

import pytest

from beyond.lm import models
from beyond.lm.gguf import read_header


def text(value: str) -> bytes:
    content = value.encode()
    return struct.pack("<Q", len(content)) + content


def gguf(*entries: bytes, version: int = 3) -> bytes:
    return struct.pack("<4sIQQ", b"GGUF", version, 0, len(entries)) + b"".join(entries)


def entry(name: str, kind: int, content: bytes) -> bytes:
    return text(name) + struct.pack("<I", kind) + content


@pytest.fixture
def file(tmp_path):
    return tmp_path / "model.gguf"


def test_numbers_texts_and_lists(file):
    words = struct.pack("<IQ", 8, 2) + text("안녕") + text("")
    numbers = struct.pack("<IQ3f", 6, 3, 1.0, -2.0, 0.5)
    nested = struct.pack("<IQ", 9, 1) + struct.pack("<IQ2b", 1, 2, -1, 7)
    file.write_bytes(
        gguf(
            entry("a", 4, struct.pack("<I", 7)),
            entry("b", 8, text("llama")),
            entry("c", 9, words),
            entry("d", 9, numbers),
            entry("e", 7, b"\x01"),
            entry("f", 9, nested),
            entry("g", 11, struct.pack("<q", -(2**40))),
        )
    )
    assert read_header(file) == {
        "a": 7,
        "b": "llama",
        "c": ["안녕", ""],
        "d": [1.0, -2.0, 0.5],
        "e": True,
        "f": [[-1, 7]],
        "g": -(2**40),
    }


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"PK\x03\x04" + bytes(40),
        gguf(version=1),
        gguf(entry("a", 4, b"\x01")),
        gguf(entry("a", 13, bytes(8))),
        gguf(entry("a", 8, struct.pack("<Q", 2**40))),
        gguf(entry("a", 9, struct.pack("<IQ", 4, 2**40))),
    ],
)
def test_what_is_no_gguf_is_refused(file, content):
    file.write_bytes(content)
    with pytest.raises(ValueError, match="GGUF"):
        read_header(file)


def test_the_course_models_own_header():
    try:
        file = models.gguf_file()
    except models.NoModel as absent:
        pytest.skip(str(absent))
    header = read_header(file)
    assert header["general.architecture"] == "llama"
    assert header["llama.block_count"] == 30
    assert len(header["tokenizer.ggml.tokens"]) == 49_152
