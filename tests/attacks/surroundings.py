"""What attacks are measured by around the class: sockets, processes, the file handed in."""

from __future__ import annotations

import json
import os
import shutil
import socket
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from nbformat import NotebookNode

from tests.attacks.attack import Attack, Place
from tests.attacks.small_course import ANSWERS, WRONG_ANSWERS, answered

LEFT_RUNNING = "98765"
"""What attacks that leave a process behind have on its command line."""


@contextmanager
def open_folder() -> Iterator[Path]:
    """A folder outside /tmp that every user may read; it goes again."""
    cache = Path(__file__).resolve().parents[2] / ".cache"
    cache.mkdir(exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="school-", dir=cache))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class Listeners:
    """Sockets of this machine that no submission may reach, and who did."""

    def __init__(self, folder: Path) -> None:
        self._stack = ExitStack()
        self.unix, self.abstract = folder / "listens", f"attacks-{os.getpid()}"
        places = [
            (socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", 0)),
            (socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.1", 0)),
            (socket.AF_UNIX, socket.SOCK_STREAM, str(self.unix)),
            (socket.AF_UNIX, socket.SOCK_STREAM, "\0" + self.abstract),
        ]
        self._sockets = []
        for family, kind, address in places:
            one = self._stack.enter_context(socket.socket(family, kind))
            one.bind(address)
            one.setblocking(False)
            if kind == socket.SOCK_STREAM:
                one.listen(8)
            self._sockets.append(one)
        self.tcp, self.udp = (one.getsockname()[1] for one in self._sockets[:2])
        self.unix.chmod(0o777)

    def reached(self) -> list[str]:
        """The sockets that somebody reached since this was last asked."""
        found = []
        for one in self._sockets:
            try:
                one.accept() if one.type == socket.SOCK_STREAM else one.recv(1)
            except BlockingIOError:
                continue
            found.append(str(one.getsockname()))
        return found

    def close(self) -> None:
        self._stack.close()


def place_for(course: Path, listeners: Listeners, runtime: Path) -> Place:
    """What attackers may know, with a kernel's connection file to look for."""
    (runtime / "kernel-1.json").write_text('{"key": "CANARY-ENVIRONMENT"}')
    return Place(
        course=course,
        runtime=runtime,
        tcp=listeners.tcp,
        udp=listeners.udp,
        unix=listeners.unix,
        abstract=listeners.abstract,
        namespace=os.readlink("/proc/self/ns/pid"),
        user_namespace=os.readlink("/proc/self/ns/user"),
        host=socket.gethostname(),
    )


def submission(attack: Attack, given: NotebookNode, place: Place) -> bytes:
    """The notebook that the attacker hands in, as bytes."""
    start = ANSWERS if attack.honest else WRONG_ANSWERS
    work = answered(given, start[attack.assignment])
    work = attack.change(work, place) or work
    if isinstance(work, bytes):
        return work
    return json.dumps(work, ensure_ascii=True).encode("ascii")


def left_running() -> int:
    """How many processes of submissions outlive them, given five seconds to end."""
    for _attempt in range(50):
        left = sum(
            _command(process).startswith(f"sleep\0{LEFT_RUNNING}")
            for process in Path("/proc").glob("[0-9]*/cmdline")
        )
        if not left:
            break
        time.sleep(0.1)
    return left


def _command(process: Path) -> str:
    try:
        return process.read_text()
    except OSError:  # it has just ended
        return ""
