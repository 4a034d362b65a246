"""A term that the version before began goes on with this one, unchanged.

`tests/data/make_upgrade_term.py` made the term with that version's own command; see there for
what is in it. Everything here goes through the command, as an instructor upgrades: new code, the
same folder.
"""

from __future__ import annotations

import json
import os
import re
import sqlite3
import subprocess
import sys
import tarfile
from dataclasses import dataclass
from pathlib import Path

import pytest
import typer

from autograder.cli import app
from autograder.config import Course
from tests.data.make_upgrade_term import GIVEN_FEEDBACK, HERE, scores

ROOT = Path(__file__).resolve().parents[2]
BEFORE = json.loads((HERE / "before.json").read_text(encoding="utf-8"))
WAITING = {"kai", "minjun", "seoyeon", "leo", "mina"}
IN_HANDS = {"noah", "olga", "sam"}


@dataclass(frozen=True)
class Upgraded:
    """The term after this version has graded, and what it was like before.

    Attributes:
        folder: the course folder.
        pages: the feedback that the version before wrote, by student.
        graded_at: when each executed notebook was written before the upgrade, by student.
        said: what the command printed, by verb.
    """

    folder: Path
    pages: dict[str, bytes]
    graded_at: dict[str, int]
    said: dict[str, str]

    def run(self, *words: str | Path, ends: tuple[int, ...] = (0,)) -> str:
        """Run the command of this version on the term."""
        return command(self.folder, *words, ends=ends)


def command(folder: Path, *words: str | Path, ends: tuple[int, ...] = (0,)) -> str:
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "notebooks")]),
        "COLUMNS": "200",
    }
    done = subprocess.run(
        [sys.executable, "-m", "autograder", *map(str, words), "--course", str(folder)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in ends, done.stdout + done.stderr
    return done.stdout


def executed(folder: Path, assignment: str) -> dict[str, int]:
    """When the executed notebook of each student was written, in nanoseconds."""
    found = folder.glob(f"term/autograded/*/{assignment}/{assignment}.ipynb")
    return {path.parts[-3]: path.stat().st_mtime_ns for path in found}


def sums(folder: Path, assignment: str) -> dict[str, float]:
    found = scores(folder / "term" / "gradebook.db")[assignment]
    return {
        student: sum(score or 0 for score in cells.values()) for student, cells in found.items()
    }


@pytest.fixture(scope="module")
def upgraded(tmp_path_factory: pytest.TempPathFactory) -> Upgraded:
    place = tmp_path_factory.mktemp("upgrade")
    with tarfile.open(HERE / "term.tar.xz") as packed:
        # Debian 12's Python has no filters yet; what is packed is the test's own.
        filtered = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
        packed.extractall(place, **filtered)
    folder = place / "term"
    pages = {
        name: (folder / "term" / "feedback" / name / "quiz" / "quiz.html").read_bytes()
        for name in GIVEN_FEEDBACK
    }
    graded_at = executed(folder, "quiz")
    said = {"grade": command(folder, "grade", "quiz")}
    return Upgraded(folder, pages, graded_at, said)


def test_only_what_is_new_is_graded(upgraded: Upgraded) -> None:
    now = executed(upgraded.folder, "quiz")
    assert set(upgraded.graded_at) == set(BEFORE["scores"]["quiz"])
    assert {name: now[name] for name in upgraded.graded_at} == upgraded.graded_at
    assert set(now) - set(upgraded.graded_at) >= WAITING - set(upgraded.graded_at)


def test_every_score_is_kept_cell_by_cell(upgraded: Upgraded) -> None:
    upgraded.run("grade", "cost-formula")
    now = scores(upgraded.folder / "term" / "gradebook.db")
    for assignment, students in BEFORE["scores"].items():
        assert students
        for student, cells in students.items():
            assert now[assignment][student] == pytest.approx(cells), (assignment, student)


def test_what_waited_is_graded_as_expected(upgraded: Upgraded) -> None:
    found = sums(upgraded.folder, "quiz")
    expected = {name: BEFORE["expected"]["quiz"][name]["score"] for name in WAITING}
    assert {name: found[name] for name in WAITING} == expected


def test_the_table_shows_old_and_new(upgraded: Upgraded) -> None:
    for name in {*BEFORE["scores"]["quiz"], *WAITING}:
        assert re.search(rf"│ {name} +│ +[\d.]+ / 16 │", upgraded.said["grade"]), name


def test_grading_anew_gives_the_same_scores(upgraded: Upgraded) -> None:
    upgraded.run("grade", "cost-formula", "--again")
    now = scores(upgraded.folder / "term" / "gradebook.db")["cost-formula"]
    assert now.keys() == BEFORE["scores"]["cost-formula"].keys()
    for student, cells in BEFORE["scores"]["cost-formula"].items():
        assert now[student] == pytest.approx(cells), student


def test_a_notebook_in_a_students_hands_is_collected_and_graded(upgraded: Upgraded) -> None:
    mine = (upgraded.folder / "hands" / "noah" / "quiz.ipynb").read_text(encoding="utf-8")
    assert "from beyond.checks import" in mine
    assert '"beyond": {' in mine
    upgraded.run(
        "collect",
        "quiz",
        upgraded.folder / "hands",
        "--received",
        "2025-03-12T09:30:00",
        ends=(0, 1),
    )
    upgraded.run("grade", "quiz")
    found = sums(upgraded.folder, "quiz")
    expected = {name: BEFORE["expected"]["quiz"][name]["score"] for name in IN_HANDS}
    assert {name: found[name] for name in IN_HANDS} == expected


def test_feedback_goes_on(upgraded: Upgraded) -> None:
    upgraded.run("feedback", "quiz")
    pages = {path.parts[-3] for path in upgraded.folder.glob("term/feedback/*/quiz/quiz.html")}
    assert pages >= {*BEFORE["scores"]["quiz"], *WAITING}
    for name, page in upgraded.pages.items():
        assert b"</html>" in page
        again = upgraded.folder / "term" / "feedback" / name / "quiz" / "quiz.html"
        assert points_on(again.read_bytes()) == points_on(page) != []


def test_the_report_has_the_whole_class(upgraded: Upgraded, tmp_path: Path) -> None:
    upgraded.run("report", "quiz", "--to", tmp_path)
    written = "".join(path.read_text(encoding="utf-8") for path in sorted(tmp_path.rglob("*.csv")))
    assert all(name in written for name in {*BEFORE["scores"]["quiz"], *WAITING})


def test_a_released_assignment_can_be_released_again(upgraded: Upgraded) -> None:
    upgraded.run("release", "cost-formula")
    now = scores(upgraded.folder / "term" / "gradebook.db")["cost-formula"]
    assert now.keys() == BEFORE["scores"]["cost-formula"].keys()


def test_the_gradebook_is_still_nbgraders(upgraded: Upgraded) -> None:
    connection = sqlite3.connect(upgraded.folder / "term" / "gradebook.db")
    try:
        (found,) = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    finally:
        connection.close()
    assert found
    with Course(upgraded.folder).gradebook() as gradebook:
        assert {one.name for one in gradebook.assignments} == set(BEFORE["scores"])


@pytest.mark.parametrize("verb", sorted(BEFORE["options"]))
def test_every_option_is_still_accepted(verb: str) -> None:
    commands = typer.main.get_command(app).commands
    assert verb in commands
    now = {word for one in commands[verb].params for word in [*one.opts, *one.secondary_opts]}
    assert {word for word in BEFORE["options"][verb] if word.startswith("-")} <= now


def test_every_configuration_key_is_still_set(tmp_path: Path) -> None:
    config = Course(tmp_path).nbgrader_config()
    now = {f"{name}.{key}" for name in config for key in config[name]}
    assert set(BEFORE["keys"]) <= now


@pytest.mark.parametrize(
    ("name", "attribute"),
    [("BEYOND_COURSE", "root"), ("BEYOND_GRADEBOOK", "database"), ("BEYOND_EXCHANGE", "exchange")],
)
def test_the_environments_names_are_still_heard(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, attribute: str
) -> None:
    value = f"sqlite:///{tmp_path}/book.db" if attribute == "database" else str(tmp_path)
    monkeypatch.setenv(name, value)
    course = Course.here()
    found = {
        "root": str(course.root),
        "database": course.database,
        "exchange": course.nbgrader_config().Exchange.root,
    }
    assert found[attribute] == value


def points_on(page: bytes) -> list[str]:
    """Every "n / m" in the score tables of a feedback page, in whichever order it lists them."""
    cells = re.findall(r'<td class="number[^"]*">([^<]*)</td>', page.decode("utf-8"))
    return sorted(" ".join(one.split()) for one in cells if "/" in one)
