"""Workers that die, hang, fail or are abandoned, and what becomes of the rest."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import wait
from pathlib import Path

import pytest

from autograder.errors import EnvironmentFault
from autograder.grading.pool import WorkerDied, executor, run_each


@pytest.fixture
def tasks(monkeypatch, tmp_path):
    """Functions that worker processes can import."""
    (tmp_path / "some_tasks.py").write_text(
        "import os, signal, time\n"
        "from pathlib import Path\n"
        "def pid(_=None): return os.getpid()\n"
        "def parent(_=None): return os.getppid()\n"
        "def both(_=None): time.sleep(0.1); return os.getpid(), os.getppid()\n"
        "def upper(job): return job.upper()\n"
        "def die(folder):\n"
        "    (Path(folder) / f'{os.getpid()}').touch()\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        "def die_once(folder):\n"
        "    first = not any(Path(folder).iterdir())\n"
        "    return die(folder) if first else 'survived'\n"
        "def hang(folder): (Path(folder) / f'{os.getpid()}').touch(); time.sleep(600)\n"
        "def fail(_): raise ValueError('mine')\n"
        "def no_start(): os._exit(1)\n"
        "def slow_start(): time.sleep(600)\n"
        "preload = []\n"
        "def warm_up(): preload.append(1)\n"
        "def warmth(_=None): return len(preload)\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    import importlib

    yield importlib.import_module("some_tasks")
    sys.modules.pop("some_tasks")


def gone(pid: int) -> bool:
    """Whether a process has ended, within a while."""
    for _ in range(500):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        stat = Path(f"/proc/{pid}/stat")
        if stat.exists() and stat.read_text().rpartition(")")[2].split()[0] == "Z":
            return True
        time.sleep(0.02)
    return False


def test_every_submission_gets_its_result(tasks):
    with executor(2) as pool:
        assert pool.width == 2
        futures = [pool.submit(run_each, tasks.upper, [b"a%d" % n, b"b"]) for n in range(20)]
        assert [one.result() for one in futures] == [[b"A%d" % n, b"B"] for n in range(20)]
        pids = {pool.submit(tasks.pid).result() for _ in range(5)}
    assert all(map(gone, pids))


def test_no_more_processes_than_submissions():
    with executor(8, jobs=1) as pool:
        assert pool.width == 1


def test_a_worker_that_dies_costs_only_its_submission(tasks, tmp_path):
    died = tmp_path / "died"
    died.mkdir()
    with executor(2) as pool:
        good = [pool.submit(tasks.upper, "a") for _ in range(10)]
        bad = pool.submit(tasks.die, str(died))
        more = [pool.submit(tasks.upper, "b") for _ in range(10)]
        with pytest.raises(WorkerDied):
            bad.result()
        assert [one.result() for one in good + more] == ["A"] * 10 + ["B"] * 10
    assert len(list(died.iterdir())) == 2


def test_one_that_dies_once_is_run_again(tasks, tmp_path):
    died = tmp_path / "died"
    died.mkdir()
    with executor(1) as pool:
        assert pool.submit(tasks.die_once, str(died)).result() == "survived"


def test_one_that_hangs_is_ended(tasks, tmp_path):
    ran = tmp_path / "ran"
    ran.mkdir()
    with executor(1, seconds=1.0) as pool:
        with pytest.raises(WorkerDied, match="hung"):
            pool.submit(tasks.hang, str(ran)).result()
        assert pool.submit(tasks.upper, "a").result() == "A"
    (pid,) = [int(path.name) for path in ran.iterdir()]
    assert gone(pid)


def test_an_exception_comes_back_as_it_is(tasks):
    with executor(1) as pool, pytest.raises(ValueError, match="mine"):
        pool.submit(tasks.fail, "a").result()


def test_each_process_warms_up_once(tasks):
    with executor(1, preload=tasks.warm_up) as pool:
        assert [pool.submit(tasks.warmth).result() for _ in range(3)] == [1, 1, 1]


def test_the_processes_are_forks_of_a_warm_one(tasks):
    with executor(2, preload=tasks.warm_up) as pool:
        found = {one.result() for one in [pool.submit(tasks.both) for _ in range(8)]}
    assert len({pid for pid, _parent in found}) == 2
    assert len({parent for _pid, parent in found}) == 1


def test_a_warm_process_that_is_killed_is_started_anew(tasks):
    with executor(2, preload=tasks.warm_up) as pool:
        os.kill(pool.submit(tasks.parent).result(), signal.SIGKILL)
        assert [pool.submit(tasks.warmth).result() for _ in range(4)] == [1] * 4


def test_abandoned_while_it_preloads(tasks):
    waiting = []

    def stop_at_once():
        with executor(1, preload=tasks.slow_start) as pool:
            waiting.append(pool.submit(tasks.upper, "a"))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stop_at_once()
    (waiting,) = waiting
    wait([waiting])
    assert waiting.cancelled() or isinstance(waiting.exception(), WorkerDied)


def test_processes_that_never_start_are_a_sentence(tasks):
    with (
        executor(1, preload=tasks.no_start) as pool,
        pytest.raises(EnvironmentFault, match="before it had anything"),
    ):
        pool.submit(tasks.upper, "a").result()


def test_an_error_in_the_block_ends_the_processes_at_once(tasks, tmp_path):
    ran = tmp_path / "ran"
    ran.mkdir()
    futures = []

    def stop_at_work():
        with executor(1) as pool:
            futures.append(pool.submit(tasks.hang, str(ran)))
            futures.append(pool.submit(tasks.upper, "a"))
            while not any(ran.iterdir()):
                time.sleep(0.02)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stop_at_work()
    running, waiting = futures
    (pid,) = [int(path.name) for path in ran.iterdir()]
    assert gone(pid)
    wait([running, waiting])
    assert waiting.cancelled()


def test_processes_end_with_a_coordinator_that_is_killed(tasks, tmp_path):
    ran = tmp_path / "ran"
    ran.mkdir()
    script = tmp_path / "coordinator.py"
    script.write_text(
        "import some_tasks\n"
        "from autograder.grading.pool import executor\n"
        "if __name__ == '__main__':\n"
        "    with executor(1) as pool:\n"
        f"        pool.submit(some_tasks.hang, {str(ran)!r}).result()\n"
    )
    path = os.pathsep.join(filter(None, [str(tmp_path), *sys.path]))
    coordinator = subprocess.Popen([sys.executable, script], env={**os.environ, "PYTHONPATH": path})
    while not any(ran.iterdir()):
        assert coordinator.poll() is None
        time.sleep(0.02)
    coordinator.send_signal(signal.SIGKILL)
    coordinator.wait()
    (pid,) = [int(path.name) for path in ran.iterdir()]
    assert gone(pid)


def test_a_cluster_that_is_not_there_is_a_sentence():
    pytest.importorskip("distributed")
    with (
        pytest.raises(EnvironmentFault, match="doesn't answer"),
        executor(scheduler="nonsense://x"),
    ):
        pass
