"""Values of one's own, from the release to the score: drawn once, and never the submission's."""

from __future__ import annotations

import json
import os
import shutil
import stat
import threading
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from autograder import cli
from autograder.authoring.build import build
from autograder.authoring.bundle import bundle
from autograder.authoring.check import STEPS
from autograder.authoring.release import release
from autograder.config import Course
from autograder.core import notebook_io
from autograder.core import released_values as released_values_module
from autograder.core.released_values import released_values
from autograder.errors import UserError
from autograder.feedback.feedback import feedback
from autograder.grading.coordinator import grade
from autograder.student.submit import submit
from autograder.student.validate import validate
from autograder.student_values import OwnValuesUnusable, own_values, row_key
from autograder.term.students import drop, rename, restore

DECLARED = {
    "values": {
        "n": {"from": 10, "to": 900, "step": 10, "default": 500},
        "price": {"one-of": [0.25, 0.5, 0.75]},
        "order": {"order-of": ["A", "B", "C", "D"]},
    }
}
DEFAULT = {"n": 500, "price": 0.25, "order": ["A", "B", "C", "D"]}
IMPORTS = "from beyond.checks import check, given, own_values, report\n\nmine = own_values()"
ANSWER = "a = None\n### BEGIN SOLUTION\na = [mine['n'] * mine['price'], *mine['order']]\n### END SOLUTION"
TEST = """with check("a is a list", weight=0):
    assert isinstance(given(a, "a"), list)
### BEGIN HIDDEN TESTS
with check("a is right", hidden=True):
    assert given(a) == [mine["n"] * mine["price"], *mine["order"]]
### END HIDDEN TESTS
report()"""
CLASS = ("ada", "ben", "cem", "dan")


@pytest.fixture(scope="module")
def start(tmp_path_factory, kit) -> Path:
    """A course whose assignment declares values, released to a class of four."""
    course = Course(tmp_path_factory.mktemp("own") / "course", cell_seconds=3)
    for code in ("en", "ko"):
        nb = kit.source_notebook(code)
        for cell in nb.cells:
            cell.source = {"imports": IMPORTS, "a-answer": ANSWER, "a-test": TEST}.get(
                cell.id, cell.source
            )
        notebook_io.write(course.source(code) / "mini" / "mini.ipynb", nb)
    place = course.source("en") / "mini" / "own-values.json"
    place.write_text(json.dumps(DECLARED))
    enroll(course, *CLASS)
    release(course, "mini")
    return course.root


@pytest.fixture
def course(start: Path, tmp_path: Path) -> Course:
    shutil.copytree(start, tmp_path / "course")
    return Course(tmp_path / "course", cell_seconds=3)


def enroll(course: Course, *students: str) -> None:
    with course.gradebook() as book:
        for student in students:
            book.update_or_create_student(student)


def given_to(course: Course, student: str) -> dict:
    return released_values(course, "mini").of(student)


def answer_for(values: dict) -> str:
    return f"a = {[values['n'] * values['price'], *values['order']]!r}"


def hand_in(course: Course, kit, student: str, values: dict, **more: str) -> Path:
    work = kit.answered(course, **{**kit.RIGHT, "a_answer": answer_for(values), **more})
    path = kit.hand_in(course, student, work)
    now = datetime.now(UTC) + timedelta(minutes=1)
    (path.parent / "timestamp.txt").write_text(f"{now:%Y-%m-%d %H:%M:%S} UTC")
    return path


def scores(course: Course, **options) -> dict[str, float]:
    found = grade(course, "mini", workers=1, **options)
    return {one.student: one.cells[0].points for one in found}


def at_work(course: Course, monkeypatch, folder: Path, student: str, language: str = "en") -> dict:
    """What a student sees who has fetched the release."""
    shutil.copytree(course.release(language) / "mini", folder, dirs_exist_ok=True)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("JUPYTERHUB_USER", student)
    return own_values()


# --- what is given out -------------------------------------------------------------------


def test_each_student_finds_the_values_that_the_grader_knows(course, monkeypatch, tmp_path):
    seen = {}
    for language in ("en", "ko"):
        for student in CLASS:
            found = at_work(
                course, monkeypatch, tmp_path / f"{student}-{language}", student, language
            )
            assert found == given_to(course, student)
            seen[student] = json.dumps(found)
    assert len(set(seen.values())) == len(CLASS)


def test_a_copy_of_before_the_release_takes_the_values_that_were_released(
    course, monkeypatch, tmp_path
):
    """On a hub, where a student opens what lies in the bundle."""
    old = tmp_path / "work" / "mini"
    shutil.copytree(course.release("en") / "mini", old)
    place = old / "own-values.json"
    place.write_text((course.source("en") / "mini" / "own-values.json").read_text())
    monkeypatch.chdir(old)
    monkeypatch.setenv("JUPYTERHUB_USER", "ada")
    assert own_values() == DEFAULT
    monkeypatch.setenv("AUTOGRADER_RELEASED", str(tmp_path / "outbound"))
    assert own_values() == DEFAULT
    shutil.copytree(course.release("en") / "mini", tmp_path / "outbound" / "mini")
    assert own_values() == given_to(course, "ada")
    place.write_text(json.dumps({"own": {"n": 1}}))  # where it is graded
    assert own_values() == {"n": 1}


def test_who_is_not_in_the_list_gets_the_default_and_is_told(course, monkeypatch, tmp_path, capsys):
    assert at_work(course, monkeypatch, tmp_path / "x", "nobody") == DEFAULT
    assert "You are not in the class list" in capsys.readouterr().out
    with pytest.raises(ValueError, match="no values for nobdy"):
        own_values("nobdy")
    assert own_values("cem") == given_to(course, "cem")
    capsys.readouterr()
    assert own_values() == given_to(course, "cem")
    said = capsys.readouterr().out
    assert said.startswith("Your values (cem): n = ")


def test_a_release_without_a_class_has_the_default_values(course, monkeypatch, tmp_path, capsys):
    shutil.rmtree(course.term)
    build(course)
    assert at_work(course, monkeypatch, tmp_path / "x", "ada") == DEFAULT
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("content", [None, b"", b"[]", b"\xff", b"{"])
def test_a_missing_or_damaged_file_is_told(course, monkeypatch, tmp_path, content):
    at_work(course, monkeypatch, tmp_path / "x", "ada")
    if content is None:
        Path("own-values.json").unlink()
    else:
        Path("own-values.json").write_bytes(content)
    with pytest.raises(OwnValuesUnusable, match="from the release"):
        own_values()


def test_the_secret_is_made_once_and_for_its_owner_alone(course):
    place = course.term / "values.secret"
    content = place.read_bytes()
    assert len(content) == 32
    assert stat.S_IMODE(place.stat().st_mode) == 0o600
    before = released_values(course, "mini")
    release(course, "mini", to_exchange=True)
    assert place.read_bytes() == content
    assert released_values(course, "mini") == before
    assert build(course) == []
    plain = replace(course.settings, bundle_readme="", bundle_folders=("release",), bundle_files=())
    zipped = bundle(replace(course, settings=plain))
    shutil.unpack_archive(zipped, course.root / "unpacked")
    places = [course.root / "unpacked", course.root / "release", course.root / "exchange"]
    files = [path for place in places for path in place.rglob("*") if path.is_file()]
    assert sum(path.name == "own-values.json" for path in files) == 2 + 2 + 1
    for path in files:
        assert content not in path.read_bytes()
        assert content.hex() not in path.read_bytes().hex()
        if path.name == "own-values.json":
            found = json.loads(path.read_text())
            assert found["students"].keys() == {row_key(student) for student in CLASS}
            assert not any(student in path.read_text() for student in CLASS)


def test_the_secret_alone_brings_the_same_values_back(course):
    before = released_values(course, "mini")
    shutil.rmtree(course.term / "values")
    release(course, "mini")
    again = released_values(course, "mini")
    assert {one: again.of(one) for one in CLASS} == {one: before.of(one) for one in CLASS}
    shutil.rmtree(course.term / "values")
    (course.term / "values.secret").unlink()
    release(course, "mini")
    other = released_values(course, "mini")
    assert {one: other.of(one) for one in CLASS} != {one: before.of(one) for one in CLASS}


def test_a_damaged_secret_is_told(course):
    (course.term / "values.secret").write_bytes(b"short")
    with pytest.raises(UserError, match="backup"):
        release(course, "mini")


def test_formgraders_button_gives_the_same_values(course, monkeypatch, tmp_path):
    enroll(course, "eve")
    assert course.api().generate_assignment("mini", force=True)["success"]
    assert at_work(course, monkeypatch, tmp_path / "x", "eve") == given_to(course, "eve")
    assert given_to(course, "eve") != DEFAULT
    release(course, "mini")
    assert at_work(course, monkeypatch, tmp_path / "x", "eve") == given_to(course, "eve")


def test_a_submission_is_packed_without_the_table(course, kit, tmp_path):
    work = kit.answered(course, **{**kit.RIGHT, "a_answer": answer_for(DEFAULT)})
    notebook_io.write(tmp_path / "mini.ipynb", work)
    result = submit(tmp_path / "mini.ipynb", "ada", course)
    assert set(result.files) == {"mini.ipynb"}
    assert result.notes == []


def test_without_a_declaration_nothing_is_made(term):
    release(term, "mini")
    assert not (term.term / "values.secret").exists()
    assert not (term.term / "values").exists()
    assert not list(term.root.rglob("own-values.json"))


# --- what counts -------------------------------------------------------------------------


def test_each_is_graded_with_the_values_that_were_released(course, kit):
    for student in CLASS:
        hand_in(course, kit, student, given_to(course, student))
    hand_in(course, kit, "guest", DEFAULT)
    hand_in(course, kit, "thief", given_to(course, "ada"))
    enroll(course, "guest", "thief")
    assert scores(course) == {**dict.fromkeys(CLASS, 2), "guest": 2, "thief": 0}
    pages = {path.parts[-3]: path.read_text() for path in feedback(course, "mini")}
    text = "graded with this assignment&#39;s default values"
    assert {student for student, page in pages.items() if text in page} == {"guest", "thief"}


def test_nothing_in_a_submission_changes_the_values(course, kit):
    ada = given_to(course, "ada")
    forgers = {
        "pasted": ({}, ""),
        "own-file": ({"own-values.json": json.dumps({"own": ada})}, ""),
        "table": (
            {
                "own-values.json": json.dumps(
                    {"values": DECLARED["values"], "students": {row_key("table"): ada}}
                )
            },
            "",
        ),
        "claim": ({"student-id.txt": "ada"}, ""),
        "called": ({}, "from beyond.checks import own_values\nown_values('ada')"),
        "rebound": ({}, f"mine = {ada!r}"),
        "written": (
            {},
            f"import json\nopen('own-values.json', 'w').write(json.dumps({{'own': {ada!r}}}))",
        ),
        "environment": ({}, "import os\nos.environ['JUPYTERHUB_USER'] = 'ada'"),
        "replaced": ({}, f"import beyond.checks\nbeyond.checks.own_values = lambda *_: {ada!r}"),
    }
    enroll(course, *forgers, "removed")
    release(course, "mini")
    for student, (files, source) in forgers.items():
        path = hand_in(course, kit, student, ada, a_answer=f"{source}\n{answer_for(ada)}")
        for file, content in files.items():
            (path.parent / file).write_text(content)
    path = hand_in(course, kit, "removed", given_to(course, "removed"))
    (path.parent / "own-values.json").write_text("{}")
    assert scores(course) == {**dict.fromkeys(forgers, 0), "removed": 2}


def test_the_marks_of_a_submission_are_not_taken_for_values(course, kit):
    work = kit.answered(course, **{**kit.RIGHT, "a_answer": answer_for(DEFAULT)})
    work.metadata["beyond"] = {**work.metadata["beyond"], "values": {"n": 1}, "language": "en"}
    kit.hand_in(course, "ben", work)
    grade(course, "mini", workers=1)
    graded = notebook_io.read(course.autograded / "ben" / "mini" / "mini.ipynb")
    assert graded.metadata["beyond"]["values"] == given_to(course, "ben")


def test_a_change_of_what_was_given_is_graded_anew(course, kit):
    hand_in(course, kit, "ada", DEFAULT)
    assert scores(course) == {"ada": 0}
    place = course.term / "values" / "mini.json"
    record = json.loads(place.read_text())
    record["rows"]["ada"]["values"] = DEFAULT
    place.write_text(json.dumps(record))
    assert scores(course) == {"ada": 2}


# --- a class that changes ----------------------------------------------------------------


def test_who_enrolls_later_has_default_values_until_the_next_release(course, kit, capsys):
    enroll(course, "eve")
    early = hand_in(course, kit, "eve", DEFAULT)
    (early.parent / "timestamp.txt").write_text("2026-11-20 10:00:00 UTC")
    assert scores(course) == {"eve": 2}
    before = {student: given_to(course, student) for student in CLASS}
    release(course, "mini")
    assert {student: given_to(course, student) for student in CLASS} == before
    assert given_to(course, "eve") != DEFAULT
    assert scores(course, again=True) == {"eve": 2}  # handed in before that release
    hand_in(course, kit, "eve", DEFAULT)
    assert scores(course) == {"eve": 0}
    hand_in(course, kit, "eve", given_to(course, "eve"))
    assert scores(course) == {"eve": 2}
    # The order of the class list and of releases is no matter.
    values = given_to(course, "eve")
    shutil.rmtree(course.term / "values")
    release(course, "mini")
    assert given_to(course, "eve") == values


def test_a_renamed_student_keeps_the_values(course, kit, monkeypatch, tmp_path):
    values = given_to(course, "ada")
    hand_in(course, kit, "ada", values)
    assert scores(course) == {"ada": 2}
    rename(course, "ada", "ada2")
    assert given_to(course, "ada2") == values
    release(course, "mini")
    assert given_to(course, "ada2") == values
    assert scores(course, again=True) == {"ada2": 2}
    for name in ("ada", "ada2"):  # whoever fetched it before is still found
        assert at_work(course, monkeypatch, tmp_path / name, name) == values
    enroll(course, "ada")  # somebody else now
    release(course, "mini")
    assert given_to(course, "ada2") == values
    other = given_to(course, "ada")
    assert other != values
    assert at_work(course, monkeypatch, tmp_path / "new", "ada") == other


def test_a_rename_that_fails_leaves_the_values_where_they_were(course, monkeypatch):
    before = given_to(course, "ada")
    monkeypatch.setattr(
        "autograder.term.students.rename_records", lambda *_: (_ for _ in ()).throw(OSError())
    )
    with pytest.raises(OSError):  # noqa: PT011 - whatever goes wrong
        rename(course, "ada", "ada2")
    assert given_to(course, "ada") == before
    assert "ada2" not in released_values(course, "mini").rows


def test_a_release_and_a_rename_at_the_same_time_lose_nobodys_values(course, monkeypatch):
    before = given_to(course, "ada")
    give = released_values_module.give_values
    renaming = threading.Thread(target=rename, args=(course, "ada", "ada2"))

    def give_meanwhile(*words):
        renaming.start()
        renaming.join(1)  # the class list has been read, and the values haven't
        return give(*words)

    monkeypatch.setattr(released_values_module, "give_values", give_meanwhile)
    released_values_module.give_values_to_class(course, "mini")
    renaming.join(60)
    rows = released_values(course, "mini").rows
    assert given_to(course, "ada2") == before
    assert "ada2" in rows and "ada" not in rows and rows["ada2"].earlier_ids == ("ada",)


def test_who_left_and_comes_back_has_the_same_values(course):
    before = given_to(course, "ada")
    drop(course, ["ada"])
    release(course, "mini")
    restore(course, ["ada"])
    release(course, "mini")
    assert given_to(course, "ada") == before


def test_a_changed_declaration_has_to_be_released(course, kit):
    hand_in(course, kit, "ada", given_to(course, "ada"))
    assert scores(course) == {"ada": 2}
    before = given_to(course, "ada")
    place = course.source("en") / "mini" / "own-values.json"
    narrower = {**DECLARED["values"], "n": {"from": 2000, "to": 3000}}
    place.write_text(json.dumps({"values": narrower}))
    with pytest.raises(UserError, match=r"own-values\.json.*autograder release mini"):
        grade(course, "mini", again=True, workers=1)
    release(course, "mini")
    after = given_to(course, "ada")
    assert 2000 <= after["n"] <= 3000
    assert {**before, "n": 0} == {**after, "n": 0}  # the others stay
    place.unlink()
    with pytest.raises(UserError, match=r"own-values\.json"):
        grade(course, "mini", again=True, workers=1)


def test_what_came_in_before_a_changed_declaration_is_graded_with_the_values_of_then(course, kit):
    before = given_to(course, "ada")
    hand_in(course, kit, "ben", given_to(course, "ben"))
    early = hand_in(course, kit, "ada", before)
    (early.parent / "timestamp.txt").write_text("2026-11-20 10:00:00 UTC")
    place = course.source("en") / "mini" / "own-values.json"
    narrower = {**DECLARED["values"], "n": {"from": 2000, "to": 3000}}
    place.write_text(json.dumps({"values": narrower}))
    release(course, "mini")
    assert 2000 <= given_to(course, "ada")["n"] <= 3000
    # Ben handed in after it, with the values of before it.
    assert scores(course) == {"ada": 2, "ben": 0}
    place.write_text(json.dumps(DECLARED))  # taken back
    release(course, "mini")
    rename(course, "ada", "ada2")
    assert scores(course)["ada2"] == 2
    received = datetime(2026, 11, 20, 10)
    assert released_values(course, "mini").of("ada2", received) == before


def test_a_value_that_the_new_declaration_allows_stays(course):
    before = given_to(course, "ada")
    wider = {**DECLARED["values"], "n": {"from": 10, "to": 9000, "step": 10, "default": 20}}
    place = course.source("en") / "mini" / "own-values.json"
    place.write_text(json.dumps({"values": wider}))
    release(course, "mini")
    assert given_to(course, "ada") == before
    assert given_to(course, "nobody")["n"] == 20


def test_a_damaged_record_is_told(course, kit):
    hand_in(course, kit, "ada", DEFAULT)
    (course.term / "values" / "mini.json").write_text("{")
    with pytest.raises(UserError, match="backup"):
        grade(course, "mini", workers=1)


def test_the_command_tells_who_has_values(course, monkeypatch, capsys):
    def said(*words: str) -> str:
        monkeypatch.setattr("sys.argv", ["autograder", *words, "--course", str(course.root)])
        monkeypatch.setattr(cli, "out", cli.Console(soft_wrap=True, highlight=False, width=200))
        capsys.readouterr()
        with suppress(SystemExit):
            cli.main()
        return capsys.readouterr().out

    assert "4 students have values of their own." in said("release", "mini")
    enroll(course, "eve")
    assert "5 students have values of their own; eve since " in said("release", "mini")
    place = course.source("en") / "mini" / "own-values.json"
    place.write_text(json.dumps({"values": {**DECLARED["values"], "n": {"from": 1, "to": 2}}}))
    assert "values of their own; ada, ben, cem, dan, eve since " in said("release", "mini")
    assert "eva keeps the values of mini; release again" in said("term", "rename", "eve", "eva")
    shutil.rmtree(course.term)
    assert "Nobody is in the class list yet" in said("release", "mini")


# --- validate, feedback, check -----------------------------------------------------------


def test_validate_runs_with_the_students_values(course, kit, monkeypatch, tmp_path):
    at_work(course, monkeypatch, tmp_path / "x", "ada")
    source = "assert mine == " + repr(given_to(course, "ada")) + "\n" + answer_for(DEFAULT)
    work = kit.answered(course, **{**kit.RIGHT, "a_answer": source})
    notebook_io.write(tmp_path / "x" / "mini.ipynb", work)
    result = validate(tmp_path / "x" / "mini.ipynb", course)
    assert result.ok, str(result)
    notebook_io.write(tmp_path / "elsewhere" / "a copy.ipynb", work)
    result = validate(tmp_path / "elsewhere" / "a copy.ipynb", course)
    assert result.ok, str(result)


@pytest.mark.parametrize("language", ["en", "ko"])
def test_feedback_shows_the_values(course, kit, language):
    values = given_to(course, "ada")
    work = kit.answered(course, language, **{**kit.RIGHT, "a_answer": answer_for(values)})
    kit.hand_in(course, "ada", work)
    grade(course, "mini", workers=1)
    (page,) = feedback(course, "mini")
    text = page.read_text(encoding="utf-8")
    assert {"en": "Your values", "ko": "내 값"}[language] in text
    assert "<code>price</code>" in text
    for shown in (f"{values['n']:,}", str(values["price"]), ", ".join(values["order"])):
        assert f"<td>{shown}</td>" in text


def test_check_verifies_declarations_and_their_use(course):
    assert told(course) == ""
    place = course.source("en") / "mini" / "own-values.json"
    place.write_text(json.dumps({"values": {**DECLARED["values"], "spare": {"one-of": [1, 2]}}}))
    assert "declares spare, which no cell uses" in told(course)
    place.write_text(json.dumps({"values": {"n": {"from": 1, "to": 0}}}))
    assert "n needs a step above 0" in told(course)
    place.write_text(json.dumps({"values": {"n": {"from": 1, "to": 5}}}))
    assert "uses the value 'price', which isn't declared" in told(course)
    place.unlink()
    assert "calls own_values(), but no values are declared" in told(course)


def test_check_runs_the_solution_with_other_values(course):
    for code in ("en", "ko"):
        path = course.source(code) / "mini" / "mini.ipynb"
        nb = notebook_io.read(path)
        for cell in nb.cells:
            if cell.id == "a-answer":  # right for the default values alone
                cell.source = cell.source.replace("mine['n']", "500")
        notebook_io.write(path, nb)
    found = [one.text for one in STEPS["solutions and stubs, run"](course) if one.cell == "a-test"]
    assert found
    assert all("for a student with n = " in text for text in found)


def told(course: Course) -> str:
    return " ".join(str(one) for one in STEPS["students' own values"](course))


def test_a_student_cannot_read_the_secret_where_code_runs(course, kit):
    secret = os.path.join(course.term, "values.secret")
    record = os.path.join(course.term, "values", "mini.json")
    source = (
        "import os\n"
        f"a = [os.path.exists({secret!r}), os.path.exists({record!r}),"
        " *sorted(os.listdir('.'))]\nprint(a)\nopen('own-values.json').read()"
    )
    hand_in(course, kit, "ben", DEFAULT, a_answer=source)
    grade(course, "mini", workers=1)
    graded = notebook_io.read(course.autograded / "ben" / "mini" / "mini.ipynb")
    (said,) = [cell.outputs for cell in graded.cells if cell.id == "a-answer"]
    assert "[False, False, 'own-values.json'" in str(said)
    assert not [one for one in said if row_key("ada") in str(one)]
