"""Report what this machine has and lacks for grading, before a class waits for it."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from autograder.sandbox import cgroups, privileges, probes
from autograder.sandbox.bubblewrap import find_bwrap
from autograder.sandbox.errors import SandboxUnavailable
from autograder.sandbox.limits import DEFAULT_LIMITS, MIB
from autograder.sandbox.syscalls import is_privileged
from autograder.sandbox.zygote_client import ZygoteClient

TryRoles = Callable[[], Mapping[str, frozenset[str]]]
"""Starts a run's processes and returns, by role, what each keeps of root's power."""


@dataclass(frozen=True)
class Diagnosis:
    """What was found of one thing that grading needs.

    Attributes:
        name: what it is.
        ok: whether grading can rely on it.
        text: what was found and, if that is not good enough, what to do.
    """

    name: str
    ok: bool
    text: str


def doctor(try_roles: TryRoles) -> list[Diagnosis]:
    """Check everything that grading needs, and set the sandbox up once for a trial.

    Args:
        try_roles: starts the processes of a run (`grading.run_privileges.try_roles`).
    """
    return [
        _bubblewrap(),
        _user_namespaces(),
        _control_groups(),
        _memory(),
        _privileges(try_roles),
        _trial(),
    ]


def can_grade(findings: list[Diagnosis]) -> bool:
    """Return whether the sandbox can be set up and holds; the rest is advice."""
    return all(one.ok for one in findings if one.name in (_BUBBLEWRAP, _PRIVILEGES, _TRIAL))


_BUBBLEWRAP, _PRIVILEGES, _TRIAL = "bubblewrap", "privileges", "trial"


def _bubblewrap() -> Diagnosis:
    try:
        path = find_bwrap()
    except SandboxUnavailable as fault:
        return Diagnosis(_BUBBLEWRAP, False, str(fault))
    said = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=10)
    return Diagnosis(_BUBBLEWRAP, said.returncode == 0, f"{said.stdout.strip()} ({path})")


def _user_namespaces() -> Diagnosis:
    name = "user namespaces"
    for setting, bad, advice in (
        ("user/max_user_namespaces", 0, "allow some: `sysctl -w user.max_user_namespaces=10000`"),
        ("kernel/unprivileged_userns_clone", 0, "permit them: `sysctl -w {}=1`"),
        ("kernel/apparmor_restrict_unprivileged_userns", 1, "permit them: `sysctl -w {}=0`"),
    ):
        if _setting(setting) == bad and (not is_privileged() or setting.startswith("user/")):
            dotted = setting.replace("/", ".")
            return Diagnosis(
                name,
                False,
                f"{dotted} is {bad}; as root {advice.format(dotted)}, and put it into "
                "/etc/sysctl.d to last.",
            )
    who = "as root" if is_privileged() else "as an ordinary user"
    return Diagnosis(name, True, f"nothing forbids them; grading runs {who}")


def _control_groups() -> Diagnosis:
    kinds = {kind for base in cgroups.find_parent_cgroups() for kind in base.kinds}
    if {"memory", "pids"} <= kinds:
        text = f"a submission's {', '.join(sorted(kinds))} can be limited"
        return Diagnosis("control groups", True, text)
    return Diagnosis(
        "control groups",
        False,
        "No control group for memory can be made here, so memory is limited for each process "
        "of a submission, not for all together. Grade under `systemd-run --user --scope -p "
        "Delegate=yes`, or as root, to have them.",
    )


def _memory() -> Diagnosis:
    with open("/proc/meminfo", encoding="ascii") as file:
        fields = dict(line.split(":") for line in file)
    free = int(fields["MemAvailable"].split()[0]) * 1024
    each = DEFAULT_LIMITS.memory_bytes
    workers = max(1, free // each)
    cores = len(os.sched_getaffinity(0))
    text = f"{free // MIB:,} MiB are free; a submission may take {each // MIB:,}"
    if workers < cores:
        text += f"; use --workers {workers} rather than a worker for each of the {cores} cores"
    return Diagnosis("memory", workers >= cores, text)


def _privileges(try_roles: TryRoles) -> Diagnosis:
    """Start the processes of a run and see which of them keeps what of root."""
    if os.geteuid() != 0:
        text = "grading isn't started as root, so there is nothing to give up"
        return Diagnosis(_PRIVILEGES, True, text)
    try:
        found = try_roles()
    except RuntimeError as error:
        return Diagnosis(_PRIVILEGES, False, f"Root can't be given up: {error}.")
    allowed: dict[str, set[str]] = {
        "coordinator": {"root", *privileges.ENDING_OTHERS},
        "launcher": {"root", *privileges.setting_up_sandboxes()},
        "worker": set(),
    }
    told = []
    for role, names in found.items():
        more = names - allowed[role]
        if more:
            text = f"The {role} of grading keeps {', '.join(sorted(more))}, which it must not."
            return Diagnosis(_PRIVILEGES, False, text)
        said = [name.removeprefix("CAP_").lower() for name in sorted(names - {"root"})]
        who = "root's files" if "root" in names else "nothing of root"
        told.append(f"{role}: {', '.join([who, *said])}")
    return Diagnosis(_PRIVILEGES, True, f"kept of root by the {'; by the '.join(told)}")


def _trial() -> Diagnosis:
    """Start two children in the sandbox and run every probe there."""
    try:
        began = time.monotonic()
        with ZygoteClient() as parent:
            warm = time.monotonic()
            with parent.fork() as one, parent.fork() as other:
                forked = (time.monotonic() - warm) / 2
                found = probes.failing_probes(one.socket, other.socket, parent.limits)
    except (SandboxUnavailable, RuntimeError) as error:
        return Diagnosis(_TRIAL, False, str(error))
    if found:
        named = "; ".join(f"{probe.hole} ({probe.barrier})" for probe in found)
        return Diagnosis(_TRIAL, False, f"The sandbox has holes: {named}.")
    start, child = f"{warm - began:.1f} s", f"{forked * 1000:.0f} ms"
    count = len(probes.PROBES)
    return Diagnosis(
        _TRIAL, True, f"the sandbox holds, {count} probes; {start} to start, {child} a child"
    )


def _setting(name: str) -> int | None:
    try:
        with open(f"/proc/sys/{name}", encoding="ascii") as file:
            return int(file.read())
    except (OSError, ValueError):
        return None
