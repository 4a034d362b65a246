"""Take each barrier down in turn: at least one case must fail, or the barrier has no test.

    python -m tests.attacks.mutation            every barrier, a class or two each
    python -m tests.attacks.mutation -k NAME    those with this in their name

The barriers are those of `autograder.sandbox.barriers`. One that another barrier covers is taken
down together with that one (`COVERED_BY`); what can't be observed from inside within a few seconds
is named in `UNSEEN`, with the reason. The exit code is 1 if a barrier is down and no case fails.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from contextlib import closing
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BARRIERS = "autograder.sandbox.barriers"

GUARDS: dict[str, tuple[str, ...]] = {
    "network namespace": ("tcp", "udp", "abstract-socket"),
    "process namespace": ("see-processes", "see-a-neighbour"),
    "IPC namespace": ("leave-things", "find-things", "shared-memory-everywhere"),
    "host name namespace": ("host-name",),
    "read-only file systems": ("writable-mounts",),
    "hidden files": ("read-course", "search-disk", "read-tests"),
    "private scratch": ("leave-things", "find-things"),
    "read-only device nodes": ("writable-device-nodes", "times-of-devices"),
    "private terminals": ("terminals-a", "terminals-b"),
    "read-only kernel settings": ("kernel-settings",),
    "covered kernel counters": ("kernel-counters",),
    "unprivileged user": ("owns-the-system",),
    "user namespace": ("own-user-namespace",),
    "no further namespaces": ("further-namespaces",),
    "no capabilities": ("become-root",),
    "unshared memory": ("shared-mappings",),
    "closed descriptors": ("open-descriptors", "inherited-descriptors"),
    "clean environment": ("read-environment",),
    "shared memory limit": ("numbered-memory",),
    "memory limit": ("memory-limit",),
    "process limit": ("process-limit",),
    "file size limit": ("scratch-limits",),
    "scratch size limit": ("scratch-limits",),
    "file count limit": ("file-count",),
    "open files limit": ("open-files", "limits-of-time-and-queues"),
    "processor time limit": ("limits-of-time-and-queues",),
    "processor share limit": ("cores",),
    "locked memory and queue limits": ("limits-of-time-and-queues",),
    "system call filter": ("io-uring", "bpf", "vsock"),
    "calls: sockets": ("vsock", "kernel-crypto"),
    "calls: locks": ("locks-a", "locks-b"),
    "calls: file events": ("directory-notices", "leases"),
    "calls: asynchronous files": ("io-uring", "io-uring-enter"),
    "calls: keyrings": ("keyring-add", "keyring-read"),
    "calls: tracing": ("trace-a-child", "trace-me", "kcmp"),
    "calls: kernel programs": ("userfaultfd", "bpf", "perf"),
    "calls: namespaces": ("namespaces-by-unshare", "namespaces-by-clone", "new-mounts"),
    "calls: page cache": ("page-cache", "page-cache-again"),
    "calls: scheduling": ("pinned",),
    "calls: kernel log": ("kernel-log",),
    "calls: devices": ("line-disciplines",),
    "calls: foreign": ("32-bit-calls", "x32-calls"),
    "calls: unknown": ("old-calls",),
}
"""For each barrier, the cases of which at least one must fail when it is down."""

COVERED_BY: dict[str, tuple[str, ...]] = {
    "no further namespaces": (),
    "calls: namespaces": ("no further namespaces",),
}
"""What else has to be down before a case notices that a barrier is, because the other covers it."""

UNSEEN: dict[str, str] = {
    "session keyring": "only keyctl shows it, which the filter of system calls refuses",
    "wall time limit": "a quarter of an hour has to pass; the engine's own tests shorten it",
    "given-up privileges": "nothing of a submission gets to where they would help it; "
    "tests/autograder/sandbox/test_privileges.py reads them of every process, with and without",
    "output limit": "the side that receives counts too; each of the two has unit tests",
}
"""Barriers that no case here covers, and why."""

UNSEEN_WHERE: dict[str, tuple[str, str, str]] = {
    "calls: kernel log": (
        "/proc/sys/kernel/dmesg_restrict",
        "1",
        "this kernel keeps its log to root by itself",
    ),
}
"""Barriers that no case covers where this kernel setting has this value, and why."""


def hidden_here(barrier: str) -> str:
    """Return why no case can notice on this machine that a barrier is down; empty if one can."""
    if barrier in UNSEEN_WHERE:
        setting, value, why = UNSEEN_WHERE[barrier]
        if Path(setting).is_file() and Path(setting).read_text().strip() == value:
            return f"{why} ({setting} is {value})"
    return ""


def registry() -> dict[str, str]:
    """Return every barrier by name; empty if this autograder has no registry of them."""
    try:
        return importlib.import_module(BARRIERS).ALL
    except ImportError:
        return {}


def main() -> int:
    sys.path.insert(0, str(ROOT))
    from tests.attacks import families
    from tests.attacks.classroom import Schoolhouse
    from tests.attacks.suite import Suite
    from tests.attacks.surroundings import Listeners, open_folder, place_for

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-k", metavar="NAME", default="", help="barriers with this in their name")
    wanted = parser.parse_args().k
    cases = families.by_name()
    untested = []
    with open_folder() as folder, closing(Listeners(folder)) as listeners:
        runtime = folder / "runtime"
        runtime.mkdir()
        house = Schoolhouse(folder, lambda course: place_for(course, listeners, runtime))
        for barrier in registry():
            if wanted not in barrier or barrier in UNSEEN:
                continue
            down = (barrier, *COVERED_BY.get(barrier, ()))
            attacks = [cases[name] for name in GUARDS.get(barrier, ())]
            suite = Suite(house, attacks, listeners, down)
            failed = [one.name for one in attacks if suite.result(one).faults]
            hidden = hidden_here(barrier) if not failed else ""
            said = f"can't be noticed here: {hidden}" if hidden else "NO CASE FAILS"
            print(f"{barrier}: {', '.join(failed) or said}", flush=True)
            if not failed and not hidden:
                untested.append(barrier)
    print(f"{len(untested)} barriers without a test." if untested else "Every barrier has a test.")
    return 1 if untested else 0


if __name__ == "__main__":
    sys.exit(main())
