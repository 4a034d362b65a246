"""Start JupyterLab with the course's settings, for a student or for an instructor."""

from __future__ import annotations

import argparse
import locale
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import faults
from environment import Environment, plain_environ
from faults import Fault
from start_page import SOURCE as START_PAGE
from start_page import write_start_page

INSTRUCTOR_PAGE = "term/START.md"
OWN_VALUES = "own-values.json"  # as autograder/student_values.py names it


def languages(root: Path) -> list[str]:
    """Return the languages that have lessons."""
    return sorted(path.parent.name for path in root.glob("notebooks/*/00-*.ipynb")) or ["en"]


def check(options: argparse.Namespace, settings: Path) -> None:
    """Check the options before anything is installed; `settings` is `env/jupyter`.

    Raises:
        Fault: these options can't work.
    """
    if options.instructor and not (settings / "instructor").is_dir():
        raise Fault(
            "These are a student's files, without what --instructor needs; "
            "start without it, or start the instructor's course.",
            faults.USAGE,
        )
    if options.course:
        if not options.instructor:
            raise Fault("--course goes with --instructor; add that.", faults.USAGE)
        if not options.course.is_dir():
            raise Fault(
                f"There is no folder {options.course}; give --course one that a course is "
                "in, such as `autograder demo` makes.",
                faults.USAGE,
            )
        options.course = options.course.resolve()
    if options.port is not None:
        check_port(options.port)


def prepare(
    environment: Environment, options: argparse.Namespace, say: Callable[[str], None]
) -> tuple[list[str], dict[str, str]]:
    """Return the command that starts JupyterLab and its environment; create its folders.

    Raises:
        Fault: a folder can't be written.
    """
    root = options.course or environment.root
    variables = environ(environment)
    variables["AUTOGRADER_COURSE"] = str(root)
    page = START_PAGE
    try:
        variables["AUTOGRADER_LANGUAGE"] = _language(environment, options.language)
        # The start page remembers there what is chosen on it.
        variables["AUTOGRADER_LANGUAGE_FILE"] = str(_memory(environment))
        variables |= _jupyter(environment, "instructor" if options.instructor else "student")
        # BEYOND_EXCHANGE is the older name.
        named = variables.get("AUTOGRADER_EXCHANGE") or variables.get("BEYOND_EXCHANGE")
        exchange = Path(named or root / "exchange")
        if os.name != "nt":  # nbgrader's exchange needs Unix's file owners
            exchange.mkdir(parents=True, exist_ok=True)
        (root / "work" / variables["AUTOGRADER_LANGUAGE"]).mkdir(parents=True, exist_ok=True)
        if options.instructor:
            (root / "term").mkdir(exist_ok=True)  # Formgrader makes the gradebook, not its folder
            page = write_instructor_page(environment.python, root, variables) or page
        else:
            new = copy_missing(root / "release", root / "work")
            if new:
                say(f"New in work/: {', '.join(new)}.")
            page = write_start_page(root) or page
    except OSError as error:
        raise faults.from_os(error, "preparing JupyterLab") from error

    command = [str(environment.python), "-m", "jupyterlab", f"--ServerApp.root_dir={root}"]
    extensions = environment.pins / "jupyter" / "labextensions"
    command.append(f"--LabApp.extra_labextensions_path={extensions}")
    if (root / page).is_file():
        command.append(f"--LabApp.default_url=/lab/tree/{page}")
    if options.port is not None:
        command += [f"--ServerApp.port={options.port}", "--ServerApp.port_retries=0"]
    if options.no_browser:
        command.append("--no-browser")
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        command.append("--allow-root")
    say("Starting JupyterLab; stop it here with Ctrl-C.")
    return command + options.jupyter, variables


def write_instructor_page(
    python: Path, root: Path, variables: dict[str, str], seconds: float = 120
) -> str | None:
    """Write the instructor's start page, which says how each assignment stands.

    Args:
        python: that of the course's environment.
        root: the folder with the course.
        variables: the environment variables of what runs in it.
        seconds: the most that it may take.

    Returns:
        The page's path below `root`; None where it can't be written.
    """
    command = [str(python), "-m", "autograder", "term", "page", "--course", str(root)]
    if language := variables.get("AUTOGRADER_LANGUAGE"):
        command += ["--language", language]
    try:
        done = subprocess.run(
            command, env=variables, cwd=root, capture_output=True, timeout=seconds, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return INSTRUCTOR_PAGE if done.returncode == 0 else None


def environ(environment: Environment) -> dict[str, str]:
    """Return the environment variables of everything that runs in the environment.

    Jupyter, IPython and matplotlib keep their files in the project's `.cache`, so that they don't
    interfere with the user's own settings.
    """
    variables = plain_environ()
    cache = environment.cache
    variables["VIRTUAL_ENV"] = str(environment.folder)
    variables["PATH"] = os.pathsep.join([str(environment.scripts), variables.get("PATH", "")])
    variables["JUPYTER_DATA_DIR"] = str(cache / "jupyter" / "data")
    variables["JUPYTER_RUNTIME_DIR"] = str(cache / "jupyter" / "runtime")
    variables["JUPYTER_PLATFORM_DIRS"] = "1"
    variables["IPYTHONDIR"] = str(cache / "ipython")
    variables["MPLCONFIGDIR"] = str(cache / "matplotlib")
    variables.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    return variables


def copy_missing(release: Path, work: Path) -> list[str]:
    """Copy new files from `release` to `work`; never change existing ones of the student's.

    The file with students' own values isn't theirs: a later release may have more students in it.

    Each file is written under a temporary name and renamed, so a full disk leaves no partial file.

    Returns:
        The assignments that got a file, as "en/quiz".
    """
    new: dict[str, None] = {}
    for path in sorted(release.glob("*/*/**/*")):
        parts = path.relative_to(release).parts
        target = work.joinpath(*parts)
        if not path.is_file() or ".ipynb_checkpoints" in parts:
            continue
        is_old = path.name == OWN_VALUES and target.is_file() and not _same(path, target)
        if target.exists() and not is_old:
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        beside = target.with_name(f".{target.name}.new")
        try:
            shutil.copyfile(path, beside)
            os.replace(beside, target)
        finally:
            beside.unlink(missing_ok=True)
        new["/".join(parts[:2])] = None
    return list(new)


def _same(one: Path, other: Path) -> bool:
    return one.read_bytes() == other.read_bytes()


def _jupyter(environment: Environment, role: str) -> dict[str, str]:
    """Return the folders of Jupyter's settings: this role's, then the user's own changes."""
    settings = environment.pins / "jupyter"
    own = environment.cache / "jupyter" / role
    own.mkdir(parents=True, exist_ok=True)
    folders = [settings / role, settings / "all"]
    if os.name == "nt":
        folders.insert(0, settings / "windows")
    return {
        "JUPYTER_CONFIG_PATH": os.pathsep.join(map(str, folders)),
        "JUPYTER_CONFIG_DIR": str(own),
    }


def _language(environment: Environment, chosen: str | None) -> str:
    """Return the chosen language and remember it; else the remembered one, else the system's."""
    memory = _memory(environment)
    known = languages(environment.root)
    if chosen:
        environment.cache.mkdir(parents=True, exist_ok=True)
        memory.write_text(chosen, encoding="utf-8")
        return chosen
    if memory.is_file() and memory.read_text(encoding="utf-8") in known:
        return memory.read_text(encoding="utf-8")
    system = os.environ.get("LC_ALL") or os.environ.get("LANG") or locale.getlocale()[0] or ""
    code = "ko" if system.lower().startswith(("ko", "korean")) else "en"
    return code if code in known else known[0]


def _memory(environment: Environment) -> Path:
    """Return the file that remembers the language."""
    return environment.cache / "language"


def check_port(port: int) -> None:
    """Require that a port can be listened on.

    Raises:
        Fault: it can't.
    """
    if not 1 <= port <= 65535:
        raise Fault(f"{port} is no port; choose one from 1024 to 65535.", faults.USAGE)
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        if sys.platform != "win32":
            # A port that was closed a moment ago is free; without this it looks taken.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except PermissionError as error:
            raise Fault(
                f"Port {port} is reserved for the system; choose one from 1024 on, "
                "for example --port 8889.",
                faults.USAGE,
            ) from error
        except OSError as error:
            raise Fault(
                f"Port {port} is taken by another program; choose another, for example "
                f"--port {port + 1 if port < 65535 else 8889}."
            ) from error
