"""The course's own Python environment: `.venv` in the project's folder.

It is made once and again only when something it depends on changes. A file inside it, the
stamp, says what it was made from. The stamp says "unfinished" while anything is being installed,
so an environment whose making was cut short is never taken for a finished one.
"""

from __future__ import annotations

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
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import faults
import pip_settings
import uv
from faults import Fault

RECIPE = 3  # raise it when this file installs differently from the same pins
OLDEST = (3, 11)  # of Python, for the course; the launcher itself runs on 3.9
OTHER_PYTHON = ">=3.11,<3.14"  # what uv finds or fetches where this one is too old
PYTORCH_CPU_WHEELS = "https://download.pytorch.org/whl/cpu/torch/"
PROBE_SECONDS = 3
GIGABYTES = {"cpu": 3, "gpu": 9}  # free disk that making the environment takes

# What the environment is made from; a change in one of them makes it anew.
PINS = ("lock/course.txt", "lock/torch.txt", "lock/torch-cpu.txt")
TEST_PINS = ("lock/test.txt",)


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
        self.offline: Path | None = None  # the folder that packages come from, instead of an index

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
        else:
            (self.folder / "compiled").unlink(missing_ok=True)

        kept = ["course", "test"] if in_place else []
        stamp = {key: before[key] for key in kept if key in before}
        stamp["place"] = wanted["place"]
        if stamp.get("course") != wanted["course"]:
            self._install_course()
            stamp["course"] = wanted["course"]
            stamp.pop("test", None)
        if test and stamp.get("test") != wanted["test"]:
            self._say("Installing the test tools.")
            self._install(self.pins / "lock" / "test.txt")
            stamp["test"] = wanted["test"]
        self._write_stamp(stamp)
        self._say(f"The environment is ready ({_duration(time.monotonic() - began)}).")

    def _create(self) -> None:
        # The base interpreter, since this may itself be running inside an environment.
        python = getattr(sys, "_base_executable", None) or sys.executable
        if sys.version_info < OLDEST:
            self._say(
                f"This is Python {platform.python_version()}, too old for the course, so uv takes "
                "another one from this machine or fetches one (30 MB, kept for later)."
            )
            python = OTHER_PYTHON
        self._uv("venv", "--no-project", "--allow-existing", "--python", python, self.folder)

    def _install_course(self) -> None:
        self._say("Installing the pinned packages and the model file (SmolLM2, 94 MB).")
        more, links = self._pytorch()
        self._install(self.pins / "lock" / "course.txt", *more, links=links)
        self._say("Installing the course itself, and checking that all starts.")
        check = self._start("import torch")
        try:
            folders = [word for path in self._projects for word in ("-e", path.parent)]
            self._uv("pip", "install", "--no-deps", "--no-build-isolation", "--offline", *folders)
            for process in (check, self._start("import nbgrader, jupyterlab, autograder, beyond")):
                said = process.communicate()[0].strip().splitlines()
                if process.returncode:
                    reason = said[-1] if said else f"exit code {process.returncode}"
                    raise Fault(
                        f"The environment was installed but doesn't start ({reason[:160]}); "
                        "make it anew with: python3 env install --fresh"
                    )
        finally:
            check.kill()
            check.wait()

    def _install(self, lock: Path, *more: str | Path, links: tuple[str, ...] = ()) -> None:
        """Install every package of a lock, as it is: nothing is resolved, compiled or added."""
        strict = ("--no-deps", "--require-hashes", "--no-build")
        self._uv("pip", "install", *strict, "-r", lock, *more, links=links)

    def _pytorch(self) -> tuple[list[str | Path], tuple[str, ...]]:
        """Return what installs PyTorch, and the pages with it: CPU wheels where they can be had."""
        cpu: list[str | Path] = ["-r", self.pins / "lock" / "torch-cpu.txt"]
        usual: list[str | Path] = ["-r", self.pins / "lock" / "torch.txt"]
        if sys.platform != "linux" or self._has_gpu():
            return usual, ()  # elsewhere than on Linux, the usual wheels are for the CPU
        links = (PYTORCH_CPU_WHEELS,) if self._pytorch_answers() else ()
        try:
            self._uv(*("pip", "install", "--dry-run", "--no-deps", "--no-build", *cpu), links=links)
        except Fault:
            self._say("PyTorch's CPU wheels can't be had here; the usual ones take several GB.")
            return usual, ()
        return cpu, links

    def make_beside(self, folder: Path, lock: Path) -> Path:
        """Make another environment from a lock, unless it is there; return its interpreter.

        Args:
            folder: where to.
            lock: every package of it, with hashes.

        Raises:
            Fault: it can't be made.
        """
        beside = Environment(self.root, self._say)
        beside.folder, beside.offline = folder, self.offline
        stamp = folder / "made-from.txt"
        made_from = f"{self._hash([lock])} {sys.version_info[0]}.{sys.version_info[1]}"
        try:
            if not stamp.is_file() or stamp.read_text(encoding="utf-8") != made_from:
                if folder.exists():
                    shutil.rmtree(folder)
                folder.mkdir(parents=True)
                beside._create()
                beside._install(lock)
                stamp.write_text(made_from, encoding="utf-8")
        except OSError as error:
            raise faults.from_os(error, f"making the environment in {folder}") from error
        return beside.python

    def pack(self, folder: Path) -> None:
        """Download into `folder` all that `--offline` needs to make this environment elsewhere.

        Raises:
            Fault: something can't be downloaded.
        """
        names = ("course.txt", "uv.txt", "torch-cpu.txt" if self._has_cpu_torch() else "torch.txt")
        locks = [word for name in names for word in ("-r", str(self.pins / "lock" / name))]
        strict = ("--no-deps", "--require-hashes", "--only-binary", ":all:", "--no-input")
        links = ("--find-links", PYTORCH_CPU_WHEELS) if self._pytorch_answers() else ()
        command = [str(self.python), "-m", "pip", "download", *strict, *locks, *links]
        variables = pip_settings.for_pip(pip_settings.read())
        self._logged([*command, "--dest", str(folder)], {**plain_environ(), **variables})

    def _has_cpu_torch(self) -> bool:
        return any(self.folder.glob("lib/python*/site-packages/torch-*+cpu.dist-info"))

    def compile(self, wait: bool) -> None:
        """Compile the installed packages to bytecode, which spares each later start some seconds.

        Args:
            wait: until it is done; otherwise it goes on by itself, behind everything else.
        """
        done = self.folder / "compiled"
        if done.exists() or not os.access(self.folder, os.W_OK):
            return
        self.cache.mkdir(parents=True, exist_ok=True)
        with (self.cache / "compile.lock").open("w") as lock:
            while not _try_lock(lock):
                if not wait:
                    return
                time.sleep(0.5)
            code = _COMPILE.format(done=str(done), nice=0 if wait else 19)
            process = subprocess.Popen(
                [str(self.python), "-c", code],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                stdin=subprocess.DEVNULL,
                env=plain_environ(),
                cwd=self.folder,  # from anywhere else, Python would import what lies there
                start_new_session=True,
                pass_fds=(lock.fileno(),) if os.name != "nt" else (),
            )
            if wait:
                process.wait()

    def _start(self, code: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [str(self.python), "-c", code],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            errors="replace",
            env=plain_environ(),
            cwd=self.root,
        )

    def _settings(self) -> dict[str, str]:
        if self.offline:
            return {"no-index": "1"}
        return pip_settings.read()

    def _uv(self, *arguments: str | Path, links: tuple[str, ...] = ()) -> None:
        """Run uv on the environment, its output in the log and, in short, on screen.

        Args:
            arguments: the words of its command.
            links: pages of files that it asks besides those that pip's settings name.

        Raises:
            Fault: uv failed; the sentence says why.
        """
        settings = self._settings()
        lock = self.pins / "lock" / "uv.txt"
        places: Sequence[str | Path] = pip_settings.links(settings)
        if self.offline:
            places = [self.offline]
        command = [uv.find(lock, self.cache, settings, places), *map(str, arguments)]
        if arguments[0] == "pip":
            command += ["--python", str(self.python)]
            command += ["--no-index"] if "no-index" in settings else []
        variables = {name: plain for name, plain in plain_environ().items() if name[:3] != "UV_"}
        if links and not places:
            places = os.environ.get("UV_FIND_LINKS", "").split(",")
        asked: list[str | Path] = [*(place for place in places if place), *links]
        variables.update(pip_settings.for_uv(settings, asked))
        if not _has_writable_cache():
            variables.setdefault("UV_CACHE_DIR", str(self.cache / "uv"))
        if self.offline:
            variables["UV_OFFLINE"] = "1"
        no_index = str(self.offline or "") or ("pip" if "no-index" in settings else "")
        self._logged(command, variables, no_index)

    def _logged(self, command: list[str], variables: dict[str, str], no_index: str = "") -> None:
        said: list[str] = []
        self.cache.mkdir(parents=True, exist_ok=True)
        try:
            with self.log.open("a", encoding="utf-8") as log:
                log.write("$ " + " ".join(command) + "\n")
                for line in _lines_of(command, variables, self._say, self._held):
                    log.write(line + "\n")
                    said.append(line)
                    short = _worth_showing(line)
                    if short:
                        self._say("  " + short)
        except subprocess.CalledProcessError as error:
            if error.returncode in (-9, 137):
                said.append("MemoryError")
            needed = GIGABYTES["gpu" if self._has_gpu() else "cpu"]
            raise faults.from_uv(said, needed, str(self.log), no_index) from error

    # What the machine must offer

    def _check_machine(self) -> None:
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
                f"The folder {self.root} isn't writable, so the environment can't be made "
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

    def _pytorch_answers(self) -> bool:
        """Whether PyTorch's own index, which has small CPU wheels for Linux, can be reached."""
        settings = self._settings()
        if "no-index" in settings or sys.platform != "linux":
            return False
        answered: list[bool] = []

        def ask() -> None:
            try:
                uv.download(PYTORCH_CPU_WHEELS, settings, PROBE_SECONDS)
                answered.append(True)
            except (OSError, ValueError, Fault):
                pass

        # In a thread, because looking a name up knows no time limit.
        thread = threading.Thread(target=ask, daemon=True)
        thread.start()
        thread.join(PROBE_SECONDS)
        return bool(answered)

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
            # uv inherits the lock: if this process is killed, the next start waits for its uv.
            self._held = (lock.fileno(),) if os.name != "nt" else ()
            try:
                yield  # closing the file, even by the process's death, gives the lock back
            finally:
                self._held = ()


_COMPILE = """
import compileall, os, pathlib, sysconfig
if hasattr(os, "nice"):
    os.nice({nice})
compileall.compile_dir(sysconfig.get_path("purelib"), quiet=2, workers={nice} and 1 or 0)
pathlib.Path({done!r}).touch()
"""

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
        or name[4:].lower().replace("_", "-") in pip_settings.ASKED
    }


def python_environ() -> dict[str, str]:
    """This process's variables, less those that change what Python does."""
    environ = {name: value for name, value in os.environ.items() if name not in _MISLEADING}
    environ["PYTHONNOUSERSITE"] = "1"
    # Korean text must survive a pipe on a machine whose locale is C or CP949.
    environ["PYTHONUTF8"] = "1"
    return environ


def _has_writable_cache() -> bool:
    """Whether uv can keep downloads where it does by itself; a home may be read-only."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "uv"
    there = next(one for one in (cache, *cache.parents) if os.path.exists(one))
    return there.is_dir() and os.access(there, os.W_OK)


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
        process.kill()  # Ctrl-C, or the log can't be written: don't leave uv running
        raise
    finally:
        process.wait()
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)


def _worth_showing(line: str) -> str:
    """What of a line of uv's is worth a line on screen: big downloads and the last step."""
    if re.match(r"\s*Downloading \S+ \((\d{2,}(\.\d)?MiB|\S+GiB)\)", line):
        return line.strip().replace("Downloading", "downloading")
    return line.lower() if line.startswith("Installed") else ""


def _duration(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    return f"{minutes} min {seconds} s" if minutes else f"{seconds} s"
