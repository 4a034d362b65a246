"""Right answers of unusual types through the commands: all the points, as Validate promises.

Each student wraps one right function of cost-formula so that it returns another type, or raises
another exception, than the instructor's own.
"""

import csv
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from autograder.config import Course
from autograder.core import notebook_io
from autograder.sandbox.bubblewrap import find_bwrap
from autograder.sandbox.errors import SandboxUnavailable

ASSIGNMENT = "cost-formula"
ROOT = Path(__file__).resolve().parents[3]

BAR = (
    "from typing import NamedTuple\n"
    "class Bar(NamedTuple):\n    name: str\n    low: float\n    high: float\n"
)
DATA = (
    "from dataclasses import dataclass\n@dataclass\n"
    "class Bar:\n    name: str\n    low: float\n    high: float\n"
    "    def __iter__(self):\n        return iter((self.name, self.low, self.high))\n"
)
ANSWERS = {
    # who: (the answer cell, what stands before it, what is returned for `v`)
    "fraction": ("call-cost", "from fractions import Fraction", "Fraction(v)"),
    "decimal": ("call-cost", "from decimal import Decimal", "Decimal(v)"),
    "money": ("monthly-cost", "class Money(float): pass", "Money(v)"),
    "numpy": ("break-even", "import numpy", "numpy.float64(v)"),
    "generator": ("tornado", "", "(bar for bar in v)"),
    "zip": ("tornado", "", "zip(*zip(*v)) if v else zip()"),
    "namedtuple": ("tornado", BAR, "[Bar(*bar) for bar in v]"),
    "dataclass": ("tornado", DATA, "tuple(Bar(*bar) for bar in v)"),
    "text": ("tornado", "class Name(str): pass", "[(Name(bar[0]), *bar[1:]) for bar in v]"),
    "deque": ("tornado", "from collections import deque", "deque(v)"),
    "view": ("tornado", "", "{bar[0]: bar for bar in v}.values()"),
    "keys": ("tornado", "", "dict.fromkeys(v).keys()"),
    "reversed": ("tornado", "", "reversed(v[::-1])"),
    "rows": ("tornado", "import numpy", "numpy.array(v, dtype=object) if v else []"),
    "structured": ("tornado", "import numpy", "numpy.array(v, 'U20,f8,f8')"),
}
REFUSES = {
    "subclass": "class TooSmall(ValueError): pass\n",
    "json": "import json\nTooSmall = lambda text: json.JSONDecodeError(text, '', 0)\n",
    "statistics": "from statistics import StatisticsError as TooSmall\n",
}


def wrapped(source, name, before, expression):
    inner = re.sub(rf"def {name}\(", f"def _{name}(", source)
    outer = f"def {name}(*a, **k):\n    return (lambda v: {expression})(_{name}(*a, **k))"
    return f"{before}\n{inner}\n\n{outer}"


def submission(course, change):
    work = notebook_io.read(course.release("en") / ASSIGNMENT / f"{ASSIGNMENT}.ipynb")
    source_notebook = notebook_io.read(course.source("en") / ASSIGNMENT / f"{ASSIGNMENT}.ipynb")
    sources = {cell.id: cell.source for cell in source_notebook.cells}
    for cell in work.cells:
        if notebook_io.is_solution(cell) and cell.cell_type == "code":
            cell.source = change(cell.id, sources[cell.id])
    return notebook_io.to_bytes(work)


def answering(who):
    if who in REFUSES:
        return lambda _cell, source: (
            REFUSES[who] + source.replace("raise ValueError", "raise TooSmall")
        )
    where, before, expression = ANSWERS[who]

    def change(cell, source):
        if who == "decimal" and cell == "tornado":
            return source.replace("call_cost(", "_call_cost(")  # a Decimal and a float have no sum
        name = re.search(r"def (\w+)\(", source)
        return wrapped(source, name[1], before, expression) if cell == where else source

    return change


def command(course, *words):
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'notebooks'}"}
    argv = [sys.executable, "-m", "autograder", *words, "--course", str(course.root)]
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_right_answers_of_any_honest_type_have_all_the_points(tmp_path):
    try:
        find_bwrap()
    except SandboxUnavailable as fault:
        pytest.skip(str(fault))
    course = Course(tmp_path / "course")
    for code in ("en", "ko"):
        shutil.copytree(
            Course.here().source(code) / ASSIGNMENT,
            course.source(code) / ASSIGNMENT,
            dirs_exist_ok=True,
        )
    command(course, "build")
    command(course, "release", ASSIGNMENT)
    people = [*ANSWERS, *REFUSES]
    roster, download = tmp_path / "roster.csv", tmp_path / "download.zip"
    with roster.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["id", "first_name", "last_name", "email", "lms_user_id"])
        rows.writerows([who, who, "x", "", 2000 + place] for place, who in enumerate(people))
    with zipfile.ZipFile(download, "w") as archive:
        for place, who in enumerate(people):
            name = f"x{who}_{2000 + place}_{5000 + place}_{ASSIGNMENT}.ipynb"
            archive.writestr(name, submission(course, answering(who)))
    command(course, "collect", ASSIGNMENT, str(download), "--roster", str(roster))
    said = command(course, "grade", ASSIGNMENT)
    with course.gradebook() as gradebook:
        scores = {one.student.id: one.score for one in gradebook.assignment_submissions(ASSIGNMENT)}
    assert scores == dict.fromkeys(people, 12.0), said
