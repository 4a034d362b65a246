"""Start a user's server, as that user, once their own copies of lessons and assignments are there.

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


def main() -> None:
    """Prepare the user's folder and become the server."""
    role, work = os.environ["COURSE_HUB_ROLE"], Path(os.environ["AUTOGRADER_COURSE"])
    # What students write is for them alone; what instructors write is for their group.
    os.umask(0o007 if role == "instructor" else 0o077)
    try:
        language = os.environ["AUTOGRADER_LANGUAGE"]
        (work / "work" / language).mkdir(parents=True, exist_ok=True)
        if role == "instructor":
            (work / "term").mkdir(exist_ok=True)
        else:
            work.chmod(0o700)
            _copy_new(STUDENT / "notebooks", work / "notebooks")
            _copy_new(STUDENT / "release", work / "work")
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


def _copy_new(origin: Path, target: Path) -> None:
    """Copy files that are missing, each under a temporary name first; leave out the library."""
    for folder, folders, files in os.walk(origin):
        folders[:] = sorted(set(folders) - {"beyond", "__pycache__", ".ipynb_checkpoints"})
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
