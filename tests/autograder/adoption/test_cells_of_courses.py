"""Habits of existing courses: nbgrader's points on solution and release, and the level of each."""

import pytest

from autograder.config import Course
from autograder.grading.coordinator import grade
from autograder.grading.levels import Levels, recorded_levels
from autograder.judge.contract import Level

from .conftest import answer, checking, given, plain

SEED = """import random
import numpy as np
random.seed(11)
np.random.seed(11)"""
ROLLS = """rolls = [random.randint(1, 6) for turn in range(4)]
heights = np.random.normal(size=3)"""
MORE = """more = random.randint(1, 1000)
noise = np.random.rand()"""

# name: (cells before, solution, test, the level)
CASES = {
    "a_seed_set_in_a_cell_before": (
        (given("seeded", SEED),),
        ROLLS,
        "own = random.Random(11)\nassert rolls == [own.randint(1, 6) for turn in range(4)]\n"
        "assert np.array_equal(heights, np.random.RandomState(11).normal(size=3))",
        Level.SEALED,
    ),
    "a_seed_that_goes_on_over_cells": (
        (),
        MORE,
        "own = random.Random(11)\ndrawn = [own.randint(1, 6) for turn in range(4)]\n"
        "assert more == own.randint(1, 1000)\nstate = np.random.RandomState(11)\n"
        "state.normal(size=3)\nassert noise == state.rand()",
        Level.SEALED,
    ),
    "a_module_s_function_given_a_student_s_value": (
        (given("numpy", "import numpy as np\nsteps = np.arange(4)"),),
        "cubes = steps ** 3",
        "assert np.array_equal(cubes, np.arange(4) ** 3)\nassert np.load('saved.npy')[3] == 27",
        Level.SEALED,
    ),
    "a_module_beside_the_notebook_named_like_an_installed_one": (
        (given("wave", "from wave import amplitude"),),
        "loudest = max(amplitude(t) for t in range(5))",
        "import wave\nassert loudest == wave.amplitude(2) == 7",
        Level.SEALED,
    ),
    "a_name_looked_for_among_the_globals": (
        (),
        "lantern = 'lit'",
        "assert 'lantern' in globals(), 'bind lantern'\nassert 'lamp' not in globals()\n"
        "assert 'lantern' in dir() and lantern == 'lit'",
        Level.SEALED,
    ),
    "a_test_that_is_timed": (
        (),
        "%time quarters = [n / 4 for n in range(3)]",
        "%%time\n%time assert sum(quarters) == 0.75",
        Level.SEALED,
    ),
    "imports_that_are_the_answer": (
        (),
        "from fractions import Fraction as Part\nimport statistics as stats",
        "assert Part(2, 4).denominator == 2\nassert stats.mean([1, 3]) == 2",
        Level.SEALED,
    ),
    "an_import_repeated_in_a_test_that_is_unsealed": (
        (),
        "sentence = '4 + 5'",
        "import numpy as np\nassert np.add(eval(sentence), 1) == 10",
        Level.UNSEALED,
    ),
    "and_the_same_import_used_in_one_that_is_sealed": (
        (),
        "triples = np.arange(4) * 3",
        "import random\nimport numpy as np\nassert np.array_equal(triples, np.array([0, 3, 6, 9]))",
        Level.SEALED,
    ),
    "a_name_that_hidden_lines_bind": (
        (),
        "def fifth(x):\n    return x / 5",
        "### BEGIN HIDDEN TESTS\nfrom math import isclose\nwanted = 0.2\n"
        "### END HIDDEN TESTS\nassert isclose(fifth(1), wanted)",
        Level.SEALED,
    ),
    "and_the_next_test_reads": (
        (),
        "def sixth(x):\n    return x / 6",
        "assert isclose(sixth(1.2), wanted)",
        Level.SEALED,
    ),
    "a_test_that_awaits": (
        (),
        "async def later():\n    return 5",
        "assert (await later()) == 5",
        Level.UNSEALED,
    ),
}
BROKEN = "assert lantern == 'lit' and and"
"""Gives nobody points with nbgrader alone, and must give the others theirs."""
AFTER = {
    "a_module_s_function_given_a_student_s_value": plain("np.save('saved.npy', cubes)"),
}
FILES = {"wave.py": "def amplitude(t):\n    return 7 - (t - 2) ** 2\n"}


def cells():
    for name, (before, solution, test, _level) in CASES.items():
        yield from before
        yield answer(f"{name}-answer", solution)
        if name in AFTER:
            yield AFTER[name]
        yield checking(name, test)
    yield checking("broken", BROKEN)


@pytest.fixture
def graded(ordinary):
    ordinary.source("ps1", "p1", cells())
    for name, text in FILES.items():
        (ordinary.root / "source" / "ps1" / name).write_text(text)
    ordinary.run("nbgrader", "generate_assignment", "ps1")
    solved = {f"{name}-answer": one[1] for name, one in CASES.items()}
    ordinary.hand_in("right", "ps1", p1=solved)
    ordinary.hand_in("nothing", "ps1")
    course = Course.in_folder(ordinary.root)
    results = grade(course, "ps1")
    return ordinary, course, {one.student: one for one in results}


def test_each_gives_what_nbgrader_gives_at_its_level(graded):
    ordinary, course, results = graded
    lost = {name for name, one in ordinary.scores("right", "ps1").items() if one != 1}
    assert lost == {"broken"}, results["right"].reasons
    assert {name for name, one in ordinary.scores("nothing", "ps1").items() if one} == set()
    recorded = recorded_levels(course)["ps1"]
    levels = Levels(recorded["unsealed"], recorded["contracts"])
    assert {name: levels.of("p1", name) for name in CASES} == {
        name: level for name, (*_cells, level) in CASES.items()
    }, recorded
