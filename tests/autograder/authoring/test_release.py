"""Releasing registers cells in the gradebook, and in the exchange when asked."""

import json
import os
import shutil
import stat
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest

from autograder import cli
from autograder.authoring.build import build
from autograder.authoring.bundle import contents
from autograder.authoring.release import release
from autograder.core import notebook_io
from autograder.core.dates import read_date
from autograder.core.due_dates import describe_due_date
from autograder.core.release_record import release_time, require_released
from autograder.errors import UserError
from autograder.grading.coordinator import grade


def test_the_gradebook_gets_the_cells_and_whole_tests(course):
    folder = release(course, "mini")
    assert folder == course.release("en") / "mini"
    with course.gradebook() as gradebook:
        assert gradebook.find_assignment("mini").max_score == 6
        assert "a == 42" in gradebook.find_source_cell("a-test", "mini", "mini").source
    assert build(course) == []  # what nbgrader wrote is what build writes


def test_the_due_date_is_kept_in_utc_and_stays(course):
    seoul = timezone(timedelta(hours=9))
    release(course, "mini", due=datetime(2026, 12, 1, 9, 0, tzinfo=seoul))
    release(course, "mini")
    with course.gradebook() as gradebook:
        stored = gradebook.find_assignment("mini").duedate
    assert stored.replace(tzinfo=UTC) == datetime(2026, 12, 1, tzinfo=UTC)


def test_the_due_date_is_told_as_it_is_stored(course):
    release(course, "mini")
    assert "has no due date" in describe_due_date(course, "mini", None)
    due = read_date("2025-03-14", "--due", ZoneInfo("Asia/Seoul"))
    release(course, "mini", due=due)
    assert describe_due_date(course, "mini", due) == (
        "mini is due Friday 14 March 2025, 23:59:59 KST (UTC+09:00) = 2025-03-14 14:59:59 UTC, "
        "which has passed."
    )
    with course.gradebook() as gradebook:
        assert gradebook.find_assignment("mini").duedate == datetime(2025, 3, 14, 14, 59, 59)
    own = replace(course, settings=replace(course.settings, time_zone="Asia/Seoul"))
    assert describe_due_date(own, "mini", None).endswith("UTC, which has passed, as before.")


def told_dates(course):
    return json.loads((course.root / "release" / "due.json").read_text("utf-8"))["assignments"]


def test_the_due_date_is_told_to_students(course):
    own = replace(course, settings=replace(course.settings, time_zone="Asia/Seoul"))
    release(own, "mini")
    assert told_dates(own) == [{"name": "mini", "title": {"en": "Mini", "ko": "미니"}, "due": None}]
    release(own, "mini", due=read_date("2026-12-01", "--due", ZoneInfo("Asia/Seoul")))
    assert [one["due"] for one in told_dates(own)] == ["2026-12-01T23:59:59+09:00"]
    release(own, "mini", due=read_date("2026-12-02 00:00 UTC", "--due"))
    assert [one["due"] for one in told_dates(own)] == ["2026-12-02T09:00:00+09:00"]
    assert build(own) == [] and told_dates(own)  # it isn't stale


def test_a_date_changed_elsewhere_is_told_by_the_next_command(term, monkeypatch):
    with term.gradebook() as gradebook:
        gradebook.add_student("ana")
        gradebook.find_assignment("mini").duedate = datetime(2026, 12, 1)  # as Formgrader does
        gradebook.db.commit()
    packed = json.loads(contents(term)["release/due.json"])
    due = datetime.fromisoformat(packed["assignments"][0]["due"])
    assert due == datetime(2026, 12, 1, tzinfo=UTC)
    words = ["term", "extend", "mini", "ana", "--until", "2026-12-05", "--course", str(term.root)]
    monkeypatch.setattr(sys, "argv", ["autograder", *words])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert not ended.value.code
    assert told_dates(term) == packed["assignments"]
    assert "ana" not in (term.root / "release" / "due.json").read_text()


def test_the_first_release_is_recorded(course):
    before = datetime.now(UTC).replace(microsecond=0)
    release(course, "mini")
    first = release_time(course, "mini")
    assert before <= first <= datetime.now(UTC)
    release(course, "mini")
    assert release_time(course, "mini") == first


COMMAND = ["-m", "autograder", "release", "mini", "--course", "."]
BY_PYTHON = "from autograder.authoring.release import release\nrelease(Course(Path.cwd()), 'mini')"
FORMGRADER = (
    "from nbgrader.api import Gradebook\n"
    "config = Course(Path.cwd()).nbgrader_config()\n"  # all that Formgrader has of ours
    "Path('term').mkdir(exist_ok=True)\n"
    "Gradebook(config.CourseDirectory.db_url, 'x').close()"
)
IMPORTS = "from pathlib import Path\nfrom autograder.config import Course\n"


@pytest.mark.parametrize(
    "words",
    [COMMAND, ["-c", IMPORTS + BY_PYTHON], ["-c", IMPORTS + FORMGRADER]],
    ids=["command", "module", "formgrader"],
)
def test_an_environment_that_is_not_activated(course, tmp_path, words):
    """nbgrader starts alembic by name when it makes a gradebook."""
    path = os.pathsep.join(["/usr/bin", "/bin"])
    assert shutil.which("alembic", path=path) is None
    done = subprocess.run(
        [sys.executable, *words],
        cwd=course.root,
        env={**os.environ, "PATH": path, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert (course.root / "term" / "gradebook.db").is_file()


def test_the_cause_is_told_and_not_where_to_look_for_it(course, monkeypatch):
    monkeypatch.setattr("autograder.config.put_scripts_on_path", lambda: None)
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(UserError, match=r"\(FileNotFoundError: .*'alembic'\); fix that") as raised:
        release(course, "mini")
    assert "traceback" not in str(raised.value)


def test_into_the_exchange(course):
    release(course, "mini", to_exchange=True)
    release(course, "mini", to_exchange=True)
    inbound = course.root / "exchange" / course.id / "inbound"
    assert inbound.stat().st_mode & stat.S_ISVTX  # who knows a name can't take it away
    outbound = course.root / "exchange" / "beyond-prompting" / "outbound" / "mini"
    assert (outbound / "mini.ipynb").is_file()


def test_cells_can_not_come_or_go_once_submissions_are_graded(term, kit):
    kit.hand_in(term, "a", kit.answered(term))
    grade(term, "mini")
    for code in ("en", "ko"):
        path = term.source(code) / "mini" / "mini.ipynb"
        source_notebook = notebook_io.read(path)
        source_notebook.cells = [one for one in source_notebook.cells if one.id != "double-test"]
        notebook_io.write(path, source_notebook)
    with pytest.raises(UserError, match="give the changed assignment a new name"):
        release(term, "mini")


def test_unknown_and_unreleased_assignments_are_sentences(course):
    with pytest.raises(UserError, match="no assignment"):
        release(course, "nix")
    with pytest.raises(UserError, match="autograder release mini"):
        require_released(course, "mini")


def test_a_wrong_test_can_be_mended_after_grading(term, kit):
    kit.hand_in(term, "a", kit.answered(term, **{**kit.RIGHT, "a_answer": "a = 43"}))
    assert [one.score for one in grade(term, "mini")] == [4]
    for code in ("en", "ko"):
        path = term.source(code) / "mini" / "mini.ipynb"
        source_notebook = notebook_io.read(path)
        test = next(one for one in source_notebook.cells if one.id == "a-test")
        test.source = test.source.replace("a == 42", "a in (42, 43)")
        notebook_io.write(path, source_notebook)
    release(term, "mini")
    assert [one.score for one in grade(term, "mini")] == [6]
