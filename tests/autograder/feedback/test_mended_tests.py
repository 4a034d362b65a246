"""A test that the instructor mends during the term is nobody's change but theirs."""

from autograder.authoring.release import release
from autograder.core import notebook_io
from autograder.feedback.feedback import feedback
from autograder.grading.coordinator import grade

CHANGED = "Changed cells ran in their original form"
MENDED = "Your instructor has corrected these cells since you got them"


def mend(course):
    """Correct the visible part of a-test, as an instructor would, and release it again."""
    for code in ("en", "ko"):
        path = course.source(code) / "mini" / "mini.ipynb"
        nb = notebook_io.read(path)
        for cell in nb.cells:
            if cell.id == "a-test":
                cell.source = cell.source.replace("a is a number", "a is a whole number")
        notebook_io.write(path, nb)
    release(course, "mini")


def test_who_has_the_old_test_is_not_told_of_a_change(term, kit):
    had = kit.answered(term, a_answer="a = 'x'", double=kit.RIGHT["double"])
    changed = kit.answered(term, a_answer="a = 'x'", a_test="pass")
    kit.hand_in(term, "ada", had)
    kit.hand_in(term, "ben", changed)
    mend(term)
    grade(term, "mini")
    pages = {one.parts[-3]: one.read_text("utf-8") for one in feedback(term, "mini")}
    assert CHANGED not in pages["ada"] and MENDED in pages["ada"]
    shown = pages["ada"].split("The test as you saw it", 1)[1].split("</details>", 1)[0]
    assert "a is a number" in shown and "whole" not in shown
    assert "a is a whole number" in pages["ada"]  # the check that was not passed
    assert CHANGED in pages["ben"] and MENDED not in pages["ben"]
    nbgraders_own = term.api().autograde("mini", "ada", force=True)
    assert nbgraders_own["success"], nbgraders_own["log"]
    assert term.api().generate_feedback("mini", "ada", force=True)["success"]
    text = (term.feedback / "ada/mini/mini.html").read_text("utf-8")
    assert CHANGED not in text and MENDED in text


def test_a_release_without_a_record_counts_while_it_lies_there(term, kit):
    (term.term / "released" / "mini.given.json").unlink()
    kit.hand_in(term, "ada", kit.answered(term, **kit.RIGHT))
    grade(term, "mini")  # remembers what the class was given
    mend(term)
    grade(term, "mini")
    (page,) = feedback(term, "mini")
    assert CHANGED not in page.read_text("utf-8")
