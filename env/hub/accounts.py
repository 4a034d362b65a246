"""Look at the machine's Unix users and groups, and create those that are missing."""

from __future__ import annotations

import csv
import grp
import os
import pwd
import secrets
import shutil
import subprocess
from collections.abc import Collection, Iterable
from contextlib import suppress
from pathlib import Path

from faults import Fault

_OF_THE_SYSTEM = (range(1000), range(60_001, 65_536))  # the second has nobody and systemd's own
# Whoever is in one of these gets past every file mode, or can become root.
_POWERFUL_GROUPS = frozenset(
    {"adm", "disk", "docker", "incus", "incus-admin", "kmem", "kvm", "libvirt", "lxd", "root"}
    | {"shadow", "staff", "sudo", "systemd-journal", "wheel"}
)
_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"  # none that looks like another


def as_user(name: str) -> list[str]:
    """Return how a command begins that a user is to run, whatever the PATH that it is given.

    Raises:
        Fault: this machine can't do that.
    """
    runuser = shutil.which("runuser", path=f"{os.defpath}:/usr/sbin:/sbin")
    if not runuser:
        raise Fault(
            "This machine has no runuser; install it (on Debian and Ubuntu: apt install "
            "util-linux) and start again."
        )
    return [runuser, "--user", name, "--"]


def missing(names: Iterable[str]) -> list[str]:
    """Return those names that no Unix user has."""
    return [name for name in names if not _exists(name)]


def require_ordinary(names: Iterable[str], instructors: str) -> None:
    """Require of users that exist that they are ordinary ones.

    Args:
        names: the students' names.
        instructors: the name of the instructors' group, which no student may be in.

    Raises:
        Fault: one is a system account, or in a group that opens what must stay closed.
    """
    closed = _POWERFUL_GROUPS | {instructors}
    for name in names:
        if not _exists(name):
            continue
        user = pwd.getpwnam(name)
        if any(user.pw_uid in numbers for numbers in _OF_THE_SYSTEM):
            raise Fault(
                f"{name} is a system account (user ID {user.pw_uid}), so no student can "
                "have it; give that student another id in the class list."
            )
        if held := sorted(set(groups_of(name).values()) & closed):
            raise Fault(
                f"{name} is a student and in the group {held[0]}, which gives access to what "
                f"students must not read; remove them from it (gpasswd -d {name} {held[0]}) and "
                "start again."
            )


def require_own_group(instructors: Iterable[str], of_students: Collection[int]) -> None:
    """Require that no student is in an instructor's primary group, to which their new files belong.

    Args:
        instructors: their names.
        of_students: the numbers of the groups that students are in.

    Raises:
        Fault: one is.
    """
    for name in instructors:
        number = pwd.getpwnam(name).pw_gid if _exists(name) else -1
        if number in of_students:
            raise Fault(
                f"Students are in {name}'s primary group, {grp.getgrgid(number).gr_name}, to which "
                f"{name}'s new files belong; give {name} a group of their own (groupadd GROUP; "
                f"usermod --gid GROUP {name})."
            )


def groups_of(name: str) -> dict[int, str]:
    """Return the names of a user's groups by their numbers; none if there is no such user."""
    found = {}
    if _exists(name):
        for number in os.getgrouplist(name, pwd.getpwnam(name).pw_gid):
            with suppress(KeyError):  # a number without a group
                found[number] = grp.getgrgid(number).gr_name
    return found


def _exists(name: str) -> bool:
    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True


def create_user(name: str) -> None:
    """Create a Unix user with a home that only they may enter, and without a password.

    Raises:
        Fault: useradd refused.
    """
    _run(
        [
            "useradd",
            "--create-home",
            "--user-group",
            "--shell",
            "/bin/bash",
            "--key",
            "HOME_MODE=0700",
            name,
        ],
        f"The Unix user {name} could not be created",
    )
    # Where the distribution's useradd knows no HOME_MODE.
    os.chmod(pwd.getpwnam(name).pw_dir, 0o700)


def ensure_group(group: str, member: str) -> None:
    """Create a group if it is missing, and add a user to it.

    Raises:
        Fault: the system refused.
    """
    try:
        found = grp.getgrnam(group)
    except KeyError:
        _run(["groupadd", group], f"The group {group} could not be created")
        found = grp.getgrnam(group)
    if member not in found.gr_mem:  # even if it is their own group: the hub asks for its members
        _run(
            ["usermod", "--append", "--groups", group, member],
            f"{member} could not be added to the group {group}",
        )


def set_password(name: str, password: str) -> None:
    """Set a Unix user's password.

    Raises:
        Fault: the system refused.
    """
    _run(["chpasswd"], f"{name} could not be given a password", f"{name}:{password}\n")


def _run(command: list[str], failure: str, given: str | None = None) -> None:
    try:
        done = subprocess.run(command, input=given, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise Fault(
            f"{failure}: this machine has no {command[0]}; install it (on Debian and Ubuntu: "
            "apt install passwd) and start again."
        ) from None
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise Fault(f"{failure} ({reason}); fix that and start again.")


def first_passwords(file: Path, names: Iterable[str]) -> dict[str, str]:
    """Return the first password of each user, and keep those that are new in `file`.

    Args:
        file: a CSV that only root reads; what is in it stays.
        names: who needs one.
    """
    known: dict[str, str] = {}
    if file.is_file():
        with file.open(newline="", encoding="utf-8") as lines:
            known = {row["name"]: row["password"] for row in csv.DictReader(lines)}
    new = [name for name in names if name not in known]
    known |= {name: "".join(secrets.choice(_LETTERS) for _ in range(14)) for name in new}
    if new:
        beside = file.with_suffix(".new")
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with open(descriptor, "w", newline="", encoding="utf-8") as out:
            writer = csv.writer(out)
            writer.writerow(["name", "password"])
            writer.writerows(known.items())
        os.replace(beside, file)
    return known
