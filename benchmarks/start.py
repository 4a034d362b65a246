"""Measure from a fresh clone to JupyterLab's start page, and the second start, beside pip.

    python benchmarks/start.py             # about 10 minutes, most of it pip's
    python benchmarks/start.py --no-pip    # the launcher alone

A first installation fills the package cache, and what it takes longer than a second one in another
clone is the download's own time. pip installs the same locks into an environment of its own, from a
cache that it filled before, too. Wall-clock times are those of this machine as it is; the CPU time,
of the command and of all that it started, hardly depends on what else runs.
"""

from __future__ import annotations

import argparse
import os
import re
import resource
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PATIENCE = 1800


def environ(cache: Path) -> dict[str, str]:
    """Return the variables of a shell in which no environment is active, with its own caches."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    own = str(Path(sys.prefix, "bin"))
    folders = [one for one in plain["PATH"].split(os.pathsep) if one != own]
    plain.pop("VIRTUAL_ENV", None)
    caches = {"UV_CACHE_DIR": str(cache / "uv"), "PIP_CACHE_DIR": str(cache / "pip")}
    return {**plain, **caches, "PATH": os.pathsep.join(folders)}


def cpu_seconds() -> float:
    """Return the CPU time of all children that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def measured(work: Callable[[], None]) -> tuple[float, float]:
    """Return the wall-clock and the CPU seconds that `work` takes."""
    began, used = time.monotonic(), cpu_seconds()
    work()
    return time.monotonic() - began, cpu_seconds() - used


def lab(clone: Path, variables: dict[str, str]) -> float:
    """Start `python3 env lab`, open its page, stop it; return the seconds until it was there.

    Raises:
        SystemExit: it ended, or didn't answer in time.
    """
    command = ["python3", "env", "lab", "--no-browser"]
    began = time.monotonic()
    process = subprocess.Popen(
        command, cwd=clone, env=variables, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, start_new_session=True,
    )  # fmt: skip  # how it is started, on two lines
    said: list[str] = []
    output = process.stdout
    assert output is not None
    threading.Thread(target=lambda: said.extend(iter(output.readline, "")), daemon=True).start()
    try:
        while time.monotonic() - began < PATIENCE and process.poll() is None:
            found = re.search(r"http://(?:localhost|127\.0\.0\.1):\d+/\S*token=\w+", "".join(said))
            if found:
                try:
                    with urllib.request.urlopen(found[0], timeout=30) as answer:
                        if b"jupyter-config-data" in answer.read():
                            return time.monotonic() - began
                except (OSError, urllib.error.URLError):
                    pass
            time.sleep(0.02)
        sys.exit("JupyterLab did not start:\n" + "".join(said[-20:]))
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait()


def with_pip(folder: Path, clone: Path, variables: dict[str, str]) -> None:
    """Install what the launcher installs, with venv and pip."""
    run: dict[str, Any] = {"check": True, "env": variables, "stdout": subprocess.DEVNULL}
    subprocess.run(["python3", "-m", "venv", folder], **run)
    lock = clone / "env" / "lock"
    pip = [folder / "bin" / "python", "-m", "pip", "install", "-q", "--no-deps"]
    subprocess.run([*pip, "-r", lock / "course.txt", "-r", lock / "torch-cpu.txt"], **run)
    editable = ("--no-build-isolation", "-e", clone / "autograder", "-e", clone)
    subprocess.run([*pip, *editable], **run)


def main() -> None:
    """Print one table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--no-pip", action="store_true", help="the launcher alone")
    options = parser.parse_args()
    rows: list[tuple[str, float, float]] = []

    def row(what: str, work: Callable[[], object]) -> None:
        rows.append((what, *measured(lambda: (work(), None)[1])))
        print(f"{what:58} {rows[-1][1]:7.1f} s  {rows[-1][2]:7.1f} s of CPU", flush=True)

    (ROOT / ".cache").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=ROOT / ".cache") as name:
        place = Path(name)
        variables = environ(place)
        clones = [place / one for one in ("first", "second")]
        for clone in clones:
            subprocess.run(["git", "clone", "-q", ROOT, clone], check=True)
        row(
            "fresh clone to the start page, everything downloaded",
            lambda: lab(clones[0], variables),
        )
        row("fresh clone to the start page, from the cache", lambda: lab(clones[1], variables))
        wait = ["python3", "env", "install", "--compile"]
        row(
            "bytecode that was still being compiled behind it",
            lambda: subprocess.run(
                wait, cwd=clones[1], env=variables, check=True, stdout=subprocess.DEVNULL
            ),
        )
        row("second start to the start page", lambda: lab(clones[1], variables))
        row("third start to the start page", lambda: lab(clones[1], variables))
        if not options.no_pip:
            row("pip, everything downloaded", lambda: with_pip(place / "a", clones[0], variables))
            row("pip, from its cache", lambda: with_pip(place / "b", clones[1], variables))
            ratio = rows[-1][2] / rows[1][2]
            print(
                f"pip's CPU time, without JupyterLab's start, is {ratio:.1f} times the launcher's"
            )
    download = rows[0][1] - rows[1][1]
    told = f"{download:.1f} s" if download > 0 else "can't be told on a machine as busy as this one"
    print(f"download's own time: {told}")


if __name__ == "__main__":
    main()
