"""Canaries planted where students would find them, each found; and clean files left in peace."""

import base64
import hashlib
import json

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from autograder.authoring.build import build
from autograder.authoring.leaks import find_leaks, is_distinctive
from autograder.config import Course
from autograder.core import notebook_io

EXPLANATION = (
    "**The right answer is C.** The canary of the explanation sings only after the due date, "
    "when every choice has been handed in and graded.\n\n"
    "Mind the second formula:\n\n```python\nkestrel = wren * sparrow + heron\n```"
)


def meta(name, **flags):
    own = {
        "grade": False,
        "locked": False,
        "solution": False,
        "task": False,
        "schema_version": 3,
        "grade_id": name,
        "cell_type": "code",
        **flags,
    }
    return {"nbgrader": own}


def source_notebook(language="en"):
    cells = [
        new_code_cell(
            f'from beyond.locale import set_language\n\nset_language("{language}")', id="language"
        ),
        new_code_cell(
            "from beyond.checks import check, given, report\n\nprice_of_a_token = 0.000_002",
            id="imports",
            metadata=meta("imports", locked=True),
        ),
        new_markdown_cell("Which one? Replace `None` by a letter.", id="bird-question"),
        new_code_cell(
            'bird = None\n### BEGIN SOLUTION\nbird = "C"\n### END SOLUTION',
            id="bird",
            metadata=meta("bird", solution=True),
        ),
        new_code_cell(
            'with check("one of the letters", weight=0):\n'
            '    assert given(bird) in ("A", "B", "C")\n'
            '### BEGIN HIDDEN TESTS\nwith check("the right one", hidden=True):\n'
            '    canary_of_hidden_tests = given(bird).lower() + "canary"\n'
            '    assert canary_of_hidden_tests == "ccanary", "It is the third bird of the list."\n'
            "### END HIDDEN TESTS\nreport()",
            id="bird-test",
            metadata=meta("bird-test", grade=True, locked=True, points=1),
        ),
        new_markdown_cell(
            EXPLANATION, id="bird-explained", metadata={"beyond": {"reveal": "after-due"}}
        ),
        new_code_cell(
            'def cost(calls):\n    """US dollars."""\n    ### BEGIN SOLUTION\n'
            "    canary_price = price_of_a_token * 1_000\n"
            "    canary_calls = max(calls, 0) * canary_price\n"
            "    canary_sum = round(canary_calls, 12) + 0.0\n"
            "    return canary_sum\n    ### END SOLUTION",
            id="cost",
            metadata=meta("cost", solution=True),
        ),
        new_code_cell(
            'with check("nothing costs nothing"):\n    assert given(cost(0)) == 0\nreport()',
            id="cost-test",
            metadata=meta("cost-test", grade=True, locked=True, points=2),
        ),
    ]
    notebook = new_notebook(cells=cells)
    notebook.metadata = nbformat.from_dict(
        {
            "kernelspec": {
                "display_name": "Python 3 (ipykernel)",
                "language": "python",
                "name": "python3",
            },
            "language_info": {"name": "python"},
            "beyond": {"language": language},
        }
    )
    return notebook


@pytest.fixture
def course(tmp_path):
    made = Course(tmp_path / "course")
    notebook_io.write(made.source("en") / "birds" / "birds.ipynb", source_notebook())
    (made.source("en") / "birds" / "prices.csv").write_text("token,price\nwren,2\n", "utf-8")
    build(made)
    return made


@pytest.fixture
def released(course):
    return course.release("en") / "birds" / "birds.ipynb"


def kinds(leaks):
    return {leak.kind for leak in leaks}


def change(path, cell_id, **changes):
    notebook = notebook_io.read(path)
    cell = next(cell for cell in notebook.cells if cell.id == cell_id)
    for name, value in changes.items():
        cell[name] = value(cell[name]) if callable(value) else value
    notebook_io.write(path, notebook)


def test_a_clean_release_passes(course):
    assert find_leaks(course) == []
    assert find_leaks(course, course.root / "release") == []
    assert find_leaks(course, course.release("en")) == []


def test_the_source_notebooks_themselves_do_not(course):
    files = {
        f"release/en/{path.relative_to(course.source('en')).as_posix()}": path.read_bytes()
        for path in course.source("en").rglob("*.*")
    }
    assert kinds(find_leaks(course, files)) >= {
        "an answer",
        "a hidden test",
        "an explanation",
        "a mark",
        "the answer to a question",
        "an answer cell that differs from its stub",
    }


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("    canary_price = price_of_a_token * 1_000", "an answer"),
        ("canary_price   =  price_of_a_token * 1_000  # pasted", "an answer"),
        ('canary_of_hidden_tests = given(bird).lower() + "canary"', "a hidden test"),
        ("It is the third bird of the list.", "a hidden test"),
        (
            "# The canary of the explanation sings only after the due date, when every choice "
            "has been handed in and graded.",
            "an explanation",
        ),
        ("kestrel = wren * sparrow + heron", "an answer"),
        ('bird = "C"', "the answer to a question"),
        ("bird='C'", "the answer to a question"),
        ('answers = {"bird": "C"}', "the answer to a question"),
        ("assert bird == 'C'", "the answer to a question"),
    ],
)
@pytest.mark.parametrize("place", ["own cell", "test cell", "output", "metadata", "given file"])
def test_canary_in_a_release(course, released, line, kind, place):
    if place == "own cell":
        notebook = notebook_io.read(released)
        notebook.cells.append(new_code_cell(f"x = 1\n{line}", id="stray"))
        notebook_io.write(released, notebook)
    elif place == "test cell":
        change(released, "cost-test", source=lambda source: f"{source}\n{line}")
    elif place == "output":
        printed = new_output("stream", name="stdout", text=f"a\n{line}\n")
        change(released, "imports", outputs=[printed])
    elif place == "metadata":
        change(released, "imports", metadata=lambda own: {**own, "note": line})
    else:
        (released.parent / "prices.csv").write_text(f"token,price\n{line}\n", "utf-8")
    found = find_leaks(course)
    assert kind in kinds(found)
    leak = next(leak for leak in found if leak.kind == kind)
    assert leak.file.endswith("prices.csv" if place == "given file" else "birds.ipynb")
    assert leak.cell == {
        "own cell": "stray",
        "test cell": "cost-test",
        "given file": "line 2",
    }.get(place, "imports")


@pytest.mark.parametrize(
    "mark", ["### BEGIN HIDDEN TESTS", "# END SOLUTION", "=== BEGIN MARK SCHEME ==="]
)
def test_marks(course, released, mark):
    change(released, "cost-test", source=lambda source: f"{source}\n{mark}")
    assert "a mark" in kinds(find_leaks(course))


def test_a_kept_back_explanation(course, released):
    notebook = notebook_io.read(released)
    notebook.cells.append(
        new_markdown_cell("short", id="late", metadata={"beyond": {"reveal": "after-due"}})
    )
    notebook_io.write(released, notebook)
    assert [(leak.cell, leak.kind) for leak in find_leaks(course)] == [("late", "an explanation")]


def test_an_answer_cell_must_be_its_stub(course, released):
    change(released, "cost", source="def cost(calls):\n    return 42")
    for target in (None, course.root / "release", course.release("en")):
        assert "an answer cell that differs from its stub" in kinds(find_leaks(course, target))


def test_a_checksum_of_the_whole_test(course, released):
    """nbgrader's checksum of the cell with its hidden part would let a student try keys."""
    wrong = hashlib.md5(b"with hidden tests").hexdigest()
    change(
        released,
        "bird-test",
        metadata=lambda own: {**own, "nbgrader": {**own["nbgrader"], "checksum": wrong}},
    )
    assert [leak.kind for leak in find_leaks(course)] == ["a checksum that doesn't match the cell"]


def test_an_answer_without_marks(course, released):
    """nbgrader clears the whole cell then, so the whole cell is secret."""
    path = course.source("en") / "birds" / "birds.ipynb"
    answer = "def cost(calls):\n    canary_whole = calls * 17 - 4\n    return canary_whole"
    change(path, "cost", source=answer)
    build(course)
    assert find_leaks(course) == []
    (released.parent / "prices.csv").write_text("canary_whole = calls * 17 - 4\n", "utf-8")
    assert kinds(find_leaks(course)) == {"an answer"}


# The rest of a bundle: teaching code may say what an answer says, but not the whole of it.


def lesson(course, source, name="notebooks/en/02-cost.ipynb", cell_type="code"):
    path = course.root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".ipynb":
        new = new_code_cell if cell_type == "code" else new_markdown_cell
        notebook_io.write(path, new_notebook(cells=[new(source, id="one")]))
    else:
        path.write_text(source, "utf-8")
    return find_leaks(course)


@pytest.mark.parametrize("name", ["notebooks/en/02-cost.ipynb", "notebooks/beyond/cost.py"])
def test_one_line_of_an_answer_may_be_taught(course, name):
    assert lesson(course, "canary_price = price_of_a_token * 1_000\nreturn canary_sum", name) == []


@pytest.mark.parametrize("name", ["notebooks/en/02-cost.ipynb", "notebooks/beyond/cost.py"])
def test_a_whole_answer_may_not(course, name):
    source = (
        "canary_price = price_of_a_token * 1_000\n"
        "canary_calls = max(calls, 0) * canary_price\n"
        "canary_sum = round(canary_calls, 12) + 0.0\n"
    )
    assert kinds(lesson(course, source, name)) == {"an answer"}


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ('canary_of_hidden_tests = given(bird).lower() + "canary"', "a hidden test"),
        (
            "The canary of the explanation sings only after the due date, when every choice has "
            "been handed in\nand graded. More.",
            "an explanation",
        ),
        ('bird = "C"', "the answer to a question"),
    ],
)
@pytest.mark.parametrize(
    "name",
    [
        "notebooks/en/a.ipynb",
        "notebooks/START.md",
        "autograder/x.py",
        "notebooks/beyond/locale/ko/LC_MESSAGES/beyond.po",
    ],
)
def test_canary_in_the_rest_of_a_bundle(course, name, text, kind):
    assert kinds(lesson(course, text, name, "markdown")) == {kind}


def test_canary_in_a_compiled_catalogue(course):
    """A hidden assert's message extracted for translation would travel in the .mo."""
    path = course.root / "notebooks" / "beyond" / "locale" / "ko" / "beyond.mo"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"\xde\x12\x04\x95\0\0One more\0It is the third bird of the list.\0\xff\0")
    assert kinds(find_leaks(course)) == {"a hidden test"}


def test_marks_in_code_that_handles_them_are_fine(course):
    assert lesson(course, 'MARK = "### BEGIN SOLUTION"\n', "autograder/steps.py") == []


def test_everyday_code_is_no_leak(course):
    everyday = (
        "import math\nfrom beyond.checks import check, given, report\n"
        "price_of_a_token = 0.000_002\n"
        "def cost(calls):\n    return calls\nfor x in range(3):\n    pass\nreport()\n"
        'bird = "A"  # how to write an answer\n'
    )
    assert lesson(course, everyday) == []


def test_broken_notebook_is_searched_as_text(course, released):
    released.write_bytes(b'{"cells": [ canary_price = price_of_a_token * 1_000')
    assert kinds(find_leaks(course)) == {"an answer"}


def test_binary_file(course, released):
    (released.parent / "weights.npz").write_bytes(base64.b64decode("gAN9cQAu") * 100)
    assert find_leaks(course) == []


def test_no_source_notebooks_no_secrets(tmp_path):
    """In a student's bundle there is nothing to compare with."""
    place = tmp_path / "release" / "en" / "a"
    place.mkdir(parents=True)
    (place / "a.ipynb").write_text(json.dumps({"nbformat": 4}), "utf-8")
    assert find_leaks(Course(tmp_path)) == []


@pytest.mark.parametrize(
    "line",
    [
        "",
        "pass",
        "else:",
        "try:",
        "return x",
        "return None",
        "import math",
        "from a import b",
        "x = 0",
        "total = []",
        "for name in names:",
        "if name:",
        "report()",
        "### ---",
        '"""',
        "})",
        "q1 = None",
    ],
)
def test_lines_that_say_nothing(line):
    assert not is_distinctive(line)


def test_lines_that_say_something():
    assert is_distinctive("return fixed_cost / saving")
    assert is_distinctive("정답은 세 번째 새입니다")


NAME, IN_KOREAN = "the third bird from the left", "왼쪽에서 세 번째 새를 고른다"


@pytest.mark.parametrize("text", [NAME, IN_KOREAN])
@pytest.mark.parametrize("place", ["notebooks/beyond/texts.txt", "notebooks/en/bees.md"])
def test_the_name_of_a_hidden_check_in_any_language(course, text, place):
    source = course.source("en") / "birds" / "birds.ipynb"
    change(source, "bird-test", source=lambda code: code.replace("the right one", NAME))
    build(course)
    catalog = course.hidden_catalogs / "ko/LC_MESSAGES" / f"{course.hidden_text_domain}.po"
    catalog.parent.mkdir(parents=True)
    catalog.write_text(
        'msgid ""\nmsgstr "Content-Type: text/plain; charset=utf-8\\n"\n\n'
        f'msgid "{NAME}"\nmsgstr "{IN_KOREAN}"\n',
        "utf-8",
    )
    assert find_leaks(course) == []
    (course.root / place).parent.mkdir(parents=True, exist_ok=True)
    (course.root / place).write_text(f"One more.\n\n{text}\n\nAnd another.\n", "utf-8")
    assert kinds(find_leaks(course)) == {"a hidden test"}


def test_a_hidden_name_that_says_little_may_stand_elsewhere(course):
    assert lesson(course, "Is it\nthe right one\nor not?\n", "notebooks/en/bees.md") == []
