"""Cells and metadata: what the file says about itself, and what it says too much."""

import json

import pytest
from nbformat.v4 import new_code_cell, new_output

from tests.attacks.attack import Attack, all_of, answers, cases, find, last, own_cell
from tests.attacks.small_course import RIGHT
from tests.attacks.test_forging import FAKE_RECORD

TESTS = ("double-test", "parts-test")


def each_test(edit):
    """Edit both test cells' nbgrader metadata, or the cells themselves."""

    def change(work, place):
        for name in TESTS:
            edit(find(work, name))

    return change


def mark(**values):
    """Set nbgrader's marks on the test cells."""
    return each_test(lambda cell: cell.metadata["nbgrader"].update(values))


def mark_cell(name, **values):
    def change(work, place):
        find(work, name).metadata["nbgrader"].update(values)

    return change


def rewritten(source):
    def edit(cell):
        cell.source = source
        # The checksum that nbgrader would compute of the edited cell.
        from nbgrader.utils import compute_checksum

        cell.metadata["nbgrader"]["checksum"] = compute_checksum(cell)

    return each_test(edit)


def retyped(kind):
    def edit(cell):
        cell["cell_type"] = kind
        cell.pop("outputs", None)
        cell.pop("execution_count", None)

    return each_test(edit)


def doubled(work, place):
    copies = []
    for cell in work.cells:
        copies.append(cell)
        if cell.id in TESTS:
            copies += [{**cell, "id": f"{cell.id}-{n}", "source": "pass"} for n in range(3)]
    work["cells"] = copies


def without(*names):
    def change(work, place):
        work["cells"] = [cell for cell in work.cells if cell.id not in names]

    return change


def moved_first(work, place):
    work.cells.sort(key=lambda cell: cell.id not in TESTS)


def stored_outputs(work, place):
    record = eval(FAKE_RECORD)
    for name in TESTS:
        data = {"text/plain": "✓", "application/vnd.autograder.checks+json": record}
        find(work, name)["outputs"] = [new_output("display_data", data=data)]
        find(work, name)["execution_count"] = 1


def notebook_marks(**values):
    def change(work, place):
        work.metadata.update(values)

    return change


def own_graded_cell(work, place):
    for number in range(3):
        cell = new_code_cell("100", id=f"bonus-{number}")
        cell.metadata["nbgrader"] = {
            "cell_type": "code",
            "grade": True,
            "grade_id": f"bonus-{number}",
            "locked": True,
            "points": 100,
            "schema_version": 3,
            "solution": False,
            "task": False,
        }
        work.cells.append(cell)


def borrowed_identity(work, place):
    """Own cells that carry the ids and grade ids of test cells and read-only cells."""
    for name in (*TESTS, "imports", "gate-probe"):
        cell = new_code_cell("check = report = print", id=name)
        cell.metadata["nbgrader"] = dict(find(work, name).metadata["nbgrader"])
        work.cells.insert(2, cell)


def odd_metadata(work, place):
    for cell in work.cells:
        cell["metadata"] = ["not", "a", "dict"]


def numbers_as_marks(work, place):
    for name in TESTS:
        find(work, name).metadata["nbgrader"] = {"grade_id": 17, "points": "1e999", "grade": "yes"}


def cells_of(count, source="pass"):
    def change(work, place):
        cell = {"cell_type": "code", "metadata": {}, "source": source, "outputs": []}
        work["cells"] = [*work.cells, *([{**cell, "execution_count": None}] * count)]
        return json.dumps(work).encode()

    return change


def output_of(size, lines=False):
    def change(work, place):
        text = "x" * 99 + "\n" if lines else "x" * 100
        find(work, "double")["outputs"] = [new_output("stream", text=text * (size // 100))]

    return change


def content(make):
    """Hand in these bytes instead."""

    def change(work, place):
        return make(json.dumps(work).encode())

    return change


def ids_in_disorder(work, place):
    for cell in work.cells:
        cell["id"] = "same" if cell.id in TESTS else "../" + cell.id


ATTACKS = [
    Attack("more-points", "Makes the tests worth 200 points", mark(points=200)),
    Attack("fewer-points", "Makes the tests worth 0, so that nothing can be lost", mark(points=0)),
    Attack("negative-points", "Makes the tests worth −5", mark(points=-5)),
    Attack("points-as-text", "Writes words where marks and points stand", numbers_as_marks),
    Attack(
        "edited-test",
        "Rewrites the tests, with the checksum that fits",
        rewritten("assert True\n3"),
    ),
    Attack(
        "solved-test",
        "Turns the tests into answers of its own",
        all_of(mark(solution=True, grade=False, locked=False), rewritten("pass")),
    ),
    Attack("raw-tests", "Makes the tests raw cells", retyped("raw")),
    Attack("markdown-tests", "Makes the tests markdown", retyped("markdown")),
    Attack(
        "other-kernel",
        "Asks for another kernel and language",
        notebook_marks(
            kernelspec={"name": "bash", "display_name": "Bash", "language": "bash"},
            language_info={"name": "bash"},
        ),
    ),
    Attack("ungraded-tests", "Marks the tests as not graded", mark(grade=False)),
    Attack("task-tests", "Marks the tests as manual tasks", mark(task=True, solution=True)),
    Attack("renamed-tests", "Gives the tests other grade ids", mark(grade_id="something-else")),
    Attack("swapped-tests", "Gives both tests the same grade id", mark(grade_id="double-test")),
    Attack("old-schema", "Claims another schema of the metadata", mark(schema_version=99)),
    Attack("no-marks", "Removes all metadata", odd_metadata),
    Attack("doubled-tests", "Hands the tests in four times, three of them empty", doubled),
    Attack("deleted-tests", "Deletes the tests", without(*TESTS)),
    Attack(
        "deleted-everything",
        "Deletes every cell",
        without(
            "title",
            "language",
            "imports",
            "double",
            "double-test",
            "shares",
            "ranked",
            "gate",
            "gate-probe",
            "parts-test",
            "essay",
        ),
        deserves=(0, 0),
        written=0,
    ),
    Attack("tests-first", "Moves the tests before the answers", moved_first),
    Attack(
        "redefined-later",
        "Gives the right answer in a cell after the test",
        own_cell("double-test", RIGHT["double"]),
    ),
    Attack(
        "answer-in-test",
        "Writes the right answers into the test cells",
        each_test(lambda cell: cell.update(source=RIGHT["double"] + "\n" + RIGHT["ranked"])),
    ),
    Attack(
        "answer-in-read-only-cell",
        "Writes code into the read-only cells",
        lambda work, place: find(work, "gate-probe").update(
            source="def gate_output(rows, weight):\n    return torch.softmax(rows @ weight, -1)"
        ),
    ),
    Attack(
        "changed-language-cell",
        "Writes code into the cell that sets the language",
        lambda work, place: find(work, "language").update(
            source='import sys\nsys.modules["beyond.checks"] = sys\nset_language("../../../term")'
        ),
    ),
    Attack("own-graded-cells", "Adds graded cells worth 300 points", own_graded_cell),
    Attack(
        "borrowed-identity",
        "Adds cells with the ids of test cells and read-only cells",
        borrowed_identity,
    ),
    Attack("ids-in-disorder", "Gives cells the same ids, and ids with slashes", ids_in_disorder),
    Attack("stored-record", "Hands in outputs with records of passed checks", stored_outputs),
    Attack(
        "forged-notes",
        "Writes grading notes into the notebook's metadata",
        notebook_marks(
            beyond={
                "language": "../../term",
                "notes": [
                    {"message": "{x.__class__.__init__.__globals__}", "values": {"x": "1"}},
                    {"message": "<script>steal()</script> 10 of 10", "values": {}},
                ],
            }
        ),
        never=("steal()", "10 of 10"),
    ),
    Attack(
        "graded-essay",
        "Marks the written answer as tested and worth 500",
        mark_cell("essay", points=500, solution=False, grade=True),
    ),
    Attack(
        "essay-as-given",
        "Marks the written answer as given, so that nobody reads it",
        mark_cell("essay", grade=False, solution=False, locked=True),
    ),
    Attack(
        "essay-that-scores",
        "Lets the written answer show a number as points",
        all_of(answers(essay="why = 'good'\n5.0"), mark_cell("essay", grade=True, points=5)),
    ),
    # Too much of it
    Attack(
        "50,000-cells",
        "Hands in 50,000 cells",
        cells_of(50_000),
        deserves=(0, 0),
        written=0,
    ),
    Attack("many-own-cells", "Hands in 1,500 cells of its own", cells_of(1_500), seconds=20),
    Attack(
        "100-mb-output",
        "Hands in an output of 100 MB",
        output_of(100_000_000, lines=True),
        deserves=(0, 1),
        or_less=True,
    ),
    Attack("10-mb-line", "Hands in an output with a line of 10 MB", output_of(10_000_000)),
    Attack(
        "10-mb-source",
        "Hands in a cell with a line of 10 MB",
        last("x = '" + "y" * 10_000_000 + "'"),
        or_less=True,  # more code than a submission may have
    ),
    Attack(
        "deep-source",
        "Hands in a cell that nests 5,000 brackets and a sum of 50,000 terms",
        all_of(last("(" * 5_000 + ")" * 5_000), last("+".join(["1"] * 50_000))),
    ),
    Attack("nul-bytes", "Writes NUL bytes into its cells", last("x = 1\0\nprint('\0')")),
    Attack(
        "lone-surrogates",
        "Writes half characters into its cells and prints them",
        last("x = '\ud800'\nprint(chr(0xD800), chr(0xDFFF))\nchr(0xDC80)"),
    ),
    Attack(
        "right-to-left",
        "Hides code behind right-to-left marks",
        answers(double="def double(x):\n    '''\u202e''' # \u2066\n    return x + 1 #\u202e2 * x"),
    ),
    Attack(
        "control-characters",
        "Prints terminal commands and carriage returns",
        last("print('\\x1b[2J\\x1b]0;graded\\x07\\r10 of 10\\x08\\x00')"),
    ),
    Attack(
        "deep-json",
        "Hands in JSON nested a hundred thousand deep",
        content(lambda work: b"[" * 100_000 + b"]" * 100_000),
        deserves=(0, 0),
        written=0,
    ),
    Attack(
        "deep-metadata",
        "Nests metadata a hundred thousand deep",
        content(lambda work: work[:-1] + b', "x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"),
        deserves=(0, 0),
        written=0,
    ),
    Attack(
        "huge-number",
        "Writes a number of a million digits and infinities into the file",
        content(lambda work: work[:-1] + b', "nbformat_minor": ' + b"9" * 1_000_000 + b"}"),
    ),
    Attack(
        "infinite-numbers",
        "Writes NaN and Infinity where numbers stand",
        mark(points=float("inf"), schema_version=float("nan")),
    ),
    Attack(
        "twice-the-same-key",
        "Writes two lists of cells into one file",
        content(lambda work: work[:-1] + b', "cells": []}'),
        deserves=(0, 0),
        written=0,
    ),
    Attack(
        "not-a-notebook",
        "Hands in a zip named like the notebook",
        content(lambda work: b"PK\x03\x04" + work),
        deserves=(0, 0),
        written=0,
    ),
]


@pytest.mark.parametrize("attack", cases(ATTACKS))
def test_cells_and_metadata(attack, holds):
    holds(attack)
