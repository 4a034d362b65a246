"""Similar submissions: a class of 30 in which three pairs copied, read and compared for real."""

import random
import re
import shutil

import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell

from autograder.authoring.release import release
from autograder.config import Course
from autograder.core import notebook_io
from autograder.errors import UserError
from autograder.report.report import report
from autograder.similarity.similar import similar
from autograder.term.students import drop

LIBRARY = '''"""A package of the course."""


def given_median(values):
    """Return the median."""
    ordered = sorted(values)
    middle = len(ordered) // 2
    if len(ordered) % 2 == 0:
        return (ordered[middle - 1] + ordered[middle]) / 2
    return ordered[middle]


def given_spread(values):
    low, high = min(values), max(values)
    if low == high:
        raise ValueError("no spread")
    return [(one - low) / (high - low) for one in values]
'''
STUBS = {
    "clean": "def clean(rows):\n    {}",
    "totals": "def totals(rows):\n    {}",
    "twice": "def twice(x):\n    {}",
}


def meta(cell_id, *, solution=False, points=None, kind="code"):
    about = {"cell_type": kind, "grade": points is not None, "grade_id": cell_id}
    about |= {"locked": not solution, "schema_version": 3, "solution": solution, "task": False}
    return {"nbgrader": {**about, "points": points} if points is not None else about}


@pytest.fixture(scope="module")
def released(tmp_path_factory):
    """A plain course with two functions of some length, a short one and a written answer."""
    root = tmp_path_factory.mktemp("made") / "course"
    (root / "lib").mkdir(parents=True)
    (root / "lib" / "stats.py").write_text(LIBRARY)
    (root / "pyproject.toml").write_text('[tool.autograder]\ncode-folders = ["lib"]\n')
    (root / "notebooks").mkdir()
    cells = [new_markdown_cell("# The ledger", id="title")]
    for name, stub in STUBS.items():
        solution = stub.format("### BEGIN SOLUTION\n    return rows\n    ### END SOLUTION")
        cells.append(new_markdown_cell(f"## Function {name}", id=f"{name}-task"))
        cells.append(new_code_cell(solution, id=name, metadata=meta(name, solution=True)))
        test = new_code_cell("assert True", id=f"{name}-test")
        test.metadata = meta(f"{name}-test", points=1)
        cells.append(test)
    words = new_markdown_cell("An answer.", id="words")
    words.metadata = meta("words", solution=True, points=2, kind="markdown")
    cells += [new_markdown_cell("## In words", id="words-task"), words]
    book = notebook_io.parse(
        b'{"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": []}', "x"
    )
    book.cells = cells
    book.metadata = {"kernelspec": {"display_name": "P", "language": "python", "name": "python3"}}
    notebook_io.write(root / "source" / "ledger" / "ledger.ipynb", book)
    course = Course(root)
    release(course, "ledger")
    return root


@pytest.fixture
def course(released, tmp_path):
    shutil.copytree(released, tmp_path / "course")
    return Course(tmp_path / "course")


def indent(lines):
    return "\n    ".join(lines)


def own_work(number):
    """What somebody writes alone: one of many ways at each step."""
    pick = random.Random(number).choice
    checks = pick(
        [
            ["if not rows:", "    return []"],
            ["if len(rows) == 0:", "    raise ValueError('no rows')"],
            ["assert isinstance(rows, list), rows"],
            ["rows = list(rows or ())"],
            ["try:", "    iter(rows)", "except TypeError:", "    return []"],
        ]
    )
    body = pick(
        [
            [
                "out = []",
                "for row in rows:",
                "    if row['amount'] is None:",
                "        continue",
                "    out.append({**row, 'amount': float(row['amount'])})",
            ],
            [
                "out = [dict(row) for row in rows if row.get('amount') is not None]",
                "for row in out:",
                "    row['amount'] = float(row['amount'])",
            ],
            [
                "wanted = filter(lambda row: row['amount'] not in (None, ''), rows)",
                "out = list(map(lambda row: dict(row, amount=float(row['amount'])), wanted))",
            ],
            [
                "out, place = [], 0",
                "while place < len(rows):",
                "    row = rows[place].copy()",
                "    place += 1",
                "    if 'amount' in row and row['amount']:",
                "        row.update(amount=float(row['amount']))",
                "        out += [row]",
            ],
            [
                "def fixed(row):",
                "    amount = row['amount']",
                "    return None if amount is None else {**row, 'amount': float(amount)}",
                "out = [one for one in map(fixed, rows) if one]",
            ],
        ]
    )
    end = pick(
        [
            ["return sorted(out, key=lambda row: row['day'])"],
            ["out.sort(key=lambda row: (row['day'], row['amount']))", "return out"],
            [
                "days = {row['day'] for row in out}",
                "return [row for day in sorted(days) for row in out if row['day'] == day]",
            ],
            ["from operator import itemgetter", "return sorted(out, key=itemgetter('day'))"],
        ]
    )
    count = pick(
        [
            [
                "sums = {}",
                "for row in rows:",
                "    sums[row['who']] = sums.get(row['who'], 0) + row['amount']",
            ],
            [
                "from collections import defaultdict",
                "sums = defaultdict(float)",
                "for row in rows:",
                "    sums[row['who']] += row['amount']",
            ],
            [
                "people = {row['who'] for row in rows}",
                "sums = {who: sum(row['amount'] for row in rows if row['who'] == who) for who in people}",
            ],
            [
                "sums = dict.fromkeys([row['who'] for row in rows], 0)",
                "for index in range(len(rows)):",
                "    who, amount = rows[index]['who'], rows[index]['amount']",
                "    sums[who] = sums[who] + amount",
            ],
            [
                "sums = {}",
                "for row in rows:",
                "    who = row['who']",
                "    if who not in sums:",
                "        sums[who] = []",
                "    sums[who].append(row['amount'])",
                "sums = {who: sum(many) for who, many in sums.items()}",
            ],
            [
                "from itertools import groupby",
                "ordered = sorted(rows, key=lambda row: row['who'])",
                "sums = {who: sum(row['amount'] for row in many) for who, many in groupby(ordered, key=lambda row: row['who'])}",
            ],
        ]
    )
    last = pick(
        [
            ["return sorted(sums.items(), key=lambda pair: -pair[1])"],
            [
                "pairs = list(sums.items())",
                "pairs.sort(key=lambda pair: pair[1], reverse=True)",
                "return pairs",
            ],
            [
                "result = []",
                "while sums:",
                "    best = max(sums, key=sums.get)",
                "    result.append((best, sums.pop(best)))",
                "return result",
            ],
            ["return [(who, sums[who]) for who in sorted(sums, key=sums.get)][::-1]"],
            [
                "import heapq",
                "return heapq.nlargest(len(sums), sums.items(), key=lambda pair: pair[1])",
            ],
        ]
    )
    steps = [
        ["print(len(rows), 'rows')"],
        ["log = []", "log.append(type(rows))"],
        ["rows = [row for row in rows if row]"],
        ["assert all('who' in row for row in rows), 'whose is it?'"],
        ["first, *others = rows or [None]", "if first is None:", "    return []"],
        ["size = max(map(len, rows), default=0)"],
        ["rows = rows[:]", "rows.reverse()"],
        ["if isinstance(rows, tuple):", "    rows = list(rows)"],
        ["seen = set()", "for row in rows:", "    seen.add(id(row))"],
        ["rows = [{key.strip(): value for key, value in row.items()} for row in rows]"],
        ["import copy", "rows = copy.deepcopy(rows)"],
        ["import logging", "logging.debug('%s', rows)"],
    ]
    random.Random(number).shuffle(steps)
    says = [
        f"I {pick(['first', 'then', 'simply', 'always'])} {pick(['drop', 'remove', 'skip'])} rows"
    ]
    says += [
        f"with {pick(['no', 'empty', 'missing', 'odd'])} {pick(['amount', 'value', 'sum'])} {number * 7919 % 101}"
    ]
    says += [pick(["because", "since", "as", "so"]) for _ in range(2)]
    says += [f"{pick('abcdefgh')}{pick('klmnop')}{pick('stuvw')}" for _ in range(30)]
    return {
        "clean": STUBS["clean"].format(indent([*steps[0], *checks, *steps[1], *body, *end])),
        "totals": STUBS["totals"].format(indent([*steps[2], *count, *steps[3][:1], *last])),
        "twice": STUBS["twice"].format(pick(["return x + x", "return 2 * x", "return x * 2"])),
        "words": " ".join(says) + ".",
    }


NAMES = {"rows": "data", "row": "entry", "out": "cleaned", "sums": "per_person", "who": "person"}
NAMES |= {
    "pair": "item",
    "amount": "geld",
    "many": "lots",
    "checks": "c",
    "ordered": "s",
    "one": "e",
}


def disguised(source):
    """A copy with every variable renamed, other comments and blank lines."""
    found = re.sub(r"(?<!['.])\b\w+\b(?!')", lambda m: NAMES.get(m[0], m[0]), source)
    lines = [
        line + ("  # my own idea" if number % 3 == 1 else "")
        for number, line in enumerate(found.split("\n"))
    ]
    return "# I wrote this alone.\n\n" + "\n\n".join(lines)


def hand_in(course, student, answers, extra=()):
    book = notebook_io.read(course.release("") / "ledger" / "ledger.ipynb")
    for cell in book.cells:
        if cell.id in answers:
            cell.source = answers[cell.id]
    for after, cell in extra:
        place = next(n for n, one in enumerate(book.cells) if one.id == after)
        book.cells.insert(place + 1, cell)
    path = course.submitted / student / "ledger" / "ledger.ipynb"
    path.parent.mkdir(parents=True)
    path.write_bytes(notebook_io.to_bytes(book))


HELPERS = [
    "def is_open(day, closed):\n    weekday = day % 7\n    return weekday < 5 and day not in closed and not (day == 1 and closed)",
    "def shares(parts):\n    whole = sum(parts.values()) or 1\n    return {name: round(part * 100 / whole, 1) for name, part in parts.items() if part > 0}",
    "def running(values, start=0.0):\n    seen = []\n    for value in values:\n        start = start * 0.9 + value * 0.1\n        seen.append((value, start))\n    return seen[-1:], seen",
]


def make_class(course):
    """30 students: s02 renamed s01's code, s04 took s03's words, s06 turned s05's helpers around."""
    works = {f"s{number:02}": own_work(number + 90) for number in range(1, 31)}
    works["s02"] = {name: disguised(works["s01"][name]) for name in ("clean", "totals")} | {
        "twice": works["s02"]["twice"],
        "words": works["s02"]["words"],
    }
    works["s04"]["words"] = "Well: " + works["s03"]["words"].upper()
    for student, work in works.items():
        extra = []
        if student in ("s05", "s06"):
            helpers = HELPERS if student == "s05" else [disguised(one) for one in HELPERS[::-1]]
            where = "clean" if student == "s05" else "totals"
            extra = [(where, new_code_cell(one)) for one in helpers]
        hand_in(course, student, work, extra)


def test_three_pairs_in_a_class_of_thirty(course):
    make_class(course)
    result = similar(course, "ledger")
    found = {one.students: one for one in result.found.pairs}
    assert set(found) == {("s01", "s02"), ("s03", "s04"), ("s05", "s06")}
    assert result.students == 30
    assert found["s01", "s02"].fraction > 0.9 and len(found["s01", "s02"].answers) == 2
    assert result.found.pairs[0].tokens >= result.found.pairs[-1].tokens
    assert str(result).startswith("3 pairs of similar submissions among 30 students; 30 short")
    page = result.page.read_text("utf-8")
    assert page.count('<h2 id="pair-') == 3 and "<mark>" in page and "<script" not in page
    assert (
        "not proof that anybody copied" in page
        and "Not compared: answers with fewer than 40 tokens" in page
    )
    assert "Function clean" in page and "In words" in page
    assert "def twice" not in page  # a line of one's own is no sign of anything
    words = re.search(r"<mark>(.*?)</mark>", page.split("In words")[1], re.DOTALL)[1]
    assert words.startswith("I ")


def test_what_was_given_is_no_sign(course):
    stats = LIBRARY.replace("values", "numbers").replace("ordered", "s")
    for student in ("ana", "ben"):
        answers = {"clean": f"{stats}\ndef clean(rows):\n    return given_median(rows)"}
        hand_in(course, student, answers)
    assert similar(course, "ledger").found.pairs == ()
    (course.root / "lib" / "stats.py").unlink()
    assert [one.students for one in similar(course, "ledger").found.pairs] == [("ana", "ben")]


def test_the_usual_solution_is_no_sign(course):
    work = own_work(7)
    for number in range(12):
        hand_in(course, f"s{number}", work if number < 8 else own_work(number + 100))
    assert similar(course, "ledger").found.pairs == ()


def test_student_text_is_escaped(course):
    evil = '"</pre><script>alert(1)</script>\u202e<img src=x>"'
    work = {**own_work(3)}
    work["clean"] += f"\n    x = {evil}"
    for student in ("ana", "ben"):
        hand_in(course, student, work)
    with course.gradebook() as book:
        book.add_student("ana", first_name="<b>Ana</b>", last_name="X")
    page = similar(course, "ledger").page.read_text("utf-8")
    assert "&lt;script&gt;" in page
    assert "<script" not in page and "<img" not in page and "<b>" not in page
    assert "\u202e" not in page
    assert 'http-equiv="Content-Security-Policy" content="default-src \'none\'' in page


def test_files_that_are_no_notebooks_and_monsters(course):
    for student in ("ana", "ben"):
        hand_in(course, student, own_work(3))
    for student, content in {
        "cut": b'{"nbformat": 4, "cells": [{"ce',
        "deep": b"[" * 200_000,
        "bytes": b"\xff\x00" * 1000,
        "big": b'{"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [{"cell_type": "code", "id": "clean", "metadata": {}, "outputs": [], "execution_count": null, "source": "'
        + b"x+" * 1_900_000
        + b'"}]}',
    }.items():
        path = course.submitted / student / "ledger" / "ledger.ipynb"
        path.parent.mkdir(parents=True)
        path.write_bytes(content)
    result = similar(course, "ledger")
    assert [one.students for one in result.found.pairs] == [("ana", "ben")]
    assert result.found.long == ("big",)
    assert "Too long to be compared" in result.page.read_text("utf-8")


def test_who_left_is_not_compared(course):
    for student in ("ana", "ben"):
        hand_in(course, student, own_work(3))
        with course.gradebook() as book:
            book.add_student(student)
    drop(course, ["ben"])
    result = similar(course, "ledger", language="en")
    assert result.students == 1 and result.found.pairs == ()
    assert "resemble each other more than the task explains" in result.page.read_text("utf-8")


def test_nothing_to_compare(course):
    with pytest.raises(UserError, match="autograder collect ledger"):
        similar(course, "ledger")
    with pytest.raises(UserError, match="no assignment 'x'"):
        similar(course, "x")


def test_the_report_tells_and_links_it(course):
    for student in ("ana", "ben"):
        hand_in(course, student, own_work(3))
    assert "similar.html" not in report(course, "ledger").html.read_text("utf-8")
    similar(course, "ledger")
    page = report(course, "ledger").html.read_text("utf-8")
    assert '<a href="ledger-similar.html">' in page and "Pairs of similar submissions: 1" in page
