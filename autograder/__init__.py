"""Build, release, collect, grade and report the assignments of a Jupyter course."""

from typing import Any


def configure(config: Any) -> None:
    """Let this engine grade an nbgrader course; `autograder.config.configure` says how."""
    from autograder.config import configure  # late: student code imports this package, too

    configure(config)
