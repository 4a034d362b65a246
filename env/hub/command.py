"""Read the words of `python3 env hub`, and do what they say in order."""

from __future__ import annotations

import argparse
import os
import re
import socket
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import faults
import lab
from environment import Environment
from faults import USAGE, Fault
from hub import accounts, class_list, files, limits, packages
from hub.layout import Layout
from hub.settings import HubSettings

SERVER = Path(__file__).resolve().parent / "server"


def add_options(parser: argparse.ArgumentParser, languages: list[str]) -> None:
    """Give the launcher's parser the options of `hub`."""
    parser.add_argument(
        "--instructor",
        required=True,
        type=_names,
        metavar="NAME[,NAME]",
        help="the instructors' Unix user names; the first owns the course's files",
    )
    parser.add_argument(
        "--roster",
        required=True,
        type=Path,
        metavar="FILE",
        help="the class list; the ids are the students' Unix users",
    )
    parser.add_argument(
        "--users",
        choices=("system", "native"),
        default="system",
        help="which passwords to use: the system's (PAM), or the hub's own",
    )
    parser.add_argument(
        "--create-users", action="store_true", help="create the Unix users that are missing"
    )
    parser.add_argument(
        "--folder", type=Path, metavar="FOLDER", help="the hub's files (/srv/<course>)"
    )
    parser.add_argument(
        "--group", metavar="NAME", help="the Unix group of instructors (<course>-instructors)"
    )
    parser.add_argument(
        "--environment",
        type=Path,
        metavar="FOLDER",
        help="an existing environment that all users can read, instead of a new one",
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (%(default)s)")
    parser.add_argument("--port", type=int, default=8000, metavar="N", help="port (%(default)s)")
    parser.add_argument(
        "--domain",
        default="",
        metavar="URL",
        help="the hub's address, below which each user's server gets a host name of its own",
    )
    parser.add_argument("--certificate", type=Path, metavar="FILE", help="with --key, for HTTPS")
    parser.add_argument("--key", type=Path, metavar="FILE")
    parser.add_argument(
        "--memory", type=float, default=4, metavar="GB", help="the limit of each user (%(default)s)"
    )
    parser.add_argument("--cores", type=int, default=2, metavar="N", help="(%(default)s)")
    parser.add_argument(
        "--idle",
        type=float,
        default=60,
        metavar="MINUTES",
        help="stop a server when it has been idle this long (%(default)s; 0 means never)",
    )
    parser.add_argument(
        "--language", choices=languages, default=languages[0], help="the Assignment List's"
    )
    parser.add_argument("--postgres", default="", metavar="URL", help="the gradebook's address")
    parser.add_argument("--dask", default="", metavar="ADDRESS", help="the scheduler for grading")
    parser.add_argument(
        "--no-start", action="store_true", help="only set up; start later with the same command"
    )
    parser.add_argument("--dry-run", action="store_true", help="only show what would be done")


def _names(words: str) -> list[str]:
    """Return the names in a list with commas, each once."""
    return list(dict.fromkeys(filter(None, (name.strip() for name in words.split(",")))))


def check(options: argparse.Namespace) -> None:
    """Check what can be checked before anything is read or made.

    Raises:
        Fault: this can't work.
    """
    if not sys.platform.startswith("linux"):
        raise Fault("A hub needs Linux, because every student is a Unix user.", USAGE)
    if os.geteuid() != 0:
        raise Fault("A hub starts a server as each user, which only root can do; use sudo.", USAGE)
    if not options.instructor:
        raise Fault("--instructor names nobody; name a Unix user, or several with commas.", USAGE)
    if not options.roster.is_file():
        raise Fault(f"There is no class list {options.roster}; name the file.", USAGE)
    if options.memory <= 0.25 or options.cores < 1 or options.idle < 0:
        raise Fault(
            "--memory must be more than 0.25, --cores at least 1, --idle at least 0.", USAGE
        )
    if bool(options.certificate) != bool(options.key):
        raise Fault("--certificate and --key go together; name both files.", USAGE)
    for file in (options.certificate, options.key):
        if file and not file.is_file():
            raise Fault(f"There is no file {file}; name the one with the PEM text.", USAGE)
    if options.postgres and not options.postgres.startswith("postgresql"):
        raise Fault("--postgres takes an address such as postgresql://user@host/name.", USAGE)
    if urlsplit(options.postgres).password or "password" in parse_qs(
        urlsplit(options.postgres).query
    ):
        raise Fault(
            "Every user of this machine can read a password on a command line; leave it out of "
            "--postgres and put it in the instructor's ~/.pgpass.",
            USAGE,
        )
    if options.domain and not re.fullmatch(r"https?://[\w-]+(\.[\w-]+)*(:\d+)?", options.domain):
        raise Fault("--domain takes an address such as https://hub.example.edu.", USAGE)
    if options.dask and not re.fullmatch(r"\w+://\S+", options.dask):
        raise Fault("--dask takes an address such as tcp://host:8786.", USAGE)
    if not options.dry_run and not options.no_start:
        lab.check_port(options.port)


def run(
    environment: Environment, options: argparse.Namespace, say: Callable[[str], None]
) -> tuple[list[str], dict[str, str]] | None:
    """Set the hub up.

    Returns:
        The command that starts it and its variables; None if it isn't to be started.

    Raises:
        Fault: something is in the way; what is done so far is used by the next start.
    """
    root = environment.root
    instructors = options.instructor
    owner = instructors[0]
    course_id = _course_id(root)
    layout = Layout((options.folder or Path("/srv") / course_id).resolve())
    group = options.group or f"{course_id}-instructors"
    files.require_roots(layout)
    files.require_trusted(root, "the clone")
    if options.environment:
        files.require_trusted(options.environment.resolve(), "the environment")
    if root.resolve().is_relative_to(layout.folder) or layout.folder.is_relative_to(root.resolve()):
        raise Fault(
            f"The hub's folder {layout.folder} and this clone, {root}, can't be inside each other; "
            "choose another --folder.",
            USAGE,
        )
    if options.dry_run and not environment.is_ready():
        raise Fault(
            "The class list is read with the course's environment, which doesn't exist yet; create "
            "it first with: python3 env install"
        )
    if not options.environment:
        packages.require_shared_python()
    environment.ensure()
    variables = lab.environ(environment)
    described, students = class_list.read_class(environment, variables, options.roster.resolve())
    class_list.require_unix_names(students, instructors, group)
    accounts.require_ordinary(students, group)
    groups = {number for name in students for number in accounts.groups_of(name)}
    accounts.require_own_group(instructors, groups)
    people = [*instructors, *students]
    missing = accounts.missing(people)
    if missing and not options.create_users:
        more = f" and {len(missing) - 5} more" if len(missing) > 5 else ""
        raise Fault(
            f"There is no Unix user {', '.join(missing[:5])}{more}; create them, or let this "
            "command do it with --create-users.",
            USAGE,
        )
    found = limits.mechanism()
    say(described)
    say(limits.describe(found, options.memory, options.cores))
    if options.dry_run:
        for line in _plan(root, layout, options, group, missing, len(students), groups):
            say(line)
        return None

    os.umask(0o022)  # what root makes here is read by all, or closed by name
    try:
        files.make_folders(layout)
        if files.open_to(root, groups):
            files.close(root, groups)
            say(f"Closed {root} to other users, because it holds the solutions.")
        for name in missing:
            accounts.create_user(name)
        for name in instructors:
            accounts.ensure_group(group, name)
        passwords = people if options.users == "native" else missing
        known = accounts.first_passwords(layout.first_passwords, passwords)
        if options.users == "system":
            for name in missing:
                accounts.set_password(name, known[name])
        if missing:
            say(f"Created {len(missing)} Unix users.")
        files.unpack_bundle(environment, variables, layout)
        files.place_settings(root, layout)
        packages.install_hub(layout, say)
        if not options.environment:
            packages.install_students(layout)
        settings = _settings(options, layout, course_id, group, students)
        packages.install_singleuser(
            layout, settings.python, bool(options.postgres), bool(options.dask)
        )
        packages.require_starts(
            settings.python, people[-1], settings.variables(people[-1], "student")
        )
        other = files.copy_course(root, layout, owner, group)
        if other:
            count = f"{other} file{'' if other == 1 else 's'}"
            say(f"{layout.course} has {count} different from this clone; none was overwritten.")
        files.make_exchange(layout, course_id, owner, group)
        files.enroll(
            settings.variables(owner, "instructor"),
            settings.python,
            options.roster,
            layout,
            owner,
        )
        settings.write()
    except OSError as error:
        raise faults.from_os(error, "setting up the hub") from error
    if passwords:
        say(f"The first passwords are in {layout.first_passwords}, which only root can read.")
    if options.no_start:
        say(f"The hub in {layout.folder} is set up.")
        return None
    scheme = "https" if options.certificate else "http"
    if scheme == "http" and options.host not in ("127.0.0.1", "::1", "localhost"):
        say("Passwords are sent unencrypted; use --certificate and --key, or a proxy with HTTPS.")
    say(f"Starting the hub at {scheme}://{options.host}:{options.port}; stop it here with Ctrl-C.")
    return _start(layout)


def _start(layout: Layout) -> tuple[list[str], dict[str, str]]:
    python = packages.hub_python(layout)
    os.chdir(layout.hub)
    return (
        [str(python), "-m", "jupyterhub", "-f", str(SERVER / "jupyterhub_config.py")],
        {
            "COURSE_HUB_SETTINGS": str(layout.settings),
            "HOME": str(layout.hub),
            "LANG": os.environ.get("LANG", "C.UTF-8"),
            "PATH": f"{python.parent}{os.pathsep}/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONUTF8": "1",
        },
    )


def _settings(
    options: argparse.Namespace, layout: Layout, course_id: str, group: str, students: list[str]
) -> HubSettings:
    folder = options.environment.resolve() if options.environment else layout.student / ".venv"
    hub_port, proxy_port = _free_ports(2)
    return HubSettings(
        course_id=course_id,
        folder=str(layout.folder),
        scripts=str(folder / "bin"),
        instructors=group,
        students=students,
        users=options.users,
        host=options.host,
        port=options.port,
        hub_port=hub_port,
        proxy_port=proxy_port,
        memory_bytes=int(options.memory * 2**30),
        cores=options.cores,
        idle_minutes=options.idle,
        language=options.language,
        gradebook=options.postgres,
        scheduler=options.dask,
        domain=options.domain,
        certificate=str(options.certificate.resolve()) if options.certificate else "",
        key=str(options.key.resolve()) if options.key else "",
    )


def _plan(
    root: Path,
    layout: Layout,
    options: argparse.Namespace,
    group: str,
    missing: list[str],
    students: int,
    groups: set[int],
) -> list[str]:
    """Return what would be done, a line each."""
    return [
        f"Nothing was done. For {students} students and {', '.join(options.instructor)}, "
        "this would:",
        *([f"  close {root} to other users"] if files.open_to(root, groups) else []),
        *([f"  create the Unix users {', '.join(missing)}"] if missing else []),
        f"  put {', '.join(options.instructor)} into the group {group}",
        f"  {layout.student}: the bundle and its environment; owned by root, readable by all",
        f"  {layout.course}: the course and its gradebook; closed to all but {group}",
        f"  {layout.exchange}: nbgrader's exchange, owned by {options.instructor[0]}",
        f"  {layout.hub}: JupyterHub, proxy, database and secrets; only for root",
        f"  listen on {options.host}:{options.port}, with passwords of "
        + ("the system (PAM)" if options.users == "system" else "the hub's own"),
    ]


def _course_id(root: Path) -> str:
    with (root / "pyproject.toml").open("rb") as file:
        settings = tomllib.load(file).get("tool", {}).get("autograder", {})
    return str(settings.get("course-id") or root.name)


def _free_ports(count: int) -> list[int]:
    probes = [socket.socket() for _ in range(count)]
    try:
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]
    finally:
        for probe in probes:
            probe.close()
