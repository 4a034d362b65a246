"""Talk to the sandboxed reader, from the trusted side.

    with Reader() as reader:
        submission = reader.notebook(descriptor, cells)

Started once for a command; each request is answered by a process of its own, with limits of its
own (`reader_process`). What comes from there are claims: everything is counted and validated
here, and a reader that answers wrongly, late or not at all is a submission that can't be read.
"""

from __future__ import annotations

import base64
import json
import os
import socket
import stat
import subprocess
import sys
import tempfile
import time
import weakref
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, BinaryIO, cast

from autograder.core.messages import N_, Note, note
from autograder.core.notebook_io import SIZE_LIMIT
from autograder.core.printable import one_line
from autograder.intake import identify
from autograder.intake import upload as opening
from autograder.intake.archives import PackedFile
from autograder.intake.errors import BadArchive
from autograder.intake.identify import AssignmentSpec
from autograder.intake.notebook_reader import EXPLAINED, TOO_COSTLY
from autograder.intake.sources import Member
from autograder.intake.submission import (
    BadRecord,
    CourseCells,
    Submission,
    submission_from_wire,
)
from autograder.intake.upload import OpenedUpload, Upload
from autograder.intake.upload_limits import STUDENT_LIMITS
from autograder.sandbox import root_launcher, wire
from autograder.sandbox.bubblewrap import bwrap_argv, environment, explained, syscall_filter
from autograder.sandbox.errors import SandboxUnavailable
from autograder.sandbox.namespaces import unprivileged_uid
from autograder.sandbox.paths import COURSE
from autograder.sandbox.syscalls import is_privileged

READING_SECONDS = 8.0
"""The longest that opening one submission may take."""

LISTING_SECONDS = 60.0
"""The longest that reading the list of a class's zip may take."""

MEMORY_BYTES = 256 * 1024 * 1024
"""What a reader may use beyond what it starts with."""

COSTLY_UPLOAD = N_(
    "What you handed in took more time or memory to open than it may, so nothing could be graded: "
    "clear the outputs of your notebook, save it and hand in that file alone."
)

_MODULES = (
    "__init__.py",
    "core/__init__.py",
    "core/printable.py",
    "core/receipts.py",
    "sandbox/syscalls.py",
    "sandbox/wire.py",
    "sandbox/references.py",
    "sandbox/arrow_stream.py",
    "sandbox/tables.py",
    "errors.py",
    "i18n.py",
    "notebook_metadata.py",
    "core/atomic_io.py",
    "intake/__init__.py",
    "intake/archives.py",
    "intake/upload.py",
    "intake/errors.py",
    "intake/identify.py",
    "intake/member_names.py",
    "intake/notebook_json.py",
    "intake/notebook_reader.py",
    "intake/reader_process.py",
    "intake/sources.py",
    "intake/submission.py",
    "intake/upload_limits.py",
    "core/notebook_io.py",
    "core/messages.py",
    "core/images.py",
    "sandbox/__init__.py",
    "sandbox/plain_values.py",
    "sandbox/seccomp.py",
)
_START_SECONDS = 60.0
_END_SECONDS = 5.0
_FRAME_BYTES = SIZE_LIMIT + 4 * 1024 * 1024
_MAX_NOTES = 200
_MAX_LISTED = 200_000
_MESSAGES = frozenset(
    value
    for module in (opening, identify)
    for name, value in vars(module).items()
    if name.isupper() and not name.startswith("_") and isinstance(value, str)
)


class ReaderGone(Exception):
    """Report that the reader gave no proper answer: late, killed, out of memory, or hijacked."""


@dataclass(frozen=True)
class ReaderKind:
    """Describe the reader's fork server to the launcher.

    Attributes:
        name: where the launcher finds it, as "module:attribute".
    """

    name: str = "autograder.intake.reader:READER"

    def for_course(self, _packages: Sequence[str], _hidden: Sequence[str]) -> ReaderKind:
        """Return it as it is: it runs no student code."""
        return self

    def launch(
        self, descriptors: Sequence[int], _imports: tuple[str, ...]
    ) -> root_launcher.Launched:
        """Start it.

        Args:
            descriptors: its control socket, and a file for its errors.

        Raises:
            SandboxUnavailable: the sandbox can't be set up, with what to do.
        """
        control, errors = descriptors
        privileged = is_privileged()
        uid = unprivileged_uid(os.getpid(), trusted=True)
        start = {
            "control": control,
            "uid": uid if privileged else None,
            "syscalls": base64.b64encode(syscall_filter()).decode("ascii"),
            "limits": {"memory_bytes": MEMORY_BYTES, "cpu_seconds": int(LISTING_SECONDS)},
        }
        bootstrap = (
            f"import sys; sys.path.insert(0, {COURSE!r}); "
            "from autograder.intake.reader_process import main; main(sys.argv[1])"
        )
        command = [sys.executable, "-I", "-S", "-c", bootstrap, json.dumps(start)]
        # A root that may not mount (a container's) becomes an ordinary user first.
        plain_root = os.geteuid() == 0 and not privileged
        user: dict[str, Any] = {"user": uid, "group": uid, "extra_groups": ()} if plain_root else {}
        process = subprocess.Popen(
            bwrap_argv(command, packages=(), modules=_MODULES),
            pass_fds=[control],
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=errors,
            start_new_session=True,  # Ctrl-C is for the command to handle
            **user,
        )
        return root_launcher.Launched(process.pid, process.wait)


READER = ReaderKind()


class Reader:
    """Start the reader's fork server and ask it to open files.

    Args:
        wait: whether to return only when it is ready; else the first question waits for it.

    Raises:
        SandboxUnavailable: the sandbox can't be set up, with what to do.
    """

    def __init__(self, *, wait: bool = True) -> None:
        if sys.platform != "linux":
            raise SandboxUnavailable(
                "What students hand in is opened in a sandbox that needs Linux; collect and "
                "grade in the container that env/container describes."
            )
        self._control: socket.socket | None = None
        self._starting: BinaryIO | None = None
        self._start()
        if wait:
            self._wait_until_ready()

    def __enter__(self) -> Reader:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def close(self) -> None:
        """End the reader."""
        if self._starting is not None:
            self._starting.close()
        self._stop()

    def _start(self) -> None:
        control, inner = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with inner, ExitStack() as unless_started:
            errors = unless_started.enter_context(tempfile.TemporaryFile())
            process = root_launcher.start(READER, [inner.fileno(), errors.fileno()])
            unless_started.pop_all()
        self._control, self._starting = control, errors
        self._stop = weakref.finalize(self, _end, process, control)
        control.settimeout(_START_SECONDS)

    def _wait_until_ready(self) -> None:
        if self._starting is None:
            return
        assert self._control is not None
        with self._starting as errors:
            self._starting = None
            try:
                ready = self._control.recv(16)
            except OSError:
                ready = b""
            if not ready:
                self._stop()
                errors.seek(0)
                raise SandboxUnavailable(explained(errors.read().decode("utf-8", "replace")))

    def notebook(self, descriptor: int, cells: CourseCells) -> Submission | str:
        """Return the record of a notebook, or why there is none.

        The reason is a key of `EXPLAINED`, or one of those that `cells` refuses.

        Args:
            descriptor: of the file, open for reading.
            cells: what recognizes its cells.
        """
        try:
            value = self._ask(["notebook", [cells.to_wire()]], [lambda: os.dup(descriptor)])
            why, record = _shaped(value, 2)
            if record is None:
                return why if why in EXPLAINED or why in cells.refused else TOO_COSTLY
            return submission_from_wire(record, cells)
        except (ReaderGone, BadRecord, BadArchive):
            return TOO_COSTLY

    def open_upload(
        self,
        upload: Upload,
        spec: AssignmentSpec,
        every: Sequence[AssignmentSpec],
        files: Sequence[Callable[[], int]],
        put: Callable[[str, bytes], None],
        seconds: float = READING_SECONDS,
    ) -> OpenedUpload:
        """Open what one student submitted; see `upload.open_upload`.

        Args:
            upload: names, sizes and links of the submitted files.
            spec: the assignment.
            every: all assignments of the course.
            files: each opens one of the upload's files for reading.
            put: takes the files asked for, under the assignment's own names, piece by piece; the
                first piece of a file is empty.
            seconds: the longest it may take.

        Raises:
            OSError: `put` could not write.
        """
        asked = sorted(spec.asked)
        left = [STUDENT_LIMITS.total_bytes]
        begun: set[int] = set()

        def part(number: int, piece: bytes) -> None:
            left[0] -= len(piece)
            if not 0 <= number < len(asked) or left[0] < 0 or (number in begun) == (not piece):
                raise ReaderGone("more than was asked for")
            begun.add(number)
            put(asked[number], piece)

        row: list[Any] = [upload.student, upload.assignment, upload.name]
        row += [[list(one) for one in upload.files], upload.links]
        others = [
            AssignmentSpec(one.assignment, one.grade_ids, frozenset(), frozenset()).to_wire()
            for one in every
        ]
        try:
            value = self._ask(["upload", [row, spec.to_wire(), others]], files, part, seconds)
            refused, record, notes = _shaped(value, 3)
            if type(refused) is not str:
                raise BadRecord("its refusal is no text")
            submission = submission_from_wire(record, spec.cells) if record is not None else None
            return OpenedUpload(one_line(refused[:1000]), submission, _notes(notes))
        except (ReaderGone, BadRecord, BadArchive):
            return OpenedUpload(notes=[note(COSTLY_UPLOAD)])

    def listing(self, descriptor: int, name: str) -> tuple[list[Member], list[str]]:
        """Return the members of a class's zip, each with its `PackedFile` as key, and its links.

        Args:
            descriptor: of the zip, open for reading.
            name: what to call it in a message.

        Raises:
            BadArchive: it can't be used.
        """
        try:
            value = self._ask(
                ["listing", [name]], [lambda: os.dup(descriptor)], seconds=LISTING_SECONDS
            )
            rows, links = _shaped(value, 2)
            if type(rows) is not list or type(links) is not list:
                raise BadRecord("its list is none")
            if len(rows) + len(links) > _MAX_LISTED:
                raise BadRecord("its list is too long")
            return [_member(row) for row in rows], [_text(link) for link in links]
        except (ReaderGone, BadRecord, ValueError, OverflowError):
            raise BadArchive(
                f"{name} can't be opened within the time and memory it may take; "
                "download it again, or unpack it and name the folder."
            ) from None

    def extract(
        self,
        descriptor: int,
        members: Sequence[Member],
        put: Callable[[int, bytes], None],
        seconds: float,
    ) -> dict[int, str]:
        """Unpack members of a class's zip.

        Args:
            descriptor: of the zip, open for reading.
            members: as `listing` returned them.
            put: takes the content of the n-th of them, piece by piece.
            seconds: the longest it may take.

        Returns:
            For each member that isn't whole, by its index, "too large" or "damaged".
        """
        limits = STUDENT_LIMITS
        left = [limits.total_bytes]
        sizes = [0] * len(members)
        places = [cast(PackedFile, member.key).to_wire() for member in members]

        def part(number: int, piece: bytes) -> None:
            if not 0 <= number < len(members):
                raise ReaderGone("a file that wasn't asked for")
            left[0] -= len(piece)
            sizes[number] += len(piece)
            if left[0] < 0 or sizes[number] > limits.member_bytes:
                raise ReaderGone("more than was allowed")
            if piece:
                put(number, piece)

        request = ["extract", [places, limits.member_bytes, limits.total_bytes]]
        try:
            value = self._ask(request, [lambda: os.dup(descriptor)], part, seconds)
            return {int(number): str(why)[:20] for number, why in value}
        except (ReaderGone, ValueError, TypeError):
            return dict.fromkeys(range(len(members)), "damaged")

    def _ask(
        self,
        request: list[Any],
        files: Sequence[Callable[[], int]] = (),
        part: Callable[[int, bytes], None] | None = None,
        seconds: float = READING_SECONDS,
    ) -> Any:
        """Return the value that a new reader process answers a request with.

        Raises:
            ReaderGone: none, in time.
            BadArchive: the reader says why there is none.
        """
        ours, theirs = socket.socketpair()
        deadline = time.monotonic() + seconds
        with ours:
            with theirs:
                self._fork(theirs)
            try:
                wire.send_frame(ours, request, deadline)
                while True:
                    kind, *rest = _shaped(wire.receive_frame(ours, deadline, _FRAME_BYTES))
                    if kind == "open" and len(rest) == 1:
                        _send_file(ours, files, rest[0], deadline)
                    elif kind == "part" and part and [type(one) for one in rest] == [int, bytes]:
                        part(*rest)
                    elif kind == "done" and len(rest) == 1:
                        return rest[0]
                    elif kind == "bad" and len(rest) == 1 and type(rest[0]) is str:
                        if rest[0] == "out of memory":
                            raise ReaderGone(rest[0])
                        raise BadArchive(one_line(rest[0][:1000]))
                    else:
                        raise ReaderGone("an answer of another kind")
            except (wire.WireError, BadRecord, MemoryError) as error:
                raise ReaderGone(str(error)) from None

    def _fork(self, channel: socket.socket) -> None:
        for _attempt in range(2):
            self._wait_until_ready()
            try:
                assert self._control is not None
                socket.send_fds(self._control, [b"fork"], [channel.fileno()])
                return
            except OSError:
                # Some submission took it along; that one has its answer, this one gets a new one.
                self._stop()
                self._start()
        raise SandboxUnavailable(
            "The process that opens submissions keeps ending; run `autograder doctor`."
        )


def _end(process: root_launcher.Launched | root_launcher.Remote, control: socket.socket) -> None:
    control.close()
    process.end(_END_SECONDS)


def _send_file(
    channel: socket.socket, files: Sequence[Callable[[], int]], number: object, deadline: float
) -> None:
    """Send the descriptor of file `number`, if it is a plain file."""
    if type(number) is not int or not 0 <= number < len(files):
        raise ReaderGone("a file that isn't there")
    try:
        descriptor = files[number]()
    except OSError:
        descriptor = -1
    try:
        plain = descriptor >= 0 and stat.S_ISREG(os.fstat(descriptor).st_mode)
        channel.settimeout(max(0.01, deadline - time.monotonic()))
        socket.send_fds(channel, [b"f"], [descriptor] if plain else [])
    except OSError:
        raise ReaderGone("it doesn't take the file") from None
    finally:
        if descriptor >= 0:
            os.close(descriptor)


def _shaped(value: object, length: int | None = None) -> list[Any]:
    if type(value) is not list or not value or length not in (None, len(value)):
        raise BadRecord("an answer of another shape")
    return value


def _text(value: object) -> str:
    if type(value) is not str or len(value) > 5000:
        raise BadRecord("a name that is none")
    return one_line(value)


def _member(row: object) -> Member:
    name, seconds, is_wall_clock, place = _shaped(row, 4)
    if (seconds is not None and type(seconds) is not float) or type(is_wall_clock) is not bool:
        raise BadRecord("a time that is none")
    when = datetime.fromtimestamp(seconds, UTC) if seconds is not None else None
    if when is not None and is_wall_clock:
        when = when.replace(tzinfo=None)
    return Member(_text(name), when, PackedFile.from_wire(place))


def _notes(value: object) -> list[Note]:
    """Validate the notes in what a reader sent: known messages only, with short texts in them."""
    if type(value) is not list or len(value) > _MAX_NOTES:
        raise BadRecord("its notes are none")
    found = []
    for row in value:
        message, values = _shaped(row, 2)
        if message not in _MESSAGES or type(values) is not dict or len(values) > 5:
            raise BadRecord("a note of it is none of ours")
        if any(type(one) is not str for pair in values.items() for one in pair):
            raise BadRecord("a note of it holds no text")
        made = note(message, **values)
        try:
            made.message.format(**made.values)
        except (KeyError, IndexError, ValueError):
            raise BadRecord("a note of it doesn't fit") from None
        found.append(made)
    return found
