"""A class of two on a real hub: what they do in a browser, and what they must not reach."""

from __future__ import annotations

import stat
import subprocess

import pytest

playwright = pytest.importorskip("playwright.sync_api")
expect = playwright.expect

# Reads whatever the user can read and the test has written, wherever it lies: a copy of a secret
# can't be older than the secret, by the one time that nobody can set.
WALK = r"""
import os, sys
began, canaries = float(sys.argv[1]), [word.encode() for word in sys.argv[2:]]
found = set()
def look(path):
    try:
        with open(path, "rb") as file:
            content = file.read(64 * 2**20)
    except OSError:
        return
    found.update((word.decode(), path) for word in canaries if word in content)
stack, seen = ["/"], 0
while stack:
    folder = stack.pop()
    try:
        entries = list(os.scandir(folder))
    except OSError:
        continue
    for entry in entries:
        seen += 1
        try:
            if entry.is_dir(follow_symlinks=False):
                if entry.path not in ("/proc", "/sys"):
                    stack.append(entry.path)
            elif entry.is_file(follow_symlinks=False):
                if entry.stat(follow_symlinks=False).st_ctime >= began:
                    look(entry.path)
        except OSError:
            continue
own = str(os.getpid())
for process in os.listdir("/proc"):
    if process.isdigit() and process != own:
        look(f"/proc/{process}/environ")
        look(f"/proc/{process}/cmdline")
print(seen)
for word, path in sorted(found):
    print(word, path)
"""


def reached(hub, name: str) -> dict[str, set[str]]:
    """The secrets that a user can read, and where, by what they stand for."""
    names = {word: key for key, word in hub.canaries.items()}
    done = hub.run_as(name, "/usr/bin/python3", "-c", WALK, str(hub.began), *names)
    assert done.returncode == 0, done.stderr
    seen, *lines = done.stdout.splitlines()
    assert int(seen) > 1000
    found: dict[str, set[str]] = {}
    for line in lines:
        word, path = line.split(" ", 1)
        if "/proc/" in path and path.endswith("cmdline"):
            continue  # the walk's own arguments, at runuser
        found.setdefault(names[word], set()).add(path)
    return found


def test_a_dry_run_says_what_would_be_made_and_makes_nothing(hub) -> None:
    done = hub.set_up("--create-users", "--dry-run")
    assert done.returncode == 0, done.stderr
    assert f"create the Unix users {', '.join(hub.everybody)}" in done.stdout
    assert str(hub.folder / "course") in done.stdout
    assert "Limits: " in done.stdout
    assert not hub.folder.exists()
    assert subprocess.run(["id", hub.instructor], capture_output=True, check=False).returncode


def test_nobody_is_created_unless_asked(hub) -> None:
    done = hub.set_up()
    assert done.returncode == 2
    assert f"There is no Unix user {hub.instructor}" in done.stderr
    assert done.stderr.count("\n") == 1
    assert not hub.folder.exists()


def test_it_sets_up_with_the_right_modes(hub) -> None:
    done = hub.set_up("--create-users", "--no-start")
    assert done.returncode == 0, done.stdout + done.stderr
    modes = {
        place: (oct(stat.S_IMODE(status.st_mode)), status.st_uid == 0)
        for place in ("", "student", "jupyter", "course", "exchange", "hub")
        for status in [(hub.folder / place).stat()]
    }
    assert modes == {
        "": ("0o755", True),
        "student": ("0o755", True),
        "jupyter": ("0o755", True),
        "course": ("0o2770", False),
        "exchange": ("0o1777", False),
        "hub": ("0o700", True),
    }
    own = hub.folder / "exchange" / "beyond-prompting"
    exchange = {one.name: oct(stat.S_IMODE(one.stat().st_mode)) for one in own.iterdir()}
    assert exchange == {"outbound": "0o755", "inbound": "0o2733", "feedback": "0o711"}
    for name in ("hub/settings.json", "hub/first-passwords.csv"):
        assert stat.S_IMODE((hub.folder / name).stat().st_mode) == 0o600
    assert not stat.S_IMODE(hub.clone.stat().st_mode) & 0o007
    left_out = {"source", "tests", "term", "gradebook.db"}
    assert not left_out & {path.name for path in (hub.folder / "student").iterdir()}
