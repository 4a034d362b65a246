"""Run submissions on workers: processes on this machine, or a Dask cluster.

Both are a `concurrent.futures.Executor` with a `width` (how many run at a time) and an `ahead`
(how many for each of those to keep queued). A worker that dies costs only the submission it
had, which is tried once more; when that one's worker dies too, its future ends with
`WorkerDied`. Everything else goes on meanwhile.

pebble's `ProcessPool` (a time limit and a reported death per task) isn't used: its workers can't
fork from a process in which `preload` was called, they share one pipe under one lock, which a
worker killed by the kernel may hold, and it polls for deaths and time limits every 0.1 s.
"""

from __future__ import annotations

import ctypes
import functools
import gc
import multiprocessing
import os
import queue
import signal
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection, wait
from multiprocessing.reduction import recv_handle, send_handle
from typing import Any, ParamSpec, TypeVar, cast

from autograder.errors import EnvironmentFault
from autograder.sandbox import root_launcher

_P = ParamSpec("_P")
_T = TypeVar("_T")
_Task = tuple[Future[Any], Callable[..., Any], tuple[Any, ...]]

TRIES = 2
"""How often a submission is given to a worker before it is given up."""

_PR_SET_PDEATHSIG = 1
_ENDS_IN = 20.0  # seconds that a process without work may take to end
_SCHEDULER_ANSWERS_IN = 20  # seconds


class WorkerDied(Exception):
    """Report that every worker that had this submission ended or hung."""


@contextmanager
def executor(
    workers: int | None = None,
    scheduler: str | None = None,
    *,
    jobs: int | None = None,
    preload: Callable[[], object] | None = None,
    seconds: float | None = None,
) -> Iterator[LocalWorkers | ClusterWorkers]:
    """Start workers that take submissions, and end them with the block.

    Args:
        workers: processes on this machine; None for one a core.
        scheduler: the address of a Dask scheduler whose workers to use instead.
        jobs: how many submissions there are, so that no more workers start than that.
        preload: called once on this machine before the first submission, in the fork server whose
            forks the workers are.
        seconds: the longest that a process on this machine may have a submission.

    Yields:
        The workers.

    Raises:
        EnvironmentFault: the cluster can't be reached or has no workers.
    """
    if scheduler is not None:
        made: LocalWorkers | ClusterWorkers = ClusterWorkers(scheduler)
    else:
        count = workers or available_cores()
        made = LocalWorkers(max(1, min(count, jobs or count)), preload, seconds)
    try:
        yield made
    except BaseException:
        made.abandon()
        raise
    finally:
        made.shutdown()


def available_cores() -> int:
    """Return the number of cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run_each(runner: Callable[[bytes], bytes], jobs: list[bytes]) -> list[bytes]:
    """Run one submission's jobs and return their outcomes.

    It is in this module because a worker has to import it.
    """
    return [runner(job) for job in jobs]


class LocalWorkers(Executor):
    """Run tasks in processes on this machine, which are forks of one fork server.

    The pool of `concurrent.futures` ends all its processes when one of them dies, and doesn't say
    which one had which submission.
    """

    ahead = 2  # one runs and one waits for it to end

    def __init__(
        self,
        width: int,
        preload: Callable[[], object] | None = None,
        seconds: float | None = None,
    ) -> None:
        self.width = width
        self._seconds = seconds
        self._waiting: queue.SimpleQueue[_Task | None] = queue.SimpleQueue()
        self._abandoned = False
        self._closed = False
        self._fork_server = _ForkServer(preload)
        self._workers = [_LocalWorker(self._fork_server) for _ in range(width)]
        self._threads = [
            threading.Thread(target=self._serve, args=[worker], daemon=True)
            for worker in self._workers
        ]
        for thread in self._threads:
            thread.start()

    @property
    def pids(self) -> list[int]:
        """Return the processes that work now."""
        return [worker.pid for worker in self._workers if worker.pid > 0]

    def submit(
        self, function: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs
    ) -> Future[_T]:
        """Queue a call of `function` and return its future."""
        if self._closed:
            raise RuntimeError("these workers have been shut down")
        future: Future[_T] = Future()
        self._waiting.put((future, functools.partial(function, **kwargs), args))
        return future

    def abandon(self) -> None:
        """Kill every process; the work in progress is lost."""
        self._abandoned = True
        for worker in self._workers:
            worker.kill()
        self._fork_server.kill()

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End the workers once the queue is empty."""
        if cancel_futures:
            self.abandon()
        if not self._closed:
            self._closed = True
            for _ in self._threads:
                self._waiting.put(None)
        if wait:
            for thread in self._threads:
                thread.join()
            self._fork_server.close()

    def _serve(self, worker: _LocalWorker) -> None:
        try:
            while (task := self._waiting.get()) is not None:
                future, function, args = task
                if self._abandoned:
                    future.cancel()
                if future.set_running_or_notify_cancel():
                    self._settle(worker, future, function, args)
        finally:
            worker.close()

    def _settle(
        self,
        worker: _LocalWorker,
        future: Future[Any],
        function: Callable[..., Any],
        args: tuple[Any, ...],
    ) -> None:
        for _ in range(TRIES):
            try:
                future.set_result(worker.call(function, args, self._seconds))
                return
            except _WorkerEnded:
                if self._abandoned:
                    break
            except BaseException as error:
                future.set_exception(error)
                return
        future.set_exception(WorkerDied("the process that ran it ended"))


class _WorkerEnded(Exception):
    """Report that a process has ended."""


class _LocalWorker:
    """Run tasks in one process, which is replaced after it has died."""

    def __init__(self, fork_server: _ForkServer) -> None:
        self._fork_server = fork_server
        self._pipe: Connection | None = None
        self._process = -1  # a pidfd: readable once the process has ended
        self.pid = -1

    def call(
        self, function: Callable[..., Any], args: tuple[Any, ...], seconds: float | None
    ) -> object:
        """Return the function's value, computed in the process.

        Raises:
            EnvironmentFault: no process can be had.
            _WorkerEnded: the process died.
            WorkerDied: it took too long and was ended.
        """
        if self._pipe is None:
            self._pipe, self._process, self.pid = self._fork_server.fork()
        try:
            self._pipe.send((function, args))
            ready = wait([self._pipe, self._process], seconds)
            if not ready:
                self.kill()
                self.close()
                raise WorkerDied("the process that ran it hung")
            # Its forks hold the pipe open too, so the end of the pipe isn't the end of it.
            if self._pipe not in ready and not self._pipe.poll():
                raise EOFError
            is_value, answer = self._pipe.recv()
        except (EOFError, OSError):
            self.close()
            raise _WorkerEnded from None
        if is_value:
            return answer
        raise answer

    def kill(self) -> None:
        """Kill the process; a pending `call` raises `_WorkerEnded`."""
        with suppress(OSError):  # there is none, or it has ended
            signal.pidfd_send_signal(self._process, signal.SIGKILL)

    def close(self) -> None:
        """Let the process end; the next call starts a new one."""
        pipe, process = self._pipe, self._process
        self._pipe, self._process, self.pid = None, -1, -1
        if pipe is not None:
            pipe.close()
            os.close(process)


class _ForkServer:
    """Start a process that preloads modules and then forks the workers, which share its memory.

    Everything here happens in one thread that lives as long as the workers do: the process is
    made to end with the thread that started it, or with the launcher where that starts it.
    """

    def __init__(self, preload: Callable[[], object] | None) -> None:
        self._preload = preload
        self._process: _Spawned | root_launcher.Launched | root_launcher.Remote | None = None
        self._killed = False
        self._thread = ThreadPoolExecutor(1)
        self._thread.submit(self._start)  # so that it has preloaded before there is work

    def fork(self) -> tuple[Connection, int, int]:
        """Fork a worker, and return the pipe to it, its pidfd and its PID.

        Raises:
            EnvironmentFault: no fork server stays alive.
            _WorkerEnded: all have been killed.
        """
        return self._thread.submit(self._fork).result()

    def kill(self) -> None:
        """Kill the process and all its forks, and start no more."""
        self._killed = True
        process = self._process
        if process is not None:
            process.kill()

    def close(self) -> None:
        """Let the process end, when its workers have no more work."""
        try:
            ended = self._thread.submit(self._end)
        except RuntimeError:
            # Python is about to end: the thread is over, and the process ends with it.
            self._end()
        else:
            ended.result()
        self._thread.shutdown()

    def _start(self) -> None:
        self._requests, theirs = multiprocessing.Pipe()
        with theirs:
            launcher_socket = root_launcher.descriptor_for(FORK_SERVER)
            process = (
                _Spawned(theirs)
                if launcher_socket is None
                else root_launcher.start(FORK_SERVER, [theirs.fileno(), launcher_socket])
            )
        self._process = process  # only now can it be killed; who tried before is heard here
        if self._killed:
            process.kill()
        with suppress(OSError):  # it has ended already, as is noticed when it is asked for more
            self._requests.send(self._preload)

    def _fork(self) -> tuple[Connection, int, int]:
        for _ in range(TRIES):  # the one there is may have been killed, for want of memory, say
            if self._killed:
                raise _WorkerEnded
            if self._process is None:
                self._start()
            pipe, theirs = multiprocessing.Pipe()
            try:
                with theirs:
                    assert self._process is not None
                    send_handle(self._requests, theirs.fileno(), self._process.pid)
                    pid = self._requests.recv()
                    return pipe, os.pidfd_open(pid), pid
            except (EOFError, OSError):
                pipe.close()
                self._end()
        raise EnvironmentFault(
            "A grading process ended before it had anything to grade; "
            "see whether memory is short, and run the same command again."
        )

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            self._requests.close()
            process.end(0 if self._killed else _ENDS_IN)


class _Spawned:
    """Start a fork server as a child of this process."""

    def __init__(self, requests: Connection) -> None:
        context = multiprocessing.get_context("spawn")
        self._process = context.Process(target=_serve_forks, args=(requests, os.getpid()))
        self._process.start()
        self.pid = cast(int, self._process.pid)

    def kill(self) -> None:
        """Kill it now; its workers end with it."""
        with suppress(ValueError):  # it has been closed
            self._process.kill()

    def end(self, seconds: float) -> None:
        """Give it time to end by itself, then kill it."""
        self._process.join(seconds)
        self._process.kill()
        self._process.join()
        self._process.close()


class ForkServerKind:
    """Describe the fork server to the launcher: a fork of it that isn't root, nor its workers.

    Attributes:
        name: where the launcher finds it, as "module:attribute".
    """

    name = "autograder.grading.pool:FORK_SERVER"

    def for_course(self, _packages: Sequence[str], _hidden: Sequence[str]) -> ForkServerKind:
        """Return it as it is: it runs no student code."""
        return self

    def launch(
        self, descriptors: Sequence[int], _imports: tuple[str, ...]
    ) -> root_launcher.Launched:
        """Start one.

        Args:
            descriptors: its pipe, and the socket to the launcher.
        """
        return root_launcher.fork(descriptors, _serve_launched_forks)


FORK_SERVER = ForkServerKind()


def _serve_launched_forks(requests: int, launcher_socket: int) -> None:
    root_launcher.connect(launcher_socket)
    _serve_forks(Connection(requests), os.getppid())


def _serve_forks(requests: Connection, parent: int) -> None:
    """Run the fork server: preload, fork workers on request, reap them."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the coordinator's
    _end_with_parent(parent)
    try:
        preload: Callable[[], object] | None = requests.recv()
    except (EOFError, OSError):
        return
    if preload is not None:
        with suppress(Exception):  # it fails again in the worker that needs it
            preload()
    gc.collect()
    gc.freeze()  # or a collection in a fork would copy every page that it looks at
    here = os.getpid()
    workers: list[int] = []
    while True:
        try:
            handle = recv_handle(requests)
        except (EOFError, OSError):
            break
        workers = [one for one in workers if not os.waitpid(one, os.WNOHANG)[0]]
        worker = os.fork()
        if worker == 0:
            try:
                _end_with_parent(here)
                requests.close()
                _work(Connection(handle))
            finally:
                os._exit(0)
        os.close(handle)
        workers.append(worker)
        requests.send(worker)
    for worker in workers:
        os.waitpid(worker, 0)


def _work(tasks: Connection) -> None:
    """Run a worker: call what comes, and answer with the value or the exception."""
    while True:
        try:
            function, args = tasks.recv()
        except (EOFError, OSError):
            return
        try:
            answer = True, function(*args)
        except BaseException as error:
            error.add_note(f"In the grading process:\n{traceback.format_exc()}")
            answer = False, error
        tasks.send(answer)


def _end_with_parent(parent: int) -> None:
    """Ask the kernel to kill this process when the parent ends."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


class ClusterWorkers(Executor):
    """Run tasks on a Dask cluster, which itself runs a lost worker's tasks again.

    Start the cluster's workers with one thread each: a worker runs one submission at a time.

    Args:
        address: of the scheduler.

    Raises:
        EnvironmentFault: Dask isn't installed, the scheduler doesn't answer, or has no workers.
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
            client = Client(  # type: ignore[no-untyped-call]  # Dask has no types
                address, timeout=_SCHEDULER_ANSWERS_IN, set_as_default=False
            )
            self._client = cast(Any, client)
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
        """Return the number of tasks that run at a time."""
        return sum(self._client.ncores().values())

    def submit(
        self, function: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs
    ) -> Future[_T]:
        """Queue a call of `function` and return its future."""
        from distributed import KilledWorker

        outer: Future[_T] = Future()
        inner = self._executor.submit(function, *args, **kwargs)

        def settle(done: Future[_T]) -> None:
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
        """Leave the cluster, which drops what is pending."""
        self.shutdown()

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Leave the cluster."""
        self._client.close()
