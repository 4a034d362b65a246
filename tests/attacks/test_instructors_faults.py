"""Faults of the instructor's and of the machine's: told to the instructor, and nobody's score.

Grading either works or doesn't start and says what is wrong; a class never gets nothing, or all,
for what it hasn't done.
"""

import functools
import json
import os
import shutil
import sqlite3
import textwrap
from datetime import UTC, datetime
from pathlib import Path

import nbformat
import pytest

from tests.attacks import small_course, stations
from tests.attacks.classroom import COURSE_ID
from tests.attacks.launcher import JUDGE, LEAST_RUN
from tests.attacks.small_course import ASSIGNMENT, RIGHT, STUBS, WRONG, answered
from tests.attacks.surroundings import open_folder

CLASS = {"honest": RIGHT, "middling": WRONG, "untouched": STUBS}
DESERVED = {"honest": (2, 3), "middling": (0, 1), "untouched": (0, 0)}


def _taught(root, change=None):
    """A course whose class has handed in and been collected."""
    small_course.write_course(root, change)
    done = stations.run("release", ASSIGNMENT, course=root)
    assert done.code == 0, done.said
    given = nbformat.read(root / "release" / "en" / ASSIGNMENT / f"{ASSIGNMENT}.ipynb", 4)
    inbound = root / "exchange" / COURSE_ID / "inbound"
    for student, answers in CLASS.items():
        stamp = f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S.%f} UTC"
        place = inbound / f"{student}+{ASSIGNMENT}+{stamp}"
        place.mkdir(parents=True)
        (place / "timestamp.txt").write_text(stamp)
        (place / f"{ASSIGNMENT}.ipynb").write_text(json.dumps(answered(given, answers)))
    done = stations.run("collect", ASSIGNMENT, course=root)
    assert done.code in (0, 1), done.said
    return root


@pytest.fixture(scope="module")
def well_taught(tmp_path_factory):
    return _taught(tmp_path_factory.mktemp("taught") / "course")


@pytest.fixture
def taught(tmp_path, well_taught):
    """A class that has handed in, at an instructor who may have made a mistake."""

    def teach(change=None):
        root = tmp_path / "course"
        return _taught(root, change) if change else Path(shutil.copytree(well_taught, root))

    return teach


def points(root):
    """The tests' points of whoever has any, from the gradebook."""
    from nbgrader.api import Gradebook

    with Gradebook(f"sqlite:///{root}/term/gradebook.db", COURSE_ID) as gradebook:
        found = {}
        for sent in gradebook.assignment_submissions(ASSIGNMENT):
            grades = {one.name: one.auto_score for book in sent.notebooks for one in book.grades}
            found[sent.student.id] = (grades.get("double-test"), grades.get("parts-test"))
        return found


def holds(root, graded, *words):
    """Whether everyone has what is deserved; else nobody has anything and the fault is told."""
    if graded.code == 0:
        assert points(root) == DESERVED, graded.said
        return
    assert points(root) == {}, f"{points(root)}\n{graded.said}"
    assert graded.code in (1, 2, 3) and "Traceback (most recent call last)" not in graded.said
    said = graded.said.lower()
    assert any(word.lower() in said for word in words), f"doesn't say any of {words}: {graded.said}"


def edit(name, change):
    """A change of one cell of the instructor's notebook."""

    def edited(notebook):
        cell = next(cell for cell in notebook.cells if cell.id == name)
        cell.source = change(cell.source)

    return edited


MISTAKES = {
    "magic in a read-only cell": (
        edit("imports", lambda source: "%matplotlib inline\n" + source),
        ("matplotlib", "imports"),
    ),
    "magic in a test cell": (
        edit("double-test", lambda source: "%matplotlib inline\n" + source),
        ("matplotlib", "double-test"),
    ),
    "shell line in a read-only cell": (
        edit("gate-probe", lambda source: "!echo ready\n" + source),
        ("gate-probe", "echo"),
    ),
    "a test that can't pass": (
        edit("double-test", lambda source: source.replace("1583838382", "1583838400")),
        ("double-test",),
    ),
    "a test that can't run": (
        edit(
            "parts-test",
            lambda source: source.replace("reference.ranked", "reference.sorted_places"),
        ),
        ("parts-test",),
    ),
    "a test with a syntax error": (
        edit("double-test", lambda source: source.replace("report()", "report(")),
        ("double-test",),
    ),
    "a test that everything passes": (
        edit("double-test", lambda source: "with check('anything'):\n    pass\nreport()"),
        ("double-test",),
    ),
    "a package that isn't there": (
        edit("imports", lambda source: source + "\nimport no_such_package_here"),
        ("no_such_package_here",),
    ),
    "a file that isn't there": (
        edit("gate-probe", lambda source: "open('weights.bin').read()\n" + source),
        ("weights.bin", "gate-probe"),
    ),
    "a solution that fails": (
        edit("double", lambda source: source.replace("return 2 * x", "return two * x")),
        ("double-test", "solution"),
    ),
    "a read-only cell that never ends": (
        edit("gate-probe", lambda source: source + "\nwhile True:\n    pass"),
        ("gate-probe",),
    ),
    "a read-only cell that ends the process": (
        edit("gate-probe", lambda source: source + "\nimport os\nos._exit(3)"),
        ("gate-probe",),
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_told_and_nobody_pays_for_it(taught, mistake):
    change, words = MISTAKES[mistake]
    root = taught(change)
    limits = {JUDGE: 10.0, LEAST_RUN: 10.0}  # for the one that never ends; the others take less
    graded = stations.run(
        "grade", ASSIGNMENT, course=root, cell_seconds=2, limits=limits, patience=240
    )
    holds(root, graded, *words)


@pytest.mark.parametrize(
    "variables",
    [
        {"PYTHONOPTIMIZE": "1"},
        {"PYTHONWARNINGS": "error"},
        {"PYTHONUTF8": "0", "LC_ALL": "C", "LANG": "C", "TZ": "Asia/Seoul", "TERM": "dumb"},
        {"TMPDIR": "/nowhere/at/all"},
    ],
    ids=lambda variables: "-".join(variables),
)
def test_the_environment_decides_no_score(taught, variables):
    root = taught()
    graded = stations.run("grade", ASSIGNMENT, course=root, environment=variables)
    holds(root, graded, *variables, "optimi", "environment")


def test_an_assignment_changed_after_its_release(taught):
    root = taught()
    path = root / "source" / "en" / ASSIGNMENT / f"{ASSIGNMENT}.ipynb"
    path.write_text(path.read_text().replace("double(-0.5)", "double(-0.75)"))
    graded = stations.run("grade", ASSIGNMENT, course=root)
    assert graded.code in (1, 2) and "release" in graded.said
    assert points(root) == {}


def test_a_solution_changed_after_the_release(taught):
    """No test has changed, but what `reference` says has: full marks can't be reached any more."""
    root = taught()
    path = root / "source" / "en" / ASSIGNMENT / f"{ASSIGNMENT}.ipynb"
    path.write_text(path.read_text().replace("-numbers[place])[:k]", "numbers[place])[:k]"))
    graded = stations.run("grade", ASSIGNMENT, course=root)
    holds(root, graded, "release", "parts-test", "changed")


# The grading program itself at fault, for one student only -----------------------------------------

_INSIDE = """
import importlib, importlib.abc, importlib.machinery, os, sys

NAMES = ("autograder.judge.worker",)

class Finder(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name not in NAMES:
            return None
        sys.meta_path.remove(self)
        spec = importlib.machinery.PathFinder.find_spec(name, path)
        run = spec.loader.exec_module
        def exec_module(module):
            run(module)
            usual = module.run_submission
            def run_submission(content, *more):
                if b'middling' in content:
                    open({tries!r}, 'a').write('x')
                    {fault}
                return usual(content, *more)
            run_submission.__module__ = usual.__module__
            run_submission.__qualname__ = usual.__qualname__
            module.run_submission = run_submission
        spec.loader.exec_module = exec_module
        return spec

sys.meta_path.insert(0, Finder())
"""

FAULTS = {
    "an exception": "raise RuntimeError('INTERNAL-DETAIL in /srv/secret')",
    "a lost worker": "os._exit(9)",
    "a worker killed": "os.kill(os.getpid(), 9)",
    "no result": "return b''",
    "a result of NULs": "return b'\\0' * 1000",
    "a result of another": "return usual(content.replace(b'double-test', b'double-tset'))",
}


@pytest.fixture
def broken():
    """Variables that break the grading of one student, and how often it was tried."""
    with open_folder() as folder:
        yield functools.partial(_broken, folder)


def _broken(folder, fault):
    tries = folder / "tries"
    tries.touch()
    tries.chmod(0o666)  # workers aren't root
    code = _INSIDE.format(tries=str(tries), fault=textwrap.dedent(fault))
    (folder / "sitecustomize.py").write_text(code)
    path = f"{folder}:{stations.ROOT}:{stations.ROOT / 'notebooks'}"
    return {"PYTHONPATH": path}, tries


@pytest.mark.parametrize("fault", FAULTS)
def test_an_internal_fault_is_the_graders_not_the_students(taught, broken, fault):
    root = taught()
    variables, tries = broken(FAULTS[fault])
    graded = stations.run("grade", ASSIGNMENT, course=root, environment=variables)
    assert 1 <= len(tries.read_text()) <= 3, "lost work is tried again, a few times at most"
    found = points(root)
    assert {name: found[name] for name in ("honest", "untouched")} == {
        name: DESERVED[name] for name in ("honest", "untouched")
    }, graded.said
    assert "middling" in graded.said
    told = stations.run("feedback", ASSIGNMENT, course=root)
    page = root / "term" / "feedback" / "middling" / ASSIGNMENT / f"{ASSIGNMENT}.html"
    if page.is_file():
        for word in ("INTERNAL-DETAIL", "/srv/secret", "Traceback", "RuntimeError"):
            assert word not in page.read_text("utf-8"), "the student is told what is the grader's"
    if fault == "an exception":
        log = root / "term" / "last-error.log"
        kept = graded.said + (log.read_text("utf-8") if log.is_file() else "")
        assert "INTERNAL-DETAIL" in kept, "the instructor isn't told all of it"
    assert told.code in (0, 1, 2), told.said
    if fault in ("a worker killed", "no result", "a result of NULs"):
        return  # ends as the others do
    # The fault is gone: the same command does the rest.
    again = stations.run("grade", ASSIGNMENT, "--again", course=root)
    assert again.code == 0 and points(root) == DESERVED, again.said


def test_a_gradebook_in_use_is_told_and_nothing_lost(taught):
    root = taught()
    held = sqlite3.connect(root / "term" / "gradebook.db")
    held.execute("BEGIN EXCLUSIVE")
    graded = stations.run("grade", ASSIGNMENT, course=root)
    held.rollback()
    held.close()
    assert graded.code == 3 and "in use" in graded.said
    again = stations.run("grade", ASSIGNMENT, course=root)
    assert again.code == 0 and points(root) == DESERVED


def test_a_killed_run_goes_on_where_it_was(taught):
    root = taught()
    killed = stations.run("grade", ASSIGNMENT, course=root, patience=3.0)
    again = stations.run("grade", ASSIGNMENT, course=root)
    assert again.code == 0 and points(root) == DESERVED, (killed.said, again.said)
    assert os.path.isdir(root / "term" / "autograded" / "honest")
