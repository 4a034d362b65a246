"""Parse the launcher's command line, and run its verbs."""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn

import faults
import lab
from environment import Environment
from faults import Fault

ROOT = Path(__file__).resolve().parent.parent
HELP = """\
python3 env lab [--instructor] …    open the course in JupyterLab (lab --help tells the rest)
python3 env run COMMAND ARGS…       run a command in the course's environment
python3 env test [PYTEST ARGS…]     run every test
python3 env install [--fresh]       only make the environment
python3 env pack FOLDER             put what it takes in a folder, for rooms without a network
python3 env site [LESSON …]         build the course site, for any static host (site --help)
python3 env wheel                   build a wheel for Colab, Kaggle or another environment
python3 env hub --instructor NAME … set up and start a JupyterHub for a class (hub --help)

lab and install take --offline FOLDER: such a folder, instead of a package index.

The first start makes the environment, in .venv; later ones take seconds. The course's own
command is `autograder`: python3 env run autograder --help"""
VERBS = ("lab", "run", "test", "install", "pack", "site", "wheel", "hub")
# Two at a time, because the tests spend half of their time waiting; in the order of
# tests/conftest.py, which knows the long ones.
EVERY_TEST = ("-n", "2", "--dist", "loadscope", "--no-loadscope-reorder")


def main(arguments: list[str]) -> int:
    """Run one verb; return the exit code."""
    _speak_unicode()
    try:
        return _main(arguments)
    except Fault as fault:
        print(fault, file=sys.stderr)
        return fault.exit_code
    except KeyboardInterrupt:
        print("\nStopped. Start again any time; nothing half-made is used.", file=sys.stderr)
        return faults.INTERRUPTED


def _main(arguments: list[str]) -> int:
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(HELP)
        return 0 if arguments else faults.USAGE
    verb, rest = arguments[0], arguments[1:]
    if verb not in VERBS:
        raise Fault(
            f"There is no {verb!r}; use one of {', '.join(VERBS)} (python3 env --help tells more).",
            faults.USAGE,
        )
    environment = Environment(ROOT, _say)
    if verb == "lab":
        options = _lab_options(rest)
        lab.check(options, environment.pins / "jupyter")
        environment.offline = options.offline
        environment.ensure()
        prepared = lab.prepare(environment, options, _say)
        environment.compile(wait=False)
        return _become(*prepared, cwd=options.course or ROOT)
    if verb == "run":
        if not rest:
            raise Fault(
                "run needs a command, as in: python3 env run autograder --help", faults.USAGE
            )
        environment.ensure()
        environment.compile(wait=False)
        environ = lab.environ(environment)
        return _become([_find(rest[0], environ["PATH"]), *rest[1:]], environ)
    if verb == "test":
        if not (ROOT / "tests").is_dir():
            raise Fault(
                "There are no tests in a student's files; they are in the instructor's course.",
                faults.USAGE,
            )
        environment.ensure(test=True)
        environment.compile(wait=True)
        command = [str(environment.python), "-m", "pytest", *(rest or EVERY_TEST)]
        return _become(command, lab.environ(environment), cwd=ROOT)
    if verb == "hub":
        return _hub(environment, rest)
    if verb == "site":
        return _site(environment, rest)
    if verb == "wheel":
        return _wheel(environment, rest)
    parsed = _parse(verb, rest)
    if verb == "pack":
        environment.ensure()
        environment.pack(parsed.folder)
        print(f"Packed; take {parsed.folder} along, and start with: --offline FOLDER")
        return 0
    environment.offline = parsed.offline
    environment.ensure(fresh=parsed.fresh)
    environment.compile(wait=parsed.compile)
    print(f"The environment in {environment.folder} is ready.")
    return 0


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise Fault(f"{message}; {self.prog} --help tells what there is.", faults.USAGE)


def _lab_options(arguments: list[str]) -> argparse.Namespace:
    parser = _Parser(
        "python3 env lab", description="Open the course in JupyterLab.", allow_abbrev=False
    )
    parser.add_argument(
        "--instructor",
        action="store_true",
        help="with Formgrader and Create Assignment, on the course's gradebook",
    )
    parser.add_argument(
        "--course",
        type=Path,
        metavar="FOLDER",
        help="with --instructor: another course folder, as `autograder demo` makes",
    )
    parser.add_argument(
        "--language",
        choices=lab.languages(ROOT),
        metavar="CODE",
        help="the language of your assignments in the Assignment List (%(choices)s)",
    )
    parser.add_argument(
        "--port", type=int, metavar="N", help="listen there (otherwise any free port)"
    )
    _add_offline(parser)
    parser.add_argument("--no-browser", action="store_true", help="only print the address")
    parser.add_argument("jupyter", nargs="*", metavar="-- ARGS", help="passed on to JupyterLab")
    return parser.parse_args(arguments)


def _hub(environment: Environment, arguments: list[str]) -> int:
    if not (environment.pins / "hub").is_dir():
        raise Fault(
            "There is no hub in a student's files; it is in the instructor's course.", faults.USAGE
        )
    from hub import command

    parser = _Parser(
        "python3 env hub",
        description="Set up and start a JupyterHub for a class, on this machine.",
        allow_abbrev=False,
    )
    command.add_options(parser, lab.languages(ROOT))
    options = parser.parse_args(arguments)
    command.check(options)
    start = command.run(environment, options, _say)
    return _become(*start) if start else 0


def _site(environment: Environment, arguments: list[str]) -> int:
    if not (ROOT / "docs").is_dir():
        raise Fault(
            "There is no site in a student's files; it is in the instructor's course.", faults.USAGE
        )
    import website

    parser = _Parser(
        "python3 env site",
        description="Build the course site: the lessons with their outputs, in both languages.",
        allow_abbrev=False,
    )
    website.add_options(parser)
    options = parser.parse_args(arguments)
    names = website.chosen(ROOT, options.lessons)
    website.require_replaceable(options.output)
    environment.ensure()
    website.build(environment, names, options.output, _say)
    print(f"The site is in {options.output}; copy that folder to any static host.")
    return 0


def _wheel(environment: Environment, arguments: list[str]) -> int:
    import wheelhouse

    parser = _Parser(
        "python3 env wheel",
        description="Build a wheel of the lessons' library and the students' commands.",
        allow_abbrev=False,
    )
    wheelhouse.add_options(parser)
    options = parser.parse_args(arguments)
    environment.ensure()
    wheel = wheelhouse.build(ROOT, environment.python, options.output)
    print(f"The wheel is {wheel} ({wheelhouse.megabytes(wheel):.1f} MB).")
    print("notebooks/ELSEWHERE.md says how to use it.")
    return 0


def _parse(verb: str, arguments: list[str]) -> argparse.Namespace:
    parser = _Parser(f"python3 env {verb}", allow_abbrev=False)
    if verb == "pack":
        parser.add_argument("folder", type=Path, metavar="FOLDER", help="made if it isn't there")
        return parser.parse_args(arguments)
    parser.add_argument("--fresh", action="store_true", help="from nothing, even if it is ready")
    parser.add_argument(
        "--compile", action="store_true", help="compile to bytecode before this command ends"
    )
    _add_offline(parser)
    return parser.parse_args(arguments)


def _add_offline(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--offline",
        type=_packed,
        metavar="FOLDER",
        help="install from a folder that `python3 env pack` made, without a network",
    )


def _packed(name: str) -> Path:
    if not any(Path(name).glob("*.whl")):
        raise argparse.ArgumentTypeError(
            f"there are no packages in {name} (python3 env pack FOLDER puts them in a folder)"
        )
    return Path(name).resolve()


def _find(command: str, path: str) -> str:
    found = shutil.which(command, path=path)
    if not found:
        raise Fault(
            f"There is no command {command!r} in the course's environment or on this machine; "
            "the course's own is called autograder.",
            faults.NOT_FOUND,
        )
    return found


def _become(command: list[str], environ: Mapping[str, str], cwd: Path | None = None) -> int:
    """Replace this process with `command`, so that signals and the exit code are its own."""
    if cwd:
        os.chdir(cwd)
    sys.stdout.flush()
    if os.name != "nt":
        try:
            os.execve(command[0], command, dict(environ))
        except OSError as error:
            raise faults.from_os(error, f"starting {command[0]}") from error
    # Windows has no exec: the child shares the console and gets Ctrl-C itself.
    with subprocess.Popen(command, env=dict(environ)) as child:
        while True:
            try:
                return child.wait()
            except KeyboardInterrupt:
                continue


def _say(line: str) -> None:
    print(line, flush=True)


def _speak_unicode() -> None:
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(
                errors="replace"
            )  # a terminal in the C or CP949 encoding must not cause an error
