"""The students' bundle: what is in it, what never is, and that it works unpacked."""

import hashlib
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from nbformat.v4 import new_code_cell, new_output

from autograder.authoring.build import build
from autograder.authoring.bundle import assignments_to_pack, bundle, contents
from autograder.authoring.release import release
from autograder.config import Course
from autograder.core import notebook_io
from autograder.errors import UserError

NAME = "beyond-prompting"
ROOT = Path(__file__).resolve().parents[3]


def copy_of_the_course(place):
    """The real course, as far as a bundle is made from it, outside any git checkout."""
    for folder in ("notebooks", "release", "env", "autograder", "source", "teaching"):
        shutil.copytree(
            ROOT / folder,
            place / folder,
            ignore=shutil.ignore_patterns("__pycache__", ".ipynb_checkpoints"),
        )
    for name in ("pyproject.toml", "LICENSE", "LICENSE-prose"):
        shutil.copyfile(ROOT / name, place / name)
    return Course(place)


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    return copy_of_the_course(tmp_path_factory.mktemp("real"))


@pytest.fixture(scope="module")
def unpacked(real, tmp_path_factory):
    place = tmp_path_factory.mktemp("unpacked")
    with zipfile.ZipFile(bundle(real, place / "b.zip")) as archive:
        archive.extractall(place)
    return place / NAME


@pytest.fixture
def course(real, tmp_path):
    """A copy to spoil."""
    shutil.copytree(real.root, tmp_path / "course")
    return Course(tmp_path / "course")


def names(path):
    with zipfile.ZipFile(path) as archive:
        return [name.removeprefix(f"{NAME}/") for name in archive.namelist()]


def test_the_real_course_packs_clean(real, tmp_path):
    packed = names(bundle(real, tmp_path / "b.zip"))
    assert {
        "README.md",
        "LICENSE",
        "LICENSE-prose",
        "pyproject.toml",
        "notebooks/START.md",
        "env/__main__.py",
        "autograder/cli.py",
        "autograder/report/templates/report.html",
        "release/en/quiz/quiz.ipynb",
        "release/ko/quiz/quiz.ipynb",
        "notebooks/beyond/locale/ko/LC_MESSAGES/beyond.mo",
    } <= set(packed)
    forbidden = (
        "source/",
        "teaching/",
        "tests/",
        "benchmarks/",
        "term/",
        "work/",
        "exchange/",
        ".git",
        ".venv",
        "env/jupyter/instructor",
        "env/hub",
        "env/container",
    )
    assert not [name for name in packed if name.startswith(forbidden) or "__pycache__" in name]
    assert packed == sorted(packed)


def test_no_page_for_instructors_is_packed(real, unpacked):
    """Neither as a file nor within another one: the pages hold sample answers."""
    pages = sorted((real.root / "teaching").glob("*.md"))
    assert len(pages) > 10
    own = {line for page in pages for line in page.read_bytes().splitlines() if len(line) > 60}
    packed = [path for path in unpacked.rglob("*") if path.is_file()]
    assert len(packed) > 100
    for path in packed:
        assert "teaching" not in path.relative_to(unpacked).parts
        assert not own & set(path.read_bytes().splitlines()), path


def test_the_same_bytes_twice(real, tmp_path):
    first = bundle(real, tmp_path / "one.zip").read_bytes()
    os.utime(real.root / "pyproject.toml", (1, 1))
    (real.root / "pyproject.toml").chmod(0o600)
    second = bundle(real, tmp_path / "two.zip").read_bytes()
    assert hashlib.sha256(first).digest() == hashlib.sha256(second).digest()


def test_where_it_goes(course):
    assert bundle(course) == course.root / "beyond-prompting.zip"
    (course.root / "sub").mkdir()
    assert bundle(course, course.root / "sub") == course.root / "sub" / "beyond-prompting.zip"


def test_leftovers_stay_behind(course):
    checkpoints = course.root / "notebooks" / "en" / ".ipynb_checkpoints"
    checkpoints.mkdir()
    (checkpoints / "00-checkpoint.ipynb").write_text("x")
    (course.root / "autograder" / "__pycache__").mkdir()
    (course.root / "autograder" / "__pycache__" / "a.pyc").write_bytes(b"x")
    (course.root / "notebooks" / ".env").write_text("SECRET=1")
    (course.root / "term").mkdir()
    (course.root / "term" / "gradebook.db").write_bytes(b"x")
    packed = contents(course)
    assert not [
        name
        for name in packed
        if "checkpoint" in name or "pyc" in name or ".env" in name or name.startswith("term")
    ]


def test_only_what_git_tracks(course):
    def git(*words):
        subprocess.run(["git", "-C", str(course.root), *words], check=True, capture_output=True)

    git("init", "-q")
    git("add", "notebooks", "autograder", "pyproject.toml", "env")
    (course.root / "notebooks" / "notes-for-myself.md").write_text("not for students")
    packed = contents(course)
    assert "notebooks/notes-for-myself.md" not in packed
    assert "notebooks/START.md" in packed
    assert "release/en/quiz/quiz.ipynb" in packed, "a release that git doesn't know goes by rule"


def test_a_lesson_that_was_run_goes_without_its_outputs(course):
    path = course.root / "notebooks" / "en" / "00-start-here.ipynb"
    notebook = notebook_io.read(path)
    cell = next(cell for cell in notebook.cells if cell.cell_type == "code")
    cell.outputs, cell.execution_count = [new_output("stream", text="my own run")], 7
    notebook_io.write(path, notebook)
    packed = contents(course)["notebooks/en/00-start-here.ipynb"]
    assert b"my own run" not in packed
    assert notebook_io.parse(packed, "x").cells[0].source == notebook.cells[0].source
    assert b"my own run" in path.read_bytes(), "the author's file is left alone"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("release/en/quiz/hints.txt", 'q2 = "C"'),
        ("notebooks/START.md", 'By the way, q2 = "C".'),
        (
            "env/README.md",
            "Correct. More experts make the model larger, but each token is processed "
            "by only a few of them.",
        ),
        (
            "notebooks/beyond/cost.py",
            "# assert math.isclose(before * calls, fixed + after * calls, rel_tol=1e-9)",
        ),
    ],
)
def test_a_leak_stops_it(course, name, text):
    path = course.root / name
    before = path.read_text("utf-8") if path.exists() else ""
    path.write_text(f"{before}\n{text}\n", "utf-8")
    with pytest.raises(UserError, match=f"Nothing was packed, because {name}, line"):
        bundle(course)
    assert not (course.root / "beyond-prompting.zip").exists()


def test_a_leak_names_the_cell(course):
    path = course.release("ko") / "quiz" / "quiz.ipynb"
    notebook = notebook_io.read(path)
    notebook.cells.append(new_code_cell('q5 = "B"', id="stray"))
    notebook_io.write(path, notebook)
    with pytest.raises(
        UserError, match=r"release/ko/quiz/quiz\.ipynb, stray has the answer to a question"
    ):
        bundle(course)


def test_the_instructors_notebook_in_place_of_the_release(course):
    shutil.copyfile(
        course.source("en") / "quiz" / "quiz.ipynb", course.release("en") / "quiz" / "quiz.ipynb"
    )
    with pytest.raises(UserError, match="Nothing was packed"):
        bundle(course)


def test_what_is_not_built_stops_it(course):
    (course.release("ko") / "quiz" / "quiz.ipynb").unlink()
    with pytest.raises(UserError, match=r"release/ko/quiz/quiz\.ipynb isn't there yet"):
        bundle(course)


def test_a_catalogue_that_is_not_compiled_stops_it(course):
    next((course.root / "notebooks" / "beyond" / "locale").rglob("*.mo")).unlink()
    with pytest.raises(UserError, match=r"beyond\.mo isn't there yet"):
        bundle(course)


def test_nothing_to_pack(tmp_path):
    with pytest.raises(UserError, match="no releases"):
        bundle(Course(tmp_path))


@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
def test_a_link_is_refused(course):
    (course.root / "notebooks" / "en" / "key.ipynb").symlink_to(
        course.source("en") / "quiz" / "quiz.ipynb"
    )
    with pytest.raises(UserError, match=r"key\.ipynb is a link"):
        bundle(course)


def releases(packed):
    return [name for name in packed if name.startswith("release/") and name.endswith(".ipynb")]


def test_what_is_released_is_packed(course, tmp_path):
    assert len(assignments_to_pack(course)) == 4
    release(course, "quiz")
    assert assignments_to_pack(course) == ["quiz"]
    packed = contents(course)
    assert releases(packed) == ["release/en/quiz/quiz.ipynb", "release/ko/quiz/quiz.ipynb"]
    start = packed["notebooks/START.md"].decode("utf-8")
    assert "../work/en/quiz/" in start and "moe-gate" not in start
    assert "autograder submit work/en/quiz" in start and "01-prompting" in start
    with pytest.raises(
        UserError, match=r"moe-gate isn't released yet.*autograder release moe-gate"
    ):
        assignments_to_pack(course, ["quiz", "moe-gate"])
    with pytest.raises(UserError, match="no assignment 'quizz'"):
        assignments_to_pack(course, ["quizz"])
    (course.release("en") / "moe-gate" / "moe-gate.ipynb").unlink()  # isn't missed


def test_some_by_name(real):
    found = {name.split("/")[2] for name in releases(contents(real, ["moe-gate", "quiz"]))}
    assert found == {"moe-gate", "quiz"}


def test_a_course_elsewhere_with_the_settings_of_this_one(real, tmp_path):
    """As the folder of a demo: nothing but its own sources."""
    shutil.copytree(real.source("en") / "quiz", tmp_path / "else" / "source" / "en" / "quiz")
    shutil.copytree(real.source("ko") / "quiz", tmp_path / "else" / "source" / "ko" / "quiz")
    other = Course(tmp_path / "else")
    build(other)
    packed = contents(other)
    assert {"README.md", "env/__main__.py", "notebooks/START.md", "pyproject.toml"} <= set(packed)
    assert releases(packed) == ["release/en/quiz/quiz.ipynb", "release/ko/quiz/quiz.ipynb"]
    assert b"moe-gate" not in packed["notebooks/START.md"]


def test_a_course_without_languages(tmp_path, kit):
    (tmp_path / "plain").mkdir()
    (tmp_path / "plain" / "pyproject.toml").write_text("[tool.autograder]\n")
    for name in ("one", "two"):
        path = tmp_path / "plain" / "source" / name / f"{name}.ipynb"
        notebook_io.write(path, kit.source_notebook())
    plain = Course(tmp_path / "plain")
    build(plain)
    assert [name for name in contents(plain) if "ipynb" in name] == [
        "release/one/one.ipynb",
        "release/two/two.ipynb",
    ]
    assert "release/two/two.ipynb" not in contents(plain, ["one"])
    (plain.root / "release" / "one" / "one.ipynb").unlink()
    with pytest.raises(UserError, match=r"release/one/one\.ipynb isn't there yet"):
        bundle(plain)


# Unpacked, without the repository around it.


def in_bundle(unpacked, code, *words):
    """Run Python there as a student's environment would: the bundle's packages, no other course."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("BEYOND")}
    environment["PYTHONPATH"] = os.pathsep.join([str(unpacked), str(unpacked / "notebooks")])
    return subprocess.run(
        [sys.executable, "-c", code, *words],
        cwd=unpacked,
        env=environment,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=240,
        check=False,
    )


def test_unpacked_it_imports_itself(unpacked):
    code = (
        "import sys, beyond, autograder, autograder.cli, autograder.student.submit\n"
        "from autograder.config import Course\n"
        "print(beyond.__file__, autograder.__file__, Course.here().root)"
    )
    done = in_bundle(unpacked, code)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count(str(unpacked)) == 3


def test_unpacked_validate_and_translate_work(unpacked, tmp_path):
    own = tmp_path / "work" / "quiz.ipynb"
    own.parent.mkdir()
    notebook = notebook_io.read(unpacked / "release" / "en" / "quiz" / "quiz.ipynb")
    for cell in notebook.cells:
        if cell.id.endswith("-answer"):
            cell.source = cell.source.replace("None", '"D"')
    notebook_io.write(own, notebook)
    code = "import sys; from autograder.cli import main; sys.argv[0] = 'autograder'; main()"
    done = in_bundle(unpacked, code, "validate", str(own))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "never whether they are correct" in done.stdout
    done = in_bundle(unpacked, code, "translate", str(own), "--to", "ko")
    assert done.returncode == 0, done.stdout + done.stderr
    assert notebook_io.language_of(notebook_io.read(own)) == "ko"
    assert "퀴즈" in own.read_text("utf-8")
    assert '"D"' in own.read_text("utf-8").replace('\\"', '"')
    done = in_bundle(unpacked, code, "validate", str(unpacked / "release/en/quiz/quiz.ipynb"))
    assert done.returncode == 1, "an untouched notebook is not answered yet"
