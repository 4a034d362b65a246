"""A real PostgreSQL server for the tests of this folder, gone when they are.

It is Debian's (`apt-get install postgresql`), started with a data folder of its own, on a Unix
socket and no network. PostgreSQL refuses to run as root, so there it runs as `postgres`.
"""

from __future__ import annotations

import ctypes
import importlib.util
import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

_HERE = Path(__file__).parent
_spec = importlib.util.spec_from_file_location(
    "fixtures_of_autograder", _HERE.parent / "autograder" / "conftest.py"
)
_fixtures = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_fixtures)
course, kit, stand_ins = _fixtures.course, _fixtures.kit, _fixtures.stand_ins


def _programs() -> Path | None:
    """Where the newest installed server's programs are."""
    found = [path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/initdb")]
    newest = sorted(found, key=lambda path: int(path.parent.name))[-1:]
    if newest:
        return newest[0]
    there = shutil.which("initdb")
    return Path(there).parent if there else None


def _end_with_us() -> None:
    ctypes.CDLL(None).prctl(1, signal.SIGINT)  # PR_SET_PDEATHSIG; SIGINT is a fast shutdown


@pytest.fixture(scope="session")
def server():
    """A function that gives the address of a new, empty database."""
    psycopg = pytest.importorskip("psycopg")
    programs = _programs()
    if programs is None:
        pytest.skip("no PostgreSQL server is installed (Debian: apt-get install postgresql)")
    # Not below pytest's own folder, which nobody but its owner may enter, nor in /tmp where that
    # can be avoided: a hub's servers that systemd starts have a /tmp of their own.
    place = "/srv" if os.access("/srv", os.W_OK) else "/tmp"
    folder = Path(tempfile.mkdtemp(prefix="beyond-postgres-", dir=place))
    who: dict = {}
    if os.geteuid() == 0:
        who = {"user": "postgres", "group": "postgres", "extra_groups": []}
        shutil.chown(folder, "postgres", "postgres")
    process = None
    try:
        subprocess.run(
            [
                programs / "initdb",
                "-D",
                folder / "data",
                "-A",
                "trust",
                "-U",
                "beyond",
                "-E",
                "UTF8",
                "--locale",
                "C.UTF-8",
                "--no-sync",
            ],
            check=True,
            stdout=subprocess.DEVNULL,
            cwd=folder,
            **who,
        )
        log = (folder / "log").open("wb")
        process = subprocess.Popen(
            [
                programs / "postgres",
                "-D",
                folder / "data",
                "-k",
                folder,
                "-c",
                "listen_addresses=",
                "-c",
                "fsync=off",
            ],
            stdout=log,
            stderr=log,
            cwd=folder,
            preexec_fn=_end_with_us,
            **who,
        )
        address = f"host={folder} user=beyond"
        for _ in range(600):
            assert process.poll() is None, (folder / "log").read_text()
            try:
                psycopg.connect(f"{address} dbname=postgres").close()
                break
            except psycopg.OperationalError:
                time.sleep(0.05)
        made = 0

        def database() -> str:
            nonlocal made
            made += 1
            with psycopg.connect(f"{address} dbname=postgres", autocommit=True) as connection:
                connection.execute(f"CREATE DATABASE beyond_{made}")
            return f"postgresql://beyond@/beyond_{made}?host={folder}"

        yield database
    finally:
        if process is not None:
            process.send_signal(signal.SIGINT)
            process.wait(timeout=60)
        shutil.rmtree(folder, ignore_errors=True)
