"""Run nbgrader's own tests with nbgrader alone and with this grader, and compare the time.

    python benchmarks/nbgraders_own_tests.py MODULE…      such as test_nbgrader_autograde
    python benchmarks/nbgraders_own_tests.py --all        all modules
    python benchmarks/nbgraders_own_tests.py --record     with nbgrader alone, into the suite's list

Without any of these, the modules that grade something. Both are run one after the other, in this
order and then the other way round, so that what else the machine does disturbs both alike.
Processor time is of all processes that a run started and waited for.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import tempfile
import time
from collections import Counter
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests.autograder.adoption.nbgraders_own import (  # noqa: E402 - found by the path set above
    EXPECTED,
    PASSED,
    graders,
    modules,
    outcomes,
)


def timed(module: str, with_this_grader: bool) -> tuple[dict[str, str], float, float]:
    """Run a module's tests; return how they ended, the wall time and the processor time."""
    began, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
    with tempfile.TemporaryDirectory() as place:
        found = outcomes(module, Path(place), with_this_grader)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    computed = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return found, time.monotonic() - began, computed


def record() -> None:
    """Write what the tests come to with nbgrader alone."""
    found = {}
    for module in graders():
        found[module] = timed(module, False)[0]
        print(module, dict(Counter(found[module].values())), flush=True)
    others = {
        module: {name: end for name, end in ends.items() if end != PASSED}
        for module, ends in found.items()
    }
    table = {
        "version": version("nbgrader"),
        "passed": {module: Counter(ends.values())[PASSED] for module, ends in found.items()},
        "others": {module: ends for module, ends in others.items() if ends},
    }
    EXPECTED.write_text(json.dumps(table, indent=1) + "\n")


def compare(module: str) -> None:
    """Print how a module's tests end with each of the two, and the times."""
    wall, computed = {False: 0.0, True: 0.0}, {False: 0.0, True: 0.0}
    ends = {}
    for ours in (False, True, True, False):
        found, took, used = timed(module, ours)
        wall[ours] += took / 2
        computed[ours] += used / 2
        ends[ours] = dict(Counter(found.values()))
    print(
        f"{module}: nbgrader alone {ends[False]} in {wall[False]:.0f} s, {computed[False]:.0f} s "
        f"of a processor; here {ends[True]} in {wall[True]:.0f} s ({wall[True] / wall[False]:.0%}),"
        f" {computed[True]:.0f} s ({computed[True] / computed[False]:.0%})",
        flush=True,
    )


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("modules", nargs="*", metavar="MODULE")
    parser.add_argument("--record", action="store_true", help="write the suite's list")
    parser.add_argument("--all", action="store_true", help="run every module")
    asked = parser.parse_args()
    if asked.record:
        record()
        return
    for module in asked.modules or (modules() if asked.all else graders()):
        compare(module)


if __name__ == "__main__":
    main()
