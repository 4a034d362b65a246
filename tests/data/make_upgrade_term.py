"""Make the term that `tests/autograder/test_upgrade.py` upgrades, with the version before.

    git worktree add /tmp/before f8e43e4
    python tests/data/make_upgrade_term.py /tmp/before

Everything is done by the other checkout's own command, so this file imports nothing of ours. It
writes `upgrade/term.tar.xz`, a course folder in the middle of a term, and `upgrade/before.json`,
what that version said about it and what its command accepted.

In the term, `quiz` and `cost-formula` are released, collected and graded; ada and ben have feedback
on `quiz`; what came through Moodle is collected and waits for grading; and `hands/` holds notebooks
that were released with it and haven't been handed in yet.
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent / "upgrade"
GRADED_WITH = {"quiz": "quiz-canvas.zip", "cost-formula": "cost-formula-canvas.zip"}
WAITING = "quiz-moodle.zip"
IN_HANDS = "quiz-folder"
GIVEN_FEEDBACK = ("ada", "ben")

# Run in the other version: the options of each verb, and the keys that it sets for nbgrader.
DESCRIBE = """
import json, sys
from pathlib import Path
import typer
from autograder.cli import app
try:
    from autograder.config import Course
except ImportError:
    from autograder.course import Course
verbs = typer.main.get_command(app).commands
config = Course(Path(sys.argv[1])).nbgrader_config()
print(json.dumps({
    "options": {
        name: sorted(word for one in verb.params for word in [*one.opts, *one.secondary_opts])
        for name, verb in sorted(verbs.items())
    },
    "keys": sorted(f"{name}.{key}" for name in config for key in config[name]),
}))
"""


def main(before: Path) -> None:
    """Play half a term with the checkout `before`, and pack it."""
    data = before / "tests" / "data" / "class"
    with tempfile.TemporaryDirectory() as place:
        course = Path(place) / "term"
        for name in GRADED_WITH:
            for language in ("en", "ko"):
                source = Path("source") / language / name
                shutil.copytree(before / source, course / source)
        command = Command(before, course)
        for name, delivery in GRADED_WITH.items():
            command("release", name, "--due", "2025-03-10T23:59:00+00:00")
            command("collect", name, data / delivery, "--roster", data / "roster.csv")
            command("grade", name)
        for student in GIVEN_FEEDBACK:
            command("feedback", "quiz", "--student", student)
        command("collect", "quiz", data / WAITING, "--roster", data / "roster.csv")
        shutil.copytree(data / IN_HANDS, course / "hands")
        shutil.rmtree(course / "exchange", ignore_errors=True)
        known = json.loads(command.python("-c", DESCRIBE, course))
        known["scores"] = scores(course / "term" / "gradebook.db")
        known["expected"] = json.loads((data / "expected.json").read_text(encoding="utf-8"))
        HERE.mkdir(exist_ok=True)
        (HERE / "before.json").write_text(
            json.dumps(known, indent=1, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8"
        )
        with tarfile.open(HERE / "term.tar.xz", "w:xz") as packed:
            packed.add(course, "term")


class Command:
    """The `autograder` of another checkout, on one course folder."""

    def __init__(self, before: Path, course: Path) -> None:
        self._course = course
        self._environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(before), str(before / "notebooks")]),
            "PYTHONDONTWRITEBYTECODE": "1",
        }

    def __call__(self, *words: str | Path) -> None:
        """Run a verb; exit code 1 is an answer, such as that somebody was left out."""
        print(self.python("-m", "autograder", *words, "--course", self._course, ends=(0, 1)))

    def python(self, *words: str | Path, ends: tuple[int, ...] = (0,)) -> str:
        """Return what Python prints with these arguments."""
        done = subprocess.run(
            [sys.executable, *map(str, words)],
            env=self._environment,
            cwd=self._course,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode not in ends:
            sys.exit(f"{words}: {done.stdout}{done.stderr}")
        return done.stdout


def scores(database: Path) -> dict[str, dict[str, dict[str, float | None]]]:
    """Return the automatic score of each graded cell, by assignment and student."""
    found: dict[str, dict[str, dict[str, float | None]]] = {}
    query = (
        "SELECT a.name, s.student_id, c.name, g.auto_score FROM grade g"
        " JOIN base_cell c ON c.id = g.cell_id"
        " JOIN submitted_notebook n ON n.id = g.notebook_id"
        " JOIN submitted_assignment s ON s.id = n.assignment_id"
        " JOIN assignment a ON a.id = s.assignment_id"
    )
    connection = sqlite3.connect(database)
    try:
        for assignment, student, cell, score in connection.execute(query):
            found.setdefault(assignment, {}).setdefault(student, {})[cell] = score
    finally:
        connection.close()
    return found


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]).resolve())
