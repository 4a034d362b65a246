"""Run the judge's process: take one job, ask for student processes, send the outcome."""

from __future__ import annotations

import socket
import sys

from autograder.judge import submission_runner
from autograder.judge.job import Job
from autograder.judge.student_client import NoProcess
from autograder.sandbox import wire
from autograder.sandbox.limits import SandboxLimits

STUDENT, FRESH, RUNNING, OUTCOME = "student", "fresh", "at", "outcome"
"""What a judge sends its worker: it wants a process (of a kind), runs a cell, or is done."""

GRANTED, DENIED = b"+", b"-"
"""What the worker answers a request for a process: a channel to one follows, or there is none."""


def prepare() -> None:
    """Load what every judge needs, before the first is forked."""
    if "torch" in sys.modules:
        # One thread, as on the other side: more gain nothing here and disturb the other workers.
        sys.modules["torch"].set_num_threads(1)


def serve(channel: socket.socket, _limits: SandboxLimits, _seed: int) -> None:
    """Run the job that comes over the channel, and send its outcome."""
    job = Job.from_bytes(wire.receive_frame(channel))
    sys.path.insert(0, "")  # the instructor's modules beside the notebook, as in a notebook

    def connect(kind: str) -> socket.socket:
        wire.send_frame(channel, [kind])
        channel.settimeout(None)
        answer, descriptors, _flags, _from = socket.recv_fds(channel, 1, 1)
        if answer != GRANTED or len(descriptors) != 1:
            raise NoProcess
        return socket.socket(fileno=descriptors[0])

    outcome = submission_runner.run(
        job,
        lambda: connect(STUDENT),
        lambda: connect(FRESH),
        lambda cell: wire.send_frame(channel, [RUNNING, cell]),
    )
    try:
        wire.send_frame(channel, [OUTCOME, outcome.to_plain()])
    except wire.WireError as error:
        if not isinstance(error, wire.Closed):
            fault = submission_runner.faulty(job, f"The outcome can't be sent: {error}")
            wire.send_frame(channel, [OUTCOME, fault.to_plain()])
