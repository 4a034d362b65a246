"""What an operation on a student's object by handle costs, beside the floor for any such thing.

    python benchmarks/handles.py
    python benchmarks/handles.py --busy 4      # with so many processes that compute meanwhile

A test in the judge's sandbox asks an object in the student's sandbox, one operation after another,
as an ordinary nbgrader test does. The floor is a byte that goes to and fro between two processes
in the student's sandbox over a bare socketpair: two system calls a side and two switches. Rounds of
both take turns; the median and the fastest of each are printed, in microseconds an operation. Two
operations make up a method's call: the method is asked for, then called.
"""

from __future__ import annotations

import argparse
import multiprocessing
import statistics
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from nbformat.v4 import new_code_cell, new_notebook  # noqa: E402 - found by the path set above

from autograder.judge.job import Assignment, Job, JobOutcome, code_cells  # noqa: E402 - as above
from autograder.judge.worker import run_submission  # noqa: E402 - as above

ANSWER = """
import os, socket, time

class Box:
    def __init__(self, x):
        self.x = x
    def double(self, y):
        return 2 * y
    def __len__(self):
        return 3

def floor(times):
    ours, theirs = socket.socketpair()
    if os.fork() == 0:
        while theirs.recv(1) != b"e":
            theirs.send(b"x")
        os._exit(0)
    began = time.perf_counter()
    for _ in range(times):
        ours.send(b"x")
        ours.recv(1)
    took = time.perf_counter() - began
    ours.send(b"e")
    os.wait()
    return took
"""
TEST = """
import time
box, times, rounds = Box(3), {times}, {rounds}
asked = {{
    "an attribute": lambda: box.x,
    "a method called": lambda: box.double(2),
    "a length": lambda: len(box),
}}
found = {{name: [] for name in ["floor", *asked]}}
for _ in range(rounds):
    found["floor"].append(floor(times) / times)
    for name, ask in asked.items():
        ask()
        began = time.perf_counter()
        for _ in range(times):
            ask()
        found[name].append((time.perf_counter() - began) / times)
raise AssertionError(found)
"""


def busy() -> None:
    """Compute until the process is ended."""
    while True:
        sum(range(1000))


def measured(times: int, rounds: int) -> dict[str, list[float]]:
    """Return the seconds of each round, by what was measured."""
    marks = {"schema_version": 3, "task": False}
    answer = {**marks, "grade_id": "a", "solution": True, "grade": False, "locked": False}
    test = {**marks, "grade_id": "t", "solution": False, "grade": True, "locked": True, "points": 1}
    source = TEST.format(times=times, rounds=rounds)
    notebook = new_notebook(
        cells=[
            new_code_cell(ANSWER, id="a", metadata={"nbgrader": answer}),
            new_code_cell(source, id="t", metadata={"nbgrader": test}),
        ]
    )
    contracts: dict[str, tuple[str, ...] | None] = {"t": None}
    for _trial in range(2):  # the first finds out what the test needs, as for a solution
        job = Job(
            student="x",
            assignment="a",
            cells=code_cells(notebook),
            about=Assignment.of(notebook),
            cell_seconds=120.0,
            contracts=contracts,
        )
        outcome = JobOutcome.from_bytes(run_submission(job.to_bytes()))
        contracts = {"t": outcome.cells["t"].needs}
    said = str(outcome.cells["t"].outputs[-1]["evalue"]) if not outcome.fault else outcome.fault
    if not said.startswith("{"):
        raise SystemExit(said)
    found: dict[str, list[float]] = eval(said)  # numbers, from the test above
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--times", type=int, default=500, help="operations in a round")
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--busy", type=int, default=0, help="processes that compute meanwhile")
    options = parser.parse_args()
    others = [multiprocessing.Process(target=busy, daemon=True) for _ in range(options.busy)]
    for one in others:
        one.start()
    try:
        found = measured(options.times, options.rounds)
    finally:
        for one in others:
            one.terminate()
    print(f"{'microseconds':>16} {'median':>8} {'fastest':>8}")
    for name, seconds in found.items():
        print(
            f"{name:>16} {1e6 * statistics.median(seconds):8.0f} {1e6 * min(seconds):8.0f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
