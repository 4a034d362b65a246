"""Start a user's server, as that user, once their copies of lessons and their start page are there.

It lies beside the students' bundle, and takes what is new from there. Files that the user has are
never changed.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path
from uuid import uuid4

HERE = Path(__file__).resolve().parent
STUDENT = HERE / "student"
LONGEST_SOCKET = 107
DUE_RECORD = "release/due.json"  # where due dates are looked for, below a user's folder
PAGE_SECONDS = 45  # the hub waits four minutes for a server


def main() -> None:
    """Prepare the user's folder and become the server."""
    role, work = os.environ["COURSE_HUB_ROLE"], Path(os.environ["AUTOGRADER_COURSE"])
    # What students write is for them alone; what instructors write is for their group.
    os.umask(0o007 if role == "instructor" else 0o077)
    try:
        language = _language(work)
        (work / "work" / language).mkdir(parents=True, exist_ok=True)
        if role == "instructor":
            (work / "term").mkdir(exist_ok=True)
        else:
            work.chmod(0o700)
            _copy_new(STUDENT / "notebooks", work / "notebooks")
            _copy_new(STUDENT / "release", work / "work")
            _link_due_record(work)
        os.environ["JUPYTERHUB_DEFAULT_URL"] = f"/lab/tree/{_start_page(role, work)}"
    except OSError as error:
        # Whoever has filled the disk needs the server to make room.
        print(
            f"The newest lessons and assignments could not be copied to {work} "
            f"({error.strerror}); they lie in {STUDENT}.",
            file=sys.stderr,
        )
    # A kernel's sockets lie there, and the path of a socket has a limit.
    sockets = Path.home() / ".local" / "share" / "jupyter" / "runtime" / f"kernel-{uuid4()}-ipc-99"
    if len(os.fsencode(sockets)) > LONGEST_SOCKET:
        os.environ["JUPYTER_RUNTIME_DIR"] = tempfile.mkdtemp(prefix="jupyter-")
    sys.stderr.flush()
    os.execv(sys.executable, [sys.executable, "-m", "jupyterhub.singleuser", *sys.argv[1:]])


def _language(work: Path) -> str:
    """Return the language that the user chose on the start page, and use it; else the hub's."""
    memory = work / "work" / ".language"
    os.environ["AUTOGRADER_LANGUAGE_FILE"] = str(memory)
    if memory.is_file():
        chosen = memory.read_text(encoding="utf-8", errors="replace").strip()
        if chosen in {path.name for path in (STUDENT / "release").glob("*/")}:
            os.environ["AUTOGRADER_LANGUAGE"] = chosen
    return os.environ["AUTOGRADER_LANGUAGE"]


def _link_due_record(work: Path) -> None:
    """Let the due dates in the exchange be found where they lie in a course of one's own.

    By a link, so that a page that is open tells a date that is changed meanwhile.
    """
    origin = Path(os.environ["AUTOGRADER_RELEASED"]).with_name("due.json")
    place = work / DUE_RECORD
    if place.is_symlink() and place.readlink() == origin:
        return
    place.parent.mkdir(exist_ok=True)
    beside = place.with_name(f".{place.name}.new")
    beside.unlink(missing_ok=True)
    beside.symlink_to(origin)
    os.replace(beside, place)


def _start_page(role: str, work: Path) -> str:
    """Write the user's own start page, and return its path; that of everybody if it can't be."""
    sys.path.insert(0, str(STUDENT / "env"))  # with the launcher that writes it elsewhere
    import lab
    import start_page

    if role == "instructor":
        variables = dict(os.environ)
        page = lab.write_instructor_page(Path(sys.executable), work, variables, PAGE_SECONDS)
    else:
        page = start_page.write_start_page(work)
    return page or start_page.SOURCE


def _copy_new(origin: Path, target: Path) -> None:
    """Copy files that are missing, each under a temporary name first; leave out the library."""
    for folder, folders, files in os.walk(origin):
        folders[:] = sorted(set(folders) - {"beyond", "__pycache__", ".ipynb_checkpoints"})
        files = [name for name in files if name != "due.json"]
        place = target / Path(folder).relative_to(origin)
        place.mkdir(parents=True, exist_ok=True)
        for name in sorted(files):
            if not (place / name).exists():
                beside = place / f".{name}.new"
                try:
                    shutil.copyfile(Path(folder, name), beside)
                    os.replace(beside, place / name)
                finally:
                    beside.unlink(missing_ok=True)


if __name__ == "__main__":
    main()
