"""A small site: three lessons in both languages, built as `python3 env site` builds all of them."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "env"))

from environment import Environment, plain_environ  # noqa: E402 - found by the path set above

LESSONS = ("00-start-here", "04-the-cost-formula", "appendix-mixture-of-experts")
WORK = ROOT / ".cache" / "site"


@dataclass(frozen=True)
class Site:
    """A built site, served on this machine.

    Attributes:
        folder: where its files are.
        url: its address, ending in a slash.
        python: the interpreter of the environment that built it.
    """

    folder: Path
    url: str
    python: Path


@pytest.fixture(scope="session")
def site_python() -> Path:
    """The interpreter of the site's own environment, which stays in `.cache`."""
    environment = Environment(ROOT, lambda line: None)
    return environment.make_beside(WORK / "environment", ROOT / "docs" / "requirements.txt")


@pytest.fixture(scope="session")
def executed() -> Path:
    """The folder with the executed lessons; they stay in `.cache` until something changes."""
    done = subprocess.run(
        [sys.executable, str(ROOT / "docs" / "execute.py"), *LESSONS],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "notebooks")])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return WORK / "lessons"


@pytest.fixture(scope="session")
def site(site_python: Path, executed: Path) -> Iterator[Site]:
    folder = WORK / "tests" / "site"
    shutil.rmtree(folder, ignore_errors=True)
    done = subprocess.run(
        [
            *(str(site_python), str(ROOT / "docs" / "build.py"), "--output", str(folder)),
            *("--work", str(WORK / "tests"), *LESSONS),
        ],
        env=plain_environ(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    handler = functools.partial(_Quiet, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield Site(folder, f"http://127.0.0.1:{server.server_port}/", site_python)
        server.shutdown()


# One module's: Playwright's event loop would refuse a second one in the same process.
@pytest.fixture(scope="module")
def browser() -> Iterator[object]:
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if not chromium:
        pytest.fail(
            "There is no Chromium here, so the site can't be tested as people read it; install it "
            "(on Debian: apt-get install chromium) and run the tests again."
        )
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        arguments = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
        browser = playwright.chromium.launch(executable_path=chromium, args=arguments)
        yield browser
        browser.close()


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *arguments: object) -> None:
        pass
