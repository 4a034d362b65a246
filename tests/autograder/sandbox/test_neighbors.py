"""What the kernel counts for a user is counted for each child, whoever grades."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from autograder.sandbox import paths

ROOT = Path(paths.__file__).resolve().parents[2]

FORK = """
import os, time
forked = 0
try:
    while forked < 500:
        if not os.fork():
            time.sleep(30)
            os._exit(0)
        forked += 1
except OSError:
    pass
print(forked)
"""

SIGNALS = """
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
timers = 0
while timers < 5000 and libc.timer_create(1, None, ctypes.byref(ctypes.c_void_p())) == 0:
    timers += 1
print(timers)
"""


@pytest.mark.parametrize("use_up", [FORK, SIGNALS])
def test_one_that_uses_up_its_own_takes_nothing_from_another(parent, talk, use_up):
    with parent.fork() as one, parent.fork() as other:
        first, second = int(talk(one).text(use_up)), int(talk(other).text(use_up))
    assert first == second > 1
    assert first < 500


AS_AN_ORDINARY_USER = """
import sys
from tests.autograder.sandbox.conftest import LIMITS, Talk
from autograder.sandbox import syscalls
from autograder.sandbox.zygote_client import ZygoteClient
from autograder.sandbox import probes
assert not syscalls.is_privileged()
with ZygoteClient(limits=LIMITS) as parent, parent.fork() as one, parent.fork() as other:
    print([probe.hole for probe in probes.failing_probes(one.socket, other.socket, LIMITS)])
for source in sys.argv[1:]:
    with ZygoteClient(limits=LIMITS) as parent, parent.fork() as one, parent.fork() as other:
        print(int(Talk(one).text(source)), int(Talk(other).text(source)))
"""


@pytest.fixture
def ordinary_python():
    """The system's Python with this environment's packages, where any user can run it."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    system = Path("/usr/bin", version)
    packages = [path for path in sys.path if path.endswith("site-packages")]
    if not (os.geteuid() == 0 and system.exists() and packages):
        pytest.skip("needs root, to be somebody else, and the system's Python in our version")
    home = Path(tempfile.mkdtemp())
    try:
        home.chmod(0o755)
        (home / "bin").mkdir()
        (home / "bin/python").symlink_to(system)
        (home / "pyvenv.cfg").write_text("home = /usr/bin\ninclude-system-site-packages = false\n")
        own = home / "lib" / version / "site-packages"
        own.mkdir(parents=True)
        (own / "ours.pth").write_text("\n".join(packages) + "\n")
        yield home / "bin/python"
    finally:
        shutil.rmtree(home)


def test_as_an_ordinary_user_all_barriers_stand_and_nobody_starves(bubblewrap, ordinary_python):
    told = subprocess.run(
        [ordinary_python, "-c", AS_AN_ORDINARY_USER, FORK, SIGNALS],
        user=59_999,
        group=59_999,
        extra_groups=(),
        cwd="/",
        env={"PYTHONPATH": f"{ROOT}:{ROOT}/notebooks", "PATH": os.defpath},
        capture_output=True,
        text=True,
        timeout=120,
    )
    if "Permission denied" in told.stderr or "No module named" in told.stderr:
        pytest.skip(f"the packages can't be read by everyone: {told.stderr[-300:]}")
    assert told.returncode == 0, told.stderr
    holes, *counts = told.stdout.splitlines()
    assert holes == "[]"
    for line in counts:
        first, second = map(int, line.split())
        assert first == second > 1
        assert first < 500
