"""Files that nbgrader's own collecting put there never keep the class from being graded."""

from __future__ import annotations

import json
import os
import subprocess

import pytest

from autograder.config import Course
from autograder.grading.cache_key import CacheKeys
from autograder.grading.gradebook_writer import GradebookWriter
from autograder.grading.prepare import SubmissionPreparer
from autograder.intake.exporter import SandboxedExporter


def hostile(course: Course, kit) -> dict[str, bytes]:
    work = json.loads(json.dumps(kit.answered(course, **kit.RIGHT)))

    def marked(language: str) -> bytes:
        cells = [cell for cell in work["cells"] if cell["id"] != "language"]
        return json.dumps(
            {**work, "cells": cells, "metadata": {"beyond": {"language": language}}}
        ).encode()

    deep = json.dumps({**work, "metadata": {"x": "DEEP"}})
    return {
        "own file": marked("../term/submitted/s01"),
        "release": marked("../release/en"),
        "proc": marked("/proc/1/root"),
        "long": marked("x" * 300),
        "deep": deep.replace('"DEEP"', '{"a":' * 600 + "1" + "}" * 600).encode(),
        "objects": json.dumps({**work, "metadata": {"x": [{}] * 4_000_000}}).encode(),
        "not json": b"{",
        "binary": b"\x00\xff" * 500,
    }


@pytest.mark.parametrize("secret", [b"key", b"x" * 10_001, b"\xff\x00"])
def test_work_is_made_of_anything(term, kit, secret):
    right = kit.answered(term, **kit.RIGHT)
    kit.hand_in(term, "honest", right)
    for name, content in hostile(term, kit).items():
        kit.hand_in(term, name.replace(" ", "-"), content)
        folder = term.submitted / name.replace(" ", "-") / "mini"
        for file in ("timestamp.txt", "submission_secret.txt"):
            (folder / file).write_bytes(secret)
    linked = term.submitted / "linked/mini"
    linked.mkdir(parents=True)
    (linked / "mini.ipynb").symlink_to("/proc/self/environ")
    os.mkfifo(linked / "timestamp.txt")
    students = sorted(path.name for path in term.submitted.iterdir())
    with GradebookWriter(term, "mini") as writer:
        preparer = SubmissionPreparer(term, "mini", writer.notebooks)
        works = {student: preparer.work(student) for student in students}
    template = [cell.id for cell in works["honest"].rebuilt["mini"].cells]
    for student, work in works.items():
        notebook = work.rebuilt["mini"]
        assert [cell.id for cell in notebook.cells][: len(template)] == template, student
        assert notebook.metadata.beyond.language == "en"
        assert set(work.files) <= {"submission_secret.txt"} | set(works["honest"].files), student
        answers = {cell.id: cell.source for cell in notebook.cells}
        assert "os.environ" not in json.dumps(answers)
    assert "a = 42" in json.dumps(works["own-file"].rebuilt["mini"])
    kept = term.collected / "not-json/mini/unreadable/mini.ipynb"
    assert kept.read_bytes() == b"{"


def test_folders_that_nobody_could_have_collected(term, kit):
    """nbgrader's own collecting copies whatever is there."""
    for name in ("deep", "large", "many"):
        kit.hand_in(term, name, kit.answered(term, **kit.RIGHT))
    at = os.open(term.submitted / "deep/mini", os.O_RDONLY)
    for _depth in range(1_500):
        os.mkdir("ddd", dir_fd=at)
        inner = os.open("ddd", os.O_RDONLY, dir_fd=at)
        os.close(at)
        at = inner
    os.close(at)
    with (term.submitted / "large/mini/data.bin").open("wb") as file:
        file.truncate(2**40)
    for number in range(6_000):
        (term.submitted / f"many/mini/{number}.csv").touch()
    try:
        with GradebookWriter(term, "mini") as writer:
            preparer = SubmissionPreparer(term, "mini", writer.notebooks)
            for name in ("deep", "large", "many"):
                assert "a = 42" in json.dumps(preparer.work(name).rebuilt["mini"]), name
    finally:
        subprocess.run(["rm", "-rf", term.submitted / "deep"], check=True)


def test_files_that_are_too_much_together_are_left_out_and_told(term, kit):
    kit.hand_in(term, "s01", kit.answered(term, **kit.RIGHT))
    for number in range(3):
        (term.release("en") / f"mini/asked-{number}.csv").write_bytes(b"1")
        with (term.submitted / f"s01/mini/asked-{number}.csv").open("wb") as file:
            file.truncate(31 * 1024 * 1024)
    with GradebookWriter(term, "mini") as writer:
        work = SubmissionPreparer(term, "mini", writer.notebooks).work("s01")
    assert "asked-0.csv" in work.files and "asked-2.csv" not in work.files
    said = [one["values"] for one in work.rebuilt["mini"].metadata.beyond.notes]
    assert {"names": "asked-1.csv, asked-2.csv"} in said


def test_a_submission_that_changes_has_another_fingerprint(term, kit):
    kit.hand_in(term, "s01", kit.answered(term, **kit.RIGHT))
    seen = {CacheKeys(term, "mini").of("s01")}
    for name, content in {"data.csv": b"1", "sub/x.csv": b"1", "mini.ipynb": b"{}"}.items():
        place = term.submitted / "s01/mini" / name
        place.parent.mkdir(exist_ok=True)
        place.write_bytes(content)
        seen.add(CacheKeys(term, "mini").of("s01"))
    assert len(seen) == 4


def test_formgraders_button_opens_by_the_same_reader(term, kit):
    data = json.loads(json.dumps(kit.answered(term, **kit.RIGHT)))
    data["metadata"] = {"kernelspec": {"name": "../../evil"}, "x": {"a": [{}] * 1000}}
    data["cells"][0]["metadata"]["tags"] = ["evil"]
    kit.hand_in(term, "s01", json.dumps(data).encode())
    kit.hand_in(term, "s02", b"[" * 1_000_000)
    exporter = SandboxedExporter(config=term.nbgrader_config())
    for student, has in (("s01", True), ("s02", False)):
        text, _resources = exporter.from_filename(
            str(term.submitted / student / "mini/mini.ipynb"), resources={"nbgrader": {}}
        )
        assert ("a = 42" in text) == has and "evil" not in text
