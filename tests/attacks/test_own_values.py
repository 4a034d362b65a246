"""Values of one's own: another student's, an edited file, no file and a claimed id gain nothing.

A class goes the whole way by the commands: the roster, the release into the exchange, what each
student finds there, the submissions, the scores and the pages.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from bs4 import BeautifulSoup
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_notebook

from autograder.core import notebook_io
from autograder.student_values import row_key

ROOT = Path(__file__).resolve().parents[2]
DECLARED = {
    "price": {"from": 1.25, "to": 900.25, "step": 0.25},
    "volume": {"from": 1000, "to": 897000, "step": 7},
    "order": {"order-of": ["A", "B", "C", "D", "E", "F", "G"]},
}
IMPORTS = """from autograder.checks import check, choice, given, report
from autograder.student_values import own_values

mine = own_values()"""
BILL = "bill = None\n### BEGIN SOLUTION\nbill = mine['price'] * mine['volume']\n### END SOLUTION"
BILL_TEST = """with check("the bill is a number", weight=0):
    assert isinstance(given(bill, "bill"), (int, float))
### BEGIN HIDDEN TESTS
with check("the bill is right", hidden=True):
    assert given(bill) == mine["price"] * mine["volume"]
### END HIDDEN TESTS
report()"""
LETTER = """q1 = None
### BEGIN SOLUTION
q1 = "ABCDEFG"[mine["order"].index("C")]
### END SOLUTION"""
LETTER_TEST = """with check("the form", weight=0):
    choice(q1, "q1", options="ABCDEFG", order=mine["order"])
### BEGIN HIDDEN TESTS
with check("the answer is correct", hidden=True):
    choice(q1, "q1", correct="C", options="ABCDEFG", order=mine["order"])
### END HIDDEN TESTS
report()"""

# Runs in the answer cell, before the answers for the values of the honest student.
ATTACKS = {
    "pasted": "",
    "edited-file": "",
    "other-table": "",
    "claimed-file": "",
    "forged-marks": "",
    "claimed-call": "own_values('honest')",
    "claimed-hub": "import os\nos.environ['JUPYTERHUB_USER'] = os.environ['USER'] = 'honest'",
    "rebound": "mine = HONEST",
    "patched": "import autograder.student_values as v\n"
    "v.own_values = own_values = v._content = lambda *_: HONEST",
    "rewritten": "import json, pathlib\n"
    "pathlib.Path('own-values.json').write_text(json.dumps({'own': HONEST}))",
    "unlinked": "import os\nos.unlink('own-values.json')\nos.symlink('/etc/passwd', 'own-values.json')",
}
SEARCH = """import os
found = []
for top in ("/", ".", "/tmp", "/proc/1/root", COURSE):
    for folder, _, names in os.walk(top):
        if folder.startswith(("/proc", "/sys", "/usr", "/lib")) and top == "/":
            continue
        for name in names:
            if "values" in name and not name.endswith((".py", ".pyc")):
                try:
                    text = open(os.path.join(folder, name), "rb").read()
                except OSError as error:
                    text = error
                found.append((folder, name, text))
print(found)"""


def answers(values: dict) -> dict[str, str]:
    letter = "ABCDEFG"[values["order"].index("C")]
    return {
        "bill": f"bill = {values['price'] * values['volume']!r}",
        "q1": f"q1 = {letter!r}",
    }


def marks(name: str, **more: object) -> dict:
    found = {"grade": False, "grade_id": name, "locked": True, "schema_version": 3}
    return {"nbgrader": {**found, "solution": False, "task": False, "cell_type": "code", **more}}


def source() -> NotebookNode:
    answer = {"solution": True, "locked": False}
    return new_notebook(
        cells=[
            new_code_cell(IMPORTS, id="imports", metadata=marks("imports")),
            new_code_cell(BILL, id="bill", metadata=marks("bill", **answer)),
            new_code_cell(
                BILL_TEST, id="bill-test", metadata=marks("bill-test", grade=True, points=2)
            ),
            new_code_cell(LETTER, id="q1", metadata=marks("q1", **answer)),
            new_code_cell(
                LETTER_TEST,
                id="q1-test",
                metadata={
                    **marks("q1-test", grade=True, points=1),
                    "autograder": {"choice": True},
                },
            ),
        ],
        metadata={"kernelspec": {"name": "python3", "language": "python", "display_name": "P"}},
    )


class Term:
    """A course folder and its exchange, with a class that has been given its values."""

    def __init__(self, root: Path, students: list[str]) -> None:
        self.root = root
        self.exchange = root.parent / "exchange"
        place = root / "source" / "bills"
        notebook_io.write(place / "bills.ipynb", source())
        (place / "own-values.json").write_text(json.dumps({"values": DECLARED}))
        (root / "pyproject.toml").write_text('[tool.autograder]\ncourse-id = "shop"\n')
        roster = root / "roster.csv"
        roster.write_text("id,first_name\n" + "".join(f"{one},X\n" for one in students))
        self.command("term", "roster", roster)
        self.command("release", "bills", "--exchange", "--due", "2020-01-01")
        self.outbound = self.exchange / "shop" / "outbound" / "bills"

    def command(self, *words: object) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "autograder", *map(str, words), "--course", str(self.root)],
            capture_output=True,
            text=True,
            timeout=300,
            env={
                **os.environ,
                "PYTHONPATH": str(ROOT),
                "AUTOGRADER_EXCHANGE": str(self.exchange),
                "COLUMNS": "300",
            },
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    def values(self, student: str, folder: Path) -> dict:
        """What a student finds who has fetched the release."""
        shutil.copytree(self.outbound, folder)
        done = subprocess.run(
            [
                sys.executable,
                "-c",
                "from autograder.student_values import own_values; import json, contextlib, os\n"
                "with contextlib.redirect_stdout(None): found = own_values()\n"
                "print(json.dumps(found))",
            ],
            cwd=folder,
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "PYTHONPATH": str(ROOT), "JUPYTERHUB_USER": student},
        )
        return json.loads(done.stdout)

    def hand_in(self, student: str, work: NotebookNode, files: dict[str, str]) -> None:
        now = datetime.now(UTC) - timedelta(seconds=1)
        stamp = f"{now:%Y-%m-%d %H:%M:%S.%f} UTC"
        place = self.exchange / "shop" / "inbound" / f"{student}+bills+{stamp}+0123456789abcdef"
        place.mkdir(parents=True)
        (place / "bills.ipynb").write_bytes(notebook_io.to_bytes(work))
        for name, content in {"timestamp.txt": stamp, **files}.items():
            (place / name).write_text(content)


@pytest.fixture(scope="module")
def played(tmp_path_factory):
    """The term after feedback, and what each student was given."""
    folder = tmp_path_factory.mktemp("own-values")
    students = ["honest", "removed", "searcher", *ATTACKS]
    term = Term(folder / "course", students)
    given = {one: term.values(one, folder / "fetched" / one) for one in students}
    given["stranger"] = term.values("stranger", folder / "fetched" / "stranger")
    honest = given["honest"]
    released = json.loads((term.outbound / "own-values.json").read_text())
    files = {
        "edited-file": {"own-values.json": json.dumps({"own": honest})},
        "other-table": {
            "own-values.json": json.dumps(
                {**released, "students": {row_key("other-table"): honest}}
            )
        },
        "claimed-file": {"student-id.txt": "honest\n"},
        "removed": {},
    }
    usual = {"own-values.json": json.dumps(released)}
    for student in given:
        work = notebook_io.read(term.outbound / "bills.ipynb")
        cells = {cell.id: cell for cell in work.cells}
        attacks = student in ATTACKS
        for name, answer in answers(honest if attacks else given[student]).items():
            first = ATTACKS.get(student, "").replace("HONEST", repr(honest))
            cells[name].source = f"{first}\n{answer}" if name == "bill" else answer
        if student == "searcher":
            cells["bill"].source += "\n" + SEARCH.replace("COURSE", repr(str(term.root)))
        if student == "forged-marks":
            work.metadata["autograder"] = {"values": honest}
        term.hand_in(student, work, files.get(student, usual))
    said = [term.command(verb, "bills") for verb in ("collect", "grade", "feedback", "report")]
    return term, given, "".join(said)


def page(term: Term, student: str) -> BeautifulSoup:
    path = term.root / "term" / "feedback" / student / "bills" / "bills.html"
    return BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")


def points(term: Term, student: str) -> float:
    shown = page(term, student).select_one(".score strong").get_text()
    return float(re.match(r"[\d.]+", shown.strip())[0])


def test_every_student_was_given_other_values(played):
    _term, given, _said = played
    assert len({json.dumps(values) for values in given.values()}) == len(given)
    for values in given.values():
        assert 1.25 <= values["price"] <= 900.25 and 1000 <= values["volume"] <= 897000
        assert sorted(values["order"]) == DECLARED["order"]["order-of"]


@pytest.mark.parametrize("student", ["honest", "removed", "searcher", "stranger"])
def test_who_answers_for_the_values_given_has_full_points(played, student):
    term, _given, _said = played
    assert points(term, student) == 3


@pytest.mark.parametrize("student", ATTACKS)
def test_who_answers_for_another_students_values_gains_nothing(played, student):
    term, given, _said = played
    lucky = answers(given["honest"])["q1"] == answers(given[student])["q1"]
    assert points(term, student) == (1 if lucky else 0)


def test_the_page_shows_the_values_that_grading_took(played):
    term, given, _said = played
    for student, values in given.items():
        rows = page(term, student).select(".values tbody tr")
        shown = {row.th.get_text(): row.td.get_text() for row in rows}
        assert shown == {
            "price": str(values["price"]),
            "volume": f"{values['volume']:,}",
            "order": ", ".join(values["order"]),
        }
        assert ("default values" in page(term, student).get_text()) == (student == "stranger")


def test_nothing_tells_who_has_which_values(played):
    term, given, said = played
    secret = (term.root / "term" / "values.secret").read_bytes()
    found = page(term, "searcher").get_text()
    assert "own-values.json" in found  # it has seen its own
    for student, values in given.items():
        if student != "searcher":
            assert row_key(student) not in found
            assert str(values["volume"]) not in found
    assert secret.hex() not in found and repr(secret)[2:-1] not in found + said


def test_the_letters_on_the_page_are_those_that_the_student_saw(played):
    term, given, _said = played
    for student in ATTACKS:
        order = given[student]["order"]
        chosen = answers(given["honest"])["q1"][-2]
        correct = "ABCDEFG"[order.index("C")]
        if chosen != correct:
            text = f"Question 1: you chose {chosen}; {correct} is correct"
            assert text in page(term, student).get_text()
