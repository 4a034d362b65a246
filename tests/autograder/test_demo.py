"""The whole path, end to end: the demo's own code on the class that ships as test data.

The scores and reasons in `tests/data/class/expected.json` were reasoned out by hand.
"""

from __future__ import annotations

import csv
import importlib.util
import io
import json
import unicodedata
import zipfile
from pathlib import Path
from types import ModuleType

import pytest

from autograder.config import Course
from autograder.core import notebook_io
from autograder.demo import play, prepare
from autograder.errors import UserError
from autograder.intake.collect import collect

ROOT = Path(__file__).resolve().parents[2]
CLASS = Path("tests") / "data" / "class"
DATA = ROOT / CLASS
EXPECTED = json.loads((DATA / "expected.json").read_text(encoding="utf-8"))
ASSIGNMENTS = ("quiz", "cost-formula", "moe-gate")


def make_class() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_class", ROOT / "tests/data/make_class.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def entries(content: bytes) -> list[tuple]:
    """What is in a zip, whichever version of zlib packed it."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return [
            (one.orig_filename, one.flag_bits, one.date_time, one.extra, archive.read(one))
            for one in archive.infolist()
        ]


def test_the_class_is_what_its_script_makes():
    planned = make_class().planned()
    there = {
        path.relative_to(DATA).as_posix(): path.read_bytes()
        for path in DATA.rglob("*")
        if path.is_file() and path.name not in ("expected.json", "deliveries.json")
    }
    assert sorted(there) == sorted(planned)
    again = "an assignment has changed: run `python tests/data/make_class.py`"
    for name, content in planned.items():
        if name.endswith(".zip"):
            assert entries(there[name]) == entries(content), again
        else:
            assert there[name] == content, again


def test_the_class_holds_what_really_comes_in():
    moodle = entries((DATA / "quiz-moodle.zip").read_bytes())
    names = [name for name, *_ in moodle]
    assert any(name != unicodedata.normalize("NFC", name) for name in names)
    files = {name.split("_")[0]: content for name, *_, content in moodle}
    packed_on_windows = zipfile.ZipFile(io.BytesIO(files["서연 이"]))
    [first, _] = packed_on_windows.infolist()
    assert not first.flag_bits & 0x800
    assert first.orig_filename.encode("cp437").decode("cp949") == "퀴즈/퀴즈_이서연.ipynb"
    vscode, colab = json.loads(files["Leo Dubois"]), json.loads(files["Mina Haddad"])
    assert (vscode["nbformat_minor"], colab["nbformat_minor"]) == (2, 0)
    assert not any("id" in cell for cell in vscode["cells"] + colab["cells"])
    assert "vscode" in vscode["metadata"] and "colab" in colab["metadata"]
    with pytest.raises(notebook_io.BadNotebook):
        notebook_io.read(DATA / "quiz-folder/rosa/quiz.ipynb")
    roster = (DATA / "roster.csv").read_bytes()
    assert roster.startswith(b"\xef\xbb\xbf") and b"\r\n" in roster
    rows = list(csv.DictReader(io.StringIO(roster.decode("utf-8-sig"))))
    assert {row["id"] for row in rows} >= set(EXPECTED["quiz"])


def test_everyone_has_the_score_expected(played):
    folder, _said, results = played
    expected = {
        (assignment, student): entry["score"]
        for assignment in ASSIGNMENTS
        for student, entry in EXPECTED[assignment].items()
    }
    assert {key: one.score for key, one in results.items()} == pytest.approx(expected)
    with Course(folder).gradebook() as gradebook:
        in_gradebook = {key: gradebook.find_submission(*key).score for key in expected}
    assert in_gradebook == pytest.approx(expected)


@pytest.mark.parametrize(
    ("assignment", "student"),
    [(name, student) for name in ASSIGNMENTS for student in EXPECTED[name]],
)
def test_everyone_is_told_why(played, assignment, student):
    folder, _said, results = played
    one, entry = results[assignment, student], EXPECTED[assignment][student]
    reasons = " | ".join(one.reasons)
    assert all(words in reasons for words in entry["why"]), reasons
    assert one.language == entry.get("language", "en")
    assert (one.late_seconds > 0) == entry.get("late", False)
    page = folder / "term/feedback" / student / assignment / f"{assignment}.html"
    assert page.is_file() and page.stat().st_size > 1_000


def test_what_was_refused_is_said(played):
    _folder, said, results = played
    for words in EXPECTED["refused"]["quiz"]:
        assert any(words in line for line in said), words
    assert ("quiz", "tom") not in results


def test_every_file_is_kept_as_it_came(played):
    folder, _said, _results = played
    kept = [path.read_bytes() for path in (folder / "term/collected").rglob("*") if path.is_file()]
    for path in (DATA / "quiz-folder").rglob("*"):
        if path.is_file() and "tom" not in path.parts:
            assert path.read_bytes() in kept


def test_collecting_again_changes_nothing(played):
    folder, _said, _results = played
    course = Course(folder)
    for name in ("quiz-canvas.zip", "quiz-moodle.zip"):
        result = collect(course, "quiz", DATA / name)
        assert result.taken == [] and result.unchanged


def test_only_its_own_folder_is_written(tmp_path, monkeypatch):
    # Also when the surroundings name another course and another exchange.
    monkeypatch.setenv("BEYOND_COURSE", str(tmp_path / "other"))
    monkeypatch.setenv("BEYOND_EXCHANGE", str(tmp_path / "exchange"))
    before = {path: path.stat().st_mtime_ns for path in (ROOT / "source").rglob("*")}
    own, collected = prepare(tmp_path / "demo", Course(ROOT), lambda _text: None)
    assert [path.name for path in tmp_path.iterdir()] == ["demo"]
    assert own.root == tmp_path / "demo"
    assert {path: path.stat().st_mtime_ns for path in (ROOT / "source").rglob("*")} == before
    assert [len(result.taken) for result in collected["quiz"]] == [9, 5, 6]


def test_where_there_is_no_class(tmp_path):
    (tmp_path / "bundle/release/en").mkdir(parents=True)
    with pytest.raises(UserError, match="the course's own repository"):
        play(tmp_path / "demo", Course(tmp_path / "bundle"), lambda _text: None)
    assert not (tmp_path / "demo").exists()


def test_a_folder_that_is_not_empty_is_left_alone(tmp_path):
    (tmp_path / "mine.txt").write_text("x")
    with pytest.raises(UserError, match="isn't empty"):
        play(tmp_path, Course(ROOT), lambda _text: None)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
