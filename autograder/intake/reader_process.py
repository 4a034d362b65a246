"""The process that opens what students hand in: a fork server behind walls.

It lives within bubblewrap's walls, without network, course or term in sight, as an unprivileged
user, and runs nothing but our own code. For each request it forks a child with limits of its
own, which opens the files, answers over its channel and ends. Files come as descriptors, one
when it is asked for; nothing here knows a path.

What passes over a child's channel, each a frame of the wire format unless it says otherwise:

| direction | frame                        | meaning                                        |
|-----------|------------------------------|------------------------------------------------|
| in        | [verb, arguments]            | the request, first                             |
| out       | ["open", n]                  | asks for file n; comes with one byte in return |
| out       | ["part", n, bytes]           | some of output file n                          |
| out       | ["done", value]              | the answer, last                               |
| out       | ["bad", sentence]            | or why there is none                           |
"""

from __future__ import annotations

import base64
import gc
import json
import os
import resource
import select
import signal
import socket
from contextlib import suppress
from typing import IO, Any

from autograder.engine import kernel, wire
from autograder.intake import notebook_reader
from autograder.intake.archives import (
    CLASS_LIMITS,
    BadArchive,
    Limits,
    PackedFile,
    ZipSource,
    unpacked,
)
from autograder.intake.delivery import Delivery, judge
from autograder.intake.identify import Blueprint
from autograder.intake.submission import CourseCells
from autograder.notebooks import SIZE_LIMIT
from autograder.sandbox import seccomp

_CHUNK = 256 * 1024
_OPEN_FILES = 64


class Channel:
    """A child's side of the conversation."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection

    def request(self) -> list:
        """The request."""
        return wire.receive_frame(self._socket)

    def open(self, number: int) -> IO[bytes]:
        """File `number` of the request, open for reading from its start."""
        wire.send_frame(self._socket, ["open", number])
        self._socket.settimeout(None)
        _byte, descriptors, _flags, _from = socket.recv_fds(self._socket, 1, 1)
        if not descriptors:
            raise BadArchive("A file can't be read; hand it in again.")
        stream = os.fdopen(descriptors[0], "rb")
        stream.seek(0)  # a descriptor shares its place with every copy of it
        return stream

    def part(self, number: int, content: bytes) -> None:
        """Hand on some of output file `number`."""
        wire.send_frame(self._socket, ["part", number, content])

    def put(self, number: int, content: bytes) -> None:
        """Hand on all of output file `number`."""
        self.part(number, b"")
        for start in range(0, len(content), _CHUNK):
            self.part(number, content[start : start + _CHUNK])

    def done(self, value: object) -> None:
        """Answer."""
        wire.send_frame(self._socket, ["done", value])

    def bad(self, sentence: str) -> None:
        """Say why there is no answer."""
        wire.send_frame(self._socket, ["bad", sentence])


def _answer(channel: Channel) -> None:
    verb, arguments = channel.request()
    _VERBS[verb](channel, *arguments)


def _notebook(channel: Channel, cells: list) -> None:
    """One notebook: its record, or why it can't be read."""
    with channel.open(0) as stream:
        content = stream.read(SIZE_LIMIT + 1)
    known = CourseCells.from_wire(cells)
    try:
        raw = notebook_reader.read_notebook(content)
    except notebook_reader.Unreadable as error:
        channel.done([str(error), None])
        return
    del content
    channel.done(["", notebook_reader.record(raw, known).to_wire()])


def _delivery(
    channel: Channel, delivery: list, blueprint: list, every: list
) -> None:
    """All that one student handed in."""
    student, assignment, name, files, links = delivery
    wanted = Blueprint.from_wire(blueprint)
    asked = sorted(wanted.asked)
    judged = judge(
        Delivery(student, assignment, name, [tuple(one) for one in files], links),
        wanted,
        [Blueprint.from_wire(one) for one in every],
        channel.open,
        lambda file, content: channel.put(asked.index(file), content),
    )
    record = judged.submission.to_wire() if judged.submission else None
    channel.done([judged.refused, record, _plain_notes(judged.notes)])


def _listing(channel: Channel, name: str) -> None:
    """The members of a class's zip, and the links in it."""
    with ZipSource(channel.open(0), name, CLASS_LIMITS, of_class=True) as source:
        found = [
            [
                member.name,
                member.modified.timestamp() if member.modified else None,
                source.place(member).to_wire(),
            ]
            for member in source.members
        ]
        channel.done([found, source.left_out])


def _extract(channel: Channel, places: list, member_bytes: int, total_bytes: int) -> None:
    """Members of a class's zip, unpacked; those that are damaged or too large are named."""
    limits = Limits(len(places), member_bytes, total_bytes)
    failed = []
    with channel.open(0) as stream:
        for number, place in enumerate(places):
            channel.part(number, b"")
            size = 0
            try:
                for piece in unpacked(stream, PackedFile.from_wire(place)):
                    size += len(piece)
                    limits = Limits(0, member_bytes, limits.total_bytes - len(piece))
                    if size > member_bytes or limits.total_bytes < 0:
                        failed.append([number, "too large"])
                        break
                    channel.part(number, piece)
            except BadArchive:
                failed.append([number, "damaged"])
    channel.done(failed)


_VERBS = {
    "notebook": _notebook,
    "delivery": _delivery,
    "listing": _listing,
    "extract": _extract,
}


def _plain_notes(notes: list) -> list:
    return [[one.message, dict(one.values)] for one in notes]


def _be_child(connection: socket.socket, limits: dict[str, int], syscalls: bytes) -> None:
    """In the child: shut it in, answer one request, end. Nothing returns into the loop."""
    try:
        _limit(limits)
        seccomp.install(syscalls)
        channel = Channel(connection)
        try:
            _answer(channel)
        except BadArchive as error:
            channel.bad(str(error))
        except MemoryError:
            gc.collect()
            channel.bad("out of memory")
    except BaseException:  # whatever it is, the answer is that there is none
        os._exit(1)
    finally:
        os._exit(0)


def _limit(limits: dict[str, int]) -> None:
    with open("/proc/self/statm", "rb") as file:
        used = int(file.read().split()[0]) * resource.getpagesize()
    for which, most in (
        (resource.RLIMIT_AS, used + limits["memory_bytes"]),
        (resource.RLIMIT_CPU, limits["cpu_seconds"]),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_NPROC, 0),
        (resource.RLIMIT_NOFILE, _OPEN_FILES),
        (resource.RLIMIT_CORE, 1),  # not 0: that would still start a program for crashes
    ):
        with suppress(ValueError):
            resource.setrlimit(which, (most, most))


def _serve(control: socket.socket, limits: dict[str, int], syscalls: bytes) -> None:
    """Fork a child for each channel that comes, one at a time, until the owner is gone."""
    while True:
        try:
            message, descriptors, _flags, _from = socket.recv_fds(control, 16, 1)
        except OSError:
            return
        if not message or not descriptors:
            return
        with socket.socket(fileno=descriptors[0]) as channel:
            pid = os.fork()
            if pid == 0:
                control.close()
                _be_child(channel, limits, syscalls)
            _wait(pid, channel)


def _wait(pid: int, channel: socket.socket) -> None:
    """Wait until the child has ended, or end it once nobody waits for its answer."""
    handle = os.pidfd_open(pid)
    poll = select.poll()
    poll.register(handle, select.POLLIN)
    poll.register(channel, select.POLLRDHUP)
    if all(descriptor != handle for descriptor, _event in poll.poll()):
        # The owner has what it wanted, or no more patience.
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    os.close(handle)


def _become(uid: int | None) -> None:
    """Give up every privilege, for this process and all that it forks."""
    if uid is not None:
        kernel.empty_bounding_set()
        kernel.use_capabilities(
            1 << kernel.CAPABILITIES["CAP_SETUID"] | 1 << kernel.CAPABILITIES["CAP_SETGID"]
        )
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
    kernel.forbid_new_privileges()
    kernel.give_up_capabilities()
    kernel.undumpable()


def _warm() -> None:
    """Do once what every child would do first: codecs are imported when they are used."""
    for codec in ("utf-8-sig", "utf-16", "cp949", "cp437"):
        b"ab".decode(codec)
    with suppress(notebook_reader.Unreadable):
        content = b'{"nbformat": 4, "cells": [{"cell_type": "code", "source": ["a\\n", "b"]}]}'
        raw = notebook_reader.read_notebook(content)
        wire.decode(wire.encode(notebook_reader.record(raw, CourseCells()).to_wire()))
    with suppress(BadArchive):
        ZipSource(b"PK\x05\x06" + bytes(18), "x.zip", Limits(1, 1, 1)).close()


def main(argument: str) -> None:
    """The entry point inside."""
    start: dict[str, Any] = json.loads(argument)
    _become(start["uid"])
    _warm()
    gc.collect()
    gc.freeze()
    gc.disable()  # a child lives for one request
    with socket.socket(fileno=start["control"]) as control:
        control.send(b"ready")
        _serve(control, start["limits"], base64.b64decode(start["syscalls"]))
    os._exit(0)
