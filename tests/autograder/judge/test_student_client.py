"""A student's process is bounded in time and made anew; one that ended costs one test."""

import pytest
from nbformat.v4 import new_code_cell, new_notebook

from autograder.checks import MIME_TYPE
from autograder.core.notebook_io import is_test
from autograder.grading.result import graded_cells
from autograder.grading.scoring import score_cell
from autograder.notebook_metadata import entries
from tests.conftest import ROOT
from tests.one_job import execute

GIVEN = "from beyond.checks import check, given, report"


def cell(name, source, **marks):
    made = new_code_cell(source, id=name)
    if marks:
        made.metadata.nbgrader = {"grade_id": name, "grade": False, "solution": False, **marks}
    return made


def asks(name, expression, points=1):
    source = f"with check({name!r}):\n    assert {expression}\n### BEGIN HIDDEN TESTS\n"
    source += f"with check('{name} hidden', hidden=True):\n    assert {expression}\n"
    source += "### END HIDDEN TESTS\nreport()"
    return cell(f"{name}-test", source, grade=True, points=points, locked=True)


def points(*cells, seconds=1.0):
    notebook = new_notebook(cells=[cell("given", GIVEN, locked=True), *cells])
    done = execute(notebook, notebook, cell_seconds=seconds)
    return {one.grade_id: one.points for one in graded_cells(done.notebook)}, done


def answer(name, source):
    return cell(name, source, solution=True)


ENDLESS = "def f():\n    while True:\n        pass"
STUBBORN = (
    "def f():\n    while True:\n        try:\n            while True:\n                pass\n"
    "        except BaseException:\n            pass"
)


@pytest.mark.parametrize(
    "source",
    [
        ENDLESS,
        STUBBORN,
        "def f():\n    import os\n    os._exit(0)",
        "def f():\n    import os\n    os.kill(os.getpid(), 9)",
        "def f():\n    import ctypes\n    ctypes.string_at(0)",
        "def f():\n    import time\n    time.sleep(60)",
    ],
)
def test_a_function_that_never_returns_costs_its_own_test_alone(source):
    found, _done = points(
        answer("a", "x = 5\ndef g():\n    return x"),
        asks("g", "g() == 5"),
        answer("b", source),
        asks("f", "f() == 1"),
        answer("c", "def h():\n    return g() + 1"),
        asks("h", "h() == 6"),
    )
    assert found == {"g-test": 1, "f-test": 0, "h-test": 1}


@pytest.mark.parametrize(
    ("source", "status"),
    [
        ("while True:\n    pass", "timed out"),
        ("import os\nos._exit(0)", "died"),
        (STUBBORN + "\nf()", "timed out"),
    ],
)
def test_a_cell_that_never_ends_costs_no_other(source, status):
    found, done = points(
        answer("a", "def g():\n    return 5"),
        asks("g", "g() == 5"),
        answer("b", source),
        answer("c", "def h():\n    return g() + 1"),
        asks("h", "h() == 6"),
    )
    assert found == {"g-test": 1, "h-test": 1}
    assert entries(done.notebook.cells[3])["status"] == status


def test_the_other_checks_of_the_cell_count():
    test = (
        "with check('first'):\n    assert f(1) == 1\nwith check('hangs'):\n    f(0)\n"
        "with check('after'):\n    f(1)\nwith check('other'):\n    assert g() == 2\nreport()"
    )
    source = "def f(n):\n    while n == 0:\n        pass\n    return n\ndef g():\n    return 2"
    found, _done = points(
        answer("a", source), cell("f-test", test, grade=True, points=4, locked=True)
    )
    assert found == {"f-test": 2}


def test_all_calls_of_a_function_in_a_test_share_the_time_of_one_cell():
    test = "for n in range(9):\n    with check(f'{n}'):\n        assert f() == 1\nreport()"
    source = "def f():\n    import time\n    time.sleep(0.3)\n    return 1"
    found, _done = points(
        answer("a", source), cell("f-test", test, grade=True, points=9, locked=True)
    )
    assert 1 <= found["f-test"] <= 3  # three on an idle machine; nine if each call had its own time


def test_state_comes_back_with_the_cells_and_not_with_what_calls_did():
    found, _done = points(
        answer(
            "a",
            "import random\nseen = []\ndraw = random.random()\n"
            "def f():\n    seen.append(1)\n    1 / len(seen)\n    while True:\n        pass",
        ),
        asks("f", "f()"),
        answer("b", "again = random.random() != draw and len(seen)"),
        asks("b", "again == 0"),
    )
    assert found == {"f-test": 0, "b-test": 1}


def test_a_student_s_own_timeout_is_an_error_like_any_other():
    test = (
        "caught = False\ntry:\n    f()\nexcept TimeoutError:\n    caught = True\n"
        "with check('x'):\n    assert caught\nreport()"
    )
    found, _done = points(
        answer("a", "def f():\n    raise TimeoutError('mine')"),
        cell("f-test", test, grade=True, points=1, locked=True),
    )
    assert found == {"f-test": 1}


def test_more_output_than_is_kept_stops_nothing():
    lifted = "get_ipython().outputs._left = 10**12\nprint('x' * 2_000_000)"
    found, done = points(
        *(answer(f"n{number}", "print('y' * 900_000)") for number in range(12)),
        answer("a", "def f():\n    return 1"),
        asks("f", "f() == 1"),
        answer("b", lifted),
        answer("c", "get_ipython().outputs._left = 10**12\nprint('x' * 30_000_000)"),
        answer("d", "def g():\n    return f()"),
        asks("g", "g() == 1"),
        seconds=5.0,
    )
    assert found == {"f-test": 1, "g-test": 1}
    shown = [len(str(one.outputs)) for one in done.notebook.cells]
    assert sum(shown) < 9_500_000
    assert "left out" in str(done.notebook.cells)


def test_a_fault_of_the_instructor_s_is_no_score():
    from autograder.judge.job import JobOutcome
    from autograder.judge.worker import run_submission
    from tests.one_job import job_for

    notebook = new_notebook(
        cells=[
            cell("given", "import no_such_module", locked=True),
            answer("a", "def f():\n    return 1"),
            asks("f", "f() == 1"),
        ]
    )
    found = JobOutcome.from_bytes(run_submission(job_for(notebook, notebook).to_bytes()))
    assert "no_such_module" in found.fault


def test_the_judge_sees_no_more_than_it_needs(tmp_path):
    """Should a test be tricked, it finds neither the machine nor anybody else's work."""
    probes = """import os, socket
holes = []
for place in ("/home", "/etc/passwd", *{hidden}):
    if os.path.exists(place):
        holes.append(place)
try:
    socket.create_connection(("127.0.0.1", 9), 0.2)
except OSError as error:
    holes += ["network"] if error.errno not in (101, 111, 1, 13) else []
if os.geteuid() == 0:
    holes.append("root")
for place in ("/", "/course", "/usr"):
    try:
        open(os.path.join(place, "x"), "w")
        holes.append("writes " + place)
    except OSError:
        pass
if [one for one in os.listdir("/proc") if one.isdigit()] != ["1"]:
    holes.append("processes")
with check(str(holes)):
    assert not holes and os.getcwd() == "/scratch/work"
report()"""
    test = cell(
        "probe",
        probes.format(hidden=[str(tmp_path), str(ROOT / "source"), str(ROOT / "tests")]),
        grade=True,
        points=1,
        locked=True,
    )
    found, done = points(answer("a", "f = 1"), test)
    assert found == {"probe": 1}, [
        one.data[MIME_TYPE] for c in done.notebook.cells if is_test(c) for one in c.outputs[:1]
    ]
    assert score_cell(done.notebook.cells[-1]).points == 1
