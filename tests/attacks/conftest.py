"""Holds one attack at a time to what it deserves.

Every attack is followed by an honest student in the same worker, who must not notice.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from beyond import locale

# `benchmarks/attacks_on_stock.py` reads the families too, under the same names.
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.attacks.attack import NO_WALLS, Attack, Place  # noqa: E402
from tests.attacks.grader import (  # noqa: E402
    Graded,
    Grader,
    Listeners,
    left_running,
    place_for,
    release_small_course,
    submission,
)
from tests.attacks.small_course import RIGHT, SECRETS, answered  # noqa: E402

from autograder.course import Course  # noqa: E402


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Course:
    locale.set_language("en")
    return release_small_course(tmp_path_factory.mktemp("attacked") / "course")


@pytest.fixture(scope="session")
def grader(small: Course) -> Iterator[Grader]:
    os.environ["GRADER_TOKEN"] = "CANARY-ENVIRONMENT"
    grader = Grader(small)
    yield grader
    grader.close()
    del os.environ["GRADER_TOKEN"]


@pytest.fixture(scope="session")
def listeners(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Listeners]:
    found = Listeners(tmp_path_factory.mktemp("sockets"))
    yield found
    found.close()


@pytest.fixture(scope="session")
def place(small: Course, listeners: Listeners, tmp_path_factory: pytest.TempPathFactory) -> Place:
    return place_for(small, listeners, tmp_path_factory.mktemp("runtime"))


@pytest.fixture(scope="session")
def grade_attack(
    grader: Grader, place: Place, listeners: Listeners
) -> Callable[[Attack], Graded]:
    """Grade an attack, hold it to what it deserves, and see that the next student is well."""
    honest = json.dumps(answered(grader.given, RIGHT)).encode()

    def grade(attack: Attack) -> Graded:
        content = submission(attack, grader.given, place)
        found = grader.grade(content, dict(attack.files), attack.seconds)
        assert found.tests == attack.deserves, found.shown[-3_000:]
        assert found.points["essay"] == attack.written
        came_back = [one for one in (*SECRETS, NO_WALLS, *attack.never) if one in found.shown]
        assert not came_back, found.shown[-3_000:]
        assert attack.says in found.shown, found.shown[-3_000:]
        assert listeners.reached() == []
        assert left_running() == 0
        after = grader.grade(honest)
        assert after.tests == (2, 3), after.shown[-3_000:]
        return found

    return grade


@pytest.fixture
def course_copy(small: Course, tmp_path: Path) -> Course:
    """A course of one's own, for what only the whole way from a folder to a page shows."""
    return Course(shutil.copytree(small.root, tmp_path / "course"), cell_seconds=10)
