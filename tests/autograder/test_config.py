"""Names that are refused, and a gradebook that another program holds."""

import dataclasses
import pickle
import re
import sqlite3
from pathlib import Path

import pytest

import autograder
from autograder.config import Course, Settings
from autograder.core.student_id import require_student_id
from autograder.errors import EnvironmentFault, UserError


@pytest.mark.parametrize(
    "name", ["", " ", "a/b", "a\\b", "..", ".", "a*", "a+b", "x" * 101, "a\nb"]
)
def test_student_ids_that_a_path_can_not_hold_are_refused(name):
    with pytest.raises(UserError, match="student id"):
        require_student_id(name)


@pytest.mark.parametrize("name", ["s1", "ada.lovelace", "a@b.org", "김민준", "2026-001"])
def test_student_ids_that_are_fine(name):
    assert require_student_id(name) == name


def test_decomposed_hangul_is_composed():
    assert require_student_id("\u1100\u1175\u11b7") == "김"


def test_an_unknown_assignment_names_the_known_ones(course):
    with pytest.raises(UserError, match="choose one of: mini"):
        course.require_assignment("nix")
    with pytest.raises(UserError, match="en, ko"):
        course.require_language("fr")


def test_a_gradebook_in_use_is_said(term):
    connection = sqlite3.connect(term.term / "gradebook.db")
    connection.execute("BEGIN EXCLUSIVE")
    try:
        with pytest.raises(EnvironmentFault, match="in use by another program"):
            term.require_free_gradebook()
    finally:
        connection.close()
    term.require_free_gradebook()


def test_the_language_cell_has_its_languages_text(tmp_path):
    (tmp_path / "pyproject.toml").write_text(
        '[tool.autograder]\nsource-language = "en"\n'
        "language-cell = \"say('{language}', '{text}')\"\n"
        '[tool.autograder.language-cell-texts]\nen = "missing"\nko = "없음"\n'
    )
    course = Course(tmp_path)
    assert course.language_cell("ko") == "say('ko', '없음')"
    assert course.language_cell("fr") == "say('fr', 'missing')"


def test_a_folder_without_settings_has_those_that_the_package_was_packed_with(
    tmp_path, monkeypatch
):
    packed = tmp_path / "package" / "course.toml"
    packed.parent.mkdir()
    packed.write_text('[tool.autograder]\ntitle = "Packed"\n')
    monkeypatch.setattr("autograder.config._PACKED", packed)
    monkeypatch.setattr("autograder.config._HOME", tmp_path / "nowhere")
    assert Settings.read(tmp_path).title == "Packed"
    (tmp_path / "pyproject.toml").write_text('[tool.autograder]\ntitle = "Its own"\n')
    assert Settings.read(tmp_path).title == "Its own"


@pytest.mark.parametrize("name", ["AUTOGRADER_COURSE", "BEYOND_COURSE"])
def test_the_course_is_found_by_its_environment_variable(tmp_path, monkeypatch, name):
    monkeypatch.setenv(name, str(tmp_path))
    assert Course.here().root == tmp_path.resolve()
    monkeypatch.setenv(name, str(tmp_path / "nowhere"))
    with pytest.raises(UserError, match="no course folder"):
        Course.here()


@pytest.mark.parametrize("name", ["AUTOGRADER_GRADEBOOK", "BEYOND_GRADEBOOK"])
def test_the_gradebook_is_named_by_either_variable(tmp_path, monkeypatch, name):
    monkeypatch.setenv(name, "sqlite:////elsewhere.db")
    assert Course(tmp_path).database == "sqlite:////elsewhere.db"


def test_the_new_name_of_a_variable_goes_before_the_old_one(tmp_path, monkeypatch):
    monkeypatch.setenv("BEYOND_EXCHANGE", "/old")
    assert Course(tmp_path).nbgrader_config().Exchange.root == "/old"
    monkeypatch.setenv("AUTOGRADER_EXCHANGE", "/new")
    assert Course(tmp_path).nbgrader_config().Exchange.root == "/new"


# --- a course's settings -----------------------------------------------------------------


def settle(folder, text):
    folder.mkdir(exist_ok=True)
    (folder / "pyproject.toml").write_text(text, encoding="utf-8")
    return folder


def put(path):
    path.parent.mkdir(parents=True)
    path.write_text("{}")


def test_every_setting_describes_itself():
    for one in dataclasses.fields(Settings):
        assert len(one.metadata["about"]) > 20, one.name


def test_a_course_without_settings_is_called_as_its_folder_is(tmp_path):
    course = Course(settle(tmp_path / "algebra", "[tool.autograder]\n"))
    assert (course.id, course.title, course.source_language) == ("algebra", "algebra", "")
    assert course.nbgrader_config().CourseDirectory.course_id == "algebra"
    assert course.languages() == []


def test_a_course_without_languages_has_its_assignments_in_source(tmp_path):
    root = settle(tmp_path / "algebra", "[tool.autograder]\n")
    put(root / "source/ps1/ps1.ipynb")
    put(root / "source/ps1/.ipynb_checkpoints/ps1-checkpoint.ipynb")
    put(root / "source/ps1/data/more.ipynb")
    course = Course(root)
    assert (course.languages(), course.assignments()) == ([""], ["ps1"])
    config = course.nbgrader_config()
    assert config.CourseDirectory.source_directory == "source"
    assert Course.of(config).released_language == ""


def test_a_course_with_one_language_need_not_name_it(tmp_path):
    root = settle(tmp_path / "algebra", "[tool.autograder]\n")
    put(root / "source/fr/ps1/ps1.ipynb")
    course = Course(root)
    assert (course.languages(), course.assignments()) == (["fr"], ["ps1"])
    assert course.nbgrader_config().CourseDirectory.source_directory == "source/fr"


def test_a_course_with_two_languages_has_to_say_which_is_first(tmp_path):
    root = settle(tmp_path / "algebra", "[tool.autograder]\n")
    for code in ("fr", "de"):
        put(root / f"source/{code}/ps1/ps1.ipynb")
    with pytest.raises(UserError, match=r"de, fr; say which .* source-language"):
        Course(root).assignments()
    settle(root, '[tool.autograder]\nsource-language = "fr"\n')
    assert Course(root).languages() == ["fr", "de"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('titel = "x"', "no key 'titel'; choose one of: course-id, title"),
        ("title = 3", "title in .* has to be a string"),
        ('packages = "x"', "packages in .* has to be a list of strings"),
        ("packages = [1]", "packages in .* has to be a list of strings"),
        ("environment = 1", "environment in .* has to be a table of strings"),
        ("environment = {A = 1}", "environment in .* has to be a table of strings"),
        ('course-id = "a/b"', "course-id in .* can't be 'a/b'"),
        ('time-zone = "Asia/Soul"', "time-zone in .* can't be 'Asia/Soul'"),
        ('time-zone = "../../etc/passwd"', "time-zone in .* can't be"),
        ('namespace = "../x"', "namespace in .* can't be"),
        ('catalogs = "/etc"', "catalogs in .* can't be '/etc'; name a place in the course"),
        ('bundle-folders = ["../other"]', "bundle-folders in .* can't be"),
        ("x = ", "isn't TOML"),
    ],
)
def test_a_wrong_setting_is_one_sentence_with_file_and_key(tmp_path, text, said):
    root = settle(tmp_path / "algebra", f"[tool.autograder]\n{text}\n")
    with pytest.raises(UserError, match=said) as error:
        Course(root)
    assert str(root / "pyproject.toml") in str(error.value)
    assert "\n" not in str(error.value)


def test_a_course_is_the_same_in_another_process(tmp_path):
    root = settle(tmp_path / "algebra", '[tool.autograder]\nnamespace = "algebra"\n')
    course = Course(root, cell_seconds=7)
    assert pickle.loads(pickle.dumps(course)) == course


# --- the grader names no course ----------------------------------------------------------

COURSES_OWN = re.compile(
    r"(?<!\.)\bbeyond[-_.][a-z]|\bBEYOND|from beyond|import beyond|notebooks/beyond|vnd\.beyond"
    r"|[\"']beyond[\"']|Beyond Prompting|[\"'](en|ko)[\"']"
)


def test_the_grader_names_neither_this_course_nor_its_languages():
    package = Path(autograder.__file__).parent
    found = [
        f"{path.relative_to(package)}:{number}: {line.strip()}"
        for path in sorted(package.rglob("*"))
        if path.suffix in (".py", ".html", ".j2", ".toml")
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if COURSES_OWN.search(line)
    ]
    assert found == []
