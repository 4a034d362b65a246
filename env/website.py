"""Build the course site: execute the lessons, then run Sphinx in an environment of its own."""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import faults
import lab
from environment import Environment, plain_environ
from faults import Fault

OUTPUT = Path("build/site")
MARK = ".nojekyll"  # what each site has, and no other folder of the user's


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the verb's options."""
    parser.add_argument(
        "lessons", nargs="*", metavar="LESSON", help="only these, such as 04 (otherwise all)"
    )
    parser.add_argument(
        "--output", type=Path, default=OUTPUT, metavar="FOLDER", help="otherwise %(default)s"
    )


def chosen(root: Path, wanted: Sequence[str]) -> list[str]:
    """Return the names of the lessons that begin as `wanted` says; all if it is empty.

    Raises:
        Fault: none begins so.
    """
    names = sorted(path.stem for path in (root / "notebooks" / "en").glob("*.ipynb"))
    for start in wanted:
        if not any(name.startswith(start) for name in names):
            raise Fault(
                f"There is no lesson {start!r}; name it as its file begins ({', '.join(names)}).",
                faults.USAGE,
            )
    return [name for name in names if not wanted or name.startswith(tuple(wanted))]


def require_replaceable(output: Path) -> None:
    """Require that a folder isn't there, is empty, or is an earlier site.

    Raises:
        Fault: it has something else in it.
    """
    is_site = (output / MARK).is_file() and not (output / ".git").exists()
    if output.exists() and not is_site and any(output.iterdir()):
        raise Fault(
            f"The folder {output} has something in it that isn't a site, which would be lost; give "
            "--output another one.",
            faults.USAGE,
        )


def build(
    environment: Environment, lessons: Sequence[str], output: Path, say: Callable[[str], None]
) -> None:
    """Build the site into `output`; an earlier one there stays until the new one is finished.

    Args:
        environment: the course's, which executes the lessons.
        lessons: their names.
        output: the folder for the site.
        say: tells what happens.

    Raises:
        Fault: the site can't be built.
    """
    docs = environment.root / "docs"
    say(f"Executing {len(lessons)} lessons in both languages, unless it was done before.")
    command = [str(environment.python), str(docs / "execute.py"), *lessons]
    _run(command, lab.environ(environment), environment.root, "A lesson could not be executed")
    python = environment.make_beside(
        environment.cache / "site" / "environment", docs / "requirements.txt"
    )
    say("Building the pages.")
    output = output.resolve()
    beside = output.with_name(f".{output.name}.new")
    work = environment.cache / "site" / "pages"
    try:
        shutil.rmtree(beside, ignore_errors=True)
        command = [str(python), str(docs / "build.py"), "--output", str(beside)]
        command += ["--work", str(work), *lessons]
        _run(command, plain_environ(), environment.root, "Sphinx could not build the site")
        if output.exists():
            shutil.rmtree(output)
        os.replace(beside, output)
    except OSError as error:
        raise faults.from_os(error, "building the site") from error


def _run(command: list[str], variables: dict[str, str], root: Path, failed: str) -> None:
    done = subprocess.run(command, env=variables, cwd=root, check=False)
    if done.returncode:
        raise Fault(f"{failed}; correct what is reported above, and start again.", done.returncode)
