"""Lay out a hub's files: what students read, the instructor's course, and the exchange."""

from __future__ import annotations

import grp
import os
import pwd
import shutil
import stat
import subprocess
import tarfile
import tempfile
import zipfile
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from pathlib import Path, PurePosixPath

from environment import Environment
from faults import Fault
from hub.accounts import as_user, groups_of
from hub.layout import Layout

_OWN = (".venv", ".cache")  # of the launcher, beside the bundle's files
# What a checkout holds besides the course, at the top and anywhere; git would not list it either.
_LEFTOVERS_AT_TOP = frozenset({".git", ".venv", ".cache", "term", "exchange", "work"})
_LEFTOVERS = frozenset({"__pycache__", ".ipynb_checkpoints"})


def open_to(folder: Path, groups: Collection[int]) -> int:
    """Return the bits of a folder's mode that let others than its owner in, were all above open.

    Args:
        folder: the folder.
        groups: the numbers of the groups in which a student is; other groups may stay.
    """
    found = folder.stat()
    return found.st_mode & (0o077 if found.st_gid in groups else 0o007)


def close(folder: Path, groups: Collection[int]) -> None:
    """Take a folder away from everybody but its owner, and its group if no student is in that."""
    folder.chmod(stat.S_IMODE(folder.stat().st_mode) & ~open_to(folder, groups))


def require_trusted(folder: Path, what: str) -> None:
    """Require that what root is going to run belongs to root, or to whoever became root.

    Raises:
        Fault: somebody else could change it.
    """
    trusted = {0, int(os.environ.get("SUDO_UID") or 0)}
    for place in (folder, *folder.parents):
        found = place.stat()
        loose = found.st_mode & 0o002 and not found.st_mode & stat.S_ISVTX
        if found.st_uid not in trusted or loose:
            raise Fault(
                f"{place} can be written by others than root, who could change what root runs; "
                f"give {what} to root (chown -R root {folder}), or use one that is root's."
            )


def make_folders(layout: Layout) -> None:
    """Create the folders that are root's."""
    layout.folder.mkdir(parents=True, exist_ok=True)
    for place, mode in ((layout.folder, 0o755), (layout.student, 0o755), (layout.hub, 0o700)):
        place.mkdir(exist_ok=True)
        place.chmod(mode)


def require_roots(layout: Layout) -> None:
    """Require that nobody but root can replace the hub's folder, or what root has put in it.

    Raises:
        Fault: somebody could.
    """
    for place in (layout.folder, *layout.folder.parents):
        if not place.exists():
            continue
        found = place.stat()
        loose = found.st_mode & 0o022 and not found.st_mode & stat.S_ISVTX
        if found.st_uid != 0 or loose:
            raise Fault(
                f"{place} can be written by users other than root, who could replace what the "
                "class runs; choose another --folder, such as one below /srv."
            )
        if not found.st_mode & 0o001:
            raise Fault(
                f"{place} can't be entered by students; choose another --folder, such as one "
                "below /srv."
            )


def unpack_bundle(environment: Environment, variables: Mapping[str, str], layout: Layout) -> None:
    """Pack what students get, and unpack it where they read it; what is gone from it goes.

    Raises:
        Fault: it can't be packed; the sentence is the grader's.
    """
    with tempfile.TemporaryDirectory(dir=layout.hub) as scratch:
        _run_grader(
            [
                str(environment.python),
                "-m",
                "autograder",
                "bundle",
                "--to",
                f"{scratch}/bundle.zip",
                "--course",
                str(environment.root),
            ],
            variables,
        )
        with zipfile.ZipFile(f"{scratch}/bundle.zip") as archive:
            files = {
                PurePosixPath(*PurePosixPath(one.filename).parts[1:]): one
                for one in archive.infolist()
            }
            for name, entry in files.items():
                _place(layout.student / name, archive.read(entry))
    for path in _files_of_bundle(layout.student):
        if PurePosixPath(path.relative_to(layout.student)) not in files:
            path.unlink()


def _files_of_bundle(folder: Path) -> Iterator[Path]:
    """Yield the files that an earlier bundle brought, not what the launcher or Python made."""
    for place, folders, names in os.walk(folder):
        at_top = Path(place) == folder
        folders[:] = [
            name
            for name in folders
            if not (at_top and name in _OWN)
            and name != "__pycache__"
            and not name.endswith(".egg-info")
        ]
        yield from (Path(place, name) for name in names)


def _place(path: Path, content: bytes, mode: int = 0o644) -> None:
    """Write a file of root's for all to read, beside and renamed; leave one that is the same."""
    if path.is_file() and path.read_bytes() == content:
        path.chmod(mode)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.new")
    beside.write_bytes(content)
    beside.chmod(mode)
    os.replace(beside, path)


def place_settings(root: Path, layout: Layout) -> None:
    """Copy Jupyter's settings and what starts a session, for all to read."""
    for origin, target in (
        (root / "env" / "jupyter", layout.jupyter),
        (root / "env" / "hub" / "jupyter", layout.jupyter / "hub"),
    ):
        for path in sorted(origin.rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                _place(target / path.relative_to(origin), path.read_bytes())
    _place(layout.session, (root / "env" / "hub" / "session.py").read_bytes())


def copy_course(root: Path, layout: Layout, instructor: str, group: str) -> int:
    """Copy the course to where the instructors work; files that are there stay as they are.

    The files are written as the instructor, so that nothing that is put in the way in a folder of
    theirs leads root anywhere.

    Returns:
        How many of the clone's files are other than the instructors' copy.

    Raises:
        Fault: they can't be written.
    """
    if not layout.course.exists():
        layout.course.mkdir()
        os.chown(layout.course, pwd.getpwnam(instructor).pw_uid, grp.getgrnam(group).gr_gid)
        layout.course.chmod(0o2770)
    names = sorted(course_files(root))
    with tempfile.TemporaryFile(dir=layout.hub) as packed:
        with tarfile.open(fileobj=packed, mode="w") as archive:
            for name in names:
                archive.add(root / name, name, recursive=False)
        packed.seek(0)
        done = subprocess.run(
            [
                *as_user(instructor),
                "tar",
                "--extract",
                "--skip-old-files",
                "--no-same-owner",
                "--no-same-permissions",
                "--touch",
                "--directory",
                str(layout.course),
            ],
            stdin=packed,
            capture_output=True,
            text=True,
            umask=0o007,
            check=False,
            cwd="/",
        )
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise Fault(
            f"The course could not be copied to {layout.course} ({reason}); "
            "fix that and start again."
        )
    return sum(not _same(root / name, layout.course / name) for name in names)


def _same(one: Path, other: Path) -> bool:
    try:
        return other.lstat().st_size == one.stat().st_size and (
            not stat.S_ISREG(other.lstat().st_mode) or other.read_bytes() == one.read_bytes()
        )
    except OSError:
        return False


def course_files(root: Path) -> list[str]:
    """Return the files of the course: what git tracks, or all but what programs leave behind."""
    listed = (
        subprocess.run(
            ["git", "-c", f"safe.directory={root}", "-C", str(root), "ls-files", "-z", "--", "."],
            capture_output=True,
            check=False,
        )
        if shutil.which("git")
        else None
    )
    if listed and listed.returncode == 0 and listed.stdout:
        names = [name.decode() for name in listed.stdout.split(b"\0") if name]
    else:
        names = [
            path.relative_to(root).as_posix()
            for path in root.rglob("*")
            if path.relative_to(root).parts[0] not in _LEFTOVERS_AT_TOP
            and not _LEFTOVERS & set(path.relative_to(root).parts)
        ]
    return [name for name in names if (root / name).is_file() and not (root / name).is_symlink()]


_IN_EXCHANGE = {
    "": 0o2775,
    "outbound": 0o2775,
    # Students may hand in, list nothing, and move or remove nothing of another's.
    "inbound": 0o3773,
    "feedback": 0o2771,  # they may open a page whose name they know, and list none
}
"""The course's folders in the exchange, with the modes of nbgrader for several instructors."""


def make_exchange(layout: Layout, course_id: str, instructor: str, group: str) -> None:
    """Create the exchange with nbgrader's modes; of one that is there, open it to the group.

    nbgrader wants its root to be writable by everybody. The course's own folder is made before
    that, so that no student can make it first and own it; the sticky bit keeps it in place.
    """
    owner, owners = pwd.getpwnam(instructor).pw_uid, grp.getgrnam(group).gr_gid
    if layout.exchange.exists():
        course = layout.exchange / course_id
        with suppress(FileExistsError):
            course.mkdir(mode=0o700)  # root's, so that no student can make it first
            _make_folders(course, owner, owners)
        _open_to_group(course, owners)
        return
    beside = layout.exchange.with_name(".exchange.new")
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir()
    (beside / course_id).mkdir()
    _make_folders(beside / course_id, owner, owners)
    os.chown(beside, owner, owners)
    beside.chmod(0o1777)
    os.replace(beside, layout.exchange)


def _make_folders(course: Path, owner: int, group: int) -> None:
    """Make the folders of a course in the exchange, and give them away from the innermost on."""
    for name in filter(None, _IN_EXCHANGE):
        (course / name).mkdir()
    for name, mode in sorted(_IN_EXCHANGE.items(), reverse=True):
        place = course / name
        place.chmod(mode)
        os.chown(place, owner, group)
        place.chmod(mode)  # a change of owner takes the bit for the group


def _open_to_group(course: Path, group: int) -> None:
    """Give the course's folders in the exchange the modes of `_IN_EXCHANGE`, through no link."""
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
    with suppress(OSError):  # an instructor has made something else of it
        base = os.open(course, flags)
        owner = os.fstat(base).st_uid
        if owner != 0 and group not in groups_of(pwd.getpwuid(owner).pw_name):
            os.close(base)
            raise Fault(
                f"{course} belongs to {pwd.getpwuid(owner).pw_name}, who isn't an instructor; look "
                "at what is in it, move it away, and start again."
            )
        try:
            for name, mode in _IN_EXCHANGE.items():
                with suppress(OSError):
                    place = os.open(name or ".", flags, dir_fd=base)
                    os.fchown(place, -1, group)
                    os.fchmod(place, mode)
                    os.close(place)
        finally:
            os.close(base)


def enroll(
    variables: Mapping[str, str], python: Path, roster: Path, layout: Layout, instructor: str
) -> None:
    """Put the class into the course's gradebook, as the instructor.

    Raises:
        Fault: the grader refused; the sentence is its own.
    """
    with tempfile.TemporaryDirectory() as scratch:
        os.chmod(scratch, 0o711)
        copy = Path(scratch) / roster.name
        # Closed before anything is in it.
        with open(os.open(copy, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o400), "wb") as out:
            out.write(roster.read_bytes())
        os.chown(copy, pwd.getpwnam(instructor).pw_uid, -1)
        _run_grader(
            [
                *as_user(instructor),
                str(python),
                "-m",
                "autograder",
                "term",
                "roster",
                str(copy),
                "--course",
                str(layout.course),
            ],
            variables,
            umask=0o007,
        )


def _run_grader(command: list[str], variables: Mapping[str, str], umask: int = -1) -> None:
    done = subprocess.run(
        command,
        env=dict(variables),
        capture_output=True,
        text=True,
        encoding="utf-8",
        stdin=subprocess.DEVNULL,
        umask=umask,
        check=False,
        cwd="/",
    )
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines() or ["no reason given"]
        raise Fault(said[-1])
