"""Holds one attack at a time to what it deserves, in classes that the commands went through."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

# `benchmarks/attacks_on_stock.py` reads the families too, under the same names.
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.attacks.attack import Attack, Place
from tests.attacks.classroom import Outcome, Schoolhouse
from tests.attacks.suite import Suite, required
from tests.attacks.surroundings import Listeners, open_folder, place_for


@pytest.fixture(scope="session")
def school() -> Iterator[Path]:
    """A folder that everybody may read, so that only the sandbox protects it."""
    with open_folder() as folder:
        yield folder


@pytest.fixture(scope="session")
def listeners(school: Path) -> Iterator[Listeners]:
    found = Listeners(school)
    yield found
    found.close()


@pytest.fixture(scope="session")
def house(school: Path, listeners: Listeners) -> Schoolhouse:
    """Where classes come from."""
    runtime = school / "runtime"
    runtime.mkdir()

    def place(course: Path) -> Place:
        return place_for(course, listeners, runtime)

    return Schoolhouse(school, place)


@pytest.fixture(scope="session")
def suite(request: pytest.FixtureRequest, house: Schoolhouse, listeners: Listeners) -> Suite:
    """All attacks of this run, which share classes."""
    chosen = [
        item.callspec.params["attack"]
        for item in request.session.items
        if "attack" in getattr(getattr(item, "callspec", None), "params", {})
    ]
    return Suite(house, chosen, listeners)


@pytest.fixture(scope="session")
def holds(suite: Suite) -> Callable[[Attack], Outcome]:
    """Require that an attack comes to what it deserves and that nobody else is hurt."""

    def holds(attack: Attack) -> Outcome:
        result = suite.result(attack)
        required(result)
        return result.outcome

    return holds
