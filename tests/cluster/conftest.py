"""A real Dask cluster for the tests of this folder: a scheduler and two worker processes."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

_HERE = Path(__file__).parent
_spec = importlib.util.spec_from_file_location(
    "fixtures_of_autograder", _HERE.parent / "autograder" / "conftest.py"
)
_fixtures = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_fixtures)
kit, stand_ins, released_course, term = (
    _fixtures.kit,
    _fixtures.stand_ins,
    _fixtures.released_course,
    _fixtures.term,
)


def _start(*words: str, folder: Path, path: list[str]) -> subprocess.Popen:
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(path),
        "BEYOND_RUNS": str(folder / "runs"),
        # How many workers a submission may end before it is given up; Dask's own 3 take longer.
        "DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "1",
    }
    return subprocess.Popen(
        [sys.executable, "-m", *words],
        cwd=folder,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=(folder / "log").open("ab"),
    )


@pytest.fixture
def cluster(tmp_path, stand_ins, request):
    """The scheduler's address and the processes of its two workers.

    Parametrized with "--nanny" the processes start a worker anew when it has ended.
    """
    pytest.importorskip("distributed")
    folder = tmp_path / "cluster"
    (folder / "runs").mkdir(parents=True)
    path = [str(_HERE.parent / "autograder" / "stand_ins"), *filter(None, sys.path)]
    known = folder / "scheduler.json"
    processes = [
        _start(
            "distributed.cli.dask_scheduler",
            "--host",
            "127.0.0.1",
            "--port",
            "0",
            "--no-dashboard",
            "--scheduler-file",
            str(known),
            folder=folder,
            path=path,
        )
    ]
    try:
        while not known.exists():
            assert processes[0].poll() is None, (folder / "log").read_text()
            time.sleep(0.05)
        processes += [
            _start(
                "distributed.cli.dask_worker",
                "--scheduler-file",
                str(known),
                "--nthreads",
                "1",
                getattr(request, "param", "--no-nanny"),
                "--no-dashboard",
                "--host",
                "127.0.0.1",
                folder=folder,
                path=path,
            )
            for _ in range(2)
        ]
        from distributed import Client

        with Client(scheduler_file=str(known), set_as_default=False) as client:
            client.wait_for_workers(2, timeout=60)
            address = client.scheduler.address
        yield address, processes[1:]
    finally:
        for process in processes:
            process.kill()
            process.wait()
