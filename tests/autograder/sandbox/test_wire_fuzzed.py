"""The wire under mutated frames: no crash, no hang, nothing but plain values, no score.

What a hostile child sends is made from frames that an honest one would send: whole parts cut out,
doubled, exchanged, their lengths and tags changed. Whatever comes of that either decodes to a plain
value, which decodes to itself again, or is refused with the wire's own error.
"""

from __future__ import annotations

import socket
import struct
import threading
from contextlib import suppress

import numpy
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from autograder.judge.rpc import ChildGone, RpcChannel
from autograder.sandbox import wire
from autograder.sandbox.wire import WireError, decode, encode

PLAIN = {"builtins", "numpy", "torch", "fractions", "decimal", "collections", wire.__name__}
"""Where the types come from that may come out: nothing that a frame names by itself."""

often = settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
seldom = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))

# What a child answers: to a run cell, a value, a call, with outputs and errors.
FRAMES = [
    [1, "ran", True, None, [{"output_type": "stream", "name": "stdout", "text": "x" * 40}]],
    [2, "ran", True, ("ValueError", "no"), []],
    [3, "value", 4.0],
    [3, "value", [0.25, 0.75, {"a": (1, 2), b"b": None}]],
    [4, "value", torch.arange(6.0).reshape(2, 3)],
    [5, "value", numpy.arange(4, dtype="int16")],
    [6, "value", {1: 2**80, (1, 2): -(2**70), "s": 1j}],
    [1, "error", "ValueError", "text"],
    [1, "value", {"kept": [None, True, 0.5, "text"], "more": ((1, 2), [3.5])}],
]
ENCODED = [encode(frame) for frame in FRAMES]
LENGTHS = (0, 1, 2, 3, 7, 8, 255, 256, 65_535, 2**24, 2**31 - 1, 2**31, 2**32 - 1)


@st.composite
def mutated(draw):
    """The bytes of an honest frame with a few changes that keep most of its structure."""
    data = bytearray(draw(st.sampled_from(ENCODED)))
    for _ in range(draw(st.integers(1, 5))):
        if not data:
            break
        place = draw(st.integers(0, len(data) - 1))
        kind = draw(st.integers(0, 7))
        if kind == 0:  # another tag or number
            data[place] = draw(st.integers(0, 255))
        elif kind == 1:  # another of the wire's own tags
            data[place] = draw(st.sampled_from(b"NTFijdcsblutmaqkxyzgAB"))
        elif kind == 2:  # another length
            data[place : place + 4] = struct.pack("<I", draw(st.sampled_from(LENGTHS)))
        elif kind == 3:  # cut out
            del data[place : place + draw(st.integers(1, 12))]
        elif kind == 4:  # doubled
            data[place:place] = data[place : place + draw(st.integers(1, 40))] * draw(
                st.integers(1, 9)
            )
        elif kind == 5:  # a part of another frame
            other = draw(st.sampled_from(ENCODED))
            start = draw(st.integers(0, len(other) - 1))
            data[place:place] = other[start : start + draw(st.integers(1, 40))]
        elif kind == 6:  # the rest gone
            del data[place:]
        else:  # a big number
            data[place : place + 8] = struct.pack(
                "<q", draw(st.sampled_from([-1, -(2**63), 2**62]))
            )
    return bytes(data)


def is_plain(value, depth=0):
    assert depth < 2_000
    if type(value) in (list, tuple, set, frozenset):
        return all(is_plain(one, depth + 1) for one in value)
    if type(value) is dict:
        return all(
            is_plain(key, depth + 1) and is_plain(one, depth + 1) for key, one in value.items()
        )
    if callable(value) or type(value).__module__ not in PLAIN:
        return False
    return not isinstance(value, numpy.ndarray) or value.dtype != object


@often
@given(mutated())
def test_mutated_frames_are_plain_or_refused(data):
    try:
        value = decode(data)
    except WireError:
        return
    assert is_plain(value)
    assert encode(decode(encode(value))) == encode(value)


@often
@given(st.binary(max_size=300))
def test_any_bytes_are_plain_or_refused(data):
    with suppress(WireError):
        assert is_plain(decode(data))


@pytest.mark.parametrize("frame", ENCODED, ids=range(len(ENCODED)))
def test_every_byte_changed_and_every_beginning(frame):
    for place in range(len(frame)):
        for value in (0, 1, 0x7F, 0x80, 0xFF, frame[place] ^ 1, frame[place] ^ 0x20):
            changed = frame[:place] + bytes([value]) + frame[place + 1 :]
            with suppress(WireError):
                assert is_plain(decode(changed))
        with pytest.raises(WireError):
            decode(frame[:place])


@seldom
@given(st.lists(mutated(), min_size=1, max_size=4), st.integers(0, 4))
def test_a_channel_to_a_liar_gives_a_value_or_an_end(frames, cut):
    """Asked for a value, it returns a plain one, raises, or says that the child is gone."""
    ours, theirs = socket.socketpair()
    sent = b"".join(struct.pack("<I", len(one)) + one for one in frames)

    def lie():
        with theirs:
            try:
                wire.receive_frame(theirs)
                theirs.sendall(sent[: len(sent) - cut])
            except (OSError, WireError):
                pass

    liar = threading.Thread(target=lie, daemon=True)
    liar.start()
    channel = RpcChannel(ours, 1.0)
    value, raised = None, None
    try:
        value = channel.value("answer")
    except Exception as error:
        raised = error
    finally:
        ours.close()
    if raised is None:
        assert is_plain(value)
    elif isinstance(raised, ChildGone):
        assert str(raised) == channel.gone
    else:  # one that the child claims, with a text that harms nobody
        assert len(str(raised)) <= 1_000 and str(raised).isprintable()
    liar.join(5)
    assert not liar.is_alive()
