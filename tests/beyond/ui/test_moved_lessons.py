"""beyond.ui.moved_lessons: an old bookmark opens the lesson where it is now."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from beyond.ui.moved_lessons import MOVED, present_address

ROOT = Path(__file__).resolve().parents[3]
TOKEN = "for-this-test"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (
            "/lab/tree/notebooks/en/02-the-cost-formula.ipynb",
            "/lab/tree/notebooks/en/04-the-cost-formula.ipynb",
        ),
        (
            "/lab/workspaces/auto-x/tree/notebooks/ko/06-edge-deployment.ipynb",
            "/lab/workspaces/auto-x/tree/notebooks/ko/09-edge-deployment.ipynb",
        ),
        ("/lab/tree/02-the-cost-formula.ipynb", "/lab/tree/04-the-cost-formula.ipynb"),
        ("/lab/tree/notebooks/en/04-the-cost-formula.ipynb", None),
        ("/lab/tree/notebooks/en/x02-the-cost-formula.ipynb", None),
        ("/api/contents/notebooks/en/02-the-cost-formula.ipynb", None),
        ("/lab", None),
    ],
)
def test_addresses(old, new):
    assert present_address(old) == new


def test_every_new_name_is_a_lesson_and_no_old_one_is():
    lessons = {path.stem for path in (ROOT / "notebooks" / "en").glob("*.ipynb")}
    assert set(MOVED.values()) <= lessons
    assert not set(MOVED) & lessons


def test_the_launcher_turns_it_on():
    settings = ROOT / "env" / "jupyter" / "all" / "jupyter_server_config.json"
    on = json.loads(settings.read_text())["ServerApp"]["jpserver_extensions"]
    assert on["beyond.ui.moved_lessons"] is True
    # They are loaded by name, and the first one that takes an address answers it.
    assert "beyond.ui.moved_lessons" < "jupyterlab"


class _Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_arguments):
        return None


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("course")
    lessons = folder / "notebooks" / "en"
    lessons.mkdir(parents=True)
    for name in ("04-the-cost-formula", "01-prompting", "01-prompting-and-when-it-stops"):
        (lessons / f"{name}.ipynb").write_text("{}")
    home = tmp_path_factory.mktemp("home")
    command = [
        *(sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root"),
        f"--ServerApp.root_dir={folder}",
        "--ServerApp.ip=127.0.0.1",
        "--ServerApp.port=0",
        f"--IdentityProvider.token={TOKEN}",
        '--ServerApp.jpserver_extensions={"beyond.ui.moved_lessons": True}',
        "--ServerApp.base_url=/base/",
    ]
    runtime = home / "runtime"

    places = {
        "JUPYTER_RUNTIME_DIR": str(runtime),
        "JUPYTER_CONFIG_DIR": str(home / "config"),
        "HOME": str(home),
    }
    with subprocess.Popen(
        command, env={**os.environ, **places}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        try:
            for _ in range(600):
                found = list(runtime.glob("jpserver-*.json"))
                if found and found[0].stat().st_size:
                    break
                assert process.poll() is None
                time.sleep(0.1)
            yield json.loads(found[0].read_text())["url"].rstrip("/")
        finally:
            process.terminate()


def asked(server, address, token=TOKEN):
    """The status, and where a redirection leads."""
    opener = urllib.request.build_opener(_Stay)
    try:
        with opener.open(f"{server}{address}?token={token}") as answer:
            return answer.status, ""
    except urllib.error.HTTPError as error:
        return error.code, error.headers.get("Location", "")


def test_a_real_server_sends_the_browser_on_and_leaves_a_learners_own_notebook(server):
    status, place = asked(server, "/lab/tree/notebooks/en/02-the-cost-formula.ipynb")
    assert status == 302
    assert place.startswith("/base/lab/tree/notebooks/en/04-the-cost-formula.ipynb?token=")
    # one that is still there, worked in or not, opens as itself
    address = "/lab/tree/notebooks/en/01-prompting-and-when-it-stops.ipynb"
    assert asked(server, address) == (200, "")
    # one whose successor isn't there is JupyterLab's to answer
    assert asked(server, "/lab/tree/notebooks/en/06-edge-deployment.ipynb")[0] != 302
    status, place = asked(server, "/lab/tree/notebooks/en/02-the-cost-formula.ipynb", "wrong")
    assert "/04-" not in place.split("?")[0]
