"""One command of the autograder, run as an instructor runs it, and what it cost.

Nothing of the package is imported here: what a class shows is what an instructor and a student
see of it, from the outside.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LAUNCHER = Path(__file__).with_name("launcher.py")
USUAL_CELL_SECONDS = 30
_PAUSE = 0.1  # seconds between two samples of the processes, at least
_MOST_OF_A_CORE = 0.15  # what the looking itself may take
CEILING = 6 * 2**30
"""Bytes beyond which a command is ended, so that a failing case doesn't take the machine along."""


@dataclass(frozen=True)
class Run:
    """What one command did.

    Attributes:
        verb: the station.
        code: its exit code; negative when a signal ended it.
        said: stdout and stderr.
        seconds: of wall-clock time.
        cpu: processor seconds of the command and whatever it started and waited for.
        peak: the most memory in bytes: the whole tree by its proportional share, or the high-water
            mark of its largest process where that is more (a short peak falls between two samples).
        own: the high-water mark of the command's first process: in `grade`, the coordinator.
        cores: the most that the processes of one submission could have had together, by the
            bandwidth of their control group; 0 where there are no such groups.
    """

    verb: str
    code: int
    said: str
    seconds: float
    cpu: float
    peak: int
    own: int
    cores: float = 0.0


def run(
    verb: str,
    *words: str,
    course: Path,
    cell_seconds: int = USUAL_CELL_SECONDS,
    environment: dict[str, str] | None = None,
    without: Iterable[str] = (),
    limits: Mapping[str, float] | None = None,
    patience: float = 600.0,
    user: int | None = None,
) -> Run:
    """Run a verb on a course and wait for it.

    Args:
        cell_seconds: how long a cell may run; another than the usual one is set by `launcher.py`,
            because no option of the command sets it.
        without: barriers to take down, by name (see `launcher.py`).
        limits: shorter ones that hold whatever a cell's own is, in seconds (see `launcher.py`).
        patience: seconds until the command counts as hung and is ended.
        user: the number of the user to run it as, where this is root.
    """
    argv = [sys.executable, "-m", "autograder", verb, *words, "--course", str(course)]
    variables = {
        **os.environ,
        "PYTHONPATH": f"{ROOT}:{ROOT / 'notebooks'}",
        "GRADER_TOKEN": "CANARY-ENVIRONMENT",
        **(environment or {}),
    }
    for name in ("COLUMNS", "PYTEST_CURRENT_TEST", "BEYOND_COURSE", "BEYOND_EXCHANGE"):
        variables.pop(name, None)
    if cell_seconds != USUAL_CELL_SECONDS:
        argv[1:3] = [str(LAUNCHER), str(cell_seconds)]
    down = sorted(without)
    if down or limits:
        from tests.attacks.launcher import patched_imports

        variables["PYTHONPATH"] = f"{patched_imports(down, limits)}:{variables['PYTHONPATH']}"
    return _run(verb, argv, variables, patience, user)


def _run(
    verb: str,
    argv: Sequence[str],
    variables: dict[str, str],
    patience: float,
    user: int | None,
) -> Run:
    with tempfile.TemporaryFile() as said:
        began = time.monotonic()
        process = subprocess.Popen(
            argv,
            env=variables,
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            user=user,
            group=user,
            extra_groups=None if user is None else [],
        )
        watch = _Watch(process.pid)
        watch.start()
        timer = threading.Timer(patience, _end_tree, (process.pid,))
        timer.daemon = True
        timer.start()
        try:
            _pid, status, used = os.wait4(process.pid, 0)
        except BaseException:
            _end_tree(process.pid)
            raise
        finally:
            seconds = time.monotonic() - began
            timer.cancel()
            watch.stop()
        code = process.returncode = os.waitstatus_to_exitcode(status)
        said.seek(0)
        text = said.read(200_000_000).decode("utf-8", "backslashreplace")
    cpu = used.ru_utime + used.ru_stime
    return Run(verb, code, text, seconds, cpu, watch.peak, watch.own, watch.cores)


def _end_tree(root: int) -> None:
    for pid in [*_tree(root), root]:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _tree(root: int) -> list[int]:
    """A process and all that it started, in whatever namespaces they are."""
    parents: dict[int, list[int]] = {}
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        with suppress(OSError, ValueError):
            stat = Path("/proc", entry, "stat").read_text()
            parents.setdefault(int(stat.rpartition(")")[2].split()[1]), []).append(int(entry))
    found, todo = [], [root]
    while todo:
        one = todo.pop()
        found.append(one)
        todo += parents.get(one, [])
    return found


class _Watch(threading.Thread):
    """Samples a process tree's memory and share of the processors until it is told to stop."""

    def __init__(self, root: int) -> None:
        super().__init__(daemon=True)
        self._root = root
        self._done = threading.Event()
        self.peak = self.own = 0
        self.cores = 0.0

    def run(self) -> None:
        pause = 0.02
        while not self._done.wait(pause):
            began = time.monotonic()
            together = highest = 0
            for pid in _tree(self._root):
                self.cores = max(self.cores, _cores(pid))
                together += _kilobytes(f"/proc/{pid}/smaps_rollup", "Pss:")
                highest = max(highest, own := _kilobytes(f"/proc/{pid}/status", "VmHWM:"))
                if pid == self._root:
                    self.own = max(self.own, own * 1024)
            self.peak = max(self.peak, together * 1024, highest * 1024)
            if self.peak > CEILING:
                _end_tree(self._root)
            pause = max(_PAUSE, (time.monotonic() - began) / _MOST_OF_A_CORE)

    def stop(self) -> None:
        self._done.set()
        self.join()


def _kilobytes(path: str, name: str) -> int:
    with suppress(OSError, ValueError), open(path) as file:
        for line in file:
            if line.startswith(name):
                return int(line.split()[1])
    return 0


def _cores(pid: int) -> float:
    """The cores that the control group of a submission's process may use; 0 if it has none."""
    with suppress(OSError, ValueError):
        for line in Path("/proc", str(pid), "cgroup").read_text().splitlines():
            _number, controllers, path = line.split(":", 2)
            if "beyond-grading-" not in path or controllers not in ("", "cpu", "cpu,cpuacct"):
                continue
            folder = Path("/sys/fs/cgroup", controllers, path.lstrip("/"))
            if controllers:
                names = "cpu.cfs_quota_us", "cpu.cfs_period_us"
                quota, period = ((folder / name).read_text().strip() for name in names)
            else:
                quota, period = (folder / "cpu.max").read_text().split()
            return float("inf") if quota in ("-1", "max") else int(quota) / int(period)
    return 0.0
