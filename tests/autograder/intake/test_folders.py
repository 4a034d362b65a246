"""Folders from outside: nothing that leads out is followed."""

from __future__ import annotations

import os
import unicodedata

import pytest

from autograder.intake.errors import BadArchive
from autograder.intake.folders import FolderSource
from autograder.intake.upload_limits import UploadLimits

SMALL = UploadLimits(members=5, member_bytes=1000, total_bytes=1500)


def test_a_folder_with_links(tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("key")
    folder = tmp_path / "in"
    (folder / "s1").mkdir(parents=True)
    (folder / "s1" / unicodedata.normalize("NFD", "퀴즈.ipynb")).write_bytes(b"{}")
    (folder / "s1" / "link.ipynb").symlink_to(secret)
    (folder / "all").symlink_to(tmp_path)
    os.mkfifo(folder / "pipe")
    with FolderSource(folder, SMALL) as source:
        assert [member.name for member in source.members] == ["s1/퀴즈.ipynb"]
        assert sorted(source.left_out) == ["all", "pipe", "s1/link.ipynb"]
        assert source.read(source.members[0]) == b"{}"


def test_a_file_swapped_for_a_link_is_not_followed(tmp_path):
    (tmp_path / "secret").write_text("key")
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "a").write_text("x")
    with FolderSource(folder, SMALL) as source:
        (folder / "a").unlink()
        (folder / "a").symlink_to(tmp_path / "secret")
        with pytest.raises(BadArchive):
            source.read(source.members[0])
        (folder / "a").unlink()
        os.mkfifo(folder / "a")
        with pytest.raises(BadArchive, match="plain file"):
            source.read(source.members[0])


@pytest.mark.parametrize("swapped", ["", "sub", "sub/inner"])
def test_what_lies_behind_a_link_that_was_a_folder_is_not_even_named(
    tmp_path, monkeypatch, swapped
):
    (tmp_path / "private/inner").mkdir(parents=True)
    (tmp_path / "private/inner/of ben.ipynb").write_text("key")
    (tmp_path / "private/of ada.ipynb").write_text("key")
    (tmp_path / "in/sub/inner").mkdir(parents=True)
    visit = FolderSource._visit

    def swap(source, entry, prefix):
        found = visit(source, entry, prefix)
        place = tmp_path / "in" / swapped
        if entry.name == place.name:
            place.rename(tmp_path / "gone")
            place.symlink_to(tmp_path / "private")
        return found

    monkeypatch.setattr(FolderSource, "_visit", swap)
    seen = (tmp_path / "in").stat()
    if not swapped:
        (tmp_path / "in").rename(tmp_path / "gone")
        (tmp_path / "in").symlink_to(tmp_path / "private")
    source = FolderSource.of_student(tmp_path / "in", seen)
    told = [*source.left_out, *source.unlisted, *(one.name for one in source.members)]
    assert "of " not in " ".join(told)


def test_a_folder_swapped_for_a_link_is_not_followed(tmp_path):
    (tmp_path / "private").mkdir()
    (tmp_path / "private/a").write_text("key")
    (tmp_path / "in/sub").mkdir(parents=True)
    (tmp_path / "in/sub/a").write_text("x")
    with FolderSource(tmp_path / "in", SMALL) as source:
        (tmp_path / "in/sub").rename(tmp_path / "gone")
        (tmp_path / "in/sub").symlink_to(tmp_path / "private")
        with pytest.raises(BadArchive):
            source.read(source.members[0])
