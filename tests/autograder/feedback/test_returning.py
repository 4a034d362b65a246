"""Feedback reaches students: through the exchange, through the LMS, and without a submission."""

import json
import os
import subprocess
import sys
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from autograder.authoring.release import release
from autograder.config import Course
from autograder.core import notebook_io
from autograder.core.collection_receipt import CollectionReceipt, record_receipt
from autograder.errors import UserError
from autograder.feedback.exchange import release_feedback
from autograder.feedback.lms_return import pack_feedback
from autograder.grading.coordinator import grade
from autograder.intake.collect import collect
from autograder.intake.lms_filenames import name_to_return

SCRIPTS = Path(sys.executable).parent
PAST = datetime.now(UTC) - timedelta(days=1)


def run(*command, cwd, **variables):
    done = subprocess.run(
        [str(one) for one in command],
        cwd=cwd,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def returned(tmp_path_factory, released_course, kit):
    """ada handed in by nbgrader's exchange, ben by Moodle, cem not at all; ada's folder with it."""
    import shutil

    folder = tmp_path_factory.mktemp("returned")
    shutil.copytree(released_course, folder / "course")
    course = Course(folder / "course", cell_seconds=3)
    release(course, "mini", due=datetime.now(UTC) + timedelta(minutes=5), to_exchange=True)
    home = folder / "ada"
    work = kit.answered(course, **kit.RIGHT)
    (home / "mini").mkdir(parents=True)
    notebook_io.write(home / "mini" / "mini.ipynb", work)
    config = {
        "CourseDirectory": {"course_id": course.id},
        "Exchange": {"root": str(course.nbgrader_config().Exchange.root)},
    }
    (home / "nbgrader_config.json").write_text(json.dumps(config))
    run(SCRIPTS / "nbgrader", "submit", "mini", "--student=ada", cwd=home, HOME=str(home))
    with zipfile.ZipFile(folder / "moodle.zip", "w") as zipped:
        zipped.writestr("Ben Kim_98_assignsubmission_file_/mini.ipynb", notebook_io.to_bytes(work))
    (folder / "roster.csv").write_text(
        "id,first_name,last_name,email,lms_user_id\nada,Ada,Lee,,\nben,Ben,Kim,,\ncem,Cem,Oz,,\n"
    )
    collect(course, "mini", roster=folder / "roster.csv")
    collect(course, "mini", folder / "moodle.zip")
    grade(course, "mini")
    with course.gradebook() as gradebook:
        gradebook.update_or_create_assignment("mini", duedate=PAST.replace(tzinfo=None))
    said = run(
        *(sys.executable, "-m", "autograder", "feedback", "mini", "--release", "--pack", "moodle"),
        *("--course", course.root),
        cwd=folder,
    )
    return course, home, said


def test_a_student_fetches_by_nbgraders_own_command(returned):
    course, home, said = returned
    assert "1 page in the exchange" in said and "through it: ben, cem;" in said
    run(
        *(SCRIPTS / "nbgrader", "fetch_feedback", "mini", "--student=ada"),
        cwd=home,
        HOME=str(home),
    )
    (page,) = (home / "mini" / "feedback").rglob("*.html")
    assert page.read_bytes() == (course.feedback / "ada/mini/mini.html").read_bytes()
    folder = course.nbgrader_config().Exchange.root + f"/{course.id}/feedback"
    assert os.stat(folder).st_mode & 0o777 == 0o711
    assert all(one.stat().st_mode & 0o004 for one in Path(folder).iterdir())


def test_formgraders_button_releases_what_can_be(returned):
    course, _home, _said = returned
    result = course.api().release_feedback("mini")
    assert result["success"], result["log"]
    assert course.api().release_feedback("mini", "ben")["success"]


def test_moodle_gets_its_own_names_back(returned):
    course, _home, said = returned
    with zipfile.ZipFile(course.term / "returns" / "mini-moodle.zip") as pack:
        assert pack.namelist() == ["Ben Kim_98_assignsubmission_file_/mini.html"]
        assert (
            pack.read(pack.namelist()[0]) == (course.feedback / "ben/mini/mini.html").read_bytes()
        )
    assert "Not collected from Moodle, so not in it: ada, cem." in said


def test_who_handed_nothing_in_gets_the_explanations(returned):
    course, _home, _said = returned
    page = (course.feedback / "cem/mini/mini.html").read_text("utf-8")
    assert "Nothing of yours was collected" in page and "Because 42." in page and "0 / 6" in page
    assert "a == 42" not in page and "a = 42" not in page  # neither hidden tests nor solutions


def test_nobody_from_that_lms_is_one_sentence(returned):
    course, _home, _said = returned
    pages = sorted(course.feedback.glob("*/mini/*.html"))
    with pytest.raises(UserError, match="No submission of mini was collected from a download of C"):
        pack_feedback(course, "mini", "canvas", pages)
    with pytest.raises(UserError, match="choose one of: canvas, moodle"):
        pack_feedback(course, "mini", "blackboard", pages)


def test_no_exchange_is_one_sentence(returned, tmp_path):
    course = Course(returned[0].root, exchange=tmp_path / "nowhere")
    with pytest.raises(UserError, match="There is no exchange at"):
        release_feedback(course, "mini", [])


def test_nothing_before_the_due_date_without_a_submission(term, kit):
    from autograder.feedback.feedback import feedback

    kit.hand_in(term, "ada", kit.answered(term, **kit.RIGHT))
    grade(term, "mini")
    with term.gradebook() as gradebook:
        gradebook.update_or_create_student("cem")
    for due in (None, datetime.now(UTC) + timedelta(days=1)):
        with term.gradebook() as gradebook:
            naive = due and due.replace(tzinfo=None)
            gradebook.update_or_create_assignment("mini", duedate=naive)
        assert len(feedback(term, "mini", explain=True)) == 1
        with pytest.raises(UserError, match="cem has no graded mini"):
            feedback(term, "mini", ["cem"])


@pytest.mark.parametrize(
    ("origin", "name", "back"),
    [
        ("canvas", "kimben_98_765_mini.ipynb", "kimben_98_765_mini.html"),
        ("canvas", "submissions/kimben_LATE_98_765_mini-1.ipynb", "kimben_LATE_98_765_mini-1.html"),
        ("canvas", "kimben_98_765_work.zip", "kimben_98_765_work-mini.html"),
        ("canvas", "kimben_98_text.html", None),
        ("canvas", "mini.ipynb", None),
        ("moodle", "Ben Kim_98_assignsubmission_file_/a/b.ipynb",
         "Ben Kim_98_assignsubmission_file_/mini.html"),
        ("moodle", "quiz/김 벤_98_assignsubmission_file_/b.ipynb",
         "김 벤_98_assignsubmission_file_/mini.html"),
        ("moodle", "Ben Kim_98_assignsubmission_file_b.ipynb",
         "Ben Kim_98_assignsubmission_file_mini.html"),
        ("moodle", "..\\..\\Ben_98_assignsubmission_file_/b.ipynb",
         ".._.._Ben_98_assignsubmission_file_/mini.html"),
        ("moodle", "ben/mini.ipynb", None),
    ],
)  # fmt: skip  # pairs of long names stay together
def test_the_names_that_an_lms_takes_back(origin, name, back):
    assert name_to_return(origin, name, "mini.html") == back


def test_two_files_never_share_a_name(term, kit, tmp_path):
    pages = []
    for student in ("ada", "ben"):
        page = term.feedback / student / "mini" / "mini.html"
        page.parent.mkdir(parents=True)
        page.write_text(student)
        pages.append(page)
        name = "Kim_98_assignsubmission_file_/mini.ipynb"
        record_receipt(term, student, "mini", CollectionReceipt("", "moodle", name))
    result = pack_feedback(term, "mini", "moodle", pages)
    assert (result.pages, result.left_out) == (1, ["ben"])
