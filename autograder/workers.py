"""Who runs submissions: processes on this machine, or a Dask cluster.

Both are a `concurrent.futures.Executor` with a `width` (how many run at a time) and an `ahead`
(how many for each of those to have on their way). A worker that
dies costs only the submission it had, which is tried once more; when that one's worker dies
too, its future ends with `WorkerDied`. Everything else goes on meanwhile.
"""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import queue
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress

from autograder.errors import EnvironmentFault

TRIES = 2
"""How often a submission is given to a worker before it is given up."""

_PR_SET_PDEATHSIG = 1
_SCHEDULER_ANSWERS_IN = 20  # seconds


class WorkerDied(Exception):
    """Every worker that had this submission ended or hung before it was through."""


@contextmanager
def executor(
    workers: int | None = None,
    scheduler: str | None = None,
    *,
    jobs: int | None = None,
    warm: Callable[[], object] | None = None,
    seconds: float | None = None,
) -> Iterator[LocalWorkers | ClusterWorkers]:
    """Workers, ready to be given submissions; they end with the block.

    Args:
        workers: processes on this machine; None for one a core.
        scheduler: the address of a Dask scheduler whose workers to use instead.
        jobs: how many submissions there are, so that no more workers start than that.
        warm: called once in each process on this machine before its first submission.
        seconds: the longest a process on this machine may have a submission.

    Raises:
        EnvironmentFault: the cluster can't be reached or has no workers.
    """
    if scheduler is not None:
        made: LocalWorkers | ClusterWorkers = ClusterWorkers(scheduler)
    else:
        count = workers or available_cores()
        made = LocalWorkers(max(1, min(count, jobs or count)), warm, seconds)
    try:
        yield made
    except BaseException:
        made.abandon()
        raise
    finally:
        made.shutdown()


def available_cores() -> int:
    """The cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run_each(runner: Callable[[bytes], bytes], jobs: list[bytes]) -> list[bytes]:
    """The outcomes of one submission's jobs. It lives here because a worker imports it."""
    return [runner(job) for job in jobs]


class LocalWorkers(Executor):
    """Processes on this machine, each with a pool of its own.

    One pool for all would be simpler, but when one of its processes dies it ends all of them and
    doesn't say which had which submission.
    """

    ahead = 2  # one runs and one waits for it to end

    def __init__(
        self,
        width: int,
        warm: Callable[[], object] | None = None,
        seconds: float | None = None,
    ) -> None:
        self.width = width
        self._warm = warm
        self._seconds = seconds
        self._waiting: queue.SimpleQueue[tuple[Future, Callable, tuple] | None] = (
            queue.SimpleQueue()
        )
        self._abandoned = False
        self._closed = False
        self._workers = [_LocalWorker(warm) for _ in range(width)]
        self._threads = [
            threading.Thread(target=self._serve, args=[worker], daemon=True)
            for worker in self._workers
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, function: Callable, /, *args: object) -> Future:
        if self._closed:
            raise RuntimeError("these workers have been shut down")
        future: Future = Future()
        self._waiting.put((future, function, args))
        return future

    def abandon(self) -> None:
        """End every process at once; what it was at work on is lost."""
        self._abandoned = True
        for worker in self._workers:
            worker.kill()

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        if cancel_futures:
            self.abandon()
        if not self._closed:
            self._closed = True
            for _ in self._threads:
                self._waiting.put(None)
        if wait:
            for thread in self._threads:
                thread.join()

    def _serve(self, worker: _LocalWorker) -> None:
        try:
            # Begin to warm up before there is anything to do; whatever fails, fails again there.
            with suppress(Exception):
                worker.start()
            while (task := self._waiting.get()) is not None:
                future, function, args = task
                if self._abandoned:
                    future.cancel()
                if future.set_running_or_notify_cancel():
                    self._settle(worker, future, function, args)
        finally:
            worker.close()

    def _settle(
        self, worker: _LocalWorker, future: Future, function: Callable, args: tuple
    ) -> None:
        for _ in range(TRIES):
            try:
                future.set_result(worker.call(function, args, self._seconds))
                return
            except BrokenProcessPool:
                if self._abandoned:
                    break
            except BaseException as error:
                future.set_exception(error)
                return
        future.set_exception(WorkerDied("the process that ran it ended"))


class _LocalWorker:
    """One process, started anew after it has died."""

    def __init__(self, warm: Callable[[], object] | None) -> None:
        self._warm = warm
        self._pool: ProcessPoolExecutor | None = None
        self._pid: int | None = None

    def start(self) -> None:
        """Have a living, warm process.

        Raises:
            EnvironmentFault: none stays alive, whatever it is given to do.
        """
        if self._pool is not None:
            return
        pool = ProcessPoolExecutor(
            1, multiprocessing.get_context("spawn"), _begin_worker, [os.getpid()]
        )
        try:
            self._pid = pool.submit(os.getpid).result()
            self._pool = pool
            if self._warm is not None:
                pool.submit(self._warm).result()
        except BrokenProcessPool:
            self.close()
            pool.shutdown()
            raise EnvironmentFault(
                "A grading process ended before it had anything to grade; "
                "see whether memory is short, and run the same command again."
            ) from None

    def call(self, function: Callable, args: tuple, seconds: float | None) -> object:
        """The function's value, computed in the process.

        Raises:
            BrokenProcessPool: the process died.
            WorkerDied: it took too long and was ended.
        """
        self.start()
        assert self._pool is not None
        inner = self._pool.submit(function, *args)
        if not wait([inner], timeout=seconds).done:
            self.kill()
            self.close()
            raise WorkerDied("the process that ran it hung")
        try:
            return inner.result()
        except BrokenProcessPool:
            self.close()
            raise

    def kill(self) -> None:
        """End the process now. Whoever waits for it gets `BrokenProcessPool`."""
        if self._pid is not None:
            with suppress(ProcessLookupError):
                os.kill(self._pid, signal.SIGKILL)

    def close(self) -> None:
        """Let the process end; the next call starts a new one."""
        pool, self._pool, self._pid = self._pool, None, None
        if pool is not None:
            pool.shutdown()


def _begin_worker(coordinator: int) -> None:
    """The first thing in a new process: it ends with the coordinator and leaves Ctrl-C to it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != coordinator:
        os._exit(1)


class ClusterWorkers(Executor):
    """The workers of a Dask cluster. Dask itself runs a lost worker's submissions again.

    Start the cluster's workers with one thread each: a worker runs one submission at a time.
    """

    # Dask suspects everything that a dying worker had; so each has the one that it runs.
    ahead = 1

    def __init__(self, address: str) -> None:
        try:
            from distributed import Client
        except ImportError:
            raise EnvironmentFault(
                "Grading on a cluster needs Dask, which isn't installed; "
                "install the extra `cluster` and try again."
            ) from None
        try:
            self._client = Client(address, timeout=_SCHEDULER_ANSWERS_IN, set_as_default=False)
        except (OSError, TimeoutError, ValueError) as error:
            raise EnvironmentFault(
                f"The Dask scheduler {address} doesn't answer ({type(error).__name__}); "
                "check the address and that it runs."
            ) from None
        if not self.width:
            self._client.close()
            raise EnvironmentFault(
                f"The Dask scheduler {address} has no workers; start some with `dask worker`."
            )
        # Not pure: equal submissions are each run, and nothing of them is kept on the cluster.
        self._executor = self._client.get_executor(pure=False)

    @property
    def width(self) -> int:
        return sum(self._client.ncores().values())

    def submit(self, function: Callable, /, *args: object) -> Future:
        from distributed import KilledWorker

        outer: Future = Future()
        inner = self._executor.submit(function, *args)

        def settle(done: Future) -> None:
            if done.cancelled():
                outer.cancel()
                return
            error = done.exception()
            if isinstance(error, KilledWorker):
                outer.set_exception(WorkerDied("every worker that ran it ended"))
            elif error is not None:
                outer.set_exception(error)
            else:
                outer.set_result(done.result())

        inner.add_done_callback(settle)
        return outer

    def abandon(self) -> None:
        """Leave the cluster; it drops what nobody waits for."""
        self.shutdown()

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        self._client.close()
