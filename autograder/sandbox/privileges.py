"""Say which of root's privileges each process of a run keeps, and give up the others for good.

Capabilities that are given up leave the bounding set too and no program brings new ones, so
nothing that the process does or starts later has them. Where a command isn't started as root, there
is nothing to give up.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from autograder.sandbox import barriers, syscalls
from autograder.sandbox.barriers import stands

_SETTING_UP_SANDBOXES = (
    "CAP_SYS_ADMIN",  # namespaces, mounts
    "CAP_NET_ADMIN",  # the loopback of a new network namespace, which bubblewrap brings up
    "CAP_SETUID",
    "CAP_SETGID",
    "CAP_SETPCAP",  # to empty the bounding set
    "CAP_KILL",  # children have another uid than root
    "CAP_DAC_OVERRIDE",  # Python may be in a folder of another user's, and cgroups are closed
)
ENDING_OTHERS = ("CAP_KILL",)
"""To end processes that have given up root and hang: all that is left to a coordinator."""

CHANGING_USER = ("CAP_SETUID", "CAP_SETGID", "CAP_SETPCAP")
"""What a process needs to start others that give up root."""

FILES_OF_OTHERS = ("CAP_DAC_OVERRIDE", "CAP_FOWNER")
"""To read and write in a course whose files aren't all root's."""

WORKER = 61_100
"""The user and group that workers become; in no distribution's range for users or services."""


def setting_up_sandboxes() -> tuple[str, ...]:
    """Return what the launcher keeps."""
    # Without the last, no child may map root, if that is what it is.
    return (
        _SETTING_UP_SANDBOXES if stands(barriers.USER) else (*_SETTING_UP_SANDBOXES, "CAP_SETFCAP")
    )


def keep(capabilities: Iterable[str]) -> None:
    """Keep these capabilities, as far as this process has them, and lose the others for good."""
    if os.geteuid() == 0 and stands(barriers.PRIVILEGES):
        syscalls.forbid_new_privileges()
        syscalls.give_up_capabilities(besides=_mask(capabilities))


def become(uid: int) -> None:
    """Become an unprivileged user for good, with a group of the same number and no others."""
    if os.geteuid() != 0 or not stands(barriers.PRIVILEGES):
        return
    keep(CHANGING_USER)
    syscalls.empty_bounding_set()
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)
    syscalls.give_up_capabilities()
    syscalls.undumpable()


def for_files(places: Iterable[Path]) -> tuple[str, ...]:
    """Return what root needs to work in these places: nothing if all in them is root's own.

    Nor does it need anything if everybody may go there, and to where Python loads modules from.
    """
    places = list(places)
    ways = {Path(one).resolve() for one in (*map(str, places), *sys.path)}
    ways |= {above for way in ways for above in way.parents}
    is_free = all(map(_is_open, ways)) and all(map(_is_ours, _entries(places)))
    return () if is_free else FILES_OF_OTHERS


def _entries(places: Iterable[Path]) -> Iterator[str | os.DirEntry[str]]:
    there = [str(one) for one in places if one.exists()]
    yield from there
    left = [one for one in there if os.path.isdir(one)]
    while left:
        with os.scandir(left.pop()) as found:
            for entry in found:
                yield entry
                if entry.is_dir(follow_symlinks=False):
                    left.append(entry.path)


def _is_open(folder: Path) -> bool:
    """Return whether root may enter a folder without overriding its owner, or there is none."""
    try:
        status = folder.stat()
    except OSError:
        return True
    return status.st_uid == os.geteuid() or bool(status.st_mode & 0o001) or not folder.is_dir()


def _is_ours(entry: str | os.DirEntry[str]) -> bool:
    status = os.lstat(entry)
    return status.st_uid == os.geteuid()


def kept(pid: int) -> frozenset[str]:
    """Return the capabilities that a process has or could get back, and "root" if that is its user.

    Raises:
        OSError: there is no such process.
    """
    fields = dict(
        line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines()
    )
    sets = ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")
    mask = 0
    for one in sets:
        mask |= int(fields[one], 16)
    names = {1 << bit: name for name, bit in syscalls.CAPABILITIES.items()}
    found = {
        names.get(1 << bit, f"capability {bit}")
        for bit in range(mask.bit_length())
        if mask >> bit & 1
    }
    return frozenset(found | ({"root"} if "0" in fields["Uid"].split() else set()))


def _mask(capabilities: Iterable[str]) -> int:
    return sum(1 << syscalls.CAPABILITIES[name] for name in capabilities)
