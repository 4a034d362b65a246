"""Open what students submit: a fork server in the sandbox.

It runs inside bubblewrap, without network, course or term in sight, as an unprivileged user,
and runs nothing but the grader's own code. For each request it forks a child with limits of its
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
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import IO, Any

from autograder.core.messages import Note
from autograder.core.notebook_io import SIZE_LIMIT
from autograder.intake import notebook_reader
from autograder.intake.archives import PackedFile, ZipSource, unpacked
from autograder.intake.errors import BadArchive
from autograder.intake.identify import AssignmentSpec
from autograder.intake.submission import CourseCells
from autograder.intake.upload import Upload, open_upload
from autograder.intake.upload_limits import CLASS_LIMITS, UploadLimits
from autograder.sandbox import seccomp, syscalls, wire

_CHUNK_BYTES = 256 * 1024
_OPEN_FILES = 64


class Channel:
    """Talk to the trusted side from a child."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection

    def request(self) -> list[Any]:
        """Return the request."""
        frame: list[Any] = wire.receive_frame(self._socket)
        return frame

    def open(self, number: int) -> IO[bytes]:
        """Open file `number` of the request for reading, from its start.

        Raises:
            BadArchive: the file can't be read.
        """
        wire.send_frame(self._socket, ["open", number])
        self._socket.settimeout(None)
        _byte, descriptors, _flags, _from = socket.recv_fds(self._socket, 1, 1)
        if not descriptors:
            raise BadArchive("A file can't be read; hand it in again.")
        stream = os.fdopen(descriptors[0], "rb")
        stream.seek(0)  # a descriptor shares its place with every copy of it
        return stream

    def part(self, number: int, content: bytes) -> None:
        """Send a piece of output file `number`."""
        wire.send_frame(self._socket, ["part", number, content])

    def put(self, number: int, content: bytes) -> None:
        """Send all of output file `number`."""
        self.part(number, b"")
        for start in range(0, len(content), _CHUNK_BYTES):
            self.part(number, content[start : start + _CHUNK_BYTES])

    def done(self, value: object) -> None:
        """Send the answer."""
        wire.send_frame(self._socket, ["done", value])

    def bad(self, sentence: str) -> None:
        """Send the reason why there is no answer."""
        wire.send_frame(self._socket, ["bad", sentence])


def _answer(channel: Channel) -> None:
    verb, arguments = channel.request()
    _VERBS[verb](channel, *arguments)


def _notebook(channel: Channel, cells: list[Any]) -> None:
    """Answer with a notebook's record, or with why it can't be read."""
    with channel.open(0) as stream:
        content = stream.read(SIZE_LIMIT + 1)
    known = CourseCells.from_wire(cells)
    try:
        raw = notebook_reader.read_notebook(content)
        del content
        record = notebook_reader.record(raw, known)
    except notebook_reader.Unreadable as error:
        channel.done([str(error), None])
        return
    channel.done(["", record.to_wire()])


def _upload(channel: Channel, upload: list[Any], spec: list[Any], every: list[Any]) -> None:
    """Answer with all that one student submitted."""
    student, assignment, name, files, links = upload
    wanted = AssignmentSpec.from_wire(spec)
    asked = sorted(wanted.asked)
    opened = open_upload(
        Upload(student, assignment, name, [tuple(one) for one in files], links),
        wanted,
        [AssignmentSpec.from_wire(one) for one in every],
        channel.open,
        lambda file, content: channel.put(asked.index(file), content),
    )
    record = opened.submission.to_wire() if opened.submission else None
    channel.done([opened.refused, record, _plain_notes(opened.notes)])


def _listing(channel: Channel, name: str) -> None:
    """Answer with the members of a class's zip, and the links in it."""
    with ZipSource(channel.open(0), name, CLASS_LIMITS, of_class=True) as source:
        found = [
            [
                member.name,
                *_plain_time(member.modified),
                source.place(member).to_wire(),
            ]
            for member in source.members
        ]
        channel.done([found, source.left_out])


def _plain_time(moment: datetime | None) -> tuple[float | None, bool]:
    """Return a time as seconds since the epoch, and whether it is only a wall clock's."""
    if moment is None:
        return None, False
    if moment.tzinfo is None:
        return moment.replace(tzinfo=UTC).timestamp(), True
    return moment.timestamp(), False


def _extract(channel: Channel, places: list[Any], member_bytes: int, total_bytes: int) -> None:
    """Unpack members of a class's zip, and name those that are damaged or too large."""
    limits = UploadLimits(len(places), member_bytes, total_bytes)
    failed = []
    with channel.open(0) as stream:
        for number, place in enumerate(places):
            channel.part(number, b"")
            size = 0
            try:
                for piece in unpacked(stream, PackedFile.from_wire(place)):
                    size += len(piece)
                    limits = UploadLimits(0, member_bytes, limits.total_bytes - len(piece))
                    if size > member_bytes or limits.total_bytes < 0:
                        failed.append([number, "too large"])
                        break
                    channel.part(number, piece)
            except BadArchive:
                failed.append([number, "damaged"])
    channel.done(failed)


_VERBS: dict[str, Callable[..., None]] = {
    "notebook": _notebook,
    "upload": _upload,
    "listing": _listing,
    "extract": _extract,
}


def _plain_notes(notes: list[Note]) -> list[Any]:
    return [[one.message, dict(one.values)] for one in notes]


def _be_child(connection: socket.socket, limits: dict[str, int], syscalls: bytes) -> None:
    """Confine this child, answer one request, and exit; never return into the loop."""
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
    """Reap the child, or kill it once its owner no longer waits for the answer."""
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
    """Give up every privilege, for this process and all its children."""
    if uid is not None:
        syscalls.empty_bounding_set()
        syscalls.use_capabilities(
            1 << syscalls.CAPABILITIES["CAP_SETUID"] | 1 << syscalls.CAPABILITIES["CAP_SETGID"]
        )
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
    syscalls.forbid_new_privileges()
    syscalls.give_up_capabilities()
    syscalls.undumpable()


def _warm() -> None:
    """Import the codecs, which Python loads on first use, once for all children."""
    for codec in ("utf-8-sig", "utf-16", "cp949", "cp437"):
        b"ab".decode(codec)
    with suppress(notebook_reader.Unreadable):
        content = b'{"nbformat": 4, "cells": [{"cell_type": "code", "source": ["a\\n", "b"]}]}'
        raw = notebook_reader.read_notebook(content)
        wire.decode(wire.encode(notebook_reader.record(raw, CourseCells()).to_wire()))
    with suppress(BadArchive):
        ZipSource(b"PK\x05\x06" + bytes(18), "x.zip", UploadLimits(1, 1, 1)).close()


def main(argument: str) -> None:
    """Run the fork server; the entry point inside the sandbox.

    Args:
        argument: the settings, as `Reader` wrote them in JSON.
    """
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
