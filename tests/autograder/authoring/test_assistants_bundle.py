"""The assistants' bundle: solutions and rubrics, no hidden tests, and nowhere near students."""

import json
import os
import stat
import subprocess
import sys
import zipfile

import pytest

from autograder.authoring.assistants_bundle import bundle_for_assistants
from autograder.authoring.bundle import contents
from autograder.errors import UserError

NAME = "beyond-prompting-WITH-SOLUTIONS-for-assistants"


def test_solutions_and_rubrics_without_hidden_tests(course):
    (course.root / "teaching").mkdir()
    (course.root / "teaching" / "lesson-1.md").write_text("A plan.")
    path = bundle_for_assistants(course)
    assert path == course.root / f"{NAME}.zip"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with zipfile.ZipFile(path) as archive:
        assert archive.namelist() == [
            f"{NAME}/README.md",
            f"{NAME}/assignments/en/mini/mini.ipynb",
            f"{NAME}/assignments/ko/mini/mini.ipynb",
            f"{NAME}/teaching/lesson-1.md",
        ]
        text = archive.read(f"{NAME}/assignments/en/mini/mini.ipynb").decode("utf-8")
        assert b"teaching assistants only" in archive.read(f"{NAME}/README.md")
    assert "a = 42" in text and "Because 42." in text
    assert "a == 42" not in text and "HIDDEN" not in text
    assert "assistants only" in "".join(json.loads(text)["cells"][0]["source"])


def test_some_by_name(course):
    with pytest.raises(UserError, match="no assignment 'nix'"):
        bundle_for_assistants(course, None, ["mini", "nix"])
    assert bundle_for_assistants(course, course.root / "mine.zip", ["mini"]).name == "mine.zip"


@pytest.mark.parametrize("name", ["release", "exchange", "work/en", "notebooks", "term/feedback/a"])
def test_not_where_students_reach(course, tmp_path, name):
    place = course.root / name
    place.mkdir(parents=True, exist_ok=True)
    (tmp_path / "innocent").symlink_to(place)
    for to in (place, place / "x.zip", tmp_path / "innocent", course.root / "source" / ".." / name):
        with pytest.raises(UserError, match=r"Students can get at files.*nothing was packed"):
            bundle_for_assistants(course, to)
    assert not list(place.glob("*.zip"))
    with pytest.raises(UserError, match="the students' bundle is called"):
        bundle_for_assistants(course, course.root / "beyond-prompting.zip")


def test_the_exchange_that_the_environment_names(course, tmp_path, monkeypatch):
    monkeypatch.setenv("AUTOGRADER_EXCHANGE", str(tmp_path / "shared"))
    with pytest.raises(UserError, match="Students can get at files"):
        bundle_for_assistants(course, tmp_path / "shared" / "x.zip")


def test_students_never_get_it(course):
    bundle_for_assistants(course)
    packed = contents(course)
    assert packed and not [name for name in packed if name.endswith(".zip") or "SOLUTIONS" in name]


def test_by_the_command(course):
    command = [sys.executable, "-m", "autograder", "bundle", "--for-assistants"]
    done = subprocess.run(
        [*command, "--course", str(course.root)], capture_output=True, text=True, env=os.environ
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("For assistants only, with solutions and rubrics: ")
    assert "Hidden tests aren't in it" in done.stdout
