"""Saving in JupyterLab's server: the file is the old or the new one, whatever the disk does."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path

import pytest
from nbformat.v4 import new_code_cell, new_notebook
from tornado.web import HTTPError

from autograder.student import work_files
from autograder.student.work_files import WorkFileManager
from tests.small_disk import SmallDisk, small_disk

PATH = "work/en/quiz.ipynb"


def model(answer: str, language: str = "en") -> dict:
    cells = [
        new_code_cell(f'set_language("{language}")', id="language"),
        new_code_cell(answer, id="answer"),
    ]
    return {"type": "notebook", "format": "json", "content": new_notebook(cells=cells)}


def answer_in(path: Path) -> str:
    return "".join(json.loads(path.read_text(encoding="utf-8"))["cells"][1]["source"])


class Saving:
    """A course folder and what saves into it."""

    def __init__(self, root: Path) -> None:
        (root / "work" / "en").mkdir(parents=True)
        self.root = root
        self.manager = WorkFileManager(root_dir=str(root))
        self.path = root / PATH

    def save(self, answer: str, language: str = "en") -> dict:
        return asyncio.run(self.manager.save(model(answer, language), PATH))

    @property
    def kept(self) -> list[str]:
        folder = self.root / "work" / ".history" / "en" / "quiz.ipynb"
        return [answer_in(one) for one in sorted(folder.iterdir())]

    @property
    def left_behind(self) -> list[str]:
        folder = self.root / "work" / "en"
        return [one.name for one in folder.iterdir() if one.name.startswith((".saving-", ".~"))]


@pytest.fixture
def saving(tmp_path, monkeypatch) -> Saving:
    monkeypatch.setenv("AUTOGRADER_COURSE", str(tmp_path))
    return Saving(tmp_path)


@pytest.fixture
def disk(tmp_path) -> SmallDisk:
    with small_disk(tmp_path / "disk", 4) as disk:
        yield disk


@pytest.fixture
def on_disk(disk, monkeypatch) -> Saving:
    monkeypatch.setenv("AUTOGRADER_COURSE", str(disk.place))
    return Saving(disk.place)


def test_a_notebook_is_replaced_and_its_versions_kept(saving):
    for answer in ("1", "2", "2"):
        saving.save(answer)
    assert answer_in(saving.path) == "2"
    assert saving.kept == ["1", "2"]
    assert saving.left_behind == []


@pytest.mark.skipif(os.name == "nt", reason="Unix modes and links")
def test_modes_and_links_stay(saving, tmp_path):
    saving.save("1")
    assert saving.path.stat().st_mode & 0o777 == 0o666 & ~_umask()
    saving.path.chmod(0o640)
    elsewhere = tmp_path / "elsewhere.ipynb"
    saving.path.rename(elsewhere)
    saving.path.symlink_to(elsewhere)
    saving.save("2")
    assert saving.path.is_symlink()
    assert answer_in(elsewhere) == "2"
    assert elsewhere.stat().st_mode & 0o777 == 0o640


def _umask() -> int:
    now = os.umask(0)
    os.umask(now)
    return now


@pytest.mark.skipif(os.name == "nt", reason="files are replaced otherwise there")
def test_what_another_program_saved_meanwhile_is_kept(saving):
    saving.save("1")
    content = saving.path.read_text(encoding="utf-8").replace('"1"', '"by another editor"')
    saving.path.write_text(content, encoding="utf-8")
    saving.save("2")
    assert saving.kept == ["1", "by another editor", "2"]


@pytest.mark.parametrize("fault", ["a file in its place", "an error of ours"])
def test_a_history_that_fails_keeps_nothing_from_being_saved(saving, monkeypatch, fault):
    if fault == "a file in its place":
        (saving.root / "work" / ".history").write_text("in the way")
    else:

        def fail(*_given: object) -> None:
            raise RuntimeError("a bug")

        monkeypatch.setattr(work_files, "keep_version", fail)
        monkeypatch.setattr(work_files, "keep_replaced", fail)
    for answer in ("1", "2"):
        assert saving.save(answer)["path"] == PATH
    assert answer_in(saving.path) == "2"


def test_a_full_disk_cuts_nothing_off(on_disk, disk):
    """Jupyter's own way loses the file when saving is tried twice."""
    on_disk.save("x" * 100_000)
    for space in (0, 8192, 60_000, 120_000):
        disk.fill(but=space)
        for _ in range(2):
            with pytest.raises(HTTPError, match=r"The disk is full, so quiz\.ipynb was not saved"):
                on_disk.save("y" * 200_000)
            assert answer_in(on_disk.path) == "x" * 100_000
            assert on_disk.left_behind == []
        disk.free_up()
    on_disk.save("y" * 200_000)
    assert answer_in(on_disk.path) == "y" * 200_000
    assert [one[0] for one in on_disk.kept] == ["x", "y"]


def test_the_history_is_no_reason_for_a_full_disk(on_disk, disk):
    """There is room for the notebook, and none for a copy of it."""
    on_disk.save("x" * 300_000)
    disk.fill(but=350_000)
    on_disk.save("y" * 300_000)
    assert answer_in(on_disk.path) == "y" * 300_000


def test_a_read_only_disk_is_said_in_the_notebooks_language(on_disk, disk):
    on_disk.save("1")
    disk.read_only()
    try:
        with pytest.raises(HTTPError, match="File → Download") as english:
            on_disk.save("2")
        with pytest.raises(HTTPError, match=r"quiz\.ipynb") as korean:
            on_disk.save("2", "ko")
    finally:
        disk.read_only(False)
    assert english.value.status_code == 403
    assert "저장" in korean.value.log_message
    assert answer_in(on_disk.path) == "1"


def test_what_is_not_listed_still_opens(saving):
    saving.save("1")
    saving.manager.unlisted = ["work/en", "release"]

    def listed(folder: str) -> list[str]:
        model = asyncio.run(saving.manager.get(folder, content=True))
        return [one["name"] for one in model["content"]]

    (saving.root / "work" / "release").mkdir()  # a student's own of that name
    assert listed("work") == ["release"]
    assert listed("work/en") == ["quiz.ipynb"]
    assert asyncio.run(saving.manager.get(PATH, content=True))["type"] == "notebook"
