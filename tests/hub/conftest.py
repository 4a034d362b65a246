"""A hub as `python3 env hub` sets it up, for a class of two whose Unix users go with the test."""

from __future__ import annotations

import csv
import importlib.util
import json
import os
import pwd
import re
import secrets
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]


def _fixtures_of(folder: str) -> ModuleType:
    path = ROOT / "tests" / folder / "conftest.py"
    spec = importlib.util.spec_from_file_location(f"fixtures_of_{folder}", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where its dataclasses look themselves up
    spec.loader.exec_module(module)
    return module


browser = _fixtures_of("browser").browser
server = _fixtures_of("postgres").server

from hub.accounts import as_user  # noqa: E402 - found by the path that the fixtures set
from hub.settings import HubSettings  # noqa: E402 - as above

# The launcher of the copy, in the environment that the tests run in.
LAUNCH = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from environment import Environment
made = Environment.__init__
def init(self, *arguments):
    made(self, *arguments)
    self.folder = Path(sys.argv[2])
Environment.__init__ = init
Environment.ensure = lambda self: None
Environment.is_ready = lambda self: True
import launcher
sys.exit(launcher.main(sys.argv[3:]))
"""


@dataclass
class Hub:
    """A hub's folder, its users, and the secrets that nobody but the right ones may read.

    Attributes:
        folder: what --folder names.
        clone: the copy of the course that it was set up from.
        instructor: the Unix user.
        colleague: another instructor.
        students: the Unix users.
        began: when the test began; what it wrote is younger.
        canaries: the secrets, by what they stand for.
        domain: what --domain names, when it does.
    """

    folder: Path
    clone: Path
    environment: Path
    instructor: str
    colleague: str
    students: list[str]
    port: int
    began: float
    canaries: dict[str, str] = field(default_factory=dict)
    process: subprocess.Popen | None = None
    domain: str = ""

    @property
    def group(self) -> str:
        return f"{self.instructor}-group"

    @property
    def everybody(self) -> list[str]:
        return [self.instructor, *self.students]

    @property
    def url(self) -> str:
        return self.domain or f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> Path:
        return self.clone.parent / "hub.log"

    def command(self, *words: str) -> list[str]:
        return [
            *(sys.executable, "-c", LAUNCH, str(self.clone / "env"), sys.prefix),
            *(
                "hub",
                "--instructor",
                f"{self.instructor},{self.colleague}",
                "--folder",
                str(self.folder),
            ),
            *("--group", self.group, "--environment", str(self.environment)),
            *("--port", str(self.port), "--roster", str(self.clone.parent / "class.csv")),
            *words,
        ]

    def set_up(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*words), capture_output=True, text=True, check=False, cwd=self.clone
        )

    def start(self, *words: str) -> None:
        # It says who is in the class, to whoever started it.
        with open(os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "a") as log:
            self.process = subprocess.Popen(
                self.command(*words),
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self.clone,
                start_new_session=True,
            )
        deadline = time.monotonic() + 600  # on a busy machine setting up takes minutes
        while time.monotonic() < deadline and self.process.poll() is None:
            with suppress(OSError, urllib.error.URLError):
                self._ask_for_the_login_page()
                return
            time.sleep(0.2)
        pytest.fail("the hub did not start:\n" + self.log.read_text()[-4000:])

    def _ask_for_the_login_page(self) -> None:
        """Ask this machine, which only browsers find by the names below .localhost."""
        scheme, _, host = self.url.partition("://")
        page = urllib.request.Request(
            f"{scheme}://127.0.0.1:{self.port}/hub/login", headers={"Host": host}
        )
        trusting = ssl._create_unverified_context()
        urllib.request.urlopen(page, timeout=5, context=trusting if scheme == "https" else None)

    def stop(self) -> None:
        if self.process is None:
            return
        self.process.terminate()  # the hub ends its servers and the proxy
        try:
            self.process.wait(timeout=40)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        self.process = None

    def password(self, name: str) -> str:
        with (self.folder / "hub" / "first-passwords.csv").open() as lines:
            return next(row["password"] for row in csv.DictReader(lines) if row["name"] == name)

    def home(self, name: str) -> Path:
        return Path(pwd.getpwnam(name).pw_dir) / "beyond-prompting"

    def run_as(self, name: str, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a command as a user, in the variables of that user's server."""
        settings = HubSettings.read(self.folder / "hub" / "settings.json")
        role = "instructor" if name in (self.instructor, self.colleague) else "student"
        return subprocess.run(
            [*as_user(name), *command],
            env=settings.variables(name, role),
            capture_output=True,
            text=True,
            check=False,
            cwd=settings.home(name, role) if self.home(name).exists() else "/",
            umask=0o007 if role == "instructor" else 0o077,
        )

    def python_as(self, name: str, code: str, *arguments: str) -> str:
        done = self.run_as(name, str(self.environment / "bin/python"), "-c", code, *arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def hub() -> Iterator[Hub]:
    """A hub's users and copy of the course; nothing of either outlives the module."""
    _require_machine()
    mark = "t" + secrets.token_hex(3)
    base = Path(tempfile.mkdtemp(prefix="course-hub-", dir=_place()))
    base.chmod(0o755)
    hub = Hub(
        folder=base / "hub",
        clone=base / "clone",
        environment=base / "environment",
        instructor=f"{mark}i",
        colleague=f"{mark}j",
        students=[f"{mark}s1", f"{mark}s2"],
        port=_free_port(),
        began=time.time() - 1,
    )
    try:
        hub.clone.mkdir()
        _copy_course(hub)
        _make_environment(hub)
        yield hub
    finally:
        try:
            hub.stop()
        finally:
            _remove_users(hub)
            shutil.rmtree(base, ignore_errors=True)


def _require_machine() -> None:
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("a hub needs root on Linux, to start servers as their users")
    for program in ("useradd", "userdel", "groupadd", "runuser", "chpasswd"):
        if not shutil.which(program):
            pytest.skip(f"this machine has no {program}, so it can have no test users")
    if _shared_python() is None:
        pytest.skip(f"there is no Python {_minor()} that users other than root can start")


def _minor() -> str:
    return f"{sys.version_info[0]}.{sys.version_info[1]}"


def _shared_python() -> Path | None:
    """A Python of this version that every user can start."""
    for one in (Path(sys._base_executable), Path(f"/usr/bin/python{_minor()}")):
        real = one.resolve()
        if real.exists() and all(folder.stat().st_mode & 0o001 for folder in real.parents):
            return real
    return None


def _place() -> str:
    return "/srv" if Path("/srv").is_dir() else tempfile.gettempdir()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _canary(hub: Hub, name: str) -> str:
    return hub.canaries.setdefault(name, f"canary-{name}-{secrets.token_hex(8)}")


def _copy_course(hub: Hub) -> None:
    """Copy what git tracks, with a secret in each place that students must not reach."""
    listed = subprocess.run(
        ["git", "-c", f"safe.directory={ROOT}", "-C", str(ROOT), "ls-files", "-z"],
        capture_output=True,
        check=True,
    )
    new = ["env/hub"]  # not yet tracked while it is worked on
    names = {name for name in listed.stdout.decode().split("\0") if name}
    names |= {
        path.relative_to(ROOT).as_posix()
        for folder in new
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    for name in names:
        if (ROOT / name).is_file():
            (hub.clone / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, hub.clone / name)
    (hub.clone / "tests" / "answers.txt").write_text(_canary(hub, "tests"))
    source = hub.clone / "source" / "en" / "quiz" / "quiz.ipynb"
    notebook = json.loads(source.read_text(encoding="utf-8"))
    hidden = next(
        cell for cell in notebook["cells"] if "### BEGIN HIDDEN TESTS" in "".join(cell["source"])
    )
    text = "".join(hidden["source"])
    hidden["source"] = text.replace(
        "### BEGIN HIDDEN TESTS", f"### BEGIN HIDDEN TESTS\n# {_canary(hub, 'hidden-test')}", 1
    ).splitlines(keepends=True)
    source.write_text(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    rows = [
        f"{name},{_canary(hub, f'gradebook-{number}')}"
        for number, name in enumerate(hub.students, 1)
    ]
    roster = hub.clone.parent / "class.csv"
    roster.write_text("id,last_name\n" + "\n".join(rows) + "\n")
    roster.chmod(0o600)


def _make_environment(hub: Hub) -> None:
    """Make what the tests run in once more where all users can read it."""
    own = Path(sys.prefix)
    subprocess.run(
        [str(_shared_python()), "-m", "venv", "--without-pip", str(hub.environment)], check=True
    )
    library = f"lib/python{_minor()}/site-packages"
    # The grader and the course are the bundle's: they come first, and of the tests' environment
    # no .pth file counts here.
    paths = [f"{hub.folder}/student", f"{hub.folder}/student/notebooks"]
    paths.append(str(_shared(own / library, hub.environment.parent / "shared" / "site-packages")))
    (hub.environment / library / "course.pth").write_text("\n".join(paths) + "\n")
    for part in ("share", "etc"):
        if (own / part).is_dir():
            shared = _shared(own / part, hub.environment.parent / "shared" / part)
            (hub.environment / part).symlink_to(shared)
    for script in (own / "bin").iterdir():
        target = hub.environment / "bin" / script.name
        if script.is_symlink() or not script.is_file() or target.exists():
            continue
        content = script.read_bytes()
        if re.match(rb"#!.*/bin/python", content):
            body = content.split(b"\n", 1)[1]
            target.write_bytes(f"#!{hub.environment}/bin/python\n".encode() + body)
            target.chmod(0o755)


def _shared(folder: Path, copy: Path) -> Path:
    """A folder that all users can read: itself if they can, else a copy of it, by links."""
    if all(one.stat().st_mode & 0o001 for one in (folder, *folder.parents)):
        return folder
    shutil.copytree(folder, copy, copy_function=_link)
    return copy


def _link(origin: str, target: str) -> None:
    try:
        os.link(origin, target)
    except OSError:
        shutil.copy2(origin, target)


def _remove_users(hub: Hub) -> None:
    for name in [*hub.everybody, hub.colleague]:
        with suppress(KeyError):
            uid = pwd.getpwnam(name).pw_uid
            for process in Path("/proc").glob("[0-9]*"):
                with suppress(OSError):
                    if process.stat().st_uid == uid:
                        os.kill(int(process.name), signal.SIGKILL)
            for _ in range(20):
                done = subprocess.run(
                    ["userdel", "--remove", name], capture_output=True, check=False
                )
                if done.returncode in (0, 6, 12):
                    break
                time.sleep(0.2)
    subprocess.run(["groupdel", hub.group], capture_output=True, check=False)
