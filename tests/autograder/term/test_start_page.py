"""The instructor's start page follows an assignment from release to report."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from autograder.authoring.release import release
from autograder.core import notebook_io
from autograder.feedback.feedback import feedback
from autograder.grading.coordinator import grade
from autograder.intake.collect import collect
from autograder.report.report import report
from autograder.similarity.similar import similar
from autograder.term.start_page import AssignmentState, assignment_states, write_start_page
from autograder.term.students import drop

NOW = datetime.now(UTC)


def row(course, name="Mini"):
    page = write_start_page(course).read_text("utf-8")
    (line,) = [line for line in page.split("\n") if line.startswith("|") and name in line]
    return [cell.strip() for cell in line.strip("|").split(" | ")]


def test_from_release_to_report(course, kit):
    assert row(course)[1:] == ["–"] * 7 + ["Release it: `autograder release mini --due DATE`"]
    assert not (course.term / "gradebook.db").exists()  # looking makes none
    release(course, "mini", due=NOW + timedelta(days=1))
    assert row(course)[-1] == "Hand it out, and wait until it is due: `autograder bundle mini`"
    release(course, "mini", due=NOW - timedelta(days=1))
    assert row(course)[-1] == "Collect: `autograder collect mini DOWNLOADS`"
    inbound = course.root / "exchange" / course.id / "inbound"
    for name in ("zoe+mini+2026", "zoe+mini+2027", "yan+other+2026", "<b>+mini+2026"):
        (inbound / name).mkdir(parents=True)
    assert row(course)[3] == "0 + 2"
    assert row(course)[-1] == "Collect what is in the exchange: `autograder collect mini`"
    for name in ("zoe+mini+2026", "zoe+mini+2027", "<b>+mini+2026"):
        (inbound / name).rmdir()
    for student in ("ana", "ben"):
        kit.hand_in(course, student, kit.answered(course, **kit.RIGHT))
    assert row(course)[3:5] == ["2", "0"]
    assert row(course)[-1] == "Grade what was collected: `autograder grade mini`"
    grade(course, "mini")
    assert row(course)[-1] == "Compare the submissions: `autograder similar mini`"
    similar(course, "mini")
    assert row(course)[-2] == "[0](reports/mini-similar.html)"
    assert row(course)[-1] == "Write the feedback: `autograder feedback mini`"
    feedback(course, "mini")
    assert row(course)[6] == "2 / 0"
    assert row(course)[-1] == "Return the feedback: `autograder feedback mini --release`"
    (course.term / "returns").mkdir()
    (course.term / "returns" / "mini-canvas.zip").touch()
    assert row(course)[6] == "2 / 0 / canvas"
    assert row(course)[-1] == "Look at the class: `autograder report mini`"
    report(course, "mini")
    assert row(course)[0] == "[Mini](reports/mini.html)" and row(course)[-1] == "Nothing"
    assert (course.term / "reports" / "mini.html").is_file()
    drop(course, ["ben"])
    assert row(course)[3:5] == ["1", "1"]


def test_what_was_refused_is_nothing_to_collect(course, kit):
    """Whoever puts a folder of nonsense into the exchange doesn't hold up the term."""
    release(course, "mini", due=NOW - timedelta(days=1), to_exchange=True)
    inbound = course.root / "exchange" / course.id / "inbound"
    refused = inbound / f"zoe+mini+{NOW:%Y-%m-%d %H:%M:%S} UTC"
    refused.symlink_to(course.root)
    (inbound / "yan+mini+today").mkdir()
    collecting = "Collect what is in the exchange: `autograder collect mini`"
    assert row(course)[3] == "0 + 2" and row(course)[-1] == collecting
    assert len(collect(course, "mini").refused) == 2
    assert row(course)[3] == "0"
    assert row(course)[-1] == "Collect: `autograder collect mini DOWNLOADS`"
    refused.unlink()
    refused.mkdir()
    notebook_io.write(refused / "mini.ipynb", kit.answered(course, **kit.RIGHT))
    assert row(course)[3] == "0 + 1" and row(course)[-1] == collecting
    assert len(collect(course, "mini").refused) == 1
    assert row(course)[3] == "1"
    assert row(course)[-1] == "Grade what was collected: `autograder grade mini`"


def test_a_written_answer_waits_for_a_person(course):
    state = AssignmentState("essay", "Essay", is_released=True, received=3, graded=3, waiting=1)
    what, command = state.next_step(NOW, course)
    assert "Manual Grading" in what and not command


@pytest.mark.parametrize("language", ["en", "ko"])
def test_titles_are_text_and_in_the_language(course, language):
    for code in ("en", "ko"):
        path = course.source(code) / "mini" / "mini.ipynb"
        notebook = notebook_io.read(path)
        notebook.cells[0].source = f"# {code} | <script>x</script> [y](z)"
        notebook_io.write(path, notebook)
    page = write_start_page(course, language).read_text("utf-8")
    assert f"{language} \\| \\<script\\>" in page
    assert [one.name for one in assignment_states(course, language)] == ["mini"]
    assert ("Release it" in page) == (language == "en")
