"""A real JupyterLab in a real Chromium, as the launcher sets it up, on a copy of the course."""

from __future__ import annotations

import argparse
import json
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "env"))

import lab as launcher_lab  # noqa: E402 - found by the path set above
from environment import Environment  # noqa: E402 - found by the path set above

# What a machine without a network, a screen or Google's services needs.
CHROMIUM_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
WAIT_MS = 30_000


@dataclass(frozen=True)
class Lab:
    """A running JupyterLab.

    Attributes:
        root: the copy of the course that it shows.
        url: its address, ending in a slash.
        token: what lets a browser in.
        output: the file with what it printed.
        process: the server.
    """

    root: Path
    url: str
    token: str
    output: Path
    process: subprocess.Popen

    def address(self, path: str = "lab") -> str:
        return f"{self.url}{path}?token={self.token}"


@contextmanager
def running_lab(
    root: Path,
    scratch: Path,
    *,
    instructor: bool,
    port: int | None = None,
    language: str | None = "en",
    wrapper: Sequence[str] = (),
    more: Sequence[str] = (),
) -> Iterator[Lab]:
    """JupyterLab on the course folder `root`; it ends with the block, or when left alone.

    Args:
        root: the course folder.
        scratch: where it keeps its own files.
        instructor: whether it is an instructor's.
        port: where it listens; any free port by default.
        language: the one that the launcher is given; None leaves it to be chosen.
        wrapper: the command that starts it in surroundings of a test's own.
        more: further arguments to JupyterLab.
    """
    environment = Environment(ROOT, lambda line: None)
    environment.folder = Path(sys.prefix)  # the tests run in the environment that users get
    environment.cache = scratch / "cache"
    options = argparse.Namespace(
        instructor=instructor,
        course=root,
        language=language,
        port=port or free_port(),
        no_browser=True,
        jupyter=["--ServerApp.shutdown_no_activity_timeout=300", *more],
    )
    command, variables = launcher_lab.prepare(environment, options, lambda line: None)
    output = scratch / "jupyter.log"
    with output.open("w") as log:
        process = subprocess.Popen(
            [*wrapper, *command], env=variables, cwd=root, stdout=log, stderr=subprocess.STDOUT
        )
    try:
        runtime = Path(variables["JUPYTER_RUNTIME_DIR"])
        server = _wait_for_server(process, runtime, output)
        yield Lab(root, server["url"], server["token"], output, process)
    finally:
        process.terminate()
        try:
            process.wait(timeout=15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_for_server(process: subprocess.Popen, runtime: Path, output: Path) -> dict:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        try:
            server = json.loads((runtime / f"jpserver-{process.pid}.json").read_text())
            urllib.request.urlopen(f"{server['url']}api/status?token={server['token']}", timeout=5)
            return server
        except (OSError, ValueError, urllib.error.URLError):
            time.sleep(0.1)
    pytest.fail("JupyterLab did not start:\n" + output.read_text()[-3000:])


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def copy_course(target: Path) -> Path:
    """A copy of what a student gets to see, so that no test changes the originals."""
    keep = shutil.ignore_patterns("__pycache__", ".ipynb_checkpoints")
    for name in ("notebooks", "release", "source"):
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, target / name, ignore=keep)
    return target


# One module's: Playwright's event loop would refuse a second one in the same process.
@pytest.fixture(scope="module")
def browser() -> Iterator[object]:
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if not chromium:
        pytest.fail(
            "There is no Chromium here, so JupyterLab can't be tested as people use it; "
            "install it (on Debian: apt-get install chromium) and run the tests again."
        )
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=60_000)  # the default of 5 seconds is too short on a busy machine
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=CHROMIUM_ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def start_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Lab]]:
    """Start a JupyterLab on a course folder; all of a module's end with it."""
    with ExitStack() as stack:

        def start(root: Path, *, instructor: bool) -> Lab:
            scratch = tmp_path_factory.mktemp("jupyter")
            return stack.enter_context(running_lab(root, scratch, instructor=instructor))

        yield start


@pytest.fixture(scope="module")
def fresh_course(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copy_course(tmp_path_factory.mktemp("course"))


@pytest.fixture(scope="module")
def student_lab(start_lab: Callable[..., Lab], fresh_course: Path) -> Lab:
    return start_lab(fresh_course, instructor=False)


@pytest.fixture
def page(browser: object) -> Iterator[object]:
    """A fresh page, as of a user who was never here."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    context.set_default_timeout(WAIT_MS)
    page = context.new_page()
    yield page
    context.close()
