"""How `python3 env test` shares the tests out between its processes."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

from launcher import EVERY_TEST

ROOT = Path(__file__).resolve().parents[2]
# Two short files, of one group each, with more tests than a process is given at once.
FILES = ("tests/beyond/test_locale.py", "tests/beyond/ui/test_figures.py")


def test_the_tests_of_a_file_stay_in_one_process() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *EVERY_TEST, "-vv", *FILES],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    workers = defaultdict(set)
    for worker, path in re.findall(r"^\[(gw\d)\].* PASSED (tests/[\w/]+\.py)", done.stdout, re.M):
        workers[path].add(worker)
    assert {path: len(found) for path, found in workers.items()} == dict.fromkeys(FILES, 1)
