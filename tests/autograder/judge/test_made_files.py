"""Which of the files that a student's code claims to have written are kept."""

import pytest

from autograder.judge.made_files import MOST_BYTES, MOST_FILES, kept_files


@pytest.mark.parametrize(
    "name",
    [
        "table.csv",
        "figures/loss curve.PNG",
        "결과.txt",
        "a/b/c/d/e.json",
        "v1.2.dat",
        "model_1.npz",
    ],
)
def test_data_and_pictures_are_kept(name):
    assert kept_files({name: b"x"}) == {name: b"x"}


@pytest.mark.parametrize(
    "name",
    [
        *("", ".", "..", "/etc/x.txt", "../x.txt", "a/../../x.txt", "a//x.txt", "./x.txt"),
        *("a\\..\\x.txt", "C:x.txt", "x.txt\n", "x\0.txt", "\udc80.txt", " x.txt", "x.txt ."),
        *("a/b/c/d/e/f.txt", "x" * 120 + ".txt", "-rf.txt", "~x.txt", "a*.txt"),
        *(".x.txt", ".git/config.txt", "__pycache__/x.txt", "~/x.txt"),
        *("x", "txt", "x.py", "x.ipynb", "x.html", "x.svg", "x.pkl", "x.sh", "x.so", "x.toml"),
        *("p1.ipynb", "nbgrader_config.py", "conftest.py", "x.txt.desktop"),
        *("timestamp.txt", "Timestamp.TXT", "submission_secret.txt", "receipt.json"),
        *("own-values.json", "a/timestamp.txt"),
    ],
)
def test_others_are_not(name):
    assert kept_files({name: b"x"}) == {}


def test_what_is_there_stays_as_it_is():
    taken = ["data.txt", "folder/x.txt", "name.txt"]
    claims = {"data.txt": b"", "folder/y.txt": b"y", "name.txt/x.txt": b"", "folder": b""}
    assert kept_files(claims, taken) == {"folder/y.txt": b"y"}


@pytest.mark.parametrize("claims", [None, [], "x.txt", {1: b""}, {"x.txt": "text"}, {"x.txt": 1}])
def test_other_claims_are_nothing(claims):
    assert kept_files(claims) == {}


def test_a_file_and_a_folder_of_one_name_are_not_both_kept():
    assert kept_files({"a.txt": b"", "a.txt/b.txt": b""}) == {"a.txt": b""}
    assert kept_files({"a.txt/b.txt": b"", "a.txt": b""}) == {"a.txt": b""}


def test_they_are_limited_in_number_and_size():
    assert len(kept_files({f"{n}.txt": b"" for n in range(2 * MOST_FILES)})) == MOST_FILES
    big = bytes(MOST_BYTES // 2 + 1)
    assert set(kept_files({"a.txt": big, "b.txt": big, "c.txt": b"c"})) == {"a.txt", "c.txt"}
