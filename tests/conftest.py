"""What every test starts from."""

import os
from pathlib import Path

import pytest

from beyond import locale

ROOT = Path(__file__).resolve().parents[1]

# Two processes that both compute on every core take six times as long as one after the other:
# their threads wait for each other by spinning. Read by PyTorch when it is imported.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")

# What several files share, or see of each other: it has to stay in one process.
TOGETHER = {
    "tests/attacks/": "attacks",  # each looks for processes that outlived their submission
    "tests/autograder/test_demo.py": "demo",
    "tests/browser/test_instructor.py": "demo",
    "tests/docs/": "docs",  # one site, built in one place
}
# Files and folders whose tests take minutes: first, so that no process ends long after the other.
LONG = (
    *("tests/notebooks/", "tests/attacks/", "tests/hub/", "tests/container/", "tests/docs/"),
    *("tests/wheel/", "tests/browser/", "tests/source/", "tests/autograder/test_distribution.py"),
    *("tests/autograder/adoption/test_nbgraders_own_tests.py", "tests/beyond/retrieval/"),
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Start the long ones first, and each as long as others are left to fill the time."""
    ranks = dict(zip(LONG, range(len(LONG)), strict=True))
    items.sort(
        key=lambda item: next(
            (rank for start, rank in ranks.items() if item.nodeid.startswith(start)), len(ranks)
        )
    )


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> object:
    """Keep the tests of a file in one process, and with those of other files in `TOGETHER`.

    Not by the mark `xdist_group`: pytest-xdist 3.8 passes over it with pytest 9.2.
    """
    from xdist.scheduler import LoadScopeScheduling

    class ByFile(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            path = nodeid.split("::", 1)[0]
            return next((own for start, own in TOGETHER.items() if path.startswith(start)), path)

    return ByFile(config, log)


@pytest.fixture(scope="session")
def played(tmp_path_factory):
    """The demo, played once: its folder, what it said, the results. Not to be written into."""
    from autograder.config import Course
    from autograder.demo import play

    folder = tmp_path_factory.mktemp("term") / "demo"
    said: list[str] = []
    results = play(folder, Course(ROOT), said.append)
    return folder, said, {(one.assignment, one.student): one for one in results}


@pytest.fixture(scope="session", autouse=True)
def this_course():
    """What every command does first: learn what the course says of itself."""
    from autograder.config import Course

    return Course(ROOT)


@pytest.fixture(autouse=True)
def english():
    """Each test starts in English, and one that leaves another language behind has failed."""
    locale.set_language("en")
    yield
    left = locale.language()
    locale.set_language("en")
    assert left == "en", f"the language was left at {left}"
