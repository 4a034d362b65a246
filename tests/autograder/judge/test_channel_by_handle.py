"""What a hostile process sends for an operation ends it, and costs the judge little."""

import contextlib
import socket
import struct
import threading
import time

import pytest

from autograder.core.bindings import Names
from autograder.judge import rpc
from autograder.judge.contract import Contract
from autograder.judge.handles import Desk, Handle, is_subclass, type_of
from autograder.judge.judge import Judge
from autograder.judge.rpc import ChildGone, NoFunction, RpcChannel, Told
from autograder.sandbox import objects, wire
from autograder.sandbox.plain_values import CannotCross
from autograder.sandbox.references import HANDLE, Reference


@contextlib.contextmanager
def channel(answer):
    """A channel whose child answers each frame with those that `answer` makes of it."""
    ours, theirs = socket.socketpair()

    def short(content):
        asked = wire.Operation.decoded(content, lambda one: one)
        return [asked.sequence, "short", *asked.args]

    def child():
        frames = wire.Frames(theirs)
        with contextlib.suppress(wire.WireError, OSError):
            while True:
                frame = frames.receive(arguments=True, resolve=lambda one: one, short=short)
                for reply in answer(frame):
                    if type(reply) is bytes:
                        wire.send_payload(theirs, reply)
                    else:
                        wire.send_frame(theirs, reply)

    thread = threading.Thread(target=child, daemon=True)
    thread.start()
    made = RpcChannel(ours, call_seconds=5.0)
    try:
        yield made
    finally:
        made.close()
        thread.join(5)
        theirs.close()
        assert not thread.is_alive()


def none_of_these(number, _args, _kwargs):
    raise NoFunction(number)


def operate(made, call_back=none_of_these, **options):
    return made.operate("call", [1], {}, options, lambda _value: None, call_back)


@pytest.mark.parametrize(
    "reply",
    [
        ["handle", -1, True, True, ["x"], {}],
        ["handle", 0, True, True, ["x"], {}],
        ["handle", 2**32, True, True, ["x"], {}],
        ["handle", 1, True, True, ["x"] * 99, {}],
        ["handle", "a", 1, 1, 1, {}],
        ["handle", 1, True, True, {}],
        ["value", 1, []],
        ["value", 1],
        ["value", 1, 2, {}],
        ["value", 1, {"output": 1}],
        ["value", 1, {"output": "not asked for"}],
        ["value", 1, {"changed": [1]}],
        ["error", {}],
        ["neither", 1, {}],
        ["callback", 10**6, [], {}],
        ["callback", -1, [], {}],
        ["callback", True, [], {}],
        ["callback", 0, 1, {}],
        ["callback", 0, [], {1: ["value", 1]}],
        ["callback", 0, [["value"]], {}],
        ["callback", 0, [["handle", 2**40, True, True, []]], {}],
        [],
        [{}],
    ],
)
def test_a_malformed_reply_ends_the_process(reply):
    with channel(lambda frame: [[frame[0], *reply]]) as made:
        with pytest.raises(ChildGone, match=rpc.MALFORMED):
            operate(made)
        assert made.gone == rpc.MALFORMED
        with pytest.raises(ChildGone):
            operate(made)


def little(code, *numbers):
    return struct.pack("<B" + code, *numbers)


@pytest.mark.parametrize(
    "reply",
    [
        b"",
        b"\0",
        b"\1",
        b"\2",
        b"\3",
        b"\4",
        little("Q", 2, 1),  # no value
        little("Q", 2, 2) + b"N",  # another sequence
        little("Q", 2, 1) + b"NN",  # a value too many
        little("Q", 2, 1) + b"l\xff\xff\xff\xff",
        little("Q", 2, 1) + b"Gh\1\0\0\0",  # a reference
        little("Q", 2, 1) + b"o\0\0\0\0",  # an iterator
        little("QIBB", 3, 1, 0, False, False) + b"l\0\0\0\0",  # no handle
        little("QIBB", 3, 1, 1, 2, 0) + b"l\0\0\0\0",  # neither true nor false
        little("QIBB", 3, 1, 1, 0, 0) + b"N",  # no names
        little("QIBB", 3, 1, 1, 0, 0) + b"l\1\0\0\0N",
        little("QIBB", 3, 1, 1, 0, 0) + b"l" + b"\x11\0\0\0" + 17 * b"s\1\0\0\0x",
        little("Q", 2, 1) + 40 * b"l\1\0\0\0" + b"N",  # too deep
        wire.Operation(1, 1.0, 0, True, [], []).encoded(),  # a request
    ],
)
def test_a_malformed_short_reply_ends_the_process(reply):
    with channel(lambda _frame: [reply]) as made:
        with pytest.raises(ChildGone, match=rpc.MALFORMED):
            operate(made)
        assert made.gone == rpc.MALFORMED


def test_short_replies_say_what_long_ones_do():
    with channel(lambda frame: [wire.encode_answer(frame[0], [1, {"a": 2.5}])]) as made:
        assert operate(made) == Told([1, {"a": 2.5}])
    told = [7, False, True, ["builtins.method"]]
    with channel(lambda frame: [wire.encode_handle(frame[0], told)]) as made:
        found = operate(made, handles=True).handle
        assert [found.number, found.is_class, found.is_callable, found.names] == told


def test_a_frame_that_follows_too_early_is_the_next_reply():
    """It was read with the one before, and is out of step."""
    early = [[1, "value", 1, {}], [1, "value", 2, {}]]
    with channel(lambda _frame: early) as made:
        assert operate(made).value == 1
        with pytest.raises(ChildGone, match=rpc.MALFORMED):
            operate(made)


def test_a_reply_that_comes_in_pieces_is_one():
    ours, theirs = socket.socketpair()
    made = RpcChannel(ours, call_seconds=5.0)

    def child():
        theirs.recv(4096)
        payload = wire.encode_answer(1, "x" * 50_000)
        whole = len(payload).to_bytes(4, "little") + payload
        for start, end in [(0, 1), (1, 3), (3, 5), (5, 9_000), (9_000, len(whole))]:
            theirs.sendall(whole[start:end])
            time.sleep(0.01)

    thread = threading.Thread(target=child, daemon=True)
    thread.start()
    assert operate(made).value == "x" * 50_000
    thread.join(5)
    made.close()
    theirs.close()


@pytest.mark.parametrize(
    "operation",
    [
        wire.Operation(2**40, 0.5, 3, True, [1, 2**32 - 1], [Reference(HANDLE, 5), "x", 1.5, None]),
        wire.Operation(1, 1e9, 255, False, [], []),
        wire.Operation(1, 1.0, 0, False, [], [[1, [2]], {"a": (1,)}, b"x", 10**30]),
    ],
)
def test_a_short_request_arrives_as_it_was(operation):
    found = wire.Operation.decoded(memoryview(operation.encoded()), lambda one: one)
    assert found == operation


def test_what_is_too_long_for_a_short_request_goes_the_long_way():
    seen = []

    def answer(frame):
        seen.append(frame[1])
        return [[frame[0], "value", 1, {}]]

    with channel(answer) as made:
        many = [1] * 300
        for args, options in [(many, {}), ([1], {"released": [1] * 70_000}), ([1], {})]:
            assert made.operate("call", args, {}, options, lambda _one: None, none_of_these)
        made.operate("call", [1], {"a": 2}, {}, lambda _one: None, none_of_these)
        made.operate("invoke", ["f"], {}, {}, lambda _one: None, none_of_these)
    assert seen == ["operate", "operate", "short", "operate", "operate"]


def test_every_operation_has_a_place_in_a_byte():
    assert len(objects.SHORT) < 256


def test_output_is_bounded():
    told = ["value", 1, {"output": "x" * (rpc.RUN_BYTES + 1)}]
    with channel(lambda frame: [[frame[0], *told]]) as made, pytest.raises(ChildGone):
        operate(made, output=True)


def test_call_backs_are_bounded():
    def answer(frame):
        return [[frame[0] or 1, "callback", 0, [], {}]]

    count = []
    with channel(answer) as made, pytest.MonkeyPatch.context() as patch:
        patch.setattr(rpc, "MAX_CALL_BACKS", 50)
        with pytest.raises(ChildGone, match=rpc.MALFORMED):
            operate(made, lambda *_: count.append(1))
    assert len(count) == 50


def test_recursion_between_both_sides_is_bounded():
    """The child calls back whatever it is asked, and the function that it calls asks again."""
    depths = []
    with channel(lambda frame: [[frame[0], "callback", 0, [], {}]] if frame[0] else []) as made:

        def again(*_):
            depths.append(1)
            return operate(made, again).value

        with pytest.raises(ChildGone):
            operate(made, again)
        assert made.gone == rpc.MALFORMED
    assert len(depths) == rpc.MAX_NESTED


def test_time_within_nested_call_backs_is_counted_once():
    """Else a submission would gain time by calling back."""
    waiting = []

    def answer(frame):
        if frame[0]:
            waiting.append(frame[0])
            return [[frame[0], "callback", 0, [], {}]]
        return [[waiting.pop(), "value", 1, {}]]

    depth = []
    with channel(answer) as made:

        def slow(*_):
            depth.append(1)
            if len(depth) < 4:
                return operate(made, slow).value
            time.sleep(0.3)
            return 1

        began = time.monotonic()
        assert operate(made, slow).value == 1
        assert made.called_back_seconds <= time.monotonic() - began
    assert len(depth) == 4


def test_an_error_whose_text_asks_the_student_s_object_is_told_without_it():
    class Asking(Exception):
        def __str__(self):
            raise ChildGone("asked")

    def fails(*_):
        raise Asking

    replies = []

    def answer(frame):
        if frame[0]:
            return [[frame[0], "callback", 0, [], {}]]
        replies.append(frame[1:])
        return [[1, "value", 1, {}]]

    with channel(answer) as made:
        assert operate(made, fails).value == 1
    assert replies == [["raised", "Asking", ""]]


class Student:
    """A student's process whose only object claims what it is told to."""

    generation = 1

    def __init__(self, *names, is_class=False):
        self._told = Told(handle=rpc.HandleTold(7, is_class, True, list(names)))

    def operate(self, *_):
        return self._told


def handle(student, lines):
    desk = Desk(student)
    desk.begin_test(Contract(lines))
    found = desk.name("x")
    assert type(found) is Handle
    return found


@pytest.mark.parametrize("name", ["builtins.int", "builtins.bool", "builtins.float"])
def test_an_object_that_claims_to_be_a_number_is_none(name):
    found = handle(Student(name), ["x handle"])
    assert not isinstance(found, (int, float))


@pytest.mark.parametrize(
    "name", ["autograder.judge.handles.Desk", "__main__.X", "os.environ", "a.b", ".", "", "\0.\n"]
)
def test_what_a_claimed_name_may_find(name):
    found = handle(Student(name), ["x handle"])
    assert found.__class__ is Handle
    assert is_subclass(type(found), Handle)


def test_a_claimed_type_counts_where_the_solution_s_did_only():
    student = Student("collections.OrderedDict")
    import collections

    assert type_of(handle(student, ["x handle", "type(x) value"])) is collections.OrderedDict
    with pytest.raises(CannotCross):
        type_of(handle(student, ["x handle"]))


class Stopping(Student):
    """A student's process whose object raises StopIteration whatever it is asked."""

    ends = 0

    def begin_test(self, *_):
        pass

    def operate(self, _root, operation, *_):
        return self._told if operation == "name" else Told(error=StopIteration())


@pytest.mark.parametrize(
    ("test", "name"),
    [
        ("assert all(map(lambda x: b.double(x) == 2 * x, [1, 2]))", "RuntimeError"),
        ("assert all(map(lambda x: b[x] == 2 * x, [1, 2]))", "RuntimeError"),
        ("assert all(map(lambda x: b == x, [1, 2]))", "RuntimeError"),
        ("assert next(b) == 1", "StopIteration"),
        ("try:\n    b[1]\nexcept StopIteration:\n    pass", None),
    ],
)
def test_an_object_s_stop_iteration_ends_no_loop_of_the_test_s(test, name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    does = ("b.double", "getitem(b)", "eq(b)", "next(b)")
    lines = ["b handle", *(f"{one} value" for one in does)]
    judge = Judge(Stopping("__main__.Box"), Names(values={"b"}), contracts={"t": lines})
    outputs, _status = judge.test("t", test)
    assert [one["ename"] for one in outputs] == ([name] if name else [])
