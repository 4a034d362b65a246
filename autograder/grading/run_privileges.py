"""Grade without being root, where a command was started as root."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing import Pipe
from pathlib import Path

from autograder.config import Course
from autograder.sandbox import privileges, root_launcher

KINDS = (
    "autograder.judge.worker:STUDENTS",
    "autograder.judge.worker:JUDGES",
    "autograder.intake.reader:READER",
    "autograder.grading.pool:FORK_SERVER",
)
"""All that the launcher starts while a class is graded."""


@contextmanager
def without_root(
    course: Course, *others: Path, prepare: Callable[[], object] | None = None
) -> Iterator[None]:
    """Leave setting up sandboxes to a launcher and give root up in this process, for good.

    What stays is the right to end processes, and the rights to the files of a course that isn't
    all root's own.

    Args:
        course: the course.
        others: other folders that will be read and written.
        prepare: starts what has to change its processes' user.
    """
    visible = (course.settings.packages, [str(course.root)])
    with _without_root([*course.folders(), *others], *visible, prepare=prepare):
        yield


@contextmanager
def _without_root(
    folders: list[Path],
    packages: Sequence[str] = (),
    hidden: Sequence[str] = (),
    prepare: Callable[[], object] | None = None,
) -> Iterator[int | None]:
    with root_launcher.running(KINDS, packages, hidden) as pid:
        kept = (*privileges.ENDING_OTHERS, *privileges.for_files(folders))
        if prepare is not None:
            privileges.keep((*kept, *privileges.CHANGING_USER))
            prepare()
        privileges.keep(kept)
        yield pid


def try_roles() -> dict[str, frozenset[str]]:
    """Start a run's processes as `grade` does, and return what each keeps of root's power.

    Returns:
        By role: "coordinator", "launcher", "worker"; empty where this isn't root.

    Raises:
        RuntimeError: they could not be started.
    """
    if os.geteuid() != 0:
        return {}
    ours, theirs = Pipe(duplex=False)
    pid = os.fork()  # what is given up can't be had back
    if not pid:
        try:
            theirs.send_bytes(json.dumps(_roles()).encode())
        finally:
            os._exit(0)
    theirs.close()
    try:
        found = json.loads(ours.recv_bytes())
    except EOFError:
        raise RuntimeError("the process that sets up sandboxes can't be started") from None
    finally:
        ours.close()
        os.waitpid(pid, 0)
    return {role: frozenset(names) for role, names in found.items()}


def _roles() -> dict[str, list[str]]:
    from autograder.grading.pool import LocalWorkers, executor, run_each

    with _without_root([]) as launched, executor(1, jobs=1) as pool:
        pool.submit(run_each, bytes, []).result()  # by now all have given up what they don't keep
        assert isinstance(pool, LocalWorkers)
        assert launched is not None
        (worker,) = pool.pids
        pids = {"coordinator": os.getpid(), "launcher": launched, "worker": worker}
        return {role: sorted(privileges.kept(pid)) for role, pid in pids.items()}
