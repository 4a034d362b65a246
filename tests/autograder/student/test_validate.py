"""Validate outside JupyterLab: what passes, fails or isn't answered, and what is left alone."""

import hashlib
import json
from dataclasses import replace

import pytest
from nbclient.exceptions import CellTimeoutError
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from nbgrader.preprocessors import Execute

from autograder.config import Course
from autograder.core import notebook_io
from autograder.core.notebook_io import BadNotebook
from autograder.errors import UserError
from autograder.student.validate import find_release, validate
from autograder.student.validate_button import in_words


def meta(name, kind="code", **flags):
    own = {
        "grade": False,
        "locked": False,
        "solution": False,
        "task": False,
        "schema_version": 3,
        "grade_id": name,
        "cell_type": kind,
        **flags,
    }
    return {"nbgrader": own}


def solution(name, source):
    return new_code_cell(source, id=name, metadata=meta(name, solution=True))


def graded_cell(name, source):
    return new_code_cell(source, id=name, metadata=meta(name, grade=True, locked=True, points=1))


def assignment(language="en"):
    return new_notebook(
        metadata={"beyond": {"language": language}},
        cells=[
            new_code_cell(
                f'from beyond.locale import set_language\n\nset_language("{language}")',
                id="language",
            ),
            new_code_cell(
                "from beyond.checks import check, given, report",
                id="imports",
                metadata=meta("imports", locked=True),
            ),
            solution("letter", "q1 = None\n# YOUR CODE HERE"),
            graded_cell(
                "letter-test",
                'with check("one of the letters", weight=0):\n'
                '    assert given(q1, "q1") in ("A", "B"), "Replace None by a letter."\n'
                "report()",
            ),
            solution("double", "def double(x):\n    # YOUR CODE HERE\n    pass"),
            graded_cell(
                "double-test",
                'with check("two becomes four", hint="Is it a square?"):\n'
                "    assert given(double(3)) == 6\n"
                'with check("zero stays"):\n    assert given(double(0)) == 0\nreport()',
            ),
            new_markdown_cell(
                "YOUR ANSWER HERE",
                id="why",
                metadata=meta("why", "markdown", grade=True, solution=True, points=2),
            ),
        ],
    )


@pytest.fixture
def course(tmp_path):
    from autograder.core.preprocessing import apply_preprocessors

    made = Course(tmp_path / "course", cell_seconds=5)
    for language in ("en", "ko"):
        release = apply_preprocessors(
            made, assignment(language), "form", ("nbgrader.preprocessors.ComputeChecksums",)
        )
        notebook_io.write(made.release(language) / "form" / "form.ipynb", release)
    return made


@pytest.fixture
def mine(course, tmp_path):
    """Write a student's notebook from the release with some sources replaced."""

    def write(sources=None, language="en", name="form (1).ipynb", edit=None):
        notebook = notebook_io.read(course.release(language) / "form" / "form.ipynb")
        for cell in notebook.cells:
            cell.source = (sources or {}).get(cell.id, cell.source)
        if edit:
            edit(notebook)
        path = tmp_path / "downloads" / name
        notebook_io.write(path, notebook)
        return path

    return write


def states(result):
    return {cell.grade_id: cell.state for cell in result.cells}


RIGHT = {
    "letter": 'q1 = "B"',
    "double": "def double(x):\n    return 2 * x",
    "why": "Because it doubles.",
}


def test_all_is_well(course, mine):
    path = mine(RIGHT)
    before = hashlib.sha256(path.read_bytes()).digest()
    result = validate(path, course)
    assert result.ok
    assert result.assignment == "form"
    assert states(result) == {"letter-test": "passed", "double-test": "passed", "why": "written"}
    assert (result.unanswered, result.changed, result.missing, result.errors) == ((), (), (), ())
    assert not result.form_only
    assert [cell.form_only for cell in result.cells] == [True, False, False]
    assert str(result).endswith(
        "Only the form of these answers is checked here: letter-test\n"
        "More checks run when your work is graded."
    )
    assert hashlib.sha256(path.read_bytes()).digest() == before, "the student's file is only read"
    assert [one.name for one in path.parent.iterdir()] == [path.name]


def test_a_quiz_says_that_only_the_form_was_checked(course, mine):
    """Not so an assignment in which one cell of several checks the form; that cell is named."""
    said = "never whether they are correct"
    result = validate(mine(RIGHT), course)
    assert said not in str(result)
    assert said not in " ".join(in_words(result)["sentences"])
    assert in_words(result)["sentences"][-2].endswith(result.titles["letter-test"])
    quiz = replace(result, cells=(result.cells[0], result.cells[2]))
    assert quiz.form_only
    assert str(quiz).endswith("never whether they are correct.")
    assert in_words(quiz)["sentences"][-1].endswith("never whether they are correct.")


def test_a_cell_that_goes_on_after_the_interrupt(course, mine, monkeypatch):
    """It is a time-out like others, in the notebook's language; it is no file's fault."""
    execute = Execute.preprocess_cell

    def slow(self, cell, resources, index):
        if cell.source == RIGHT["double"]:
            raise CellTimeoutError.error_from_timeout_and_cell("no output", 150, cell)
        return execute(self, cell, resources, index)

    monkeypatch.setattr(Execute, "preprocess_cell", slow)
    result = validate(mine(RIGHT), course)
    [error] = result.errors
    assert (error.cell, error.message) == (
        "double",
        "It ran into the time limit of 5 seconds. If other programs keep the machine busy, close "
        "them and try again.",
    )
    assert states(result)["double-test"] == "not run"


def test_untouched(course, mine):
    result = validate(mine(), course)
    assert not result.ok
    assert set(states(result).values()) == {"unanswered"}
    assert result.unanswered == ("letter", "double", "why")
    assert "Not answered yet: letter, double, why" in str(result)


def test_what_failed_and_why(course, mine):
    result = validate(
        mine(RIGHT | {"double": "def double(x):\n    return x * x", "letter": "q1 = 7"}), course
    )
    assert not result.ok
    assert states(result)["double-test"] == "failed"
    checks = {check.name: check for cell in result.cells for check in cell.checks}
    assert checks["zero stays"].passed
    assert "Is it a square?" in checks["two becomes four"].message
    assert "Replace None by a letter." in checks["one of the letters"].message
    assert "Is it a square?" in str(result)


def test_changed_deleted_and_moved_tests(course, mine):
    """The originals run, and the student is told."""

    def edit(notebook):
        notebook.cells = [cell for cell in notebook.cells if cell.id != "letter-test"]
        cell = next(cell for cell in notebook.cells if cell.id == "double-test")
        cell.source = "pass"
        cell.metadata["nbgrader"]["points"] = 100

    result = validate(mine(RIGHT | {"double": "def double(x):\n    return 5"}, edit=edit), course)
    assert result.changed == ("double-test",)
    assert result.missing == ("letter-test",)
    assert states(result) == {"letter-test": "passed", "double-test": "failed", "why": "written"}
    assert result.notes


def test_points_raised_alone_are_a_change(course, mine):
    def edit(notebook):
        for cell in notebook.cells:
            if cell.id == "double-test":
                cell.metadata["nbgrader"]["points"] = 200

    assert validate(mine(RIGHT, edit=edit), course).changed == ("double-test",)


def test_an_answer_below_the_stub(course, mine):
    def edit(notebook):
        notebook.cells.insert(3, new_code_cell('q1 = "A"', id="own"))

    result = validate(mine(RIGHT | {"letter": "q1 = None\n# YOUR CODE HERE"}, edit=edit), course)
    assert states(result)["letter-test"] == "passed"
    assert result.unanswered == ()
    assert result.ok


def test_another_editors_notebook(course, mine):
    """Colab: no ids, no metadata, another kernel; the texts still tell which cell is which."""
    path = mine(RIGHT)
    data = json.loads(path.read_bytes())
    data["metadata"] = {"kernelspec": {"name": "my-env", "display_name": "My env"}, "colab": {}}
    for cell in data["cells"]:
        del cell["id"]
        if cell["source"] and "given(" in "".join(cell["source"]):
            cell["metadata"] = {"id": "x"}
    path.write_text(json.dumps(data), "utf-8")
    result = validate(path, course)
    assert result.missing == ()
    assert states(result)["double-test"] == "passed"


def test_a_crash_a_loop_and_an_exit(course, mine, tmp_path):
    quick = Course(course.root, cell_seconds=2)
    result = validate(
        mine(
            RIGHT
            | {
                "letter": 'q1 = "A"\nraise RuntimeError("\\x1b[31mboom")',
                "double": "def double(x):\n    while True:\n        pass",
            }
        ),
        quick,
    )
    assert not result.ok
    assert [(error.cell, error.message) for error in result.errors] == [
        ("letter", "RuntimeError: boom")
    ]
    assert states(result)["letter-test"] == "passed"
    assert states(result)["double-test"] == "failed"
    assert str(result).index("boom") < str(result).index("letter-test")
    assert result.told_cells()[0][0] == "letter"
    result = validate(mine(RIGHT | {"letter": "import os\nos._exit(3)"}), quick)
    assert states(result)["letter-test"] == "not run"
    assert result.errors[0].message == "It ended the Python process."


def test_a_name_that_an_answer_cell_stopped_before_setting(course, mine):
    """The test's NameError is about the answer's error; a letter without quotes is called that."""
    stopped = "NameError: name 'B' is not defined. If B is meant as text, put it in quotes: \"B\"."
    told = f"The cell letter stopped with an error: {stopped}"
    result = validate(mine(RIGHT | {"letter": "q1 = B"}), course)
    assert states(result)["letter-test"] == "failed"
    assert [check.message for check in result.cells[0].checks] == [told]
    assert [(error.cell, error.message) for error in result.errors] == [("letter", stopped)]
    assert "name 'q1' is not defined" not in str(result)

    result = validate(mine(RIGHT | {"double": "def double(x) return 2 * x"}), course)
    for check in result.cells[1].checks:
        assert check.message.startswith("The cell double stopped with an error: SyntaxError")
    assert "quotes" not in str(result)


def test_a_name_that_no_cell_was_to_set_is_left_as_it_is(course, mine):
    def edit(notebook):
        notebook.cells.insert(2, new_code_cell("print(q1)", id="looks"))
        notebook.cells.insert(3, new_code_cell("1 / 0", id="fails"))

    result = validate(mine(RIGHT | {"letter": "q2 = 'B'"}, edit=edit), course)
    [check] = result.cells[0].checks
    assert check.message == "NameError: name 'q1' is not defined"


def test_it_speaks_the_notebooks_language(course, mine):
    from beyond.locale import language

    result = validate(mine(language="ko"), course)
    assert result.language == "ko"
    assert "아직 답하지 않음" in str(result)
    assert language() == "en"


def test_the_release_in_its_own_language(course, mine):
    own = notebook_io.read(mine(language="ko"))
    assert find_release(course, own) == course.release("ko") / "form" / "form.ipynb"


def test_a_notebook_of_another_course(course, tmp_path):
    path = tmp_path / "other.ipynb"
    notebook_io.write(path, new_notebook(cells=[new_code_cell("1 + 1", id="one")]))
    with pytest.raises(UserError, match="nothing to validate"):
        validate(path, course)


def test_tests_without_a_release(course, mine):
    """The checksums that the cells carry still tell a changed test, and then nothing is sure."""
    path = mine(RIGHT | {"double-test": "report()"})
    alone = Course(course.root / "nowhere", cell_seconds=5)
    result = validate(path, alone)
    assert result.assignment is None
    assert result.changed == ("double-test",)
    assert states(result)["double-test"] == "passed"
    assert not result.ok


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"not json", "isn't JSON"),
        (b"[]", "not a notebook"),
        (b'{"nbformat": 3, "worksheets": []}', "old notebook format"),
        (b'{"nbformat": 4, "cells": [', "isn't JSON"),
    ],
)
def test_unreadable(course, tmp_path, content, says):
    path = tmp_path / "bad.ipynb"
    path.write_bytes(content)
    with pytest.raises(BadNotebook, match=says):
        validate(path, course)
    assert path.read_bytes() == content


def test_no_such_file(course, tmp_path):
    with pytest.raises(UserError, match="doesn't exist"):
        validate(tmp_path / "gone.ipynb", course)


def test_the_button_says_what_the_command_says(course, mine):
    from autograder.student.validate_button import shown

    assert shown(validate(mine(RIGHT), course)) == {}
    wrong = validate(mine(RIGHT | {"double": "def double(x):\n    return '<b>'"}), course)
    [entry] = shown(wrong)["failed"]
    assert entry["source"] == "double-test: not passed"
    assert "two becomes four" in entry["raw_error"]
    assert "<b>" not in entry["error"], "it is put into the page as HTML"
    alone = Course(course.root / "nowhere", cell_seconds=5)
    changed = validate(mine(RIGHT | {"double-test": "report()"}), alone)
    assert shown(changed) == {"changed": [{"source": "double-test"}]}


def test_line_ends_and_slips_are_no_change(course, mine):
    path = mine(RIGHT)
    data = json.loads(path.read_bytes())
    data["metadata"] = None
    for cell in data["cells"]:
        cell["source"] = "".join(cell["source"]).replace("\n", "\r\n")
        cell["outputs"] = None
    path.write_text(json.dumps(data), "utf-8")
    result = validate(path, course)
    assert result.ok and not result.changed and not result.notes
    untouched = mine()
    data = json.loads(untouched.read_bytes())
    for cell in data["cells"]:
        cell["source"] = "".join(cell["source"]).replace("\n", "\r\n")
    untouched.write_text(json.dumps(data), "utf-8")
    assert validate(untouched, course).unanswered == ("letter", "double", "why")


def test_only_the_name_is_left(course, tmp_path):
    answer = "\n".join((RIGHT["letter"], RIGHT["double"]))
    path = tmp_path / "form.ipynb"
    cell = {"cell_type": "code", "source": answer}
    path.write_text(json.dumps({"cells": [cell]}), "utf-8")
    result = validate(path, course)
    assert states(result) == {"letter-test": "passed", "double-test": "passed", "why": "unanswered"}


def test_the_window_names_questions_and_shows_no_code(course, mine):
    """Title, what is missing and what went wrong: in the notebook's language, as sentences."""
    from autograder.student.validate_button import in_words

    said = in_words(validate(mine(RIGHT), course))
    assert said["questions"] == [] and said["sentences"][0] == "Every visible check passed."
    waiting = in_words(validate(mine(), course))
    assert waiting["title"] == "Validation results" and waiting["questions"] == []
    assert any(one.startswith("Not answered yet: ") for one in waiting["sentences"])
    gone = in_words(validate(mine(RIGHT | {"letter": "q2 = 'B'"}), course))
    told = json.dumps(gone)
    assert "q1 has no value" in told and "NameError" not in told and "Traceback" not in told
    korean = in_words(validate(mine(language="ko"), course))
    assert (korean["title"], korean["button"], korean["language"]) == ("검사 결과", "닫기", "ko")
