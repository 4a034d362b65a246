"""Find out what can hold a user's processes to their memory and cores on this machine."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[2]


def mechanism() -> str:
    """Return "systemd", "cgroups" or "rlimits", the best that there is."""
    if Path("/run/systemd/system").is_dir() and shutil.which("systemd-run"):
        return "systemd"
    return "cgroups" if "memory" in controlled() else "rlimits"


def controlled() -> set[str]:
    """Return which of memory, cpu and pids control groups can limit here."""
    if str(_ROOT) not in sys.path:
        sys.path.append(str(_ROOT))
    from autograder.sandbox.cgroups import find_parent_cgroups

    return {kind for parent in find_parent_cgroups() for kind in parent.kinds}


def describe(found: str, gigabytes: float, cores: int) -> str:
    """Return a sentence that says what holds, and what doesn't."""
    memory = f"{gigabytes:g} GB of memory and {cores} core{'' if cores == 1 else 's'}"
    if found == "systemd":
        return f"Limits: systemd limits each user to {memory}."
    if found == "cgroups":
        if "cpu" in controlled():
            return f"Limits: a control group limits each user to {memory}."
        return (
            f"Limits: a control group limits each user to {gigabytes:g} GB of memory; cores aren't "
            "limited."
        )
    return (
        "Limits: this machine has neither systemd nor writable control groups, so the limit of "
        f"{gigabytes:g} GB applies to each of a user's processes, not to all of them together, and "
        "cores aren't limited."
    )
