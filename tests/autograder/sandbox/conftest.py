"""A zygote for the tests here, and the trusted end of the RPC channel in its plainest form."""

import time

import pytest

from autograder.sandbox import wire
from autograder.sandbox.bubblewrap import find_bwrap
from autograder.sandbox.errors import SandboxUnavailable
from autograder.sandbox.limits import MIB, SandboxLimits
from autograder.sandbox.zygote_client import ZygoteClient

HARD_SECONDS = 20.0
"""No reply takes longer; a test that waits for one then fails rather than hangs."""

LIMITS = SandboxLimits(
    memory_bytes=256 * MIB,
    cpu_seconds=10,
    wall_seconds=30,
    processes=24,
    file_bytes=8 * MIB,
    scratch_bytes=16 * MIB,
    scratch_files=500,
    open_files=64,
    output_bytes=20_000,
)
"""Small, so that running into them takes no time."""


class Talk:
    """One child, spoken to."""

    def __init__(self, child):
        self.child = child
        self._count = 0

    def ask(self, *request, seconds=HARD_SECONDS):
        self._count += 1
        deadline = time.monotonic() + seconds
        wire.send_frame(self.child.socket, [self._count, *request], deadline)
        reply = wire.receive_frame(self.child.socket, deadline)
        assert reply[0] == self._count
        return reply[1:]

    def run(self, source, seconds=10.0, hard=HARD_SECONDS):
        """The error and the outputs of a cell."""
        word, ok, error, outputs, _context = self.ask(
            "run", "cell", source, seconds, 1, seconds=hard
        )
        assert word == "ran" and ok is (error is None)
        return error, outputs

    def text(self, source, seconds=10.0):
        """What a cell prints; it must not fail."""
        error, outputs = self.run(source, seconds)
        assert error is None, error
        return "".join(one["text"] for one in outputs if one["output_type"] == "stream")

    def fails(self, source, seconds=10.0):
        """The type of error a cell ends with."""
        error, _outputs = self.run(source, seconds)
        assert error is not None, f"this worked: {source}"
        return error[0]

    def value(self, name):
        word, *rest = self.ask("value", name)
        return rest[0] if word == "value" else [word, *rest]

    def call(self, name, *args, **kwargs):
        word, *rest = self.ask("call", name, list(args), kwargs, 5.0)
        return rest[0] if word == "value" else [word, *rest]


@pytest.fixture(scope="session")
def bubblewrap():
    try:
        return find_bwrap()
    except SandboxUnavailable as fault:
        pytest.skip(str(fault))


@pytest.fixture(scope="session")
def parent(bubblewrap):
    with ZygoteClient(limits=LIMITS, imports=("beyond.checks",), packages=("beyond",)) as parent:
        yield parent


@pytest.fixture(scope="session")
def talk():
    return Talk


@pytest.fixture
def student(parent):
    """A child of its own for one test."""
    with parent.fork(seed=1) as child:
        yield Talk(child)
