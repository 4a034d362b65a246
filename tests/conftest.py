"""What every test starts from."""

from pathlib import Path

import pytest
from beyond import locale

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def played(tmp_path_factory):
    """The demo, played once: its folder, what it said, the verdicts. Not to be written into."""
    from autograder.course import Course
    from autograder.demo import play

    folder = tmp_path_factory.mktemp("term") / "demo"
    said: list[str] = []
    verdicts = play(folder, Course(ROOT), said.append)
    return folder, said, {(one.assignment, one.student): one for one in verdicts}


@pytest.fixture(autouse=True)
def english():
    """Each test starts in English, and one that leaves another language behind has failed."""
    locale.set_language("en")
    yield
    left = locale.language()
    locale.set_language("en")
    assert left == "en", f"the language was left at {left}"
