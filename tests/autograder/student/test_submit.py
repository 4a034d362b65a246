"""Packing an answer: the right notebook, under its own name, with a receipt that fits."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import subprocess
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import pytest
from nbformat.v4 import new_code_cell, new_notebook

from autograder.config import Course
from autograder.core import notebook_io
from autograder.core.receipts import make_receipt, read_receipt, receipt_problem
from autograder.errors import EnvironmentFault, UserError
from autograder.student.submit import submit

NOW = datetime(2025, 3, 12, 9, 30, tzinfo=UTC)
CELLS = ("q1-answer", "q1-test", "q2-answer", "q2-test")


def notebook(answer: str = "q1 = 'A'", cells: tuple[str, ...] = CELLS) -> bytes:
    made = [
        new_code_cell(
            answer if name == "q1-answer" else "",
            id=name,
            metadata={"nbgrader": {"grade_id": name, "solution": name.endswith("answer")}},
        )
        for name in cells
    ]
    return notebook_io.to_bytes(new_notebook(cells=made))


def put(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


@pytest.fixture
def course(tmp_path) -> Course:
    """A student's bundle: releases only."""
    root = tmp_path / "course"
    put(root / "release/en/quiz/quiz.ipynb", notebook("q1 = None"))
    put(root / "release/ko/quiz/quiz.ipynb", notebook("q1 = None"))
    put(root / "release/en/moe/moe.ipynb", notebook("", ("gate", "gate-test")))
    put(root / "release/en/moe/data/prices.csv", b"1\n")
    return Course(root, exchange=tmp_path / "exchange")


def contents(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_a_notebook_is_packed_with_its_receipt(course, tmp_path):
    path = put(tmp_path / "my/quiz (1).ipynb", notebook())
    result = submit(path, "김민준", course, now=NOW)
    assert result.path == tmp_path / "my/quiz-김민준-20250312T093000Z.zip"
    files = contents(result.path)
    assert files["quiz.ipynb"] == notebook()
    receipt = json.loads(files["receipt.json"])
    assert receipt["student"] == "김민준" and receipt["time"] == "2025-03-12T09:30:00+00:00"
    assert receipt["files"] == {"quiz.ipynb": hashlib.sha256(notebook()).hexdigest()}
    assert receipt["sha256"] == result.sha256 and result.sha256 in str(result)
    assert result.time in str(result) and str(result.path) in str(result)


@pytest.mark.skipif(os.name == "nt", reason="sha256sum is a Unix program")
def test_the_receipt_can_be_checked_by_hand(course, tmp_path):
    result = submit(put(tmp_path / "quiz.ipynb", notebook()), "s1", course, now=NOW)
    with zipfile.ZipFile(result.path) as archive:
        archive.extract("quiz.ipynb", tmp_path / "out")
    said = subprocess.run(
        "sha256sum quiz.ipynb | sha256sum", shell=True, cwd=tmp_path / "out", capture_output=True
    )
    assert said.stdout.decode().split()[0] == result.sha256


def test_a_folder_is_searched(course, tmp_path):
    put(tmp_path / "quiz/퀴즈.ipynb", notebook())
    put(tmp_path / "quiz/.ipynb_checkpoints/quiz-checkpoint.ipynb", notebook("q1 = 'old'"))
    put(tmp_path / "quiz/notes.txt", b"private")
    result = submit(tmp_path / "quiz", "s1", course, now=NOW)
    assert set(contents(result.path)) == {"quiz.ipynb", "receipt.json"}
    assert result.path.parent == tmp_path / "quiz"


def test_files_the_assignment_asks_for_come_along(course, tmp_path):
    put(tmp_path / "moe/moe.ipynb", notebook("", ("gate", "gate-test")))
    assert any("data/prices.csv" in n.text() for n in submit(tmp_path / "moe", "s1", course).notes)
    put(tmp_path / "moe/data/prices.csv", b"2\n")
    put(tmp_path / "moe/other.csv", b"3\n")
    result = submit(tmp_path / "moe", "s1", course, tmp_path / "out", now=NOW)
    files = contents(result.path)
    assert set(files) == {"moe.ipynb", "data/prices.csv", "receipt.json"}
    assert files["data/prices.csv"] == b"2\n" and result.notes == []


def test_the_original_is_taken_and_its_copies_named(course, tmp_path):
    put(tmp_path / "quiz/quiz.ipynb", notebook("q1 = 'new'"))
    put(tmp_path / "quiz/quiz-Copy1.ipynb", notebook("q1 = 'old'"))
    result = submit(tmp_path / "quiz", "s1", course, now=NOW)
    assert contents(result.path)["quiz.ipynb"] == notebook("q1 = 'new'")
    assert "quiz-Copy1.ipynb" in result.notes[0].text()


def test_two_versions_without_an_original_are_a_question(course, tmp_path):
    put(tmp_path / "quiz/quiz (1).ipynb", notebook("q1 = 1"))
    put(tmp_path / "quiz/quiz (2).ipynb", notebook("q1 = 2"))
    with pytest.raises(UserError, match="several versions"):
        submit(tmp_path / "quiz", "s1", course)


def test_missing_cells_are_told_and_packed_all_the_same(course, tmp_path):
    path = put(tmp_path / "quiz.ipynb", notebook(cells=CELLS[:3]))
    result = submit(path, "s1", course, now=NOW)
    assert "q2-test" in result.notes[0].text() and result.path.is_file()


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("quiz.ipynb", b"{", "isn't JSON"),
        ("quiz.ipynb", b"[]", "not a notebook"),
        ("quiz.ipynb", b'{"nbformat": 3, "worksheets": []}', "old notebook format"),
        ("quiz.ipynb", b" " * (20 * 1024 * 1024 + 1), "more than the 20,971,520 allowed"),
        ("quiz.ipynb", notebook(cells=("x",)), "none of quiz's cells"),
        ("퀴즈.ipynb", b"{", "isn't JSON"),
        ("essay.ipynb", notebook(cells=("x",)), "no notebook of an assignment"),
        ("quiz.txt", b"hello", "no notebook of an assignment"),
    ],
)
def test_what_can_not_be_handed_in(course, tmp_path, name, content, why):
    path = put(tmp_path / "in" / name, content)
    with pytest.raises(UserError, match=why):
        submit(path, "s1", course)
    assert list((tmp_path / "in").iterdir()) == [path]


def test_where_there_is_no_release_it_says_so(tmp_path):
    put(tmp_path / "mine/quiz.ipynb", notebook())
    with pytest.raises(UserError, match="hand in the notebook itself"):
        submit(tmp_path / "mine/quiz.ipynb", "s1", Course(tmp_path))


def test_what_is_not_there(course, tmp_path):
    with pytest.raises(UserError, match="doesn't exist"):
        submit(tmp_path / "quiz.ipynb", "s1", course)
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="no notebook in"):
        submit(tmp_path / "empty", "s1", course)


@pytest.mark.parametrize("student", ["a/b", "", "..", "a\\b", "x" * 101, "a\nb"])
def test_what_is_not_a_student_id(course, tmp_path, student):
    with pytest.raises(UserError, match="can't be a student id"):
        submit(put(tmp_path / "quiz.ipynb", notebook()), student, course)


@pytest.mark.parametrize("call", ["replace", "fsync"])
def test_a_full_disk_leaves_nothing_behind(course, tmp_path, monkeypatch, call):
    path = put(tmp_path / "in/quiz.ipynb", notebook())

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, call, full)
    with pytest.raises(EnvironmentFault, match="disk is full"):
        submit(path, "s1", course)
    assert list(path.parent.iterdir()) == [path] and path.read_bytes() == notebook()


def test_through_the_exchange(course, tmp_path, monkeypatch):
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "jupyter"))
    exchange = tmp_path / "exchange/beyond-prompting"
    path = put(tmp_path / "quiz (1).ipynb", notebook())
    with pytest.raises(UserError, match="could not be handed in through the exchange"):
        submit(path, "s1", course, exchange=True)
    (exchange / "inbound").mkdir(parents=True)
    (exchange / "inbound").chmod(0o733)
    (tmp_path / "exchange").chmod(0o777)
    put(exchange / "outbound/quiz/quiz.ipynb", notebook("q1 = None"))
    result = submit(path, "s1", course, exchange=True)
    [folder] = (exchange / "inbound").iterdir()
    assert result.path == folder and folder.name.startswith("s1+quiz+")
    found = {one.name for one in folder.iterdir()}
    assert found == {"quiz.ipynb", "receipt.json", "timestamp.txt", "submission_secret.txt"}
    assert (folder / "quiz.ipynb").read_bytes() == notebook() and result.sha256 in str(result)


FILES = {"quiz.ipynb": b"{}"}


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({}, ""),
        ({"student": "S1"}, ""),
        ({"student": "s2"}, "names the student 's2'"),
        ({"student": None}, "names the student"),
        ({"assignment": "moe"}, "is for the assignment 'moe'"),
        ({"files": {}}, "lists no files"),
        ({"files": {"quiz.ipynb": "0" * 64}}, "was changed after"),
        ({"files": {"other.ipynb": "0" * 64}}, "is missing"),
        ({"sha256": "0" * 64}, "its receipt was changed"),
    ],
)
def test_receipts_are_checked(change, why):
    receipt = {**make_receipt("quiz", "s1", NOW, FILES), **change}
    hashes = {name: hashlib.sha256(content).hexdigest() for name, content in FILES.items()}
    problem = receipt_problem(receipt, "s1", "quiz", hashes.get)
    assert why in problem if why else problem == ""


def test_another_file_called_receipt_is_none():
    for content in (b"", b"{", b"[]", b'{"total": 5}', b"\xff"):
        assert read_receipt(content) is None


def test_a_slip_of_an_editor_stops_nothing(course, tmp_path):
    tree = json.loads(notebook())
    tree["metadata"], tree["nbformat"] = None, 3
    tree["worksheets"] = [{"cells": tree.pop("cells")}]
    for cell in tree["worksheets"][0]["cells"]:
        cell["outputs"] = [{"output_type": "pyout"}]
    content = b"\xef\xbb\xbf" + json.dumps(tree).encode()
    result = submit(put(tmp_path / "quiz.ipynb", content), "s1", course, now=NOW)
    assert contents(result.path)["quiz.ipynb"] == content and result.notes == []
