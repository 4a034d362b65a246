"""Right answers keep their points, whatever has happened to the cells that they stand in.

The rebuilt notebook runs here as plain code, without tests: at each test cell the answer that it
asks for has to be right.
"""

from __future__ import annotations

import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from nbformat.v4 import new_code_cell

from autograder.config import Course
from autograder.core import notebook_io
from autograder.intake.notebook_reader import submission_from_notebook
from autograder.intake.rebuild import SourceNotebooks, rebuild

ANSWERS = {"a-answer": "a = 42", "double": "def double(x):\n    return 2 * x"}
PLAN = {
    "a-test": lambda names: names.get("a") == 42,
    "double-test": lambda names: names["double"](21) == 42,
}


@pytest.fixture(scope="module")
def mini(released_course):
    course = Course(released_course)
    releases = {
        code: notebook_io.read(course.release(code) / "mini" / "mini.ipynb")
        for code in ("en", "ko")
    }
    return SourceNotebooks(course, "mini"), releases


def place(work, name):
    return next((n for n, one in enumerate(work.cells) if one.id == name), None)


def copied(work, number, source=None):
    one = notebook_io.copied(work.cells[number])
    one.id = f"copy-{len(work.cells)}"
    one.source = one.source if source is None else source
    return one


# Each takes the notebook, the name of an answer cell, and a source of chance.


def lost(work, name, rng, releases):
    """Somebody deletes given cells: tests, prose, imports."""
    for one in rng.sample(work.cells, 3):
        if one.id not in ANSWERS and not one.id.startswith(("copy", "mine")):
            work.cells.remove(one)


def own_cell_instead(work, name, rng, releases):
    at = place(work, name)
    if at is not None:
        work.cells[at] = new_code_cell(work.cells[at].source, id=f"mine-{at}")


def answer_at_the_top(work, name, rng, releases):
    at = place(work, name)
    if at is not None:
        source = work.cells.pop(at).source
        work.cells.insert(0, new_code_cell(source, id=f"mine-top-{name}"))


def answer_above_the_stub(work, name, rng, releases):
    at = place(work, name)
    if at is not None:
        own = new_code_cell(work.cells[at].source, id=f"mine-above-{name}")
        work.cells[at].source = _released(releases, name)
        work.cells.insert(rng.randint(0, at), own)


def answer_below_the_stub(work, name, rng, releases):
    at = place(work, name)
    if at is not None:
        own = new_code_cell(work.cells[at].source, id=f"mine-below-{name}")
        work.cells[at].source = _released(releases, name)
        work.cells.insert(at + 1, own)


def answer_at_the_end(work, name, rng, releases):
    at = place(work, name)
    if at is not None:
        work.cells.append(new_code_cell(work.cells[at].source, id=f"mine-end-{name}"))
        work.cells[at].source = _released(releases, name)


def stub_again(work, name, rng, releases):
    at = place(work, name)
    if at is not None:
        end = rng.choice(["\n", "\r\n", "\r", "  \n"])
        stub = copied(work, at, _released(releases, name).replace("\n", end))
        work.cells.insert(rng.randint(0, len(work.cells)), stub)


def scratch_copy(work, name, rng, releases):
    at = place(work, name)
    if at is not None:
        scratch = rng.choice(["# trying\ndouble(2)", "1 / 0", "print(a)", ""])
        work.cells.append(copied(work, at, scratch))


def older_copy_above(work, name, rng, releases):
    at = place(work, name)
    if at is not None:
        older = {"a-answer": "a = 41", "double": "def double(x):\n    return x"}[name]
        work.cells.insert(rng.randint(0, at), copied(work, at, older))


def older_copy_as_prose(work, name, rng, releases):
    at = place(work, name)
    if at is not None:
        aside = copied(work, at, "a = double = None")
        aside.cell_type = rng.choice(["raw", "markdown"])
        work.cells.append(aside)


def split(work, name, rng, releases):
    at = place(work, name)
    if at is not None and name == "double":
        first = copied(work, at, "FACTOR = 1\nFACTOR += 1")
        work.cells[at].source = "FACTOR *= 1\ndef double(x):\n    return FACTOR * x"
        work.cells.insert(at, first)


def doubled(work, name, rng, releases):
    number = rng.randrange(len(work.cells))
    work.cells.insert(rng.randint(0, len(work.cells)), copied(work, number))


def moved(work, name, rng, releases):
    at = place(work, name)
    if at is not None:
        work.cells.insert(rng.randint(0, len(work.cells)), work.cells.pop(at))


def merged(work, name, rng, releases):
    first, second = place(work, "a-answer"), place(work, "double")
    if first is not None and second is not None:
        work.cells[first].source += "\n\n" + work.cells[second].source
        del work.cells[second]


def merged_with_its_test(work, name, rng, releases):
    at, test = place(work, name), place(work, "a-test" if name == "a-answer" else "double-test")
    if at is not None and test is not None:
        work.cells[at].source += "\n\n" + work.cells[test].source
        del work.cells[test]


def lost_metadata(work, name, rng, releases):
    for one in work.cells:
        if rng.random() < 0.7:
            one.metadata = {}
        if rng.random() < 0.3 and not one.metadata:
            one.id = f"new-{rng.randrange(10**6)}"


def all_lost(work, name, rng, releases):
    for number, one in enumerate(work.cells):
        one.metadata, one.id = {}, f"new-{number}"


def another_language(work, name, rng, releases):
    other = notebook_io.copied(releases["ko"]).cells
    for number in sorted(rng.sample(range(len(other)), 3)):
        pasted = other[number]
        if pasted.id not in ANSWERS:
            pasted.id = f"ko-{number}" if rng.random() < 0.5 else pasted.id
            work.cells.insert(rng.randint(0, len(work.cells)), pasted)


def another_assignment(work, name, rng, releases):
    nbgrader = {"grade_id": "other", "grade": True, "points": 5, "locked": True, "solution": False}
    work.cells.insert(
        rng.randint(0, len(work.cells)),
        new_code_cell("assert unknown == 1", id="other", metadata={"nbgrader": nbgrader}),
    )


def as_prose(work, name, rng, releases):
    at = place(work, name)
    if at is not None:
        work.cells[at].cell_type = rng.choice(["raw", "markdown"])


def changed_given(work, name, rng, releases):
    for one in work.cells:
        if one.id in ("imports", "a-test"):
            one.source += rng.choice(["\npass", "\r\n", "  ", "\nraise SystemExit"])


FAULTS = [
    *(lost, own_cell_instead, answer_at_the_top, answer_above_the_stub, answer_below_the_stub),
    *(
        answer_at_the_end,
        stub_again,
        scratch_copy,
        older_copy_above,
        older_copy_as_prose,
        split,
        doubled,
        moved,
    ),
    *(merged, merged_with_its_test, lost_metadata, all_lost, another_language),
    *(another_assignment, as_prose, changed_given),
]
OTHERS = (lost, another_language, another_assignment, changed_given)
"""Faults that leave the answer cells alone: with any other one, nothing is ambiguous."""


def _released(releases, name):
    return next(one.source for one in releases["en"].cells if one.id == name)


def rebuilt(mini, work):
    sources, _releases = mini
    source = sources.get("mini", "en")
    submission = submission_from_notebook(work, sources.cells("mini"))
    return rebuild(source.template, source.released, submission)


def points(notebook) -> dict[str, bool]:
    """What each test would find, the cells before it run in their order."""
    names: dict = {}
    found = {}
    for one in notebook.cells:
        if one.id in PLAN:
            try:
                found[one.id] = PLAN[one.id](names)
            except Exception:
                found[one.id] = False
        elif one.cell_type == "code" and "beyond" not in one.source:
            try:
                exec(one.source, names)
            except Exception:
                continue
    return found


def apply(mini, faults, seed):
    _sources, releases = mini
    work = notebook_io.copied(releases["en"])
    for one in work.cells:
        one.source = ANSWERS.get(one.id, one.source)
    rng = random.Random(seed)
    for fault in faults:
        fault(work, rng.choice(list(ANSWERS)), rng, releases)
    return work


@pytest.mark.parametrize("fault", FAULTS, ids=lambda one: one.__name__)
def test_each_fault_costs_nothing(mini, fault):
    for seed in range(20):
        result, _notes = rebuilt(mini, apply(mini, [fault], seed))
        assert points(result) == dict.fromkeys(PLAN, True), seed


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.sampled_from([one for one in FAULTS if one not in OTHERS]),
    st.lists(st.sampled_from(OTHERS), max_size=2, unique=True),
    st.integers(0, 2**32),
)
def test_faults_together_cost_nothing(mini, fault, others, seed):
    result, _notes = rebuilt(mini, apply(mini, [*others, fault], seed))
    names = [one.__name__ for one in (*others, fault)]
    assert points(result) == dict.fromkeys(PLAN, True), names
