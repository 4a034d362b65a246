"""The feedback page: messages and explanations, no hidden line, nothing that runs."""

from datetime import UTC, datetime, timedelta

import pytest

from autograder.errors import UserError
from autograder.feedback import feedback
from autograder.grade import grade


@pytest.fixture
def graded(term, kit):
    work = kit.answered(
        term,
        "ko",
        a_answer="from IPython.display import HTML, display\n"
        "display(HTML('<script>canary</script><img src=x onerror=canary>'))\na = 41",
        double="def double(x):\n    print('SEEN', x)\n    raise ValueError(x)",
    )
    work.cells = [cell for cell in work.cells if cell.id != "imports"]
    kit.hand_in(term, "min", work)
    grade(term, "mini")
    return term


def page(course, **options):
    (path,) = feedback(course, "mini", **options)
    return path.read_text(encoding="utf-8")


def due(course, when):
    with course.gradebook() as gradebook:
        gradebook.update_or_create_assignment("mini", duedate=when.replace(tzinfo=None))


def test_hidden_tests_are_reduced_to_their_messages(graded):
    text = page(graded)
    assert "other numbers" in text  # the hidden check's name
    assert "double(2) is 4" in text  # the visible one's
    assert "ValueError" in text  # what a visible check ran into
    for secret in ("== 14", "HIDDEN", "double(7)", "a == 42", "SEEN 7"):
        assert secret not in text


def test_student_output_can_not_run_in_the_page(graded):
    text = page(graded)
    assert "<script>canary" not in text
    assert "onerror=canary>" not in text.replace("&#39;)", "")  # escaped source may quote it


def test_decisions_are_told_in_the_students_language(graded):
    assert "제출물에 대하여" in page(graded)


def test_answers_are_explained_only_after_the_due_date(graded):
    assert "42이니까요" not in page(graded)
    due(graded, datetime.now(UTC) + timedelta(days=1))
    assert "42이니까요" not in page(graded)
    assert "42이니까요" in page(graded, explain=True)
    due(graded, datetime.now(UTC) - timedelta(days=1))
    assert "42이니까요" in page(graded)


def test_nothing_graded_and_unknown_names_are_sentences(term, graded):
    with pytest.raises(UserError, match="zoe has no graded"):
        feedback(graded, "mini", ["zoe"])
    with pytest.raises(UserError, match="no assignment"):
        feedback(graded, "nix")
