"""JupyterLab's command, settings and folders, as the launcher prepares them."""

from __future__ import annotations

import argparse
import errno
import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

import lab
from environment import Environment
from faults import Fault
from start_page import write_start_page

ROOT = Path(__file__).resolve().parents[2]


SETTINGS = Path(lab.__file__).parent / "jupyter"


def options(**given: object) -> argparse.Namespace:
    plain = {
        "instructor": False,
        "course": None,
        "language": None,
        "port": None,
        "no_browser": False,
        "jupyter": [],
    }
    return argparse.Namespace(**plain | given)


@pytest.fixture
def env(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Environment:
    monkeypatch.delenv("BEYOND_EXCHANGE", raising=False)
    monkeypatch.delenv("AUTOGRADER_EXCHANGE", raising=False)
    for language in ("en", "ko"):
        folder = tmp_path / "release" / language / "quiz"
        folder.mkdir(parents=True)
        (folder / "quiz.ipynb").write_text(language)
        lessons = tmp_path / "notebooks" / language
        lessons.mkdir(parents=True)
        (lessons / "00-start-here.ipynb").touch()
    (tmp_path / lab.START_PAGE).touch()
    for role in ("student", "instructor"):
        (tmp_path / "env" / "jupyter" / role).mkdir(parents=True)
    return Environment(tmp_path, lambda line: None)


def test_a_student_gets_copies_of_the_assignments(env: Environment) -> None:
    said: list[str] = []
    lab.prepare(env, options(), said.append)
    assert (env.root / "work/ko/quiz/quiz.ipynb").read_text() == "ko"
    assert any("en/quiz, ko/quiz" in line for line in said)


def test_a_students_work_is_never_overwritten(env: Environment) -> None:
    lab.prepare(env, options(), print)
    mine = env.root / "work/en/quiz/quiz.ipynb"
    mine.write_text("my answers")
    (env.root / "release/en/quiz/quiz.ipynb").write_text("a new release")
    (env.root / "release/en/quiz/data.csv").write_text("given")
    assert lab.copy_missing(env.root / "release", env.root / "work") == ["en/quiz"]
    assert mine.read_text() == "my answers"
    assert (env.root / "work/en/quiz/data.csv").read_text() == "given"


def test_the_values_that_students_were_given_are_those_of_the_latest_release(
    env: Environment,
) -> None:
    given = env.root / "release/en/quiz" / lab.OWN_VALUES
    given.write_text("a class of two")
    lab.prepare(env, options(), print)
    mine = env.root / "work/en/quiz" / lab.OWN_VALUES
    assert mine.read_text() == "a class of two"
    given.write_text("a class of three")
    assert lab.copy_missing(env.root / "release", env.root / "work") == ["en/quiz"]
    assert mine.read_text() == "a class of three"
    assert lab.copy_missing(env.root / "release", env.root / "work") == []
    from autograder.student_values import VALUES_FILE

    assert lab.OWN_VALUES == VALUES_FILE


def test_a_full_disk_leaves_no_half_copy(env: Environment, monkeypatch: pytest.MonkeyPatch) -> None:
    def half(source: Path, target: Path) -> None:
        target.write_text("hal")
        raise OSError(errno.ENOSPC, "No space left on device", str(target))

    monkeypatch.setattr(lab.shutil, "copyfile", half)
    with pytest.raises(Fault, match="disk is full"):
        lab.prepare(env, options(), print)
    assert [path for path in (env.root / "work").rglob("*") if path.is_file()] == []


def test_an_instructor_gets_no_copies(env: Environment) -> None:
    lab.prepare(env, options(instructor=True), print)
    assert [path for path in (env.root / "work").rglob("*") if path.is_file()] == []


def test_a_students_bundle_has_no_instructors_mode(env: Environment) -> None:
    settings = env.pins / "jupyter"
    lab.check(options(instructor=True), settings)
    (settings / "instructor").rmdir()  # as `autograder bundle` leaves it out
    with pytest.raises(Fault, match="student's files"):
        lab.check(options(instructor=True), settings)


def test_the_start_page_opens(env: Environment) -> None:
    command, _ = lab.prepare(env, options(), print)
    assert "--LabApp.default_url=/lab/tree/notebooks/START.md" in command
    assert f"--ServerApp.root_dir={env.root}" in command


def test_the_start_page_remembers_the_language_where_the_launcher_looks(env: Environment) -> None:
    _, variables = lab.prepare(env, options(), print)
    memory = Path(variables["AUTOGRADER_LANGUAGE_FILE"])
    assert not memory.exists()  # nobody has chosen, so the page asks
    memory.parent.mkdir(parents=True, exist_ok=True)
    memory.write_text("ko")  # as beyond.ui.start_page writes it
    _, variables = lab.prepare(env, options(), print)
    assert variables["AUTOGRADER_LANGUAGE"] == "ko"
    lab.prepare(env, options(language="en"), print)
    assert memory.read_text() == "en"


def test_only_students_get_the_page_in_place_of_start_md() -> None:
    for role, is_on in (("student", True), ("instructor", False)):
        config = json.loads((SETTINGS / role / "jupyter_server_config.json").read_text())
        on = config["ServerApp"]["jpserver_extensions"]
        page = SETTINGS / role / "labconfig" / "page_config.json"
        disabled = json.loads(page.read_text())["disabledExtensions"]
        assert on.get("beyond.ui.start_page", False) is is_on
        assert disabled.get("beyond-start", False) is not is_on


def test_the_start_page_has_the_due_dates_in_the_readers_zone(env: Environment) -> None:
    seoul = ZoneInfo("Asia/Seoul")
    (env.root / lab.START_PAGE).write_text(
        "[0](en/00.ipynb), [out](https://x.org/), [top](#a)\n"
        "| [Quiz](../work/en/quiz/quiz.ipynb) | [퀴즈](../work/ko/quiz/quiz.ipynb) |\n"
        "| [Moe](../work/en/moe/moe.ipynb) |\n"
    )
    told = [
        {"name": "quiz", "title": {}, "due": "2026-12-01T14:59:59+00:00"},
        {"name": "moe", "title": {}, "due": None},
    ]
    (env.root / "release" / "due.json").write_text(json.dumps({"assignments": told}))
    command, _ = lab.prepare(env, options(), print)
    assert "--LabApp.default_url=/lab/tree/work/START.md" in command
    assert write_start_page(env.root, seoul) == "work/START.md"
    assert (env.root / "work" / "START.md").read_text() == (
        "[0](../notebooks/en/00.ipynb), [out](https://x.org/), [top](#a)\n"
        "| [Quiz](../work/en/quiz/quiz.ipynb) · **due Tue 1 Dec 2026, 23:59 (KST, UTC+09:00)** "
        "| [퀴즈](../work/ko/quiz/quiz.ipynb) · **마감 2026년 12월 1일(화) 23:59 (KST, UTC+09:00)** |\n"
        "| [Moe](../work/en/moe/moe.ipynb) |\n"
    )
    told[0]["due"] = "2026-12-03T23:00:00-05:00"  # as `release` would change it
    (env.root / "release" / "due.json").write_text(json.dumps({"assignments": told}))
    write_start_page(env.root, seoul)
    assert "due Fri 4 Dec 2026, 13:00" in (env.root / "work" / "START.md").read_text()
    assert "마감" not in (env.root / lab.START_PAGE).read_text()


def test_an_instructor_has_a_start_page_of_their_own(
    env: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[list[str]] = []

    def run(command: list[str], **_given: object) -> subprocess.CompletedProcess[bytes]:
        asked.append(command)
        (env.root / "term" / "START.md").touch()
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(lab.subprocess, "run", run)
    command, _ = lab.prepare(env, options(instructor=True, language="ko"), print)
    assert "--LabApp.default_url=/lab/tree/term/START.md" in command
    assert asked[0][1:5] == ["-m", "autograder", "term", "page"] and asked[0][-1] == "ko"


def test_the_course_writes_the_instructors_page(tmp_path: Path) -> None:
    for language in ("en", "ko"):
        folder = tmp_path / "source" / language
        shutil.copytree(ROOT / "source" / language / "quiz", folder / "quiz")
    variables = {**os.environ, "AUTOGRADER_LANGUAGE": "ko", "PYTHONPATH": os.pathsep.join(sys.path)}
    found = lab.write_instructor_page(Path(sys.executable), tmp_path, variables)
    assert found == "term/START.md"
    assert "autograder release quiz" in (tmp_path / found).read_text(encoding="utf-8")
    assert lab.write_instructor_page(Path(sys.executable), tmp_path / "none", variables) is None


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        '{"assignments": [{"name": "quiz"}]}',
        '{"assignments": [{"name": "quiz", "due": 7}]}',
        '{"assignments": [{"name": "quiz", "due": "2026-12-01"}]}',
        '{"assignments": 3}',
        '{"assignments": [{"name": [], "due": "2026-12-01T00:00:00+00:00"}]}',
    ],
)
def test_a_record_that_is_none_leaves_the_plain_start_page(env: Environment, content: str) -> None:
    (env.root / "release" / "due.json").write_text(content)
    command, _ = lab.prepare(env, options(), print)
    assert "--LabApp.default_url=/lab/tree/notebooks/START.md" in command


@pytest.mark.parametrize(("uid", "allowed"), [(0, True), (1000, False)])
def test_root_is_allowed_only_where_it_is_root(
    env: Environment, monkeypatch: pytest.MonkeyPatch, uid: int, allowed: bool
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: uid)
    assert ("--allow-root" in lab.prepare(env, options(), print)[0]) is allowed


@pytest.mark.parametrize("role", ["student", "instructor"])
def test_settings_are_the_roles_own_and_nothing_of_the_users(
    env: Environment, monkeypatch: pytest.MonkeyPatch, role: str
) -> None:
    monkeypatch.setenv("JUPYTER_CONFIG_DIR", "/home/someone/.jupyter")
    variables = lab.prepare(env, options(instructor=role == "instructor"), print)[1]
    searched = variables["JUPYTER_CONFIG_PATH"].split(os.pathsep)
    assert searched[-2:] == [str(env.pins / "jupyter" / one) for one in (role, "all")]
    for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR"):
        assert variables[name].startswith(str(env.cache))


def test_the_exchange_is_made_where_it_is_configured(
    env: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab.prepare(env, options(), print)
    assert (env.root / "exchange").is_dir()
    elsewhere = env.root / "shared" / "exchange"
    monkeypatch.setenv("BEYOND_EXCHANGE", str(elsewhere))
    lab.prepare(env, options(), print)
    assert elsewhere.is_dir()


def test_the_language_is_remembered(env: Environment, monkeypatch: pytest.MonkeyPatch) -> None:
    def language(chosen: str | None = None) -> str:
        return lab.prepare(env, options(language=chosen), print)[1]["AUTOGRADER_LANGUAGE"]

    monkeypatch.setenv("LC_ALL", "ko_KR.UTF-8")
    assert language() == "ko"
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    assert language() == "en"
    assert language("ko") == "ko"
    assert language() == "ko"


def test_a_taken_port() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(Fault, match=f"Port {port} is taken.*--port {port + 1}"):
            lab.check(options(port=port), SETTINGS)


@pytest.mark.parametrize("port", [0, -1, 65536])
def test_no_port(port: int) -> None:
    with pytest.raises(Fault, match="is no port"):
        lab.check(options(port=port), SETTINGS)


def test_a_given_port_is_kept_to(env: Environment) -> None:
    command, _ = lab.prepare(env, options(port=8899), print)
    assert "--ServerApp.port=8899" in command
    assert "--ServerApp.port_retries=0" in command


def test_another_course_is_for_instructors(tmp_path: Path) -> None:
    with pytest.raises(Fault, match="--instructor"):
        lab.check(options(course=tmp_path), SETTINGS)
    with pytest.raises(Fault, match="no folder"):
        lab.check(options(course=tmp_path / "none", instructor=True), SETTINGS)
    lab.check(options(course=tmp_path, instructor=True), SETTINGS)


def test_the_environments_commands_come_first(env: Environment) -> None:
    assert lab.environ(env)["PATH"].split(os.pathsep)[0] == str(env.scripts)


def test_settings_files_are_valid_json() -> None:
    paths = sorted((ROOT / "env" / "jupyter").rglob("*.json"))
    assert len(paths) >= 6
    for path in paths:
        json.loads(path.read_text(encoding="utf-8"))


def test_settings_name_plugins_that_nbgrader_has() -> None:
    """A renamed plugin would quietly show a student what is the instructor's."""
    import nbgrader

    scripts = Path(nbgrader.__file__).parent / "labextension" / "static"
    own = (ROOT / "env" / "jupyter" / "labextensions").rglob("package.json")
    shipped = "".join(path.read_text(encoding="utf-8") for path in [*scripts.glob("*.js"), *own])
    for path in (ROOT / "env" / "jupyter").rglob("page_config.json"):
        for plugin in json.loads(path.read_text())["disabledExtensions"]:
            assert f'"{plugin}"' in shipped
