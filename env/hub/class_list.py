"""Read who is in the class, and require that each can be a Unix user of their own."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

from environment import Environment
from faults import USAGE, Fault

# The grader's own reader knows what every LMS exports; it runs in the course's environment.
_READ = """
import json, sys
from pathlib import Path
from autograder.errors import UserError
from autograder.intake.roster_file import read_roster
try:
    roster = read_roster(Path(sys.argv[1]))
except UserError as error:
    sys.exit(str(error))
print(json.dumps([roster.describe(), [one.id for one in roster.people]]))
"""
_UNIX_NAME = re.compile(r"[a-z_][a-z0-9_-]{0,31}")


def read_class(
    environment: Environment, variables: Mapping[str, str], roster: Path
) -> tuple[str, list[str]]:
    """Return what was understood of a class list, and the students' ids.

    Raises:
        Fault: the list can't be read; the sentence is the grader's.
    """
    done = subprocess.run(
        [str(environment.python), "-c", _READ, str(roster)],
        capture_output=True,
        text=True,
        encoding="utf-8",
        env=dict(variables),
        check=False,
        cwd="/",  # from where root stands, Python would import
    )
    if done.returncode:
        said = done.stderr.strip().splitlines() or ["no reason given"]
        raise Fault(said[-1], USAGE)
    described, ids = json.loads(done.stdout.strip().splitlines()[-1])
    return described, ids


def require_unix_names(students: list[str], instructors: list[str], group: str) -> None:
    """Require that every id can be a Unix user's name, and that no name has two roles.

    The exchange proves whose a submission is by the Unix user that it belongs to, so the id and the
    user's name are one.

    Raises:
        Fault: one can't.
    """
    for name in [*instructors, *students]:
        if not _UNIX_NAME.fullmatch(name):
            whose = "The instructor's name" if name in instructors else "The id"
            raise Fault(
                f"{whose} {name!r} can't be the name of a Unix user; use at most 32 lowercase "
                "letters, digits, - or _, starting with a letter or _ (such as s20251234).",
                USAGE,
            )
    if group in students:
        raise Fault(
            f"The id {group!r} is the name of the instructors' group, too; choose another --group.",
            USAGE,
        )
    for name in instructors:
        if name in students:
            raise Fault(
                f"{name} is an instructor and in the class list, too; remove that line.", USAGE
            )
