"""What each process of a run keeps of root, seen from outside while the real command works."""

import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from autograder.grading.run_privileges import try_roles
from autograder.sandbox import barriers, doctor, privileges, root_launcher
from tests.attacks import stations
from tests.attacks.launcher import patched_imports
from tests.attacks.test_instructors_faults import _taught

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root has rights to give up")

ASSIGNMENT = "small"
NOBODY, READERS_AND_JUDGES, STUDENTS = 65_534, range(60_850, 61_100), range(60_600, 60_850)


@dataclass(frozen=True)
class Seen:
    """One process as it last was.

    Attributes:
        sets: the union of all its sets of capabilities.
        may_gain: whether a program could bring it more.
    """

    pid: int
    parent: int
    command: str
    user: int
    sets: frozenset[str]
    may_gain: bool
    is_filtered: bool


def process_status(pid):
    fields = {}
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        name, _colon, value = line.partition(":")
        fields[name] = value.split()
    command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    users = {int(one) for one in fields["Uid"]}
    return Seen(
        pid,
        int(fields["PPid"][0]),
        command,
        0 if 0 in users else users.pop(),
        privileges.kept(pid) - {"root"},
        fields["NoNewPrivs"] == ["0"],
        fields["Seccomp"] == ["2"],
    )


def everybody(root):
    """Every process below one, by what /proc says now."""
    found = {}
    for number in filter(str.isdigit, os.listdir("/proc")):
        try:
            found[int(number)] = process_status(int(number))
        except (OSError, KeyError):
            continue
    below, left = {}, [root]
    while left:
        parent = left.pop()
        if parent in found:
            below[parent] = found[parent]
        left += [one.pid for one in found.values() if one.parent == parent]
    return below


def watched(verb, course, *words, environment=None):
    """Run a command; return its own process's number, and every state of every process seen."""
    started = subprocess.Popen(
        [sys.executable, "-m", "autograder", verb, ASSIGNMENT, *words, "--course", str(course)],
        env={
            **os.environ,
            "PYTHONPATH": f"{stations.ROOT}:{stations.ROOT / 'notebooks'}",
            **(environment or {}),
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    states = set()
    while started.poll() is None:
        states |= set(everybody(started.pid).values())
        time.sleep(0.005)
    said = started.stdout.read().decode()
    assert started.returncode == 0, said
    return started.pid, states


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    return _taught(tmp_path_factory.mktemp("rights") / "course")


def last(states, pid):
    """The state with the fewest capabilities: nothing ever comes back."""
    mine = [one for one in states if one.pid == pid]
    return min(mine, key=lambda one: (len(one.sets), one.may_gain))


def test_each_process_of_grading_keeps_what_it_needs(bubblewrap, course):
    root, states = watched("grade", course, "--again")
    assert last(states, root).sets == {"CAP_KILL"} and not last(states, root).may_gain
    (raising,) = {
        one.pid for one in states if one.parent == root and "launcher import main" in one.command
    }
    assert last(states, raising).sets == set(privileges.setting_up_sandboxes())
    launched = set(privileges.setting_up_sandboxes())
    workers = [one for one in states if one.user == privileges.WORKER]
    assert {one.pid for one in workers} and all(
        not one.sets and not one.may_gain for one in workers
    )
    students = [one for one in states if one.user in STUDENTS]
    judges = [one for one in states if one.user in READERS_AND_JUDGES]
    assert students and judges
    for one in {last(states, one.pid) for one in [*students, *judges]}:
        assert not one.sets and not one.may_gain, one
    kept_out = {root, raising, *(one.pid for one in workers)}
    for pid in {one.pid for one in states} - kept_out:
        # What the launcher has started, whole or on its way: never more than it has itself.
        assert last(states, pid).sets <= launched and not last(states, pid).may_gain


def test_nobody_else_is_started_by_the_coordinator(bubblewrap, course):
    root, states = watched("grade", course, "--again")
    settled = [one for one in states if one.parent == root]
    assert len({one.pid for one in settled}) == 1


def test_feedback_keeps_what_it_needs(course):
    watched("grade", course)
    root, states = watched("feedback", course)
    assert last(states, root).sets == {"CAP_KILL"}
    pages = {one.pid for one in states if one.user == NOBODY}
    assert pages and not any(last(states, pid).sets for pid in pages)
    for pid in {one.pid for one in states} - pages - {root}:
        assert last(states, pid).sets <= {*privileges.CHANGING_USER, "CAP_KILL"}


def test_a_course_of_another_users(bubblewrap, course, tmp_path):
    """Root may still grade it, and what that takes is all that the coordinator has more."""
    own = Path(shutil.copytree(course, tmp_path / "course"))
    for folder, _folders, files in os.walk(own):
        for place in [folder, *(os.path.join(folder, name) for name in files)]:
            os.chown(place, 1000, 1000)
            os.chmod(place, 0o700 if place == folder else 0o600)
    root, states = watched("grade", own, "--again")
    assert last(states, root).sets == {"CAP_KILL", *privileges.FILES_OF_OTHERS}
    watched("feedback", own)
    written = list((own / "term" / "autograded").glob("*/*/*.ipynb"))
    assert written and {path.stat().st_uid for path in written} == {0}


def test_folders_that_their_owner_keeps_to_himself(tmp_path, monkeypatch):
    own = tmp_path / "home" / "course" / "term"
    own.mkdir(parents=True)
    monkeypatch.setattr(sys, "path", ["/usr/lib"])
    assert privileges.for_files([own, tmp_path / "none"]) == ()
    os.chown(tmp_path / "home", 1000, 1000)
    assert privileges.for_files([own]) == ()
    (tmp_path / "home").chmod(0o700)
    assert privileges.for_files([own]) == privileges.FILES_OF_OTHERS
    (tmp_path / "home").chmod(0o711)
    (own / "gradebook.db").touch()
    os.chown(own / "gradebook.db", 1000, 1000)
    assert privileges.for_files([own]) == privileges.FILES_OF_OTHERS
    assert privileges.for_files([]) == ()
    python = tmp_path / "venv" / "site-packages"
    python.mkdir(parents=True)
    os.chown(tmp_path / "venv", 1000, 1000)
    (tmp_path / "venv").chmod(0o750)
    monkeypatch.setattr(sys, "path", [str(python)])
    assert privileges.for_files([]) == privileges.FILES_OF_OTHERS


def test_with_the_barrier_down_it_is_noticed(bubblewrap, course):
    root, states = watched(
        "grade",
        course,
        "--again",
        environment={
            "PYTHONPATH": f"{patched_imports([barriers.PRIVILEGES])}:{stations.ROOT}:"
            f"{stations.ROOT / 'notebooks'}"
        },
    )
    assert "CAP_SYS_ADMIN" in last(states, root).sets
    assert not [one for one in states if one.user == privileges.WORKER]


def test_doctor_tells_who_keeps_what(bubblewrap, monkeypatch):
    found = doctor._privileges(try_roles)
    assert found.ok and "worker: nothing of root" in found.text
    monkeypatch.setattr(barriers, "DOWN", frozenset({barriers.PRIVILEGES}))
    found = doctor._privileges(try_roles)
    assert not found.ok and "must not" in found.text


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"[]",
        b"{",
        b"7",
        b'{"kind": 7, "imports": []}',
        b'{"kind": "x", "imports": "os"}',
        b'{"kind": "x", "imports": ["os; import sys"]}',
        b'{"kind": "x", "imports": ["../x"]}',
        b'{"kind": "x", "imports": [7]}',
        b'{"kind": "x"}',
        b"[" * 50_000,
        b'{"kind": "x", "imports": ["a\\n"]}',
    ],
)
def test_a_request_that_is_none(message):
    with pytest.raises(root_launcher.SandboxUnavailable):
        root_launcher._request(message)


def test_only_what_it_was_started_for(bubblewrap):
    with root_launcher.running(["autograder.intake.reader:READER"]):
        client = root_launcher._client
        with pytest.raises(root_launcher.SandboxUnavailable, match="starts no"):
            client.start("os:system", [], ())
        with pytest.raises(root_launcher.SandboxUnavailable, match="starts no"):
            client.start("autograder.judge.worker:STUDENTS", [], ())
    assert root_launcher._client is None


def test_a_launcher_that_has_ended_is_a_sentence(bubblewrap):
    with root_launcher.running(["autograder.intake.reader:READER"]) as pid:
        os.kill(pid, 9)
        with pytest.raises(root_launcher.LauncherGone, match="run the same command"):
            root_launcher._client.start("autograder.intake.reader:READER", [], ())
