"""Files are either the old or the new one; errors are one sentence."""

import errno
import os

import pytest

from autograder.core.atomic_io import read_file, replaced_folder, write_file
from autograder.errors import EnvironmentFault, UserError


def test_write_replaces_in_one_step(tmp_path):
    path = tmp_path / "a" / "b.txt"
    write_file(path, b"one")
    write_file(path, b"two")
    assert path.read_bytes() == b"two"
    assert [p.name for p in path.parent.iterdir()] == ["b.txt"]


@pytest.mark.parametrize("failing", ["fsync", "replace"])
def test_a_full_disk_leaves_the_old_file(tmp_path, monkeypatch, failing):
    path = tmp_path / "b.txt"
    write_file(path, b"old")

    def full(*_args):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, failing, full)
    with pytest.raises(EnvironmentFault, match="disk is full"):
        write_file(path, b"new")
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["b.txt"]


def _fill_and_raise(place):
    with replaced_folder(place) as new:
        (new / "two").write_text("2")
        raise ValueError("stop")


def test_a_folder_is_replaced_whole_or_not_at_all(tmp_path):
    place = tmp_path / "folder"
    with replaced_folder(place) as new:
        (new / "one").write_text("1")
    with pytest.raises(ValueError, match="stop"):
        _fill_and_raise(place)
    assert [p.name for p in place.iterdir()] == ["one"]
    with replaced_folder(place) as new:
        (new / "three").write_text("3")
    assert [p.name for p in place.iterdir()] == ["three"]
    assert [p.name for p in tmp_path.iterdir()] == ["folder"]


def test_a_full_disk_leaves_the_old_folder(tmp_path, monkeypatch):
    place = tmp_path / "folder"
    with replaced_folder(place) as new:
        (new / "one").write_text("1")
    rename = os.rename

    def full(source, target):
        if str(target) == str(place) and ".old." not in str(source):
            raise OSError(errno.ENOSPC, "No space left on device")
        rename(source, target)

    monkeypatch.setattr(os, "rename", full)
    with pytest.raises(EnvironmentFault), replaced_folder(place) as new:
        (new / "two").write_text("2")
    assert (place / "one").read_text() == "1"


@pytest.mark.parametrize("make", ["missing", "folder", "large"])
def test_reading_says_what_is_wrong(tmp_path, make):
    path = tmp_path / "x"
    if make == "folder":
        path.mkdir()
    if make == "large":
        path.write_bytes(b"12345")
    with pytest.raises(UserError) as raised:
        read_file(path, limit=4)
    assert str(path) in str(raised.value)
