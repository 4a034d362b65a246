"""Submitting, collecting and grading on a disk that is full or read-only, and once it no longer is.

As the system has it, on a small file system of its own: no call is replaced by one that fails.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from autograder.config import Course
from autograder.core import notebook_io
from autograder.errors import EnvironmentFault
from autograder.grading.coordinator import grade
from autograder.intake.collect import collect
from tests.small_disk import SmallDisk, small_disk

SPACES = (0, 4_096, 20_000, 50_000, 90_000, 140_000, 200_000)
STUDENTS = ["ada", "bob", "cem"]


@pytest.fixture
def disk(term: Course) -> SmallDisk:
    """The disk that the term's own data is on."""
    before = term.term.with_name("before")
    term.term.rename(before)
    with small_disk(term.term, 8) as disk:
        shutil.copytree(before, term.term, dirs_exist_ok=True)
        yield disk


@pytest.fixture
def downloads(term: Course, kit, tmp_path: Path) -> Path:
    folder = tmp_path / "downloads"
    for student in STUDENTS:
        (folder / student).mkdir(parents=True)
        content = notebook_io.to_bytes(kit.answered(term, **kit.RIGHT))
        (folder / student / "mini.ipynb").write_bytes(content)
    roster = "id,first_name,last_name\n" + "".join(f"{one},A,B\n" for one in STUDENTS)
    (tmp_path / "class.csv").write_text(roster)
    return folder


def say(course: Course, *words: object) -> tuple[int, str]:
    """What the command ends with and says of what is wrong."""
    command = [sys.executable, "-m", "autograder", *map(str, words), "--course", str(course.root)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr
    return done.returncode, done.stderr


def left_behind(course: Course) -> list[Path]:
    return [one for one in course.term.rglob(".*") if one.is_dir()]


def fault_of(act: Callable[[], object]) -> str:
    """What is said to be in the way; empty if all went well."""
    try:
        act()
    except EnvironmentFault as fault:
        return str(fault)
    return ""


def test_collecting_goes_on_once_there_is_room(term, disk, downloads, tmp_path) -> None:
    said = []
    for space in SPACES:
        disk.fill(but=space)
        said.append(
            fault_of(lambda: collect(term, "mini", downloads, roster=tmp_path / "class.csv"))
        )
        for path in term.submitted.rglob("*.ipynb"):
            notebook_io.read(path)
        assert left_behind(term) == []
        disk.free_up()
    faults = [one for one in said if one]
    assert len(faults) >= 2
    assert all("disk is full" in one for one in faults)
    collect(term, "mini", downloads, roster=tmp_path / "class.csv")
    found = {path.parts[-3] for path in term.submitted.glob("*/mini/mini.ipynb")}
    assert found == set(STUDENTS)
    assert [one.score for one in grade(term, "mini")] == [6, 6, 6]


def test_grading_goes_on_once_there_is_room(term, disk, downloads, tmp_path) -> None:
    collect(term, "mini", downloads, roster=tmp_path / "class.csv")
    said = []
    for space in SPACES:
        disk.fill(but=space)
        said.append(fault_of(lambda: grade(term, "mini", workers=1)))
        disk.free_up()
    faults = [one for one in said if one]
    assert len(faults) >= 2
    assert all("disk is full" in one for one in faults)
    assert [one.score for one in grade(term, "mini")] == [6, 6, 6]
    assert len(list(term.autograded.glob("*/mini/mini.ipynb"))) == 3


def test_the_commands_say_so_in_a_sentence(term, disk, downloads, tmp_path) -> None:
    disk.fill()
    roster = tmp_path / "class.csv"
    collecting = ("collect", "mini", downloads, "--roster", roster)
    code, said = say(term, *collecting)
    assert (code, said.count("\n")) == (3, 1), said
    assert "disk is full" in said
    disk.free_up()
    collect(term, "mini", downloads, roster=roster)
    disk.fill()
    code, said = say(term, "grade", "mini", "--workers", "1")
    assert (code, said.count("\n")) == (3, 1), said
    assert "disk is full" in said
    disk.free_up()
    disk.read_only()
    try:
        for words in (collecting, ("grade", "mini", "--workers", "1")):
            code, said = say(term, *words)
            assert (code, said.count("\n")) == (3, 1), said
    finally:
        disk.read_only(False)
    assert [one.score for one in grade(term, "mini", workers=1)] == [6, 6, 6]


def test_a_student_with_a_full_disk_keeps_the_work(term, kit, tmp_path) -> None:
    with small_disk(tmp_path / "home", 1) as disk:
        mine = disk.place / "mini.ipynb"
        content = notebook_io.to_bytes(kit.answered(term, **kit.RIGHT))
        mine.write_bytes(content)
        handing_in = ("submit", mine, "--student", "ada")
        disk.fill()
        code, said = say(term, *handing_in)
        assert (code, said.count("\n")) == (3, 1), said
        assert "disk is full" in said
        disk.free_up()
        disk.read_only()
        code, said = say(term, *handing_in)
        assert (code, said.count("\n")) == (3, 1), said
        assert "may not be written" in said
        disk.read_only(False)
        assert [one.name for one in disk.place.iterdir()] == ["mini.ipynb"]
        assert say(term, *handing_in)[0] == 0
        (made,) = disk.place.glob("*.zip")
        with zipfile.ZipFile(made) as packed:
            assert packed.read("mini.ipynb") == content
