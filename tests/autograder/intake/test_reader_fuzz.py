"""Whatever the bytes are: a record or a note, never a crash, and nothing but what was asked for."""

from __future__ import annotations

import copy
import io
import json
import os
import random
import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autograder.intake.identify import AssignmentSpec
from autograder.intake.notebook_reader import (
    EXPLAINED,
    Unreadable,
    read_notebook,
    record,
    submission_from_notebook,
)
from autograder.intake.submission import (
    BadRecord,
    CourseCells,
    Submission,
    course_cells,
    submission_from_wire,
    to_bytes,
)
from autograder.intake.upload import OpenedUpload, Upload, open_upload
from autograder.sandbox import wire

ROOT = Path(__file__).resolve().parents[3]
RELEASED = ROOT / "release/en/quiz/quiz.ipynb"
PLAIN = json.loads(RELEASED.read_text("utf-8"))
for _cell in PLAIN["cells"]:
    _cell["source"] = "".join(_cell["source"])
CELLS = course_cells([PLAIN], [PLAIN], ("en", "ko"))
NAMES = frozenset(
    cell["metadata"]["nbgrader"]["grade_id"]
    for cell in PLAIN["cells"]
    if "nbgrader" in cell["metadata"]
)
QUIZ = AssignmentSpec("quiz", NAMES, frozenset(CELLS.by_text), frozenset({"data.csv"}), CELLS)

ODD = st.sampled_from(
    [
        None,
        True,
        -1,
        2**70,
        1e308,
        float("nan"),
        "",
        "\ud800",
        "\x1b[2J",
        "../term",
        "/proc/1/root",
        "x" * 400,
        [],
        [[]],
        [None],
        {},
        {"": {}},
        {"nbgrader": 5},
        {"nbgrader": {"grade_id": []}},
    ]
)


def places(node: object, path: tuple = ()) -> list[tuple]:
    """Every place in a tree of plain values."""
    found = [path]
    if isinstance(node, dict):
        for key, value in node.items():
            found += places(value, (*path, key))
    elif isinstance(node, list):
        for number, value in enumerate(node):
            found += places(value, (*path, number))
    return found


PLACES = places(PLAIN)[1:]


def changed(tree: object, path: tuple, change: str, odd: object) -> None:
    """Change a tree at one place, if that is still there."""
    odd = copy.deepcopy(odd)  # what is drawn is shared, and could come to hold itself
    try:
        for key in path[:-1]:
            tree = tree[key]
        if change == "drop":
            del tree[path[-1]]
        elif change == "double":
            tree.insert(path[-1], copy.deepcopy(tree[path[-1]]))
        elif change == "nest":
            for _ in range(60):
                tree[path[-1]] = [tree[path[-1]]]
        elif change == "add":
            tree[path[-1]]["attachments" if random.Random(str(path)).random() < 0.5 else "x"] = odd
        else:
            tree[path[-1]] = odd
    except (KeyError, IndexError, TypeError, AttributeError):
        pass


MUTATION = st.tuples(
    st.sampled_from(PLACES), st.sampled_from(["drop", "double", "nest", "add", "odd"]), ODD
)


def notebook(mutations: list[tuple]) -> bytes:
    tree = copy.deepcopy(PLAIN)
    for path, change, odd in mutations:
        changed(tree, path, change, odd)
    return json.dumps(tree).encode("utf-8", "surrogatepass")


def assert_holds_nothing_else(submission: Submission) -> None:
    """The record crosses, is valid on the other side, and reads as itself once written."""
    received = submission_from_wire(wire.decode(wire.encode(submission.to_wire())), CELLS)
    assert received == submission
    assert submission.language in ("en", "ko")
    assert all(cell.cell_id in {None, *CELLS.ids} for cell in submission.cells)
    written = to_bytes(submission, CELLS)
    assert record(read_notebook(written), CELLS) == submission


def assert_record_or_reason(content: bytes) -> None:
    reason, submission = "", None
    try:
        submission = record(read_notebook(content), CELLS)
    except Unreadable as error:
        reason = str(error)
    if submission is None:
        assert reason in EXPLAINED
    else:
        assert_holds_nothing_else(submission)


@settings(max_examples=150, deadline=None)
@given(st.lists(MUTATION, min_size=1, max_size=8))
def test_a_notebook_gone_wrong_is_a_record_or_a_reason(mutations):
    assert_record_or_reason(notebook(mutations))


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 10**6), st.binary(min_size=1, max_size=12), st.booleans())
def test_damaged_bytes_are_a_record_or_a_reason(at, damage, cut):
    content = RELEASED.read_bytes()
    at %= len(content)
    content = content[:at] + damage + (b"" if cut else content[at + len(damage) :])
    assert_record_or_reason(content)


WIRE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.binary(max_size=8),
    lambda inner: st.lists(inner, max_size=4),
    max_leaves=10,
)


@settings(max_examples=200, deadline=None)
@given(WIRE, st.integers(0, 40))
def test_what_a_hijacked_reader_says_is_validated(value, at):
    row = ["code", "x = 1", None, ["a.png", "image/png", "AAAA"]]
    for claim in (
        value,
        ["en", value],
        ["en", [value]],
        ["en", [[*row[: at % 4], value]]],
        ["../en", [row]],
        ["en", [["code", "x", "../id"]]],
    ):
        try:
            found = submission_from_wire(claim, CELLS)
        except BadRecord:
            continue
        assert found.language == "en"
        assert all(cell.cell_id in {None, *CELLS.ids} for cell in found.cells)


def zipped(files: list[tuple[str, bytes]]) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files:
            archive.writestr(name, content)
    return target.getvalue()


NAME = st.sampled_from(
    [
        "quiz.ipynb",
        "quiz (1).ipynb",
        "a/quiz.ipynb",
        "data.csv",
        "receipt.json",
        "x\n.txt",
        "é.ipynb",
        "timestamp.txt",
        "in.zip",
    ]
)
RECEIPTS = [b"{}", b'{"student": "s01", "files": {"quiz.ipynb": 5}, "sha256": 1}', b"[" * 5000]


@settings(max_examples=120, deadline=None)
@given(st.data())
def test_a_delivery_gone_wrong_is_judged(data):
    files = []
    for _ in range(data.draw(st.integers(1, 4))):
        kind = data.draw(st.sampled_from(["notebook", "zip", "receipt", "bytes"]))
        name = data.draw(NAME)
        if kind == "notebook":
            content = notebook(data.draw(st.lists(MUTATION, max_size=2)))
        elif kind == "zip":
            content = bytearray(
                zipped([(data.draw(NAME), RELEASED.read_bytes()), ("data.csv", b"1")])
            )
            for at, one in data.draw(
                st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), max_size=6)
            ):
                content[-1 - at % min(len(content), 300)] = one
            name, content = f"{name}.zip", bytes(content)
        elif kind == "receipt":
            content = data.draw(st.sampled_from(RECEIPTS))
        else:
            content = data.draw(st.binary(max_size=50))
        files.append((name, content))
    put: dict[str, bytes] = {}
    opened = open_upload(
        Upload("s01", "quiz", "quiz", [(name, len(content)) for name, content in files]),
        QUIZ,
        [QUIZ],
        lambda number: io.BytesIO(files[number][1]),
        put.__setitem__,
    )
    assert isinstance(opened, OpenedUpload) and set(put) <= {"data.csv"}
    assert all(one.text().isprintable() for one in opened.notes)
    if opened.submission is not None:
        assert_holds_nothing_else(opened.submission)


def test_line_ends_are_no_change():
    tree = copy.deepcopy(PLAIN)
    for cell in tree["cells"]:
        cell["source"] = cell["source"].replace("\n", "\r\n")
        cell.pop("id", None)
        cell["metadata"] = {}
    found = submission_from_notebook(tree, CELLS)
    assert [cell.cell_id for cell in found.cells if cell.source.strip()] == [
        CELLS.find((None, None, None), cell["source"])
        for cell in PLAIN["cells"]
        if cell["source"].strip()
    ]
    assert all("\r" not in cell.source for cell in found.cells)


@pytest.mark.parametrize("metadata", [{"a": 1}, {"nbgrader": {"grade_id": "q1-answer"}}])
def test_nothing_of_the_metadata_is_written(metadata):
    tree = {
        "nbformat": 4,
        "nbformat_minor": 9,
        "metadata": {"kernelspec": {"name": "../../x"}},
        "cells": [
            {
                "cell_type": "code",
                "source": "1",
                "metadata": {**metadata, "tags": ["x"]},
                "outputs": [{"output_type": "secret"}],
                "execution_count": 3,
            }
        ],
    }
    written = to_bytes(submission_from_notebook(tree, CELLS), CELLS)
    assert b"../../x" not in written and b"secret" not in written and b'"tags"' not in written


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="the sandbox needs Linux")
def test_the_confined_reader_reads_the_same(tmp_path):
    from autograder.intake.reader import Reader

    expected = record(read_notebook(RELEASED.read_bytes()), CELLS)
    broken = tmp_path / "x.ipynb"
    broken.write_bytes(b"{")
    with Reader() as reader:
        for path, wanted in ((RELEASED, expected), (broken, "not json"), (RELEASED, expected)):
            descriptor = os.open(path, os.O_RDONLY)
            assert reader.notebook(descriptor, CELLS) == wanted
            os.close(descriptor)


def test_an_empty_course_knows_no_cell():
    assert CourseCells().find(("a", "b", None), "x") is None
