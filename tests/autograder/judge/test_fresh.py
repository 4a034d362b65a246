"""`@probe(fresh=True)`: a student's file, judged where none of the student's code has run."""

import pytest
from nbformat.v4 import new_code_cell, new_notebook

from autograder.checks import MIME_TYPE
from tests.one_job import execute

GIVEN = """from pathlib import Path
from beyond.checks import check, given, probe, report
@probe(fresh=True)
def content():
    return Path("model.txt").read_text()
@probe(fresh=True)
def size():
    return Path("model.txt").stat().st_size
@probe(fresh=True)
def knows(name):
    return name in globals()
@probe(fresh=True)
def ends():
    import os
    os._exit(3)
"""
TEST = """with check("the file is right", hidden=True):
    assert content() == "right"
with check("nothing of the student's is there"):
    assert not knows("make")
report()"""


def run(answer, test=TEST, files=None, listed=("model.txt",)):
    """Whether each check passed, and the outputs of the test cell."""

    def cell(name, source, **marks):
        made = new_code_cell(source, id=name)
        made.metadata.nbgrader = {"grade_id": name, "grade": False, "solution": False, **marks}
        return made

    cells = [
        cell("given", GIVEN, locked=True),
        cell("answer", answer, solution=True),
        cell("test", test, grade=True, points=2, locked=True),
    ]
    notebook = new_notebook(cells=cells, metadata={"beyond": {"files": list(listed)}})
    cells = execute(notebook, notebook, files=files or {}, cell_seconds=5.0).notebook.cells
    records = [out.data[MIME_TYPE] for out in cells[2].outputs if MIME_TYPE in out.get("data", {})]
    return [one["passed"] for record in records for one in record["checks"]], cells[2].outputs


def test_a_file_that_the_answer_makes_is_judged():
    passed, _outputs = run("def make():\n    open('model.txt', 'w').write('right')\nmake()")
    assert passed == [True, True]


def test_a_file_that_was_handed_in_is_judged():
    assert run("make = 1", files={"model.txt": b"right"})[0] == [True, True]


def test_an_answer_that_replaces_the_file_or_takes_it_away_is_taken_at_its_word():
    handed_in = {"model.txt": b"right"}
    assert run("make = open('model.txt', 'w').write('wrong')", files=handed_in)[0] == [False, True]
    assert run("import os\nmake = os.remove('model.txt')", files=handed_in)[0] == [False, True]


def test_what_the_answer_patches_has_no_say():
    answer = (
        "import builtins, pathlib\n"
        "pathlib.Path.read_text = lambda *_words, **_more: 'right'\n"
        "builtins.open = None\n"
        "make = 1\n"
    )
    assert run(answer)[0] == [False, True]


@pytest.mark.parametrize("name", ["other.txt", "../model.txt"])
def test_only_the_files_that_the_assignment_lists_are_taken(name):
    answer = f"make = 1\ntry:\n    open({name!r}, 'w').write('right')\nexcept OSError:\n    pass"
    assert run(answer)[0] == [False, True]


def test_a_link_to_elsewhere_shows_what_the_student_could_read_and_no_more():
    assert run("import os\nmake = os.symlink('/etc/shadow', 'model.txt')")[0] == [False, True]


def test_a_file_over_the_limit_is_an_error_of_that_check():
    answer = "make = open('model.txt', 'wb').truncate(80 * 1024 * 1024)"
    assert run(answer)[0] == [False, False]


def test_a_file_that_ends_its_reader_leaves_the_other_tests_alone():
    test = (
        "with check('reads'):\n    ends()\n"
        "with check('still answers'):\n    assert given(make) == 7\nreport()"
    )
    passed, outputs = run("make = 7", test)
    assert passed == [False, True]
    assert "ended" in str(outputs)


SHIFTING = """
import pathlib
reads, read_bytes = [0], pathlib.Path.read_bytes
def shifting(path):
    reads[0] += 1
    return b"right" if reads[0] % 2 == 0 else b""
pathlib.Path.read_bytes = shifting
open('model.txt', 'w').write('right')
make = 1
"""


def test_all_that_is_asked_of_a_file_is_asked_of_one_copy():
    test = (
        "with check('small and right', hidden=True):\n"
        "    assert size() == 0\n    assert content() == 'right'\nreport()"
    )
    assert run(SHIFTING, test)[0] == [False]
    assert run(SHIFTING.replace("== 0", "== 1"), test)[0] == [False]


def test_a_file_that_the_test_has_the_answer_write_is_judged_as_written():
    answer = "def make(text):\n    return open('model.txt', 'w').write(text)"
    test = (
        "with check('one after the other'):\n"
        "    for text in ('right', 'left', ''):\n"
        "        given(make(text))\n"
        "        assert content() == text and size() == len(text)\n"
        "report()"
    )
    assert run(answer, test)[0] == [True]
