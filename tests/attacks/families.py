"""All families of attacks, in the order of the table."""

from __future__ import annotations

from tests.attacks import (
    test_cells_and_metadata,
    test_each_barrier,
    test_files_and_processes,
    test_forging,
    test_handing_in,
    test_honest_students,
    test_learning,
    test_other_graders,
    test_readers_browser,
    test_stopping_the_class,
    test_system_calls,
    test_wearing_down,
)
from tests.attacks.attack import Attack

FAMILIES: dict[str, list[Attack]] = {
    "Forging a score": test_forging.ATTACKS,
    "Learning what is hidden": test_learning.ATTACKS,
    "Cells and metadata": test_cells_and_metadata.ATTACKS,
    "Handing in": test_handing_in.ATTACKS,
    "Files and processes": test_files_and_processes.ATTACKS,
    "System calls and neighbors": test_system_calls.ATTACKS,
    "Each barrier": test_each_barrier.ATTACKS,
    "Known from other graders": test_other_graders.ATTACKS,
    "Wearing it down": test_wearing_down.ATTACKS,
    "Stopping the class": test_stopping_the_class.ATTACKS,
    "The reader's browser": test_readers_browser.ATTACKS,
    "Honest students": test_honest_students.ATTACKS,
}


def by_name() -> dict[str, Attack]:
    """Every attack by its name."""
    return {one.name: one for family in FAMILIES.values() for one in family}
