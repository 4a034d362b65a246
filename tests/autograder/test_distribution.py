"""The grader by itself: built, installed into an empty environment, a term of a plain course."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from autograder.core import notebook_io

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "autograder"
ANSWERS = {"ada": "total = 42", "bob": "total = 41", "cem": "total = None"}
EXPECTED = {"ada": 3.0, "bob": 1.0, "cem": 0.0}

TEST = """with check("total is a number"):
    assert isinstance(given(total), int)
### BEGIN HIDDEN TESTS
with check("total is right", weight=2, hidden=True):
    assert given(total) == 42
### END HIDDEN TESTS
report()"""


def run(*command: object, cwd: Path, **variables: str) -> str:
    """What a command prints, in an environment that leads to no other Python and no course."""
    environ = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PYTHON", "BEYOND", "AUTOGRADER", "VIRTUAL_ENV"))
    }
    done = subprocess.run(
        list(map(str, command)),
        cwd=cwd,
        env={**environ, **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout


def described() -> dict:
    return tomllib.loads((PACKAGE / "pyproject.toml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from a copy: building leaves files beside its sources."""
    place = tmp_path_factory.mktemp("wheel")
    ignored = shutil.ignore_patterns("__pycache__", "*.egg-info", "build")
    shutil.copytree(PACKAGE, place / "autograder", ignore=ignored)
    pip = (sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation")
    run(*pip, "-w", place, "./autograder", cwd=place)
    return next(place.glob("*.whl"))


@pytest.fixture(scope="module")
def command(wheel: Path) -> Path:
    """The command of an environment that holds the wheel and what it depends on.

    The environment is kept in `.cache/`, under a hash of the dependencies: installing them takes
    minutes. The wheel itself is installed each time.
    """
    pins = (ROOT / "env" / "lock" / "course.txt").read_bytes()
    needed = json.dumps([described()["project"]["dependencies"], sys.version]).encode()
    key = hashlib.sha256(needed + pins).hexdigest()[:16]
    place = ROOT / ".cache" / "distribution" / key
    python = place / "bin" / "python"
    # The pinned pip, and from a folder of the test's own: the one that comes with Python is
    # older, and takes whatever lies in the working folder for installed.
    pip = (sys.executable, "-m", "pip", "--python", python, "install", "-q", "--no-input")
    if not (place / "complete").exists():
        shutil.rmtree(place.parent, ignore_errors=True)
        run(sys.executable, "-m", "venv", "--without-pip", place, cwd=wheel.parent)
        # Without the hashes: pip would want one of the wheel that was built here, too.
        versions = wheel.parent / "constraints.txt"
        versions.write_text(re.sub(r" \\\n +--hash=\S+", "", pins.decode()))
        run(*pip, "-c", versions, wheel, cwd=wheel.parent)
        (place / "complete").touch()
    run(*pip, "--no-deps", "--force-reinstall", wheel, cwd=wheel.parent)
    return place / "bin" / "autograder"


@pytest.fixture(scope="module")
def played(command: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """A term of a plain course in a folder with nothing but its source: where, what was said."""
    course = tmp_path_factory.mktemp("plain") / "algebra"
    source = course / "source" / "sums" / "sums.ipynb"
    write(source, cells("### BEGIN SOLUTION\ntotal = 42\n### END SOLUTION"))
    said = [run(command, "build", cwd=course)]
    said.append(run(command, "release", "sums", "--due", "2020-01-01", cwd=course))
    inbox = course / "inbox"
    given = json.loads((course / "release" / "sums" / "sums.ipynb").read_text(encoding="utf-8"))
    for student, answer in ANSWERS.items():
        for cell in given["cells"]:
            if cell["id"] == "total":
                cell["source"] = answer
        write(inbox / student / "sums.ipynb", given)
    roster = "id,first_name,last_name,email,lms_user_id\n" + "".join(
        f"{one},{one},X,{one}@example.org,{number}\n" for number, one in enumerate(ANSWERS, 1)
    )
    (course / "roster.csv").write_text(roster)
    for words in (
        ("collect", "sums", inbox, "--roster", "roster.csv", "--received", "2019-12-31"),
        ("grade", "sums"),
        ("feedback", "sums"),
        ("report", "sums"),
    ):
        said.append(run(command, *words, cwd=course, COLUMNS="200"))
    return course, said


def cells(answer: str) -> dict:
    """A notebook as nbgrader's own users write it: no languages, no entries of ours."""

    def graded(cell_id: str, source: str, **more: object) -> dict:
        marks = {"grade_id": cell_id, "schema_version": 3, "cell_type": "code", "task": False}
        metadata = {"nbgrader": {**marks, **more}}
        return code(cell_id, source, metadata)

    def code(cell_id: str, source: str, metadata: dict) -> dict:
        return {
            "cell_type": "code",
            "id": cell_id,
            "metadata": metadata,
            "source": source,
            "execution_count": None,
            "outputs": [],
        }

    return {
        "cells": [
            graded(
                "imports",
                "from autograder.checks import check, given, report",
                grade=False,
                locked=True,
                solution=False,
            ),
            graded("total", answer, grade=False, locked=False, solution=True),
            graded("total-test", TEST, grade=True, locked=True, solution=False, points=3),
        ],
        "metadata": {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}
        },
        "nbformat": 4,
        "nbformat_minor": 5,
    }


def write(path: Path, notebook: dict) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(notebook), encoding="utf-8")


def test_every_package_of_the_folder_is_listed():
    there = {
        ".".join(("autograder", *path.parent.relative_to(PACKAGE).parts))
        for path in PACKAGE.rglob("__init__.py")
    }
    assert set(described()["tool"]["setuptools"]["packages"]) == there


def test_the_command_says_what_it_does(command: Path, tmp_path: Path):
    assert "collect" in run(command, "--help", cwd=tmp_path)


def test_it_needs_neither_the_course_nor_pytorch(command: Path, tmp_path: Path):
    asked = "import importlib.util as u; print([u.find_spec(n) for n in ('beyond', 'torch')])"
    assert run(command.parent / "python", "-c", asked, cwd=tmp_path) == "[None, None]\n"


def test_its_own_texts_come_with_it(command: Path, tmp_path: Path):
    asked = "from autograder.i18n import _, set_language; set_language('ko'); print(_('passed'))"
    said = run(command.parent / "python", "-X", "utf8", "-c", asked, cwd=tmp_path)
    assert said.strip() not in ("", "passed")


def test_a_plain_course_is_graded(played: tuple[Path, list[str]]):
    _course, said = played
    table = " ".join(said[3].split())
    for student, score in EXPECTED.items():
        assert f"{student} │ {score:g} / 3" in table


def test_its_gradebook_is_named_after_the_folder(played: tuple[Path, list[str]]):
    from nbgrader.api import Gradebook

    course, _said = played
    with Gradebook(f"sqlite:///{course / 'term' / 'gradebook.db'}", "algebra") as book:
        found = {one.student_id: one.score for one in book.assignment_submissions("sums")}
    assert found == EXPECTED


def test_its_students_get_pages_and_its_teacher_a_report(played: tuple[Path, list[str]]):
    course, _said = played
    page = (course / "term/feedback/bob/sums/sums.html").read_text(encoding="utf-8")
    assert "total is right" in page
    assert "total is a number" in page
    rows = (course / "term/reports/sums.csv").read_text(encoding="utf-8").splitlines()
    assert len(rows) == 1 + len(ANSWERS)


def test_its_notebooks_carry_the_graders_own_key(played: tuple[Path, list[str]]):
    course, _said = played
    graded = notebook_io.read_graded(course / "term/autograded/ada/sums/sums.ipynb")
    assert "autograder" in graded.metadata
