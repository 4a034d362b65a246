"""The feedback page: messages and explanations, no hidden line, nothing that runs."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from nbformat.v4 import new_output, new_raw_cell

from autograder.core import notebook_io
from autograder.errors import UserError
from autograder.feedback.feedback import feedback
from autograder.feedback.page import SCRIPT
from autograder.grading.coordinator import grade


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


def without_own_script(text):
    """The page without the one script that is its own."""
    own = f"<script>{SCRIPT}</script>"
    assert text.count(own) == 1
    return text.replace(own, "")


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


def graded_notebook(course):
    return course.autograded / "min" / "mini" / "mini.ipynb"


def change(course, edit):
    """Put something into the graded notebook, as if grading had left it there."""
    path = graded_notebook(course)
    nb = notebook_io.read(path)
    edit({cell.id: cell for cell in nb.cells}, nb)
    path.chmod(0o644)
    notebook_io.write(path, nb)


def test_student_output_can_not_run_in_the_page(graded):
    text = without_own_script(page(graded))
    assert "<script" not in text
    assert "onerror=canary>" not in text.replace("&#39;)", "")  # escaped source may quote it


def test_the_page_loads_nothing(graded):
    text = without_own_script(page(graded))
    assert "default-src &#39;none&#39;" in text or "default-src 'none'" in text
    assert not re.search(r"<(?:link|script|iframe|object|base)\b", text)
    assert not re.search(r'(?:src|href)="(?!data:image|#|https?://example|mailto:)', text)


def test_points_reasons_and_checks_are_on_the_page(graded):
    text = page(graded)
    assert "0 / 2" in text and "0 / 4" in text and "0 / 6" in text
    assert 'href="#q-a-test"' in text and 'id="q-a-test"' in text
    assert text.index("제출물에 대하여") < text.index('id="scores"') < text.index('id="notebook"')


def test_a_raw_cell_and_an_attachment_that_is_gone_do_no_harm(graded):
    def edit(cells, nb):
        nb.cells.insert(1, new_raw_cell("<script>canary()</script>", id="own-8"))
        cells["title"].source += "\n\n![그림](attachment:missing.png)"

    change(graded, edit)
    text = without_own_script(page(graded))
    assert "<script" not in text and "&lt;script&gt;canary()" in text and "그림" in text


def test_ten_megabytes_on_a_line(graded):
    def edit(cells, _nb):
        cells["a-answer"].outputs = [new_output("stream", name="stdout", text="x" * 10_000_000)]

    change(graded, edit)
    text = page(graded)
    assert len(text) < 100_000 and "9,998,000" in text


def test_formulas_are_mathml(graded):
    assert "<msup><mi>x</mi><mn>2</mn></msup>" in page(graded)


def test_comments_and_points_of_a_person(graded):
    with graded.gradebook() as gradebook:
        comment = gradebook.find_comment("a-answer", "mini", "mini", "min")
        comment.manual_comment = "잘했어요 **거의** <script>canary()</script>"
        for name, points in (("a-test", 1.5), ("double-test", None)):
            grade = gradebook.find_grade(name, "mini", "mini", "min")
            grade.manual_score = points
            grade.needs_manual_grade = points is None
        gradebook.db.commit()
    text = without_own_script(page(graded))
    assert "<strong>거의</strong>" in text and "<script" not in text
    assert "1.5 / 2" in text and "– / 4" in text and "1.5 / 6" in text


def test_lateness_is_told_with_its_penalty(graded):
    due(graded, datetime(2026, 11, 20, 7, 30, tzinfo=UTC))  # came in at 10:00
    with graded.gradebook() as gradebook:
        gradebook.find_grade("a-test", "mini", "mini", "min").manual_score = 2
        gradebook.find_submission_notebook("mini", "mini", "min").late_submission_penalty = 0.5
        gradebook.db.commit()
    text = page(graded)
    assert "−0.5" in text and "1.5 / 6" in text and "2026-11-20 10:00 UTC" in text


def test_no_cell_chooses_the_language_of_the_page(graded):
    def edit(cells, nb):
        nb.cells.insert(0, cells["title"].copy())
        nb.cells[0].update(
            cell_type="code", id="own-9", outputs=[], execution_count=1, source='set_language("xx")'
        )

    change(graded, edit)
    assert '<html lang="ko">' in page(graded, explain=True)


def test_an_error_of_ours_names_its_reason_and_leaves_a_page(graded):
    change(graded, lambda cells, nb: nb.metadata["beyond"].update(notes=[{"nope": 1}]))
    result = feedback(graded, "mini")
    assert "nope" in result.failed["min"] and result.failed["min"].startswith("min got points")
    (path,) = result
    assert "0 / 6" in path.read_text(encoding="utf-8")


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


def test_a_gradebook_in_use_is_a_sentence(graded):
    import sqlite3

    from autograder.errors import EnvironmentFault

    connection = sqlite3.connect(graded.term / "gradebook.db")
    connection.execute("BEGIN EXCLUSIVE")
    try:
        with pytest.raises(EnvironmentFault, match="in use by another program"):
            feedback(graded, "mini")
    finally:
        connection.close()
