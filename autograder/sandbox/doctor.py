"""What this machine has and lacks for grading, told before a class waits for it."""

from __future__ import annotations

import os
import subprocess
import time
from dataclasses import dataclass

from autograder.engine import cgroups
from autograder.engine.kernel import is_privileged
from autograder.engine.limits import MIB, Limits
from autograder.engine.walls import WallsFault, find_bwrap
from autograder.engine.warm import WarmParent
from autograder.grading.privileges import try_roles
from autograder.sandbox import privileges, probes


@dataclass(frozen=True)
class Finding:
    """One thing looked at.

    Attributes:
        name: what it is.
        ok: whether grading can rely on it.
        text: what was found and, if that is not good enough, what to do.
    """

    name: str
    ok: bool
    text: str


def doctor() -> list[Finding]:
    """Look at everything that the walls need, and raise them once for a trial."""
    looks = (_bubblewrap, _user_namespaces, _control_groups, _memory, _privileges, _trial)
    return [look() for look in looks]


def can_grade(findings: list[Finding]) -> bool:
    """Whether the walls stand; the rest is advice."""
    return all(one.ok for one in findings if one.name in (_BUBBLEWRAP, _PRIVILEGES, _TRIAL))


_BUBBLEWRAP, _PRIVILEGES, _TRIAL = "bubblewrap", "privileges", "trial"


def _bubblewrap() -> Finding:
    try:
        path = find_bwrap()
    except WallsFault as fault:
        return Finding(_BUBBLEWRAP, False, str(fault))
    said = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=10)
    return Finding(_BUBBLEWRAP, said.returncode == 0, f"{said.stdout.strip()} ({path})")


def _user_namespaces() -> Finding:
    name = "user namespaces"
    for setting, bad, advice in (
        ("user/max_user_namespaces", 0, "allow some: `sysctl -w user.max_user_namespaces=10000`"),
        ("kernel/unprivileged_userns_clone", 0, "permit them: `sysctl -w {}=1`"),
        ("kernel/apparmor_restrict_unprivileged_userns", 1, "permit them: `sysctl -w {}=0`"),
    ):
        if _setting(setting) == bad and (not is_privileged() or setting.startswith("user/")):
            dotted = setting.replace("/", ".")
            return Finding(
                name,
                False,
                f"{dotted} is {bad}; as root {advice.format(dotted)}, and put it into "
                "/etc/sysctl.d to last.",
            )
    who = "as root" if is_privileged() else "as an ordinary user"
    return Finding(name, True, f"nothing forbids them; grading runs {who}")


def _control_groups() -> Finding:
    kinds = {kind for base in cgroups.find_bases() for kind in base.kinds}
    if {"memory", "pids"} <= kinds:
        text = f"a submission's {', '.join(sorted(kinds))} can be limited"
        return Finding("control groups", True, text)
    return Finding(
        "control groups",
        False,
        "No control group for memory can be made here, so memory is limited for each process "
        "of a submission, not for all together. Grade under `systemd-run --user --scope -p "
        "Delegate=yes`, or as root, to have them.",
    )


def _memory() -> Finding:
    with open("/proc/meminfo", encoding="ascii") as file:
        fields = dict(line.split(":") for line in file)
    free = int(fields["MemAvailable"].split()[0]) * 1024
    workers = max(1, free // Limits().memory_bytes)
    cores = len(os.sched_getaffinity(0))
    text = f"{free // MIB:,} MiB are free; a submission may take {Limits().memory_bytes // MIB:,}"
    if workers < cores:
        text += f"; use --workers {workers} rather than a worker for each of the {cores} cores"
    return Finding("memory", workers >= cores, text)


def _privileges() -> Finding:
    """Start the processes of a run and see which of them keeps what of root."""
    if os.geteuid() != 0:
        return Finding(_PRIVILEGES, True, "grading isn't started as root, so none has to be given up")
    try:
        found = try_roles()
    except RuntimeError as error:
        return Finding(_PRIVILEGES, False, f"Root can't be given up: {error}.")
    allowed = {
        "coordinator": {"root", *privileges.ENDING_OTHERS},
        "launcher": {"root", *privileges.raising_walls()},
        "worker": set(),
    }
    told = []
    for role, names in found.items():
        more = names - allowed[role]
        if more:
            text = f"The {role} of grading keeps {', '.join(sorted(more))}, which it must not."
            return Finding(_PRIVILEGES, False, text)
        said = [name.removeprefix("CAP_").lower() for name in sorted(names - {"root"})]
        who = "root's files" if "root" in names else "nothing of root"
        told.append(f"{role}: {', '.join([who, *said])}")
    return Finding(_PRIVILEGES, True, f"kept of root by the {'; by the '.join(told)}")


def _trial() -> Finding:
    """Start two children behind the walls and look around from there."""
    try:
        began = time.monotonic()
        with WarmParent() as parent:
            warm = time.monotonic()
            with parent.fork() as one, parent.fork() as other:
                forked = (time.monotonic() - warm) / 2
                found = probes.holes(one.socket, other.socket, parent.limits)
    except (WallsFault, RuntimeError) as error:
        return Finding(_TRIAL, False, str(error))
    if found:
        named = "; ".join(f"{look.hole} ({look.barrier})" for look in found)
        return Finding(_TRIAL, False, f"The walls have holes: {named}.")
    start, child = f"{warm - began:.1f} s", f"{forked * 1000:.0f} ms"
    looks = len(probes.LOOKS)
    return Finding(
        _TRIAL, True, f"the walls stand, {looks} looks; {start} to start, {child} a child"
    )


def _setting(name: str) -> int | None:
    try:
        with open(f"/proc/sys/{name}", encoding="ascii") as file:
            return int(file.read())
    except (OSError, ValueError):
        return None
